"""
Labels of several annotators
============================

Five people labelled the digits. One is good, one fair, one poor, one copies the poor one, and one
answers at random. ``LabelCleaner`` takes one column per person, and tells who is how good from the
images and all labels together.
"""

# %%
# A majority is no proof
# ----------------------
# The poor annotator and the one who copies are wrong together.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from nllearn import LabelCleaner
from nllearn.datasets import make_annotator_labels

X, y = load_digits(return_X_y=True)
names = ["good", "fair", "poor", "copies poor", "random"]
labels = make_annotator_labels(
    y, quality=[0.8, 0.6, 0.4, 0.4, 0.1], copies={3: 2}, copy_rate=0.95, random_state=0
)
cleaner = LabelCleaner(random_state=0).fit(X, labels)
votes = (labels[:, :, None] == np.arange(10)).sum(1)
right = {
    "best annotator": (labels[:, 0] == y).mean(),
    "majority": (votes.argmax(1) == y).mean(),
    "LabelCleaner": (cleaner.corrected_labels_ == y).mean(),
}
for name, share in right.items():
    print(f"{name}: {share:.3f} of the labels right")

# %%
# Who is how good, and who copies
# -------------------------------
# On the left the estimated quality beside the true one, on the right the share of labels that one
# of two annotators seems to have from the other.
fig, (left, middle) = plt.subplots(1, 2, figsize=(8.4, 3.6))
true = (labels == y[:, None]).mean(0)
place = np.arange(len(names))
left.bar(place - 0.2, cleaner.annotator_quality_, 0.4, label="estimated")
left.bar(place + 0.2, true, 0.4, label="true")
left.set_xticks(place, names, rotation=30, ha="right")
left.set(ylabel="share of right labels")
left.legend()
picture = middle.imshow(cleaner.annotator_dependence_, vmin=0, vmax=1, cmap="Blues")
middle.set_xticks(place, names, rotation=30, ha="right")
middle.set_yticks(place, names)
fig.colorbar(picture, ax=middle)
fig.tight_layout()
plt.show()
