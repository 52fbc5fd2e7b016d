"""Training: the trainer, run folders and what happens between them."""

from limner.training.fit import train
from limner.training.run import Run, load
from limner.training.trainer import Trainer

__all__ = ["Run", "Trainer", "load", "train"]
