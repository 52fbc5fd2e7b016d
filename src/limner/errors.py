"""A mistake a user can mend, said in one line: what, why, and the nearest right thing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral


class LimnerError(Exception):
    """What a user can mend; the command line prints it as one line and exits with code 2."""


# how torch says that a tensor is larger than the memory, or than any memory
OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "Overflow when unpacking long",
    "Storage size calculation overflowed",
    "numel: integer multiplication overflow",
)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error, of whatever type, says that there is too little memory."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in OUT_OF_MEMORY)


def nearest(name: str, known: Iterable[str]) -> str:
    """End of an error message: the name in `known` most like `name`, or all of them when none is alike."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"choose from: {', '.join(names)}" if names else "there is none"


def check_whole(name: str, value: object, least: int) -> None:
    """Raise LimnerError unless the value is a whole number of at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise LimnerError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise LimnerError(f"{name} must be at least {least}, not {value}")
