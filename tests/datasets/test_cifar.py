"""CIFAR in its official layout and as .npz files, tiny, and its human labels."""

import copyreg
import dataclasses
import hashlib
import io
import os
import pickle
import shutil
import struct
import tarfile

import numpy as np
import pytest
import torch

from nllearn.datasets import (
    _cifar_files,
    _cifar_human,
    fetch_cifar10,
    fetch_cifar10n,
    fetch_cifar100,
    fetch_cifar100n,
)
from nllearn.datasets._pickles import load_batch, load_torch_file

TRAIN = [f"data_batch_{i}" for i in range(1, 6)]
HUMAN_KEYS = {
    "aggregate": "aggre_label",
    "random1": "random_label1",
    "random2": "random_label2",
    "random3": "random_label3",
    "worst": "worse_label",
}


def md5_of(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


class Python2Pickler(pickle._Pickler):
    """Write text and bytes as Python 2 did, as strings without an encoding, and old names."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        raw = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string

    def save_global(self, obj, name=None):
        module = obj.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{name or obj.__name__}\n".encode())
        self.memoize(obj)

    dispatch[type] = save_global
    dispatch[type(copyreg.pickle)] = save_global


def python2_pickle(content):
    out = io.BytesIO()
    Python2Pickler(out, protocol=2).dump(content)
    return out.getvalue()


def write_official(root, name, parts, meta, rng):
    """Write batch files, and give {file: (images, {kind: labels})}."""
    root.mkdir(parents=True)
    written = {}
    for file, n in parts.items():
        images = rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        labels = {kind: rng.integers(0, classes, n).tolist() for kind, classes in name.items()}
        content = {"batch_label": file, "data": images.transpose(0, 3, 1, 2).reshape(n, -1)}
        content["data"] = np.ascontiguousarray(content["data"])
        (root / file).write_bytes(python2_pickle({**content, **labels}))
        written[file] = (images, labels)
    (root / meta[0]).write_bytes(python2_pickle(meta[1]))
    return written


def pack_archive(folder, path):
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, folder.name)


def with_sums_of(files, folder, archive):
    parts = {
        part: {name: md5_of(folder / name) for name in names} for part, names in files.parts.items()
    }
    meta = (files.meta[0], md5_of(folder / files.meta[0]))
    return dataclasses.replace(files, md5=md5_of(archive), parts=parts, meta=meta)


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    """A made-up CIFAR-10 in an archive, and its contents."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "made" / "cifar-10-batches-py"
    names = [f"class {i}" for i in range(10)]
    parts = dict.fromkeys([*TRAIN, "test_batch"], 4)
    written = write_official(
        folder, {"labels": 10}, parts, ("batches.meta", {"label_names": names}), rng
    )
    home = tmp_path / "home"
    home.mkdir()
    pack_archive(folder, home / "cifar-10-python.tar.gz")
    files = with_sums_of(_cifar_files.CIFAR10, folder, home / "cifar-10-python.tar.gz")
    monkeypatch.setattr(_cifar_files, "CIFAR10", files)
    return home, written


@pytest.fixture
def cifar100(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    folder = tmp_path / "made" / "cifar-100-python"
    meta = {
        "fine_label_names": [f"fine {i}" for i in range(100)],
        "coarse_label_names": [f"coarse {i}" for i in range(20)],
    }
    kinds = {"fine_labels": 100, "coarse_labels": 20}
    written = write_official(folder, kinds, {"train": 9, "test": 5}, ("meta", meta), rng)
    home = tmp_path / "home"
    home.mkdir()
    pack_archive(folder, home / "cifar-100-python.tar.gz")
    files = with_sums_of(_cifar_files.CIFAR100, folder, home / "cifar-100-python.tar.gz")
    monkeypatch.setattr(_cifar_files, "CIFAR100", files)
    return home, written


def images_of(written, names):
    return np.concatenate([written[name][0] for name in names])


def labels_of(written, names, kind="labels"):
    return np.concatenate([written[name][1][kind] for name in names])


@pytest.mark.parametrize(
    ("subset", "names"),
    [("train", TRAIN), ("test", ["test_batch"]), ("all", [*TRAIN, "test_batch"])],
)
def test_the_archive_is_unpacked_and_read_in_order(cifar10, subset, names):
    home, written = cifar10
    bunch = fetch_cifar10(home, subset=subset, download=False)
    np.testing.assert_array_equal(bunch.data, images_of(written, names))
    np.testing.assert_array_equal(bunch.target, labels_of(written, names))
    assert bunch.data.dtype == np.uint8 and bunch.data.flags.c_contiguous
    assert bunch.target.dtype == np.int64
    assert bunch.target_names == [f"class {i}" for i in range(10)]
    assert f"CIFAR-10: {len(bunch.data)} colour" in bunch.DESCR
    # The next call needs no archive, and torchvision finds its layout.
    (home / "cifar-10-python.tar.gz").unlink()
    again = fetch_cifar10(home, subset=subset, download=False)
    np.testing.assert_array_equal(again.data, bunch.data)
    found = sorted(path.name for path in (home / "cifar-10-batches-py").iterdir())
    assert found == sorted([*TRAIN, "test_batch", "batches.meta"])


def test_the_folder_comes_from_the_environment(cifar10, monkeypatch):
    home, _ = cifar10
    monkeypatch.setenv("NLLEARN_DATA", str(home))
    assert fetch_cifar10(download=False).data.shape == (20, 32, 32, 3)


def test_cifar100_has_both_kinds_of_labels(cifar100):
    home, written = cifar100
    bunch = fetch_cifar100(home, subset="all", download=False)
    names = ["train", "test"]
    np.testing.assert_array_equal(bunch.data, images_of(written, names))
    np.testing.assert_array_equal(bunch.target, labels_of(written, names, "fine_labels"))
    np.testing.assert_array_equal(bunch.coarse_target, labels_of(written, names, "coarse_labels"))
    assert bunch.target_names[99] == "fine 99"
    assert bunch.coarse_target_names[19] == "coarse 19"


def test_what_is_missing_is_downloaded_with_its_checksum(cifar10, tmp_path, monkeypatch):
    home, _ = cifar10
    asked = []

    def fake(url, path, *, md5=None, sha256=None, progress=True):
        asked.append((url, path.name, md5))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(home / path.name, path)
        return path

    monkeypatch.setattr(_cifar_files, "download_file", fake)
    other = tmp_path / "other"
    assert len(fetch_cifar10(other).data) == 20
    assert asked == [
        (
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "cifar-10-python.tar.gz",
            _cifar_files.CIFAR10.md5,
        )
    ]
    fetch_cifar10(other)
    assert len(asked) == 1


def test_nothing_there_and_no_download(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cifar-10-python\.tar\.gz nor .*download=True"):
        fetch_cifar10(tmp_path, download=False)
    with pytest.raises(FileNotFoundError, match=r"cifar-100-python\.tar\.gz nor .*download=True"):
        fetch_cifar100(tmp_path, download=False)
    with pytest.raises(FileNotFoundError, match=r"CIFAR-10_human\.pt does not exist.*github"):
        fetch_cifar10n(tmp_path, download=False)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_archive_is_told(cifar10):
    home, _ = cifar10
    archive = home / "cifar-10-python.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-9])
    with pytest.raises(OSError, match=r"tar\.gz is not the expected file"):
        fetch_cifar10(home)
    assert not (home / "cifar-10-batches-py").exists()


def test_an_archive_takes_no_other_place_on_the_disk(cifar10, tmp_path, monkeypatch):
    home, _ = cifar10
    archive = home / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "made" / "cifar-10-batches-py", "cifar-10-batches-py")
        for name in ("../escaped", "cifar-10-batches-py/../escaped", "cifar-10-batches-py/more"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"bad"))
    files = dataclasses.replace(_cifar_files.CIFAR10, md5=md5_of(archive))
    monkeypatch.setattr(_cifar_files, "CIFAR10", files)
    assert len(fetch_cifar10(home).data) == 20
    assert not (tmp_path / "escaped").exists() and not (home / "escaped").exists()
    assert not (home / "cifar-10-batches-py" / "more").exists()


def test_an_archive_without_a_file(cifar10, tmp_path, monkeypatch):
    home, _ = cifar10
    (tmp_path / "made" / "cifar-10-batches-py" / "data_batch_3").unlink()
    archive = home / "cifar-10-python.tar.gz"
    pack_archive(tmp_path / "made" / "cifar-10-batches-py", archive)
    files = dataclasses.replace(_cifar_files.CIFAR10, md5=md5_of(archive))
    monkeypatch.setattr(_cifar_files, "CIFAR10", files)
    with pytest.raises(OSError, match="has no cifar-10-batches-py/data_batch_3"):
        fetch_cifar10(home)


def test_an_archive_with_another_batch(cifar10, monkeypatch):
    home, _ = cifar10
    files = _cifar_files.CIFAR10
    parts = {**files.parts, "test": {"test_batch": "0" * 32}}
    monkeypatch.setattr(_cifar_files, "CIFAR10", dataclasses.replace(files, parts=parts))
    with pytest.raises(OSError, match=r"test_batch in .*tar\.gz is not the official file"):
        fetch_cifar10(home)
    folder = home / "cifar-10-batches-py"
    assert not [path.name for path in folder.iterdir() if path.name.startswith("test_batch")]


def test_a_changed_batch_is_found_unless_unverified(cifar10):
    home, written = cifar10
    fetch_cifar10(home)
    path = home / "cifar-10-batches-py" / "data_batch_2"
    content = load_batch(path)
    content["labels"] = [0, 0, 0, 0]
    path.write_bytes(python2_pickle(content))
    with pytest.raises(OSError, match=r"data_batch_2 is damaged or another file.*md5"):
        fetch_cifar10(home)
    assert fetch_cifar10(home, verify=False).target[4:8].tolist() == [0, 0, 0, 0]
    # Another part is read without a look at this one.
    assert len(fetch_cifar10(home, subset="test").data) == len(written["test_batch"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0, 1, 2]}, "must be 4 integers"),
        ({"labels": [0, 1, 2, 10]}, "labels from 0 to 10"),
        ({"labels": ["a"] * 4}, "must be 4 integers"),
        ({"data": np.zeros((4, 3071), np.uint8)}, r"shape \(4, 3071\)"),
        ({"data": np.zeros((4, 3072))}, "float64"),
        ({"data": None}, "object"),
    ],
)
def test_batches_with_other_contents_are_told(cifar10, change, message):
    home, _ = cifar10
    fetch_cifar10(home)
    path = home / "cifar-10-batches-py" / "data_batch_2"
    path.write_bytes(python2_pickle({**load_batch(path), **change}))
    with pytest.raises(ValueError, match=f"data_batch_2.*{message}"):
        fetch_cifar10(home, verify=False)


