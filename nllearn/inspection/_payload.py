"""The data of a review page: plain lists, short numbers, nothing that JSON cannot hold."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from nllearn.functional.loss_mixture import scale_losses, small_loss_posterior
from nllearn.inspection._content import Content, rows_within

__all__ = [
    "history_payload",
    "loss_payload",
    "map_columns",
    "rows_payload",
    "run_id",
    "summary_payload",
    "worst_classes",
]

_BINS, _CURVE_POINTS = 50, 201
_TOP_CLASSES, _MAX_WORST = 3, 10
# Characters of pictures, texts and cells, so that a page stays below 25 MB.
_CONTENT_BUDGET = 14_000_000
_MAX_NEIGHBOR_CONTENT = 3000
# These have their own names in the list.
_KNOWN = (
    "is_label_issue",
    "label_quality",
    "given_label",
    "corrected_label",
    "predicted_label",
    "predicted_proba",
    "nearest_row",
    "neighbor_rows",
)
# A column of text with more values is content rather than evidence.
_MAX_VALUES, _MAX_TEXT = 50, 200
# Values of columns that only colour the map.
_MAP_BUDGET = 600_000


def run_id(given: np.ndarray, corrected: np.ndarray, classes: np.ndarray, ids: list[str]) -> str:
    """Name of a run: the decisions of another run are never shown for it.

    Parameters
    ----------
    given, corrected : int64 ndarray of shape (n,)
        Positions in `classes`.
    classes : ndarray of shape (n_classes,)
    ids : list of n str
        What the rows are called.

    Returns
    -------
    name : str
        16 hexadecimal digits of SHA-256.
    """
    digest = hashlib.sha256()
    for part in (
        "\0".join(map(str, classes)),
        np.ascontiguousarray(given, dtype="<i8").tobytes(),
        np.ascontiguousarray(corrected, dtype="<i8").tobytes(),
        "\0".join(ids),
    ):
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]


def summary_payload(
    issue: np.ndarray, given: np.ndarray, corrected: np.ndarray, noise_rate: float | None
) -> dict[str, Any]:
    """Numbers of the head of the page.

    Parameters
    ----------
    issue : bool ndarray of shape (n,)
    given, corrected : int64 ndarray of shape (n,)
    noise_rate : float or None

    Returns
    -------
    summary : dict
    """
    return {
        "n_rows": len(given),
        "n_issues": int(issue.sum()),
        "n_changed": int((given != corrected).sum()),
        "noise_rate": None if noise_rate is None else float(noise_rate),
    }


def worst_classes(
    issue: np.ndarray, given: np.ndarray, corrected: np.ndarray, n_classes: int
) -> list[dict[str, Any]]:
    """Classes with the largest share of issues, and what they most often become.

    Parameters
    ----------
    issue : bool ndarray of shape (n,)
    given, corrected : int64 ndarray of shape (n,)
    n_classes : int

    Returns
    -------
    worst : list of dict
        At most ten, each with `label`, `n`, `issues` and `to` (-1 when no label changed).
    """
    totals = np.bincount(given, minlength=n_classes)
    flagged = np.bincount(given[issue], minlength=n_classes)
    moves = np.zeros((n_classes, n_classes), dtype=np.int64)
    changed = given != corrected
    np.add.at(moves, (given[changed], corrected[changed]), 1)
    share = flagged / np.maximum(totals, 1)
    order = [c for c in np.argsort(-share, kind="stable") if flagged[c]][:_MAX_WORST]
    return [
        {
            "label": int(c),
            "n": int(totals[c]),
            "issues": int(flagged[c]),
            "to": int(moves[c].argmax()) if moves[c].any() else -1,
        }
        for c in order
    ]


def loss_payload(losses: np.ndarray, issue: np.ndarray) -> dict[str, Any] | None:
    """Histogram of the scaled losses, and the density of the fitted mixture.

    Parameters
    ----------
    losses : ndarray of shape (n,)
        Finite; cross-entropy of the network against the given labels.
    issue : bool ndarray of shape (n,)

    Returns
    -------
    payload : dict or None
        `edges`, counts of `kept` and `issue`, and, where the losses could be split, `x` with
        `small` and `large`: expected rows per bin of each component. None without rows.
    """
    if len(losses) == 0:
        return None
    scaled = scale_losses(losses)
    _, mixture = small_loss_posterior(losses)
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    payload = {
        "edges": _short(edges),
        "kept": np.histogram(scaled[~issue], edges)[0].tolist(),
        "issue": np.histogram(scaled[issue], edges)[0].tolist(),
    }
    if mixture is not None:
        x = np.linspace(0.0, 1.0, _CURVE_POINTS)
        order = np.argsort(mixture["means"])
        for name, part in zip(("small", "large"), order, strict=True):
            variance = mixture["variances"][part]
            density = np.exp(-((x - mixture["means"][part]) ** 2) / (2.0 * variance))
            density *= mixture["weights"][part] / np.sqrt(2.0 * np.pi * variance)
            payload[name] = _short(density * len(scaled) / _BINS)
        payload["x"] = _short(x)
    return payload


def history_payload(history: Any) -> dict[str, Any] | None:
    """Training curves: losses, and shares of rows.

    Parameters
    ----------
    history : list of dict or None
        ``history_`` of a classifier.

    Returns
    -------
    payload : dict or None
        `epoch`, `phase`, and `losses` and `shares`, each name to one number or None per epoch.
    """
    if not history:
        return None
    names = dict.fromkeys(name for row in history for name in row)

    def series(wanted: Any) -> dict[str, list[Any]]:
        return {name: [_number(row.get(name)) for row in history] for name in names if wanted(name)}

    return {
        "epoch": [int(row.get("epoch", i + 1)) for i, row in enumerate(history)],
        "phase": [str(row.get("phase", "")) for row in history],
        "losses": series(lambda name: name in ("train_loss", "valid_loss")),
        "shares": series(lambda name: name.startswith("share_")),
    }


def rows_payload(
    issues: pd.DataFrame,
    rows: np.ndarray,
    *,
    codes: dict[str, np.ndarray],
    label_distributions: np.ndarray | None,
    network_proba: np.ndarray | None,
    neighbors: tuple[np.ndarray, np.ndarray | None] | None,
    places: np.ndarray | None,
    content: Content | None,
    content_first: np.ndarray,
) -> dict[str, Any]:
    """Columns of the list, one value per listed row.

    Parameters
    ----------
    issues : DataFrame of n rows
    rows : int64 ndarray of shape (m,)
        Listed rows, in the order of the list.
    codes : dict of str to int64 ndarray of shape (n,)
        `given`, `corrected` and, where known, `predicted`.
    label_distributions, network_proba : ndarray of shape (n, n_classes) or None
    neighbors : pair of ndarray of shape (m, k) or None
        Row numbers, and their similarity or None.
    places : ndarray of shape (k, 2) or None
        Of the first k rows, which the map shows.
    content : Content or None
    content_first : int64 ndarray
        Of the rows, those whose content is read before that of the others.

    Returns
    -------
    payload : dict
    """
    listed: dict[str, Any] = {"row": rows.tolist()}
    listed |= {name: values[rows].tolist() for name, values in codes.items()}
    # Five digits that count: the worst qualities of many rows are far below one in a thousand.
    listed["quality"] = _numbers(issues["label_quality"], rows)
    if network_proba is None and "predicted" in codes and "predicted_proba" in issues.columns:
        listed["predicted_proba"] = _numbers(issues["predicted_proba"], rows)
    if places is not None:
        listed["x"], listed["y"] = (_short(places[:, axis], 3) for axis in (0, 1))
    payload: dict[str, Any] = {"listed": listed}
    for name, proba in (("fused", label_distributions), ("network", network_proba)):
        if proba is not None:
            payload[name] = _top(proba[rows])
    found_evidence = {
        str(name): _evidence(issues[name], rows) for name in issues.columns if name not in _KNOWN
    }
    payload["evidence"] = {name: values for name, values in found_evidence.items() if values}
    near = np.zeros((len(rows), 0), dtype=np.int64)
    if neighbors is not None:
        near, similarity = neighbors
        payload["neighbors"] = {
            "row": near.tolist(),
            "given": codes["given"][near].tolist(),
        }
        if similarity is not None:
            payload["neighbors"]["similarity"] = [_short(line, 3) for line in similarity]
    if content is not None:
        seen = set(rows.tolist())
        others = [row for row in dict.fromkeys(near.ravel().tolist()) if row not in seen]
        wanted = content_first.tolist() + rows.tolist() + others[:_MAX_NEIGHBOR_CONTENT]
        found = rows_within(wanted, _CONTENT_BUDGET, content)
        payload["content"] = {
            "kind": content.kind,
            "columns": content.columns,
            "rows": list(found),
            "values": list(found.values()),
        }
    return payload


def map_columns(
    issues: pd.DataFrame,
    frame: pd.DataFrame | None,
    rows: np.ndarray,
    background: np.ndarray,
) -> tuple[dict[str, list[Any]], dict[str, dict[str, list[Any]]]]:
    """Columns that the points of the map can be coloured by.

    Parameters
    ----------
    issues : DataFrame of n rows
    frame : DataFrame of n rows or None
        What the page shows of the rows, where that is a table. Numbers, truth values and text
        of at most 50 values are taken, the first columns first.
    rows, background : int64 ndarray of shape (m,) and (b,)
        The listed rows, and the others on the map.

    Returns
    -------
    listed : dict of str to list
        Columns of `frame`, one value per listed row.
    others : dict of {"evidence", "columns"} to dict of str to list
        Columns of both, one value per other row.
    """
    drawn = np.concatenate([rows, background])
    m = len(rows)
    listed: dict[str, list[Any]] = {}
    others: dict[str, dict[str, list[Any]]] = {"evidence": {}, "columns": {}}
    for name in issues.columns:
        values = None if name in _KNOWN else _evidence(issues[name], drawn)
        if values is not None:
            others["evidence"][str(name)] = values[m:]
    most = _MAP_BUDGET // max(1, len(drawn))
    for i in range(0 if frame is None else frame.shape[1]):
        assert frame is not None
        values = _evidence(frame.iloc[:, i], drawn) if len(listed) < most else None
        if values is not None:
            name = str(frame.columns[i])
            listed[name], others["columns"][name] = values[:m], values[m:]
    return listed, others


def _numbers(column: pd.Series, rows: np.ndarray) -> list[Any]:
    return [_number(value) for value in column.to_numpy(dtype=float)[rows].tolist()]


def _evidence(column: pd.Series, rows: np.ndarray) -> list[Any] | None:
    """Numbers, truth values or a few words, one per row; None for any other column."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return [_number(value) for value in column.to_numpy()[rows].tolist()]
    values = [None if pd.api.types.is_scalar(v) and pd.isna(v) else v for v in column.iloc[rows]]
    if not all(value is None or isinstance(value, str) for value in values):
        return None
    if len(set(values)) > _MAX_VALUES:
        return None
    return [None if value is None else value[:_MAX_TEXT] for value in values]


def _top(proba: np.ndarray) -> dict[str, list[Any]]:
    """Most probable classes of every row."""
    n_shown = min(_TOP_CLASSES, proba.shape[1])
    order = np.argsort(-proba, axis=1, kind="stable")[:, :n_shown]
    values = np.take_along_axis(np.asarray(proba, dtype=float), order, axis=1)
    return {"code": order.tolist(), "proba": [_short(line) for line in values]}


def _short(values: np.ndarray, digits: int = 4) -> list[Any]:
    """Round; None for what is not finite."""
    rounded = np.round(np.asarray(values, dtype=float), digits)
    if np.isfinite(rounded).all():
        return rounded.tolist()
    return [value if np.isfinite(value) else None for value in rounded.tolist()]


def _number(value: Any) -> Any:
    """Bool, or a number of five digits; None for what is neither or not finite."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return None
