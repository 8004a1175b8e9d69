"""Label Studio: tasks that go there, and its own export that comes back."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from nllearn.inspection import (
    apply_decisions_to,
    export_label_studio,
    label_studio_config,
    read_decisions,
)

CONTENT = ["woof", "mew", "tweet", 'a "quote"', "moo"]


@pytest.fixture
def issues():
    return pd.DataFrame(
        {
            "is_label_issue": [True, False, True, True, True],
            "label_quality": np.array([0.25, 1.0, np.nan, 0.1, 0.2], dtype=np.float32),
            "given_label": ["cat", "cat", "cow & calf", "dog", "dog"],
            "corrected_label": ["dog", "cat", "bird", "cat", "cow & calf"],
        },
        index=["x", "y", "z", "u", "v"],
    )


def exported(tasks, answers):
    """What the export of a project in the format "JSON" holds, by the documentation of the tool.

    `answers` has the choices of every annotation by the number of the row; None is a skipped one.
    """
    out = []
    for number, task in enumerate(tasks, start=1):
        annotations = [
            {
                "id": 100 * number + k,
                "completed_by": 1,
                "result": []
                if chosen is None
                else [
                    {
                        "value": {"choices": chosen},
                        "id": "k3R1gPzVxu",
                        "from_name": "label",
                        "to_name": "content",
                        "type": "choices",
                        "origin": "manual",
                    }
                ],
                "was_cancelled": chosen is None,
                "ground_truth": False,
                "created_at": "2026-03-09T22:16:08.728353Z",
                "updated_at": "2026-03-09T22:16:08.728378Z",
                "lead_time": 4.288,
                "prediction": {},
                "result_count": 1,
                "task": number,
                "parent_prediction": None,
                "parent_annotation": None,
            }
            for k, chosen in enumerate(answers.get(task["data"]["row_number"], []))
        ]
        out.append(
            {
                "id": number,
                "annotations": annotations,
                "file_upload": "4f5e-tasks.json",
                "drafts": [],
                "predictions": [1],
                "data": task["data"],
                "meta": {},
                "created_at": "2026-03-09T21:52:49.513742Z",
                "updated_at": "2026-03-09T22:16:08.746926Z",
                "inner_id": number,
                "total_annotations": len(annotations),
                "cancelled_annotations": 0,
                "total_predictions": 1,
                "project": 83,
            }
        )
    return out


def written(issues, path, **settings):
    export_label_studio(issues, path, content=CONTENT, **settings)
    return json.loads(path.read_text(encoding="utf-8"))


def test_tasks_have_the_corrected_label_as_prediction(issues, tmp_path):
    tasks = written(issues, tmp_path / "tasks.json")
    assert [task["data"]["row_number"] for task in tasks] == [0, 2, 3, 4]
    assert tasks[0] == {
        "data": {
            "text": "woof",
            "row_number": 0,
            "row": "x",
            "given_label": "cat",
            "corrected_label": "dog",
            "label_quality": 0.25,
        },
        "predictions": [
            {
                "model_version": "nllearn",
                "score": 0.25,
                "result": [
                    {
                        "from_name": "label",
                        "to_name": "content",
                        "type": "choices",
                        "value": {"choices": ["dog"]},
                    }
                ],
            }
        ],
    }
    assert tasks[1]["data"]["label_quality"] is None
    everything = written(issues, tmp_path / "all.json", kind="image", only_issues=False)
    assert [task["data"]["image"] for task in everything] == CONTENT


def test_the_configuration_names_what_the_tasks_name(issues, tmp_path):
    task = written(issues, tmp_path / "tasks.json")[0]
    result = task["predictions"][0]["result"][0]
    view = ET.fromstring(label_studio_config(["bird", "cat", "cow & calf"]))
    shown, choices = view
    assert shown.tag == "Text" and shown.get("value") == "$text" and "text" in task["data"]
    assert (choices.get("name"), choices.get("toName")) == (result["from_name"], result["to_name"])
    assert shown.get("name") == result["to_name"]
    assert [choice.get("value") for choice in choices] == ["bird", "cat", "cow & calf"]


def test_annotations_come_back_as_decisions(issues, tmp_path):
    tasks = written(issues, tmp_path / "tasks.json")
    # Taken, kept after another one, a third label, and one that was skipped.
    answers = {0: [["dog"]], 2: [["bird"], ["cow & calf"]], 3: [["bird"]], 4: [None]}
    path = tmp_path / "project-1.json"
    path.write_text(json.dumps(exported(tasks, answers)), encoding="utf-8")
    found = [(d.row, d.action, d.label) for d in read_decisions(path)]
    assert found == [
        (0, "accept", "dog"),
        (2, "accept", "bird"),
        (2, "reject", "cow & calf"),
        (3, "other", "bird"),
    ]
    labels, decided = apply_decisions_to(issues, path, undecided="given")
    assert labels.tolist() == ["dog", "cat", "cow & calf", "bird", "dog"]
    assert decided.tolist() == [True, False, True, True, False]


def test_refusals(issues, tmp_path):
    with pytest.raises(ValueError, match=r"tasks of Label Studio end in \.json"):
        export_label_studio(issues, tmp_path / "tasks.csv", content=CONTENT)
    with pytest.raises(ValueError, match="kind='audio' must be one of 'text', 'image'"):
        export_label_studio(issues, tmp_path / "tasks.json", content=CONTENT, kind="audio")
    with pytest.raises(ValueError, match="content has 4 rows and issues has 5"):
        export_label_studio(issues, tmp_path / "tasks.json", content=CONTENT[1:])
    with pytest.raises(ValueError, match="pass row_issues"):
        export_label_studio(
            issues.assign(annotator="eve"), tmp_path / "tasks.json", content=CONTENT
        )
    tasks = written(issues, tmp_path / "tasks.json")
    path = tmp_path / "out.json"
    for wrong, words in (
        ([{"id": 1, "label": "cat", "text": "woof"}], "task 1 has no data with 'row_number'"),
        (exported(tasks, {2: [["cat", "bird"]]}), r"task 2 has the choices \['cat', 'bird'\]"),
        (exported(tasks, {0: [[]]}), r"task 1 has the choices \[\]"),
        ([{"data": tasks[0]["data"], "annotations": [3]}], "no export of Label Studio"),
    ):
        path.write_text(json.dumps(wrong), encoding="utf-8")
        with pytest.raises(ValueError, match=words):
            read_decisions(path)
    # Other data.
    path.write_text(json.dumps(exported(tasks, {0: [["dog"]]})), encoding="utf-8")
    with pytest.raises(ValueError, match="the decisions belong to other data"):
        apply_decisions_to(issues.iloc[2:], path)