def test_a_batch_without_labels_is_told(cifar10):
    home, _ = cifar10
    fetch_cifar10(home)
    (home / "cifar-10-batches-py" / "data_batch_1").write_bytes(python2_pickle({"x": 1}))
    with pytest.raises(ValueError, match=r"no entry 'data'; it has \['x'\]"):
        fetch_cifar10(home, verify=False)


class Attack:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.mkdir, eval, getattr, np.load, np.fromfile])
def test_pickles_run_no_code(tmp_path, function):
    path, victim = tmp_path / "batch", tmp_path / "made"
    argument = f"__import__('os').mkdir({str(victim)!r})" if function is eval else str(victim)
    path.write_bytes(pickle.dumps({"data": Attack(function, argument)}, protocol=2))
    with pytest.raises(ValueError, match=r"it asks for .*, which a file of arrays does not need"):
        load_batch(path)
    torch.save({"clean_label": Attack(function, argument)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="other content could run code"):
        load_torch_file(tmp_path / "a.pt")
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"a": 1})[:-3]])
def test_files_that_are_no_pickles(tmp_path, content):
    path = tmp_path / "batch"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="batch cannot be read"):
        load_batch(path)
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match="holds a list; it must be a dict"):
        load_batch(path)


@pytest.mark.parametrize("new_format", [True, False])
def test_torch_files_with_arrays_tensors_and_lists(tmp_path, new_format):
    content = {
        "array": np.arange(5),
        "small": np.arange(3, dtype=np.uint8),
        "tensor": torch.arange(4),
        "list": [3, np.int64(4)],
        "text": np.array(["a", "b"]),
    }
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=new_format)
    read = load_torch_file(tmp_path / "a.pt")
    assert {key: list(value) for key, value in read.items()} == {
        key: list(np.asarray(value)) for key, value in content.items()
    }
    assert isinstance(read["tensor"], np.ndarray)


