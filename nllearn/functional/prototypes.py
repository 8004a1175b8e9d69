"""Rows of the transition matrix as class prototypes: which class fits shares of given labels best.

Where noise prefers some wrong labels, the given labels around a row of class k are spread as
row k of the transition matrix T gives: that row is the prototype of the class. The largest share
alone may mislead. Of rows of class 1 under pair flips 60 percent are given 1 and 40 percent 2,
of class 2 60 percent 2 and 40 percent 3: the third share tells them apart.
"""

from __future__ import annotations

import torch

__all__ = ["class_prototypes", "identity_prototypes", "prototype_fit"]

# Below this difference of a right and a wrong label's probability T is not used.
_LEAST_CONTRAST = 0.05


def class_prototypes(transition: torch.Tensor) -> torch.Tensor:
    r"""Linear map from shares of given labels to how well each class fits them.

    For shares v and the prototype :math:`T_k` of class k the fit is

    .. math:: \frac{v \cdot T_k - b}{a}

    The best class is the one that overlaps most, not the one of the nearest prototype: it does
    not depend on how much each class was estimated to lose. The symmetric matrix
    :math:`a I + b` of the same mean rate sets the units: under symmetric noise the map
    changes nothing.

    Parameters
    ----------
    transition : Tensor of shape (n_classes, n_classes)
        ``T[k, j] = P(given j | true k)``.

    Returns
    -------
    prototypes : float32 Tensor of shape (n_classes, n_classes)
        For :func:`prototype_fit`. Of a matrix that tells right from wrong by less than
        0.05 those that change nothing.

    Examples
    --------
    >>> import torch
    >>> from nllearn.functional.prototypes import prototype_fit, class_prototypes
    >>> flips = torch.tensor([[0.6, 0.4, 0.0], [0.0, 0.6, 0.4], [0.4, 0.0, 0.6]])
    >>> shares = torch.tensor([[0.48, 0.52, 0.0]])  # of class 0, by chance more 1 than 0
    >>> prototype_fit(shares, class_prototypes(flips)).argmax(1).tolist()
    [0]
    """
    n_classes = len(transition)
    rate = 1.0 - float(transition.diagonal().mean())
    floor = rate / max(n_classes - 1, 1)
    contrast = 1.0 - rate - floor
    if contrast < _LEAST_CONTRAST:
        return identity_prototypes(n_classes, transition.device)
    # One layout, so that a saved copy multiplies to the same bits.
    return ((transition.T - floor) / contrast).float().contiguous()


def identity_prototypes(n_classes: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Prototypes that change nothing.

    Parameters
    ----------
    n_classes : int
    device : torch.device or str, default="cpu"

    Returns
    -------
    prototypes : float32 Tensor of shape (n_classes, n_classes)
    """
    return torch.eye(n_classes, dtype=torch.float32, device=device)


def prototype_fit(shares: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
    """How well each class fits shares of given labels.

    Parameters
    ----------
    shares : float32 Tensor of shape (n, n_classes)
        Rows sum to about one.
    prototypes : float32 Tensor of shape (n_classes, n_classes)
        Of :func:`class_prototypes`.

    Returns
    -------
    fits : float32 Tensor of shape (n, n_classes)
        In the units of `shares`.
    """
    return shares @ prototypes
