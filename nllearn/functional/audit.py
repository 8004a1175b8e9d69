"""Audit of labels: which rows to look at, and what the answers say about all rows.

The rows are split into strata by label quality, and rows are drawn without replacement in each
stratum. Given how many answers there are in a stratum, they are a simple random sample of it, so
that every formula below needs the answers, their strata and the sizes of the strata alone.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "allocate_sample",
    "bound_totals",
    "boundary_log_ratio",
    "draw_sample",
    "quality_strata",
    "sampling_density",
    "stratified_mean",
    "total_between_strata",
]

# A claim counts as no surer than this: one answer, which may be a slip, then decides nothing.
_SUREST_CLAIM = 0.99
# Draws behind a bound. A bound that shall fail with probability .025 has .025 +- .0025 then.
_N_DRAWS = 4_000
# Part of the one more answer that every stratum gets. With none, a stratum whose few answers
# agree counts as known, and with two answers in each of six strata one bound in fourteen fails
# where one in forty may. With a tenth, from three answers in each of four strata on, none of those
# simulated fails too often, and the bound is further from the estimate by a quarter at most.
_EXTRA_EVERYWHERE = 0.1


def sampling_density(
    quality: np.ndarray, changed: np.ndarray, boundary_quality: np.ndarray | None = None
) -> np.ndarray:
    """Share of a sample that is drawn from every row, in expectation.

    The mean of up to three densities, one for each question that the answers decide: uniform (the
    noise rate), uniform over the changed rows (whether the changes help), and in proportion to
    what an answer tells: its variance ``q (1 - q)``, or, between two claims, their symmetric
    Kullback-Leibler divergence ``(q - b) (logit q - logit b)``.

    Parameters
    ----------
    quality : float ndarray of shape (n,)
        Claimed probability q that the given label is right.
    changed : bool ndarray of shape (n,)
        Rows whose corrected label differs from the given one.
    boundary_quality : float ndarray of shape (n,), optional
        The claim b if noise lies at the class boundary.

    Returns
    -------
    density : float64 ndarray of shape (n,)
        Sums to one; at least ``1 / (3 n)`` everywhere.
    """
    q = _capped(quality)
    if boundary_quality is None:
        told = q * (1.0 - q)
    else:
        b = _capped(boundary_quality)
        told = (q - b) * (_logit(q) - _logit(b))
    parts = [np.ones(len(q)), np.asarray(changed, dtype=np.float64), told]
    return np.mean([part / part.sum() for part in parts if part.sum() > 0], axis=0)


def quality_strata(
    quality: np.ndarray,
    changed: np.ndarray,
    density: np.ndarray,
    n_strata: int = 4,
    n_parts: int = 1,
) -> np.ndarray:
    """Strata of rows that follow each other in quality, numbered from the lowest quality.

    One stratum ends at the highest quality of a changed row. On both sides of it the strata have
    equal shares of the density, as far as rows of equal quality allow. They depend on the fit
    alone and not on the size of a sample, so that samples add up.

    Parameters
    ----------
    quality : float ndarray of shape (n,)
    changed : bool ndarray of shape (n,)
    density : float ndarray of shape (n,)
    n_strata : int, default=4
        At least 2; fewer are made where the quality has fewer values.
    n_parts : int, default=1
        Parts of equal density into which every stratum is split.

    Returns
    -------
    strata : int64 ndarray of shape (n,)
        Every number from 0 to the largest occurs.
    """
    order = np.argsort(quality, kind="stable")
    ranked, mass = quality[order], np.append(0.0, np.cumsum(density[order]))
    n = len(ranked)
    split = int(np.searchsorted(ranked, quality[changed].max(), "right")) if changed.any() else n
    n_low = n_strata
    if split < n:
        n_low = int(np.clip(np.rint(n_strata * mass[split] / mass[-1]), 1, n_strata - 1))
    ends = [
        *_split(ranked, mass, 0, split, n_low),
        *_split(ranked, mass, split, n, n_strata - n_low),
    ]
    starts = [0, *ends[:-1]]
    parts = [
        _split(ranked, mass, start, end, n_parts) for start, end in zip(starts, ends, strict=True)
    ]
    uppers = ranked[np.concatenate(parts) - 1]
    return np.searchsorted(uppers, quality).astype(np.int64)


def allocate_sample(density: np.ndarray, strata: np.ndarray, n: int) -> np.ndarray:
    """Rows to draw from every stratum.

    In proportion to the density, at least two (one, where n is below twice the number of strata)
    and at most all rows of the stratum. The inclusion probability of a row is the number of its
    stratum over the size of its stratum.

    Parameters
    ----------
    density : float ndarray of shape (n_rows,)
    strata : int64 ndarray of shape (n_rows,)
    n : int
        Between 1 and n_rows.

    Returns
    -------
    counts : int64 ndarray of shape (n_strata,)
        Sum to n.
    """
    sizes = np.bincount(strata)
    wanted = n * np.bincount(strata, weights=density) / density.sum()
    least = 2 if n >= 2 * len(sizes) else int(n >= len(sizes))
    counts = np.minimum(sizes, least)
    while (left := n - int(counts.sum())) > 0:
        is_open = counts < sizes
        lacking = np.where(is_open, np.maximum(wanted - counts, 0.0), 0.0)
        if lacking.sum() <= 0:
            lacking = np.where(is_open, wanted, 0.0)
        share = left * lacking / lacking.sum()
        step = np.floor(share).astype(np.int64)
        if step.sum() == 0:
            step[np.argmax(share)] = 1
        counts = np.minimum(counts + step, sizes)
    return counts


def draw_sample(strata: np.ndarray, counts: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Draw rows without replacement in every stratum.

    Parameters
    ----------
    strata : int64 ndarray of shape (n_rows,)
    counts : int64 ndarray of shape (n_strata,)
        Rows to draw from each.
    rng : RandomState

    Returns
    -------
    rows : int64 ndarray of shape (n,)
        In random order: a first part of them is a sample as well.
    """
    members = np.split(np.argsort(strata, kind="stable"), np.cumsum(np.bincount(strata))[:-1])
    drawn = [
        rng.choice(rows, count, replace=False) for rows, count in zip(members, counts, strict=True)
    ]
    return rng.permutation(np.concatenate(drawn))


