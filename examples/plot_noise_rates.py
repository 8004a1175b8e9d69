"""
From no noise to sixty per cent
===============================

The same data with an increasing share of wrong labels: accuracy of a plain network, of
``MixNNClassifier`` and of logistic regression after ``LabelCleaner``. All use the same defaults at
all rates, without knowledge of the rate.
"""

# %%
# Train at four noise rates
# -------------------------
# The plain network has the same width and no protection against wrong labels. ``LabelCleaner``
# trains no network; logistic regression learns from its labels.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from nllearn import LabelCleaner, MixNNClassifier
from nllearn.datasets import make_symmetric_noise

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
X, X_test, y, y_test = train_test_split(X, y, train_size=900, random_state=0)
rates = [0.0, 0.2, 0.4, 0.6]
scores = {"plain network": [], "MixNN": [], "LabelCleaner, then logistic regression": []}
estimates = []
for rate in rates:
    y_noisy = make_symmetric_noise(y, noise_rate=rate, random_state=0) if rate else y
    plain = MLPClassifier(hidden_layer_sizes=(256,), random_state=0)
    for _ in range(100):  # epochs
        plain.partial_fit(X, y_noisy, classes=range(10))
    mixnn = MixNNClassifier(random_state=0).fit(X, y_noisy)
    labels = LabelCleaner(random_state=0).fit(X, y_noisy).corrected_labels_
    logistic = LogisticRegression(max_iter=300).fit(X, labels)
    models = [plain, mixnn, logistic]
    for name, model in zip(scores, models, strict=True):
        scores[name].append(model.score(X_test, y_test))
    estimates.append(mixnn.noise_rate_)
    print(f"noise {rate:.2f}: " + ", ".join(f"{k} {v[-1]:.3f}" for k, v in scores.items()))

# %%
# Accuracy and estimated noise rate
# ---------------------------------
# Without noise, cleaning costs little accuracy. The more labels are wrong, the more accuracy the
# plain network loses. On the right, the noise rate that MixNN estimated from the noisy
# labels alone: close up to four in ten, too low at six in ten.
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for (name, values), style in zip(scores.items(), ["s--", "o-", "^-"], strict=True):
    left.plot(rates, values, style, label=name)
left.set(xlabel="share of wrong labels", ylabel="accuracy on clean test labels")
left.legend(fontsize=8)
right.plot([0, 0.6], [0, 0.6], ":", color="gray", label="exact")
right.plot(rates, estimates, "o-", color="C1", label="MixNN")
right.set(xlabel="share of wrong labels", ylabel="estimated share")
right.legend()
fig.tight_layout()
plt.show()
print(f"largest error of the estimate: {np.abs(np.subtract(rates, estimates)).max():.3f}")
