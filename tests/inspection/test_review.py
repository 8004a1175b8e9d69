"""The review page as a file: what it holds, and that nothing in it can run."""

import hashlib
import html
import json
import re
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from nllearn import LabelCleaner, MixNNClassifier, load
from nllearn.inspection import embed_json, loss_payload, worst_classes, write_review_page

ISSUES = pd.DataFrame(
    {
        "is_label_issue": [True, False, True, True],
        "label_quality": [0.3, 0.9, 0.1, 0.2],
        "given_label": ["cat", "dog", "cat", "dog"],
        "corrected_label": ["dog", "dog", "dog", "cat"],
        "neighbor_share_given": [0.1, np.nan, np.inf, 0.5],
    }
)


def data_of(path):
    """The data in a page."""
    page = path.read_text(encoding="utf-8")
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1]
    return json.loads(text)


@pytest.fixture
def write(tmp_path):
    def write(issues=ISSUES, **kwargs):
        return data_of(
            write_review_page(tmp_path / "r.html", issues=issues, overwrite=True, **kwargs)
        )

    return write


def test_issues_come_with_the_worst_first(write):
    data = write()
    assert data["classes"] == ["cat", "dog"]
    assert data["listed"]["row"] == [2, 3, 0]
    assert data["listed"]["given"] == [0, 1, 0]
    assert data["listed"]["corrected"] == [1, 0, 1]
    assert data["listed"]["quality"] == [0.1, 0.2, 0.3]
    assert data["evidence"] == {"neighbor_share_given": [None, 0.5, 0.1]}
    assert data["predicted_by"] == "network"
    assert data["summary"] == {"n_rows": 4, "n_issues": 3, "n_changed": 3, "noise_rate": None}
    assert write(max_rows=2)["listed"]["row"] == [2, 3]


def test_names_of_rows_and_content_follow_the_rows(write):
    named = ISSUES.set_axis(["a", "b", "c", "d"], axis=0)
    data = write(named, texts=["t0", "t1", "t2", "t3"], features=np.eye(4))
    shown = dict(zip(data["content"]["rows"], data["content"]["values"], strict=True))
    assert shown == {0: "t0", 1: "t1", 2: "t2", 3: "t3"}  # row 1 as a neighbour
    assert data["names"] == {"0": "a", "1": "b", "2": "c", "3": "d"}
    assert "names" not in write()


def test_names_of_the_user_and_of_files(write, tmp_path):
    from PIL import Image

    assert write(names=list("wxyz"))["names"] == {"0": "w", "2": "y", "3": "z"}
    with pytest.raises(ValueError, match="names has 3 entries and issues has 4 rows"):
        write(names=list("xyz"))
    paths = [tmp_path / f"{name}.png" for name in "pqrs"]
    for path in paths:
        Image.new("L", (4, 4)).save(path)
    files = {"0": "p.png", "2": "r.png", "3": "s.png"}
    assert write(images=paths)["names"] == files
    # An index of words says more than the files, one of numbers less.
    assert write(ISSUES.set_axis([5, 6, 7, 8], axis=0), images=paths)["names"] == files
    assert write(ISSUES.set_axis(list("abcd"), axis=0), images=paths)["names"]["0"] == "a"


def test_the_map_gets_the_values_of_all_its_points(write):
    table = pd.DataFrame({"price": [1.5, 2.5, np.nan, 4.0], "city": ["a", "b", "b", None]})
    table["note"] = [[1], [2], [3], [4]]
    data = write(features=np.eye(4), table=table)
    # Listed are the rows 2, 3, 0; the other is row 1.
    assert data["columns"] == {"price": [None, 4.0, 1.5], "city": ["b", None, "a"]}
    assert data["background"]["columns"] == {"price": [2.5], "city": ["b"]}
    assert data["background"]["evidence"] == {"neighbor_share_given": [None]}
    assert "columns" not in write(table=table)  # no map, no colours


def test_labels_of_half_precision(write):
    halves = ISSUES.assign(
        given_label=np.array([0, 1, 0, 1], np.float16),
        corrected_label=np.array([1, 1, 1, 0], np.float16),
    )
    assert write(halves)["listed"]["corrected"] == [1, 0, 1]


