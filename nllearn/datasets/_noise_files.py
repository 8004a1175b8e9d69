"""Label files that papers on noisy labels have published."""

from __future__ import annotations

import json
import numbers
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import Bunch

from nllearn.datasets._pickles import load_torch_file
from nllearn.metrics import realized_noise

__all__ = ["as_labels", "check_same_rows", "load_noise_file"]

# The noisy labels of each kind of file, and the name of the clean labels next to them.
_CLEAN_OF = {
    "label_noisy": "label",  # SEAL, chenpf1025/IDN
    "noise_label_train": "clean_label_train",  # part-dependent noise, UCSC-REAL/CAL
    "noisy_label": "clean_label",  # CIFAR-100N
    "noise_label": "clean_label",
    "aggre_label": "clean_label",  # CIFAR-10N
    "random_label1": "clean_label",
    "random_label2": "clean_label",
    "random_label3": "clean_label",
    "worse_label": "clean_label",
    # cifar10_labels.npz, which fetch_cifar10 reads too
    **{f"human_{name}": "train_clean" for name in ("aggregate", "worst")},
    **{f"human_random{i}": "train_clean" for i in (1, 2, 3)},
    **{f"seal{percent}": "train_clean" for percent in (10, 20, 30, 40)},
}
# Taken without being asked for. CIFAR-10N has five sets, and none of them is the default.
_DEFAULT_KEYS = ("label_noisy", "noise_label_train", "noisy_label", "noise_label")


def load_noise_file(
    path: str | os.PathLike[str], *, clean: ArrayLike | None = None, key: str | None = None
) -> Bunch:
    """Read noisy labels from a file, and check that they belong to these rows.

    Formats: ``.csv`` with a header, such as the files of SEAL (``label,label_noisy``); ``.pt``
    with a dict, such as the part-dependent files ``IDN_0.4_C10.pt`` (``clean_label_train``,
    ``noise_label_train``) and CIFAR-N; ``.npz`` with arrays, ``.json`` with a list or a dict of
    lists, ``.npy`` with one array, ``.txt`` with one label per line. No code of a file is run.

    Parameters
    ----------
    path : str or Path
        The file.
    clean : array-like of shape (n,) or None, default=None
        Clean labels of the rows. If the file holds clean labels too, the two must be equal in
        every row: labels in another order are useless, and nothing else would tell.
    key : str or None, default=None
        Column or entry with the noisy labels. None takes ``label_noisy``, ``noise_label_train``,
        ``noisy_label`` or ``noise_label``, or the only one there is.

    Returns
    -------
    Bunch
        ``target``: (n,) int64 or str, the noisy labels. ``target_clean``: (n,) the clean labels,
        those of the file where `clean` is None, or None. ``noise_rate``: float, the share of rows
        where the two differ, or None without clean labels.

    Raises
    ------
    ValueError
        If the file does not exist, has an unknown suffix or content, several sets of labels and
        no `key`, labels that are missing or no integers or text, or does not fit to `clean`.

    References
    ----------
    P. Chen et al., "Beyond Class-Conditional Assumption: A Primary Attempt to Combat
    Instance-Dependent Label Noise", AAAI 2021.
    Z. Zhu, T. Liu, Y. Liu, "A Second-Order Approach to Learning with Instance-Dependent Label
    Noise", CVPR 2021.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nllearn.datasets import load_noise_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "dependent0.2.csv"
    ...     _ = path.write_text("label,label_noisy\\n6,6\\n9,1\\n9,9\\n4,4\\n")
    ...     noise = load_noise_file(path, clean=[6, 9, 9, 4])
    >>> noise.target.tolist(), noise.noise_rate
    ([6, 1, 9, 4], 0.25)
    """
    path = Path(path)
    entries = _read_entries(path)
    name = _choose(entries, key, path)
    labels = as_labels(entries[name], path)
    inside = None
    if _CLEAN_OF.get(name) in entries:
        inside = as_labels(entries[_CLEAN_OF[name]], path)
        if len(inside) != len(labels):
            raise ValueError(
                f"{path} holds {len(labels)} noisy labels and {len(inside)} clean ones; "
                "there must be one of each per row"
            )
    if clean is None:
        clean = inside
    else:
        clean = as_labels(clean, "clean")
        if len(clean) != len(labels):
            raise ValueError(
                f"{path} holds {len(labels)} labels, clean has {len(clean)}; "
                "there must be one per row"
            )
        if inside is not None:
            check_same_rows(inside, clean, path, "clean")
    if clean is not None and clean.dtype.kind != labels.dtype.kind:
        raise ValueError(
            f"{path}: the noisy labels are {labels.dtype}, the clean ones {clean.dtype}; "
            "both must be integers or both text"
        )
    rate = None if clean is None else realized_noise(clean, labels)[0]
    return Bunch(target=labels, target_clean=clean, noise_rate=rate)


