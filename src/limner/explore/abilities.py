"""Which verb needs which abilities of a model, and the error message where the model lacks one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from limner.errors import LimnerError
from limner.models.abilities import ABILITIES, Decodes, abilities
from limner.training import Run

Ability = TypeVar("Ability")

NEEDS: dict[str, tuple[str, ...]] = {
    "sample": ("sample",),
    "reconstruct": ("encode", "decode"),
    "interpolate": ("decode",),
    "traverse": ("decode",),
    "manifold": ("decode",),
    "invert": ("decode",),
    "map": ("encode",),
    "embed": ("encode",),
    "similar": ("encode",),
    "anomalies": ("score",),
    "translate": ("translate",),
    "edit": ("edit",),
    "mix": ("styles",),
    "noise": ("styles",),
    "directions": ("decode",),
}
LACKS = {
    "sample": "it draws no new images",
    "encode": "it has no encoder",
    "decode": "it has no decoder",
    "score": "it has no anomaly score",
    "translate": "it does not translate between domains",
    "edit": "it cannot give an image another label",
    "styles": "its layers have no styles",
}
# verbs that decode codes which no image has
CONTINUOUS = ("interpolate", "traverse", "manifold", "directions", "invert")


def require_ability(run: Run, ability: type[Ability], verb: str) -> Ability:
    """The run's model, typed by the ability; LimnerError where it lacks the ability, which `verb` needs."""
    if not isinstance(run.model, ability):
        name = next(name for name, protocol in ABILITIES.items() if protocol is ability)
        raise LimnerError(f"{describe_run(run)}: {LACKS[name]}, so {verb} cannot use it{_alternatives(run)}")
    return run.model


def require_continuous(run: Run, verb: str) -> Decodes:
    """The run's model, typed as a decoder; LimnerError where it has none or where its codes are discrete."""
    model = require_ability(run, Decodes, verb)
    if model.latent.kind == "discrete":
        reason = "its codes are discrete, and no code lies between two of them"
        raise LimnerError(f"{describe_run(run)}: {reason}, so {verb} cannot use it{_alternatives(run)}")
    return model


def usable_verbs(run: Run) -> list[str]:
    """The verbs of NEEDS that can use the run's model."""
    known = set(abilities(run.model))
    discrete = run.model.latents and run.model.latent.kind == "discrete"
    return [
        verb
        for verb, needs in NEEDS.items()
        if known.issuperset(needs) and not (discrete and verb in CONTINUOUS)
    ]


def describe_run(run: Run) -> str:
    """The run and its kind of model: 'gan-mnist-0001 is a GAN'."""
    kind = type(run.model).__name__
    return f"{run.name} is {'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def join_words(words: Sequence[str]) -> str:
    """The words as a list in English: 'sample, interpolate and traverse'."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _alternatives(run: Run) -> str:
    verbs = usable_verbs(run)
    return f"; {join_words(verbs)} can" if verbs else ""
