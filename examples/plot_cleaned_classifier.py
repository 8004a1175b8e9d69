"""
Clean around your own classifier
================================

``CleanedClassifier`` wraps any scikit-learn classifier: ``fit`` cleans the labels first, and
prediction is the classifier's. Here logistic regression is fitted on labels of which more and
more are wrong, alone and with each of the three ways to use what cleaning found.
"""

# %%
# Four fits for every rate
# ------------------------
# "relabel" gives label issues their corrected label, "drop" leaves their rows out, "weight" keeps
# all given labels and weights every row by the probability that its label is right.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from nllearn import CleanedClassifier
from nllearn.datasets import make_pairflip_noise

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, train_size=800, random_state=0)
model = LogisticRegression(max_iter=300)
rates = [0.0, 0.15, 0.3, 0.4]
scores = {"alone": [], "relabel": [], "drop": [], "weight": []}
for rate in rates:
    y_noisy = make_pairflip_noise(y, noise_rate=rate, random_state=0)
    scores["alone"].append(model.fit(X, y_noisy).score(X_test, y_test))
    for action in ("relabel", "drop", "weight"):
        clf = CleanedClassifier(model, action=action).fit(X, y_noisy)
        scores[action].append(clf.score(X_test, y_test))
for name, values in scores.items():
    print(f"{name:>8}: " + ", ".join(f"{value:.3f}" for value in values))

# %%
# Accuracy on clean test labels
# -----------------------------
# Without noise the four lines begin at one point. The fitted parts stay at hand: ``clf.cleaner_``
# has the table of issues, ``clf.estimator_`` is the logistic regression.
fig, ax = plt.subplots(figsize=(6.5, 3.8))
for (name, values), style in zip(scores.items(), ("k--", "o-", "s-", "^-"), strict=True):
    ax.plot(np.array(rates), values, style, label=name)
ax.set(xlabel="share of wrong training labels", ylabel="accuracy of logistic regression")
ax.xaxis.set_major_formatter("{x:.0%}")
ax.legend()
fig.tight_layout()
plt.show()
