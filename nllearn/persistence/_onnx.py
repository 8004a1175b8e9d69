"""The fitted network as an ONNX graph that takes raw rows."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from nllearn import __version__
from nllearn.classifiers._base import BaseNoisyLabelClassifier
from nllearn.classifiers._preprocessing import FARTHEST
from nllearn.exceptions import MissingExtraError
from nllearn.images import PreparedImages
from nllearn.persistence._container import replace_file

__all__ = ["export_onnx"]

# Number of the operators that the graph is written in.
_OPSET = 18


class _RawRows(nn.Module):
    """What ``predict_proba`` and ``embed`` do to raw rows, as one module on the CPU."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, network: nn.Module, opened: Any):
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float().eval()
        self.is_image = opened.is_image
        if opened.is_image:
            self._prepare = PreparedImages(opened._scale, _layout(opened), torch.device("cpu"))
        else:
            self.register_buffer("mean", torch.from_numpy(opened._scale.mean))
            self.register_buffer("scale", torch.from_numpy(opened._scale.scale))

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.is_image:
            ready = self._prepare(rows)
        else:
            # In float64 like fit: columns far from zero lose their digits otherwise.
            wide = (rows.double() - self.mean) / self.scale
            ready = wide.clamp(-FARTHEST, FARTHEST).float()
        logits, features = self.network(ready)
        return logits.float().softmax(1), features.float()


def _layout(opened: Any) -> str:
    """Layout of the images that fit got."""
    if len(opened.array_shape) == 2:
        return "grey"
    return "channels_first" if opened.array_shape == opened.shape else "channels_last"


def _sample(estimator: Any) -> torch.Tensor:
    """Two raw rows of the shape and dtype that the graph takes."""
    opened = estimator._input
    if not opened.is_image:
        return torch.zeros(2, estimator.n_features_in_, dtype=torch.float32)
    dtype = torch.uint8 if opened._is_bytes else torch.int32
    if opened._is_float:
        dtype = torch.float32
    return torch.zeros((2, *opened.array_shape), dtype=dtype)


def export_onnx(
    estimator: BaseNoisyLabelClassifier, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write the fitted network as an ONNX file that takes raw rows.

    The graph standardises the rows itself. Its input ``X`` has any number of rows:
    float32 of shape (n, n_features) for tables; images in the layout that fit got,
    float32 where fit got floating-point numbers, uint8 where it got bytes, int32 where it
    got other whole numbers. Its outputs are ``probabilities``, float32 of shape
    (n, n_classes), and ``features``, float32 of shape (n, d). The class labels stand in
    the metadata under ``classes``, as a JSON list in the order of the columns.

    Needs the extra ``onnx``.

    Parameters
    ----------
    estimator : AnchorHallucinationClassifier or MixNNClassifier
        Fitted.
    path : str or path
        The file appears there when it is whole.
    overwrite : bool, default=False
        Whether a file that is there may be replaced.

    Raises
    ------
    FileExistsError
        If there is a file and `overwrite` is False.
    MissingExtraError
        Without onnx and onnxscript.
    TypeError
        For another estimator, or for class labels that JSON does not know.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from nllearn import MixNNClassifier
    >>> from nllearn.persistence import export_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MixNNClassifier(max_epochs=3, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(clf, Path(folder) / "iris.onnx")
    """
    if not isinstance(estimator, BaseNoisyLabelClassifier):
        raise TypeError(f"estimator is a {type(estimator).__name__}, not a classifier of nllearn")
    check_is_fitted(estimator, "net_")
    labels = _labels(estimator.classes_)
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("export_onnx needs onnx: pip install 'nllearn[onnx]'") from error

    def write(temporary: Path) -> None:
        program = torch.onnx.export(
            _RawRows(estimator.net_.module_, estimator._input).eval(),
            (_sample(estimator),),
            dynamo=True,
            verbose=False,
            opset_version=_OPSET,
            input_names=["X"],
            output_names=["probabilities", "features"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
        assert program is not None
        program.model.metadata_props.update(
            {
                "classes": labels,
                "estimator": type(estimator).__name__,
                "nllearn_version": __version__,
            }
        )
        program.save(str(temporary), external_data=False)

    replace_file(Path(path), write, overwrite=overwrite)


def _labels(classes: np.ndarray) -> str:
    """Class labels as a JSON list."""
    try:
        return json.dumps(classes.tolist(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"classes_ of dtype {classes.dtype} cannot be written as JSON; fit on text or numbers"
        ) from error
