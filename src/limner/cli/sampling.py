"""Options of sampling and of decoding on the command line: `--set NAME=VALUE,...`."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from limner.errors import LimnerError, nearest

if TYPE_CHECKING:
    from limner.models.base import Model


def parse_sampling_options(model: type[Model], text: str) -> dict[str, Any]:
    """The options of sampling in 'name=value,...' by name, each of its own type.

    Raises LimnerError for an option that the model does not have, or a text that is no value of its type.
    """
    return _parse_options(model, text, model.sampling_options(), "sampling")


def parse_decoding_options(model: type[Model], text: str) -> dict[str, Any]:
    """The options of decoding in 'name=value,...', likewise."""
    return _parse_options(model, text, model.decoding_options(), "decoding")


def parse_moves(text: str) -> dict[str, float]:
    """The amounts by direction in 'smile=1.5,age=-2'; LimnerError for one that is no number."""
    from limner.recipes.switches import parse_assignments

    moves = {}
    for name, value in parse_assignments(text).items():
        try:
            moves[name] = float(value)
        except ValueError:
            raise LimnerError(f"--move {name} must be a number such as 1.5, not '{value}'") from None
    return moves


def _parse_options(
    model: type[Model], text: str, known: Mapping[str, Parameter], process: str
) -> dict[str, Any]:
    from limner.recipes.switches import parse_assignments, parse_text

    options: dict[str, Any] = {}
    for name, value in parse_assignments(text).items():
        if name not in known:
            hint = nearest(name, known) if known else "it has no options"
            raise LimnerError(f"{model.__name__} has no option of {process} '{name}': {hint}")
        options[name] = parse_text(name, known[name].annotation, value)
    return options
