"""WebVision 1.0, from a local copy."""

from __future__ import annotations

import numbers
import os
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from nllearn.datasets._file_lists import as_columns, check_folders, missing_error, read_pairs

__all__ = ["load_webvision"]

_WHERE = "Get WebVision 1.0 from https://data.vision.ee.ethz.ch/cvl/webvision/dataset2017.html"

# The list of images, and the folders that the paths in it may be relative to.
_SUBSETS = {
    "train": ("info/train_filelist_google.txt", ("google",)),
    "val": ("info/val_filelist.txt", ("val_images_256", "val_images")),
}
_NAMES = "info/synsets.txt"

_DESCR = """\
WebVision 1.0, subset {subset!r}: {n} images of the first {n_classes} classes of ImageNet's 1000.
The labels of "train" are the words that Google's image search was asked for, those of "val" come
from people. The first 50 classes are known as mini-WebVision.

W. Li et al., "WebVision Database: Visual Learning and Understanding from Web Data", 2017.
"""


def load_webvision(
    root: str | os.PathLike[str], *, subset: str = "train", n_classes: int | None = 50
) -> Bunch:
    """List the images of a local copy of WebVision 1.0 with their labels. Nothing is decoded.

    Parameters
    ----------
    root : str or Path
        Folder with ``info/synsets.txt`` and, for ``"train"``, ``info/train_filelist_google.txt``
        and the folder ``google``; for ``"val"``, ``info/val_filelist.txt`` and the folder
        ``val_images_256`` (or ``val_images``).
    subset : {"train", "val"}, default="train"
        The images that Google's image search found (the usual half of the training set), or the
        validation set.
    n_classes : int or None, default=50
        Only the first classes. 50 is known as mini-WebVision; None takes all 1000.

    Returns
    -------
    Bunch
        ``data``: (n,) object array of str, the paths, to be passed as X. ``target``: (n,) int64,
        in ``0..n_classes - 1``. ``target_names``: list of str, the words of each class.
        ``synsets``: list of str, its number in WordNet. ``DESCR``: str. Rows are in the order of
        the list.

    Raises
    ------
    ValueError
        If a parameter is out of range, files or folders are missing (all are named, with where
        to get the data set), or a line cannot be read.

    References
    ----------
    W. Li et al., "WebVision Database: Visual Learning and Understanding from Web Data",
    arXiv:1708.02862, 2017.

    Examples
    --------
    >>> from nllearn.datasets import load_webvision
    >>> train = load_webvision("webvision")  # doctest: +SKIP
    >>> len(train.target_names), train.synsets[0]  # doctest: +SKIP
    (50, 'n01440764')
    """
    if subset not in _SUBSETS:
        raise ValueError(f"subset={subset!r}; it must be 'train' or 'val'")
    root = Path(root)
    list_name, folders = _SUBSETS[subset]
    error = missing_error(root, [list_name, _NAMES, " or ".join(folders)], _WHERE)
    if error is not None:
        raise error

    synsets, names = _read_synsets(root / _NAMES)
    n_classes = _check_n_classes(n_classes, len(names))
    # The training list names the folder in its paths, the validation list does not.
    inside = next(name for name in folders if (root / name).exists())
    prefix = f"{root}/" if subset == "train" else f"{root}/{inside}/"
    pairs = [
        (prefix + image, label)
        for image, label in read_pairs(root / list_name)
        if label < n_classes
    ]
    names, synsets = names[:n_classes], synsets[:n_classes]
    data, target = as_columns(pairs, names, root / list_name)
    check_folders(data, _WHERE)
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        synsets=synsets,
        DESCR=_DESCR.format(subset=subset, n=len(data), n_classes=n_classes),
    )


def _check_n_classes(n_classes: Any, n_known: int) -> int:
    if n_classes is None:
        return n_known
    whole = isinstance(n_classes, numbers.Integral) and not isinstance(n_classes, bool)
    if not whole or not 1 <= n_classes <= n_known:
        raise ValueError(
            f"n_classes={n_classes!r}; it must be an int from 1 to {n_known} "
            f"(the lines of {_NAMES}), or None for all"
        )
    return int(n_classes)


def _read_synsets(path: Path) -> tuple[list[str], list[str]]:
    """Read lines of the form ``n01440764 tench, Tinca tinca``."""
    synsets, names = [], []
    with open(path, encoding="utf-8") as file:
        for line in file:
            synset, _, name = line.strip().partition(" ")
            if synset:
                synsets.append(synset)
                names.append(name.strip() or synset)
    return synsets, names
