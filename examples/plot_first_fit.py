"""
A first fit: 40 % wrong labels
==============================

We make four in ten labels of the handwritten digits wrong, train on them, and look at what the
classifier found: a network that did not memorise the noise, corrected labels, and the quality of
each given label.
"""

# %%
# Fit on wrong labels
# -------------------
# ``fit`` gets only ``y_noisy``. ``y_train`` is used afterwards, to measure the result.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from nllearn import AnchorHallucinationClassifier
from nllearn.datasets import make_symmetric_noise

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
y_noisy = make_symmetric_noise(y_train, noise_rate=0.4, random_state=0)

clf = AnchorHallucinationClassifier(random_state=0).fit(X_train, y_noisy)
print(f"accuracy on clean test labels: {clf.score(X_test, y_test):.3f}")
print(
    f"label accuracy: {np.mean(y_noisy == y_train):.3f} before, "
    f"{np.mean(clf.corrected_labels_ == y_train):.3f} after"
)
print(f"estimated share of wrong labels: {clf.noise_rate_:.3f}")

# %%
# The table of issues
# -------------------
# One row per training row. These are the five labels of lowest quality.
columns = ["given_label", "corrected_label", "label_quality", "predicted_proba"]
clf.label_issues().sort_values("label_quality")[columns].head()

# %%
# Label accuracy of every class
# -----------------------------
# On the left, label accuracy stays lowest for the digit 8. On the right, the label quality of right
# and of wrong labels, with a logarithmic axis, since most rows are at the ends. A few wrong labels
# have a quality near one: not every wrong label is found.
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
digits = np.arange(10)
for labels, name, shift in [(y_noisy, "given", -0.2), (clf.corrected_labels_, "corrected", 0.2)]:
    share = [np.mean(labels[y_train == digit] == digit) for digit in digits]
    left.bar(digits + shift, share, width=0.4, label=name)
left.set(xticks=digits, xlabel="true digit", ylabel="share of labels that are right", ylim=(0, 1.2))
left.legend(loc="upper right", ncols=2)

wrong = y_noisy != y_train
bins = np.linspace(0, 1, 26)
right.hist(clf.label_quality_[~wrong], bins, alpha=0.6, label="right labels")
right.hist(clf.label_quality_[wrong], bins, alpha=0.6, label="wrong labels")
right.set(xlabel="label quality", ylabel="rows", yscale="log")
right.legend()
fig.tight_layout()
plt.show()
