"""Classes of settings as command-line forms: tyro parses the words, the settings check the values.

A form is a dataclass with an inner dataclass for each box of the help; its flags have no prefixes.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import tyro
from pydantic.fields import FieldInfo

from limner.settings import Settings

METAVARS: dict[Any, str] = {int: "N", float: "X", str: "TEXT", Path: "PATH"}


@dataclass(frozen=True)
class Metavar:
    """How the help shows a value, where its type does not say it: Annotated[str, Metavar("DEVICE")]."""

    text: str


@dataclass(frozen=True)
class Box:
    """Settings that stand together in the help: the box's name, its first line, and its fields by flag."""

    name: str
    title: str
    fields: Mapping[str, FieldInfo]

    @classmethod
    def of(cls, name: str, *settings: type[Settings]) -> Box:
        """A box with all settings of some classes; its title is the first one's."""
        fields = {key: field for group in settings for key, field in group.model_fields.items()}
        return cls(name, title_of(settings[0]), fields)


def option_flags(options: type[Settings], taken: Collection[str]) -> dict[str, str]:
    """The flag of each option of a model: its name, or model.NAME where the name is among `taken`."""
    return {name: f"model.{name}" if name in taken else name for name in options.model_fields}


def option_boxes(options: type[Settings], taken: Collection[str]) -> list[Box]:
    """A box for each class that declares options of a model, the model's own class first."""
    flags = option_flags(options, taken)
    return [
        Box(
            "model" if declaring is options else name_of(declaring),
            title_of(declaring),
            {flags[name]: options.model_fields[name] for name in names},
        )
        for declaring, names in options.groups().items()
    ]


def name_of(settings: type[Settings]) -> str:
    """The name of a box: 'game' for GameOptions, 'DCGAN' for DCGAN.Options."""
    owner = settings.__qualname__.rpartition(".")[0]
    return owner or settings.__name__.removesuffix("Options").lower()


def title_of(settings: type[Settings]) -> str:
    """The first line of a class's docstring."""
    return inspect.cleandoc(settings.__doc__ or "").partition("\n")[0].rstrip(".")


def form(boxes: Sequence[Box], defaults: Mapping[str, Any], description: str) -> type:
    """A dataclass for tyro to fill; its help shows `defaults`, by flag."""
    fields: list[Any] = []
    for number, box in enumerate(boxes):
        arguments = [argument(flag, field, defaults) for flag, field in box.fields.items()]
        inner = dataclasses.make_dataclass(f"Box{number}", arguments, kw_only=True)
        title = "" if box.title.lower() == box.name else box.title
        settings = tyro.conf.arg(name=box.name, help=title, constructor=inner)
        fields.append((f"box{number}", Annotated[Any, settings], dataclasses.field(default_factory=inner)))
    outer = dataclasses.make_dataclass("Form", fields, kw_only=True)
    outer.__doc__ = description
    return outer


def argument(flag: str, field: FieldInfo, defaults: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """The field of an inner dataclass: its name, annotation and default."""
    default = defaults.get(flag, field.get_default(call_default_factory=True))
    texts = [item.text for item in field.metadata if isinstance(item, Metavar)]
    settings = tyro.conf.arg(
        name=flag,
        help=" ".join((field.description or "").split()),
        metavar=texts[0] if texts else metavar(field.annotation),
        help_behavior_hint=default_hint(default),
    )
    kind: Any = field.annotation
    attribute = flag.replace(".", "__")
    return (
        attribute,
        Annotated[kind, *field.metadata, settings],
        dataclasses.field(default_factory=lambda: default),
    )


def default_hint(default: Any) -> str | None:
    """What the help says of a default; None leaves it to tyro."""
    if default is None or default is False:
        return ""
    return "(default: none)" if default == () else None


def metavar(annotation: Any) -> str | None:
    """How the help shows a value of this type; None leaves it to tyro."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return metavar(parts[0])
    if origin in (Union, UnionType):
        return metavar(next(part for part in parts if part is not NoneType))
    if origin is Literal:
        return "{" + ",".join(map(str, parts)) + "}"
    if origin is tuple:
        return f"{metavar(parts[0])} ..."
    return METAVARS.get(annotation)


def flag_values(form: Any, words: Sequence[str]) -> dict[str, Any]:
    """The values of a form by flag, only of flags on the command line: a resumed run keeps the rest."""
    written = {word.partition("=")[0][2:].replace("-", "_") for word in words if word.startswith("--")}
    values: dict[str, Any] = {}
    for box in dataclasses.fields(form):
        for name, value in vars(getattr(form, box.name)).items():
            flag = name.replace("__", ".")
            if flag in written or f"no_{flag}" in written:
                values[flag] = value
    return values
