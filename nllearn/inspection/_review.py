"""The review page: one HTML file to look at label issues and to decide about them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nllearn._labels import label_index
from nllearn.inspection._audit_payload import audit_payload, check_audit_rows
from nllearn.inspection._content import content_reader
from nllearn.inspection._files import check_free
from nllearn.inspection._frames import as_frame
from nllearn.inspection._map import feature_map
from nllearn.inspection._nearest import named_rows, nearest_rows, similarity_of
from nllearn.inspection._page import render_page
from nllearn.inspection._payload import (
    history_payload,
    loss_payload,
    map_columns,
    rows_payload,
    run_id,
    summary_payload,
    worst_classes,
)
from nllearn.inspection._review_page import ReviewPage

__all__ = ["write_review_page"]

# Rows that are no issue, drawn on the map as a background.
_MAX_BACKGROUND = 3000
# Pixels of a picture: larger where there are few, so that the file stays small.
_SIDE, _SIDE_OF_FEW, _FEW = 96, 192, 1000


def write_review_page(
    path: str | os.PathLike[str] | None,
    *,
    issues: pd.DataFrame,
    classes: Any = None,
    features: np.ndarray | None = None,
    label_distributions: np.ndarray | None = None,
    network_proba: np.ndarray | None = None,
    losses: np.ndarray | None = None,
    history: Any = None,
    transition_matrix: np.ndarray | None = None,
    noise_rate: float | None = None,
    predicted_by: str = "network",
    images: Any = None,
    texts: Any = None,
    table: Any = None,
    names: Any = None,
    audit_rows: Any = None,
    audit_strata: Any = None,
    max_rows: int = 20_000,
    title: str = "Label review",
    overwrite: bool = False,
) -> Path | ReviewPage:
    """Write label issues as one HTML file that opens from disk and needs no network.

    The page has a card of the current row with the suggestion and the evidence, a list to sort
    and filter, a grid of the rows by given and suggested label, a map of the features, the
    transition matrix, the losses with the fitted mixture and the training curves. What is not
    passed is left out. Rows are reviewed by keyboard, one at a time or all rows of a filter;
    decisions stay in the browser and are exported as JSON or CSV for :func:`apply_decisions_to`.

    Pictures, texts and cells take 14 MB at most, those of the worst labels first; the page says
    for how many rows it has them. Texts are cut after 2,000 characters, cells after 200, tables
    after 50 columns, and pictures are at most 96 pixels wide or high, 192 where at most 1,000
    issues are listed.

    Parameters
    ----------
    path : str, path or None
        The HTML file. None writes none and returns the page, which a notebook shows.
    issues : DataFrame of n rows
        What ``label_issues()`` returns: at least `is_label_issue`, `label_quality`,
        `given_label` and `corrected_label`. Columns of numbers beyond the known ones are shown as
        evidence, and columns of text with at most 50 values. `neighbor_rows`, lists of the
        positions of the nearest rows, takes the place of a search among `features`.
    classes : array-like of shape (n_classes,), optional
        All labels, in the order of the columns below. None takes the labels in `issues`.
    features : ndarray of shape (n, d), optional
        Of the fitted network, or the rows that were compared; for the map and the nearest
        rows.
    label_distributions, network_proba : ndarray of shape (n, n_classes), optional
        Probabilities of the true label, and of the network alone.
    losses : ndarray of shape (n,), optional
        Loss of every row against its given label.
    history : list of dict, optional
        One per epoch.
    transition_matrix : ndarray of shape (n_classes, n_classes), optional
        Rows are true labels.
    noise_rate : float, optional
        Estimated share of wrong labels.
    predicted_by : str, default="network"
        Whose prediction, without the given label, `predicted_label` and `network_proba` are.
        The page calls it so: "Network", "All predictors".
    images : array of shape (n, H, W), (n, H, W, C) or (n, C, H, W), sequence or Dataset, optional
        One per row. Items of a sequence are paths, Pillow images, arrays or tensors; those of a
        torch ``Dataset`` are images or ``(image, label)``. Files are read as training reads
        them, with their EXIF orientation. Needs Pillow.
    texts : sequence of n str, optional
        One per row.
    table : DataFrame or array of n rows, optional
        What to show of every row: images or texts, a table, or one of the former above the
        table's cells.
    names : sequence of n str, optional
        What the rows are called, on the page and in the decisions. None takes the index of
        `issues` where it is more than the row numbers, else the names of the image files.
    audit_rows : array-like of k int, optional
        Rows of an audit, as ``audit_sample`` drew them. The page shows them in this order,
        whether they are issues or not, and says what the answers show about all labels.
    audit_strata : array-like of n int, optional
        The stratum of every row, from 0; needed with `audit_rows`.
    max_rows : int, default=20000
        Most issues in the list; those of the lowest label quality are taken.
    title : str, default="Label review"
        Title of the page.
    overwrite : bool, default=False
        Replace an existing file.

    Returns
    -------
    path : Path or ReviewPage
        The file, written whole or not at all; the page itself, where `path` is None.

    Raises
    ------
    ValueError
        If an argument does not fit the table of issues.
    FileExistsError
        If the file is there and `overwrite` is False.
    MissingExtraError
        For images without Pillow.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import pandas as pd
    >>> from nllearn.inspection import write_review_page
    >>> issues = pd.DataFrame({"is_label_issue": [True, False], "label_quality": [0.1, 0.9],
    ...     "given_label": ["cat", "dog"], "corrected_label": ["dog", "dog"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_review_page(
    ...         pathlib.Path(folder, "review.html"), issues=issues, texts=["woof", "bark"])
    ...     "woof" in page.read_text(encoding="utf-8")
    True
    """
    path = None if path is None else check_free(path, overwrite=overwrite)
    if int(max_rows) < 1:
        raise ValueError(f"max_rows={max_rows!r} must be at least 1")
    if not isinstance(predicted_by, str) or not predicted_by:
        raise ValueError(f"predicted_by={predicted_by!r} must be a word, such as 'network'")
    issues = as_frame("issues", issues)
    classes, codes = _codes(issues, classes)
    n, n_classes = len(issues), len(classes)
    issue = issues["is_label_issue"].to_numpy(dtype=bool)
    quality = issues["label_quality"].to_numpy(dtype=float)
    listed = np.flatnonzero(issue)
    listed = listed[np.argsort(quality[listed], kind="stable")][: int(max_rows)]
    # The page holds the rows of the list first, then the other ones of the audit.
    rows, sample, strata = listed, np.zeros(0, dtype=np.int64), np.zeros(n, dtype=np.int64)
    if audit_rows is not None:
        sample, strata = check_audit_rows(audit_rows, audit_strata, n)
        rows = np.concatenate([listed, sample[~np.isin(sample, listed)]])
    side = _SIDE_OF_FEW if len(rows) <= _FEW else _SIDE
    content = content_reader(images, texts, table, side=side)
    for name, value, shape in (
        ("features", features, (n, None)),
        ("label_distributions", label_distributions, (n, n_classes)),
        ("network_proba", network_proba, (n, n_classes)),
        ("losses", losses, (n,)),
        ("transition_matrix", transition_matrix, (n_classes, n_classes)),
    ):
        _check_shape(name, value, shape)
    if content is not None and content.n_rows != n:
        raise ValueError(f"{content.kind} has {content.n_rows} rows and issues has {n}")

    ids = None if _counts_rows(issues.index) else [_row_name(name) for name in issues.index]
    called = _row_names(names, issues.index, ids, None if content is None else content.names)
    # Float16 features become float32 only where they are drawn or compared.
    features = None if features is None else np.asarray(features)
    neighbors = _neighbors(issues, features, rows)
    places, background = None, None
    if features is not None and len(listed):
        background = _background(issue)
        drawn = np.concatenate([listed, background])
        places = np.full((n, 2), np.nan, dtype=np.float32)
        places[drawn] = feature_map(features[drawn])

    given, corrected = codes["given"], codes["corrected"]
    data: dict[str, Any] = {
        "run": run_id(given, corrected, classes, ids or [str(n)]),
        "title": title,
        "summary": summary_payload(issue, given, corrected, noise_rate),
        "classes": [str(value) for value in classes],
        "worst": worst_classes(issue, given, corrected, n_classes),
        "losses": None if losses is None else loss_payload(np.asarray(losses), issue),
        "history": history_payload(history),
        "predicted_by": predicted_by,
        "transition": None
        if transition_matrix is None
        else np.round(np.asarray(transition_matrix, dtype=float), 4).tolist(),
        **rows_payload(
            issues,
            rows,
            codes=codes,
            label_distributions=label_distributions,
            network_proba=network_proba,
            neighbors=neighbors,
            places=None if places is None else places[listed],
            content=content,
            content_first=sample,
        ),
    }
    if len(sample):
        data["audit"] = audit_payload(
            sample,
            strata,
            held=rows,
            n_listed=len(listed),
            changed=given != corrected,
            quality=quality,
        )
    if called is not None:
        shown = set(rows.tolist())
        if neighbors is not None:
            shown |= set(neighbors[0].ravel().tolist())
        data["names"] = {str(row): str(called[row]) for row in sorted(shown)}
    if background is not None and places is not None:
        frame = None if content is None else content.frame
        data["columns"], others = map_columns(issues, frame, listed, background)
        data["background"] = {
            **others,
            "given": given[background].tolist(),
            "corrected": corrected[background].tolist(),
            "quality": np.round(quality[background], 3).tolist(),
            "x": np.round(places[background, 0].astype(float), 3).tolist(),
            "y": np.round(places[background, 1].astype(float), 3).tolist(),
        }
    page = ReviewPage(render_page(data, title=title), title)
    return page if path is None else page.save(path, overwrite=overwrite)


def _neighbors(
    issues: pd.DataFrame, features: np.ndarray | None, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Nearest rows of the listed rows, with their similarity where features are known."""
    if not len(rows):
        return None
    if "neighbor_rows" in issues.columns:
        near = named_rows(issues["neighbor_rows"].tolist(), rows)
        return near, None if features is None else similarity_of(features, rows, near)
    return None if features is None else nearest_rows(features, rows)


def _row_names(
    names: Any, index: pd.Index, ids: list[str] | None, files: list[str] | None
) -> Sequence[Any] | None:
    """What the rows are called: as the user says, by the index, or by their files."""
    if names is not None:
        names = list(names)
        if len(names) != len(index):
            raise ValueError(f"names has {len(names)} entries and issues has {len(index)} rows")
        return names
    # An index of numbers says less than the names of files.
    return files if files is not None and (ids is None or index.dtype.kind in "iu") else ids


def _codes(issues: pd.DataFrame, classes: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Classes, and the labels of the table as positions in them."""
    needed = ("is_label_issue", "label_quality", "given_label", "corrected_label")
    missing = [name for name in needed if name not in issues.columns]
    if missing:
        raise ValueError(f"issues has no column {missing}; pass what label_issues() returns")
    names = [n for n in ("given", "corrected", "predicted") if f"{n}_label" in issues.columns]
    if classes is None:
        labels = pd.concat([issues[f"{name}_label"] for name in names])
        classes = np.unique(labels.dropna().to_numpy())
    classes = np.asarray(classes)
    index = label_index(classes)
    codes = {}
    for name in names:
        column = issues[f"{name}_label"]
        codes[name] = index.get_indexer(label_index(column))
        if (codes[name] < 0).any():
            row = int(np.flatnonzero(codes[name] < 0)[0])
            raise ValueError(
                f"{name}_label of row {row} is {column.iloc[row]!r}, which is not in classes"
            )
    return classes, codes


def _check_shape(name: str, value: Any, shape: tuple[int | None, ...]) -> None:
    if value is None:
        return
    found = np.shape(value)
    if len(found) != len(shape) or any(
        w is not None and w != f for w, f in zip(shape, found, strict=True)
    ):
        wanted = ", ".join("d" if w is None else str(w) for w in shape)
        raise ValueError(f"{name} has shape {found}; expected ({wanted}), one row per issue row")


def _row_name(name: Any) -> str:
    """Name of a row on the page; the levels of a MultiIndex side by side."""
    return " / ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _counts_rows(index: pd.Index) -> bool:
    """Whether the index equals the position."""
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def _background(issue: np.ndarray) -> np.ndarray:
    """Rows that are no issue, evenly from first to last."""
    kept = np.flatnonzero(~issue)
    if len(kept) <= _MAX_BACKGROUND:
        return kept
    return kept[np.linspace(0, len(kept) - 1, _MAX_BACKGROUND).astype(np.int64)]
