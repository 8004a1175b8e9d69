"""When a fit shows a progress bar."""

from __future__ import annotations

import multiprocessing
import sys

__all__ = ["progress_delay"]

# Seconds after which a person at a terminal wants to know how far a fit is.
_PATIENCE = 10.0


def progress_delay(verbose: int | None) -> float | None:
    """Seconds after which a fit shows a bar.

    Parameters
    ----------
    verbose : int or None
        0 shows none, above 0 one at once. None shows one after ten seconds, where standard error
        is a terminal and this is no worker process, as those of a parallel search are.

    Returns
    -------
    delay : float or None
        None for no bar.

    Examples
    --------
    >>> from nllearn._progress import progress_delay
    >>> progress_delay(1), progress_delay(0)
    (0.0, None)
    """
    if verbose is not None:
        return 0.0 if verbose else None
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return _PATIENCE if is_terminal and multiprocessing.parent_process() is None else None
