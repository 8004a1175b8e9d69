"""One progress bar over the whole fit."""

from __future__ import annotations

from typing import Any

from skorch.callbacks import Callback

__all__ = ["FitProgress"]


class FitProgress(Callback):
    """A bar over the epochs with the phase, the loss and the share of changed labels.

    Parameters
    ----------
    n_epochs : int
        Epochs of the whole fit.
    delay : float, default=0
        Seconds after which it is shown.
    """

    def __init__(self, n_epochs: int, delay: float = 0.0):
        self.n_epochs = n_epochs
        self.delay = delay

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Open the bar on standard error."""
        from tqdm.auto import tqdm

        # A resumed run starts where its checkpoint stands.
        done = len(net.history)
        self.bar_ = tqdm(
            total=self.n_epochs, initial=done, unit="epoch", dynamic_ncols=True, delay=self.delay
        )

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Move it on by one epoch."""
        row = net.history[-1]
        self.bar_.set_description(row["phase"], refresh=False)
        shown = {"loss": f"{row['train_loss']:.3f}"}
        if "share_corrected" in row:
            shown["corrected"] = f"{row['share_corrected']:.1%}"
        self.bar_.set_postfix(shown, refresh=False)
        self.bar_.update()

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Close it."""
        self.bar_.close()
        # An open terminal handle can be neither pickled nor shown again.
        del self.bar_
