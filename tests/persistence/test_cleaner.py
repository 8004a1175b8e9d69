"""A fitted cleaner in a file: the same bits when it is loaded, and no harm from a forged one."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors

from nllearn import LabelCleaner, load
from nllearn.neighbors import DescentNeighbors


@pytest.fixture(scope="module")
def rows():
    """Rows around four centres, and words of which a fifth are wrong."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 300)
    X = rng.normal(size=(300, 7)) + 3 * rng.normal(size=(4, 7))[y]
    wrong = rng.random(300) < 0.2
    y = np.where(wrong, (y + 1) % 4, y)
    return X, np.array(["oak", "elm", "ash", "fir"])[y]


@pytest.fixture(scope="module")
def cleaner(rows):
    X, y = rows
    frame = pd.DataFrame(X[:200], index=np.arange(200) * 2).add_prefix("c")
    return LabelCleaner(n_landmarks=60, random_state=0).fit(frame, y[:200])


@pytest.fixture(scope="module")
def content(cleaner, tmp_path_factory):
    path = tmp_path_factory.mktemp("cleaner") / "a"
    cleaner.save(path)
    return path.read_bytes()


@pytest.fixture
def path(content, tmp_path):
    (tmp_path / "a").write_bytes(content)
    return tmp_path / "a"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch") / "a"


def assert_same(found, expected, rows):
    assert type(found) is LabelCleaner
    assert vars(found).keys() == vars(expected).keys()
    before = expected.get_params(deep=False)
    for key, value in found.get_params(deep=False).items():
        assert key in ("neighbors", "random_state") or value == before[key]
    for key, value in vars(expected).items():
        if isinstance(value, np.ndarray):
            assert getattr(found, key).dtype == value.dtype, key
            np.testing.assert_array_equal(getattr(found, key), value)
    for name in ("noise_rate_", "has_signal_", "n_undecided_"):
        assert getattr(found, name) == getattr(expected, name)
    assert repr(found.resolved_params_) == repr(expected.resolved_params_)
    pd.testing.assert_frame_equal(found.label_issues(0.7), expected.label_issues(0.7))
    if expected.training_features() is None:
        return
    X, y = rows
    new = pd.DataFrame(X[200:]).add_prefix("c")
    # Of many rows and of one, which other kernels multiply.
    for some in (slice(None), slice(3, 4)):
        one = found.score_labels(new[some], y[200:][some])
        two = expected.score_labels(new[some], y[200:][some])
        np.testing.assert_array_equal(one.view(np.int32), two.view(np.int32))
        np.testing.assert_array_equal(found.label_proba(new[some]), expected.label_proba(new[some]))


@pytest.mark.parametrize("way", ["file", "pickle"])
def test_every_bit_comes_back(cleaner, rows, path, way):
    found = load(path) if way == "file" else pickle.loads(pickle.dumps(cleaner))
    assert_same(found, cleaner, rows)


