"""Options of sampling on the command line: `--set NAME=VALUE,...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from limner.errors import LimnerError, nearest

if TYPE_CHECKING:
    from limner.models.base import Model


def parse_sampling_options(model: type[Model], text: str) -> dict[str, Any]:
    """The options of sampling in 'name=value,...' by name, each of its own type.

    Raises LimnerError for an option that the model does not have, or a text that is no value of its type.
    """
    from limner.recipes.switches import parse_assignments, parse_text

    known = model.sampling_options()
    options: dict[str, Any] = {}
    for name, value in parse_assignments(text).items():
        if name not in known:
            raise LimnerError(f"{model.__name__} has no option of sampling '{name}': {nearest(name, known)}")
        options[name] = parse_text(name, known[name].annotation, value)
    return options
