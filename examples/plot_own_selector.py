"""
Write a selector
================

A selector chooses the easy rows by their losses. Any object with ``select(losses, labels)`` is a
selector. The one in this example averages the losses of all refreshes so far, because the loss of a
single refresh is noisy.
"""

# %%
# Write it
# --------
# ``losses`` and ``labels`` are numpy arrays with one entry per row; labels are codes from 0. The
# classifier fits a clone of the selector, which it leaves as ``selector_``.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits

from nllearn import AnchorHallucinationClassifier
from nllearn.datasets import make_part_dependent_noise
from nllearn.functional.loss_mixture import small_loss_posterior
from nllearn.metrics import selection_precision, selection_recall
from nllearn.selectors import Selection


class RememberingSelector(BaseEstimator):
    """The share of rows of each class whose loss was smallest on average."""

    def __init__(self, share=0.5):
        self.share = share

    def select(self, losses, labels):
        """Return the easy rows and the clean probability of all."""
        self.seen_ = [*getattr(self, "seen_", []), losses]
        mean = np.mean(self.seen_, axis=0)
        easy = np.zeros(len(mean), dtype=bool)
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            easy[rows[np.argsort(mean[rows])][: int(self.share * len(rows))]] = True
        clean_proba, _ = small_loss_posterior(mean)
        return Selection(easy, clean_proba)


# %%
# Compare it with built-in selectors
# ----------------------------------
# A built-in selector is chosen by its name. All other parameters are the same for all three.
X, y = load_digits(return_X_y=True)
X, y = X[:1200], y[:1200]
y_noisy = make_part_dependent_noise(X, y, noise_rate=0.4, random_state=0)
selectors = {
    "balanced (default)": "balanced",
    "threshold": "threshold",
    "our own": RememberingSelector(share=0.5),
}
results = {}
for name, selector in selectors.items():
    clf = AnchorHallucinationClassifier(selector=selector, random_state=0).fit(X, y_noisy)
    easy = clf.label_issues()["is_easy"].to_numpy()
    results[name] = {
        "easy rows": easy.mean(),
        "of these right": selection_precision(y, y_noisy, easy),
        "right rows that are easy": selection_recall(y, y_noisy, easy),
        "final label accuracy": np.mean(clf.corrected_labels_ == y),
    }
    print(name + ": " + ", ".join(f"{key} {value:.3f}" for key, value in results[name].items()))

# %%
# Purity against coverage
# -----------------------
# The new selector is a little purer than the default and finds fewer of the right rows. The final
# label accuracy is the same here: the last phase of the fit estimates the posterior of all rows,
# not only of the easy ones. So compare the last group of bars before you tune the first three.
fig, ax = plt.subplots(figsize=(8, 3.8))
keys = list(next(iter(results.values())))
for k, (name, values) in enumerate(results.items()):
    ax.bar(np.arange(len(keys)) + 0.26 * (k - 1), list(values.values()), width=0.25, label=name)
ax.set_xticks(range(len(keys)), keys)
ax.set_ylim(0, 1.25)
ax.set_ylabel("share of rows")
ax.legend(ncols=3, loc="upper center")
fig.tight_layout()
plt.show()
