"""Trainings that the studio starts: ordinary `limner train` processes, one at a time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

from limner.errors import LimnerError
from limner.training.config import RunConfig
from limner.training.control import Control, read_control, write_control
from limner.training.lock import holder
from limner.training.trust import check_trust


class Trainings:
    """The process that was started last, and what it printed."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.path: Path | None = None
        self.output: IO[bytes] | None = None
        self.lock = threading.Lock()

    def resume(self, path: Path) -> None:
        """Go on with a run in a process of its own, which outlives the studio.

        Raises LimnerError where it is in training, where another one is that the studio started, and where
        its model would be code from outside.
        """
        with self.lock:
            if holder(path) is not None:
                raise LimnerError(f"{path.name} is in training already")
            if self.process is not None and self.process.poll() is None and self.path is not None:
                raise LimnerError(f"one training at a time: {self.path.name} is in training")
            model = RunConfig.read(path / "run.json").model
            check_trust(path, model)
            if self.output is not None:
                self.output.close()
            self.output = tempfile.TemporaryFile()  # noqa: SIM115 (the process writes it)
            words = [sys.executable, "-m", "limner", "train", model, "--resume", "--out", str(path)]
            self.path = path
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_starting(self, path: Path) -> bool:
        """Whether the process that was started for a run lives, and does not train yet."""
        with self.lock:
            alive = self.process is not None and self.process.poll() is None
            return alive and path == self.path and holder(path) is None

    def failure(self, path: Path) -> str:
        """The last line of the process that was started for a run, where it failed; '' where it did not."""
        with self.lock:
            if path != self.path or self.process is None or self.output is None:
                return ""
            code = self.process.poll()
            if code is None or code <= 0:  # it runs, or ended in order, or by a signal
                return ""
            self.output.seek(0)
            lines = self.output.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
            return lines[-1] if lines else f"limner train ended with code {code}"


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
