"""
How many labels must a person look at?
======================================

The review page lists the labels that look wrong, lowest quality first. This example writes the page
for a table, decides the first rows with the true labels, and measures how label accuracy increases
with the number of decisions.
"""

# %%
# Find the issues and write the page
# ----------------------------------
# ``review.html`` is one file that opens from disk. Here it is written to a temporary folder.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from nllearn import LabelCleaner
from nllearn.datasets import make_symmetric_noise
from nllearn.inspection import Decision

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
y = y.map({0: "malignant", 1: "benign"}).to_numpy()
y_noisy = make_symmetric_noise(y, noise_rate=0.2, random_state=0)
cleaner = LabelCleaner(random_state=0).fit(X, y_noisy)

with tempfile.TemporaryDirectory() as folder:
    page = cleaner.report(Path(folder) / "review.html", table=X, title="Biopsies")
    print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")
issues = cleaner.label_issues()
print(f"{issues.is_label_issue.sum()} issues among {len(issues)} rows")

# %%
# Review in two orders
# --------------------
# The page exports decisions: accept or reject the suggestion, or choose another label.
# ``apply_decisions`` takes a list of decisions or the exported file. Undecided rows keep their
# given label here.
truth = y.tolist()


def labels_after_review(rows):
    """Final labels when these rows are decided with the true labels."""
    decisions = []
    for row in rows:
        given, suggested = y_noisy[row], issues.corrected_label[row]
        right = truth[row]
        action = "reject" if right == given else "accept" if right == suggested else "other"
        decisions.append(Decision(int(row), action, given_label=given, label=right))
    return cleaner.apply_decisions(decisions, undecided="given")


listed = issues[issues.is_label_issue].sort_values("label_quality").index
by_chance = np.random.default_rng(0).permutation(len(y))
steps = np.arange(0, len(listed) + 1, 5)
curves = {
    "worst quality first": [np.mean(labels_after_review(listed[:k]) == y) for k in steps],
    "in random order": [np.mean(labels_after_review(by_chance[:k]) == y) for k in steps],
}

# %%
# Accuracy by number of decisions
# -------------------------------
# Nearly every row at the top of the list has a wrong label, so accuracy increases at the highest
# possible rate. Rows in random order mostly have right labels, so reviewing them changes little.
# After some 90 decisions the reviewed labels are more accurate than those that accept every
# suggestion: some suggestions near the end of the list are wrong.
fig, ax = plt.subplots(figsize=(6.4, 3.8))
for name, curve in curves.items():
    ax.plot(steps, curve, label=name)
unseen = np.mean(cleaner.corrected_labels_ == y)
ax.axhline(unseen, color="0.4", ls=":", label="all suggestions accepted")
ax.set(xlabel="rows that a person has decided", ylabel="share of labels that are right")
ax.legend(loc="center right", fontsize=8)
fig.tight_layout()
plt.show()
