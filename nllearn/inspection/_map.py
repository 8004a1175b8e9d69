"""Features on a plane: t-SNE of some rows, the others placed among them."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from nllearn.functional.similarity import cosine_topk

__all__ = ["feature_map"]

_WIDTH, _N_NEAREST = 50, 5
# Below this a t-SNE has too few neighbours to show anything; PCA does.
_FEWEST = 20


def feature_map(features: np.ndarray, *, max_tsne: int = 2000, random_state: int = 0) -> np.ndarray:
    r"""Place rows on a plane so that similar rows are near each other.

    Features are centred, scaled to length one and reduced to 50 columns by PCA. At most
    `max_tsne` rows, drawn evenly, go through t-SNE, whose time grows faster than the number of
    rows. Every other row takes the weighted mean place of its five most similar of those,

    .. math:: z_i = \sum_k w_{ik} z_k, \quad w_{ik} \propto \exp(20 \cos(x_i, x_k)).

    Up to 20 rows are placed by PCA alone.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        Of the fitted network.
    max_tsne : int, default=2000
        Rows that go through t-SNE.
    random_state : int, default=0
        Draws those rows.

    Returns
    -------
    places : float32 ndarray of shape (n, 2)
        Centred, both axes on one scale, the farthest coordinate 1.

    Raises
    ------
    ValueError
        If the features are no table of finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.inspection import feature_map
    >>> rows = np.repeat(np.eye(3), 20, axis=0)
    >>> feature_map(rows + 0.01 * np.arange(60)[:, None]).shape
    (60, 2)
    """
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2:
        raise ValueError(f"features have shape {features.shape}; expected (n, d)")
    if not np.isfinite(features).all():
        raise ValueError("features hold NaN or infinity; they must be finite")
    unit = features - features.mean(0) if len(features) else features
    if np.abs(unit).max(initial=0.0) < 1e-9:  # no row, one row, or all equal
        return np.zeros((len(features), 2), dtype=np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    rng = check_random_state(random_state)
    chosen = np.arange(len(unit))
    if len(unit) > max_tsne:
        chosen = np.sort(rng.choice(len(unit), max_tsne, replace=False))
    width = min(_WIDTH, unit.shape[1], len(chosen))
    pca = PCA(width, svd_solver="full" if unit.shape[1] <= 500 else "randomized", random_state=0)
    reduced = pca.fit(unit[chosen]).transform(unit).astype(np.float32)
    if len(unit) <= _FEWEST or width < 2 or np.ptp(reduced) < 1e-9:
        return _scaled(np.pad(reduced[:, :2], ((0, 0), (0, max(0, 2 - width)))))
    tsne = TSNE(
        2,
        perplexity=min(30.0, (len(chosen) - 1) / 3),
        init="pca",
        max_iter=500,
        random_state=int(rng.randint(np.iinfo(np.int32).max)),
    )
    # On a busy machine its threads wait for each other: of few rows one is faster.
    with threadpool_limits(1):
        placed = tsne.fit_transform(reduced[chosen])
    if len(chosen) == len(unit):
        return _scaled(placed)
    return _scaled(_place_among(unit, unit[chosen], placed))


def _place_among(unit: np.ndarray, landmarks: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """Weighted mean place of the most similar landmarks; a landmark keeps its own."""
    near, index = cosine_topk(torch.from_numpy(unit), torch.from_numpy(landmarks), _N_NEAREST)
    weight = (20.0 * near).softmax(1).numpy()
    places = (placed[index.numpy()] * weight[:, :, None]).sum(1)
    exact = near[:, 0].numpy() > 1.0 - 1e-6
    places[exact] = placed[index[:, 0].numpy()[exact]]
    return places


def _scaled(places: np.ndarray) -> np.ndarray:
    places = places - places.mean(0)
    return (places / max(float(np.abs(places).max()), 1e-12)).astype(np.float32)
