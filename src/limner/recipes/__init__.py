"""Named experiments: each trains, compares measurements with a target, and writes pictures and a verdict."""

from __future__ import annotations

import dataclasses
import inspect
import time
from pathlib import Path
from typing import Protocol

from limner.errors import LimnerError, nearest
from limner.recipes import (
    gan_mnist,
    handwriting,
    lab1,
    lab2,
    likelihood,
    manifold,
    paper,
    strokes,
    style_mixing,
)
from limner.recipes.report import Report, training_seconds, write_report


class Recipe(Protocol):
    """An experiment: trains its runs in the folder `out` and measures them.

    `quick` is a tiny version on the bundled digits that shows that everything works; no target applies.
    """

    def __call__(self, out: Path, *, quick: bool = False, seed: int = 0) -> Report: ...


RECIPES: dict[str, Recipe] = {
    "lab1-latent-sweep": lab1.latent_sweep,
    "lab2-random-vectors": lab2.random_vectors,
    "vae-static-mnist": likelihood.vae_static,
    "vae-deep-static-mnist": likelihood.vae_deep,
    "vae-short-static-mnist": likelihood.vae_short,
    "iwae-static-mnist": likelihood.iwae_static,
    "vae-paper": paper.learning_curves,
    "vae-manifold": manifold.manifolds,
    "gan-mnist": gan_mnist.gan_digits,
    "caae-handwriting": handwriting.handwriting,
    "cyclegan-strokes": strokes.thick_digits,
    "stylegan-mnist": style_mixing.style_mixing,
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name in RECIPES; LimnerError for an unknown name."""
    if name not in RECIPES:
        raise LimnerError(f"no recipe called '{name}': {nearest(name, RECIPES)}")
    return RECIPES[name]


def target(name: str) -> str:
    """What a recipe does and what it has to reach, in one line."""
    return (inspect.getdoc(find_recipe(name)) or "").splitlines()[0]


def reproduce(name: str, out: Path | None = None, *, quick: bool = False, seed: int = 0) -> Report:
    """Run a recipe and write its pictures and report.json into `out`, by default reproduced/NAME.

    Interrupted runs in `out` are resumed; LimnerError where `out` has a complete report.
    """
    recipe = find_recipe(name)
    out = out or Path("reproduced") / (f"{name}-quick" if quick else name)
    if (out / "report.json").exists():
        raise LimnerError(f"{out} has a complete report: choose another --out, or delete it")
    out.mkdir(parents=True, exist_ok=True)
    seconds_before, start = training_seconds(out), time.monotonic()
    report = recipe(out, quick=quick, seed=seed)
    report = dataclasses.replace(
        report,
        name=name,
        command=shell_command(name, quick, seed),
        seed=seed,
        seconds=round(seconds_before + time.monotonic() - start, 1),
    )
    write_report(out / "report.json", report, target(name))
    return report


def shell_command(name: str, quick: bool, seed: int) -> str:
    """The command that runs a recipe with these settings."""
    words = ["limner", "reproduce", name]
    if quick:
        words.append("--quick")
    if seed:
        words += ["--seed", str(seed)]
    return " ".join(words)
