"""Checkpoints on disk: whole or not there, the last few kept, verified when read."""

from __future__ import annotations

import hashlib
import io
import os
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from nllearn._atomic_write import atomic_write
from nllearn.exceptions import NoisyLabelWarning

__all__ = ["CheckpointFolder"]

_MAGIC = b"nllearn checkpoint 2\n"
_DIGEST = hashlib.sha256().digest_size
# Seconds between two checkpoints for each second that the last one took: saving takes at most
# a twentieth of the time.
_SECONDS_PER_SECOND = 19.0


class CheckpointFolder:
    """Folder of checkpoints of one fit, one file per epoch that was saved.

    A file is a line that names the format, a SHA-256 checksum, and what ``torch.save``
    wrote; it is read with ``weights_only=True``, so nothing in it can run.

    Parameters
    ----------
    folder : str or Path
        Made when it is missing.
    keep : int, default=2
        Number of checkpoints that stay.
    seconds : float, default=10.0
        Least time between two checkpoints; more where one takes long to write, so that saving
        takes at most a twentieth of the time. The last epoch is always saved.

    Raises
    ------
    ValueError
        If the folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[Any], keep: int = 2, seconds: float = 10.0):
        if not os.fspath(folder):
            raise ValueError("checkpoint_dir='' names no folder; '.' is the one you are in")
        self.folder = Path(folder).expanduser()
        self.keep = keep
        self.seconds = seconds
        self._saved_at = time.monotonic()
        self._took = 0.0
        self._complained = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"checkpoint_dir={str(folder)!r} cannot be made: {error.strerror}"
            ) from error

    def _files(self) -> list[Path]:
        """Whole checkpoints, the newest first."""
        return sorted(self.folder.glob("epoch_*.ckpt"), reverse=True)

    def is_due(self) -> bool:
        """Whether enough time has passed since the last checkpoint."""
        least = max(self.seconds, _SECONDS_PER_SECOND * self._took)
        return time.monotonic() - self._saved_at >= least

    def save(self, epoch: int, state: dict[str, Any]) -> None:
        """Write the state after an epoch; a failure warns and training goes on.

        Parameters
        ----------
        epoch : int
            Number of epochs that are over.
        state : dict
            Tensors, numbers, strings, lists and dicts.
        """
        began = time.monotonic()
        buffer = io.BytesIO()
        torch.save(state, buffer)
        body = buffer.getvalue()
        try:
            # A file of this epoch that is there is of the same run, and may be replaced.
            final = self.folder / f"epoch_{epoch:06d}.ckpt"
            with atomic_write(final, lambda target: None) as temporary:
                temporary.write_bytes(_MAGIC + hashlib.sha256(body).digest() + body)
        except OSError as error:
            if not self._complained:
                warnings.warn(
                    f"no checkpoint could be written to {self.folder} after epoch {epoch}: "
                    f"{error.strerror}; training goes on, and a killed run resumes from the "
                    "checkpoint before",
                    NoisyLabelWarning,
                    stacklevel=2,
                )
            self._complained = True
            return
        self._saved_at = time.monotonic()
        self._took = self._saved_at - began
        for old in self._files()[self.keep :]:
            old.unlink(missing_ok=True)
        for left in self.folder.glob(".epoch_*.ckpt.*.tmp"):
            # A run that was killed while it wrote leaves its temporary file behind.
            left.unlink(missing_ok=True)

    def newest(self) -> dict[str, Any] | None:
        """Read the newest checkpoint that is whole.

        Returns
        -------
        state : dict or None
            On the CPU; None when there is no checkpoint.

        Raises
        ------
        ValueError
            If there are checkpoints and none of them can be read.
        """
        files = self._files()
        for path in files:
            state = _read(path)
            if state is not None:
                return state
            warnings.warn(f"{path} is damaged and was passed over", NoisyLabelWarning, stacklevel=2)
        if files:
            raise ValueError(
                f"every checkpoint in {self.folder} is damaged or of another version; remove "
                "them, or choose another checkpoint_dir"
            )
        return None


def _read(path: Path) -> dict[str, Any] | None:
    """State of a file, None when it is damaged."""
    data = path.read_bytes()
    head, body = data[: len(_MAGIC) + _DIGEST], data[len(_MAGIC) + _DIGEST :]
    if head != _MAGIC + hashlib.sha256(body).digest():
        return None
    try:
        return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except Exception:  # no checkpoint of ours, although its checksum is right
        return None