def write_residual(path, images):
    """Write one file of the pack by the definition, pixel by pixel differences."""
    red, green, blue = np.moveaxis(images.astype(int), 3, 0)
    planes = np.stack([red - green, green, blue - green])
    planes = np.diff(planes, axis=3, prepend=0)
    planes = np.diff(planes, axis=2, prepend=0)
    np.savez_compressed(path, residual=(planes % 256).astype(np.uint8))


@pytest.fixture
def pack(tmp_path, monkeypatch):
    """The same made-up data as .npz files."""
    rng = np.random.default_rng(2)
    home = tmp_path / "pack"
    home.mkdir()
    train = rng.integers(0, 256, (15, 32, 32, 3), dtype=np.uint8)
    test = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    for i in range(5):
        write_residual(home / f"cifar10_train_images_{i}.npz", train[3 * i : 3 * i + 3])
    write_residual(home / "cifar10_test_images.npz", test)
    labels = {
        "class_names": np.array([f"class {i}" for i in range(10)]),
        "train_clean": rng.integers(0, 10, 15).astype(np.uint8),
        "test_clean": rng.integers(0, 10, 4).astype(np.uint8),
        "human_worst": rng.integers(0, 10, 15).astype(np.uint8),
    }
    np.savez_compressed(home / "cifar10_labels.npz", **labels)
    sums = {"train": hashlib.sha256(train).hexdigest(), "test": hashlib.sha256(test).hexdigest()}
    files = dataclasses.replace(_cifar_files.CIFAR10, pixels_sha256=sums)
    monkeypatch.setattr(_cifar_files, "CIFAR10", files)
    human = {"worst": hashlib.sha256(labels["human_worst"]).hexdigest()}
    monkeypatch.setattr(
        _cifar_human, "_CIFAR10N", dataclasses.replace(_cifar_human._CIFAR10N, sha256=human)
    )
    return home, train, test, labels


