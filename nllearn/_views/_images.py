"""Random views of a batch of images: crop, flip, affine map, colour change and cutout."""

from __future__ import annotations

import math

import torch
from sklearn.base import BaseEstimator
from torch.nn import functional as F

from nllearn._views._checked import View, checked_view

__all__ = [
    "COLOUR_CHANGES",
    "ImageViews",
    "affine",
    "crop",
    "cutout",
    "flip",
    "make_image_views",
]

# Ranges at strength 1, those of RandAugment where it has them.
_MAX_ANGLE = math.pi / 6
_MAX_SHEAR = 0.3
_MAX_SHIFT = 0.3
_MAX_CONTRAST = 0.9


class ImageViews(BaseEstimator):
    """Random views of standardised images, drawn for every image on its own.

    In this order, each step when it is switched on: a crop behind reflected borders, a
    mirror image with probability one half, one affine map (one or two of rotation, shear
    and shift), one colour change of `COLOUR_CHANGES`, and a square set to zero, which is
    the mean of standardised channels.

    Parameters
    ----------
    pad : int or None, default=None
        Largest shift of the crop in pixels, at least 0, and cut to the side minus one.
        None takes an eighth of each side, at least 1: 4 at 32 pixels.
    flip : bool, default=True
        Mirror left and right. Switch it off where that changes the class, as for digits.
    policy : float, default=0.0
        Strength of the affine map and of the colour change, in [0, 1]; 0 does neither.
        At 1 images turn by up to 30 degrees, are sheared and shifted by up to 0.3, and
        colours change as much as in RandAugment.
    cutout : float, default=0.0
        Largest side of the zero square, as a share of the shorter side, in [0, 1]; each
        image draws between half of it and all of it.

    Examples
    --------
    >>> import torch
    >>> from nllearn.training import ImageViews
    >>> digits = ImageViews(flip=False, policy=0.3)
    >>> digits(torch.zeros(5, 1, 8, 8), torch.Generator().manual_seed(0)).shape
    torch.Size([5, 1, 8, 8])
    """

    def __init__(
        self,
        pad: int | None = None,
        flip: bool = True,
        policy: float = 0.0,
        cutout: float = 0.0,
    ):
        self.pad = pad
        self.flip = flip
        self.policy = policy
        self.cutout = cutout
        self._check()

    def _check(self) -> None:
        """Refuse what is out of range: when made, and when used after ``set_params``."""
        if self.pad is not None and self.pad < 0:
            raise ValueError(f"pad={self.pad!r} must be None or at least 0")
        for name, value in (("policy", self.policy), ("cutout", self.cutout)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}={value!r} must be in [0, 1]")

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return a new view of the batch; `x` is not changed.

        Parameters
        ----------
        x : float32 or bfloat16 Tensor of shape (n, C, H, W)
            Mean 0 and standard deviation 1 per channel, on any device.
        generator : torch.Generator
            On the CPU; one number is drawn.

        Returns
        -------
        view : Tensor
            Of the shape, dtype, device and memory format of `x`.

        Raises
        ------
        ValueError
            If `x` is no batch of images, or a parameter that was set since is out of range.
        """
        self._check()
        if x.dim() != 4:
            raise ValueError(
                f"image views need a batch of shape (n, C, H, W), got {tuple(x.shape)}; "
                "use augmentation=None or a function of your own"
            )
        # One draw on the CPU seeds the device's own stream: cheap, and the same anywhere.
        seed = int(torch.randint(2**62, (1,), generator=generator))
        local = torch.Generator(x.device).manual_seed(seed)
        n, _, height, width = x.shape
        if n == 0:
            return x.clone()

        def draw(*shape: int) -> torch.Tensor:
            return torch.rand(*shape, generator=local, dtype=torch.float32, device=x.device)

        pads = [
            min(side - 1, max(1, side // 8) if self.pad is None else self.pad)
            for side in (height, width)
        ]
        view = x
        if max(pads):
            top, left = (
                torch.randint(2 * pad + 1, (n,), generator=local, device=x.device) for pad in pads
            )
            view = crop(view, top, left, pads[0], pads[1])
        if self.flip:
            view = flip(view, draw(n) < 0.5)
        if self.policy:
            view = affine(view, *draw_affine(draw(5, n), self.policy))
            view = _change_colours(view, draw(2, n), self.policy, seed)
        if self.cutout:
            u = draw(3, n)
            side = self.cutout * min(height, width) * (1.0 + u[0]) / 2.0
            view = cutout(view, u[1] * height, u[2] * width, side)
        return view.clone() if view is x else view.contiguous(memory_format=_layout(x))


def _layout(x: torch.Tensor) -> torch.memory_format:
    """Memory format of a batch; a batch that has both, such as one channel, keeps the plain."""
    if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
        return torch.contiguous_format
    return torch.channels_last


def crop(
    x: torch.Tensor, top: torch.Tensor, left: torch.Tensor, pad_y: int, pad_x: int
) -> torch.Tensor:
    """Cut a window of the image's own size out of the image with reflected borders.

    Parameters
    ----------
    x : Tensor of shape (n, C, H, W)
    top, left : int64 Tensor of shape (n,)
        First row and column of the window in the padded image, in [0, 2 pad].
    pad_y, pad_x : int
        Width of the borders above and below, left and right; less than H and W.

    Returns
    -------
    view : Tensor of shape (n, C, H, W)
    """
    height, width = x.shape[2:]
    padded = F.pad(x, (pad_x, pad_x, pad_y, pad_y), mode="reflect")
    # A view of all windows; indexing copies the chosen ones alone.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(len(x), device=x.device), :, top, left]


def flip(x: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """Mirror some images left and right.

    Parameters
    ----------
    x : Tensor of shape (n, C, H, W)
    mirrored : bool Tensor of shape (n,)

    Returns
    -------
    view : Tensor of shape (n, C, H, W)
    """
    return torch.where(mirrored[:, None, None, None], x.flip(3), x)


def draw_affine(u: torch.Tensor, policy: float) -> tuple[torch.Tensor, ...]:
    """Turn uniform numbers of shape (5, n) into the five magnitudes of `affine`.

    One of the five is switched on, and with probability one half a second one.
    """
    first = (u[0] * 5).long().clamp_(max=4)
    # 1 to 4 places further on: another one than the first.
    second = (first + 1 + (u[1] * 4).long().clamp_(max=3)) % 5
    kinds = torch.arange(5, device=u.device)[:, None]
    on = (kinds == first) | ((kinds == second) & (u[2] < 0.5))
    strength = torch.where(kinds == first, u[3], u[4]) * 2.0 - 1.0
    # Filled on the device: a list of numbers would have to be copied there.
    ranges = torch.empty((5, 1), dtype=torch.float32, device=u.device)
    ranges[0].fill_(_MAX_ANGLE)
    ranges[1:3].fill_(_MAX_SHEAR)
    ranges[3:].fill_(_MAX_SHIFT)
    return tuple((on * strength * (policy * ranges)).unbind())


def affine(
    x: torch.Tensor,
    angle: torch.Tensor,
    shear_x: torch.Tensor,
    shear_y: torch.Tensor,
    shift_x: torch.Tensor,
    shift_y: torch.Tensor,
) -> torch.Tensor:
    r"""Rotate, shear and shift every image about its centre, with zeros from outside.

    The pixel at :math:`p`, counted from the centre, is read by bilinear interpolation at

    .. math::
        \begin{pmatrix} \cos a & -\sin a \\ \sin a & \cos a \end{pmatrix}
        \begin{pmatrix} 1 & s_x \\ s_y & 1 \end{pmatrix} p
        + \begin{pmatrix} t_x W \\ t_y H \end{pmatrix}

    Parameters
    ----------
    x : Tensor of shape (n, C, H, W)
    angle : float32 Tensor of shape (n,)
        a, in radians.
    shear_x, shear_y : float32 Tensor of shape (n,)
        :math:`s_x` and :math:`s_y`, pixels per pixel.
    shift_x, shift_y : float32 Tensor of shape (n,)
        :math:`t_x` and :math:`t_y`, as shares of the width and the height.

    Returns
    -------
    view : Tensor of shape (n, C, H, W)
    """
    height, width = x.shape[2:]
    cos, sin = angle.cos(), angle.sin()
    # affine_grid counts from -1 to 1 along both sides, hence the ratios.
    ratio = height / width
    rows = (
        torch.stack([cos - sin * shear_y, (cos * shear_x - sin) * ratio, 2.0 * shift_x], 1),
        torch.stack([(sin + cos * shear_y) / ratio, sin * shear_x + cos, 2.0 * shift_y], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), [*x.shape], align_corners=False)
    # The CPU's kernel has no bfloat16; half precision of the places would shift pixels.
    view = F.grid_sample(x.float(), grid, padding_mode="zeros", align_corners=False)
    return view.to(x.dtype)


def _brightness(x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """Add `s`: up to one standard deviation."""
    return x + s


def _contrast(x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """Pull the image towards its mean, or push it away."""
    mean = x.mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, x, 1.0 + _MAX_CONTRAST * s)


def _saturation(x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """Pull the channels towards their mean, or push them away; one channel stays."""
    return torch.lerp(x.mean(1, keepdim=True), x, 1.0 + _MAX_CONTRAST * s)


def _solarize(x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """Mirror the brightest values: those within the share `|s|` of the image's range."""
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return torch.where(x > high - s.abs() * (high - low), low + high - x, x)


