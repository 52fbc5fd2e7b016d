"""Commands in forked children of a process that has imported everything: quick, bounded, and measured."""

from __future__ import annotations

import gc
import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LARGEST_MB = 1500  # resident memory of a command
LONGEST = 60.0  # seconds of a command
ADDRESSES = 6 << 30  # bytes that a command may reserve before it is refused: the machine is shared
MARKER = "code-ran"  # a file of that name in the case's folder says that code from an input was run


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code (-9 when killed), its output, what it took."""

    words: tuple[str, ...]
    code: int
    output: str
    error: str
    seconds: float
    megabytes: float
    expired: bool

    @property
    def command(self) -> str:
        """The command line, for a report; it may hold characters that no terminal can show."""
        return " ".join(["limner", *map(repr, self.words)]).encode(errors="backslashreplace").decode()

    @property
    def last_line(self) -> str:
        """The last line of its error output."""
        lines = self.error.strip().splitlines()
        return lines[-1][:300] if lines else ""


def warm_up() -> None:
    """Import what commands use; no tensor is touched here, so that children may be forked."""
    import torch

    torch.set_num_threads(1)
    modules = ["train_run", "evaluation", "explore", "doctor", "recipes", "train_file"]
    from limner.cli import VERBS

    modules += [f"cli.{verb}" for verbs in VERBS.values() for verb in verbs]
    for name in [
        *(f"limner.{module}" for module in modules),
        "torch._dynamo",
        "torchinfo",
        "sklearn.linear_model",
        "sklearn.mixture",
        "sklearn.neighbors",
    ]:
        importlib.import_module(name)
    gc.freeze()  # children then copy less of the memory


class Command:
    """`limner WORDS` in a child process in FOLDER/here, where `prepare` is called first."""

    def __init__(
        self, words: Sequence[str], folder: Path, cache: Path, prepare: Callable[[], None] | None = None
    ) -> None:
        self.words, self.folder, self.cache = tuple(words), folder, cache
        (folder / "here").mkdir(parents=True, exist_ok=True)
        self.number = len(list(folder.glob("output.*")))
        self.began = time.monotonic()
        self.files = [folder / f"{name}.{self.number}" for name in ("output", "error")]
        for path in self.files:
            path.touch()
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self._become(prepare)

    def _become(self, prepare: Callable[[], None] | None) -> None:
        """The child: run the command and leave with its exit code."""
        code = 1
        try:
            self._settle()
            if prepare is not None:
                prepare()
            from limner.cli import main

            main(list(self.words))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code & 0xFF)

    def _settle(self) -> None:
        """Its output, folder, environment and limits."""
        for number, path in zip((1, 2), self.files, strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.chdir(self.folder / "here")
        os.environ |= {"HOME": str(self.folder / "home"), "LIMNER_CACHE": str(self.cache), "COLUMNS": "100"}
        os.environ.pop("LIMNER_DATA", None)
        os.environ.pop("LIMNER_TRUST", None)
        resource.setrlimit(resource.RLIMIT_AS, (address_space() + ADDRESSES,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def kill_after(self, seconds: float) -> bool:
        """Kill it after so long; False where it had ended before."""
        while time.monotonic() < self.began + seconds:
            if self.has_ended():
                return False
            time.sleep(0.002)
        os.kill(self.pid, signal.SIGKILL)
        return True

    def has_ended(self) -> bool:
        """Whether the child has ended; it is left for `wait`."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self, limit: float = LONGEST, patience: float | None = None) -> Outcome:
        """Wait until it ends; after `limit` seconds it is killed.

        After `patience` seconds it is asked to end: it was called with work for hours, which is no fault.
        """
        expired = asked = False
        while not self.has_ended():
            passed = time.monotonic() - self.began
            if passed > limit and not expired:
                expired = True
                os.kill(self.pid, signal.SIGKILL)
            if patience is not None and passed > patience and not asked:
                asked = True
                os.kill(self.pid, signal.SIGTERM)
            time.sleep(0.004)
        _, status, used = os.wait4(self.pid, 0)
        seconds, code = time.monotonic() - self.began, os.waitstatus_to_exitcode(status)
        output, error = (path.read_text(encoding="utf-8", errors="replace") for path in self.files)
        return Outcome(self.words, code, output, error, seconds, used.ru_maxrss / 1024, expired)


def run(words: Sequence[str], folder: Path, cache: Path, patience: float | None = None) -> Outcome:
    """Run a command to its end."""
    return Command(words, folder, cache).wait(patience=patience)


def address_space() -> int:
    """Bytes that this process has reserved."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
