"""Which runs may import a model from outside the package: those trained here, and those the user names."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from limner.data import cache
from limner.errors import LimnerError
from limner.models import MODELS

VARIABLE = "LIMNER_TRUST"  # models, module:Class, that any run may import; separated by commas


def is_trusted(folder: Path, model: str) -> bool:
    """Whether a run in this folder may import its model."""
    return (
        model in MODELS
        or ":" not in model  # nothing to import: `model_class` says that there is no such model
        or model in os.environ.get(VARIABLE, "").replace(" ", "").split(",")
        or (str(folder.resolve()), model) in _remembered()
    )


def check_trust(folder: Path, model: str) -> None:
    """Raise LimnerError where opening a run would import code that the user did not ask for."""
    if not is_trusted(folder, model):
        raise LimnerError(
            f"{folder} was not trained here, and opening it would run code from outside limner, '{model}': "
            f"if you trust it, set {VARIABLE}={model}, or call limner.load(..., trust=True)"
        )


def remember(folder: Path, model: str) -> None:
    """Remember that the run in this folder was trained here, with this model."""
    if model in MODELS or (str(folder.resolve()), model) in _remembered():
        return
    with contextlib.suppress(OSError):  # without a cache the user has to trust the run again
        _file().parent.mkdir(parents=True, exist_ok=True)
        with open(_file(), "a", encoding="utf-8") as file:
            file.write(json.dumps({"run": str(folder.resolve()), "model": model}) + "\n")


def _file() -> Path:
    return cache.root() / "trusted-runs.jsonl"


def _remembered() -> set[tuple[str, str]]:
    """Folders and models of the runs that were trained here."""
    try:
        lines = _file().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    known = set()
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, KeyError):  # a line cut short
            entry = json.loads(line)
            known.add((str(entry["run"]), str(entry["model"])))
    return known
