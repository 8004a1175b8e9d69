"""Random views of batches, for augmentation; public in `nllearn.training`."""

from nllearn._views._checked import View, checked_view
from nllearn._views._images import (
    COLOUR_CHANGES,
    ImageViews,
    affine,
    crop,
    cutout,
    draw_affine,
    flip,
    make_image_views,
)
from nllearn._views._tables import TableViews, make_views

__all__ = [
    "COLOUR_CHANGES",
    "ImageViews",
    "TableViews",
    "View",
    "affine",
    "checked_view",
    "crop",
    "cutout",
    "draw_affine",
    "flip",
    "make_image_views",
    "make_views",
]
