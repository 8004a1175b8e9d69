"""
Clean labels in front of any classifier
=======================================

A step of scikit-learn's ``Pipeline`` cannot change y. A step of imbalanced-learn's can, and
``LabelCleaner`` is one of its samplers: it cleans the labels when the pipeline is fitted and does
nothing when it predicts.
"""

# %%
# Three pipelines
# ---------------
# ``action`` defines the treatment of an issue: its label is replaced, or its row is left out, or
# the label is replaced if the new one is probable enough and the row left out otherwise.
import matplotlib.pyplot as plt
import numpy as np
from imblearn.pipeline import make_pipeline
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from nllearn import LabelCleaner
from nllearn.datasets import make_part_dependent_noise

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, train_size=1000, random_state=0)
actions = [None, "drop", "relabel", "relabel_or_drop"]
rates = [0.1, 0.3, 0.5]
scores = np.zeros((len(actions), len(rates)))
for column, rate in enumerate(rates):
    y_noisy = make_part_dependent_noise(X, y, noise_rate=rate, random_state=0)
    for row, action in enumerate(actions):
        cleaner = "passthrough" if action is None else LabelCleaner(action=action, random_state=0)
        pipeline = make_pipeline(StandardScaler(), cleaner, LogisticRegression(max_iter=300))
        scores[row, column] = pipeline.fit(X, y_noisy).score(X_test, y_test)
    print(
        f"noise {rate}: "
        + ", ".join(f"{a}: {s:.3f}" for a, s in zip(actions, scores[:, column], strict=True))
    )

# %%
# Accuracy on clean test labels
# -----------------------------
# Cleaning helps at every rate. The three actions differ little here; dropping loses rows,
# relabelling keeps some wrong suggestions.
fig, ax = plt.subplots(figsize=(7, 3.8))
names = ["no cleaning", "drop", "relabel", "relabel_or_drop"]
for k, name in enumerate(names):
    ax.bar(np.arange(len(rates)) + 0.2 * (k - 1.5), scores[k], width=0.19, label=name)
ax.set_xticks(range(len(rates)), [f"{rate:.0%} wrong" for rate in rates])
ax.set(ylabel="accuracy of logistic regression", ylim=(0.5, 1.12))
ax.legend(ncols=4, fontsize=8, loc="upper center")
fig.tight_layout()
plt.show()
