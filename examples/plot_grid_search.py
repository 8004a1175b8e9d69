"""
Choose a parameter without a clean label
========================================

A grid search compares models on validation labels. If these have the same errors as the training
labels, a model that has learned the errors gets the best score. A score that uses the probability
of every label chooses another model.
"""

# %%
# Labels with the errors of another model
# ---------------------------------------
# 30 % of the labels are wrong predictions of a weak model. Such noise can be learned. The clean
# test labels are used at the very end, to measure the choice.
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.svm import SVC

from nllearn import LabelCleaner
from nllearn.datasets import make_classification_noise
from nllearn.inspection import ParameterSensitivityDisplay
from nllearn.model_selection import ExpectedAccuracyScorer

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, train_size=1000, random_state=0)
y_noisy = make_classification_noise(X, y, noise_rate=0.3, random_state=0)

# %%
# One search, two scores
# ----------------------
# ``LabelCleaner`` is fitted once, to all rows. The expected accuracy of a prediction is the
# probability of the predicted label according to the cleaner, whatever the given label is. Every
# candidate is still trained on the noisy labels.
cleaner = LabelCleaner(random_state=0).fit(X, y_noisy)
expected = ExpectedAccuracyScorer(X, y_noisy, cleaner.label_distributions_)
search = GridSearchCV(
    SVC(),
    {"C": [0.1, 0.3, 1, 3, 10, 100]},
    scoring={"given": "accuracy", "expected": expected},
    refit="expected",
    cv=StratifiedKFold(4, shuffle=True, random_state=0),
    error_score="raise",
).fit(X, y_noisy)
values = search.param_grid["C"]
by_given = values[search.cv_results_["mean_test_given"].argmax()]
for name, C in [("given labels", by_given), ("expected accuracy", search.best_params_["C"])]:
    score = SVC(C=C).fit(X, y_noisy).score(X_test, y_test)
    print(f"chosen by {name}: C={C}, accuracy on clean test labels {score:.3f}")

# %%
# What each score measures
# ------------------------
# Accuracy on the given labels hardly changes from C = 3 on, while the accuracy on clean labels
# falls by eight points: there, more wrong labels and fewer right labels are predicted. The expected
# accuracy has its maximum where the accuracy on clean labels has it. Its value is too high, since
# cleaner and classifier share some errors: use it to compare models, not to report accuracy.
fig, ax = plt.subplots(figsize=(7, 4))
for score in ("given", "expected"):
    ParameterSensitivityDisplay.from_estimator(search, "C", score=score, ax=ax)
clean = [SVC(C=C).fit(X, y_noisy).score(X_test, y_test) for C in values]
ax.plot(values, clean, "k:", marker="s")
names = ["accuracy on the given labels", "expected accuracy", "accuracy on clean test labels"]
ax.legend([*ax.containers, ax.lines[-1]], names, fontsize=8)
ax.set_ylabel("score")
fig.tight_layout()
plt.show()
