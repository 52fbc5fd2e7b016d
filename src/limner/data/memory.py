"""Memory that a file may use: its claims are checked before anything is allocated."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from limner.errors import LimnerError

UNPACKED_BYTES = 256 * 2**20  # that a compressed file of any size may unpack to
UNPACKED_RATIO = 150  # larger files may unpack to this multiple of their size; dSprites needs 116
CHUNK = 2**20  # bytes read at a time
CGROUPS = (  # of a container: folder, limit, usage, and the part of the usage that is cached files
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


class Readable(Protocol):
    """An open file, perhaps compressed."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; b"" at the end."""


class Budget:
    """An amount that several threads share; what is larger than the total waits until it is alone."""

    def __init__(self, total: int) -> None:
        self.total = self._free = total
        self._change = threading.Condition()
        self._turn = threading.Lock()  # held while waiting, so that small amounts do not overtake a large one

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Wait until the amount is free, and hold it inside the block."""
        amount = min(amount, self.total)
        with self._turn, self._change:
            self._change.wait_for(lambda: self._free >= amount)
            self._free -= amount
        try:
            yield
        finally:
            with self._change:
                self._free += amount
                self._change.notify_all()


def available_memory() -> int | None:
    """The bytes of memory that this process can still use; None if the system does not report them."""
    amounts = [amount for amount in (_free_memory(), _container_memory()) if amount is not None]
    return min(amounts, default=None)


def check_unpacked(name: str, unpacked: int, packed: int) -> None:
    """Raise LimnerError if `packed` bytes of a compressed file claim to be too many `unpacked` bytes."""
    allowed = max(UNPACKED_BYTES, UNPACKED_RATIO * packed)
    if unpacked > allowed:
        raise LimnerError(
            f"{name} declares {format_bytes(unpacked)} in {format_bytes(packed)} of compressed data, "
            f"more than {format_bytes(allowed)}: get the file again, or save it without compression"
        )


def check_memory(name: str, needed: int, remedy: str) -> None:
    """Raise LimnerError if `needed` bytes are not available."""
    free = available_memory()
    if free is not None and needed > free:
        raise LimnerError(
            f"{name} needs {format_bytes(needed)} of memory and {format_bytes(free)} are free: {remedy}"
        )


def read_exactly(file: Readable, size: int) -> np.ndarray | None:
    """The next `size` bytes, uint8 (size,), in a new array; None if the file has fewer or more."""
    buffer = np.empty(size, np.uint8)  # its pages use memory only after they are written
    filled = 0
    while filled < size:
        chunk = file.read(min(CHUNK, size - filled))
        if not chunk:
            return None
        buffer[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
        filled += len(chunk)
    return None if file.read(1) else buffer


def format_bytes(count: int) -> str:
    """A number of bytes as text, such as '3.1 GB'."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count:,} bytes"


def _free_memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):  # Windows
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _container_memory() -> int | None:
    """What the limit of the container leaves; files that the system only caches do not count as used."""
    for folder, limit, usage, cached in CGROUPS:
        try:
            lines = (folder / "memory.stat").read_text().splitlines()
            counts = dict(line.split() for line in lines)
            used = int((folder / usage).read_text()) - int(counts[cached])
            return max(0, int((folder / limit).read_text()) - used)
        except (OSError, ValueError, KeyError):  # no container, or the limit 'max'
            continue
    return None