def test_the_pack_gives_the_pixels_back(pack):
    home, train, test, labels = pack
    bunch = fetch_cifar10(home, subset="all", download=False)
    np.testing.assert_array_equal(bunch.data, np.concatenate([train, test]))
    assert bunch.data.flags.c_contiguous
    expected = np.concatenate([labels["train_clean"], labels["test_clean"]])
    np.testing.assert_array_equal(bunch.target, expected)
    assert bunch.target.dtype == np.int64
    assert bunch.target_names == labels["class_names"].tolist()


def test_changed_pixels_in_the_pack_are_found_unless_unverified(pack):
    home, train, _, _ = pack
    write_residual(home / "cifar10_train_images_2.npz", train[:3])
    with pytest.raises(OSError, match="are not those of CIFAR-10: their sha256"):
        fetch_cifar10(home)
    np.testing.assert_array_equal(fetch_cifar10(home, verify=False).data[6:9], train[:3])


def test_an_incomplete_pack_is_not_taken(pack):
    home, _, test, _ = pack
    (home / "cifar10_train_images_4.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"nor cifar10_train_images_0\.npz"):
        fetch_cifar10(home, download=False)
    np.testing.assert_array_equal(fetch_cifar10(home, subset="test").data, test)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cifar10_test_images.npz", {"images": np.zeros(3)}, "no array 'residual'"),
        ("cifar10_test_images.npz", {"residual": np.zeros((3, 2, 32, 32))}, "float64"),
        ("cifar10_labels.npz", {"class_names": np.array(["a"])}, "no array 'test_clean'"),
        (
            "cifar10_labels.npz",
            {"class_names": np.array(["a", "b"]), "test_clean": np.zeros(3, np.uint8)},
            "there must be 4 integers",
        ),
    ],
)
def test_packs_with_other_contents_are_told(pack, name, content, message):
    home = pack[0]
    np.savez(home / name, **content)
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        fetch_cifar10(home, subset="test", verify=False)


