"""The paper's hallucinator: a two-layer MLP on pairs of features."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nllearn._torch_state import on_cpu
from nllearn.functional.hallucination import draw_partners, hallucination_loss
from nllearn.hallucinators._base import BaseHallucinator, Head

__all__ = ["LearnedHallucinator"]


class LearnedHallucinator(BaseHallucinator):
    """Two-layer MLP that makes an anchor from a pair of features, trained by eq. 2.

    An anchor is the interpolation of its two inputs plus the output of the network,
    so the first anchors are already between the classes. The network and its
    optimiser are kept between phases.

    Parameters
    ----------
    lambda_p : float, default=0.75
        Weight of the similarity to the row whose label the anchor takes, in
        [0.5, 1].
    n_anchors : int, default=1
        Anchors per easy row.
    hidden_units : int or None, default=None
        Width of the hidden layer; None takes the width of the features.
    lr : float, default=1e-3
        Learning rate of Adam.
    steps : int, default=40
        Most gradient steps per phase; fewer when there are fewer pairs than
        ``steps * batch_size``.
    batch_size : int, default=512
        Pairs per step.

    Attributes
    ----------
    module_ : nn.Sequential
        The network, from 2 d to d values.
    loss_ : float
        Mean loss of eq. 2 over the last phase.

    Examples
    --------
    >>> import torch
    >>> from nllearn.hallucinators import LearnedHallucinator
    >>> rows, labels = torch.eye(3).repeat(4, 1), torch.arange(3).repeat(4)
    >>> g = torch.Generator().manual_seed(0)
    >>> h = LearnedHallucinator(n_anchors=2).partial_fit(
    ...     rows, labels, head=lambda s: 5 * s, generator=g)
    >>> made = h.hallucinate(rows, labels, generator=g)
    >>> len(made), bool((made.features.argmax(1) == made.labels).all())
    (24, True)
    """

    def __init__(
        self,
        lambda_p: float = 0.75,
        n_anchors: int = 1,
        hidden_units: int | None = None,
        lr: float = 1e-3,
        steps: int = 40,
        batch_size: int = 512,
    ):
        self.lambda_p = lambda_p
        self.n_anchors = n_anchors
        self.hidden_units = hidden_units
        self.lr = lr
        self.steps = steps
        self.batch_size = batch_size

    def _start(self, features: torch.Tensor, generator: torch.Generator) -> None:
        width = features.shape[1]
        self._build(width, self.hidden_units or width, features.device)
        for parameter in self.module_.parameters():
            # By hand, since the modules' own initialisation takes no generator.
            start = torch.zeros(parameter.shape, dtype=torch.float32)
            if start.dim() == 2:
                nn.init.xavier_uniform_(start, generator=generator)
            parameter.data.copy_(start)

    def _build(self, width: int, hidden: int, device: torch.device) -> None:
        first = nn.utils.skip_init(nn.Linear, 2 * width, hidden, dtype=torch.float32)
        second = nn.utils.skip_init(nn.Linear, hidden, width, dtype=torch.float32)
        self.module_ = nn.Sequential(first, nn.ReLU(), second).to(device)
        self._optimizer = torch.optim.Adam(self.module_.parameters(), lr=self.lr)

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint: weights and optimiser; empty before the first phase.

        Returns
        -------
        state : dict
            Tensors and numbers alone.
        """
        if not hasattr(self, "module_"):
            return {}
        return {
            "module": self.module_.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "loss": getattr(self, "loss_", 0.0),
        }

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on where :meth:`state_dict` was taken.

        Parameters
        ----------
        state : dict
            What ``state_dict`` gave.
        device : torch.device
            Of the features that will be passed.
        """
        if not state:
            return
        hidden, twice = state["module"]["0.weight"].shape
        self._build(twice // 2, hidden, device)
        self.module_.load_state_dict(state["module"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.loss_ = state["loss"]

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "module_" in state:
            # From the CPU, so that a pickle loads without a GPU.
            del state["module_"], state["_optimizer"]
            state["_trained"] = on_cpu(self.state_dict())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        trained = state.pop("_trained", None)
        super().__setstate__(state)
        if trained is not None:
            self.load_state_dict(trained, torch.device("cpu"))

    def _move(self, device: torch.device) -> None:
        """Go to the device of the features."""
        if hasattr(self, "module_") and next(self.module_.parameters()).device != device:
            self.load_state_dict(self.state_dict(), device)

    def _combine(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        self._move(first.device)
        base = torch.lerp(second, first, self.lambda_p)
        return base + self.module_(torch.cat([first, second], dim=1))

    def partial_fit(
        self,
        features: torch.Tensor,
        labels: torch.Tensor,
        *,
        head: Head,
        generator: torch.Generator,
    ) -> LearnedHallucinator:
        """Train for one phase on batches of fresh pairs.

        Parameters
        ----------
        features : Tensor of shape (n, d)
            Centred features of the easy rows.
        labels : int64 Tensor of shape (n,)
            Their given labels.
        head : callable
            From centred features to logits; its parameters get no gradient step.
        generator : torch.Generator
            On the CPU.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For a parameter outside its range.
        """
        self._check()
        for name in ("steps", "batch_size", "hidden_units"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}={value!r} must be at least 1")
        if not hasattr(self, "module_"):
            self._start(features, generator)
        self._move(features.device)
        first, second = draw_partners(labels, self.n_anchors, generator=generator)
        if len(first) == 0:
            return self
        total = features.new_zeros(())
        steps = min(self.steps, -(-len(first) // self.batch_size))
        size = min(self.batch_size, len(first))
        picks = [torch.randint(len(first), (size,), generator=generator) for _ in range(steps)]
        # One copy to the device for the whole phase.
        pairs = torch.stack([torch.stack([first[pick], second[pick]]) for pick in picks])
        for u, v in pairs.to(features.device):
            near, far = features[u], features[v]
            anchors = self._combine(near, far)
            loss = hallucination_loss(anchors, near, far, head(anchors), labels[u], self.lambda_p)
            # Gradients for the hallucinator alone: those of a frozen head never exist.
            grads = torch.autograd.grad(loss, list(self.module_.parameters()))
            for parameter, grad in zip(self.module_.parameters(), grads, strict=True):
                parameter.grad = grad
            self._optimizer.step()
            total += loss.detach()
        self.loss_ = float(total) / steps
        return self
