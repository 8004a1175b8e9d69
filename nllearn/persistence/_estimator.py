"""The way out of memory and back: one file per fitted estimator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nllearn.persistence._classifier import CLASSIFIERS, read_classifier, write_classifier
from nllearn.persistence._cleaner import CLEANER, read_cleaner, write_cleaner
from nllearn.persistence._container import read_container, write_container
from nllearn.persistence._values import Reader, Writer

__all__ = ["load", "save"]

# The names that a file may have as its class; no other is ever loaded.
_NAMES = (*CLASSIFIERS, CLEANER)


def save(estimator: Any, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Save a fitted classifier or cleaner to one file that holds data and never code.

    The file is a safetensors file: every array is a tensor, everything else is JSON in
    its metadata, and a checksum covers both. It holds the parameters, all that fit left,
    the index of the training rows and the network, or the cleaner's witnesses. A network
    of your own is held as its weights alone; :func:`load` then asks for the module. Left
    out are the callbacks and the rows inside the neighbour search, which nothing uses
    after fit, and the state of the optimisers.

    Parameters
    ----------
    estimator : AnchorHallucinationClassifier, MixNNClassifier or LabelCleaner
        Fitted.
    path : str or path
        The file appears there when it is whole.
    overwrite : bool, default=False
        Whether a file that is there may be replaced.

    Raises
    ------
    TypeError
        For a parameter that cannot be saved without code, such as a function as
        `augmentation` or a selector of your own. The message names it.
    FileExistsError
        If there is a file and `overwrite` is False.
    ValueError
        If parameters of the backbone were changed after fit.

    Warns
    -----
    NoisyLabelWarning
        For callbacks, and for an index that a file cannot hold, such as a MultiIndex:
        ``label_issues`` of the loaded estimator then numbers the rows.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from nllearn import MixNNClassifier
    >>> from nllearn.persistence import load, save
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MixNNClassifier(max_epochs=3, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(clf, Path(folder) / "iris.safetensors")
    ...     again = load(Path(folder) / "iris.safetensors")
    >>> bool((again.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    name = type(estimator).__name__
    # By module as well: a class of the user's may have the same name.
    if name not in _NAMES or not type(estimator).__module__.startswith("nllearn."):
        raise TypeError(
            f"estimator is a {name}; only {', '.join(sorted(_NAMES))} can be saved, keep others "
            "with pickle"
        )
    writer = Writer()
    write = write_cleaner if name == CLEANER else write_classifier
    document = {"class": name, **write(writer, estimator)}
    if getattr(estimator, "_table_reading", None) is not None:
        document["table"] = writer.encode(estimator._table_reading, "_table_reading")
    write_container(Path(path), document, writer.tensors, overwrite=overwrite)


def load(path: str | os.PathLike[str], *, backbone: Any = None, device: str | None = None) -> Any:
    """Load an estimator that :func:`save` wrote.

    Nothing in the file can run code: classes are looked up by name in a fixed table, and
    there is no pickle. What does not add up is refused.

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
    estimator : AnchorHallucinationClassifier or MixNNClassifier
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
    >>> from nllearn.persistence import load
    >>> load("absent.safetensors")
    Traceback (most recent call last):
    FileNotFoundError: there is no file 'absent.safetensors'
    """
    path = Path(path)
    try:
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
    if document["class"] not in _NAMES:
        raise ValueError(
            f"its class {document['class']!r} is none of {sorted(_NAMES)}, and no other is ever "
            "loaded"
        )
    read = read_cleaner if document["class"] == CLEANER else read_classifier
    estimator = read(reader, document, device)
    if "table" in document:
        estimator._table_reading = reader.decode(document["table"])
    return estimator
