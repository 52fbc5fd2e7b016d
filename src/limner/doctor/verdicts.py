"""Verdicts: the troubles that hold at a tick, each with its evidence, its meaning and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limner.doctor.rules import History, Line
from limner.doctor.troubles import TROUBLES, Remedy
from limner.models.base import Model


@dataclass(frozen=True)
class Verdict:
    """A trouble that holds, its evidence, and the images seen when it began to hold without a break."""

    name: str
    evidence: str
    since: int
    meaning: str
    remedies: tuple[Remedy, ...]  # those that the model has
    severe: bool

    @property
    def advice(self) -> str:
        """The remedies in words; '' where there are none."""
        texts = [remedy.text for remedy in self.remedies]
        if len(texts) < 3:
            return " or ".join(texts)
        return f"{', '.join(texts[:-1])}, or {texts[-1]}"

    def __str__(self) -> str:
        meaning = self.meaning[0].upper() + self.meaning[1:]
        text = f"{self.name} since {self.since:,} images: {self.evidence}. {meaning}."
        return f"{text} Try {self.advice}." if self.remedies else text

    def json(self) -> dict[str, Any]:
        """All of it, as JSON holds it."""
        remedies = [
            {"text": remedy.text, "options": [*remedy.options, *remedy.sampling]} for remedy in self.remedies
        ]
        return vars(self) | {"advice": self.advice, "remedies": remedies}


def verdicts(lines: Sequence[Line], model: type[Model] | None = None) -> list[Verdict]:
    """The troubles that hold at the end of a log, with the remedies that this class of model has."""
    holding = []
    for name, trouble in TROUBLES.items():
        evidence = trouble.rule(History(lines)) if lines else None
        if evidence is None:
            continue
        start = len(lines)
        while start > 1 and trouble.rule(History(lines[: start - 1])) is not None:
            start -= 1
        since = lines[start - 1]["images"]
        remedies = tuple(r for r in trouble.remedies if model is None or r.available(model))
        holding.append(Verdict(name, evidence, since, trouble.meaning, remedies, trouble.severe))
    return holding
