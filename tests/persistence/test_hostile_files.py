"""Files that are damaged, or made to do harm, end in one clear ValueError."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from nllearn import AnchorHallucinationClassifier, load
from nllearn.file_format import Reader, Writer, component_classes
from nllearn.networks import MLPBackbone


@pytest.fixture(scope="module")
def content(table, tmp_path_factory):
    """Bytes of a saved file."""
    path = tmp_path_factory.mktemp("hostile") / "a"
    clf = AnchorHallucinationClassifier(
        backbone=MLPBackbone(8), max_epochs=3, device="cpu", random_state=0
    )
    clf.fit(*table).save(path)
    return path.read_bytes()


@pytest.fixture
def path(content, tmp_path):
    """A saved file, to be changed."""
    (tmp_path / "a").write_bytes(content)
    return tmp_path / "a"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A file to overwrite."""
    return tmp_path_factory.mktemp("scratch") / "a"


def test_absent_files_and_folders(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(FileNotFoundError, match="no file"):
            load(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_truncated_files(data, content, scratch):
    scratch.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ValueError, match=r"cannot load '.*a': it is no safetensors file"):
        load(scratch)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_bits(data, content, scratch):
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    scratch.write_bytes(changed)
    with pytest.raises(ValueError, match=r"cannot load '.*a': "):
        load(scratch)


def test_a_flipped_byte_of_the_weights_is_told(content, path):
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="checksum is wrong"):
        load(path)


def test_the_letters_of_the_description_count(content, path):
    # The same number, spelled otherwise.
    assert b"1e-08" in content
    path.write_bytes(content.replace(b"1e-08", b"1E-08"))
    with pytest.raises(ValueError, match="checksum is wrong"):
        load(path)


def test_what_others_wrote(path, tmp_path):
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="not written by nllearn"):
        load(path)
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="no safetensors file"):
        load(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "a list, not an object"),
        ("null", "a NoneType, not an object"),
        ('{"format_version": NaN}', "NaN"),
        ('{"format_version": 3, "estimator": Infinity}', "Infinity"),
        ("{", "Expecting"),
        ("[" * 100_000, "nested too deep"),
        (
            '{"format_version": 2, "nllearn_version": "0.1.0.dev0"}',
            "format version 2.*'0.1.0.dev0'",
        ),
        ('{"format_version": 5, "nllearn_version": "9.9"}', "format version 5.*reads, '9.9'"),
        ('{"format_version": "1"}', "format version '1'"),
        ("{}", "format version None"),
        ('{"format_version": 4, "sha256": 3}', "checksum"),
        ('{"format_version": 4, "x": 1e999}', "checksum"),
    ],
)
def test_descriptions_that_are_none(text, words, path):
    save_file({}, path, {"nllearn": text})
    with pytest.raises(ValueError, match=words):
        load(path)


def _into(*keys, value):
    """An edit that puts a value somewhere into the description."""

    def edit(head, tensors):
        place = head["estimator"]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return edit


def _tensor(name, value):
    return lambda head, tensors: tensors.update({name: value})


def _without(name):
    return lambda head, tensors: tensors.pop(name)


