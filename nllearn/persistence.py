"""Load what the ``save`` of an estimator wrote: from the class that a file names to its reader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nllearn._frames import check_library
from nllearn._torch_state import torch_state
from nllearn.classifiers import AnchorHallucinationClassifier, MixNNClassifier
from nllearn.classifiers._saved_file import read_classifier
from nllearn.cleaning import LabelCleaner
from nllearn.cleaning._saved_file import read_cleaner
from nllearn.file_format import Reader, read_container

__all__ = ["load"]

# The classes that a file may name, each with its reader; no other is ever loaded.
_READERS: dict[str, tuple[Any, Any]] = {
    cls.__name__: (cls, read)
    for cls, read in (
        (AnchorHallucinationClassifier, read_classifier),
        (MixNNClassifier, read_classifier),
        (LabelCleaner, read_cleaner),
    )
}


def load(path: str | os.PathLike[str], *, backbone: Any = None, device: str | None = None) -> Any:
    """Load an estimator that its ``save`` wrote.

    Nothing in the file can run code: classes are looked up by name in a fixed table, and
    there is no pickle. Inconsistent content raises an error.

    Parameters
    ----------
    path : str or path
        The file.
    backbone : nn.Module or object with ``build``, optional
        For a classifier that was fitted with a backbone of your own, and for no other:
        the same one, trained or not. A module is copied.
    device : str, optional
        Torch device to compute on. None takes the estimator's parameter `device`, and the
        CPU where torch does not see that.

    Returns
    -------
    estimator : AnchorHallucinationClassifier, MixNNClassifier or LabelCleaner
        On the CPU it predicts to the last bit as before.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file is damaged, was changed, is of another version, names an unknown class
        or does not fit together; or if a backbone is missing or not needed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from nllearn import MixNNClassifier, load
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MixNNClassifier(max_epochs=3, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clf.save(Path(folder) / "iris.safetensors")
    ...     again = load(Path(folder) / "iris.safetensors")
    >>> bool((again.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    path = Path(path)
    try:
        with torch_state():
            document, tensors = read_container(path)
            reader = Reader(tensors, backbone)
            estimator = _read_document(reader, document, device)
        if reader.unread:
            raise ValueError(f"it has the unknown tensors {reader.unread[:5]}")
        if backbone is not None and not reader.asked_for_backbone:
            raise ValueError(
                f"backbone={backbone!r} has no effect, since the file asks for none; leave "
                "backbone out"
            )
    except FileNotFoundError:
        raise
    except KeyError as error:
        raise ValueError(f"cannot load {str(path)!r}: it lacks {error}") from error
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        IndexError,
        MemoryError,
        RecursionError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f"cannot load {str(path)!r}: {error}") from error
    return estimator


def _read_document(reader: Reader, document: Any, device: str | None) -> Any:
    if not isinstance(document, dict):
        raise ValueError(f"its description is a {type(document).__name__}, not an object")
    # A forged class may be no text, and then cannot be looked up.
    name = document["class"] if isinstance(document["class"], str) else repr(document["class"])
    if name not in _READERS:
        raise ValueError(
            f"its class {name!r} is none of {sorted(_READERS)}, and no other is ever loaded"
        )
    cls, read = _READERS[name]
    estimator = read(reader, document, cls, device)
    if "table" in document:
        estimator.table_reading_ = reader.decode(document["table"])
    estimator.frame_library_ = check_library(document.get("frame_library"))
    return estimator
