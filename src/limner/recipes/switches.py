"""Options written as text: 'name=value', or 'name' for the value that switches it on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from limner.errors import LimnerError, nearest
from limner.models import options
from limner.models.base import Model
from limner.training.trainer import Precision

# settings of training that may be given like a model's options, and their types
TRAINING: dict[str, Any] = {
    "batch": int, "clip": float | None, "ema_half_life": float, "precision": Precision,
}  # fmt: skip
WORDS: dict[Any, str] = {int: "a whole number", float: "a number"}
TRUTH = {"true": True, "false": False}


def kinds(cls: type[Model]) -> dict[str, Any]:
    """The type of everything that may be varied."""
    return {name: parameter.annotation for name, parameter in options(cls).items()} | TRAINING


def typed(cls: type[Model], given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name with what is text read as the option's type; LimnerError for an unknown name."""
    known = kinds(cls)
    for name in given:
        if name not in known:
            raise LimnerError(f"{cls.__name__} has no option '{name}': {nearest(name, known)}")
    return {n: read(n, known[n], value) if isinstance(value, str) else value for n, value in given.items()}


def given(cls: type[Model], text: str) -> dict[str, Any]:
    """Settings from 'name=value,...'; LimnerError for what is none."""
    found = dict[str, str]()
    for part in re.findall(r"[^,\s]+", text):
        name, equals, found[name] = part.partition("=")
        if not equals:
            raise LimnerError(f"'{part}' sets nothing: write NAME=VALUE")
    return typed(cls, found)


def switched(
    cls: type[Model], vary: str | Sequence[str] | Mapping[str, Any], base: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What each switch changes of base, by its name 'option=value'; texts may be joined by commas.

    A text is 'option=value', or 'option' for the value in the model's `switches`, else for one of two values
    the other.  LimnerError for an unknown option or value, one that base has, or one given twice.
    """
    if isinstance(vary, str):
        vary = re.findall(r"[^,\s]+", vary)
    pairs = list(vary.items()) if isinstance(vary, Mapping) else [pair(cls, text, base) for text in vary]
    if not pairs:
        raise LimnerError(f"nothing to vary: name options of {cls.__name__}, {', '.join(kinds(cls))}")
    found: dict[str, dict[str, Any]] = {}
    for option, value in pairs:
        changed = typed(cls, {option: value})
        name = named(option, changed[option])
        if as_list(changed[option]) == as_list(base[option]):
            raise LimnerError(f"{name} is what base has already: give {option} another value")
        if name in found:
            raise LimnerError(f"{name} is to be varied twice: once is enough")
        found[name] = changed
    return found


def pair(cls: type[Model], text: str, base: Mapping[str, Any]) -> tuple[str, Any]:
    """The option of a text and its value, the one that switches it where none is written."""
    option, equals, value = text.partition("=")
    typed(cls, {option: None})  # a wrong name is told first
    if equals:
        return option, value
    if option in cls.switches:
        return option, cls.switches[option]
    kind = kinds(cls)[option]
    values = (True, False) if kind is bool else get_args(kind) if get_origin(kind) is Literal else ()
    others = [one for one in values if one != base[option]]
    if len(others) == 1 and len(values) == 2:
        return option, others[0]
    among = f", of {', '.join(map(str, others))}" if others else ""
    raise LimnerError(
        f"{option} is {as_text(base[option])} and nothing tells what else to try: {option}=VALUE{among}"
    )


def read(name: str, kind: Any, text: str) -> Any:
    """The value that a text means for an option of that type; LimnerError where it means none.

    Numbers of a list are joined by x, as 128x256, words by +; 'none' is None, or the empty list.
    """
    parts = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        if NoneType in parts and text.lower() == "none":
            return None
        return read(name, next(part for part in parts if part is not NoneType), text)
    if get_origin(kind) is tuple:
        joint = "x" if parts[0] in WORDS else "+"
        return () if text == "none" else tuple(read(name, parts[0], part) for part in text.split(joint))
    choices = {str(one): one for one in parts} if get_origin(kind) is Literal else TRUTH
    if kind in WORDS or kind is str:
        try:
            return kind(text)
        except ValueError:
            raise LimnerError(f"{name} wants {WORDS[kind]}, not '{text}'") from None
    word = text.lower() if kind is bool else text
    if word not in choices:
        raise LimnerError(f"{name} cannot be '{text}': {nearest(text, choices)}")
    return choices[word]


def as_list(value: Any) -> Any:
    """A tuple as a list, so that both compare."""
    return list(value) if isinstance(value, tuple) else value


def as_text(value: Any) -> str:
    """A value as it is written for `read`."""
    if isinstance(value, tuple | list):
        joint = "x" if all(isinstance(one, int | float) for one in value) else "+"
        return joint.join(map(str, value)) or "none"
    return str(value)


def named(option: str, value: Any) -> str:
    """'option=value', fit for a folder's name."""
    return re.sub(r"[^\w.+=-]", "_", f"{option}={as_text(value)}")
