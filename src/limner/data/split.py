"""Which images train and which test: never the same picture in both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limner.errors import LimnerError

LISTED = 10  # names in a remark before the rest is only counted


@dataclass(frozen=True)
class Division:
    """Indices into one sequence of images, each ascending, and what there is to say about them."""

    train: np.ndarray
    test: np.ndarray
    notes: tuple[str, ...] = ()


def digest(content: bytes | np.ndarray) -> bytes:
    """16 bytes that stand for the content: equal for equal images, in effect never for others."""
    data = content.data if isinstance(content, np.ndarray) else content
    return hashlib.blake2b(data, digest_size=16).digest()


def shown(name: str) -> str:
    """A file name as one printable line, whatever its bytes are."""
    safe = name.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in safe)


def divide(
    content: Sequence[bytes], seen: Sequence[bytes], given: Sequence[bool] | None, names: Sequence[str]
) -> Division:
    """Divide images into train and test, by `given` (True: test) or by holding out a tenth.

    `content` are digests of the images as they came, whose order decides what is held out, so that neither
    the listing order nor the size asked for matters; `seen` are digests of the final pixels, no two of which
    are equal across the division, unless there is only one picture. Raises LimnerError for an empty train.
    """
    if not content:
        raise LimnerError("neither the training nor the test folder holds an image that can be read")
    notes = _sameness(seen)
    if given is None or not any(given):
        train, test = _hold_out(content, seen, range(len(content)))
        if given is not None:
            notes.append("no image of the test folder could be read: a tenth of the others is held out")
        return Division(train, test, (*notes, *_repeats(seen)))
    kept = [i for i, tested in enumerate(given) if not tested]
    if not kept:
        raise LimnerError("the training folder holds no image that can be read: put some there")
    trained = {seen[i] for i in kept}
    fresh = [i for i, tested in enumerate(given) if tested and seen[i] not in trained]
    gone = [i for i, tested in enumerate(given) if tested and seen[i] in trained]
    if gone:
        notes.append(f"{_count(gone)} also in train, removed from test: {_listed([names[i] for i in gone])}")
    if not fresh:
        notes.append("that left no test image: a tenth of train is held out instead")
        return Division(*_hold_out(content, seen, kept), notes=tuple(notes))
    return Division(np.asarray(kept), np.asarray(fresh), tuple(notes))


def published(train: Sequence[bytes], test: Sequence[bytes]) -> tuple[str, ...]:
    """What to say of a published division, which is left as it is."""
    trained = set(train)
    both = sum(seen in trained for seen in test)
    return (f"{both} test images also occur in train, as published: left in place",) if both else ()


def _hold_out(
    content: Sequence[bytes], seen: Sequence[bytes], among: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """A tenth for test, at least one: whole groups of equal images, in the order of their digests."""
    groups: dict[bytes, list[int]] = {}
    for i in among:
        groups.setdefault(seen[i], []).append(i)
    if len(groups) == 1:  # one picture, once or often: the one case in which train and test share it
        return np.asarray(among[:-1] or among), np.asarray(among[-1:])
    tenth = max(1, len(among) // 10)
    test: list[int] = []
    for group in sorted(groups.values(), key=lambda group: min(content[i] for i in group)):
        if len(test) + len(group) <= tenth:
            test += group
    test = test or min(groups.values(), key=lambda group: (len(group), min(content[i] for i in group)))
    held = set(test)
    return np.asarray([i for i in among if i not in held]), np.asarray(sorted(test))


def _sameness(seen: Sequence[bytes]) -> list[str]:
    if len(seen) == 1:
        return ["one image only: train and test are both this image, so a test score says nothing"]
    if len(set(seen)) == 1:
        return [f"all {len(seen)} images are equal: train and test show the same picture"]
    return []


def _repeats(seen: Sequence[bytes]) -> tuple[str, ...]:
    repeats = len(seen) - len(set(seen))
    if not repeats or len(set(seen)) == 1:
        return ()
    return (f"{repeats} exact repeats of other images: each kept on the side of its equal",)


def _count(items: Sequence[object]) -> str:
    return "1 test image is" if len(items) == 1 else f"{len(items)} test images are"


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(shown(name) for name in names[:LISTED]) + rest
