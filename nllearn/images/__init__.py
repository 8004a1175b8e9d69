"""Images: arrays, files and Datasets, read by row number and standardised per channel."""

from nllearn.images._decode import decode_image, decode_images, image_size, is_path_like_column
from nllearn.images._layout import LAYOUTS, resolve_layout
from nllearn.images._paths import (
    IMAGE_SUFFIXES,
    existing_path,
    images_below,
    is_image,
    list_images,
)
from nllearn.images._records import (
    ArrayRecords,
    DatasetRecords,
    ImageRecords,
    PathRecords,
    dataset_labels,
)
from nllearn.images._scale import ChannelScale, PreparedImages, to_channels_first

__all__ = [
    "IMAGE_SUFFIXES",
    "LAYOUTS",
    "ArrayRecords",
    "ChannelScale",
    "DatasetRecords",
    "ImageRecords",
    "PathRecords",
    "PreparedImages",
    "dataset_labels",
    "decode_image",
    "decode_images",
    "existing_path",
    "image_size",
    "images_below",
    "is_image",
    "is_path_like_column",
    "list_images",
    "resolve_layout",
    "to_channels_first",
]
