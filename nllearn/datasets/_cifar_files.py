"""The files of CIFAR-10 and CIFAR-100: the official archives, and a pack of .npz files."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nllearn._atomic_write import atomic_write
from nllearn.datasets._download import download as download_file
from nllearn.datasets._download import file_digest
from nllearn.datasets._pickles import load_batch

__all__ = ["CIFAR10", "CIFAR100", "CifarFiles", "Part", "read_part"]


@dataclass(frozen=True)
class CifarFiles:
    """Where the files of one data set are, and their checksums.

    Parameters
    ----------
    name : str
        The data set.
    url : str
        Address of the archive with the Python version.
    md5 : str
        Checksum of the archive.
    folder : str
        Folder inside the archive.
    parts : mapping of str to mapping of str to str
        For ``"train"`` and ``"test"`` the batch files and their MD5, in order.
    meta : tuple of (str, str)
        The file with the names of the classes, and its MD5.
    labels : mapping of str to str
        For each kind of label its key in a batch file, and the key of its names in `meta`.
    pack : mapping of str to tuple of str, default={}
        For ``"train"`` and ``"test"`` the .npz files with the images, in order. Empty: there is
        no such pack.
    pack_labels : str, default=""
        The .npz file with the labels of the pack.
    pixels_sha256 : mapping of str to str, default={}
        Checksum of all pixels of each part of the pack, as bytes of an (n, 32, 32, 3) array.
    """

    name: str
    url: str
    md5: str
    folder: str
    parts: Mapping[str, Mapping[str, str]]
    meta: tuple[str, str]
    labels: Mapping[str, str]
    pack: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pack_labels: str = ""
    pixels_sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def archive(self) -> str:
        """File name of the archive."""
        return self.url.rpartition("/")[2]


CIFAR10 = CifarFiles(
    name="CIFAR-10",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    folder="cifar-10-batches-py",
    parts={
        "train": {
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        "test": {"test_batch": "40351d587109b95175f43aff81a1287e"},
    },
    meta=("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
    labels={"labels": "label_names"},
    pack={
        "train": tuple(f"cifar10_train_images_{i}.npz" for i in range(5)),
        "test": ("cifar10_test_images.npz",),
    },
    pack_labels="cifar10_labels.npz",
    pixels_sha256={
        "train": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
        "test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
    },
)

CIFAR100 = CifarFiles(
    name="CIFAR-100",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    folder="cifar-100-python",
    parts={
        "train": {"train": "16019d7e3df5f24257cddd939b257f8d"},
        "test": {"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    },
    meta=("meta", "7973b15100ade9c7d40fb424638fde48"),
    labels={"fine_labels": "fine_label_names", "coarse_labels": "coarse_label_names"},
)


@dataclass(frozen=True)
class Part:
    """One part of a data set.

    Parameters
    ----------
    images : ndarray of shape (n, 32, 32, 3), uint8
        RGB, in the official order.
    labels : dict of str to ndarray of shape (n,), int64
        For each kind of label.
    names : dict of str to list of str
        Names of the classes, for each kind of label.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]
    names: dict[str, list[str]]


def read_part(files: CifarFiles, home: Path, part: str, *, download: bool, verify: bool) -> Part:
    """Read one part from the first of these that is there: pack, folder, archive, address.

    Parameters
    ----------
    files : CifarFiles
        The data set.
    home : Path
        Folder to look in.
    part : {"train", "test"}
        Which part.
    download : bool
        Whether to download the archive if nothing is there.
    verify : bool
        Whether to check the checksums of files that are there already.

    Returns
    -------
    Part

    Raises
    ------
    FileNotFoundError
        If nothing is there and `download` is False.
    OSError
        If a download fails, or a checksum differs.
    ValueError
        If a file does not hold what it should.
    """
    pack = files.pack.get(part, ())
    if pack and all((home / name).is_file() for name in (*pack, files.pack_labels)):
        return _read_pack(files, home, part, verify)
    _provide(files, home, part, download)
    return _read_batches(files, home / files.folder, part, verify)


def _read_pack(files: CifarFiles, home: Path, part: str, verify: bool) -> Part:
    """Read the .npz files."""
    blocks = [_read_residual(home / name) for name in files.pack[part]]
    # In this order of memory, which np.concatenate would not give.
    images = np.empty((sum(map(len, blocks)), *blocks[0].shape[1:]), dtype=np.uint8)
    np.concatenate(blocks, out=images)
    del blocks
    if verify:
        found = hashlib.sha256(images.data).hexdigest()
        if found != files.pixels_sha256[part]:
            raise OSError(
                f"the pixels of {', '.join(files.pack[part])} in {home} are not those of "
                f"{files.name}: their sha256 is {found}, not {files.pixels_sha256[part]}"
            )
    path = home / files.pack_labels
    with np.load(path) as content:
        key = "train_clean" if part == "train" else "test_clean"
        missing = {key, "class_names"} - set(content.files)
        if missing:
            raise ValueError(f"{path} has no array {sorted(missing)[0]!r}")
        labels, names = content[key], [str(name) for name in content["class_names"]]
    (kind,) = files.labels
    return Part(images, {kind: _check_labels(labels, len(images), len(names), path)}, {kind: names})


