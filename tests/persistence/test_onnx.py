"""The exported graph says of raw rows what the classifier says."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from nllearn import MixNNClassifier
from nllearn.exceptions import MissingExtraError
from nllearn.networks import ResNetBackbone

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SHORT = {"max_epochs": 2, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def one(table):
    """One classifier, fitted to the table; both have the same networks."""
    return MixNNClassifier(**SHORT).fit(*table)


def run(path, X):
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [out.name for out in session.get_outputs()] == ["probabilities", "features"]
    return session, session.run(None, {"X": X})


def assert_agrees(clf, path, X):
    """Of all rows and of one, to 1e-4."""
    for some in (X, X[:1]):
        session, (proba, features) = run(path, some)
        np.testing.assert_allclose(proba, clf.predict_proba(some), atol=1e-4)
        np.testing.assert_allclose(features, clf.embed(some), atol=1e-4, rtol=1e-4)
        assert proba.dtype == features.dtype == np.float32
    return session


def test_tables(one, table, tmp_path, capfd, recwarn, global_random_state_untouched):
    path = tmp_path / "a.onnx"
    one.export_onnx(path)
    assert capfd.readouterr() == ("", "")
    assert not [w for w in recwarn if "onnx" in w.filename]
    X = table[0].astype(np.float32)
    session = assert_agrees(one, path, X)
    assert session.get_inputs()[0].type == "tensor(float)"
    assert session.get_inputs()[0].shape[1:] == [4]
    meta = session.get_modelmeta().custom_metadata_map
    assert json.loads(meta["classes"]) == ["a", "b", "c"]
    assert meta["estimator"] == type(one).__name__
    assert [p.name for p in tmp_path.iterdir()] == ["a.onnx"]


def test_columns_far_from_zero_keep_their_digits(table, tmp_path):
    # Whole numbers, so that float32 holds them; only their differences tell the classes.
    X = np.round(table[0] * 8) + 2**22
    clf = MixNNClassifier(**SHORT).fit(X, table[1])
    clf.export_onnx(tmp_path / "a")
    X = X.astype(np.float32)
    assert_agrees(clf, tmp_path / "a", X)
    # Nor do rows far from what fit saw make a difference.
    X[1, 2], X[2, 0] = 1e30, -1e30
    _, (proba, _) = run(tmp_path / "a", X)
    np.testing.assert_allclose(proba, clf.predict_proba(X), atol=1e-4)


def test_images(pictures, tmp_path):
    clf = MixNNClassifier(**SHORT).fit(*pictures)
    clf.export_onnx(tmp_path / "a")
    session = assert_agrees(clf, tmp_path / "a", pictures[0])
    assert session.get_inputs()[0].type == "tensor(uint8)"
    assert session.get_inputs()[0].shape[1:] == [10, 9, 3]
    classes = session.get_modelmeta().custom_metadata_map["classes"]
    assert json.loads(classes) == [0, 10, 20]


@pytest.mark.parametrize(
    "kind",
    [
        "grey",
        "small integers",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("channels_first", "floats")),
    ],
)
def test_layouts_and_dtypes(kind, pictures, tmp_path):
    x, y = pictures
    x, expected = {
        # Numbers that could be bytes and are none, and such as could not.
        "small integers": (x.astype(np.int32), "tensor(int32)"),
        "grey": (x[..., 0].astype(np.int32) * 100 - 5000, "tensor(int32)"),
        "channels_first": (x.transpose(0, 3, 1, 2).copy(), "tensor(uint8)"),
        "floats": ((x / 255).astype(np.float32), "tensor(float)"),
    }[kind]
    clf = MixNNClassifier(**SHORT).fit(x, y)
    clf.export_onnx(tmp_path / "a")
    assert assert_agrees(clf, tmp_path / "a", x).get_inputs()[0].type == expected


@pytest.mark.slow
def test_resnet(pictures, tmp_path):
    x, y = pictures
    clf = MixNNClassifier(backbone=ResNetBackbone(), **{**SHORT, "max_epochs": 1})
    clf.fit(x[:12], y[:12])
    clf.export_onnx(tmp_path / "a")
    assert_agrees(clf, tmp_path / "a", x[:5])


def test_files_that_exist_are_kept(one, tmp_path):
    path = tmp_path / "a"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        one.export_onnx(path)
    assert path.read_text() == "mine"


def test_what_cannot_be_exported(one, tmp_path, monkeypatch):
    with pytest.raises(NotFittedError):
        MixNNClassifier().export_onnx(tmp_path / "a")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"nllearn\[onnx\]"):
        one.export_onnx(tmp_path / "a")
    assert not [*tmp_path.iterdir()]


def test_labels_that_json_does_not_know(one, tmp_path, monkeypatch):
    monkeypatch.setattr(one, "classes_", np.array([1, 2, 3], "M8[D]"))
    with pytest.raises(TypeError, match="fit on text or numbers"):
        one.export_onnx(tmp_path / "a")
