"""Model card: what was fitted, on what, what it found, and where it may fail."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from nllearn._frames import to_pandas
from nllearn.inspection._files import write_whole
from nllearn.inspection._noise_rate import known_noise_rate
from nllearn.inspection._thresholds import threshold_table

__all__ = ["write_model_card"]

_MOST_CLASSES, _MOST_CHANGES, _LONGEST = 50, 10, 100
_PACKAGES = ("nllearn", "numpy", "scikit-learn", "torch")


def write_model_card(
    path: str | os.PathLike[str],
    estimator: Any,
    *,
    audit: Any = None,
    title: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a model card of a fitted estimator: one Markdown file.

    It has the data (rows, columns, classes), the noise that was found, the label accuracy by an
    audit if there was one, the parameters as set and as used, the versions, and the limits. It
    holds names of classes and columns, and no row of the data.

    Parameters
    ----------
    path : str or path
        The Markdown file.
    estimator : LabelCleaner, AnchorHallucinationClassifier or MixNNClassifier
        Fitted.
    audit : Audit, optional
        What ``estimator.audit`` returned. Without it all figures of the card are estimates, and
        it says so.
    title : str, optional
        First line. None takes the name of the class.
    overwrite : bool, default=False
        Replace an existing file.

    Returns
    -------
    path : Path
        The file, written whole or not at all.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    ValueError
        If the audit is about another number of rows.
    FileExistsError
        If the file is there and `overwrite` is False.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from sklearn.datasets import load_iris
    >>> from nllearn import LabelCleaner
    >>> from nllearn.inspection import write_model_card
    >>> cleaner = LabelCleaner(random_state=0).fit(*load_iris(return_X_y=True))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     card = write_model_card(pathlib.Path(folder, "card.md"), cleaner, title="Iris")
    ...     card.read_text(encoding="utf-8").splitlines()[0]
    '# Model card: Iris'
    """
    check_is_fitted(estimator, "label_quality_")
    issues = to_pandas(estimator.row_issues())
    name = type(estimator).__name__
    lines = [
        f"# Model card: {_cell(title or name)}",
        "",
        f"`{name}` of nllearn, which learns from labels that are partly wrong.",
        *_section("Data", _data(estimator, issues)),
        *_section("Noise found", _noise(estimator, issues, audit)),
        *_section("Label accuracy", _accuracy(audit)),
        *_section("Parameters", _parameters(estimator)),
        *_section("Limits", _limits(estimator, issues, audit)),
    ]
    text = "\n".join(lines) + "\n"
    return write_whole(path, lambda file: file.write(text.encode("utf-8")), overwrite=overwrite)


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"## {title}", "", *lines]


def _data(estimator: Any, issues: pd.DataFrame) -> list[str]:
    """Rows, columns and classes."""
    given = issues["given_label"]
    facts = [("rows", f"{len(issues):,}"), ("classes", f"{len(estimator.classes_):,}")]
    image_shape = getattr(estimator, "image_shape_", None)
    if image_shape is not None:
        facts.append(("shape of an image", "x".join(map(str, image_shape))))
    elif getattr(estimator, "n_features_in_", None) is not None:
        facts.append(("columns", f"{estimator.n_features_in_:,}"))
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        shown = ", ".join(map(str, names[:_MOST_CHANGES]))
        facts.append(("names of columns", shown + (", ..." if len(names) > _MOST_CHANGES else "")))
    counts = given.value_counts()
    corrected = issues["corrected_label"].value_counts()
    flagged = issues["is_label_issue"].groupby(given.to_numpy()).mean()
    rows = [
        (label, f"{n:,}", f"{corrected.get(label, 0):,}", f"{flagged[label]:.1%}")
        for label, n in counts.head(_MOST_CLASSES).items()
    ]
    left = len(counts) - len(rows)
    return [
        *_table(("data", ""), facts),
        "",
        *_table(("class", "rows by given label", "by corrected label", "label issues"), rows),
        *([f"\n{left:,} more classes with fewer rows."] if left else []),
        *_annotators(estimator),
    ]


def _annotators(estimator: Any) -> list[str]:
    """Labels and quality of several annotators."""
    names = getattr(estimator, "annotators_", None)
    if names is None:
        return []
    n_labels = (~np.isnan(estimator.label_quality_)).sum(0)
    quality = estimator.annotator_quality_
    rows = [
        (name, f"{n:,}", f"{share:.1%}")
        for name, n, share in zip(names.tolist(), n_labels, quality, strict=True)
    ]
    left = len(rows) - _MOST_CLASSES
    return [
        "",
        *_table(("annotator", "labels", "estimated share right"), rows[:_MOST_CLASSES]),
        *([f"\n{left:,} more annotators."] if left > 0 else []),
    ]


