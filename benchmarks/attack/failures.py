"""What counts as a failure, and how it is reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .process import LARGEST_MB, MARKER, Outcome

# a run whose progress vanished; refused by resume or by a new start; another result than without a kill
KINDS = ("lost", "refused", "unequal", "traceback", "code run", "over memory", "over time", "other")
ASKED_TO_END = 143  # 128 + SIGTERM


@dataclass(frozen=True)
class Failure:
    """One failure of a case: its kind, its command, and the last line or the difference."""

    attack: str
    case: int
    kind: str
    command: str
    detail: str

    def __str__(self) -> str:
        return f"{self.attack}:{self.case} {self.kind}: {self.detail}\n    {self.command}"


def judge(outcome: Outcome, folder: Path, asked: bool = False) -> list[tuple[str, str]]:
    """(kind, detail) of everything that is wrong with how a command ended.

    `asked`: it may have been asked to end.
    """
    wrong = []
    if (folder / MARKER).exists():
        wrong.append(("code run", outcome.last_line))
    if outcome.expired:
        wrong.append(("over time", f"{outcome.seconds:.0f} s"))
    if outcome.megabytes > LARGEST_MB:
        wrong.append(("over memory", f"{outcome.megabytes:.0f} MB; {outcome.last_line}"))
    if outcome.expired:
        return wrong
    if "Traceback" in outcome.error:
        wrong.append(("traceback", outcome.last_line))
    elif outcome.code not in (0, 2, *((ASKED_TO_END,) if asked else ())):
        if not (asked and outcome.code == -15):
            wrong.append(("other", f"exit code {outcome.code}: {outcome.last_line}"))
    elif problem := bad_text(outcome):
        wrong.append(("other", problem))
    return wrong


def bad_text(outcome: Outcome) -> str:
    """What is wrong with the error output; '' where it is as it should be.

    A mistake is one line, the last; a quiet command prints nothing else, and nothing where it succeeds.
    """
    lines = outcome.error.splitlines()
    if outcome.code == 2:
        if not lines or not lines[-1].startswith("limner: error: "):
            return f"no line says why: {outcome.last_line}"
        if len([line for line in lines if line.startswith("limner: error: ")]) > 1:
            return "more than one error"
        if not lines[-1].removeprefix("limner: error: ").strip():
            return "an empty error"
    allowed = 1 if outcome.code == 2 else 0
    if "--quiet" in outcome.words and len(lines) > allowed and outcome.code in (0, 2):
        return f"noise: {lines[0][:200]}"
    return ""


def failures_of(attack: str, case: int, outcome: Outcome, folder: Path, asked: bool = False) -> list[Failure]:
    """The failures of a command."""
    wrong = judge(outcome, folder, asked)
    return [Failure(attack, case, kind, outcome.command, detail) for kind, detail in wrong]


def table(cases: dict[str, int], seconds: dict[str, float], failures: Sequence[Failure]) -> str:
    """The counts of every attack; a case with two failures of a kind counts once."""
    heads = ("cases", *KINDS, "seconds")
    lines = ["attack    " + "".join(f"{head:>12s}" for head in heads)]
    for attack, count in cases.items():
        counts = [len({f.case for f in failures if (f.attack, f.kind) == (attack, kind)}) for kind in KINDS]
        cells = [count, *counts, round(seconds[attack])]
        lines.append(f"{attack:10s}" + "".join(f"{cell:12,}" for cell in cells))
    return "\n".join(lines)
