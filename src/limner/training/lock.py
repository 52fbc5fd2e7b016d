"""One process at a time writes a run's folder; the lock ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from types import TracebackType

from limner.errors import LimnerError

NAME = ".lock"

if sys.platform == "win32":
    import msvcrt

    def _acquire(file: int) -> None:
        os.lseek(file, 1000, os.SEEK_SET)  # beyond the number that the file holds
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None
        os.lseek(file, 0, os.SEEK_SET)
else:
    import fcntl

    def _acquire(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def holder(folder: Path) -> int | None:
    """The process that writes a run's folder; None where the file is not there, or its process has ended."""
    number = last_holder(folder)
    if number is None or sys.platform == "win32":
        return number if number is not None and _is_locked(folder / NAME) else None
    try:
        os.kill(number, 0)  # nothing is sent
    except ProcessLookupError:
        return None
    except (PermissionError, OverflowError):  # another user's
        return number
    return number


def last_holder(folder: Path) -> int | None:
    """The process that wrote a run's folder last and did not leave in order, whether or not it still runs."""
    try:
        with open(folder / NAME, encoding="utf-8", errors="replace") as file:
            text = file.read(20)
    except OSError:
        return None
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text) < 2**31 else None


def is_held(folder: Path) -> bool:
    """Whether a process writes a run's folder now, not one that got the number of a process that ended."""
    return holder(folder) is not None and _is_locked(folder / NAME)


def _is_locked(path: Path) -> bool:
    """Whether a process has locked a file; True where the file system has no locks."""
    try:
        file = os.open(path, os.O_RDWR)
    except PermissionError:  # another user's
        return True
    except OSError:
        return False
    try:
        _acquire(file)
    except OSError:  # BlockingIOError, or there are no locks
        return True
    finally:
        os.close(file)
    return False


class Locked(LimnerError):
    """Another process writes this run."""


class RunLock:
    """The right to write a run's folder: from here to `release`, or to the end of the process.

    Raises Locked where another process, or another thread, has it.  `new`: this process made the folder, so
    it is removed where nothing was written into it.
    """

    def __init__(self, folder: Path, new: bool = False) -> None:
        self.folder, self.new = folder, new
        self.file = self._open()
        while not self._is_current():  # its holder removed the file while we opened it
            os.close(self.file)
            self.file = self._open()
        os.ftruncate(self.file, 0)
        os.write(self.file, str(os.getpid()).encode())

    def _open(self) -> int:
        """The lock file, opened and locked."""
        file = os.open(self.folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _acquire(file)
        except BlockingIOError:
            holder = os.read(file, 20).decode(errors="replace")
            os.close(file)
            raise Locked(
                f"{self.folder} is in training in another process ({holder}): wait until it ends, or stop it"
            ) from None
        except OSError:  # a file system without locks
            pass
        return file

    def _is_current(self) -> bool:
        """Whether the file that is locked is still the one in the folder."""
        try:
            return os.path.samestat(os.fstat(self.file), os.stat(self.folder / NAME))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let other processes write the folder."""
        with contextlib.suppress(OSError):  # Windows removes no open file
            (self.folder / NAME).unlink()
        os.close(self.file)
        if self.new:
            with contextlib.suppress(OSError):  # it holds a run
                self.folder.rmdir()

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
