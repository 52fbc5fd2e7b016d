"""Options of sampling and of decoding: those that a run's model has, and the error message for another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from limner.errors import LimnerError, nearest
from limner.explore.abilities import describe_run
from limner.training import Run


def check_decoding_options(run: Run, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options of decoding that are not None; LimnerError for one that the run's model does not have."""
    return select_options(run, options or {}, type(run.model).decoding_options(), "decoding")


def select_options(
    run: Run, options: Mapping[str, Any], known: Collection[str], process: str
) -> dict[str, Any]:
    """The options that are not None; LimnerError for one that is not `known`, the options of a `process`."""
    selected = {name: value for name, value in options.items() if value is not None}
    for name in selected:
        if name not in known:
            hint = nearest(name, known) if known else "it has no options"
            raise LimnerError(f"{describe_run(run)}: its {process} has no option '{name}': {hint}")
    return selected
