"""The lines that end a training session on a terminal: what came out, and what is worth typing next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from limner.explore.abilities import NEEDS
from limner.models.abilities import abilities
from limner.models.base import Model
from limner.training.display import describe_health, leading_measures
from limner.training.folders import RUNS
from limner.training.pace import clock
from limner.training.run import Run

# measures of a line of the log whose best value is worth knowing -> their name, and the best of them
RANKED = {
    "validation/loss": ("validation loss", min),
    "held_out/bound": ("held-out bound", max),
    "held_out/elbo": ("held-out elbo", max),
    "held_out/mse": ("held-out mse", min),
    "doctor/distance": ("distance of samples to the data", min),
}
LOOKS = (
    "translate",
    "edit",
    "sample",
    "reconstruct",
)  # verbs that show what a model is for; the first it has
INPUTS = {"translate": " IMAGES", "edit": " IMAGE"}  # what such a verb reads besides the run


def summarise(
    run: Run, model: Model, log: Sequence[dict[str, Any]], images: tuple[int, int], stored: str
) -> list[str]:
    """The last measures, the doctor's word, best and last, and the next two commands.

    images: those seen, and those that the run was to see.  `stored`: which weights the run keeps.
    """
    seen, total = images
    name = shlex.quote(run.name if run.path.parent == RUNS else str(run.path))
    done = f"{seen:,} images" if seen >= total else f"{seen:,} of {total:,} images"
    last = log[-1] if log else {}
    time = f" in {clock(last['seconds'])}, {last['images_per_second']:,.0f}/s at the end" if log else ""
    lines = [f"{run.name}: {done}{time}"]
    if measures := [f"{name} {value:.4g}" for name, value in list(leading_measures(last).items())[:3]]:
        lines.append(f"  last      {'  '.join(measures)}")
    lines += [f"  best      {text}" for text in describe_best(log)]
    lines.append(f"  weights   {stored}")
    if "troubles" in last:
        lines.append(f"  doctor    {describe_health(last)}")
    commands = look_commands(name, model)
    if seen < total:
        commands.insert(0, f"limner train {run.config.model} --resume --out {shlex.quote(str(run.path))}")
    if last.get("troubles"):
        commands.insert(0, f"limner doctor {name}")
    return [*lines, f"  next      {commands[0]}", f"            {commands[1]}"]


def describe_best(log: Sequence[dict[str, Any]]) -> list[str]:
    """The best value of each RANKED measure, where it came, and the last one where that is another."""
    texts = []
    for key, (name, best) in RANKED.items():
        values = [(line[key], line["images"]) for line in log if key in line]
        if len(values) < 2:
            continue
        value, images = best(values, key=lambda pair: pair[0])
        last = "the last" if images == values[-1][1] else f"the last is {values[-1][0]:.4g}"
        texts.append(f"{name} {value:.4g} at {images:,} images, {last}")
    return texts


def look_commands(name: str, model: Model) -> list[str]:
    """The command that shows what the model is for, and the one that measures it."""
    known = set(abilities(model))
    verb = next((verb for verb in LOOKS if known >= set(NEEDS[verb])), "timeline")
    return [f"limner {verb} {name}{INPUTS.get(verb, '')}", f"limner evaluate {name} --quick"]
