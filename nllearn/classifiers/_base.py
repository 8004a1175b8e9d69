"""What both classifiers share: fit, what is built for it, and the fitted attributes."""

from __future__ import annotations

import numbers
import os
import time
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from nllearn._annotators import fitted_annotators, set_annotators
from nllearn._base import LabelIssuesMixin, TrainingRows
from nllearn._frames import library_of, to_pandas
from nllearn._nested_params import NestedParamsMixin
from nllearn._torch_state import LEAST_STEP, LEAST_WORK, torch_state
from nllearn._validation import (
    check_params,
    check_same_rows,
    forget_failed_fit,
    resolve_device,
)
from nllearn.classifiers._build_net import build_net
from nllearn.classifiers._fingerprint import fingerprint
from nllearn.classifiers._fit_loop import FitLoop, open_loop
from nllearn.classifiers._given_labels import GivenLabels, check_given_labels
from nllearn.classifiers._image_input import ImageInput
from nllearn.classifiers._label_posterior import InputRows
from nllearn.classifiers._parameters import (
    image_defaults,
    shared_constraints,
    table_defaults,
)
from nllearn.classifiers._preprocessing import TableInput, check_input, is_input_used
from nllearn.classifiers._resume import Checkpoints
from nllearn.classifiers._saved_file import write_classifier
from nllearn.classifiers._skipped_images import keep_given_labels
from nllearn.label_model import read_annotators, warn_of_doubt, warn_of_lost_classes
from nllearn.neighbors import BaseNeighbors, ExactNeighbors
from nllearn.selectors import Selection
from nllearn.training import (
    FeatureBank,
    NoisyLabelNet,
    SampleState,
    explain_memory,
    fork_torch_seed,
    predict_logits,
    resolve_batch_size,
)
from nllearn.training._callbacks import check_callbacks, check_net_params
from nllearn.training._distributed import ProcessGroup, process_group
from nllearn.training._inference import row_work

__all__ = ["BaseNoisyLabelClassifier"]


