"""Limner: generative models of images, from the autoencoder to the GAN.

>>> import limner
>>> run = limner.train("vae", data="digits", latent_dim=2, epochs=5)
>>> images = run.model.sample(16)  # (16, 1, 28, 28) in [-1, 1]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from limner.errors import LimnerError

if TYPE_CHECKING:
    from limner.data import load as load_data
    from limner.evaluation.evaluate import evaluate
    from limner.train_forecast import forecast
    from limner.train_run import train
    from limner.training import Run, TrainConfig, load

__all__ = [
    "LimnerError",
    "Run",
    "TrainConfig",
    "evaluate",
    "forecast",
    "list_datasets",
    "list_models",
    "load",
    "load_data",
    "train",
]

# name -> where it is; torch takes seconds to import, so nothing is imported before it is used
_PUBLIC = {
    "train": "limner.train_run:train",
    "forecast": "limner.train_forecast:forecast",
    "load": "limner.training:load",
    "Run": "limner.training:Run",
    "TrainConfig": "limner.training:TrainConfig",
    "evaluate": "limner.evaluation:evaluate",
    "load_data": "limner.data:load",
}
_MODULES = ("data", "doctor", "evaluation", "explore", "figures", "metrics", "models", "recipes", "training")


def list_models() -> list[str]:
    """The names of the models that `train` knows."""
    from limner.models import MODELS

    return list(MODELS)


def list_datasets() -> list[str]:
    """The names of the data sets that `train` knows; it takes paths too."""
    from limner.data import NAMED

    return list(NAMED)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("limner")
    if name in _PUBLIC:
        module, _, attribute = _PUBLIC[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    if name in _MODULES:
        return importlib.import_module(f"limner.{name}")
    raise AttributeError(f"module 'limner' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_MODULES])
