"""The models: one file per system, one line each in this table."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from limner.errors import LimnerError, nearest

if TYPE_CHECKING:
    from limner.models.base import Model

MODELS: dict[str, str] = {
    "autoencoder": "limner.models.autoencoder:Autoencoder",
    "conv-autoencoder": "limner.models.conv_autoencoder:ConvAutoencoder",
    "vae": "limner.models.vae:VAE",
    "gan": "limner.models.gan:GAN",
}


def model_class(name: str) -> type[Model]:
    """The class behind a name in MODELS, or behind 'module:Class' for a model of the user's own."""
    path = MODELS.get(name, name)
    module, _, attribute = path.partition(":")
    if not attribute:
        raise LimnerError(f"no model called '{name}': {nearest(name, MODELS)}")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise LimnerError(f"no model at '{name}': {error}") from None
    return found


def options(cls: type[Model]) -> dict[str, inspect.Parameter]:
    """A model's options: the keyword arguments of its constructor, by name."""
    parameters = inspect.signature(cls.__init__, eval_str=True).parameters
    return {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}


def resolve(cls: type[Model], preset: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """All of a model's options: the defaults, then the preset's, then those given by name."""
    known = options(cls)
    for name in given:
        if name not in known:
            raise LimnerError(f"{cls.__name__} has no option '{name}': {nearest(name, known)}")
    if preset is not None and preset not in cls.presets:
        have = nearest(preset, cls.presets) if cls.presets else "it has no presets"
        raise LimnerError(f"{cls.__name__} has no preset '{preset}': {have}")
    chosen = cls.presets[preset] if preset else {}
    return {name: p.default for name, p in known.items()} | chosen | given


def create(name: str, shape: tuple[int, int, int], preset: str | None = None, **given: Any) -> Model:
    """A new model for images of `shape` (C, H, W), its weights drawn from torch's current random state."""
    cls = model_class(name)
    return cls(shape, **resolve(cls, preset, given))
