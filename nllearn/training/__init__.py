"""What both methods share around the training loop."""

from nllearn._views import (
    COLOUR_CHANGES,
    ImageViews,
    TableViews,
    affine,
    crop,
    cutout,
    draw_affine,
    flip,
    make_image_views,
    make_views,
)
from nllearn.networks._lr_schedules import CosineAnnealing, StepDecay, WarmRestarts
from nllearn.training._batches import DeviceBatches, Rows
from nllearn.training._checkpoint_files import CheckpointFolder
from nllearn.training._distributed import LostProcessError, ProcessGroup, process_group
from nllearn.training._free_memory import free_bytes
from nllearn.training._inference import FeatureBank, collect, predict_logits
from nllearn.training._memory import explain_memory
from nllearn.training._net import NoisyLabelNet
from nllearn.training._sample_state import SampleState
from nllearn.training._schedule import Schedule, resolve_batch_size, resolve_schedule
from nllearn.training._seeding import fork_torch_seed, seed_for, stream
from nllearn.training._sources import ArraySource, RecordSource, Source, TensorSource
from nllearn.training._synced_layers import SyncedLayers

__all__ = [
    "COLOUR_CHANGES",
    "ArraySource",
    "CheckpointFolder",
    "CosineAnnealing",
    "DeviceBatches",
    "FeatureBank",
    "ImageViews",
    "LostProcessError",
    "NoisyLabelNet",
    "ProcessGroup",
    "RecordSource",
    "Rows",
    "SampleState",
    "Schedule",
    "Source",
    "StepDecay",
    "SyncedLayers",
    "TableViews",
    "TensorSource",
    "WarmRestarts",
    "affine",
    "collect",
    "crop",
    "cutout",
    "draw_affine",
    "explain_memory",
    "flip",
    "fork_torch_seed",
    "free_bytes",
    "make_image_views",
    "make_views",
    "predict_logits",
    "process_group",
    "resolve_batch_size",
    "resolve_schedule",
    "seed_for",
    "stream",
]
