"""A training that ends as soon as the doctor names a trouble."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

import limner
from limner.training.log import append_line


class Named(Exception):
    """The log names the trouble: there is no need to train further."""


def train_until_named(
    trouble: str, model: str, data: Any, out: Path, **settings: Any
) -> list[dict[str, Any]]:
    """The lines of the log, to the one that names the trouble or, where none does, to the end."""
    lines: list[dict[str, Any]] = []

    def append(path: Path, line: dict[str, Any]) -> None:
        append_line(path, line)
        lines.append(line)
        if trouble in line.get("troubles", []):
            raise Named

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Named):
        patch.setattr("limner.train_session.append_line", append)
        limner.train(model, data, out=out, **settings)
    return lines
