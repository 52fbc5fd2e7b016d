"""A new run as the page asks for it: checked by the library's own settings, and written as a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field

from limner.data.arrays import MAX_SIDE, MIN_SIDE
from limner.errors import LimnerError, nearest
from limner.models import MODELS, model_class, model_options, preset_values
from limner.models.base import Model
from limner.recipes.switches import parse_text
from limner.settings import Settings
from limner.studio.sources import Sources
from limner.training.config import TrainConfig
from limner.training.folders import run_stem

FROM_DATA = ("classes", "channels_b")  # options that the data determine
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
LONGEST = 200  # characters of a value


class Shape(Settings):
    """The images' shape, as `limner train` takes it"""

    size: Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)] | None = None
    """side of the images; default: as they are, or 64 where they differ or exceed 128"""
    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for colour; default: as they are"""


class Plan(Settings):
    """What the page sends: names from its lists, and values as they were typed."""

    data: str = ""
    second: str = ""
    """domain B, where `data` is domain A"""
    model: str = ""
    preset: str = ""
    name: str = ""
    """of the run; default: the next number"""
    at_once: bool = False
    """do not wait in the queue"""
    shape: dict[str, str] = {}
    options: dict[str, str] = {}
    training: dict[str, str] = {}


class Draft:
    """A plan that was checked: `mistakes` by field, and the words of its command where there are none."""

    def __init__(self, plan: Plan, sources: Sources, root: Path) -> None:
        self.plan, self.root = plan, root
        self.mistakes: dict[str, str] = {}
        self.cls = self.find_model()
        self.preset = self.find_preset()
        self.shape = self.read("shape", Shape, plan.shape)
        self.training = self.read("training", TrainConfig, plan.training)
        self.options = self.read("option", self.cls.Options, plan.options) if self.cls else {}
        names = {"data": plan.data}
        if plan.second and self.cls is not None and self.cls.trains_on == "domains":
            names["second"] = plan.second
        self.values = [self.find_source(key, name, sources) for key, name in names.items()]
        self.path = root / self.find_name()

    def find_model(self) -> type[Model] | None:
        """The class of the model, one of the table: no other code is imported."""
        name = self.plan.model
        if name not in MODELS:
            self.mistakes["model"] = f"no model called '{name[:80]}': {nearest(name, MODELS)}"
            return None
        return model_class(name)

    def find_preset(self) -> dict[str, Any]:
        """What the preset sets."""
        try:
            return preset_values(self.cls, self.plan.preset or None) if self.cls else {}
        except LimnerError as error:
            self.mistakes["preset"] = str(error)
            return {}

    def find_source(self, key: str, name: str, sources: Sources) -> str:
        """What `--data` takes for a name in the list; '' for another."""
        try:
            return sources.find(name)
        except LimnerError as error:
            self.mistakes[key] = str(error)
            return ""

    def read(self, kind: str, settings: type[Settings], texts: Mapping[str, str]) -> dict[str, Any]:
        """The values of texts, each with its mistake where it has one; empty texts are defaults."""
        values: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for name, text in texts.items():
            field = settings.model_fields.get(name)
            try:
                values[name] = text if field is None else read_text(name, field.annotation, text)
            except LimnerError as error:
                wrong[name] = str(error)
        known = {name: value for name, value in self.preset.items() if name in settings.model_fields}
        wrong = settings.mistakes(known | values) | wrong
        self.mistakes |= {f"{kind}.{name}": text for name, text in wrong.items()}
        return values

    def find_name(self) -> str:
        """The name of the run's folder: the one that was asked for, or the next number."""
        name = self.plan.name
        if name and not NAME.fullmatch(name):
            self.mistakes["name"] = "a name has letters, digits, dots, dashes and underscores, at most 100"
        elif name and (self.root / name).exists():
            self.mistakes["name"] = f"there is a {name} already: choose another name"
        elif name:
            return name
        data = "-".join(re.sub(r"[^\w.-]+", "-", Path(value).stem) for value in self.values)
        stem = run_stem(self.plan.model, data)
        number = 1
        while (self.root / f"{stem}-{number:04d}").exists():
            number += 1
        return f"{stem}-{number:04d}"

    def words(self) -> list[str]:
        """The words after `limner`."""
        words = ["train", self.plan.model]
        words += ["--preset", self.plan.preset] if self.plan.preset else []
        both = len(self.values) == 2
        words += ["--data", *(f"{'AB'[i]}={value}" if both else value for i, value in enumerate(self.values))]
        for values in (self.shape, self.training, self.options):
            words += [word for name, value in values.items() for word in flag_words(name, value)]
        return [*words, "--out", str(self.path), *([] if self.plan.at_once else ["--queue"])]

    def check(self) -> None:
        """Raise LimnerError for the first mistake."""
        for text in self.mistakes.values():
            raise LimnerError(text)


def read_text(name: str, annotation: Any, text: str) -> Any:
    """The value that a typed text means; LimnerError for none.  Commas or blanks divide items."""
    if len(text) > LONGEST or not text.isprintable():
        raise LimnerError(f"{name} must be one line of at most {LONGEST} characters")
    if get_origin(annotation) is tuple:
        items = re.findall(r"[^,\s]+", text)
        if items == ["none"]:
            return ()
        return tuple(parse_text(name, get_args(annotation)[0], item) for item in items)
    return parse_text(name, annotation, text)


def flag_words(name: str, value: Any) -> list[str]:
    """A setting as the words of a command line."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, tuple):
        return [f"--{flag}", *map(str, value)]
    if isinstance(value, str) and value.startswith("-"):
        return [f"--{flag}={value}"]
    return [f"--{flag}", str(value)]


def describe_form(model: str, preset: str) -> dict[str, Any]:
    """The form of a model: its settings in groups, each with its JSON schema and the text of its default."""
    if model not in MODELS:
        raise LimnerError(f"no model called '{model[:80]}': {nearest(model, MODELS)}")
    cls = model_class(model)
    options = model_options(cls, preset or None, {})
    training = (
        {"batch": cls.batch, "images": cls.images} | dict(cls.settings) | preset_values(cls, preset or None)
    )
    groups = [
        {
            "title": (declaring.__doc__ or "").partition("\n")[0].rstrip("."),
            "fields": [name for name in names if name not in FROM_DATA],
        }
        for declaring, names in cls.Options.groups().items()
    ]
    return {
        "groups": groups,
        "options": fields(cls.Options, vars(options)),
        "training": fields(TrainConfig, training),
        "shape": fields(Shape, {}),
        "domains": cls.trains_on == "domains",
    }


def fields(settings: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """By name, the schema of each setting and the text of its default, where a value replaces it that one."""
    properties = settings.model_json_schema()["properties"]
    for name, schema in properties.items():
        default = values.get(name, settings.model_fields[name].default)
        schema["default"] = "" if default is None else default_text(default)
    return properties


def default_text(value: Any) -> str:
    """A value as `read_text` reads it."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
