"""
Is the label quality calibrated?
================================

Of labels with a quality of 0.8, eight in ten should be right. Whether that holds depends on the
kind of noise. The example compares three kinds.
"""

# %%
# Three kinds of noise, the same rate
# -----------------------------------
# Symmetric noise affects all rows equally. Part-dependent noise depends on the image: similar
# images get similar wrong labels. Classification-based noise consists of the errors of a weak
# model, so it is near the class boundaries, as human errors are.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from nllearn import LabelCleaner
from nllearn.datasets import (
    make_classification_noise,
    make_part_dependent_noise,
    make_symmetric_noise,
)
from nllearn.inspection import LabelQualityDisplay

X, y = load_digits(return_X_y=True)
noisy = {
    "symmetric": make_symmetric_noise(y, noise_rate=0.3, random_state=0),
    "part-dependent": make_part_dependent_noise(X, y, noise_rate=0.3, random_state=0),
    "classification-based": make_classification_noise(X, y, noise_rate=0.3, random_state=0),
}

# %%
# Reliability diagrams
# --------------------
# Each point is a bin of labels with similar quality; its area grows with their number. On the
# dotted line the quality is calibrated. Below it the quality is too high. With symmetric and
# part-dependent noise nearly all rows are in the two large points at the ends, and the points
# between them are a few rows each. With classification-based noise the predictors and the labels
# have the same errors. The cleaner models that, and still the calibration error is about ten times
# as large: use the quality as a ranking there rather than as a probability.
fig, axes = plt.subplots(1, 3, figsize=(12, 4.2), sharey=True)
for ax, (name, y_noisy) in zip(axes, noisy.items(), strict=True):
    cleaner = LabelCleaner(random_state=0).fit(X, y_noisy)
    display = LabelQualityDisplay.from_estimator(cleaner, y, ax=ax)
    ax.set_title(name)
    print(
        f"{name}: label accuracy {np.mean(y_noisy == y):.3f} -> "
        f"{np.mean(cleaner.corrected_labels_ == y):.3f}, "
        f"calibration error {display.expected_calibration_error_:.3f}"
    )
fig.tight_layout()
plt.show()
