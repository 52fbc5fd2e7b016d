"""A log that grows: each line is read and parsed once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from limner.training.log import parse_line

LARGEST = 256_000_000  # bytes of a log that is read
READ = 4_000_000  # bytes that are parsed at a time


class Tail:
    """The lines of a log so far; `problem` where a line is foreign."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start()

    def start(self) -> None:
        """Forget everything."""
        self.lines: list[dict[str, Any]] = []
        self.problem = ""
        self.offset = 0
        self.identity: tuple[int, int] | None = None

    def read(self) -> list[dict[str, Any]]:
        """All lines that are whole by now; anew where the file was replaced or cut."""
        try:
            with open(self.path, "rb") as file:
                status = os.fstat(file.fileno())
                if (status.st_dev, status.st_ino) != self.identity or status.st_size < self.offset:
                    self.start()
                    self.identity = (status.st_dev, status.st_ino)
                if status.st_size > LARGEST:
                    self.problem = f"its log has more than {LARGEST // 1_000_000} MB"
                    return self.lines
                file.seek(self.offset)
                while (data := file.read(READ)) and self.take(data):
                    file.seek(self.offset)
        except OSError:
            self.start()
        return self.lines

    def take(self, data: bytes) -> bool:
        """Parse the whole lines at the beginning of `data`; whether there were any."""
        whole = data.rfind(b"\n") + 1
        for text in data[:whole].decode("utf-8", "replace").split("\n")[:-1]:
            line = parse_line(text)
            if line is None:
                self.problem = "its log has a foreign line"
            else:
                self.lines.append(line)
        self.offset += whole
        return whole > 0
