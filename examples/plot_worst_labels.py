"""
Doubtful labels in a famous data set
====================================

No noise is made here. The handwritten digits of scikit-learn are taken as they are, and
``LabelCleaner`` is asked which of their labels it trusts least.
"""

# %%
# Clean labels that are meant to be right
# ---------------------------------------
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
# Look at the doubtful ones
# -------------------------
# Above each digit: the label that the data set gives, what is predicted without it,
# and the probability that the given label is right. These are sloppy writing more than wrong
# labels, and none is changed: where the predictions agree with almost every label of a data set, a
# doubt about one of them does not overrule it.
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
