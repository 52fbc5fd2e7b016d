"""Damaged and hostile runs, read by every verb; a whole run beside them must stay usable."""

from __future__ import annotations

import contextlib
import functools
import pickle
from pathlib import Path
from random import Random

from safetensors import SafetensorError

from . import damages
from .failures import Failure, failures_of
from .process import MARKER, run
from .runs import Ground, copy_run, trained

NAME = "runs"
RUNS = ("autoencoder", "vae", "conv-autoencoder", "gan", "dcgan", "cgan")
BAD = "runs/bad"
# what a damage raises where an earlier one has left nothing to damage
NOTHING_LEFT = (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError)
NOTHING_LEFT += (pickle.UnpicklingError, SafetensorError)
OTHERS = 5  # verbs that read a damaged run, drawn at random besides those that always do
MEASURE = ["--quick", "--n", "64", "--k", "2", "--images", "20", "--quiet"]
LOOK = {
    "sample": ["sample", BAD, "--n", "4", "--quiet"],
    "reconstruct": ["reconstruct", BAD, "--n", "4", "--quiet"],
    "interpolate": ["interpolate", BAD, "--pairs", "1", "--steps", "3", "--quiet"],
    "traverse": ["traverse", BAD, "--dims", "2", "--steps", "3", "--quiet"],
    "manifold": ["manifold", BAD, "--steps", "3", "--quiet"],
    "map": ["map", BAD, "--method", "pca", "--n", "60", "--quiet"],
    "embed": ["embed", BAD, "--quiet"],
    "similar": ["similar", BAD, "0", "--n", "3", "--quiet"],
    "anomalies": ["anomalies", BAD, "--n", "4", "--quiet"],
    "doctor": ["doctor", BAD, "--quiet"],
    "evaluate": ["evaluate", BAD, *MEASURE],
    "compare": ["compare", BAD, "runs/whole", *MEASURE],
    "again": ["train", "--config", f"{BAD}/run.json", "--images", "64", "--out", "again", "--quiet"],
}


def attack(number: int, folder: Path, ground: Ground, rng: Random) -> list[Failure]:
    """One case: one or two damages, and the verbs that meet them."""
    name, base = rng.choice([name for name in RUNS if name in ground.configurations]), ground.base
    path, marker = folder / "here" / BAD, folder / MARKER
    copy_run(evaluated(name, base), path)
    copy_run(evaluated(name, base), path.with_name("whole"))
    kinds = [rng.choice(list(damages.DAMAGES)) for _ in range(rng.choice((1, 1, 2)))]
    for kind in kinds:
        with contextlib.suppress(*NOTHING_LEFT):
            damages.DAMAGES[kind](path, rng, marker)
    model = name.partition(",")[0]
    lines = [
        ["runs"],
        ["summary", BAD],
        ["train", model, "--out", BAD, "--resume", "--images", "1300", "--quiet"],
        *(LOOK[verb] for verb in rng.sample(list(LOOK), OTHERS)),
    ]
    rng.shuffle(lines)
    failures: list[Failure] = []
    for words in lines:
        outcome = run(words, folder, base / "cache")
        failures += failures_of(NAME, number, outcome, folder)
        marker.unlink(missing_ok=True)
        if words == ["runs"] and (outcome.code or "whole " not in outcome.output):
            failures.append(Failure(NAME, number, "lost", outcome.command, "the whole run is not listed"))
    note = f"{name}: {', '.join(kinds)}"
    return [Failure(NAME, number, f.kind, f.command, f"{note}: {f.detail}") for f in failures]


@functools.cache
def evaluated(configuration: str, base: Path) -> Path:
    """A finished run that has been measured and sampled from."""
    path = trained(configuration, base)
    folder = base / "references" / f"{configuration.replace(', ', '-')}-evaluated"
    copy_run(path, folder / "here" / "run")
    for words in (["evaluate", "run", *MEASURE], ["sample", "run", "--n", "4", "--quiet"]):
        outcome = run(words, folder, base / "cache")
        assert outcome.code == 0, outcome.error
    return folder / "here" / "run"