def test_probabilities_matrix_and_curves(write):
    proba = np.array([[0.2, 0.8], [0.1, 0.9], [0.5, 0.5], [0.7, 0.3]])
    data = write(
        label_distributions=proba,
        transition_matrix=[[0.9, 0.1], [0.25, 0.75]],
        history=[{"epoch": 1, "train_loss": 2.0, "phase": "warm-up"}, {"share_easy": np.nan}],
    )
    assert data["fused"] == {
        "code": [[0, 1], [0, 1], [1, 0]],
        "proba": [[0.5, 0.5], [0.7, 0.3], [0.8, 0.2]],
    }
    assert data["transition"] == [[0.9, 0.1], [0.25, 0.75]]
    assert data["history"]["losses"] == {"train_loss": [2.0, None]}
    assert data["history"]["shares"] == {"share_easy": [None, None]}
    assert data["history"]["epoch"] == [1, 2]


def test_low_qualities_keep_digits_that_count(write):
    issues = ISSUES.assign(label_quality=[3.1234567e-9, 0.9, 2.98e-9, np.nan])
    assert write(issues)["listed"]["quality"] == [2.98e-09, 3.1235e-09, None]


def test_words_are_evidence_and_long_columns_are_not(write):
    words = ISSUES.assign(decided_by=["all", "trusted", None, "noise model"], lists=[[1]] * 4)
    words["category"] = pd.Categorical(["x" * 300, "b", "c", "d"])
    evidence = write(words)["evidence"]
    assert evidence["decided_by"] == [None, "noise model", "all"]
    assert evidence["category"] == ["c", "d", "x" * 200]
    assert "lists" not in evidence
    many = pd.concat([ISSUES] * 20, ignore_index=True).assign(is_label_issue=True)
    assert "note" not in write(many.assign(note=[f"note {i}" for i in range(80)]))["evidence"]
    assert "note" in write(many.assign(note=[f"note {i % 50}" for i in range(80)]))["evidence"]


def test_named_neighbors_take_the_place_of_a_search(write):
    named = ISSUES.assign(neighbor_rows=[[1, 3], [0, 2], [3, 1], [2, 0]])
    data = write(named, texts=list("abcd"))
    # Listed are the rows 2, 3, 0; given are cat, dog, cat, dog.
    assert data["neighbors"] == {
        "row": [[3, 1], [2, 0], [1, 3]],
        "given": [[1, 1], [0, 0], [1, 1]],
    }
    assert sorted(data["content"]["rows"]) == [0, 1, 2, 3]
    features = np.array([[1, 0], [0, 2], [3, 4], [0, 0]], dtype=np.float16)
    with_features = write(named, features=features)["neighbors"]
    assert with_features["row"] == data["neighbors"]["row"]
    assert with_features["similarity"] == [[0.0, 0.8], [0.0, 0.0], [0.0, 0.0]]
    # The table may come back from a file.
    as_text = named.assign(neighbor_rows=[str(cell) for cell in named["neighbor_rows"]])
    assert write(as_text)["neighbors"] == data["neighbors"]


def test_prediction_without_the_given_label(write):
    issues = ISSUES.assign(predicted_label="dog", predicted_proba=[0.1, 0.2, 0.3, np.nan])
    listed = write(issues, predicted_by="all predictors")["listed"]
    assert listed["predicted"] == [1, 1, 1]
    assert listed["predicted_proba"] == [0.3, None, 0.1]
    assert "predicted_proba" not in write(issues, network_proba=np.full((4, 2), 0.5))["listed"]


def test_run_depends_on_labels_and_names_alone(write):
    first = write()["run"]
    assert write(texts=list("abcd"), title="other")["run"] == first
    assert write(ISSUES.assign(corrected_label=["dog"] * 4))["run"] != first
    assert write(ISSUES.set_axis(list("abcd"), axis=0))["run"] != first


