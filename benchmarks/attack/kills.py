"""Kill a training at any moment, resume it, and compare it with one that was never stopped."""

from __future__ import annotations

import functools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from .failures import Failure
from .process import Command, Outcome, run
from .runs import Ground, copy_run, difference, read_training_state, train_words, trained

NAME = "kills"
MOMENTS = ("time", "time", "file", "file", "resume", "resume", "prior")
WITH_PRIORS = ("autoencoder", "vae", "vae, validation", "vae, shapes", "conv-autoencoder")
FILE_OPERATIONS = 44  # about as many as a training of ours makes


class Killed(Exception):
    """A case cannot go on; its failure is (kind, detail, command)."""

    def __init__(self, kind: str, detail: str, command: str) -> None:
        super().__init__(kind)
        self.failure = (kind, detail, command)


def attack(number: int, folder: Path, ground: Ground, rng: Random) -> list[Failure]:
    """One case: train, kill, perhaps resume and kill again, resume to the end, compare."""
    moment = rng.choice(MOMENTS)
    known = [name for name in ground.configurations if moment != "prior" or name in WITH_PRIORS]
    configuration = rng.choice(known)
    case = Case(folder, ground.base, configuration, rng)
    try:
        if moment == "prior":
            case.kill_while_a_prior_is_fitted()
        else:
            case.kill_training(again=moment == "resume")
    except Killed as end:
        kind, detail, command = end.failure
        return [Failure(NAME, number, kind, command, f"{configuration}, {moment}: {detail}")]
    return []


class Case:
    """A training that is killed."""

    def __init__(self, folder: Path, base: Path, configuration: str, rng: Random) -> None:
        self.folder, self.base, self.rng = folder, base, rng
        self.configuration, self.path = configuration, folder / "here" / "run"
        self.reference = trained(configuration, base)
        self.seconds = float((self.reference.parents[1] / "seconds").read_text())
        self.frequent = rng.random() < 0.7  # a checkpoint at every tick
        self.words = train_words(configuration, "0" if self.frequent else "0.4")

    def kill_training(self, again: bool) -> None:
        """Kill it, perhaps kill the resumed one too, and let it come to its end."""
        by_file = not again and self.rng.random() < 0.6
        outcome = self.kill(self.words, by_file)
        if again:
            outcome = self.kill(self.next_words(), self.rng.random() < 0.5)
        self.finish(outcome.command)
        if wrong := difference(self.path, self.reference):
            raise Killed("unequal", wrong, outcome.command)

    def kill(self, words: list[str], by_file: bool) -> Outcome:
        """Kill a command at a random time, or at one of its file operations."""
        cache = self.base / "cache"
        if by_file:
            moment, half = self.rng.randrange(FILE_OPERATIONS), self.rng.random() < 0.5
            return Command(words, self.folder, cache, functools.partial(die_at, moment, half)).wait()
        command = Command(words, self.folder, cache)
        command.kill_after(self.rng.uniform(0, 1.05) * self.seconds)
        return command.wait()

    def next_words(self) -> list[str]:
        """How a user goes on: by --resume, or by the same command where the run had not begun."""
        if (self.path / "run.json").exists():
            return [*self.words, "--resume"]
        outcome = run([*self.words, "--resume"], self.folder, self.base / "cache")
        if outcome.code != 2 or len(outcome.error.splitlines()) != 1:
            raise Killed("other", f"exit code {outcome.code}: {outcome.last_line}", outcome.command)
        return self.words

    def finish(self, killed: str) -> None:
        """Train to the end; what was stored before must stay."""
        before = stored_lines(self.path)
        if self.frequent and before is not None and before[1] > 1:
            raise Killed("lost", f"{before[1]} ticks are not in the state", killed)
        outcome = run(self.next_words(), self.folder, self.base / "cache")
        if outcome.expired:
            raise Killed("over time", f"{outcome.seconds:.0f} s", outcome.command)
        if "Traceback" in outcome.error:
            raise Killed("traceback", outcome.last_line, outcome.command)
        if outcome.code:
            raise Killed("refused", f"exit code {outcome.code}: {outcome.last_line}", outcome.command)
        if before is not None:
            after = (self.path / "log.jsonl").read_text().splitlines()
            if [clocks(line) for line in after[: len(before[0])]] != before[0]:
                raise Killed("lost", "it trained again what was stored", outcome.command)

    def kill_while_a_prior_is_fitted(self) -> None:
        """Kill `sample` while it fits a density to the codes and stores it; then sample to the end."""
        words = ["sample", "run", "--prior", "gmm", "--n", "4", "--quiet"]
        sampled = self.reference.parents[1] / "sampled"
        if not sampled.exists():
            copy_run(self.reference, sampled / "here" / "run")
            (sampled / "seconds").write_text(str(run(words, sampled, self.base / "cache").seconds))
        copy_run(self.reference, self.path)
        self.seconds = float((sampled / "seconds").read_text())
        if self.rng.random() < 0.4:
            hook = functools.partial(die_at, self.rng.randrange(4), self.rng.random() < 0.5)
            Command(words, self.folder, self.base / "cache", hook).wait()
        else:
            self.kill(words, by_file=False)
        outcome = run(words, self.folder, self.base / "cache")
        if outcome.code:
            raise Killed("refused", outcome.last_line, outcome.command)
        if wrong := difference_of_samples(self.path, sampled / "here" / "run"):
            raise Killed("unequal", wrong, outcome.command)


def difference_of_samples(one: Path, other: Path) -> str:
    """In what two runs that were sampled from differ; a later checkpoint removes unfinished files."""
    for name in ("weights.safetensors", "sample.png"):
        if (one / name).read_bytes() != (other / name).read_bytes():
            return name
    wrong = difference(one, other)
    return "" if wrong.startswith("left behind") else wrong


def stored_lines(path: Path) -> tuple[list[str], int] | None:
    """The log's clocks up to the stored state, and how many whole lines come after; None without a state."""
    if not (path / "state.pt").exists():
        return None
    images = read_training_state(path)["images_seen"]
    log = path / "log.jsonl"
    whole = log.read_text().split("\n")[:-1] if log.exists() else []
    stored = [clocks(line) for line in whole if json.loads(line)["images"] <= images]
    return stored, len(whole) - len(stored)


def clocks(line: str) -> str:
    """What tells a line from that of another run: when it was written."""
    content = json.loads(line)
    return f"{content['images']} {content['seconds']} {content['images_per_second']}"


def die_at(moment: int, half: bool) -> None:
    """Kill this process at its n-th file operation: a line of the log, a flush, a move into place.

    `half`: what is being written is cut in half; a move is done.
    """
    from limner import train_session

    count = iter(range(10**9))

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def hook(owner: Any, name: str, partly: Callable[..., object]) -> None:
        function = getattr(owner, name)

        def replacement(*arguments: Any) -> Any:
            if next(count) == moment:
                if half:
                    partly(*arguments)
                kill()
            return function(*arguments)

        setattr(owner, name, replacement)

    replace = os.replace
    hook(os, "fsync", lambda file: os.ftruncate(file, os.fstat(file).st_size // 2))
    hook(os, "replace", lambda source, target: replace(source, target))
    hook(train_session, "append_line", append_half)


def append_half(path: Path, line: dict[str, Any]) -> None:
    """A line of the log that was cut in its middle."""
    with open(path, "a", encoding="utf-8") as file:
        text = json.dumps(line)
        file.write(text[: len(text) // 2])
