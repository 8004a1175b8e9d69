"""CIFAR-10N and CIFAR-100N: labels of human annotators."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from nllearn.datasets import _cifar_files
from nllearn.datasets._cifar import read_subset
from nllearn.datasets._cifar_files import CifarFiles
from nllearn.datasets._download import download as download_file
from nllearn.datasets._download import get_data_home
from nllearn.datasets._noise_files import as_labels, check_same_rows
from nllearn.datasets._pickles import load_torch_file
from nllearn.metrics import realized_noise

__all__ = ["fetch_cifar10n", "fetch_cifar100n"]

_DESCR_HUMAN = """\
{name}: the 50,000 training images of {clean_name} with labels that people gave on Amazon
Mechanical Turk. Labels {noise!r}: {rate:.2%} differ from the official ones.

J. Wei et al., "Learning with Noisy Labels Revisited: A Study Using Real-World Human
Annotations", ICLR 2022, https://github.com/UCSC-REAL/cifar-10-100n (CC BY-NC 4.0)
"""


@dataclass(frozen=True)
class _HumanLabels:
    """The file of human labels of one data set.

    Parameters
    ----------
    url : str
        Address of the file.
    keys : mapping of str to (str, str)
        For each value of `noise` the key of the labels, and the kind of official label that
        they are noisy versions of.
    clean_kind : str
        The kind of official label that the file holds as ``clean_label``.
    sha256 : mapping of str to str, default={}
        Checksum of the labels as bytes of a uint8 array, where it is known.
    """

    url: str
    keys: Mapping[str, tuple[str, str]]
    clean_kind: str
    sha256: Mapping[str, str] = field(default_factory=dict)


_CIFAR10N = _HumanLabels(
    url="https://raw.githubusercontent.com/UCSC-REAL/cifar-10-100n/main/data/CIFAR-10_human.pt",
    keys={
        "aggregate": ("aggre_label", "labels"),
        "random1": ("random_label1", "labels"),
        "random2": ("random_label2", "labels"),
        "random3": ("random_label3", "labels"),
        "worst": ("worse_label", "labels"),
    },
    clean_kind="labels",
    sha256={
        "aggregate": "2bd5e02e39c9c79772cf4c794f7b74630ac1aaeeac4b807a63c11e9a375f8404",
        "random1": "8d01b5a5af048e84bf6e964c86e1133e95d5b22c07763e23705b714ad0f32d8b",
        "random2": "7ea04c887750912f49669282a75e78df380077766b361fb6cb5200999ad6dcda",
        "random3": "cdbfad7e15bfc8fc83bc7c6e30b692e2aa1186660d82738b7543a6012d6ca46f",
        "worst": "11a306ed336e3bc81aaac36322ddf12de379d0df1883aa43e10ba562a98f6b2a",
    },
)

_CIFAR100N = _HumanLabels(
    url="https://raw.githubusercontent.com/UCSC-REAL/cifar-10-100n/main/data/CIFAR-100_human.pt",
    keys={
        "fine": ("noisy_label", "fine_labels"),
        "coarse": ("noisy_coarse_label", "coarse_labels"),
    },
    clean_kind="fine_labels",
)


def fetch_cifar10n(
    data_home: str | os.PathLike[str] | None = None,
    *,
    noise: str = "aggregate",
    download: bool = True,
    verify: bool = True,
) -> Bunch:
    """Load CIFAR-10N: the training images of CIFAR-10 with labels from human annotators.

    The labels are taken from ``cifar10_labels.npz`` if that is in `data_home`, else from
    ``CIFAR-10_human.pt``, which is downloaded if it is missing. The clean labels in that file are
    compared with the official ones, so that rows in another order are found.

    Parameters
    ----------
    data_home : str, Path or None, default=None
        Folder of the files; see `get_data_home`.
    noise : {"aggregate", "random1", "random2", "random3", "worst", "annotators"}
        ``"random1"`` to ``"random3"``: the label of one of three annotators. ``"aggregate"``:
        their majority. ``"worst"``: a wrong label wherever one of the three is wrong. Of these
        labels 9, 17, 18, 18 and 40 % are wrong, in the order of the options.
        ``"annotators"``: the labels of all three, one column each.
    download : bool, default=True
        Whether to download what is missing.
    verify : bool, default=True
        Whether to check the checksums of files that are there already, and of the labels.

    Returns
    -------
    Bunch
        ``data``: (50000, 32, 32, 3) uint8, RGB. ``target``: (50000,) int64, the human labels;
        (50000, 3) with ``noise="annotators"``. ``target_clean``: (50000,) int64, the official
        labels. ``target_names``: list of 10 str. ``noise_rate``: float, the share of labels that
        differ from the official ones. ``DESCR``: str.

    Raises
    ------
    ValueError
        If `noise` is unknown, a file does not hold what it should, or the clean labels in the
        file of human labels are not those of CIFAR-10 in the official order.
    OSError
        As for `fetch_cifar10`.

    References
    ----------
    J. Wei et al., "Learning with Noisy Labels Revisited: A Study Using Real-World Human
    Annotations", ICLR 2022.

    Examples
    --------
    >>> from nllearn.datasets import fetch_cifar10n
    >>> cifar = fetch_cifar10n(noise="worst")  # doctest: +SKIP
    >>> round(cifar.noise_rate, 4)  # doctest: +SKIP
    0.4021
    """
    files, human = _cifar_files.CIFAR10, _CIFAR10N
    if noise != "annotators":
        return _fetch_human("CIFAR-10N", files, human, data_home, noise, download, verify)
    labels = []
    for one in ("random1", "random2", "random3"):
        bunch = _fetch_human("CIFAR-10N", files, human, data_home, one, download, verify)
        labels.append(bunch.target)
    bunch.target = np.stack(labels, axis=1)
    bunch.noise_rate = float((bunch.target != bunch.target_clean[:, None]).mean())
    bunch.DESCR = _DESCR_HUMAN.format(
        name="CIFAR-10N", clean_name=files.name, noise=noise, rate=bunch.noise_rate
    )
    return bunch


def fetch_cifar100n(
    data_home: str | os.PathLike[str] | None = None,
    *,
    noise: str = "fine",
    download: bool = True,
    verify: bool = True,
) -> Bunch:
    """Load CIFAR-100N: the training images of CIFAR-100 with labels from human annotators.

    The labels are taken from ``CIFAR-100_human.pt`` in `data_home`, which is downloaded if it is
    missing. The clean labels in that file are compared with the official ones, so that rows in
    another order are found.

    Parameters
    ----------
    data_home : str, Path or None, default=None
        Folder of the files; see `get_data_home`.
    noise : {"fine", "coarse"}, default="fine"
        The 100 classes (40 % of the labels are wrong), or their 20 groups (26 %).
    download : bool, default=True
        Whether to download what is missing.
    verify : bool, default=True
        Whether to check the checksums of files that are there already.

    Returns
    -------
    Bunch
        ``data``: (50000, 32, 32, 3) uint8, RGB. ``target``: (50000,) int64, the human labels.
        ``target_clean``: (50000,) int64, the official labels of the same kind.
        ``target_names``: list of 100 or 20 str. ``noise_rate``: float, the share of rows where
        the two differ. ``DESCR``: str.

    Raises
    ------
    ValueError
        If `noise` is unknown, a file does not hold what it should, or the clean labels in the
        file of human labels are not those of CIFAR-100 in the official order.
    OSError
        As for `fetch_cifar100`.

    References
    ----------
    J. Wei et al., "Learning with Noisy Labels Revisited: A Study Using Real-World Human
    Annotations", ICLR 2022.

    Examples
    --------
    >>> from nllearn.datasets import fetch_cifar100n
    >>> cifar = fetch_cifar100n(noise="coarse")  # doctest: +SKIP
    >>> round(cifar.noise_rate, 4)  # doctest: +SKIP
    0.264
    """
    files, human = _cifar_files.CIFAR100, _CIFAR100N
    return _fetch_human("CIFAR-100N", files, human, data_home, noise, download, verify)


def _fetch_human(
    name: str,
    files: CifarFiles,
    human: _HumanLabels,
    data_home: str | os.PathLike[str] | None,
    noise: str,
    download: bool,
    verify: bool,
) -> Bunch:
    """Load training images with one of the sets of human labels."""
    if noise not in human.keys:
        allowed = [*human.keys, *(() if human is not _CIFAR10N else ("annotators",))]
        raise ValueError(f"noise={noise!r}; it must be one of {', '.join(map(repr, allowed))}")
    home = get_data_home(data_home)
    # The small file first: an error in it is reported before the images are fetched.
    labels, clean_in_file, path = _human_labels(files, human, home, noise, download)
    part = read_subset(files, home, "train", download=download, verify=verify)
    official = part.labels[human.clean_kind]
    check_same_rows(clean_in_file, official, path, f"the official labels of {files.name}")
    kind = human.keys[noise][1]
    clean, names = part.labels[kind], part.names[kind]
    if len(labels) != len(clean) or not 0 <= labels.min() <= labels.max() < len(names):
        raise ValueError(
            f"{path}: the labels {noise!r} are {len(labels)} from {labels.min()} to "
            f"{labels.max()}; there must be {len(clean)} in 0..{len(names) - 1}"
        )
    if verify and noise in human.sha256:
        found = hashlib.sha256(labels.astype(np.uint8).data).hexdigest()
        if found != human.sha256[noise]:
            raise OSError(
                f"{path}: the labels {noise!r} are not those that were published: their sha256 "
                f"is {found}, not {human.sha256[noise]}. Delete the file"
            )
    rate, _ = realized_noise(clean, labels)
    return Bunch(
        data=part.images,
        target=labels,
        target_clean=clean,
        target_names=names,
        noise_rate=rate,
        DESCR=_DESCR_HUMAN.format(name=name, clean_name=files.name, noise=noise, rate=rate),
    )


def _human_labels(
    files: CifarFiles, human: _HumanLabels, home: Path, noise: str, download: bool
) -> tuple[np.ndarray, np.ndarray, Path]:
    """Give the labels, the clean labels next to them, and the file they come from."""
    pack = home / files.pack_labels
    if files.pack_labels and pack.is_file():
        with np.load(pack) as content:
            if {f"human_{noise}", "train_clean"} <= set(content.files):
                labels, clean = content[f"human_{noise}"], content["train_clean"]
                return as_labels(labels, pack), as_labels(clean, pack), pack
    path = home / human.url.rpartition("/")[2]
    if not path.exists():
        if not download:
            raise FileNotFoundError(
                f"{path} does not exist. Call with download=True, or put {human.url} there"
            )
        download_file(human.url, path)
    content = load_torch_file(path)
    key = human.keys[noise][0]
    for needed in (key, "clean_label"):
        if needed not in content:
            raise ValueError(f"{path} has no entry {needed!r}; it has {sorted(content)}")
    return as_labels(content[key], path), as_labels(content["clean_label"], path), path
