"""Tasks for Label Studio, and the annotations that come back from it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd

from nllearn._frames import to_pandas
from nllearn._validation import check_same_rows
from nllearn.inspection._content import word_of
from nllearn.inspection._exports import plain_value
from nllearn.inspection._files import check_free, write_whole
from nllearn.inspection._frames import as_frame

__all__ = ["export_label_studio", "label_studio_config", "label_studio_decisions"]

# What a task shows: the tag of Label Studio, and the key of the task's data.
_KINDS = {"text": "Text", "image": "Image"}
# Names of the two tags in the labelling configuration.
_CHOICES, _CONTENT = "label", "content"
# What an annotation is read by, in the data of its task.
_ROW, _GIVEN = "row_number", "given_label"


def export_label_studio(
    issues: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    content: Any,
    kind: str = "text",
    only_issues: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write rows as tasks of Label Studio, with the corrected label as prediction.

    One JSON file in Label Studio's format for tasks with predictions, for its import. The score
    of a prediction is the quality of the given label: sorted by it, the labels that are most
    probably wrong come first. The annotations come back by :func:`read_decisions`, from an export
    of the project in the format "JSON".

    Parameters
    ----------
    issues : DataFrame of n rows
        What ``label_issues()`` returns; with several annotators ``row_issues()``.
    path : str or path
        Ends in ``.json``.
    content : sequence of str of length n
        Text of every row, or the URL of its image as Label Studio reaches it.
    kind : {"text", "image"}, default="text"
        What `content` holds.
    only_issues : bool, default=True
        Leave out the rows that are no issue.
    overwrite : bool, default=False
        Replace an existing file.

    Returns
    -------
    path : Path

    Raises
    ------
    ValueError
        For another ending or kind, content of another length, or a table with one row per label.
    FileExistsError
        If the file is there and `overwrite` is False.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> import pandas as pd
    >>> from nllearn.inspection import export_label_studio
    >>> issues = pd.DataFrame({"is_label_issue": [True], "label_quality": [0.1],
    ...     "given_label": ["cat"], "corrected_label": ["dog"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "tasks.json")
    ...     tasks = json.loads(export_label_studio(issues, path, content=["woof"]).read_text())
    >>> tasks[0]["data"]["text"], tasks[0]["predictions"][0]["result"][0]["value"]
    ('woof', {'choices': ['dog']})
    """
    path = check_free(path, overwrite=overwrite)
    if path.suffix.lower() != ".json":
        raise ValueError(f"{path}: tasks of Label Studio end in .json")
    _check_kind(kind)
    issues = as_frame("issues", issues)
    if "annotator" in issues.columns:
        raise ValueError(
            "the table has one row per label; pass row_issues(), which has one per row"
        )
    if len(content) != len(issues):
        raise ValueError(
            f"content has {len(content)} rows and issues has {len(issues)}; pass one per row"
        )
    shown = np.ones(len(issues), dtype=bool)
    if only_issues:
        shown = issues["is_label_issue"].to_numpy(dtype=bool)
    content = to_pandas(content)
    check_same_rows(issues, to="issues", content=content)
    content = [word_of(value) for value in content]
    tasks = [_task(issues, row, content[row], kind) for row in np.flatnonzero(shown).tolist()]
    text = json.dumps(tasks, ensure_ascii=False, allow_nan=False, indent=1)
    return write_whole(path, lambda file: file.write(text.encode("utf-8")), overwrite=overwrite)


def label_studio_config(classes: Any, kind: str = "text") -> str:
    """Labelling configuration of a Label Studio project for the exported tasks.

    Parameters
    ----------
    classes : array-like of shape (n_classes,)
        Labels, such as ``classes_``.
    kind : {"text", "image"}, default="text"
        As for :func:`export_label_studio`.

    Returns
    -------
    config : str
        XML.

    Examples
    --------
    >>> from nllearn.inspection import label_studio_config
    >>> print(label_studio_config(["cat", "dog"], kind="image"))
    <View>
      <Image name="content" value="$image"/>
      <Choices name="label" toName="content" choice="single">
        <Choice value="cat"/>
        <Choice value="dog"/>
      </Choices>
    </View>
    """
    _check_kind(kind)
    choices = [f"    <Choice value={quoteattr(str(label))}/>" for label in np.asarray(classes)]
    return "\n".join(
        [
            "<View>",
            f'  <{_KINDS[kind]} name="{_CONTENT}" value="${kind}"/>',
            f'  <Choices name="{_CHOICES}" toName="{_CONTENT}" choice="single">',
            *choices,
            "  </Choices>",
            "</View>",
        ]
    )


def label_studio_decisions(tasks: list[Any]) -> Iterator[dict[str, Any]]:
    """Decisions in an export of Label Studio, as the export of the review page has them.

    Parameters
    ----------
    tasks : list
        The file as JSON.

    Yields
    ------
    entry : dict
        `row`, `decision`, `given_label` and `label`; one for each annotation that was submitted.
        Tasks without one, and those that were skipped, give none.

    Raises
    ------
    ValueError
        For a task that :func:`export_label_studio` did not write, or with no or several choices.
    """
    for number, task in enumerate(tasks, start=1):
        data = task.get("data") if isinstance(task, dict) else None
        if not isinstance(data, dict) or _ROW not in data or _GIVEN not in data:
            raise ValueError(
                f"task {number} has no data with {_ROW!r} and {_GIVEN!r}; import the tasks of "
                "export_label_studio, and export the project in the format 'JSON'"
            )
        for annotation in task.get("annotations") or []:
            if annotation.get("was_cancelled"):
                continue
            label = _choice(annotation, number)
            given, corrected = str(data[_GIVEN]), str(data.get("corrected_label"))
            action = {given: "reject", corrected: "accept"}.get(label, "other")
            yield {"row": data[_ROW], "decision": action, _GIVEN: given, "label": label}


def _check_kind(kind: str) -> None:
    if kind not in _KINDS:
        raise ValueError(f"kind={kind!r} must be one of {', '.join(map(repr, _KINDS))}")


def _task(issues: pd.DataFrame, row: int, content: str, kind: str) -> dict[str, Any]:
    """One row as a task with a prediction."""
    found = {name: plain_value(issues[name].iloc[row]) for name in issues.columns}
    corrected = str(found["corrected_label"])
    data = {
        kind: content,
        _ROW: row,
        "row": plain_value(issues.index[row]),
        _GIVEN: str(found["given_label"]),
        "corrected_label": corrected,
        "label_quality": found["label_quality"],
    }
    result = {
        "from_name": _CHOICES,
        "to_name": _CONTENT,
        "type": "choices",
        "value": {"choices": [corrected]},
    }
    prediction = {
        "model_version": "nllearn",
        "score": found["label_quality"],
        "result": [result],
    }
    return {"data": data, "predictions": [prediction]}


def _choice(annotation: dict[str, Any], number: int) -> str:
    """The label that a person chose."""
    chosen = [
        choice
        for result in annotation.get("result") or []
        if result.get("type") == "choices" and result.get("from_name") == _CHOICES
        for choice in result["value"]["choices"]
    ]
    if len(chosen) != 1:
        raise ValueError(
            f"task {number} has the choices {chosen} under {_CHOICES!r}; expected one label, as "
            "with the configuration of label_studio_config"
        )
    return str(chosen[0])
