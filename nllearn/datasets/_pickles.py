"""Read pickled arrays of old data sets without running code from the file."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["load_batch", "load_torch_file"]

# How numpy names what rebuilds an array and a scalar, whatever its version.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_SCALAR = np.int64(0).__reduce__()[0]

# All that the pickles need besides numbers, text, lists and dicts. Numpy moved its core, so that
# old and new files name the same functions differently.
_ALLOWED = {
    "numpy.core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy._core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy.core.multiarray.scalar": _SCALAR,
    "numpy._core.multiarray.scalar": _SCALAR,
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
}


class _RestrictedUnpickler(pickle.Unpickler):
    """Unpickler that makes numpy arrays and the types of Python, and rejects everything else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which a file of arrays does not need"
            ) from None


def load_batch(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a pickled dict of arrays, lists and text, as Python 2 wrote it.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    dict
        What the file holds; byte strings of Python 2 are read as latin-1 text.

    Raises
    ------
    ValueError
        If the file is no pickle, holds no dict, or asks for any function or class that arrays do
        not need. Nothing of it is run.
    """
    content = Path(path).read_bytes()
    try:
        batch = _RestrictedUnpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:
        # Damaged pickles raise nearly any type.
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(batch, dict):
        raise ValueError(f"{path} holds a {type(batch).__name__}; it must be a dict")
    return batch


def load_torch_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a dict of tensors, arrays and lists that ``torch.save`` wrote.

    Parameters
    ----------
    path : str or Path
        The file, in the present or the legacy format of torch.

    Returns
    -------
    dict
        What the file holds, tensors as arrays.

    Raises
    ------
    ValueError
        If the file is not one of torch, holds no dict, or asks for any function or class that
        arrays do not need. Nothing of it is run.
    """
    # Not at the top: the noise generators do without torch.
    import torch

    allowed: list[Any] = [(function, name) for name, function in _ALLOWED.items()]
    # torch also asks for the class of each dtype whose state is set.
    allowed += [type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdSU"]
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except Exception as error:
        # torch wraps the reason into the advice to load the file without the check.
        cause = error.__context__ or error
        reason = str(cause).partition("\n")[0].partition(" Please use ")[0].rstrip(". ")
        raise ValueError(
            f"{path} cannot be read: {type(cause).__name__} {reason}. Only arrays, tensors, lists "
            "and text are loaded, because other content could run code"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}; it must be a dict of labels")
    return {
        key: value.numpy() if isinstance(value, torch.Tensor) else value
        for key, value in content.items()
    }