def test_worst_classes_against_loops():
    rng = np.random.default_rng(0)
    given, corrected = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    issue = given != corrected
    for entry in worst_classes(issue, given, corrected, 5):
        rows = [i for i in range(60) if given[i] == entry["label"]]
        assert entry["n"] == len(rows)
        assert entry["issues"] == sum(issue[i] for i in rows)
        moved = [int(corrected[i]) for i in rows if issue[i]]
        assert moved.count(entry["to"]) == max(moved.count(c) for c in range(4))
    shares = [e["issues"] / e["n"] for e in worst_classes(issue, given, corrected, 5)]
    assert shares == sorted(shares, reverse=True)
    assert worst_classes(np.zeros(60, bool), given, given, 5) == []


def test_the_mixture_has_the_area_of_the_histogram():
    rng = np.random.default_rng(0)
    losses = np.r_[rng.normal(1, 0.2, 700), rng.normal(3, 0.2, 300)]
    payload = loss_payload(losses, losses > 2)
    assert sum(payload["kept"]) == 700
    assert sum(payload["issue"]) == 300
    step = payload["x"][1] - payload["x"][0]
    # Rows per bin, integrated over the axis and divided by the width of a bin, are rows.
    for name, rows in (("small", 700), ("large", 300)):
        assert sum(payload[name]) * step * 50 == pytest.approx(rows, rel=0.05)
    assert "small" not in loss_payload(np.ones(10), np.zeros(10, bool))
    assert loss_payload(np.ones(0), np.zeros(0, bool)) is None


def test_nothing_in_the_data_can_run(write, tmp_path):
    hostile = "</script><script>alert(1)</script><!--{{script}}\u2028"
    issues = ISSUES.assign(given_label=hostile)
    data = write(issues, texts=[hostile] * 4, title=hostile)
    assert hostile in data["classes"]
    assert data["content"]["values"] == [hostile] * 3
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("<script") == page.count("</script>") == 3
    assert embed_json({"a": "<\u2029&>\ud800"}) == '{"a":"\\u003c\\u2029\\u0026\\u003e\\ud800"}'
    with pytest.raises(ValueError, match="JSON"):
        embed_json([np.nan])


def test_the_policy_has_the_hashes_of_the_scripts(write, tmp_path):
    import base64

    write()
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    for script in re.findall(r"<script>(.*?)</script>", page, re.S):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_the_libraries_are_those_that_were_built():
    vendor = files("nllearn.inspection") / "vendor"
    record = json.loads((vendor / "VERSIONS.json").read_text())
    for name, digest in record["sha256"].items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest, name
    licences = (vendor / "LICENSES.txt").read_text(encoding="utf-8")
    for name in ("echarts", "zrender", "tslib", "tabulator-tables"):
        assert f"{name} {record['packages'][name]}" in licences
    size = sum((vendor / name).stat().st_size for name in record["sha256"])
    assert size < 1_400_000


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / "r.html"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_review_page(path, issues=ISSUES)
    with pytest.raises(ValueError, match="texts has 2 rows and issues has 4"):
        write_review_page(path, issues=ISSUES, texts=["a", "b"], overwrite=True)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"max_rows": 0}, "max_rows=0"),
        ({"features": np.ones((3, 2))}, r"features has shape \(3, 2\); expected \(4, d\)"),
        ({"losses": np.ones((4, 1))}, "losses has shape"),
        ({"transition_matrix": np.eye(3)}, r"expected \(2, 2\)"),
        ({"predicted_by": ""}, "predicted_by=''"),
        ({"classes": ["cat", "fox"]}, "given_label of row 1 is 'dog'"),
    ],
)
def test_arguments_that_do_not_fit(write, kwargs, message):
    with pytest.raises(ValueError, match=message):
        write(**kwargs)
    with pytest.raises(ValueError, match="no column"):
        write(ISSUES[["given_label"]])


