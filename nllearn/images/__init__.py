"""Images: arrays, files and Datasets, read by row number and standardised per channel."""

from nllearn.images._dataset_records import DatasetRecords, array_of, dataset_labels
from nllearn.images._decode import decode_images, image_size, is_path_like_column
from nllearn.images._fetched_records import FetchedRecords, PathRecords
from nllearn.images._layout import LAYOUTS, as_channels_first_shape, resolve_layout
from nllearn.images._paths import (
    IMAGE_SUFFIXES,
    existing_path,
    images_below,
    is_image,
    list_images,
)
from nllearn.images._pixels import pixels_of
from nllearn.images._records import ArrayRecords, ImageRecords
from nllearn.images._scale import ChannelStandardizer, PreparedImages, to_channels_first

__all__ = [
    "IMAGE_SUFFIXES",
    "LAYOUTS",
    "ArrayRecords",
    "ChannelStandardizer",
    "DatasetRecords",
    "FetchedRecords",
    "ImageRecords",
    "PathRecords",
    "PreparedImages",
    "array_of",
    "as_channels_first_shape",
    "dataset_labels",
    "decode_images",
    "existing_path",
    "image_size",
    "images_below",
    "is_image",
    "is_path_like_column",
    "list_images",
    "pixels_of",
    "resolve_layout",
    "to_channels_first",
]
