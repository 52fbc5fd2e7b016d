"""Limner: generative models of images, from the autoencoder to the GAN.

>>> import limner
>>> run = limner.train("vae", data="digits", latent_dim=2, epochs=5)
>>> images = run.model.sample(16)  # (16, 1, 28, 28) in [-1, 1]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from limner.errors import LimnerError

if TYPE_CHECKING:
    from limner.data import load as load_data
    from limner.training import Run, load, train

__all__ = ["LimnerError", "Run", "list_datasets", "list_models", "load", "load_data", "train"]


def list_models() -> list[str]:
    """The names of the models that `train` knows."""
    from limner.models import MODELS

    return list(MODELS)


def list_datasets() -> list[str]:
    """The names of the data sets that `train` knows; it takes paths too."""
    from limner.data import NAMED

    return list(NAMED)


# torch takes seconds to import, so nothing here does before it is used.
_HOME = {"train": "limner.training", "load": "limner.training", "Run": "limner.training"}


def __getattr__(name: str) -> Any:
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("limner")
    if name == "load_data":
        return importlib.import_module("limner.data").load
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in ("explore", "figures"):
        return importlib.import_module(f"limner.{name}")
    raise AttributeError(f"module 'limner' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "explore", "figures"])