def _noise(estimator: Any, issues: pd.DataFrame, audit: Any) -> list[str]:
    """What the fit estimated about the labels."""
    n = len(issues)
    changed = issues["given_label"].to_numpy() != issues["corrected_label"].to_numpy()
    n_issues = int(issues["is_label_issue"].sum())
    rate = known_noise_rate(estimator)
    facts = [
        ("estimated share of wrong labels", "unknown" if rate is None else f"{rate:.1%}"),
        ("labels changed", f"{int(changed.sum()):,} ({changed.mean():.1%})"),
        ("label issues", f"{n_issues:,} ({n_issues / n:.1%})"),
    ]
    if getattr(estimator, "n_undecided_", 0):
        facts.append(("undecided, label kept", f"{estimator.n_undecided_:,}"))
    lines = _table(("estimate", ""), facts)
    pairs = issues.loc[changed, ["given_label", "corrected_label"]].value_counts()
    if len(pairs):
        rows = [(*pair, f"{count:,}") for pair, count in pairs.head(_MOST_CHANGES).items()]
        lines += ["", *_table(("given label", "most often changed to", "rows"), rows)]
    word = "expected by the model" if audit is None else "by the audit"
    rows = [
        (f"{threshold:g}", f"{int(row['n_flagged']):,}", _precision(row))
        for threshold, row in threshold_table(issues["label_quality"], audit=audit).iterrows()
    ]
    return [*lines, "", *_table(("quality below", "labels flagged", f"wrong, {word}"), rows)]


def _precision(row: pd.Series) -> str:
    if not row["n_flagged"]:
        return ""
    interval = "" if np.isnan(row["low"]) else f" ({row['low']:.0%} to {row['high']:.0%})"
    return f"{row['precision']:.0%}{interval}"


def _accuracy(audit: Any) -> list[str]:
    """Share of right labels, from rows that a person looked at."""
    if audit is None:
        return [
            "No row was checked by hand. Every figure of this card is an estimate of the model. "
            "`audit_sample` draws rows to look at, and `audit` takes the answers."
        ]
    rate, gain, precision = audit.noise_rate, audit.accuracy_gain, audit.precision()
    facts = [
        ("rows checked by hand", f"{len(audit.rows):,} of {len(audit.audited.given):,}"),
        ("given labels right", _interval(1 - rate.value, 1 - rate.high, 1 - rate.low)),
        ("gain by the corrected labels", _interval(*gain)),
    ]
    if audit.audited.changed.any():
        facts.insert(2, ("changed labels that were wrong", _interval(*precision)))
    help_ = {True: "yes", False: "no", None: "undecided"}[audit.changes_help]
    return [
        *_table(("audit", ""), [*facts, ("the changes help", help_)]),
        "",
        f"In brackets {audit.confidence_level:.0%} intervals.",
    ]


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _parameters(estimator: Any) -> list[str]:
    """Parameters as set, what every None became, and versions."""
    used = estimator.resolved_params_
    params = estimator.get_params(deep=False)
    rows = [(key, repr(params[key]), repr(used[key]) if key in used else "") for key in params]
    rows += [(key, "", repr(used[key])) for key in used if key not in params]
    versions = [(name, _version(name)) for name in _PACKAGES]
    return [
        *_table(("parameter", "set", "used"), rows),
        "",
        *_table(("package", "version"), [("Python", platform.python_version()), *versions]),
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # imported from a checkout that is not installed
        return "not installed"


def _limits(estimator: Any, issues: pd.DataFrame, audit: Any) -> list[str]:
    """What is known of this fit, then of the method."""
    lines = []
    if not getattr(estimator, "has_signal_", True):
        lines.append(
            "The features tell nothing about the labels: no label was changed, and the quality "
            "does not tell wrong labels from right ones."
        )
    if getattr(estimator, "n_undecided_", 0):
        lines.append(
            f"{estimator.n_undecided_:,} rows near a class boundary kept their label. Whether "
            "these labels are wrong cannot be told from one label per row; some thirty rows "
            "checked by hand decide."
        )
    if audit is None:
        lines.append("The label quality was not compared with true labels of these data.")
    elif audit.changes_help is False:
        lines.append("The audit found more right labels among the given than the corrected ones.")
    smallest = int(issues["given_label"].value_counts().min())
    if smallest < 20:
        lines.append(f"The smallest class has {smallest} rows; below 20 all estimates are unsure.")
    lines += [
        "The quality is too sure where wrong labels lie near the boundaries of the classes, as "
        "those of a model or of a crowd often do.",
        "Classes with more wrong than right labels cannot be found without trusted rows.",
        "The corrected labels are for training. Test labels are better checked by hand: a score "
        "on labels that a model cleaned favours similar models.",
        "One label per row. Whether the data stand for those of later use is outside this card.",
    ]
    return [f"- {line}" for line in lines]


def _table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """Markdown table; what stands in its cells is text and no markup."""
    header = list(header)
    return [
        f"| {' | '.join(header)} |",
        "|" + "---|" * len(header),
        *(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows),
    ]


def _cell(value: Any) -> str:
    text = " ".join(str(value).split())
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 3] + "..."
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text)
