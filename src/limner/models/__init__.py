"""The models: one file per system, one line each in this table."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from limner.errors import LimnerError, nearest

if TYPE_CHECKING:
    from limner.models.base import Model
    from limner.settings import Settings

MODELS: dict[str, str] = {
    "autoencoder": "limner.models.autoencoder:Autoencoder",
    "conv-autoencoder": "limner.models.conv_autoencoder:ConvAutoencoder",
    "vae": "limner.models.vae:VAE",
    "gan": "limner.models.gan:GAN",
    "dcgan": "limner.models.dcgan:DCGAN",
    "cgan": "limner.models.cgan:CGAN",
    "cyclegan": "limner.models.cyclegan:CycleGAN",
    "caae": "limner.models.caae:CAAE",
    "stylegan": "limner.models.stylegan:StyleGAN",
}


def model_class(name: str) -> type[Model]:
    """The class behind a name in MODELS, or behind 'module:Class' for a model outside the package."""
    path = MODELS.get(name, name)
    module, _, attribute = path.partition(":")
    if not attribute:
        raise LimnerError(f"no model called '{name}': {nearest(name, MODELS)}")
    if name not in MODELS and "" not in sys.path:
        sys.path.append("")  # the module may lie in the current folder
    try:
        cls = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        raise LimnerError(f"no model at '{name}': {error}") from None
    from limner.models.base import Model

    if not (isinstance(cls, type) and issubclass(cls, Model)):
        raise LimnerError(f"'{name}' is no model: it must be a class that inherits limner.models.base.Model")
    return cls


def preset_values(cls: type[Model], preset: str | None) -> dict[str, Any]:
    """What a preset sets, of the model and of training; LimnerError for an unknown one."""
    if preset is None:
        return {}
    if not isinstance(preset, str) or preset not in cls.presets:
        choices = nearest(str(preset), cls.presets) if cls.presets else "it has no presets"
        raise LimnerError(f"{cls.__name__} has no preset '{preset}': {choices}")
    return dict(cls.presets[preset])


def model_options(cls: type[Model], preset: str | None, values: Mapping[str, Any]) -> Settings:
    """All of a model's options: the defaults, then the preset's, then `values`."""
    known = cls.Options.model_fields
    from_preset = {name: value for name, value in preset_values(cls, preset).items() if name in known}
    return cls.Options.parse(from_preset | dict(values))


def create(name: str, shape: tuple[int, int, int], preset: str | None = None, **options: Any) -> Model:
    """A new model for images of `shape` (C, H, W), its weights drawn from torch's current random state."""
    cls = model_class(name)
    return cls(shape, model_options(cls, preset, options))
