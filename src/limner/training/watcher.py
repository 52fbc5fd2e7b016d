"""Who looks on while a run trains: called around the loop, unknown to the trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from limner.data import Dataset, Images
from limner.models.base import Logs
from limner.training.trainer import Trainer


class Verdict(Protocol):
    """What a watcher says of a trouble; its text is told to the user."""

    @property
    def grave(self) -> bool:
        """Whether going on as it is cannot help."""
        ...


class Watcher(Protocol):
    """Looks on from around the loop: the trainer knows nothing of it."""

    def iterated(self, logs: Logs) -> None:
        """An iteration is done; nothing may be read back from the device."""
        ...

    def examined(self, line: dict[str, Any]) -> Sequence[Verdict]:
        """A tick is done: add to its log line, and say what is newly wrong."""
        ...

    def state(self) -> dict[str, Any]:
        """What the next look depends on."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        ...


# (trainer, data set, held-out images, tick, the log so far) -> the watcher of a session
Call = Callable[[Trainer, Dataset, Images, int, list[dict[str, Any]]], Watcher]
