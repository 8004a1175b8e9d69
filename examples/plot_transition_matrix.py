"""
Estimate the transition matrix
==============================

Entry (i, j) of the transition matrix T is the probability that a row of true class i is given the
label j. It is estimated from the noisy labels alone. Here the true matrix is known for comparison.
"""

# %%
# Labels that are confused in pairs
# ---------------------------------
# 30 % of the digits 1 become 7, of the 3 become 8, and of the 5 become 6. All others stay right.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from nllearn import LabelCleaner, MixNNClassifier
from nllearn.datasets import make_transition_noise
from nllearn.inspection import TransitionMatrixDisplay
from nllearn.metrics import realized_noise

X, y = load_digits(return_X_y=True)
T = np.eye(10)
for true, given in [(1, 7), (3, 8), (5, 6)]:
    T[true, true], T[true, given] = 0.7, 0.3
y_noisy = make_transition_noise(y, transition_matrix=T, random_state=0)
rate, truth = realized_noise(y, y_noisy)

# %%
# Two estimates
# -------------
estimators = {
    "MixNN": MixNNClassifier(random_state=0).fit(X, y_noisy),
    "LabelCleaner": LabelCleaner(random_state=0).fit(X, y_noisy),
}
print(f"share of wrong labels: {rate:.3f}")
for name, estimator in estimators.items():
    error = np.abs(estimator.transition_matrix_ - truth).sum(1).mean()
    print(
        f"{name}: estimated share {estimator.noise_rate_:.3f}, mean error of a row of T {error:.3f}"
    )

# %%
# Truth and estimate
# ------------------
# Rows are true labels, columns given ones, and rows sum to one. All three pairs are found, each
# within a few hundredths, and no other entry has a larger error.
fig, axes = plt.subplots(1, 2, figsize=(12, 5.6))
TransitionMatrixDisplay.from_predictions(y, y_noisy, ax=axes[0])
axes[0].set_title("truth")
TransitionMatrixDisplay.from_estimator(estimators["LabelCleaner"], ax=axes[1])
axes[1].set_title("estimate of LabelCleaner")
fig.tight_layout()
plt.show()