def test_page_of_a_fitted_classifier(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = pd.DataFrame(3 * np.eye(3)[y] + rng.normal(size=(90, 3))).add_prefix("x")
    X.index = [f"r{i}" for i in range(90)]
    noisy = y.copy()
    noisy[::7] = (noisy[::7] + 1) % 3  # some of every class
    clf = MixNNClassifier(max_epochs=4, random_state=0)
    with pytest.raises(NotFittedError):
        clf.report(tmp_path / "r.html")
    clf.fit(X, noisy)
    data = data_of(clf.report(tmp_path / "r.html", table=X, threshold=0.5))
    issues = clf.label_issues(0.5)
    assert data["summary"]["n_issues"] == issues["is_label_issue"].sum() > 0
    assert data["summary"]["noise_rate"] == pytest.approx(clf.noise_rate_, abs=1e-4)
    row = data["listed"]["row"][0]
    assert data["names"][str(row)] == f"r{row}"
    assert issues["label_quality"].iloc[row] == issues["label_quality"].min()
    assert data["content"]["columns"] == ["x0", "x1", "x2"]
    assert len(data["history"]["epoch"]) == 4
    assert len(data["listed"]["x"]) == len(data["listed"]["row"])
    assert sum(data["losses"]["kept"]) + sum(data["losses"]["issue"]) == 90
    compact = data_of(clf.compact().report(tmp_path / "r.html", overwrite=True))
    assert "x" not in compact["listed"]
    assert "neighbors" not in compact


def test_page_of_a_label_cleaner(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    X = 4 * np.eye(3, 6)[y] + rng.normal(size=(120, 6))
    noisy = y.copy()
    noisy[::7] = (noisy[::7] + 1) % 3  # some of every class
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    issues = cleaner.label_issues()
    data = data_of(cleaner.report(tmp_path / "r.html", table=X))
    rows = data["listed"]["row"]
    assert rows
    assert data["predicted_by"] == "all predictors"
    assert data["neighbors"]["row"] == [issues["neighbor_rows"].iloc[row] for row in rows]
    assert data["neighbors"]["given"][0] == noisy[data["neighbors"]["row"][0]].tolist()
    similarity = np.array(data["neighbors"]["similarity"])
    assert (np.diff(similarity) <= 0.002).all()  # the nearest first
    assert (similarity > 0.5).mean() > 0.9
    assert data["evidence"]["decided_by"] == issues["decided_by"].iloc[rows].tolist()
    assert len(data["listed"]["x"]) == len(rows)
    assert len(data["background"]["x"]) == 120 - len(rows)
    assert data["losses"] is None

    cleaner.save(tmp_path / "cleaner.safetensors")
    loaded = load(tmp_path / "cleaner.safetensors")
    assert data_of(loaded.report(tmp_path / "again.html", table=X)) == data
    compact = data_of(cleaner.compact().report(tmp_path / "r.html", table=X, overwrite=True))
    assert "x" not in compact["listed"]
    assert compact["neighbors"]["row"] == data["neighbors"]["row"]
    assert "similarity" not in compact["neighbors"]


def test_a_notebook_shows_the_page_in_a_frame(tmp_path):
    options = {"issues": ISSUES, "texts": ['a "quoted" <b>'] * 4, "title": '"T" & <i>'}
    page = write_review_page(None, **options)
    shown = page._repr_html_()
    frame = re.fullmatch(r'<iframe srcdoc="([^"]*)" title="([^"]*)" style="[^"]*"></iframe>', shown)
    assert frame, shown[:200]
    assert html.unescape(frame.group(1)) == page.html
    assert html.unescape(frame.group(2)) == options["title"]
    assert len(repr(page)) < 200
    written = write_review_page(tmp_path / "p.html", **options)
    assert written.read_text(encoding="utf-8") == page.html
    assert page.save(tmp_path / "q.html").read_bytes() == written.read_bytes()
    with pytest.raises(FileExistsError):
        page.save(tmp_path / "q.html")


def test_a_report_without_a_path_is_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(40, 2)) + 4 * np.eye(2)[np.arange(40) % 2]
    page = LabelCleaner(random_state=0).fit(X, np.arange(40) % 2).report(table=X, title="Toy")
    assert "<title>Toy</title>" in page.html and not list(tmp_path.iterdir())
