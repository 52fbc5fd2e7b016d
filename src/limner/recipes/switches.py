"""Settings written as text: 'name=value', or 'name' alone for the value that switches an option on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from limner.errors import LimnerError, nearest
from limner.models.base import Model
from limner.training.config import TrainConfig

# the training settings that may be varied like a model's options
TRAINING: tuple[str, ...] = (
    "batch", "clip", "ema_half_life", "precision", "warmup", "lr_drops", "lr_drop",
)  # fmt: skip
NUMBERS: dict[Any, str] = {int: "a whole number", float: "a number"}
TRUTH_VALUES = {"true": True, "false": False}


def setting_types(cls: type[Model]) -> dict[str, Any]:
    """The type of every setting that may be varied: the model's options, then those of training."""
    options = {name: field.annotation for name, field in cls.Options.model_fields.items()}
    training = {name: TrainConfig.model_fields[name].annotation for name in TRAINING if name not in options}
    return options | training


def parse_text(name: str, annotation: Any, text: str) -> Any:
    """The value that `text` means for the setting `name` of type `annotation`.

    Numbers of a tuple are joined by x, as in 128x256, words by +; 'none' is None, or the empty tuple.
    Raises LimnerError for a text that is no value of this type; bounds are not checked here.
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return parse_text(name, parts[0], text)
    if origin in (Union, UnionType):
        if NoneType in parts and text.lower() == "none":
            return None
        return parse_text(name, next(part for part in parts if part is not NoneType), text)
    if origin is tuple:
        separator = "x" if _without_bounds(parts[0]) in NUMBERS else "+"
        words = [] if text.lower() == "none" else text.split(separator)
        return tuple(parse_text(name, parts[0], word) for word in words)
    if origin is Literal:
        return _choose(name, {str(value): value for value in parts}, text)
    if annotation is bool:
        return _choose(name, TRUTH_VALUES, text.lower())
    if annotation not in NUMBERS:
        return text
    try:
        return annotation(text)
    except ValueError:
        raise LimnerError(f"{name} must be {NUMBERS[annotation]}, not '{text}'") from None


def _without_bounds(annotation: Any) -> Any:
    """The type in an Annotated type."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _choose(name: str, choices: Mapping[str, Any], text: str) -> Any:
    """The value in `choices` that is written as `text`."""
    if text not in choices:
        raise LimnerError(f"{name} cannot be '{text}': {nearest(text, choices)}")
    return choices[text]


def parse_assignments(text: str) -> dict[str, str]:
    """The texts by name in 'name=value,name=value'; LimnerError for a part without a value."""
    assignments: dict[str, str] = {}
    for part in re.findall(r"[^,\s]+", text):
        name, equals, value = part.partition("=")
        if not equals:
            raise LimnerError(f"'{part}' sets nothing: write NAME=VALUE")
        assignments[name] = value
    return assignments


def parse_settings(cls: type[Model], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, texts parsed by the setting's type; LimnerError for an unknown name."""
    types = setting_types(cls)
    for name in settings:
        if name not in types:
            raise LimnerError(f"{cls.__name__} has no option '{name}': {nearest(name, types)}")
    return {
        name: parse_text(name, types[name], value) if isinstance(value, str) else value
        for name, value in settings.items()
    }


def parse_switches(
    cls: type[Model], vary: str | Sequence[str] | Mapping[str, Any], base: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The settings that each switch changes, by the switch's name 'option=value'.

    vary: texts, in a list or joined by commas, or values by option.  A text is 'option=value', or 'option'
    alone: then the value is the one in the model's `switches`, else the other of two possible values.
    Raises LimnerError for an unknown option or value, a value that base has, or a switch named twice.
    """
    if isinstance(vary, str):
        vary = re.findall(r"[^,\s]+", vary)
    pairs = vary.items() if isinstance(vary, Mapping) else [_parse_switch(cls, text, base) for text in vary]
    if not pairs:
        raise LimnerError(f"nothing to vary: name options of {cls.__name__}, {', '.join(setting_types(cls))}")
    switches: dict[str, dict[str, Any]] = {}
    for option, value in pairs:
        changed = parse_settings(cls, {option: value})
        name = switch_name(option, changed[option])
        if as_list(changed[option]) == as_list(base[option]):
            raise LimnerError(f"{name} is what base has already: give {option} another value")
        if name in switches:
            raise LimnerError(f"{name} is named twice in what to vary: name it once")
        switches[name] = changed
    return switches


def _parse_switch(cls: type[Model], text: str, base: Mapping[str, Any]) -> tuple[str, Any]:
    """The option of a text and the value to try for it."""
    option, equals, value = text.partition("=")
    parse_settings(cls, {option: None})  # report a wrong name before a missing value
    if equals:
        return option, value
    if option in cls.switches:
        return option, cls.switches[option]
    values = _all_values(setting_types(cls)[option])
    others = [other for other in values if other != base[option]]
    if len(others) == 1 and len(values) == 2:
        return option, others[0]
    choices = f", one of {', '.join(map(str, others))}" if others else ""
    raise LimnerError(f"{option} is {as_text(base[option])}; write what to try: {option}=VALUE{choices}")


def _all_values(annotation: Any) -> tuple[Any, ...]:
    """All values of a type with few: of bool or a Literal, with or without None; else none."""
    parts = get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return next((_all_values(part) for part in parts if part is not NoneType), ())
    if annotation is bool:
        return True, False
    return parts if get_origin(annotation) is Literal else ()


def as_list(value: Any) -> Any:
    """A tuple as a list, so that both compare equal."""
    return list(value) if isinstance(value, tuple) else value


def as_text(value: Any) -> str:
    """A value as `parse_text` reads it."""
    if isinstance(value, tuple | list):
        separator = "x" if all(isinstance(item, int | float) for item in value) else "+"
        return separator.join(map(str, value)) or "none"
    return str(value)


def switch_name(option: str, value: Any) -> str:
    """'option=value', with characters that a folder's name may have."""
    return re.sub(r"[^\w.+=-]", "_", f"{option}={as_text(value)}")