OS = ["os.system", {"command": "touch harm"}]
EDITS = {
    "class by path": (_into("class", value="os.system"), "'os.system' is none of"),
    "another library": (_into("frame_library", value="os"), "'os', not of polars or pyarrow"),
    "library that is no text": (_into("frame_library", value=["polars"]), "frames are of"),
    "another class": (_into("class", value="LabelCleaner"), "unexpected keyword"),
    "class that is no text": (_into("class", value=["a"]), "is none of"),
    "component by path": (_into("params", "selector", value={"component": OS}), "'os.system'"),
    "unknown parameter": (_into("params", "shell", value=1), "unexpected keyword"),
    "unknown parameter of a component": (
        _into("params", "selector", value={"component": ["PuritySelector", {"shell": 1}]}),
        "unexpected keyword",
    ),
    "optimiser by path": (_into("net", "optimizer", value={"optimizer": "os.system"}), "optimiser"),
    "unknown tag": (_into("params", "lr", value={"eval": "1"}), "unknown tag 'eval'"),
    "private tag": (_into("params", "lr", value={"_read_path": "x"}), "unknown tag"),
    "two tags": (_into("params", "lr", value={"path": "a", "float": "nan"}), "in place of one tag"),
    "special float": (_into("params", "lr", value={"float": "1_0"}), "special float"),
    "method as attribute": (_into("fitted", "predict", value=1), "unknown attribute 'predict'"),
    "attribute of Python": (_into("fitted", "__class__", value=1), "unknown attribute"),
    "unknown component": (_into("components", "os", value={"is": None}), "unknown component"),
    "component of another role": (
        _into("components", "neighbors", "is", value={"component": ["PuritySelector", {}]}),
        "is no neighbors",
    ),
    "no backbone": (_into("components", "backbone", "is", value=None), "cannot load"),
    "other backbone": (
        _into("components", "backbone", "is", value={"component": ["MLPBackbone", {}]}),
        r"body.1.weight has shape \(8, 4\).*not \(256, 4\)",
    ),
    "huge backbone": (
        _into(
            "components",
            "backbone",
            "is",
            value={"component": ["MLPBackbone", {"hidden_units": 10**15}]},
        ),
        "cannot load",
    ),
    "unknown setting": (_into("net", "settings", "module", value=1), "unknown settings"),
    "weights of a layer that is not there": (
        _into("net", "weights", "tail", value={"tensor": "_given"}),
        "tail is not in the network",
    ),
    "missing tensor": (_without("label_quality_"), "tensor 'label_quality_' is missing"),
    "missing weights": (_without("net_.head.bias"), "tensor 'net_.head.bias' is missing"),
    "surplus tensor": (_tensor("more", torch.zeros(1)), r"unknown tensors \['more'\]"),
    "rows": (_tensor("label_quality_", torch.zeros(59)), r"shape \(59,\), not \(60\)"),
    "axes": (_tensor("_network_proba", torch.zeros(60)), r"_network_proba has shape \(60,\)"),
    "classes": (_tensor("transition_matrix_", torch.zeros(2, 2).double()), "not "),
    "weights of another shape": (_tensor("net_.head.bias", torch.zeros(4)), "head.bias has shape"),
    "weights of another dtype": (_tensor("net_.head.bias", torch.zeros(3).double()), "float64"),
    "codes outside": (_tensor("_given", torch.full((60,), 3)), "codes outside the 3 classes"),
    "codes below": (_tensor("_corrected", torch.full((60,), -1)), "codes outside"),
    "dtype": (_tensor("_given", torch.zeros(60)), "_given.* has dtype float32"),
    "dtype that is code": (
        _into("fitted", "_given", value={"array": ["_given", "O"]}),
        "dtype 'O'",
    ),
    "scale": (_tensor("scale.mean", torch.zeros(5).double()), r"mean has shape \(5,\)"),
    "kind of an attribute": (_into("fitted", "noise_rate_", value="a"), "noise_rate_ is a str"),
    "history": (_into("fitted", "history_", value=[1]), "history_"),
    "evidence": (_into("fitted", "_evidence", value={"dict": [["a", 1]]}), "_evidence"),
    "index": (_into("index", value=["RangeIndex", "int64", [0, 9, 1], None]), "9 rows"),
    "kind of index": (_into("index", value=["eval", "int64", [], None]), "'eval' as an index"),
    "image": (
        _into("input", "image", value={"shape": [1, 2, 3]}),
        "lacks '_layout_parameter'",
    ),
    "lengths of text": (_tensor("classes_.lengths", torch.tensor([1, 1, 2])), "do not add up"),
    "lengths below zero": (_tensor("classes_.lengths", torch.tensor([4, -2, 1])), "do not add up"),
    "text that is none": (_tensor("classes_", torch.full((3,), 255, dtype=torch.uint8)), "utf-8"),
    "hallucinator": (
        lambda head, tensors: head["estimator"]["components"]["hallucinator"].update(state=1),
        "cannot load",
    ),
    "estimator": (lambda head, tensors: head.update(estimator=[]), "a list, not an object"),
    "device": (_into("params", "optimizer", value={"optimizer": "SGD"}), None),
}


@pytest.mark.parametrize("name", EDITS)
def test_forged_files_with_a_right_checksum(name, path, forge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edit, words = EDITS[name]
    forge(path, edit)
    if words is None:
        # The control: a change that is allowed is no error.
        assert load(path).optimizer is torch.optim.SGD
        return
    with pytest.raises(ValueError, match=words):
        load(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("part", ["params", "fitted", "input", "index", "components", "net"])
def test_missing_parts(part, path, forge):
    forge(path, lambda head, tensors: head["estimator"].pop(part))
    with pytest.raises(ValueError, match=f"lacks '{part}'"):
        load(path)


def test_every_fitted_attribute_is_required(path, content, forge):
    names = []
    forge(path, lambda head, tensors: names.extend(head["estimator"]["fitted"]))
    assert "_features" in names
    for name in names:
        path.write_bytes(content)
        forge(path, lambda head, tensors, name=name: head["estimator"]["fitted"].pop(name))
        with pytest.raises(ValueError, match=f"lacks the attribute '{name}'"):
            load(path)


def test_the_table_of_components():
    assert sorted(component_classes()) == [
        "ClassBalancedSelector",
        "CosineAnnealing",
        "DescentNeighbors",
        "ExactNeighbors",
        "ImageViews",
        "InterpolationHallucinator",
        "LearnedHallucinator",
        "MLPBackbone",
        "PuritySelector",
        "ResNetBackbone",
        "SmallBackbone",
        "StepDecay",
        "ThresholdSelector",
        "WarmRestarts",
    ]


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda x: st.one_of(
        st.lists(x, max_size=3),
        st.lists(x, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.booleans()), x, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(value=PLAIN)
def test_values_come_back(value):
    writer = Writer()
    node = json.loads(json.dumps(writer.encode(value, "value"), allow_nan=False))
    found = Reader(writer.tensors).decode(node)
    assert repr(found) == repr(value)


@settings(max_examples=200, deadline=None)
@given(
    node=st.recursive(
        st.one_of(st.none(), st.integers(), st.text(max_size=3)),
        lambda x: st.one_of(
            st.lists(x, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    [
                        "tuple",
                        "dict",
                        "float",
                        "array",
                        "text",
                        "tensor",
                        "path",
                        "component",
                        "optimizer",
                        "random_state",
                        "given",
                        "x",
                    ]
                ),
                x,
                min_size=1,
                max_size=1,
            ),
        ),
        max_leaves=6,
    )
)
def test_any_json_is_read_or_refused(node):
    try:
        Reader({"a": torch.zeros(2)}).decode(node)
    except (ValueError, TypeError, AttributeError):
        pass


def test_an_array_that_appears_twice_is_written_once():
    writer, array = Writer(), np.arange(3)
    node = writer.encode({"one": array, "two": array, "three": array + 0}, "value")
    assert len(writer.tensors) == 2
    found = Reader(writer.tensors).decode(node)
    assert found["one"] is found["two"] is not found["three"]
