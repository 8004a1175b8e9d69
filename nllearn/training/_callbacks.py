"""The user's skorch callbacks: what they may ask for, how they stop a fit, and their errors."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skorch.callbacks import Callback, LRScheduler

__all__ = ["StopTraining", "check_callbacks", "check_net_params", "run_callbacks"]

# What fit builds itself; the values that net_params may have for it. The loss and the order and
# number of rows in a batch are the method's.
_OURS = {
    "module": (),
    "criterion": (),
    "batch_loss": (),
    "begin_epoch": (),
    "end_epoch": (),
    "train_split": (None, False),
    "iterator_train__shuffle": (),
    "iterator_train__batch_size": (),
}


class StopTraining(Exception):
    """A callback ends the training after an epoch; the fit goes on to its end."""


def check_net_params(net_params: dict[str, Any] | None) -> None:
    """Refuse settings of the skorch net that fit cannot follow.

    Parameters
    ----------
    net_params : dict or None

    Raises
    ------
    ValueError
        Names the setting and what to do instead.
    """
    for name, value in (net_params or {}).items():
        if name in _OURS and not any(value is allowed for allowed in _OURS[name]):
            if name == "train_split":
                raise ValueError(
                    f"net_params={{'train_split': {value!r}}} is not supported: every row is "
                    "trained on and scored, so there is no validation part; leave it out, and use "
                    "cross_val_score or GridSearchCV to validate"
                )
            raise ValueError(f"net_params has {name!r}, which the method sets itself; leave it out")


def check_callbacks(callbacks: Any) -> None:
    """Refuse callbacks that could not work, before anything is trained.

    Parameters
    ----------
    callbacks : list of skorch callbacks or None
        Instances, or pairs (name, instance).

    Raises
    ------
    ValueError
        For what is no callback, for a monitor of a validation part, which there is none of,
        and for a schedule of the learning rate, which fit has already.
    """
    for entry in callbacks or ():
        callback = entry[1] if isinstance(entry, tuple) and len(entry) == 2 else entry
        if isinstance(callback, type) or not hasattr(callback, "on_epoch_end"):
            raise ValueError(
                f"callbacks has {callback!r}, which is no instance of skorch.callbacks.Callback"
            )
        name = type(callback).__name__
        if isinstance(callback, LRScheduler):
            raise ValueError(
                f"callbacks has {name}, which would have no effect: fit has a schedule of "
                "the learning rate; leave it out, and set lr or net_params={'lr_schedule': ...}"
            )
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and monitor.startswith("valid_loss"):
            raise ValueError(
                f"{name}(monitor={monitor!r}) cannot work: there is no validation part, every row "
                f"is trained on; set monitor={monitor.replace('valid', 'train')!r}"
            )


def run_callbacks(net: Any, method: str, arguments: dict[str, Any]) -> None:
    """Tell the callbacks; an error inside one of skorch's gets our words.

    Parameters
    ----------
    net : NoisyLabelNet
    method : str
        Such as "on_epoch_end", where a callback may raise KeyboardInterrupt to end the
        training, as skorch's EarlyStopping does.
    arguments : dict

    Raises
    ------
    StopTraining
        A callback ended the training.
    KeyboardInterrupt
        The user pressed Ctrl-C.
    ValueError
        A callback of skorch failed.
    """
    for name, callback in net.callbacks_:
        try:
            if method == "on_epoch_end":
                with _may_stop():
                    callback.on_epoch_end(net, **arguments)
            else:
                getattr(callback, method)(net, **arguments)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            if not _is_of_skorch(callback):
                raise
            raise ValueError(
                f"the callback {name!r}, a {type(callback).__name__}, failed in {method}: "
                f"{type(error).__name__}: {error}; training has no validation part, and an epoch's "
                f"row of the history has {sorted(net.history[-1]) if len(net.history) else []}"
            ) from error


def _is_of_skorch(callback: Callback) -> bool:
    return type(callback).__module__.partition(".")[0] == "skorch"


@contextmanager
def _may_stop() -> Iterator[None]:
    """Tell a callback's KeyboardInterrupt, which ends the training, from the user's Ctrl-C.

    skorch uses one exception for both. Ctrl-C comes by the signal's handler, in the main
    thread alone; while a callback runs, a handler around the former one notes it.
    """
    handler: Any = None
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGINT)
    pressed = []

    def note(number: int, frame: Any) -> Any:
        pressed.append(number)
        return handler(number, frame)

    if callable(handler):
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except KeyboardInterrupt as stopped:
        if pressed:
            raise
        raise StopTraining from stopped
    finally:
        if callable(handler) and signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, handler)
