"""The review page as an object that a notebook shows."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass, field
from pathlib import Path

from nllearn.inspection._files import write_whole

__all__ = ["ReviewPage"]


@dataclass(frozen=True)
class ReviewPage:
    """A review page that is not in a file yet. A notebook shows it below the cell.

    The notebook then holds the whole page. It runs in a frame of its own, keeps the decisions in
    the browser and exports them, as it does when it is opened from a file.

    Parameters
    ----------
    html : str
        A whole HTML document.
    title : str
        Its title.
    height : int, default=760
        Pixels of the frame.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nllearn import LabelCleaner
    >>> page = LabelCleaner(random_state=0).fit(*load_iris(return_X_y=True)).report()
    >>> page._repr_html_().startswith("<iframe")
    True
    """

    html: str = field(repr=False)
    title: str
    height: int = 760

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the page to a file.

        Parameters
        ----------
        path : str or path
            The HTML file, written whole or not at all.
        overwrite : bool, default=False
            Replace an existing file.

        Returns
        -------
        path : Path

        Raises
        ------
        FileExistsError
            If the file is there and `overwrite` is False.
        """
        page = self.html.encode("utf-8")
        return write_whole(path, lambda file: file.write(page), overwrite=overwrite)

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="{html.escape(self.title)}" '
            f'style="width: 100%; height: {self.height}px; border: 1px solid #ccc"></iframe>'
        )
