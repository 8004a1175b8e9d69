"""
How many labels must a person look at?
======================================

The review page lists the labels that look wrong, the worst first. This example writes the page for
a table, lets somebody who knows the truth decide the first rows, and asks how fast the labels get
better.
"""

# %%
# Find the issues and write the page
# ----------------------------------
# ``review.html`` is one file that opens from disk. Here it goes to a temporary folder.
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
# A decision is what the page exports: accept or reject the suggestion, or choose another label.
# ``apply_decisions`` takes a list of them, or the exported file. Rows that nobody decided keep
# their given label here.
truth = y.tolist()


def labels_after_review(rows):
    """Final labels when somebody who knows the truth decides these rows."""
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
# What a review buys
# ------------------
# Nearly every row at the head of the list is a wrong label, so the line climbs as fast as it can.
# Rows in random order are mostly right, and looking at them is wasted. After some 90 decisions the
# reviewed labels pass those that take every suggestion unseen: the last ones on the list are where
# a person knows better.
fig, ax = plt.subplots(figsize=(6.4, 3.8))
for name, curve in curves.items():
    ax.plot(steps, curve, label=name)
unseen = np.mean(cleaner.corrected_labels_ == y)
ax.axhline(unseen, color="0.4", ls=":", label="all suggestions taken unseen")
ax.set(xlabel="rows that a person has decided", ylabel="share of labels that are right")
ax.legend(loc="center right", fontsize=8)
fig.tight_layout()
plt.show()
