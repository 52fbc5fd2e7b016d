"""Two processes want the same run at the same time: one gets it, the other says so and ends."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from random import Random

from .failures import Failure
from .process import Command, Outcome, run
from .runs import Ground, copy_run, difference, train_words, trained

NAME = "starts"
LONGER = ["--resume", "--images", "4000"]
REFUSAL = "in training in another process"


def attack(number: int, folder: Path, ground: Ground, rng: Random) -> list[Failure]:
    """One case: the same command twice, at once or nearly so."""
    base = ground.base
    kind = rng.choice(("resume", "resume", "resume", "new", "unnamed"))
    words = train_words("vae")
    if kind == "resume":
        copy_run(trained("vae", base), folder / "here" / "run")
        words = [*words[: words.index("--images")], "--quiet", *LONGER, "--out", "run"]
    if kind == "unnamed":
        words = words[:-2]
    delay = rng.choice((0.0, rng.uniform(0, 0.1), rng.uniform(0, 0.4)))
    first = Command(words, folder, base / "cache")
    time.sleep(delay)
    second = Command(words, folder, base / "cache")
    outcomes = [first.wait(), second.wait()]
    if wrong := mistake(kind, outcomes, folder / "here", base):
        return [Failure(NAME, number, wrong[0], outcomes[0].command, f"{kind}, {delay:.3f} s: {wrong[1]}")]
    return []


def mistake(kind: str, outcomes: list[Outcome], here: Path, base: Path) -> tuple[str, str] | None:
    """(kind of failure, detail); None where all is well."""
    if any("Traceback" in outcome.error for outcome in outcomes):
        return "traceback", " | ".join(outcome.last_line for outcome in outcomes)
    codes = sorted(outcome.code for outcome in outcomes)
    if codes != ([0, 0] if kind == "unnamed" else [0, 2]):
        return "other", f"exit codes {codes}: {' | '.join(outcome.last_line for outcome in outcomes)}"
    for outcome in outcomes:
        if outcome.code == 2 and len(outcome.error.splitlines()) != 1:
            return "other", outcome.error[:200]
        if outcome.code == 2 and kind == "resume" and REFUSAL not in outcome.error:
            return "other", outcome.last_line
    reference = longer(base) if kind == "resume" else trained("vae", base)
    paths = sorted((here / "runs").iterdir()) if kind == "unnamed" else [here / "run"]
    if len(paths) != len(codes) - codes.count(2):
        return "lost", f"{len(paths)} runs"
    wrong = next((text for path in paths if (text := difference(path, reference))), "")
    return ("unequal", wrong) if wrong else None


@functools.cache
def longer(base: Path) -> Path:
    """The run of one process alone, resumed to a new length."""
    folder = base / "references" / "longer"
    copy_run(trained("vae", base), folder / "here" / "run")
    outcome = run(["train", "vae", "--quiet", *LONGER, "--out", "run"], folder, base / "cache")
    assert outcome.code == 0, outcome.error
    return folder / "here" / "run"
