"""
Wrong labels among images of digits
===================================

Scikit-learn ships 1,797 images of handwritten digits, 8 x 8 pixels each. We make 30 % of the
training labels wrong, train on them, and look at the labels with the lowest quality.
"""

# %%
# Arrays of images
# ----------------
# ``fit`` takes arrays of shape (n, height, width), with or without channels. Digits must not be
# mirrored, so the random views are restricted; the default also flips left and right.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from nllearn import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.datasets import make_part_dependent_noise
from nllearn.metrics import label_accuracy
from nllearn.training import ImageViews

digits = load_digits()
X, X_test, y, y_test = train_test_split(
    digits.images.astype(np.float32), digits.target, test_size=0.3, random_state=0
)
y_noisy = make_part_dependent_noise(X.reshape(len(X), -1), y, noise_rate=0.3, random_state=0)

classifiers = {
    "Anchor Hallucination": AnchorHallucinationClassifier,
    "MixNN": MixNNClassifier,
}
fitted = {}
for name, cls in classifiers.items():
    clf = cls(max_epochs=15, augmentation=ImageViews(flip=False), random_state=0)
    fitted[name] = clf.fit(X, y_noisy)
    print(
        f"{name}: test accuracy {clf.score(X_test, y_test):.3f}, label accuracy "
        f"{label_accuracy(y, y_noisy):.3f} -> {label_accuracy(y, clf.corrected_labels_):.3f}, "
        f"estimated noise rate {clf.noise_rate_:.2f}"
    )

# %%
# The labels of lowest quality
# ----------------------------
# ``label_issues`` has one row per training row. Review the rows of lowest quality first.
clf = fitted["Anchor Hallucination"]
worst = clf.label_issues().sort_values("label_quality").head(18)
fig, axes = plt.subplots(3, 6, figsize=(8, 5))
for ax, (row, issue) in zip(axes.flat, worst.iterrows(), strict=True):
    ax.imshow(X[row], cmap="gray_r")
    ax.set_title(f"{issue.given_label} -> {issue.corrected_label}", fontsize=10)
    ax.set_axis_off()
fig.suptitle("Given and corrected label, lowest quality first")
fig.tight_layout()
plt.show()

# %%
# Is the quality calibrated?
# --------------------------
# Among labels of quality q, a share q should be right. The true labels are known here, so this can
# be checked.
quality, right = clf.label_quality_, y_noisy == y
edges = np.linspace(0, 1, 6)
which = np.clip(np.digitize(quality, edges) - 1, 0, 4)
fig, ax = plt.subplots(figsize=(4, 4))
ax.plot([0, 1], [0, 1], ":", color="gray")
for k in range(5):
    rows = which == k
    if rows.any():
        ax.scatter(quality[rows].mean(), right[rows].mean(), s=10 + rows.sum() / 4, color="C0")
ax.set_xlabel("mean label quality")
ax.set_ylabel("share of given labels that are right")
fig.tight_layout()
plt.show()
