"""The file of a fitted estimator: container, values, checksums. It imports no estimator."""

from nllearn.file_format._allowed import component_classes, optimizer_classes
from nllearn.file_format._attributes import (
    check_array,
    check_codes,
    find_device,
    read_attributes,
    read_row_index,
    write_attributes,
    write_resolved,
    write_row_index,
)
from nllearn.file_format._container import (
    FORMAT_VERSION,
    read_container,
    replace_file,
    seal,
    write_container,
)
from nllearn.file_format._dataclasses import read_dataclass, write_dataclass
from nllearn.file_format._values import Reader, Writer

__all__ = [
    "FORMAT_VERSION",
    "Reader",
    "Writer",
    "check_array",
    "check_codes",
    "component_classes",
    "find_device",
    "optimizer_classes",
    "read_attributes",
    "read_container",
    "read_dataclass",
    "read_row_index",
    "replace_file",
    "seal",
    "write_attributes",
    "write_container",
    "write_dataclass",
    "write_resolved",
    "write_row_index",
]
