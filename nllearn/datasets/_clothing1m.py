"""Clothing1M, from a local copy."""

from __future__ import annotations

import os
from pathlib import Path

from sklearn.utils import Bunch

from nllearn.datasets._file_lists import as_columns, check_folders, missing_error, read_pairs

__all__ = ["load_clothing1m"]

_WHERE = (
    "Clothing1M is given out by its authors for research only: "
    "https://github.com/Cysu/noisy_label tells whom to ask"
)

# The list of images and the file of labels for each subset.
_SUBSETS = {
    "noisy_train": ("noisy_train_key_list.txt", "noisy_label_kv.txt"),
    "clean_train": ("clean_train_key_list.txt", "clean_label_kv.txt"),
    "clean_val": ("clean_val_key_list.txt", "clean_label_kv.txt"),
    "clean_test": ("clean_test_key_list.txt", "clean_label_kv.txt"),
}
_NAMES = "category_names_eng.txt"

_DESCR = """\
Clothing1M, subset {subset!r}: {n} images of clothes in 14 classes. The labels of "noisy_train"
come from the text around the images (about 38 % are wrong), those of the others from people.

T. Xiao et al., "Learning from Massive Noisy Labeled Data for Image Classification", CVPR 2015.
"""


def load_clothing1m(root: str | os.PathLike[str], *, subset: str = "noisy_train") -> Bunch:
    """List the images of a local copy of Clothing1M with their labels. Nothing is decoded.

    Parameters
    ----------
    root : str or Path
        Folder with ``noisy_label_kv.txt``, ``clean_label_kv.txt``, the lists
        ``noisy_train_key_list.txt``, ``clean_train_key_list.txt``, ``clean_val_key_list.txt`` and
        ``clean_test_key_list.txt``, and ``category_names_eng.txt`` (all of these may lie in the
        sub-folder ``annotations``), and with the folder ``images``. Only the files of the subset
        need to be there.
    subset : {"noisy_train", "clean_train", "clean_val", "clean_test"}, default="noisy_train"
        The million images with noisy labels, or one of the three parts with clean ones.

    Returns
    -------
    Bunch
        ``data``: (n,) object array of str, the paths, to be passed as X. ``target``: (n,) int64,
        in 0..13. ``target_names``: list of 14 str. ``DESCR``: str. Rows are in the order of the
        list.

    Raises
    ------
    ValueError
        If `subset` is unknown, files or folders are missing (all are named, with where to ask
        for the data set), a line cannot be read, or an image has no label.

    References
    ----------
    T. Xiao et al., "Learning from Massive Noisy Labeled Data for Image Classification", CVPR
    2015.

    Examples
    --------
    >>> from nllearn.datasets import load_clothing1m
    >>> train = load_clothing1m("clothing1m")  # doctest: +SKIP
    >>> train.data.shape, len(train.target_names)  # doctest: +SKIP
    ((1000000,), 14)
    """
    if subset not in _SUBSETS:
        raise ValueError(f"subset={subset!r}; it must be one of {', '.join(map(repr, _SUBSETS))}")
    root = Path(root)
    list_name, labels_name = _SUBSETS[subset]
    notes = root / "annotations" if (root / "annotations").is_dir() else root
    place = "annotations/" if notes != root else ""
    needed = [place + name for name in (list_name, labels_name, _NAMES)]
    error = missing_error(root, [*needed, "images"], _WHERE)
    if error is not None:
        raise error

    names = _lines(notes / _NAMES)
    labels = dict(read_pairs(notes / labels_name))
    pairs = []
    prefix = f"{root}/"
    for key in _lines(notes / list_name):
        if key not in labels:
            raise ValueError(f"{key} of {list_name} has no label in {labels_name}. {_WHERE}")
        pairs.append((prefix + key, labels[key]))
    data, target = as_columns(pairs, names, notes / labels_name)
    check_folders(data, f"Unpack the archives of images there. {_WHERE}")
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        DESCR=_DESCR.format(subset=subset, n=len(data)),
    )


def _lines(path: Path) -> list[str]:
    """Lines of a file that are not blank."""
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]