class BaseNoisyLabelClassifier(
    LabelIssuesMixin, NestedParamsMixin, ClassifierMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of the classifiers: holds a skorch net, does not inherit from one.

    A subclass has its parameters, ``_constraints``, builds its components in
    ``_build_components``, turns features into new targets in ``_correct`` and defines the loss
    of a batch in ``_batch_loss``. Everything that changes during a fit is in the
    :class:`FitLoop`.
    """

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, trusted: Any = None
    ) -> BaseNoisyLabelClassifier:
        """Learn a classifier and clean the labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), images, paths or Dataset
            Table or embeddings of numbers: array, memmap, or frame of pandas, polars or
            pyarrow. Images: array or memmap of shape (n_samples, H, W), (n_samples, H, W, C)
            or (n_samples, C, H, W); list, array or Series of image files; map-style torch
            Dataset of images or ``(image, label)``, which is read once when it fits in
            memory, so random transforms belong into `augmentation`.
        y : array-like of shape (n_samples,) or (n_samples, n_annotators), optional
            Given labels of any dtype, some of them wrong. A column for each annotator, at least
            two, with None, NaN or NaT where there is no label; a DataFrame names them. Rows
            without any label take no part in training, and are predicted. None is allowed for a
            Dataset alone, which then has ``targets`` or labels in its items.
        sample_weight : array-like of shape (n_samples,), optional
            Importance: multiplies the loss and counts in quotas, votes, noise rate
            and transition matrix; a common factor changes nothing. Repeating a row
            adds evidence for its label, a weight does not. A row of weight 0 takes
            no part in training; its label is scored all the same.
        trusted : array-like of bool of shape (n_samples,), optional
            Rows whose label is known to be right: always easy, never changed,
            quality 1, used for calibration.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad parameters (all are reported at once) or bad data.
        TypeError
            For sparse input.
        KeyboardInterrupt
            On Ctrl-C. The estimator is then not fitted; with `checkpoint_dir` the same call
            goes on from the last checkpoint.
        """
        check_params(self, shared_constraints() | self._constraints())
        library = library_of(X, y)
        X, y, sample_weight, trusted = map(to_pandas, (X, y, sample_weight, trusted))
        check_same_rows(X, y=y, sample_weight=sample_weight, trusted=trusted)
        check_callbacks(self.callbacks)
        check_net_params(self.net_params)
        annotators = read_annotators(y)
        if annotators is not None:
            annotators.refuse_boundary_noise(self.boundary_noise)
            # The checks of rows beside labels take one label per row.
            y = annotators.classes[annotators.majority()]
        with forget_failed_fit(self):
            X, y, index = check_input(self, X, y)
            check_classification_targets(y)
            self.skipped_images_ = getattr(X, "skipped", {})
            labels = check_given_labels(
                y, annotators, sample_weight, trusted, self.class_weight, self.skipped_images_
            )
            self.classes_ = labels.classes
            drawn = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            with torch_state(self.n_jobs), process_group(resolve_device(self.device)) as group:
                fitted, start = self._fit_network(X, labels, drawn, group)
            if self.skipped_images_:
                keep_given_labels(fitted, self.skipped_images_, labels.trusted, labels.weight)
            self._set_fitted(fitted, index, labels)
        self.frame_library_ = library
        self.history_[-1]["seconds_label_posterior"] = time.perf_counter() - start
        return self

    # -- after fit

    def _logits(self, X: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Checked rows through the fitted network."""
        check_is_fitted(self, "net_")
        module = self.net_.module_
        device = next(module.parameters()).device
        source = self._input.new_source(self, to_pandas(X), device)
        shape = self._input.shape if isinstance(self._input, ImageInput) else (self.n_features_in_,)
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

    def training_rows(self) -> TrainingRows:
        check_is_fitted(self, "net_")
        predicted = self._network_proba.argmax(1)
        return TrainingRows(
            given=self._given,
            corrected=self._corrected,
            predicted=predicted,
            predicted_proba=self._network_proba[np.arange(len(predicted)), predicted],
            evidence=self._evidence,
            index=self._index,
            predicted_by="network",
            network_proba=self._network_proba,
        )

    def training_features(self) -> np.ndarray | None:
        check_is_fitted(self, "net_")
        return self._features

    def _write_state(self, writer: Any) -> dict[str, Any]:
        return write_classifier(writer, self.get_params(deep=False), vars(self))

    def export_onnx(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write network and preprocessing as an ONNX model that takes raw rows.

        Its input ``X`` has any number of rows: float32 of shape (n, n_features) for tables;
        images in the layout that fit got, float32 where fit got floating-point numbers, uint8
        where it got bytes, int32 where it got other whole numbers. Its outputs are
        ``probabilities``, float32 of shape (n, n_classes), and ``features``, float32 of shape
        (n, d). The class labels stand in the metadata under ``classes``, as a JSON list in the
        order of the columns.

        Parameters
        ----------
        path : str or Path
            The file appears there when it is whole.
        overwrite : bool, default=False
            Replace an existing file.

        Raises
        ------
        FileExistsError
            If the file exists and `overwrite` is False.
        MissingExtraError
            If the extra ``onnx`` is not installed.
        TypeError
            For class labels that JSON cannot represent.
        """
        check_is_fitted(self, "net_")
        from nllearn.classifiers._onnx import write_onnx

        name = type(self).__name__
        write_onnx(path, self.net_.module_, self._input, self.classes_, name, overwrite=overwrite)

    # -- the stages of fit

    def _fit_network(
        self,
        X: Any,
        labels: GivenLabels,
        drawn: int,
        group: ProcessGroup | None,
    ) -> tuple[dict[str, Any], float]:
        """Train, and estimate the posterior; also returns when that began."""
        device, saves = resolve_device(self.device), self.checkpoint_dir is not None
        weight, parts = labels.weight, {}
        if saves or group is not None:
            parts = fingerprint(self, X, labels)
            parts["label model"] = "features and table" if is_input_used(X) else "features"
        if group is not None:
            # Without a number each process draws a seed of its own.
            known = isinstance(self.random_state, numbers.Integral)
            run = {"checkpoint_dir": str(saves), "random_state": str(drawn if known else None)}
            group.check_same(parts | run)
            device, drawn = group.place(device), group.broadcast_object(lambda: drawn)
        checkpoints = Checkpoints(self.checkpoint_dir, group)
        seed = checkpoints.seed(drawn, self.random_state)
        if saves:
            checkpoints.check(parts, seed)

        self._input = self._open_input(X, weight > 0)
        with fork_torch_seed(seed, device), explain_memory(device, self._input.is_image):
            state = SampleState.start(
                torch.from_numpy(labels.codes.astype(np.int64)).to(device),
                len(self.classes_),
                torch.from_numpy(labels.loss_weight).to(device),
                torch.from_numpy(weight).to(device),
                torch.from_numpy(labels.trusted).to(device),
                None if labels.targets is None else torch.from_numpy(labels.targets).to(device),
            )
            self._batch_size = resolve_batch_size(
                self.batch_size, int((weight > 0).sum()), self._defaults.most_rows_per_batch
            )
            loop = open_loop(
                self,
                self._input.source(X, device),
                state,
                self._batch_size,
                self._defaults,
                seed,
                correct=self._correct,
                batch_loss=self._batch_loss,
                input_rows=InputRows(X, weight) if is_input_used(X) else None,
                annotators=labels.of_annotators(),
            )
            loop.group = group
            self.net_, self.backbone_, self.resolved_params_ = build_net(
                self, loop, self._batch_size, self._defaults, is_image=self._input.is_image
            )
            self._build_components(loop)
            for role in ("selector", "hallucinator", "neighbors"):
                if hasattr(self, f"{role}_"):
                    component = self.resolved_params_[role] = getattr(self, f"{role}_")
                    setattr(loop, role, component)
            loop.n_jobs, loop.is_small_step = self.n_jobs, self._is_small_step(loop)
            with self._sharing(group):
                with torch_state(self.n_jobs, is_small=loop.is_small_step) as n_threads:
                    self.resolved_params_["n_jobs"] = n_threads
                    checkpoints.run(self.net_, loop)
                start = time.perf_counter()
                fitted = loop.finish(self.net_)
        if group is not None:
            # Processes on unlike machines may round differently: broadcast rank 0's result.
            fitted = group.broadcast_object(lambda: fitted)
        return fitted, start

    def _is_small_step(self, loop: FitLoop) -> bool:
        """Whether a step of training gains nothing from several threads."""
        rows = self._batch_size
        return row_work(self.net_.module, tuple(loop.sample.shape[1:])) * rows < LEAST_STEP

    @contextmanager
    def _sharing(self, group: ProcessGroup | None) -> Iterator[None]:
        """Share training and neighbour search among the processes, during the fit alone."""
        if group is None:
            yield
            return
        search = self.neighbors_ if isinstance(self.neighbors_, ExactNeighbors) else None
        self.net_.join(group)
        if search is not None:
            search.share_with(group)
        try:
            yield
        finally:
            self.net_.leave()
            if search is not None:
                search.share_with(None)

    # -- before training

    @abstractmethod
    def _constraints(self) -> dict[str, list[Any]]:
        """Constraints of the parameters that the method adds."""

    @abstractmethod
    def _build_components(self, loop: FitLoop) -> None:
        """Set ``selector_`` and the method's other components."""

    @abstractmethod
    def _correct(
        self, bank: FeatureBank, selection: Selection, loop: FitLoop
    ) -> dict[str, torch.Tensor]:
        """From features and selection to what :meth:`SampleState.update` takes."""

    @abstractmethod
    def _batch_loss(
        self, net: NoisyLabelNet, x: torch.Tensor, rows: torch.Tensor, loop: FitLoop
    ) -> torch.Tensor:
        """Loss of a batch after the warm-up."""

    def _open_input(self, X: Any, seen: np.ndarray) -> TableInput | ImageInput:
        """Preprocessing of the rows, fitted to the rows of weight above zero."""
        if isinstance(X, np.ndarray):
            self._defaults = table_defaults()
            self.image_shape_: tuple[int, ...] | None = None
            return TableInput(X, seen)
        self._defaults = image_defaults()
        workers = (self.net_params or {}).get("iterator_train__num_workers")
        opened = ImageInput(X, seen, self.image_layout, self.decode_size, workers)
        self.image_shape_ = opened.array_shape
        return opened

    # -- after training

    def _set_fitted(self, fitted: dict[str, Any], index: Any, labels: GivenLabels) -> None:
        """Set the fitted attributes."""
        estimates = fitted.pop("annotators")
        for name, value in fitted.items():
            setattr(self, name, value)
        annotators = None
        if labels.annotators is not None:
            annotators = fitted_annotators(labels.annotators, estimates)
        set_annotators(self, annotators, labels.weight)
        self.corrected_labels_ = self.classes_[self._corrected]
        warn_of_lost_classes(self.classes_, self._given, self._corrected, stacklevel=3)
        if len(self.classes_) > 1:
            warn_of_doubt(self.has_signal_, self.n_undecided_, len(self._given), stacklevel=3)
        self._index = index
        self.history_ = [
            {key: value for key, value in row.items() if key != "batches"}
            for row in self.net_.history
        ]
        self.n_iter_ = len(self.history_)
        if isinstance(self.neighbors_, BaseNeighbors):
            # The rows that it searched are twice the size of all that fit keeps of them.
            self.neighbors_.release()