def check_same_rows(
    found: np.ndarray, expected: np.ndarray, path: str | os.PathLike[str], what: str
) -> None:
    """Check that the clean labels in a file are those of the data, row by row.

    Parameters
    ----------
    found : ndarray of shape (n,)
        Clean labels of the file.
    expected : ndarray of shape (n,)
        Clean labels of the data.
    path : str or Path
        The file, for the error text.
    what : str
        What `expected` is, for the error text.

    Raises
    ------
    ValueError
        If the number of rows or any label differs.
    """
    if len(found) != len(expected):
        raise ValueError(f"{path} holds {len(found)} rows; {what} has {len(expected)}")
    differ = found != expected
    if np.any(differ):
        row = int(np.argmax(differ))
        order = ""
        if np.array_equal(np.sort(found), np.sort(expected)):
            order = (
                " Each label is as frequent in both, so the file is in another order, such as "
                "that of TensorFlow Datasets; the official order is that of the Python version "
                "and of torchvision."
            )
        raise ValueError(
            f"the clean labels in {path} differ from {what} in {np.sum(differ)} of {len(found)} "
            f"rows, first in row {row}: {found[row]} instead of {expected[row]}.{order} Its "
            "noisy labels do not belong to these rows"
        )


def as_labels(values: Any, source: str | os.PathLike[str]) -> np.ndarray:
    """Give labels as int64 or str after checking them.

    Parameters
    ----------
    values : array-like of shape (n,)
        Integers, whole floating-point numbers, or text.
    source : str or Path
        Where they come from, for the error text.

    Returns
    -------
    ndarray of shape (n,), int64 or str

    Raises
    ------
    ValueError
        If the labels are not one-dimensional, there are none, or one is missing or neither an
        integer nor text.
    """
    labels = np.asarray(values)
    if isinstance(values, list | tuple) and labels.dtype.kind == "U":
        # numpy turns a mixture of text and numbers into text without a word.
        labels = np.asarray(values, dtype=object)
    if labels.dtype == object:
        for kind, dtype in ((str, np.str_), (numbers.Integral, np.int64)):
            if all(isinstance(label, kind) for label in labels.flat):
                labels = labels.astype(dtype)
                break
    if labels.ndim != 1 or not len(labels):
        raise ValueError(
            f"{source}: the labels have shape {labels.shape}; there must be one per row, (n,)"
        )
    if labels.dtype.kind == "U":
        if np.any(labels == ""):
            raise ValueError(f"{source}: the label in row {int(np.argmax(labels == ''))} is empty")
        return labels
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f" and np.all(np.isfinite(labels) & (labels == np.round(labels))):
        return labels.astype(np.int64)
    raise ValueError(f"{source}: the labels are {labels.dtype}; they must be integers or text")


def _read_entries(path: Path) -> dict[str, Any]:
    """Read a file as a dict of label vectors; a single vector is named by the file."""
    readers = {
        ".csv": _read_csv,
        ".json": _read_json,
        ".npy": _read_numpy,
        ".npz": _read_numpy,
        ".pt": load_torch_file,
        ".pth": load_torch_file,
        ".txt": _read_lines,
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ValueError(f"{path} ends in {suffix!r}; known are {', '.join(readers)}")
    if not path.is_file():
        raise ValueError(f"the noise file {path} does not exist")
    content = readers[suffix](path)
    return content if isinstance(content, dict) else {path.stem: content}


def _read_csv(path: Path) -> dict[str, Any]:
    try:
        # As text, so that a label such as "NA" or "None" stays what it is.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except ValueError as error:
        raise ValueError(f"{path} is no table of comma-separated values: {error}") from error
    return {str(name): _as_integers(table[name].tolist()) for name in table.columns}


def _read_lines(path: Path) -> Any:
    try:
        return _as_integers(path.read_text(encoding="utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text: {error}") from error


def _as_integers(words: list[str]) -> Any:
    """Give text that is whole numbers throughout as numbers."""
    try:
        return [int(word) for word in words]
    except ValueError:
        return [word.strip() for word in words]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error


def _read_numpy(path: Path) -> Any:
    try:
        # Opened here: of a damaged archive, numpy leaves the file open.
        with open(path, "rb") as file:
            content = np.load(file)
            if isinstance(content, np.ndarray):
                return content
            with content:
                return {name: content[name] for name in content.files}
    except Exception as error:
        # BadZipFile, EOFError, and ValueError for arrays of objects, which could run code.
        raise ValueError(
            f"{path} cannot be read: {error}. It must hold arrays of integers or text"
        ) from error


def _choose(entries: dict[str, Any], key: str | None, path: Path) -> str:
    """Find the entry with the noisy labels."""
    names = [str(name) for name in entries]
    if key is not None:
        if key not in entries:
            raise ValueError(f"key={key!r}; {path} has {', '.join(names) or 'nothing'}")
        return key
    known = [name for name in _DEFAULT_KEYS if name in entries]
    if len(known) == 1:
        return known[0]
    if len(names) == 1:
        return names[0]
    raise ValueError(
        f"{path} has {', '.join(names) or 'nothing'}; name the noisy labels, "
        f"for example key={names[-1] if names else 'label_noisy'!r}"
    )
