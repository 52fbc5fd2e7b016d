"""Which look needs which ability, and what to say where a model lacks it."""

from __future__ import annotations

from typing import Any

from limner.errors import LimnerError
from limner.models.base import abilities
from limner.training.run import Run

NEEDS: dict[str, tuple[str, ...]] = {
    "sample": ("sample",),
    "reconstruct": ("encode", "decode"),
    "interpolate": ("decode",),
    "traverse": ("decode",),
    "manifold": ("decode",),
    "map": ("encode",),
    "embed": ("encode",),
    "similar": ("encode",),
    "anomalies": ("score",),
}
LACKS = {
    "sample": "it draws no new images",
    "encode": "it has no encoder",
    "decode": "it has no decoder",
    "score": "it has no anomaly score",
}


def able(run: Run, verb: str) -> Any:
    """The run's model; LimnerError where it lacks what the verb needs."""
    have = abilities(run.model)
    for ability in NEEDS[verb]:
        if ability not in have:
            can = [other for other, needs in NEEDS.items() if set(needs) <= set(have)]
            instead = f"; {listed(can)} can" if can else ""
            raise LimnerError(f"{described(run)}: {LACKS[ability]}, so {verb} cannot use it{instead}")
    return run.model


def encodes(run: Run) -> bool:
    """Whether the run's model gives codes of images."""
    return "encode" in abilities(run.model)


def described(run: Run) -> str:
    """'gan-mnist-0001 is a GAN', say."""
    kind = type(run.model).__name__
    return f"{run.name} is {'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def listed(words: list[str]) -> str:
    """'sample, interpolate and traverse', say."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
