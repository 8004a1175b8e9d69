"""What both methods share around the training loop."""

from nllearn.training._batches import DeviceBatches, Rows
from nllearn.training._checkpoint import CheckpointFolder
from nllearn.training._distributed import LostProcessError, ProcessGroup, process_group
from nllearn.training._image_views import ImageViews, make_image_views
from nllearn.training._inference import FeatureBank, collect, predict_logits
from nllearn.training._lr_schedules import CosineAnnealing, StepDecay, WarmRestarts
from nllearn.training._memory import explain_memory
from nllearn.training._net import NoisyLabelNet
from nllearn.training._sample_state import SampleState
from nllearn.training._schedule import Schedule, resolve_batch_size, resolve_schedule
from nllearn.training._seeding import fork_torch_seed, seed_for, stream
from nllearn.training._sources import ArraySource, RecordSource, Source, TensorSource
from nllearn.training._synced_layers import SyncedLayers
from nllearn.training._views import TableViews, make_views

__all__ = [
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
    "collect",
    "explain_memory",
    "fork_torch_seed",
    "make_image_views",
    "make_views",
    "predict_logits",
    "process_group",
    "resolve_batch_size",
    "resolve_schedule",
    "seed_for",
    "stream",
]
