"""Label issues from labels and predictions, where there are no rows to compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nllearn.cleaning._label_cleaner import LabelCleaner

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["find_label_issues"]


def find_label_issues(
    y: Any, pred_probs: Any, *, trusted: Any = None, classes: Any = None
) -> pd.DataFrame:
    """Find wrong labels by the out-of-sample predictions of any model, without its rows.

    The table of ``LabelCleaner(random_state=0).fit(None, y, pred_probs=pred_probs)``: the
    logarithms of the predictions are the rows, whose neighbours and regressions predict every
    label anew from the labels of the other rows. This also mends probabilities that are too sure
    or shifted between classes. Where the features of the rows are at hand, ``LabelCleaner`` with
    them finds more.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Given labels of any dtype, some of them wrong.
    pred_probs : array-like of shape (n_samples, n_classes)
        Probabilities from a model that has not seen the row's label, as by
        ``cross_val_predict(..., method="predict_proba")`` with shuffled folds. Columns in the
        order of the sorted labels, or a DataFrame whose columns are named by the labels, also
        of polars or pyarrow.
    trusted : array-like of bool of shape (n_samples,), optional
        Rows whose label is known to be right.
    classes : array-like of shape (n_classes,), optional
        All classes, also those that occur in no label. None takes the labels of y.

    Returns
    -------
    table : DataFrame
        One row per label, with the index of `pred_probs` or `y` where one has one, or in its
        library, and the columns of :meth:`LabelCleaner.label_issues`.

    Raises
    ------
    ValueError
        For labels or probabilities that are missing, of other shapes, in another order of rows
        or with other classes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import StratifiedKFold, cross_val_predict
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from nllearn import find_label_issues
    >>> from nllearn.datasets import make_symmetric_noise
    >>> X, y = load_digits(return_X_y=True)
    >>> y_noisy = make_symmetric_noise(y, noise_rate=0.2, random_state=0)
    >>> folds = StratifiedKFold(5, shuffle=True, random_state=0)
    >>> model = GaussianNB(var_smoothing=0.05)
    >>> P = cross_val_predict(model, X, y_noisy, cv=folds, method="predict_proba")
    >>> table = find_label_issues(y_noisy, P)
    >>> bool((table["corrected_label"] == y).mean() > (y_noisy == y).mean() + 0.04)
    True
    """
    cleaner = LabelCleaner(random_state=0)
    cleaner.fit(None, y, trusted=trusted, pred_probs=pred_probs, classes=classes)
    return cleaner.label_issues()