def stratified_mean(
    values: np.ndarray, strata: np.ndarray, sizes: np.ndarray, expected: np.ndarray
) -> float:
    """Mean over all rows: the means of the answers weighted by the sizes of the strata.

    Parameters
    ----------
    values : float ndarray of shape (m,)
        Answers.
    strata : int64 ndarray of shape (m,)
        Stratum of every answer.
    sizes : int64 ndarray of shape (n_strata,)
        Rows of every stratum.
    expected : float ndarray of shape (n_strata,)
        Mean that is taken for a stratum without an answer.

    Returns
    -------
    mean : float
        NaN where there are no rows.
    """
    if sizes.sum() == 0:
        return float("nan")
    counts = np.bincount(strata, minlength=len(sizes))
    totals = np.bincount(strata, weights=values, minlength=len(sizes))
    means = np.where(counts > 0, totals / np.maximum(counts, 1), expected)
    return float(sizes @ means / sizes.sum())


def bound_totals(
    values: np.ndarray,
    strata: np.ndarray,
    sizes: np.ndarray,
    *,
    alpha: float,
    upper: bool,
    limits: tuple[float, float] = (0.0, 1.0),
    cumulative: bool = False,
) -> np.ndarray:
    """Confidence bound of the total over all rows, from a stratified sample of them.

    With one stratum of N rows, n answers and x of them one, the others zero, the upper bound is
    that of Clopper and Pearson for the hypergeometric distribution: the level ``1 - alpha``
    quantile of ``x + B``, where B is beta-binomial with ``N - n`` trials and the parameters
    ``x + 1, n - x``. That is: the rows looked at are known, the others are drawn from an urn
    with the answers and one more answer of the highest value. For values between the limits the
    beta distribution becomes a Dirichlet distribution over the answers and that one more
    (Gaffke 2005). A stratum without answers has the highest value throughout.

    With several strata the draws are added up (Fay, Proschan and Brittain 2015). One more answer
    in each would make the bound wide, so it goes to that stratum in which it raises the bound most
    (as in Fay and Feuer 1997), and a tenth of it to every other. The lower bound mirrors this.

    Parameters
    ----------
    values : float ndarray of shape (m,)
        Answers, within the limits.
    strata : int64 ndarray of shape (m,)
    sizes : int64 ndarray of shape (n_strata,)
    alpha : float in (0, 0.5)
        Probability that the bound fails.
    upper : bool
        The upper bound; else the lower one.
    limits : pair of float, default=(0, 1)
        Smallest and largest value that a row can have.
    cumulative : bool, default=False
        Bound the total over strata 0 to j, for every j.

    Returns
    -------
    bounds : float64 ndarray of shape (n_strata,) or (1,)
        One bound if not cumulative. The same answers give the same bounds.

    References
    ----------
    Clopper and Pearson, Biometrika 26, 1934. Fay and Feuer, Statistics in Medicine 16, 1997.
    Gaffke, Mathematical Methods of Statistics 14, 2005. Fay, Proschan and Brittain,
    Biometrics 71, 2015.
    """
    if not upper:
        flipped = (-limits[1], -limits[0])
        return 0.0 - bound_totals(
            -values, strata, sizes, alpha=alpha, upper=True, limits=flipped, cumulative=cumulative
        )
    rng = np.random.default_rng(0)
    highest = limits[1]
    answers = [values[strata == stratum] for stratum in range(len(sizes))]
    pairs = [_urn_totals(a, int(n), highest, rng) for a, n in zip(answers, sizes, strict=True)]
    plain, raised = np.swapaxes(np.array(pairs), 0, 1)
    if len(sizes) == 1:
        plain = raised
    gains = raised - plain
    sums = np.cumsum(plain, axis=0)
    ends = range(len(sizes)) if cumulative else [len(sizes) - 1]
    return np.array(
        [
            np.quantile(sums[end] + gains[: end + 1], 1.0 - alpha, axis=1, method="higher").max()
            for end in ends
        ]
    )