def _read_residual(path: Path) -> np.ndarray:
    """Read one file of the pack.

    It holds the planes R-G, G and B-G, each as differences along columns and rows, modulo 256.
    """
    with np.load(path) as content:
        if "residual" not in content.files:
            raise ValueError(f"{path} has no array 'residual'")
        planes = content["residual"]
    if planes.dtype != np.uint8 or planes.ndim != 4 or planes.shape[0] != 3:
        raise ValueError(
            f"{path}: 'residual' is {planes.dtype} of shape {planes.shape}; "
            "it must be uint8 of shape (3, n, height, width)"
        )
    # Running sums, one row or column of all images at a time: several times faster than cumsum.
    for row in range(1, planes.shape[2]):
        planes[:, :, row] += planes[:, :, row - 1]
    for column in range(1, planes.shape[3]):
        planes[..., column] += planes[..., column - 1]
    planes[0] += planes[1]
    planes[2] += planes[1]
    return planes.transpose(1, 2, 3, 0)


def _needed(files: CifarFiles, part: str) -> dict[str, str]:
    """Names and MD5 of the files that one part needs."""
    return dict([*files.parts[part].items(), files.meta])


def _provide(files: CifarFiles, home: Path, part: str, download: bool) -> None:
    """Unpack the archive if files are missing, and get it before if it is missing too."""
    folder = home / files.folder
    missing = [name for name in _needed(files, part) if not (folder / name).is_file()]
    if not missing:
        return
    archive = home / files.archive
    if not archive.exists() and not download:
        what = f"neither {files.archive} nor {files.folder}/{missing[0]}"
        if files.pack:
            what += f" nor {files.pack[part][0]}"
        raise FileNotFoundError(
            f"{home} holds {what}. Call with download=True, or put {files.url} there"
        )
    download_file(files.url, archive, md5=files.md5)
    wanted = {name: md5 for key in files.parts for name, md5 in _needed(files, key).items()}
    _unpack(archive, folder, wanted)


def _unpack(archive: Path, folder: Path, wanted: Mapping[str, str]) -> None:
    """Write the named files of the archive, and nothing else, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    left = {f"{folder.name}/{name}": name for name in wanted}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            name = left.get(member.name.removeprefix("./"))
            content = tar.extractfile(member) if name and member.isfile() else None
            if name is None or content is None:
                continue
            # What is there already is damaged or was not asked for: it is replaced.
            with atomic_write(folder / name, lambda target: None) as part:
                with content, open(part, "wb") as out:
                    shutil.copyfileobj(content, out, 2**20)
                if file_digest(part, "md5") != wanted[name]:
                    raise OSError(
                        f"{name} in {archive} is not the official file; delete the archive"
                    )
            del left[f"{folder.name}/{name}"]
    if left:
        raise OSError(f"{archive} has no {', '.join(left)}; delete it to download it again")


def _check_md5(path: Path, md5: str) -> None:
    found = file_digest(path, "md5")
    if found != md5:
        raise OSError(
            f"{path} is damaged or another file: its md5 is {found}, not {md5}. Delete it"
        )


def _read_batches(files: CifarFiles, folder: Path, part: str, verify: bool) -> Part:
    """Read the official batch files."""
    if verify:
        for name, md5 in _needed(files, part).items():
            _check_md5(folder / name, md5)
    meta = load_batch(folder / files.meta[0])
    names = {
        kind: [str(name) for name in _entry(meta, key, folder / files.meta[0])]
        for kind, key in files.labels.items()
    }
    images, labels = [], {kind: [] for kind in files.labels}  # type: ignore[var-annotated]
    for path, batch in _batches(files, folder, part):
        pixels = np.asarray(_entry(batch, "data", path))
        if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != 3072:
            raise ValueError(
                f"{path}: 'data' is {pixels.dtype} of shape {pixels.shape}; "
                "it must be uint8 of shape (n, 3072)"
            )
        images.append(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        for kind, values in labels.items():
            codes = _entry(batch, kind, path)
            values.append(_check_labels(codes, len(pixels), len(names[kind]), path))
    return Part(
        np.ascontiguousarray(np.concatenate(images)),
        {kind: np.concatenate(values) for kind, values in labels.items()},
        names,
    )


def _batches(files: CifarFiles, folder: Path, part: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for name in files.parts[part]:
        yield folder / name, load_batch(folder / name)


def _entry(content: dict[str, Any], key: str, path: Path) -> Any:
    try:
        return content[key]
    except KeyError:
        raise ValueError(f"{path} has no entry {key!r}; it has {sorted(content)}") from None


def _check_labels(labels: Any, n: int, n_classes: int, path: Path) -> np.ndarray:
    """Give class numbers as int64 after checking number and range."""
    codes = np.asarray(labels)
    if codes.shape != (n,) or codes.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: the labels are {codes.dtype} of shape {codes.shape}; "
            f"there must be {n} integers, one per image"
        )
    if n and not 0 <= codes.min() <= codes.max() < n_classes:
        raise ValueError(
            f"{path}: labels from {codes.min()} to {codes.max()}; "
            f"they must be in 0..{n_classes - 1}"
        )
    return codes.astype(np.int64)
