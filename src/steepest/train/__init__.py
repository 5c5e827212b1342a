"""Training: the Trainer, metrics, callbacks, checkpoints and weight files."""

from steepest.train.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    JSONLinesLogger,
    LearningRateSchedule,
)
from steepest.train.checkpoint import Checkpoint, CheckpointStore, CheckpointWarning
from steepest.train.faults import Fault, TrainingFaultError
from steepest.train.history import History
from steepest.train.metrics import METRICS, Metric, compute, compute_all
from steepest.train.progress import BarProgress, LineProgress, Progress
from steepest.train.pytorch_files import read_pytorch
from steepest.train.source import Batch
from steepest.train.trainer import Trainer
from steepest.train.weights import load, save

__all__ = [
    "METRICS",
    "BarProgress",
    "Batch",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "CheckpointStore",
    "CheckpointWarning",
    "EarlyStopping",
    "Fault",
    "History",
    "JSONLinesLogger",
    "LearningRateSchedule",
    "LineProgress",
    "Metric",
    "Progress",
    "Trainer",
    "TrainingFaultError",
    "compute",
    "compute_all",
    "load",
    "read_pytorch",
    "save",
]
