"""What a fitted classifier offers: predictions, the table of issues, review and files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from nllearn._torch_state import LEAST_WORK, torch_state
from nllearn.classifiers._review import ReviewMethods
from nllearn.classifiers._saving import SaveMethod
from nllearn.training import explain_memory, predict_logits
from nllearn.training._inference import row_work

__all__ = ["FittedMethods"]


class FittedMethods(SaveMethod, ReviewMethods):
    """Methods of the classifiers after ``fit``; the base class has the rest."""

    n_jobs: int | None
    n_features_in_: int
    net_: Any
    classes_: np.ndarray
    label_quality_: np.ndarray
    _input: Any
    _features: np.ndarray | None
    _given: np.ndarray
    _corrected: np.ndarray
    _network_proba: np.ndarray
    _evidence: dict[str, np.ndarray]
    _index: Any

    def _logits(self, X: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Checked rows through the fitted network."""
        check_is_fitted(self, "net_")
        module = self.net_.module_
        device = next(module.parameters()).device
        source = self._input.new_source(self, X, device)
        shape = self._input.shape if self._input.is_image else (self.n_features_in_,)
        small = len(source) * row_work(module, shape) < LEAST_WORK
        with explain_memory(device, self._input.is_image), torch_state(self.n_jobs, is_small=small):
            return predict_logits(module, source)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, paths or Dataset
            Rows with the columns that fit saw. Images as for fit, and of the same
            shape and kind of number; also a single image, file or folder.

        Returns
        -------
        proba : float64 ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; rows sum to one.
        """
        with torch_state(self.n_jobs):
            return self._logits(X)[0].double().softmax(1).cpu().numpy()

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of the class probabilities of the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, paths or Dataset
            As for :meth:`predict_proba`.

        Returns
        -------
        log_proba : float64 ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; finite also where a probability is
            rounded to zero.
        """
        with torch_state(self.n_jobs):
            return self._logits(X)[0].double().log_softmax(1).cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Most probable class of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, paths or Dataset
            Rows with the columns that fit saw. Images as for fit, and of the same
            shape and kind of number; also a single image, file or folder.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            In the dtype of the labels that were fitted.
        """
        check_is_fitted(self, "net_")
        return self.classes_[self.predict_proba(X).argmax(1)]

    def embed(self, X: Any) -> np.ndarray:
        """Features of the fitted network: its last hidden layer.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, paths or Dataset
            Rows with the columns that fit saw. Images as for fit, and of the same
            shape and kind of number; also a single image, file or folder.

        Returns
        -------
        features : float32 ndarray of shape (n_samples, d)
        """
        with torch_state(self.n_jobs):
            return self._logits(X)[1].cpu().numpy()

    def compact(self) -> Any:
        """Drop the features of the training rows, the largest thing that fit keeps.

        Prediction and :meth:`label_issues` work as before.

        Returns
        -------
        self : object
        """
        check_is_fitted(self, "net_")
        self._features = None
        return self

    def label_issues(self, threshold: float | None = None) -> Any:
        """Table of the training rows: which labels are issues, and why.

        Parameters
        ----------
        threshold : float in [0, 1], optional
            Rows whose quality is below it are issues too. Without it, issues are
            the rows whose corrected label differs from the given one.

        Returns
        -------
        table : DataFrame
            One row per training row, with the index of X where it had one:
            `is_label_issue`, `label_quality`, `given_label`, `corrected_label`,
            `predicted_label`, `predicted_proba` (these two are the network alone),
            then evidence columns.
        """
        check_is_fitted(self, "net_")
        from nllearn.inspection import label_issue_table

        return label_issue_table(
            classes=self.classes_,
            given=self._given,
            corrected=self._corrected,
            quality=self.label_quality_,
            network_proba=self._network_proba,
            evidence=self._evidence,
            index=self._index,
            threshold=threshold,
        )

    def export_onnx(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write network and preprocessing as an ONNX model.

        Parameters
        ----------
        path : str or Path
            The model takes raw rows and returns `probabilities` and `features`; its
            metadata hold the class labels.
        overwrite : bool, default=False
            Replace an existing file.

        Raises
        ------
        FileExistsError
            If the file exists and `overwrite` is False.
        MissingExtraError
            If the extra ``onnx`` is not installed.
        """
        check_is_fitted(self, "net_")
        from nllearn.persistence import export_onnx

        fitted: Any = self
        export_onnx(fitted, path, overwrite=overwrite)
