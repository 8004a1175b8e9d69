"""CIFAR-10 and CIFAR-100 with their official labels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from nllearn.datasets import _cifar_files
from nllearn.datasets._cifar_files import CifarFiles, Part, read_part
from nllearn.datasets._download import get_data_home

__all__ = ["fetch_cifar10", "fetch_cifar100", "read_subset"]

_DESCR = """\
{name}: {n} colour images of 32 x 32 pixels in {n_classes} classes.

Official labels and order (data_batch_1 to 5, then test_batch, for CIFAR-10). TensorFlow Datasets
orders the rows differently.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009,
https://www.cs.toronto.edu/~kriz/cifar.html
"""


def fetch_cifar10(
    data_home: str | os.PathLike[str] | None = None,
    *,
    subset: str = "train",
    download: bool = True,
    verify: bool = True,
) -> Bunch:
    """Load CIFAR-10, downloading it where it is not there yet.

    Looked for in this order: the files ``cifar10_train_images_0.npz`` to ``4.npz``,
    ``cifar10_test_images.npz`` and ``cifar10_labels.npz``; the folder ``cifar-10-batches-py`` as
    torchvision and the authors lay it out; the archive ``cifar-10-python.tar.gz``, which is
    unpacked; the authors' page, from which the archive (163 MB) is downloaded.

    Parameters
    ----------
    data_home : str, Path or None, default=None
        Folder of the files; see `get_data_home`.
    subset : {"train", "test", "all"}, default="train"
        The 50,000 training images, the 10,000 test images, or both in this order.
    download : bool, default=True
        Whether to download what is missing.
    verify : bool, default=True
        Whether to check the checksums of files that are there already.

    Returns
    -------
    Bunch
        ``data``: (n, 32, 32, 3) uint8, RGB. ``target``: (n,) int64, in 0..9.
        ``target_names``: list of 10 str. ``DESCR``: str. Rows are in the official order.

    Raises
    ------
    ValueError
        If `subset` is unknown or a file does not hold what it should.
    OSError
        If the files are missing and `download` is False (FileNotFoundError), the download fails,
        or a checksum differs. The message says where to put the files by hand.

    References
    ----------
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Examples
    --------
    >>> from nllearn.datasets import fetch_cifar10
    >>> cifar = fetch_cifar10()  # doctest: +SKIP
    >>> cifar.data.shape, cifar.target_names[:2]  # doctest: +SKIP
    ((50000, 32, 32, 3), ['airplane', 'automobile'])
    """
    home = get_data_home(data_home)
    part = read_subset(_cifar_files.CIFAR10, home, subset, download=download, verify=verify)
    return _bunch(_cifar_files.CIFAR10, part, "labels")


def fetch_cifar100(
    data_home: str | os.PathLike[str] | None = None,
    *,
    subset: str = "train",
    download: bool = True,
    verify: bool = True,
) -> Bunch:
    """Load CIFAR-100, downloading it where it is not there yet.

    Looked for in this order: the folder ``cifar-100-python`` as torchvision and the authors lay
    it out; the archive ``cifar-100-python.tar.gz``, which is unpacked; the authors' page, from
    which the archive (161 MB) is downloaded.

    Parameters
    ----------
    data_home : str, Path or None, default=None
        Folder of the files; see `get_data_home`.
    subset : {"train", "test", "all"}, default="train"
        The 50,000 training images, the 10,000 test images, or both in this order.
    download : bool, default=True
        Whether to download what is missing.
    verify : bool, default=True
        Whether to check the checksums of files that are there already.

    Returns
    -------
    Bunch
        ``data``: (n, 32, 32, 3) uint8, RGB. ``target``: (n,) int64, in 0..99.
        ``target_names``: list of 100 str. ``coarse_target``: (n,) int64, in 0..19, the group that
        the class belongs to. ``coarse_target_names``: list of 20 str. ``DESCR``: str. Rows are in
        the official order.

    Raises
    ------
    ValueError
        If `subset` is unknown or a file does not hold what it should.
    OSError
        If the files are missing and `download` is False (FileNotFoundError), the download fails,
        or a checksum differs. The message says where to put the files by hand.

    References
    ----------
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Examples
    --------
    >>> from nllearn.datasets import fetch_cifar100
    >>> cifar = fetch_cifar100(subset="test")  # doctest: +SKIP
    >>> cifar.data.shape, len(cifar.coarse_target_names)  # doctest: +SKIP
    ((10000, 32, 32, 3), 20)
    """
    home = get_data_home(data_home)
    part = read_subset(_cifar_files.CIFAR100, home, subset, download=download, verify=verify)
    bunch = _bunch(_cifar_files.CIFAR100, part, "fine_labels")
    bunch.coarse_target = part.labels["coarse_labels"]
    bunch.coarse_target_names = part.names["coarse_labels"]
    return bunch


def read_subset(
    files: CifarFiles, home: Path, subset: str, *, download: bool, verify: bool
) -> Part:
    """Read one part, or both behind each other.

    Parameters
    ----------
    files : CifarFiles
        The data set.
    home : Path
        Folder to look in.
    subset : {"train", "test", "all"}
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
    ValueError
        If `subset` is unknown or a file does not hold what it should.
    OSError
        If the files are missing, a download fails, or a checksum differs.
    """
    names = {"train": ("train",), "test": ("test",), "all": ("train", "test")}
    if subset not in names:
        raise ValueError(f"subset={subset!r}; it must be 'train', 'test' or 'all'")
    parts = [
        read_part(files, home, name, download=download, verify=verify) for name in names[subset]
    ]
    if len(parts) == 1:
        return parts[0]
    return Part(
        np.concatenate([part.images for part in parts]),
        {kind: np.concatenate([part.labels[kind] for part in parts]) for kind in files.labels},
        parts[0].names,
    )


def _bunch(files: CifarFiles, part: Part, kind: str) -> Bunch:
    return Bunch(
        data=part.images,
        target=part.labels[kind],
        target_names=part.names[kind],
        DESCR=_DESCR.format(name=files.name, n=len(part.images), n_classes=len(part.names[kind])),
    )
