"""
Small losses first: the mixture over the epochs
===============================================

Networks learn regular patterns before they memorise noise. For some epochs the loss separates right
labels from wrong ones, and a mixture of two Gaussians turns it into a probability. This example
shows these epochs, and how the separation is lost when training continues.
"""

# %%
# A plain network on wrong labels
# -------------------------------
# After every epoch we record the loss of each row against its given label, and how well the losses
# separate wrong labels from right ones: 1 is perfect, 0.5 is chance.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from nllearn import MixNNClassifier
from nllearn.datasets import make_symmetric_noise
from nllearn.inspection import LossMixtureDisplay
from nllearn.metrics import detection_auroc

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
y_noisy = make_symmetric_noise(y, noise_rate=0.4, random_state=0)
wrong = y_noisy != y

plain = MLPClassifier(hidden_layer_sizes=(256,), batch_size=128, random_state=0)
losses, auroc = {}, []
for epoch in range(1, 151):
    plain.partial_fit(X, y_noisy, classes=np.arange(10))
    own = plain.predict_proba(X)[np.arange(len(y)), y_noisy]
    losses[epoch] = -np.log(np.maximum(own, 1e-12))
    auroc.append(detection_auroc(y, y_noisy, np.exp(-losses[epoch])))

# %%
# Three moments
# -------------
# Blue rows have right labels, orange ones wrong labels; the curves are the two components of
# the mixture, fitted without the true labels. At epoch 10 the components nearly match the two kinds
# of rows. At epoch 150 most wrong labels are memorised and have small losses as well.
shown = [1, 10, 150]
fig, axes = plt.subplots(1, 3, figsize=(12, 3.6))
for ax, epoch in zip(axes, shown, strict=True):
    LossMixtureDisplay.from_predictions(losses[epoch], is_issue=wrong, ax=ax)
    ax.set_title(f"epoch {epoch}, AUROC {auroc[epoch - 1]:.2f}")
    if epoch == shown[0]:
        curves, bars = ax.get_lines(), ax.containers
        names = ["right label", "wrong label", "small-loss part", "large-loss part"]
        ax.legend([*bars, *curves], names, fontsize=8)
    else:
        ax.get_legend().remove()
fig.tight_layout()
plt.show()

# %%
# The AUROC over the epochs
# -------------------------
# The warm-up of ``MixNNClassifier`` ends while the AUROC is high. It selects rows by their loss
# there, and then learns from more than the given labels. Its losses still separate wrong labels
# from right ones at the end.
clf = MixNNClassifier(random_state=0).fit(X, y_noisy)
own = clf.predict_proba(X)[np.arange(len(y)), y_noisy]
fig, ax = plt.subplots(figsize=(6.4, 3.6))
ax.plot(range(1, 151), auroc, label="plain network")
ax.axhline(
    detection_auroc(y, y_noisy, own), color="C1", ls="--", label="MixNN, at the end of its fit"
)
ax.set(xlabel="epoch", ylabel="AUROC of the loss for wrong labels", ylim=(0.5, 1.02))
ax.legend(loc="lower left")
fig.tight_layout()
plt.show()
