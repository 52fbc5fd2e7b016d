"""Training: the trainer, sessions of ticks, and run folders."""

from limner.training.config import TrainConfig
from limner.training.run import Run, load
from limner.training.trainer import NotFinite, Trainer

__all__ = ["NotFinite", "Run", "TrainConfig", "Trainer", "load"]
