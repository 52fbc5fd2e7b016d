"""Trainings that the studio starts: ordinary `limner train` processes, which wait in the folder's queue."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from limner.errors import LimnerError
from limner.training.config import RunConfig
from limner.training.control import Control, read_control, write_control
from limner.training.lock import holder
from limner.training.trust import check_trust


@dataclass(frozen=True)
class Started:
    """A process, and the file that it prints to."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def failure(self) -> str:
        """The last line of a process that failed; '' while it runs, after an end in order, or by a signal."""
        if (self.process.poll() or 0) <= 0:
            return ""
        self.output.seek(0)
        lines = self.output.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"limner train ended with code {self.process.returncode}"


class Trainings:
    """The processes that were started, by the folder of their run."""

    def __init__(self) -> None:
        self.started: dict[Path, Started] = {}
        self.lock = threading.Lock()

    def start(self, path: Path, words: Sequence[str]) -> None:
        """Run `limner WORDS`, which trains the run in that folder, in a process that outlives the studio.

        Raises LimnerError where a process that was started for that folder still runs.
        """
        with self.lock:
            before = self.started.get(path)
            if before is not None and before.is_alive:
                raise LimnerError(f"{path.name} was started already")
            output = tempfile.TemporaryFile()  # noqa: SIM115 (the process writes it)
            process = subprocess.Popen(
                [sys.executable, "-m", "limner", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.started[path] = Started(process, output)
            # so that a process that was killed is gone, and no longer counts as alive
            threading.Thread(target=process.wait, daemon=True).start()

    def resume(self, path: Path) -> None:
        """Go on with a run.

        Raises LimnerError where it is in training, and where its model would be code from outside.
        """
        if holder(path) is not None:
            raise LimnerError(f"{path.name} is in training already")
        model = RunConfig.read(path / "run.json").model
        check_trust(path, model)
        self.start(path, ["train", model, "--resume", "--queue", "--out", str(path)])

    def name(self, name: str) -> str:
        """The name of a run that was started here; LimnerError for another text."""
        if name not in [path.name for path in self.started]:
            raise LimnerError("no such run was started here")
        return name

    def is_starting(self, path: Path) -> bool:
        """Whether the process that was started for a run lives, and does not train yet."""
        started = self.started.get(path)
        return started is not None and started.is_alive and holder(path) is None

    def failure(self, path: Path) -> str:
        """The last line of the process that was started for a run, where it failed; '' where it did not."""
        started = self.started.get(path)
        return "" if started is None else started.failure()


def request_changes(path: Path, changes: dict[str, object]) -> Control:
    """Ask the training of a run for changes; LimnerError where it is not in training, or for a bad request.

    `changes` holds some of pause, stop, rate_factor, and save, of which any value asks for a checkpoint.
    """
    process = holder(path)
    if process is None:
        raise LimnerError(f"{path.name} is not in training")
    before = read_control(path)
    if before is None or before.process != process:
        before = Control(process=process, rate_factor=current_factor(path))
    values = before.json_values() | {name: value for name, value in changes.items() if name != "save"}
    if "save" in changes:
        values["save"] = before.save + 1
    control = Control.parse(values | {"process": process})
    write_control(path, control)
    return control


def current_factor(path: Path) -> float:
    """What learning rates are multiplied by, as the last line of the log has it."""
    from limner.studio.tail import Tail

    lines = Tail(path / "log.jsonl").read()
    factor = lines[-1].get("rate_factor", 1.0) if lines else 1.0
    return float(factor) if 0 < float(factor) <= 1 else 1.0
