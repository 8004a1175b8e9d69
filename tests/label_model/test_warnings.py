"""What is said where labels cannot be known, and where classes disappear."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest

from nllearn.exceptions import NoisyLabelWarning
from nllearn.label_model import warn_of_doubt, warn_of_lost_classes


def test_no_signal_is_warned_of_in_the_caller():
    with pytest.warns(NoisyLabelWarning, match="no label is changed") as caught:
        warn_of_doubt(False, 0, 4, stacklevel=1)
    assert caught[0].filename == __file__


def test_undecided_rows_are_counted_in_the_log(caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.INFO, logger="nllearn"):
        warnings.simplefilter("error")
        warn_of_doubt(True, 0, 500, stacklevel=1)
        assert not caplog.records
        warn_of_doubt(True, 7, 500, stacklevel=1)
        warn_of_doubt(True, 90, 500, stacklevel=1)
    few, many = (record.getMessage() for record in caplog.records)
    assert few.startswith("7 of 500 rows") and "7 checked rows" in few
    assert many.startswith("90 of 500 rows") and "30 checked rows" in many


def test_classes_that_disappear_are_named():
    classes = np.array(["a", "b", "c"])
    with pytest.warns(NoisyLabelWarning, match=r"label\(s\) \['c'\]") as caught:
        warn_of_lost_classes(classes, np.array([0, 1, 2]), np.array([0, 1, 1]), stacklevel=1)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_lost_classes(classes, np.array([0, 1, 1]), np.array([1, 0, 0]), stacklevel=1)
