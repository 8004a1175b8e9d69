"""The network for tables and embeddings."""

from __future__ import annotations

import torch
from sklearn.base import BaseEstimator
from torch import nn

from nllearn.networks._dropout import Dropout

__all__ = ["MLP", "MLPBackbone"]


class MLP(nn.Module):
    """Multi-layer perceptron that also returns its last hidden layer.

    Parameters
    ----------
    n_features : int
        Width of the input.
    n_classes : int
        Number of logits.
    hidden_units : int, default=256
        Width of every hidden layer.
    n_layers : int, default=1
        Number of hidden layers.
    dropout : float, default=0.5
        Dropout behind every hidden layer, in [0, 1).
    input_dropout : float, default=0.2
        Dropout on the input, in [0, 1).

    Examples
    --------
    >>> import torch
    >>> from nllearn.networks import MLP
    >>> logits, features = MLP(4, 3)(torch.zeros(5, 4))
    >>> logits.shape, features.shape
    (torch.Size([5, 3]), torch.Size([5, 256]))
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        *,
        hidden_units: int = 256,
        n_layers: int = 1,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
    ):
        super().__init__()
        layers: list[nn.Module] = [Dropout(input_dropout)]
        width = n_features
        for _ in range(n_layers):
            linear = nn.Linear(width, hidden_units, dtype=torch.float32)
            layers += [linear, nn.ReLU(), Dropout(dropout)]
            width = hidden_units
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, n_classes, dtype=torch.float32)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and last hidden layer of every row.

        Parameters
        ----------
        x : float32 Tensor of shape (n, n_features)
            Standardised rows.

        Returns
        -------
        logits : Tensor of shape (n, n_classes)
        features : Tensor of shape (n, hidden_units)
        """
        features = self.body(x)
        return self.head(features), features


class MLPBackbone(BaseEstimator):
    """Settings of the network for tables; builds it once the data are known.

    Parameters
    ----------
    hidden_units : int, default=256
        Width of every hidden layer.
    n_layers : int, default=1
        Number of hidden layers, at least 1.
    dropout : float, default=0.5
        Dropout behind every hidden layer, in [0, 1).
    input_dropout : float, default=0.2
        Dropout on the input, in [0, 1).

    Examples
    --------
    >>> from nllearn import MixNNClassifier
    >>> from nllearn.networks import MLPBackbone
    >>> clf = MixNNClassifier(backbone=MLPBackbone(hidden_units=64))
    >>> clf.set_params(backbone__dropout=0.3).backbone.dropout
    0.3
    """

    def __init__(
        self,
        hidden_units: int = 256,
        n_layers: int = 1,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
    ):
        self.hidden_units = hidden_units
        self.n_layers = n_layers
        self.dropout = dropout
        self.input_dropout = input_dropout

    def build(self, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """Build the network.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one row, ``(n_features,)``.
        n_classes : int
            Number of logits.

        Returns
        -------
        module : MLP

        Raises
        ------
        ValueError
            For a width or depth below 1, or a dropout outside [0, 1).
        """
        for name in ("hidden_units", "n_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)!r} must be at least 1")
        for name in ("dropout", "input_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name}={getattr(self, name)!r} must be in [0, 1)")
        return MLP(
            input_shape[0],
            n_classes,
            hidden_units=self.hidden_units,
            n_layers=self.n_layers,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
        )
