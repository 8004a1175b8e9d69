"""Label noise that depends on the class alone: symmetric, pair flip, asymmetric, any T."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nllearn._validation import as_float64

from ._labels import (
    Labels,
    check_noise_rate,
    check_rng,
    n_of,
    read_integer_labels,
    read_labels,
    sample_rows,
)

# truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog (Patrini et al. 2017).
_CIFAR10 = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}

# The five fine classes of each of the 20 superclasses of CIFAR-100. Fine labels are numbered in
# the alphabetical order of their names, so the names alone give the numbers.
_CIFAR100_SUPERCLASSES = (
    "beaver dolphin otter seal whale",
    "aquarium_fish flatfish ray shark trout",
    "orchid poppy rose sunflower tulip",
    "bottle bowl can cup plate",
    "apple mushroom orange pear sweet_pepper",
    "clock keyboard lamp telephone television",
    "bed chair couch table wardrobe",
    "bee beetle butterfly caterpillar cockroach",
    "bear leopard lion tiger wolf",
    "bridge castle house road skyscraper",
    "cloud forest mountain plain sea",
    "camel cattle chimpanzee elephant kangaroo",
    "fox porcupine possum raccoon skunk",
    "crab lobster snail spider worm",
    "baby boy girl man woman",
    "crocodile dinosaur lizard snake turtle",
    "hamster mouse rabbit shrew squirrel",
    "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "bicycle bus motorcycle pickup_truck train",
    "lawn_mower rocket streetcar tank tractor",
)


def make_symmetric_noise(
    y: ArrayLike | pd.Series,
    *,
    noise_rate: float,
    include_own_class: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray | pd.Series:
    """Replace labels by uniformly drawn ones.

    Two definitions share the name "symmetric noise" and give different amounts of noise.
    State which one was used next to every result.

    Parameters
    ----------
    y : array-like or Series of shape (n,), any label dtype
        Clean labels. Never modified.
    noise_rate : float in [0, 1]
        With ``include_own_class=False`` the probability that a label becomes wrong. With
        ``include_own_class=True`` the share of rows that get a new draw.
    include_own_class : bool, default=False
        If False, each label is replaced with probability `noise_rate`, independently, by one
        of the ``n_classes - 1`` other classes. The expected share of wrong labels is
        `noise_rate`. Co-teaching and CIFAR-N use this.

        If True, exactly ``int(noise_rate * n)`` random rows get a label drawn from all
        classes, their own included. The expected share of wrong labels is
        ``noise_rate * (1 - 1 / n_classes)``: 0.2, 0.5, 0.8 and 0.9 mean 0.18, 0.45, 0.72 and
        0.81 for ten classes. DivideMix and most tables headed 20/50/80/90 % use this.
    random_state : int, RandomState or None, default=None
        Seed. None draws a fresh one; the global state of numpy is neither read nor set.

    Returns
    -------
    ndarray or Series of shape (n,), dtype of `y`
        Noisy labels. A Series keeps its index and name.

    Raises
    ------
    ValueError
        If `noise_rate` is outside [0, 1], or `y` is not one-dimensional, has missing labels
        or fewer than two classes.

    References
    ----------
    B. Han et al., "Co-teaching", NeurIPS 2018 (own class excluded).
    J. Li, R. Socher, S. Hoi, "DivideMix", ICLR 2020 (own class included).

    Examples
    --------
    >>> import numpy as np
    >>> from nllearn.datasets import make_symmetric_noise
    >>> y = np.repeat(["cat", "dog", "fox"], 4)
    >>> make_symmetric_noise(y, noise_rate=0.0, random_state=0).tolist() == y.tolist()
    True
    >>> bool(np.any(make_symmetric_noise(y, noise_rate=1.0, random_state=0) == y))
    False
    """
    noise_rate = check_noise_rate(noise_rate)
    labels = read_labels(y)
    rng = check_rng(random_state)
    n, n_classes = len(labels.codes), labels.n_classes
    noisy = labels.codes.copy()
    if include_own_class:
        redrawn = rng.permutation(n)[: n_of(noise_rate, n)]
        noisy[redrawn] = rng.randint(n_classes, size=len(redrawn))
    else:
        flipped = rng.uniform(size=n) < noise_rate
        # A step of 1..n_classes-1 around the circle of classes never ends at its start.
        steps = rng.randint(1, n_classes, size=n)
        noisy[flipped] = (noisy[flipped] + steps[flipped]) % n_classes
    return labels.decode(noisy)


def make_pairflip_noise(
    y: ArrayLike | pd.Series,
    *,
    noise_rate: float,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray | pd.Series:
    """Replace labels by the next class.

    Each label flips with probability `noise_rate`, independently, to the class that follows
    its own in sorted order; the last class flips to the first. With C classes,
    ``T[i, i] = 1 - noise_rate`` and ``T[i, (i + 1) % C] = noise_rate``.

    Parameters
    ----------
    y : array-like or Series of shape (n,), any label dtype
        Clean labels. Never modified.
    noise_rate : float in [0, 1]
        Probability that a label becomes wrong. At 0.5 and above the wrong class is as
        frequent as the right one, and no method can tell them apart without other knowledge.
    random_state : int, RandomState or None, default=None
        Seed. None draws a fresh one; the global state of numpy is neither read nor set.

    Returns
    -------
    ndarray or Series of shape (n,), dtype of `y`
        Noisy labels. A Series keeps its index and name.

    Raises
    ------
    ValueError
        If `noise_rate` is outside [0, 1], or `y` is not one-dimensional, has missing labels
        or fewer than two classes.

    References
    ----------
    B. Han et al., "Co-teaching", NeurIPS 2018.

    Examples
    --------
    >>> from nllearn.datasets import make_pairflip_noise
    >>> make_pairflip_noise([10, 20, 30], noise_rate=1.0, random_state=0).tolist()
    [20, 30, 10]
    """
    noise_rate = check_noise_rate(noise_rate)
    labels = read_labels(y)
    flipped = check_rng(random_state).uniform(size=len(labels.codes)) < noise_rate
    return labels.decode((labels.codes + flipped) % labels.n_classes)


def make_asymmetric_noise(
    y: ArrayLike | pd.Series,
    *,
    noise_rate: float,
    mapping: Mapping[Hashable, Hashable] | str | None = None,
    per_class: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray | pd.Series:
    """Replace labels by one fixed, usually similar, class each.

    Parameters
    ----------
    y : array-like or Series of shape (n,), any label dtype
        Clean labels. Never modified.
    noise_rate : float in [0, 1]
        Share of rows that are visited. A visited row flips if `mapping` has its class, so the
        share of wrong labels in the whole of `y` is smaller when classes are missing from
        `mapping`: about ``noise_rate / 2`` for 'cifar10'.
    mapping : dict, str or None, default=None
        Which class each class flips to. Classes without an entry keep their labels.

        * dict ``{label: wrong label}``: any labels that occur in `y`.
        * None: every class to the next one in sorted order, the last to the first (IDO).
        * 'cifar10': 9 to 1, 2 to 0, 4 to 7, 3 to 5 and 5 to 3 (truck to automobile, bird to
          airplane, deer to horse, cat and dog swapped).
        * 'cifar100-superclass': every class to the next one in its own superclass of five.
          What "asymmetric CIFAR-100" usually means.
        * 'cifar100-blocks': label i to ``5 * (i // 5) + (i + 1) % 5``, as in the code of MixNN.
          Labels of CIFAR-100 are alphabetical, so these blocks are not superclasses.

        The named mappings need integer labels in the numbering of torchvision.
    per_class : bool, default=False
        If False, exactly ``int(noise_rate * n)`` rows of the whole of `y` are visited at
        random (DivideMix, MixNN); the rate in one class varies by chance. If True, exactly
        ``int(noise_rate * n_c)`` rows of each class c are.
    random_state : int, RandomState or None, default=None
        Seed. None draws a fresh one; the global state of numpy is neither read nor set.

    Returns
    -------
    ndarray or Series of shape (n,), dtype of `y`
        Noisy labels. A Series keeps its index and name.

    Raises
    ------
    ValueError
        If `noise_rate` is outside [0, 1], `mapping` is an unknown name, is empty, holds a
        label that does not occur in `y` or maps a label to itself, the labels do not fit a
        named mapping, or `y` is not one-dimensional, has missing labels or fewer than two
        classes.

    References
    ----------
    G. Patrini et al., "Making Deep Neural Networks Robust to Label Noise: a Loss Correction
    Approach", CVPR 2017.

    Examples
    --------
    >>> from nllearn.datasets import make_asymmetric_noise
    >>> y = ["cat", "dog", "bus"]
    >>> make_asymmetric_noise(y, noise_rate=1.0, mapping={"cat": "dog"}).tolist()
    ['dog', 'dog', 'bus']
    >>> make_asymmetric_noise([9, 4, 1], noise_rate=1.0, mapping="cifar10").tolist()
    [1, 7, 1]
    """
    noise_rate = check_noise_rate(noise_rate)
    labels, target = _resolve_mapping(y, mapping)
    rng = check_rng(random_state)
    n = len(labels.codes)
    visited = rng.permutation(n)
    if per_class:
        # Rows grouped by class, in random order within it: the first quota of each are visited.
        visited = visited[np.argsort(labels.codes[visited], kind="stable")]
        code = labels.codes[visited]
        counts = np.bincount(labels.codes, minlength=labels.n_classes)
        rank = np.arange(n) - (np.cumsum(counts) - counts)[code]
        quota = np.array([n_of(noise_rate, count) for count in counts])
        visited = visited[rank < quota[code]]
    else:
        visited = visited[: n_of(noise_rate, n)]
    noisy = labels.codes.copy()
    noisy[visited] = target[noisy[visited]]
    return labels.decode(noisy)


def make_transition_noise(
    y: ArrayLike | pd.Series,
    *,
    transition_matrix: ArrayLike,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray | pd.Series:
    """Draw each given label from the row of a transition matrix.

    Parameters
    ----------
    y : array-like or Series of shape (n,), any label dtype
        Clean labels. Never modified.
    transition_matrix : array-like of shape (n_classes, n_classes)
        ``T[i, j]`` is the probability of the given label j when the true label is i. Rows and
        columns follow the sorted distinct labels of `y`. Rows sum to 1. It is the transpose of
        cleanlab's `noise_matrix`.
    random_state : int, RandomState or None, default=None
        Seed. None draws a fresh one; the global state of numpy is neither read nor set.

    Returns
    -------
    ndarray or Series of shape (n,), dtype of `y`
        Noisy labels, drawn independently. A Series keeps its index and name.

    Raises
    ------
    ValueError
        If `transition_matrix` has another shape, negative or non-finite entries, or a row that
        does not sum to 1, or `y` is not one-dimensional, has missing labels or fewer than two
        classes.

    References
    ----------
    G. Patrini et al., "Making Deep Neural Networks Robust to Label Noise: a Loss Correction
    Approach", CVPR 2017.

    Examples
    --------
    >>> from nllearn.datasets import make_transition_noise
    >>> T = [[0.0, 1.0], [0.0, 1.0]]
    >>> make_transition_noise(["no", "yes", "no"], transition_matrix=T).tolist()
    ['yes', 'yes', 'yes']
    """
    labels = read_labels(y)
    T = _check_transition_matrix(transition_matrix, labels.n_classes)
    return labels.decode(sample_rows(T[labels.codes], check_rng(random_state)))


def _resolve_mapping(
    y: ArrayLike | pd.Series, mapping: Mapping[Hashable, Hashable] | str | None
) -> tuple[Labels, np.ndarray]:
    """Labels, and the code that each code flips to (itself if it does not flip)."""
    if mapping is None:
        labels = read_labels(y)
        return labels, np.roll(np.arange(labels.n_classes), -1)
    if isinstance(mapping, str):
        targets = {
            "cifar10": _cifar10_targets,
            "cifar100-superclass": _cifar100_superclass_targets,
            "cifar100-blocks": _cifar100_block_targets,
        }
        if mapping not in targets:
            raise ValueError(
                f"mapping={mapping!r} is not known; the names are {sorted(targets)}. "
                "Give one of them, a dict {label: wrong label}, or None."
            )
        target = targets[mapping]()
        return read_integer_labels(y, len(target), mapping=mapping), target
    if not isinstance(mapping, Mapping) or len(mapping) == 0:
        raise ValueError(
            f"mapping={mapping!r}; it must be a dict with at least one entry, a name or None. "
            "Give {label: wrong label}."
        )
    labels = read_labels(y)
    code_of = {label: code for code, label in enumerate(labels.classes.tolist())}
    target = np.arange(labels.n_classes)
    for source, wrong in mapping.items():
        for label in (source, wrong):
            if label not in code_of:
                raise ValueError(
                    f"mapping holds {label!r}, which does not occur in y; its labels are "
                    f"{_short_list(list(code_of))}. Use these in keys and values."
                )
        if source == wrong:
            raise ValueError(
                f"mapping sends {source!r} to itself, which is no noise. "
                "Leave out the classes that keep their labels."
            )
        target[code_of[source]] = code_of[wrong]
    return labels, target


def _cifar10_targets() -> np.ndarray:
    target = np.arange(10)
    target[list(_CIFAR10)] = list(_CIFAR10.values())
    return target


def _cifar100_block_targets() -> np.ndarray:
    label = np.arange(100)
    return 5 * (label // 5) + (label + 1) % 5


def _cifar100_superclass_targets() -> np.ndarray:
    groups = [names.split() for names in _CIFAR100_SUPERCLASSES]
    names = sorted(name for group in groups for name in group)
    code_of = {name: code for code, name in enumerate(names)}
    target = np.arange(100)
    for group in groups:
        codes = sorted(code_of[name] for name in group)
        target[codes] = np.roll(codes, -1)
    return target


def _check_transition_matrix(transition_matrix: ArrayLike, n_classes: int) -> np.ndarray:
    T = as_float64("transition_matrix", transition_matrix)
    if T.shape != (n_classes, n_classes):
        raise ValueError(
            f"transition_matrix has shape {T.shape}; y has {n_classes} classes, so it must be "
            f"({n_classes}, {n_classes}). Add noise before classes are lost by selecting rows."
        )
    if not np.isfinite(T).all() or (T < 0).any():
        raise ValueError(
            f"transition_matrix has entries from {T.min()} to {T.max()}; all must be finite "
            "probabilities, not negative."
        )
    with np.errstate(over="ignore"):
        sums = T.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > 1e-6:
        raise ValueError(
            f"row {worst} of transition_matrix sums to {sums[worst]:.6g}; rows are the true "
            "labels and must sum to 1. Divide each row by its sum; transpose the matrix if its "
            "columns sum to 1."
        )
    return T


def _short_list(labels: list[object]) -> str:
    shown = ", ".join(repr(label) for label in labels[:10])
    return f"[{shown}, ...]" if len(labels) > 10 else f"[{shown}]"
