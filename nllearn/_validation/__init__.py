"""Checks of parameters and of the arguments of ``fit``; imports no component."""

from nllearn._validation._parameters import (
    check_params,
    forget_failed_fit,
    n_jobs_constraints,
    resolve_device,
)
from nllearn._validation._rows import (
    as_float64,
    check_not_sparse,
    check_numbers,
    check_rows,
    check_same_rows,
    check_trusted,
    is_tensor,
    refuse_overflow,
    refuse_tensor,
)
from nllearn._validation._weights import (
    at_mean_one,
    check_row_weight,
    check_weights,
    read_sample_weight,
)

__all__ = [
    "as_float64",
    "at_mean_one",
    "check_not_sparse",
    "check_numbers",
    "check_params",
    "check_row_weight",
    "check_rows",
    "check_same_rows",
    "check_trusted",
    "check_weights",
    "forget_failed_fit",
    "is_tensor",
    "n_jobs_constraints",
    "read_sample_weight",
    "refuse_overflow",
    "refuse_tensor",
    "resolve_device",
]
