"""Writing a fitted estimator to a file, the same for classifiers and the cleaner."""

from __future__ import annotations

import os
from typing import Any

from sklearn.utils.validation import check_is_fitted

__all__ = ["SaveMethod"]


class SaveMethod:
    """``save`` for estimators that :mod:`nllearn.persistence` supports."""

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the fitted estimator to one file that holds data and no code.

        Parameters
        ----------
        path : str or Path
            A safetensors file; :func:`nllearn.load` reads it.
        overwrite : bool, default=False
            Replace an existing file.

        Raises
        ------
        FileExistsError
            If the file exists and `overwrite` is False.
        TypeError
            If a parameter cannot be stored without code; the message names it.
        """
        check_is_fitted(self, "label_quality_")
        from nllearn.persistence import save

        fitted: Any = self
        save(fitted, path, overwrite=overwrite)