def test_human_labels_from_the_pack(pack):
    home, train, _, labels = pack
    bunch = fetch_cifar10n(home, noise="worst", download=False)
    np.testing.assert_array_equal(bunch.data, train)
    np.testing.assert_array_equal(bunch.target, labels["human_worst"])
    np.testing.assert_array_equal(bunch.target_clean, labels["train_clean"])
    assert bunch.noise_rate == np.mean(labels["human_worst"] != labels["train_clean"])
    assert "'worst'" in bunch.DESCR
    with pytest.raises(FileNotFoundError, match=r"CIFAR-10_human\.pt"):
        fetch_cifar10n(home, noise="random1", download=False)


def test_changed_human_labels_are_found_unless_unverified(pack):
    home, _, _, labels = pack
    labels["human_worst"] = (labels["human_worst"] + 1) % 10
    np.savez_compressed(home / "cifar10_labels.npz", **labels)
    with pytest.raises(OSError, match="'worst' are not those that were published"):
        fetch_cifar10n(home, noise="worst")
    bunch = fetch_cifar10n(home, noise="worst", verify=False)
    np.testing.assert_array_equal(bunch.target, labels["human_worst"])


@pytest.fixture
def human10(cifar10, monkeypatch):
    """The file of human labels for the made-up CIFAR-10."""
    home, written = cifar10
    rng = np.random.default_rng(3)
    clean = labels_of(written, TRAIN)
    content = {"clean_label": clean}
    content.update({key: rng.integers(0, 10, 20) for key in HUMAN_KEYS.values()})
    torch.save(content, home / "CIFAR-10_human.pt", _use_new_zipfile_serialization=False)
    monkeypatch.setattr(
        _cifar_human, "_CIFAR10N", dataclasses.replace(_cifar_human._CIFAR10N, sha256={})
    )
    return home, clean, content


@pytest.mark.parametrize("noise", list(HUMAN_KEYS))
def test_each_set_of_human_labels(human10, noise):
    home, clean, content = human10
    bunch = fetch_cifar10n(home, noise=noise, download=False)
    np.testing.assert_array_equal(bunch.target, content[HUMAN_KEYS[noise]])
    np.testing.assert_array_equal(bunch.target_clean, clean)
    assert bunch.noise_rate == np.mean(bunch.target != clean)
    assert bunch.target.dtype == np.int64


def test_the_labels_of_all_three_annotators(human10):
    home, clean, content = human10
    bunch = fetch_cifar10n(home, noise="annotators", download=False)
    assert bunch.target.shape == (20, 3) and bunch.target.dtype == np.int64
    for a in range(3):
        np.testing.assert_array_equal(bunch.target[:, a], content[HUMAN_KEYS[f"random{a + 1}"]])
    assert bunch.noise_rate == np.mean(bunch.target != clean[:, None])
    with pytest.raises(ValueError, match="'worst', 'annotators'"):
        fetch_cifar10n(home, noise="all", download=False)