def _posterize(x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """Round to 4 to 16 levels between the image's lowest and highest value."""
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    # An image of one value has no steps; any step keeps it.
    step = (high - low).clamp_min(1e-6) / (torch.exp2(4.0 - 2.0 * s.abs()).round() - 1.0)
    return low + ((x - low) / step).round() * step


def _blur(x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """Mix the image with its mean over 3x3 pixels, in the share `|s|`."""
    smooth = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    return torch.lerp(x, smooth, s.abs())


# Name -> function of images (n, C, H, W) and strengths (n, 1, 1, 1) in [-1, 1].
COLOUR_CHANGES = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "solarize": _solarize,
    "posterize": _posterize,
    "blur": _blur,
}


def _change_colours(x: torch.Tensor, u: torch.Tensor, policy: float, offset: int) -> torch.Tensor:
    """Apply one colour change to every image, `x` is overwritten.

    The images are dealt to the changes in a random order, so that the sizes of the
    groups are known: masks would make a GPU wait.
    """
    changes = list(COLOUR_CHANGES.values())
    order = u[0].argsort()
    strength = ((2.0 * u[1] - 1.0) * policy).to(x.dtype)[:, None, None, None]
    for start in range(min(len(changes), len(x))):
        rows = order[start :: len(changes)]
        x[rows] = changes[(start + offset) % len(changes)](x[rows], strength[rows])
    return x


def cutout(
    x: torch.Tensor, center_y: torch.Tensor, center_x: torch.Tensor, side: torch.Tensor
) -> torch.Tensor:
    """Set a square to zero; what lies outside of the image is cut off.

    Parameters
    ----------
    x : Tensor of shape (n, C, H, W)
    center_y, center_x, side : float32 Tensor of shape (n,)
        In pixels; pixel i reaches from i to i + 1 and counts when its middle is inside.

    Returns
    -------
    view : Tensor of shape (n, C, H, W)
    """

    def near(length: int, center: torch.Tensor) -> torch.Tensor:
        middle = torch.arange(length, dtype=torch.float32, device=x.device) + 0.5
        return (middle - center[:, None]).abs() * 2.0 < side[:, None]

    square = near(x.shape[2], center_y)[:, :, None] & near(x.shape[3], center_x)[:, None, :]
    return x.masked_fill(square[:, None], 0.0)


_STRENGTHS = {"weak": ImageViews(), "strong": ImageViews(policy=0.7, cutout=0.5)}


def make_image_views(augmentation: str | View | None) -> View | None:
    """Turn the parameter `augmentation` into a function ``(x, generator) -> x`` of images.

    Parameters
    ----------
    augmentation : {"weak", "strong"}, callable or None

    Returns
    -------
    view : callable or None
        None means that images are used as they are.
    """
    return checked_view(augmentation, _STRENGTHS)