def test_a_second_save_is_the_same_file(path, tmp_path):
    load(path).save(tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == path.read_bytes()


def test_file_and_pickle_hold_the_rows_once_in_half_precision(rows, tmp_path):
    X, y = rows
    wide = np.random.default_rng(0).normal(size=(300, 3000)).astype(np.float32)
    wide[:, :7] = 20 * X
    cleaner = LabelCleaner(n_landmarks=10, random_state=0).fit(wide, y)
    cleaner.save(tmp_path / "a")
    # The rows as float16, and 20 landmarks, mean and scale.
    assert (tmp_path / "a").stat().st_size < 1.25 * wide.nbytes / 2
    assert len(pickle.dumps(cleaner)) < 1.25 * wide.nbytes / 2
    cleaner.compact().save(tmp_path / "b")
    assert (tmp_path / "b").stat().st_size < 0.25 * wide.nbytes / 2
    found = load(tmp_path / "b")
    assert_same(found, cleaner, rows)
    with pytest.raises(ValueError, match="compact"):
        found.label_proba(wide[:2])


def test_other_settings_come_back(rows, tmp_path):
    X, y = rows
    cleaner = LabelCleaner(
        action="relabel_or_drop",
        confidence=np.float32(0.5),
        threshold=0.3,
        budget=9,
        n_neighbors=7,
        n_landmarks=np.int64(30),
        neighbors=DescentNeighbors(7, n_jobs=1, random_state=0),
        random_state=np.random.RandomState(3),
    )
    frame = pd.DataFrame(X[:200]).add_prefix("c")
    cleaner.fit_resample(frame, y[:200])
    cleaner.save(tmp_path / "a")
    found = load(tmp_path / "a")
    assert_same(found, cleaner, rows)
    assert found.label_issues()["is_label_issue"].sum() == 9
    assert repr(found.neighbors) == repr(cleaner.neighbors)
    np.testing.assert_array_equal(
        clone(found).fit(frame, y[:200]).label_quality_,
        clone(cleaner).fit(frame, y[:200]).label_quality_,
    )


def test_two_columns_whose_length_counts(tmp_path):
    # Rows get a constant column there, which the file must not lose.
    rng = np.random.default_rng(0)
    radius = np.repeat([1.0, 4.0], 80)
    angle = rng.uniform(0, 6.28, 160)
    X = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    cleaner = LabelCleaner(random_state=0).fit(X, radius)
    assert cleaner._predictors.scale.bias_column > 0
    cleaner.save(tmp_path / "a")
    np.testing.assert_array_equal(
        load(tmp_path / "a").score_labels(X, radius), cleaner.score_labels(X, radius)
    )


def test_what_cannot_be_saved(cleaner, rows, tmp_path):
    with pytest.raises(NotFittedError):
        LabelCleaner().save(tmp_path / "a")
    foreign = LabelCleaner(neighbors=NearestNeighbors(), random_state=0).fit(*rows)
    with pytest.raises(TypeError, match=r"^neighbors=NearestNeighbors.*pickle"):
        foreign.save(tmp_path / "a")
    assert not [*tmp_path.iterdir()]
    # It was used, but is no parameter any more.
    foreign.set_params(neighbors=None).save(tmp_path / "a")
    assert load(tmp_path / "a").resolved_params_["neighbors"] == "NearestNeighbors"
    with pytest.raises(FileExistsError, match="overwrite=True"):
        cleaner.save(tmp_path / "a")
    cleaner.save(tmp_path / "a", overwrite=True)

    class Mine(LabelCleaner):
        pass

    with pytest.raises(TypeError, match="estimator is a Mine"):
        Mine(random_state=0).fit(*rows).save(tmp_path / "b")
    with pytest.raises(ValueError, match="leave backbone out"):
        load(tmp_path / "a", backbone=torch.nn.Linear(2, 2))


def test_a_device_that_is_absent_becomes_the_cpu(cleaner, tmp_path, monkeypatch):
    other = copy.copy(cleaner).set_params(device="cuda")
    other.save(tmp_path / "a")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert load(tmp_path / "a")._predictors.X_unit.device.type == "cpu"
    with pytest.raises(ValueError, match="no GPU"):
        load(tmp_path / "a", device="cuda")


def test_loading_starts_in_a_fresh_process(path):
    code = "import nllearn, sys; print(len(nllearn.load(sys.argv[1]).label_issues()))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "200\n"), done.stderr


# -- files that are damaged or forged


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_files(data, content, scratch):
    if data.draw(st.booleans()):
        scratch.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    else:
        changed = bytearray(content)
        changed[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        scratch.write_bytes(changed)
    with pytest.raises(ValueError, match=r"cannot load '.*a': "):
        load(scratch)


def into(*keys, value):
    def edit(head, tensors):
        place = head["estimator"]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return edit


def tensor(name, value):
    return lambda head, tensors: tensors.update({name: value})


def renamed(old, new):
    def edit(head, tensors):
        head["estimator"]["fitted"][new] = head["estimator"]["fitted"].pop(old)

    return edit


EDITS = {
    "class": (into("class", value="Cleaner"), "is none of"),
    "a classifier": (into("class", value="MixNNClassifier"), "unexpected keyword"),
    "unknown parameter": (into("params", "shell", value=1), "unexpected keyword"),
    "a parameter that fit would refuse": (into("params", "budget", value="ls"), "budget='ls'"),
    "component by path": (
        into("params", "neighbors", value={"component": ["os.system", {}]}),
        "'os.system'",
    ),
    "component of another role": (
        into("params", "neighbors", value={"component": ["PuritySelector", {}]}),
        "neighbors=PuritySelector",
    ),
    "method as attribute": (renamed("label_quality_", "fit"), "unknown attribute 'fit'"),
    "rows": (tensor("label_quality_", torch.zeros(199)), r"\(199,\), not \(200\)"),
    "neighbours": (tensor("_named", torch.zeros(200, dtype=torch.int32)), "_named has shape"),
    "codes of predictions": (
        tensor("_predicted", torch.full((200,), 4)),
        "_predicted has codes outside",
    ),
    "codes of votes": (
        tensor("predictors.vote_labels", torch.full((200,), -1)),
        "codes outside",
    ),
    "unit rows of another number": (
        tensor("predictors.X_unit", torch.zeros(199, 7).half()),
        r"\(199, 7\), not \(",
    ),
    "unit rows of other columns": (
        tensor("predictors.X_unit", torch.zeros(200, 8).half()),
        r"not \(200, 7\)",
    ),
    "predictors with more in them": (into("predictors", "_more", value=1), "predictors does not"),
    "weights of votes": (tensor("predictors.vote_weights", torch.zeros(3)), "vote_weights has"),
    "scale": (tensor("predictors.scale.mean", torch.zeros(6).double()), "scale.mean has shape"),
    "scale that is no number": (
        into("predictors", "scale", "bias_column", value="1"),
        "bias_column is a str",
    ),
    "a part too many": (
        into("predictors", "noise", "__class__", value="os.system"),
        "noise does not have",
    ),
    "a part of another kind": (
        into("predictors", "noise", "transition", value=[1]),
        "noise.transition is a list",
    ),
    "parts that are none": (into("predictors", "noise", value=3), "noise does not have the parts"),
    "transition": (
        tensor("predictors.noise.transition", torch.eye(3)),
        "noise.transition has shape",
    ),
    "no regression": (
        lambda head, _: head["estimator"]["predictors"].pop("regression"),
        "predictors does not have",
    ),
    "landmarks": (
        tensor("predictors.regression.kmap.landmarks", torch.zeros(60, 6)),
        "landmarks has shape",
    ),
    "coefficients": (
        tensor("predictors.smoothed_regression.coefficients", torch.zeros(9, 4)),
        "projection has shape",
    ),
    "offset": (tensor("predictors.regression.offset", torch.zeros(3)), "offset has shape"),
    "numbers that are none": (
        tensor("predictors.regression.offset", torch.full((4,), torch.nan)),
        r"outside \[0, 1\]",
    ),
    "neighbours that are too many": (
        into("predictors", "n_neighbors", value=10**9),
        "n_neighbors is 1000000000",
    ),
    "neighbours that are no number": (
        into("predictors", "n_neighbors", value="9"),
        "n_neighbors is a str",
    ),
    "index": (into("index", value=["RangeIndex", "int64", [0, 9, 1], None]), "9 rows"),
    "missing tensor": (lambda _, tensors: tensors.pop("predictors.X_unit"), "unit' is missing"),
    "surplus tensor": (tensor("more", torch.zeros(1)), r"unknown tensors \['more'\]"),
    "a change that is allowed": (into("params", "budget", value=3), None),
}


@pytest.mark.parametrize("name", EDITS)
def test_forged_files_with_a_right_checksum(name, path, forge):
    edit, words = EDITS[name]
    forge(path, edit)
    if words is None:
        assert load(path).label_issues()["is_label_issue"].sum() == 3
        return
    with pytest.raises(ValueError, match=words):
        load(path)


def test_every_part_is_required(path, content, forge):
    with safe_open(path, "pt") as file:
        document = json.loads(file.metadata()["nllearn"])["estimator"]
    for part in document.keys() - {"class"}:
        path.write_bytes(content)
        forge(path, lambda head, tensors, part=part: head["estimator"].pop(part))
        with pytest.raises(ValueError, match=f"lacks '{part}'"):
            load(path)
    for name in document["fitted"].keys() - {"feature_names_in_"}:
        path.write_bytes(content)
        forge(path, lambda head, tensors, name=name: head["estimator"]["fitted"].pop(name))
        with pytest.raises(ValueError, match=f"lacks the attribute '{name}'"):
            load(path)


@pytest.fixture(scope="module")
def with_forest(tmp_path_factory):
    """A file of a cleaner whose forest counts: one column of ten tells the class, by two steps."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(300, 10))
    y = np.where(rng.random(300) < 0.1, 0, (np.abs(X[:, 4] - 0.5) < 0.25).astype(int))
    path = tmp_path_factory.mktemp("forest") / "a"
    LabelCleaner(n_landmarks=30, random_state=0).fit(X, y).save(path)
    return path.read_bytes()


def changed(name, change):
    def edit(head, tensors):
        tensors[f"predictors.forest.{name}"] = change(tensors[f"predictors.forest.{name}"].clone())

    return edit


FOREST_EDITS = {
    "a node that leads to itself": (
        changed("left", lambda x: x.index_fill(0, at(0), 0)),
        "earlier",
    ),
    "a node that is not there": (
        changed("right", lambda x: x.index_fill(0, at(0), 10**6)),
        "right has numbers outside",
    ),
    "a leaf that is not there": (
        changed("left", lambda x: x * 0 + 10**6),
        "left has numbers outside",
    ),
    "a column that is not there": (changed("columns", lambda x: x + 90), "columns has numbers out"),
    "a root that is not there": (changed("roots", lambda x: x - 1), "roots has numbers outside"),
    "no trees": (changed("roots", lambda x: x[:0]), "roots has shape"),
    "thresholds": (changed("thresholds", lambda x: x[:-1]), "thresholds has shape"),
    "shares": (changed("shares", lambda x: x[:, :1].clone()), "shares has shape"),
    "shares beyond 1": (changed("shares", lambda x: x * 1e30), "shares are not in"),
    "thresholds that are none": (changed("thresholds", lambda x: x * torch.nan), "not finite"),
    "columns that are no numbers": (changed("columns", lambda x: x.double()), "no whole numbers"),
    "a factor below zero": (
        into("predictors", "factors", value={"tuple": [1.0, -1.0]}),
        r"factors is \(1.0, -1.0\)",
    ),
    "one factor": (into("predictors", "factors", value={"tuple": [1.0]}), "factors has 1"),
    "words as factors": (into("predictors", "factors", value={"tuple": ["a", "b"]}), "factors"),
    "a change that is allowed": (changed("thresholds", lambda x: x + 1e-9), None),
}


def at(row):
    return torch.tensor([row])


@pytest.mark.parametrize("name", FOREST_EDITS)
def test_forged_forests(name, with_forest, tmp_path, forge):
    path = tmp_path / "a"
    path.write_bytes(with_forest)
    edit, words = FOREST_EDITS[name]
    forge(path, edit)
    if words is None:
        assert load(path).label_proba(np.full((1, 10), 0.5)).argmax() == 1
        return
    with pytest.raises(ValueError, match=words):
        load(path)
