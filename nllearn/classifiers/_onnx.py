"""The fitted network as an ONNX graph that takes raw rows."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nllearn import __version__
from nllearn.classifiers._image_input import ImageInput
from nllearn.classifiers._preprocessing import FARTHEST, TableInput
from nllearn.exceptions import MissingExtraError
from nllearn.file_format import replace_file

__all__ = ["write_onnx"]

# Number of the operators that the graph is written in.
_OPSET = 18


class _RawRows(nn.Module):
    """What ``predict_proba`` and ``embed`` do to raw rows, as one module on the CPU."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, network: nn.Module, opened: TableInput | ImageInput):
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float().eval()
        self.is_image = opened.is_image
        if isinstance(opened, ImageInput):
            self._prepare = opened.prepare(_layout(opened), torch.device("cpu"))
        else:
            for name, value in opened.moments.items():
                self.register_buffer(name, torch.from_numpy(value))

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.is_image:
            ready = self._prepare(rows)
        else:
            # In float64 like fit: columns far from zero lose their digits otherwise.
            wide = (rows.double() - self.mean) / self.scale
            ready = wide.clamp(-FARTHEST, FARTHEST).float()
        logits, features = self.network(ready)
        return logits.float().softmax(1), features.float()


def _layout(opened: ImageInput) -> str:
    """Layout of the images that fit got."""
    if len(opened.array_shape) == 2:
        return "grey"
    return "channels_first" if opened.array_shape == opened.shape else "channels_last"


def _sample(opened: TableInput | ImageInput) -> torch.Tensor:
    """Two raw rows of the shape and dtype that the graph takes."""
    if isinstance(opened, ImageInput):
        return torch.zeros((2, *opened.array_shape), dtype=opened.array_dtype)
    return torch.zeros(2, len(opened.moments["mean"]), dtype=torch.float32)


def write_onnx(
    path: str | os.PathLike[str],
    network: nn.Module,
    opened: TableInput | ImageInput,
    classes: np.ndarray,
    name: str,
    *,
    overwrite: bool,
) -> None:
    """Write a fitted network and its preprocessing as an ONNX file.

    Parameters
    ----------
    path : str or path
        The file appears there when it is whole.
    network : nn.Module
        Returns logits and features.
    opened : TableInput or ImageInput
        How rows reach the network.
    classes : ndarray of shape (n_classes,)
    name : str
        Class of the estimator, for the metadata.
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    FileExistsError
        If there is a file and `overwrite` is False.
    MissingExtraError
        Without onnx and onnxscript.
    TypeError
        For class labels that JSON cannot represent.
    """
    labels = _labels(classes)
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("export_onnx needs onnx: pip install 'nllearn[onnx]'") from error

    def write(temporary: Path) -> None:
        program = torch.onnx.export(
            _RawRows(network, opened).eval(),
            (_sample(opened),),
            dynamo=True,
            verbose=False,
            opset_version=_OPSET,
            input_names=["X"],
            output_names=["probabilities", "features"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
        assert program is not None
        program.model.metadata_props.update(
            {"classes": labels, "estimator": name, "nllearn_version": __version__}
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
