"""How long to train and what happens when: pure functions of sizes and of the epoch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Schedule", "resolve_batch_size", "resolve_schedule"]

# Gradient steps that a fit aims at while max_epochs is None, and the bounds in epochs.
_N_STEPS = 3000
_FEWEST_EPOCHS, _MOST_EPOCHS = 30, 200
# Refreshes after the warm-up while refresh_every is None.
_REFRESHES = 5


@dataclass(frozen=True)
class Schedule:
    """Epochs of a fit, counted from 0.

    Parameters
    ----------
    max_epochs : int
        Length of the fit.
    warmup_epochs : int
        Epochs of plain training on the given labels.
    refresh_every : int
        Epochs between two refreshes of losses, features and corrections.
    correction_start : int
        First epoch in which the labels may be corrected.
    posterior_start : int
        First epoch that trains on the label posterior.
    updates_posterior : bool
        Whether every refresh after that estimates it again, or the first estimate is kept.
    """

    max_epochs: int
    warmup_epochs: int
    refresh_every: int
    correction_start: int
    posterior_start: int
    updates_posterior: bool = False

    def is_warmup(self, epoch: int) -> bool:
        """Whether the epoch trains on the given labels alone."""
        return epoch < self.warmup_epochs

    def is_posterior(self, epoch: int) -> bool:
        """Whether the epoch trains on the label posterior."""
        return not self.is_warmup(epoch) and epoch >= self.posterior_start

    def is_robust(self, epoch: int) -> bool:
        """Whether the epoch trains as the method says."""
        return not (self.is_warmup(epoch) or self.is_posterior(epoch))

    def phase(self, epoch: int) -> str:
        """Name of the epoch's phase: "warm-up", "robust" or "posterior"."""
        if self.is_warmup(epoch):
            return "warm-up"
        return "posterior" if self.is_posterior(epoch) else "robust"

    def is_refresh(self, epoch: int) -> bool:
        """Whether losses, features and corrections are updated before the epoch."""
        since = epoch - self.warmup_epochs
        if self.is_posterior(epoch):
            first = epoch == max(self.posterior_start, self.warmup_epochs)
            return first or (self.updates_posterior and since % self.refresh_every == 0)
        return since >= 0 and (since % self.refresh_every == 0 or epoch == self.correction_start)

    def may_correct(self, epoch: int) -> bool:
        """Whether labels may be corrected in the epoch."""
        return epoch >= max(self.warmup_epochs, self.correction_start)


def resolve_batch_size(batch_size: int | None, n_rows: int, most: int = 256) -> int:
    """Rows per batch: about a tenth of the rows, between 16 and `most`, while None."""
    if batch_size is not None:
        return min(batch_size, n_rows)
    return min(n_rows, max(16, min(most, n_rows // 10)))


def _epochs(value: int | float, max_epochs: int) -> int:
    """Epochs as given, or as a share of the fit."""
    return round(value * max_epochs) if isinstance(value, float) else int(value)


def resolve_schedule(
    *,
    n_rows: int,
    batch_size: int,
    max_epochs: int | None,
    warmup_epochs: int | float,
    refresh_every: int | None,
    correction_start: int | float,
    posterior_share: float = 0.0,
    updates_posterior: bool = False,
) -> Schedule:
    """Turn the parameters of an estimator into epochs.

    While `max_epochs` is None a fit aims at 3,000 gradient steps, in 30 to 200 epochs.
    A fit of three epochs or more always has a warm-up, one epoch that may correct
    and one that learns from the correction. A warm-up given as whole epochs is
    taken at its word.

    Parameters
    ----------
    n_rows, batch_size : int
        Training rows and rows per batch.
    max_epochs, warmup_epochs, refresh_every, correction_start : int, float or None
        As the estimators document them.
    posterior_share : float in [0, 1), default=0
        Last share of the epochs that trains on the label posterior.
    updates_posterior : bool, default=False
        Whether every refresh of that phase estimates it again.

    Returns
    -------
    schedule : Schedule
    """
    if max_epochs is None:
        steps_per_epoch = max(1, -(-n_rows // batch_size))
        max_epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_N_STEPS / steps_per_epoch)))
    warmup = _epochs(warmup_epochs, max_epochs)
    if isinstance(warmup_epochs, float):
        warmup = min(max(1, warmup), max(1, max_epochs - 2))
    # At least two epochs stay with the method itself.
    posterior = max(max_epochs - round(posterior_share * max_epochs), warmup + 2)
    start = _epochs(correction_start, max_epochs)
    if isinstance(correction_start, float):
        last = min(max_epochs - 2, posterior - 1)
        start = min(max(warmup, start), max(warmup, last))
    after = max(1, max_epochs - warmup)
    every = max(1, round(after / _REFRESHES)) if refresh_every is None else refresh_every
    return Schedule(max_epochs, min(warmup, max_epochs), every, start, posterior, updates_posterior)
