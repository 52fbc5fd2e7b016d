"""Named experiments: each trains, measures against a target, and leaves pictures and a verdict."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from limner.errors import LimnerError, nearest

if TYPE_CHECKING:
    from limner.recipes.report import Report

RECIPES: dict[str, str] = {
    "lab1-latent-sweep": "limner.recipes.lab1:latent_sweep",
    "lab2-random-vectors": "limner.recipes.lab2:random_vectors",
    "vae-static-mnist": "limner.recipes.likelihood:vae_static",
    "iwae-static-mnist": "limner.recipes.likelihood:iwae_static",
    "vae-paper": "limner.recipes.paper:learning_curves",
    "vae-manifold": "limner.recipes.manifold:manifolds",
    "gan-mnist": "limner.recipes.gan_mnist:digits",
}


def recipe(name: str) -> Callable[..., Report]:
    """The function behind a name in RECIPES: (out, *, quick, seed) -> Report."""
    if name not in RECIPES:
        raise LimnerError(f"no recipe called '{name}': {nearest(name, RECIPES)}")
    module, _, function = RECIPES[name].partition(":")
    return getattr(importlib.import_module(module), function)


def target(name: str) -> str:
    """What a recipe does and what it has to reach, in one line."""
    return (inspect.getdoc(recipe(name)) or "").splitlines()[0]


def reproduce(name: str, out: Path | None = None, *, quick: bool = False, seed: int = 0) -> Report:
    """Run a recipe and write its pictures and report.json into `out`, reproduced/NAME by default.

    A run in `out` that was stopped goes on; LimnerError where `out` has a finished report.  `quick` is a tiny
    version on the bundled digits that shows that everything works; no target applies to it.
    """
    run = recipe(name)
    out = out or Path("reproduced") / (f"{name}-quick" if quick else name)
    if (out / "report.json").exists():
        raise LimnerError(f"{out} has a finished report: choose another --out, or delete it")
    out.mkdir(parents=True, exist_ok=True)
    from limner.recipes.report import spent, write

    before, began = spent(out), time.monotonic()
    report = run(out, quick=quick, seed=seed)
    command = f"limner reproduce {name}" + " --quick" * quick + f" --seed {seed}" * (seed != 0)
    seconds = before + time.monotonic() - began
    report = dataclasses.replace(report, name=name, command=command, seed=seed, seconds=round(seconds, 1))
    write(out / "report.json", report)
    return report