def total_between_strata(
    counts: np.ndarray,
    ends: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    seen_wrong: np.ndarray,
    seen_right: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the wrong labels among the first rows, from bounds at the ends of the strata.

    The rows are in the order of their quality. From the end e of a stratum to a later count c
    there are at least as many more wrong labels as were seen there, and at most ``c - e`` less the
    right ones that were seen; back from e to an earlier count the same is taken away. The best
    bound of all ends is taken. Where the bounds at the ends hold together, these hold at every
    count, so also at one that is chosen afterwards.

    Parameters
    ----------
    counts : int64 ndarray of shape (k,)
        Numbers of rows.
    ends : int64 ndarray of shape (n_strata,)
        Rows up to the end of every stratum.
    low, high : float ndarray of shape (n_strata,)
        Bounds of the wrong labels among these.
    seen_wrong, seen_right : int64 ndarray of shape (n + 1,)
        Answers of each kind among the first 0 to n rows.

    Returns
    -------
    low, high : float64 ndarray of shape (k,)
        Between 0 and `counts`.
    """
    counts = np.asarray(counts)
    lower = seen_wrong[counts].astype(np.float64)
    upper = (counts - seen_right[counts]).astype(np.float64)
    for end, least, most in zip(ends, low, high, strict=True):
        wrong = seen_wrong[counts] - seen_wrong[end]
        possible = counts - end - (seen_right[counts] - seen_right[end])
        is_later = counts >= end
        lower = np.maximum(lower, least + np.where(is_later, wrong, possible))
        upper = np.minimum(upper, most + np.where(is_later, possible, wrong))
    return lower, upper


def boundary_log_ratio(
    right: np.ndarray, quality: np.ndarray, boundary_quality: np.ndarray
) -> float:
    """Log-likelihood of the answers under boundary noise minus that without it.

    ``sum log(b_i / q_i)`` over the labels that are right, plus ``sum log((1 - b_i) / (1 - q_i))``
    over those that are wrong. Which rows were looked at depends on the claims alone and cancels.

    Parameters
    ----------
    right : bool ndarray of shape (m,)
        Answers: the given label is right.
    quality : float ndarray of shape (m,)
        Claim q without boundary noise.
    boundary_quality : float ndarray of shape (m,)
        Claim b with it.

    Returns
    -------
    log_ratio : float
        Natural logarithm; claims count as between .01 and .99.
    """
    q, b = _capped(quality), _capped(boundary_quality)
    return float(np.where(right, np.log(b / q), np.log((1.0 - b) / (1.0 - q))).sum())


def _split(ranked: np.ndarray, mass: np.ndarray, start: int, end: int, n_parts: int) -> np.ndarray:
    """Ends of parts of equal mass between two positions; rows of equal quality stay together."""
    if start == end:
        return np.zeros(0, dtype=np.int64)
    targets = mass[start] + (mass[end] - mass[start]) * np.arange(1, n_parts) / n_parts
    # A little less, so that rounding does not move an end by a row.
    last = np.searchsorted(mass[1:], targets * (1.0 - 1e-12)).clip(start, end - 1)
    return np.unique(np.append(np.searchsorted(ranked, ranked[last], "right"), end))


def _urn_totals(
    values: np.ndarray, size: int, highest: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Totals of a stratum: with a part of one more answer in the urn, and with all of it."""
    unseen = size - len(values)
    if len(values) == 0 or unseen == 0:
        known = np.full(_N_DRAWS, values.sum() + unseen * highest)
        return known, known
    urn, counts = np.unique(np.append(values, highest), return_counts=True)
    counts[-1] -= 1  # the highest value, which there may be no answer of
    weights = rng.standard_gamma(counts, size=(_N_DRAWS, len(urn)))
    parts = (_EXTRA_EVERYWHERE, 1.0 - _EXTRA_EVERYWHERE)
    totals = []
    for part in parts:
        weights[:, -1] += rng.standard_gamma(part, size=_N_DRAWS)
        drawn = rng.multinomial(unseen, weights / weights.sum(axis=1, keepdims=True))
        totals.append(values.sum() + drawn @ urn)
    return totals[0], totals[1]


def _capped(quality: np.ndarray) -> np.ndarray:
    """Claims as float64, none surer than `_SUREST_CLAIM`."""
    return np.clip(np.asarray(quality, dtype=np.float64), 1.0 - _SUREST_CLAIM, _SUREST_CLAIM)


def _logit(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1.0 - p))
