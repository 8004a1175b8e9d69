"""Resume a run: its state is saved after epochs, compared, and put back by the same call of fit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from nllearn.classifiers._fit_loop import FitLoop
from nllearn.training import CheckpointFolder, NoisyLabelNet
from nllearn.training._distributed import ProcessGroup

__all__ = ["Checkpoints"]


class Checkpoints:
    """Checkpoints of one fit.

    Parameters
    ----------
    folder : str, Path or None
        None saves nothing.
    group : ProcessGroup, optional
        Of several processes the main one alone reads and writes the folder.
    """

    def __init__(self, folder: Any, group: ProcessGroup | None = None):
        self._name = folder
        self._folder: CheckpointFolder | None = None
        self._found: dict[str, Any] | None = None
        if folder is not None:
            self._found = self._open() if group is None else group.broadcast_object(self._open)
        self._parts: dict[str, str] = {}

    def _open(self) -> dict[str, Any] | None:
        """Open the folder; its newest checkpoint."""
        self._folder = CheckpointFolder(self._name)
        return self._folder.newest()

    def seed(self, drawn: int, random_state: Any) -> int:
        """Seed of the run: of the one that is resumed, unless the user gave a number."""
        if self._found is None or isinstance(random_state, int | np.integer):
            return drawn
        return int(self._found["seed"])

    def check(self, parts: dict[str, str], seed: int) -> None:
        """Refuse a checkpoint of other data or parameters.

        Parameters
        ----------
        parts : dict of str to str
            From :func:`fingerprint`.
        seed : int

        Raises
        ------
        ValueError
            Names everything that differs.
        """
        self._parts = {**parts, "random_state": str(seed)}
        if self._found is None:
            return
        theirs = self._found["parts"]
        names = sorted(set(theirs) | set(self._parts))
        differ = [
            _difference(name, theirs.get(name), self._parts.get(name))
            for name in names
            if theirs.get(name) != self._parts.get(name)
        ]
        if differ:
            raise ValueError(
                f"the checkpoint in {self._name} belongs to another run: "
                + "; ".join(differ)
                + ". Choose another checkpoint_dir, or empty this one"
            )

    def run(self, net: NoisyLabelNet, loop: FitLoop) -> None:
        """Train, from the start or from the checkpoint."""
        if self._name is None:
            net.fit(loop.rows)
            return
        net.initialize()
        if self._found is not None:
            self._restore(net, loop)
        if self._folder is not None:
            net.end_epoch = lambda net, epoch: self._save(net, epoch, loop)
        net.partial_fit(loop.rows, epochs=net.max_epochs - len(net.history))

    def _save(self, net: NoisyLabelNet, epoch: int, loop: FitLoop) -> None:
        assert self._folder is not None
        over = epoch + 1
        if not (self._folder.is_due() or over == net.max_epochs):
            return
        self._folder.save(
            over,
            {
                "parts": self._parts,
                "seed": loop.seed,
                "net": net.state(),
                "sample_state": {
                    name: values.cpu() for name, values in loop.sample_state.moving().items()
                },
                "neighbor_indices": loop.rows.neighbor_indices,
                "hallucinator": (
                    None if loop.hallucinator is None else loop.hallucinator.state_dict()
                ),
                "history": json.dumps([dict(row) for row in net.history]),
            },
        )

    def _restore(self, net: NoisyLabelNet, loop: FitLoop) -> None:
        assert self._found is not None
        state, device = self._found, loop.device
        net.restore(state["net"], json.loads(state["history"]))
        for name in loop.sample_state.moving():
            setattr(loop.sample_state, name, state["sample_state"][name].to(device))
        if state["neighbor_indices"] is not None:
            loop.rows.neighbor_indices = state["neighbor_indices"].to(device)
        if state["hallucinator"] is not None:
            loop.hallucinator.load_state_dict(state["hallucinator"], device)


def _difference(name: str, theirs: str | None, ours: str | None) -> str:
    if name.startswith(("parameter", "random_state", "estimator")):
        return f"{name} was {theirs}, now {ours}"
    return f"{name} is not the same"
