"""Commands as processes of their own, for tests that kill them: torch is imported once, not by each."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

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
