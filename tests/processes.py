"""Commands as processes of their own, for tests that kill them: torch is imported once, not by each."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["limner.train_run", "torch._dynamo"])  # Adam imports the latter


def start(*words: str) -> ForkServerProcess:
    """Begin `limner WORDS` here, with a tick per epoch; its output goes to the file `said`."""
    process = SERVER.Process(target=command, args=(words, os.getcwd(), dict(os.environ)), daemon=True)
    process.start()
    return process


def command(words: tuple[str, ...], folder: str, environment: dict[str, str]) -> None:
    """What the process does: it leaves with the command's exit code."""
    import torch

    from limner.cli import main
    from limner.training import setup

    os.chdir(folder)
    os.environ.update(environment)
    torch.set_num_threads(1)
    setup.SHORTEST_TICK = 0
    with open("said", "w", buffering=1) as sys.stdout:
        sys.stderr = sys.stdout
        main(words)


def wait_for(path: Path, process: ForkServerProcess, seconds: float = 120) -> None:
    """Until the process has made that file."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.is_alive() or path.exists(), Path("said").read_text()
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.01)


class Popen:
    """`subprocess.Popen([sys.executable, "-m", "limner", *WORDS])`, as the studio uses it, but forked."""

    def __init__(self, words: list[str], *, stdout: Any, **_: Any) -> None:
        self.lock = threading.Lock()  # two threads that ask at once how it ended would disturb each other
        piped = stdout == subprocess.PIPE
        self.files = [tempfile.TemporaryFile(), tempfile.TemporaryFile()] if piped else [stdout]  # noqa: SIM115
        places = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in self.files]
        settings = (words[3:], os.getcwd(), dict(os.environ), places[0], places[-1])
        self.process = SERVER.Process(target=command_to_files, args=settings, daemon=True)
        self.process.start()

    def poll(self) -> int | None:
        with self.lock:
            return self.process.exitcode

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def wait(self, timeout: float = float("inf")) -> None:
        end = time.monotonic() + timeout
        while self.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()

    def communicate(self) -> tuple[bytes, bytes]:
        self.wait()
        for file in self.files:
            file.seek(0)
        return self.files[0].read(), self.files[1].read()


def command_to_files(
    words: list[str], folder: str, environment: dict[str, str], output: str, errors: str
) -> None:
    """What such a process does; both files may be one."""
    from limner.cli import main

    file = os.open(output, os.O_WRONLY)
    os.dup2(file, 1)
    os.dup2(file if errors == output else os.open(errors, os.O_WRONLY), 2)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    os.setsid()
    os.chdir(folder)
    os.environ.update(environment)
    main(words)


# in place of the module `subprocess`
SUBPROCESS = SimpleNamespace(
    Popen=Popen, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT, DEVNULL=subprocess.DEVNULL
)
