"""
Doubtful labels in a famous data set
====================================

No noise is added here. ``LabelCleaner`` is fitted to the handwritten digits of scikit-learn, and
the labels of lowest quality are shown.
"""

# %%
# Clean the published labels
# --------------------------
# No network is trained: each label is predicted by neighbours and by two regressions in closed
# form, from the other rows alone.
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from nllearn import LabelCleaner

digits = load_digits()
cleaner = LabelCleaner(random_state=0).fit(digits.data, digits.target)
issues = cleaner.label_issues()
print(f"estimated share of wrong labels: {cleaner.noise_rate_:.4f}")
print(f"labels that would be changed: {issues.is_label_issue.sum()} of {len(issues)}")

# %%
# The labels of lowest quality
# ----------------------------
# Above each digit: the label in the data set, the label predicted without it, and the probability
# that the given label is right. These digits are written unclearly rather than labelled wrongly,
# and no label is changed: if the predictions agree with almost every label of a data set, the
# estimated noise rate is so low that a single disagreement does not change a label.
worst = issues.sort_values("label_quality").head(18)
fig, axes = plt.subplots(3, 6, figsize=(9, 5.6))
for ax, (row, issue) in zip(axes.flat, worst.iterrows(), strict=True):
    ax.imshow(digits.images[row], cmap="gray_r")
    ax.set_title(
        f"given {issue.given_label}, looks like {issue.predicted_label}\n"
        f"quality {issue.label_quality:.3f}",
        fontsize=8,
    )
    ax.set_axis_off()
fig.tight_layout()
plt.show()
