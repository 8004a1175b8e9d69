"""Checks of parameters, and what is left of a fit that fails."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval, InvalidParameterError, make_constraint

if TYPE_CHECKING:
    import torch

__all__ = ["check_params", "forget_failed_fit", "n_jobs_constraints", "resolve_device"]


def check_params(estimator: Any, constraints: Mapping[str, list[Any]]) -> None:
    """Check every parameter against its constraints and tell all mistakes at once.

    Parameters
    ----------
    estimator : estimator
        Has ``get_params``.
    constraints : mapping of str to list
        In the form of scikit-learn's ``_parameter_constraints``.

    Raises
    ------
    InvalidParameterError
        A ValueError that names each parameter, its value and what is allowed.
    """
    problems = []
    for name, value in estimator.get_params(deep=False).items():
        rules = [make_constraint(rule) for rule in constraints[name]]
        if any(rule.is_satisfied_by(value) for rule in rules):
            continue
        message = f"{name}={value!r} must be {' or '.join(str(rule) for rule in rules)}"
        if isinstance(value, str):
            words = [w for rule in rules for w in getattr(rule, "options", ())]
            close = difflib.get_close_matches(value, [w for w in words if isinstance(w, str)], 1)
            message += f" (did you mean {close[0]!r}?)" if close else ""
        problems.append(message)
    if problems:
        raise InvalidParameterError(
            f"{type(estimator).__name__} has {len(problems)} invalid parameter(s): "
            + "; ".join(problems)
        )


@contextmanager
def forget_failed_fit(estimator: Any) -> Iterator[None]:
    """Drop the fitted attributes if a fit fails in the block, also by Ctrl-C.

    What is left would be of two fits: labels of the earlier one, classes of the other.

    Parameters
    ----------
    estimator : estimator
    """
    try:
        yield
    except BaseException:
        for name in [name for name in vars(estimator) if name[0] != "_" and name[-1] == "_"]:
            delattr(estimator, name)
        raise


def n_jobs_constraints() -> list[Any]:
    """Constraints of `n_jobs`: None, or a number of threads as scikit-learn counts them."""
    below = Interval(Integral, None, -1, closed="right")
    return [None, Interval(Integral, 1, None, closed="left"), below]


def resolve_device(device: str) -> torch.device:
    """Turn the parameter `device` into a torch device.

    Parameters
    ----------
    device : str
        "auto" chooses the GPU if torch finds one.

    Returns
    -------
    device : torch.device

    Raises
    ------
    ValueError
        If torch does not know the name, finds no such GPU, or the device is of another kind.
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device!r} is no torch device: {error}") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={device!r} was asked for, but torch sees no GPU; use 'auto'")
    if chosen.type not in ("cpu", "cuda"):
        raise ValueError(
            f"device={device!r} is not supported: the label model needs float64, and only 'cpu' "
            "and 'cuda' are tested; use 'auto'"
        )
    return chosen
