"""
Anchors between the classes
===========================

``AnchorHallucinationClassifier`` makes anchors: synthetic features from pairs of easy rows of two
classes, nearer to the first and with its label. Anchors near a hard row vote on its
label. The figure shows the features of the fitted network in a plane, together with anchors.
"""

# %%
# Fit
# ---
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from nllearn import AnchorHallucinationClassifier
from nllearn.datasets import make_part_dependent_noise
from nllearn.inspection import FeatureMapDisplay

X, y = load_digits(n_class=6, return_X_y=True)
y_noisy = make_part_dependent_noise(X, y, noise_rate=0.35, random_state=0)
clf = AnchorHallucinationClassifier(random_state=0).fit(X, y_noisy)
print(
    f"label accuracy: {np.mean(y_noisy == y):.3f} before, "
    f"{np.mean(clf.corrected_labels_ == y):.3f} after"
)

# %%
# The map
# -------
# Both maps have the same positions, from t-SNE. On the left rows have the colours of the given
# labels, on the right those of the corrected ones, and crosses are anchors. Distances between
# groups mean little on such a map; membership in a group is meaningful. The anchors are next to
# the rows of their class, each moved towards another class.
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5))
given = FeatureMapDisplay.from_estimator(clf, color_by="given", n_anchors=120, ax=left)
left.get_legend().remove()
left.set_title("given labels")
FeatureMapDisplay.from_estimator(clf, n_anchors=120, ax=right)
right.set_title("corrected labels")
fig.tight_layout()
plt.show()

# %%
# Similarity to the parents
# -------------------------
# The hallucinator learns to stay nearer to the row whose label an anchor takes than to the other
# one, in the proportion ``lambda_p`` to ``1 - lambda_p``, here 0.75 to 0.25.
import torch

features = torch.from_numpy(clf.embed(X))
features = features - features.mean(0)
easy = np.flatnonzero(clf.label_issues()["is_easy"])
labels = torch.from_numpy(np.searchsorted(clf.classes_, y_noisy[easy]))
anchors = clf.hallucinator_.hallucinate(
    features[easy], labels, generator=torch.Generator().manual_seed(0)
)
parents = features[easy][anchors.parents]
cosines = torch.cosine_similarity(anchors.features[:, None], parents, dim=2)
fig, ax = plt.subplots(figsize=(6, 3.4))
ax.hist(cosines[:, 0].numpy(), 40, alpha=0.6, label="parent whose label it takes")
ax.hist(cosines[:, 1].numpy(), 40, alpha=0.6, label="parent of another class")
ax.set(xlabel="cosine between anchor and parent", ylabel="anchors")
ax.legend()
fig.tight_layout()
plt.show()
