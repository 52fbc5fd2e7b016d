"""The models: one file per system, one line each in this table."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from limner.errors import LimnerError, nearest

if TYPE_CHECKING:
    from limner.models.base import Model

MODELS: dict[str, str] = {
    "autoencoder": "limner.models.autoencoder:Autoencoder",
    "conv-autoencoder": "limner.models.conv_autoencoder:ConvAutoencoder",
    "vae": "limner.models.vae:VAE",
    "gan": "limner.models.gan:GAN",
    "dcgan": "limner.models.dcgan:DCGAN",
    "cgan": "limner.models.cgan:CGAN",
}


def model_class(name: str) -> type[Model]:
    """The class behind a name in MODELS, or behind 'module:Class' for a model of the user's own."""
    path = MODELS.get(name, name)
    module, _, attribute = path.partition(":")
    if not attribute:
        raise LimnerError(f"no model called '{name}': {nearest(name, MODELS)}")
    if name not in MODELS and "" not in sys.path:
        sys.path.append("")  # a model of the user's own may lie in the current folder
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        raise LimnerError(f"no model at '{name}': {error}") from None
    from limner.models.base import Model

    if not (isinstance(found, type) and issubclass(found, Model)):
        raise LimnerError(f"'{name}' is no model: it must be a class that inherits limner.models.base.Model")
    return found


def options(cls: type[Model]) -> dict[str, inspect.Parameter]:
    """A model's options: its constructor's keyword arguments, and its parent's where it passes others on."""
    found: dict[str, inspect.Parameter] = {}
    for one in constructors(cls):
        parameters = inspect.signature(one.__init__, eval_str=True).parameters
        found = {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY} | found
    return found


def constructors(cls: type[Model]) -> Iterator[type[Model]]:
    """The class, and its ancestors as far as each passes **options on to the next."""
    for one in cls.__mro__:
        if "__init__" in vars(one):
            yield one
            if not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(one).parameters.values()):
                return


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
    defaults = {name: p.default for name, p in known.items()}
    settled = defaults | {name: value for name, value in chosen.items() if name in known} | given
    for name, value in settled.items():
        refuse_unknown(name, known[name].annotation, value)
    return settled


def refuse_unknown(name: str, kind: Any, value: Any) -> None:
    """LimnerError for a word that is not among those an option can be."""
    if get_origin(kind) is tuple:
        if not isinstance(value, tuple | list):
            raise LimnerError(f"{name} must be a tuple, not {value!r}: write ({value!r},)")
        for one in value:
            refuse_unknown(name, get_args(kind)[0], one)
    elif get_origin(kind) is Literal and value not in get_args(kind):
        raise LimnerError(f"{name} cannot be '{value}': {nearest(str(value), map(str, get_args(kind)))}")


def preset_batch(cls: type[Model], preset: str | None) -> int:
    """The batch size that a preset, or the model itself, asks for."""
    return cls.presets[preset].get("batch", cls.batch) if preset else cls.batch


def create(name: str, shape: tuple[int, int, int], preset: str | None = None, **given: Any) -> Model:
    """A new model for images of `shape` (C, H, W), its weights drawn from torch's current random state."""
    cls = model_class(name)
    return cls(shape, **resolve(cls, preset, given))
