"""The default network for images on a CPU."""

from __future__ import annotations

import torch
from sklearn.base import BaseEstimator
from torch import nn

__all__ = ["SmallBackbone", "SmallNet"]

# The first layer has a stride where the shorter side would be nearer to this with one.
_WORK_SIDE = 32
_MAX_STRIDE = 4


class SmallNet(nn.Module):
    """Plain convolutional network with the best accuracy per second of CPU time.

    A first convolution, three blocks that halve the sides and double the width, the mean
    over all places, and a linear head. Every block is convolution, 2x2 maximum,
    batch normalisation, ReLU, convolution, batch normalisation, ReLU; the maximum comes
    first, so that the normalisation works on a quarter of the values.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one image, ``(C, H, W)``; sides of at least 2. From 48 pixels on the
        first convolution has a stride, up to 4, which brings the shorter side to about 32.
    n_classes : int
        Number of logits.
    width : int, default=32
        Width of the first block; features are four times as wide.

    Examples
    --------
    >>> import torch
    >>> from nllearn.networks import SmallNet
    >>> logits, features = SmallNet((3, 32, 32), 10)(torch.zeros(5, 3, 32, 32))
    >>> logits.shape, features.shape
    (torch.Size([5, 10]), torch.Size([5, 128]))
    """

    def __init__(self, input_shape: tuple[int, ...], n_classes: int, *, width: int = 32):
        super().__init__()
        channels, *sides = input_shape
        stride = min(_MAX_STRIDE, max(1, round(min(sides) / _WORK_SIDE)))
        # Windows that overlap by one pixel, 2x2 at stride 1, and no border: measured better
        # than 3x3 with one.
        before = max(1, 3 * width // 4)
        layers: list[nn.Module] = [
            nn.Conv2d(channels, before, stride + 1, stride=stride, dtype=torch.float32),
            nn.ReLU(inplace=True),
        ]
        sides = [(side - 1) // stride for side in sides]
        for after in (width, 2 * width, 4 * width):
            # A side of one pixel is not halved again.
            halved = [2 if side > 1 else 1 for side in sides]
            sides = [side // by for side, by in zip(sides, halved, strict=True)]
            layers += [
                nn.Conv2d(before, after, 3, padding=1, bias=False, dtype=torch.float32),
                nn.MaxPool2d((halved[0], halved[1])),
                nn.BatchNorm2d(after, dtype=torch.float32),
                nn.ReLU(inplace=True),
                nn.Conv2d(after, after, 3, padding=1, bias=False, dtype=torch.float32),
                nn.BatchNorm2d(after, dtype=torch.float32),
                nn.ReLU(inplace=True),
            ]
            before = after
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(before, n_classes, dtype=torch.float32)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and pooled features of every image.

        Parameters
        ----------
        x : float32 Tensor of shape (n, C, H, W)
            Standardised images.

        Returns
        -------
        logits : Tensor of shape (n, n_classes)
        features : Tensor of shape (n, 4 * width)
        """
        features = self.body(x).mean((2, 3))
        return self.head(features), features


class SmallBackbone(BaseEstimator):
    """Settings of the small network for images; builds it once the data are known.

    Parameters
    ----------
    width : int, default=32
        Width of the first block, at least 1; features are four times as wide, and the
        time grows with its square.

    Examples
    --------
    >>> from nllearn import MixNNClassifier
    >>> from nllearn.networks import SmallBackbone
    >>> clf = MixNNClassifier(backbone=SmallBackbone(width=64))
    >>> clf.set_params(backbone__width=48).backbone.width
    48
    """

    def __init__(self, width: int = 32):
        self.width = width

    def build(self, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """Build the network.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one image, ``(C, H, W)``.
        n_classes : int
            Number of logits.

        Returns
        -------
        module : SmallNet

        Raises
        ------
        ValueError
            For a width below 1, rows that are no images, or images of one pixel.
        """
        if self.width < 1:
            raise ValueError(f"width={self.width!r} must be at least 1")
        if len(input_shape) != 3:
            raise ValueError(
                f"SmallBackbone needs images (C, H, W), but one row has shape "
                f"{tuple(input_shape)}; use MLPBackbone for tables"
            )
        if min(input_shape[1:]) < 2:
            raise ValueError(
                f"images of {input_shape[1]}x{input_shape[2]} pixels are too small for "
                "SmallBackbone, which needs 2 on both sides; pass them as rows of a table"
            )
        return SmallNet(input_shape, n_classes, width=self.width)