def test_human_labels_in_another_order_are_found(human10):
    home, clean, content = human10
    order = np.random.default_rng(0).permutation(20)
    shuffled = {key: labels[order] for key, labels in content.items()}
    torch.save(shuffled, home / "CIFAR-10_human.pt")
    n = np.sum(clean != clean[order])
    with pytest.raises(ValueError, match=rf"in {n} of 20 rows.*TensorFlow Datasets"):
        fetch_cifar10n(home)
    content["clean_label"] = (clean + 1) % 10
    torch.save(content, home / "CIFAR-10_human.pt")
    with pytest.raises(ValueError, match=r"in 20 of 20 rows, first in row 0") as error:
        fetch_cifar10n(home)
    assert "TensorFlow" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"aggre_label": np.full(20, 10)}, "20 from 10 to 10; there must be 20 in 0..9"),
        ({"aggre_label": np.zeros(19, int)}, "are 19 from"),
        ({"clean_label": np.zeros(19, int)}, "holds 19 rows"),
        ({"aggre_label": np.zeros((20, 2), int)}, r"shape \(20, 2\)"),
    ],
)
def test_human_labels_that_do_not_fit(human10, change, message):
    home, _, content = human10
    torch.save({**content, **change}, home / "CIFAR-10_human.pt")
    with pytest.raises(ValueError, match=message):
        fetch_cifar10n(home)
    torch.save({"clean_label": content["clean_label"]}, home / "CIFAR-10_human.pt")
    with pytest.raises(ValueError, match=r"no entry 'aggre_label'; it has \['clean_label'\]"):
        fetch_cifar10n(home)


def test_the_file_of_human_labels_is_downloaded(human10, monkeypatch):
    home, _, _ = human10
    (home / "CIFAR-10_human.pt").rename(home / "stored.pt")
    asked = []

    def fake(url, path):
        asked.append(url)
        shutil.copy(home / "stored.pt", path)

    monkeypatch.setattr(_cifar_human, "download_file", fake)
    fetch_cifar10n(home)
    fetch_cifar10n(home)
    assert asked == [_cifar_human._CIFAR10N.url]


def test_human_labels_of_cifar100_fine_and_coarse(cifar100):
    home, written = cifar100
    rng = np.random.default_rng(4)
    content = {
        "clean_label": labels_of(written, ["train"], "fine_labels"),
        "noisy_label": rng.integers(0, 100, 9),
        "noisy_coarse_label": rng.integers(0, 20, 9),
    }
    torch.save(content, home / "CIFAR-100_human.pt")
    fine = fetch_cifar100n(home, download=False)
    np.testing.assert_array_equal(fine.target, content["noisy_label"])
    np.testing.assert_array_equal(fine.target_clean, content["clean_label"])
    assert len(fine.target_names) == 100
    coarse = fetch_cifar100n(home, noise="coarse", download=False)
    np.testing.assert_array_equal(coarse.target, content["noisy_coarse_label"])
    clean = labels_of(written, ["train"], "coarse_labels")
    np.testing.assert_array_equal(coarse.target_clean, clean)
    assert coarse.noise_rate == np.mean(clean != coarse.target)
    assert len(coarse.target_names) == 20


def test_unknown_options_are_named(tmp_path):
    for fetch in (fetch_cifar10, fetch_cifar100):
        with pytest.raises(ValueError, match="subset='valid'"):
            fetch(tmp_path, subset="valid")
    with pytest.raises(ValueError, match=r"noise='aggre'; .*'aggregate', 'random1'"):
        fetch_cifar10n(tmp_path, noise="aggre")
    with pytest.raises(ValueError, match=r"noise='worst'; .*'fine', 'coarse'"):
        fetch_cifar100n(tmp_path, noise="worst")


def test_the_checksums_are_those_that_torchvision_lists():
    torchvision = pytest.importorskip("torchvision")
    for ours, theirs in [
        (_cifar_files.CIFAR10, torchvision.datasets.CIFAR10),
        (_cifar_files.CIFAR100, torchvision.datasets.CIFAR100),
    ]:
        assert (ours.url, ours.md5, ours.folder) == (theirs.url, theirs.tgz_md5, theirs.base_folder)
        assert ours.archive == theirs.filename
        assert list(ours.parts["train"].items()) == list(map(tuple, theirs.train_list))
        assert list(ours.parts["test"].items()) == list(map(tuple, theirs.test_list))
        assert ours.meta == (theirs.meta["filename"], theirs.meta["md5"])
