"""What both methods share around the training loop."""

from nllearn.training._batches import DeviceBatches, Rows
from nllearn.training._checkpoint import CheckpointFolder
from nllearn.training._collect import FeatureBank, collect, predict_logits
from nllearn.training._image_views import ImageViews, make_image_views
from nllearn.training._ledger import Ledger
from nllearn.training._lr_schedules import CosineAnnealing, StepDecay, WarmRestarts
from nllearn.training._memory import explain_memory
from nllearn.training._net import NoisyLabelNet
from nllearn.training._phases import Schedule, resolve_batch_size, resolve_schedule
from nllearn.training._seeding import fork_torch_seed, stream
from nllearn.training._sources import RecordSource, Source, TensorSource
from nllearn.training._views import TableViews, make_views

__all__ = [
    "CheckpointFolder",
    "CosineAnnealing",
    "DeviceBatches",
    "FeatureBank",
    "ImageViews",
    "Ledger",
    "NoisyLabelNet",
    "RecordSource",
    "Rows",
    "Schedule",
    "Source",
    "StepDecay",
    "TableViews",
    "TensorSource",
    "WarmRestarts",
    "collect",
    "explain_memory",
    "fork_torch_seed",
    "make_image_views",
    "make_views",
    "predict_logits",
    "resolve_batch_size",
    "resolve_schedule",
    "stream",
]
