"""Divide images into train and test so that no image is in both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limner.errors import LimnerError

MAX_NAMES = 10  # in a note; further names are only counted


@dataclass(frozen=True)
class Division:
    """Indices of the training and of the test images, each ascending, and notes for the user."""

    train: np.ndarray
    test: np.ndarray
    notes: tuple[str, ...] = ()


def digest(content: bytes | np.ndarray) -> bytes:
    """A 16-byte hash: equal images have equal digests, and different images practically never do."""
    data = content.data if isinstance(content, np.ndarray) else content
    return hashlib.blake2b(data, digest_size=16).digest()


def printable(name: str) -> str:
    """A file name as one printable line, whatever bytes it contains."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def divide(
    originals: Sequence[bytes],
    images: Sequence[bytes],
    in_test: Sequence[bool] | None = None,
    names: Sequence[str] = (),
) -> Division:
    """Divide images by `in_test`, or hold out a tenth for test if it is None.

    `originals` are digests of the images before resizing.  Their order decides which images are held out, so
    neither the order of the files nor the size matters.  `images` are digests of the final pixels; equal ones
    all go to one side.  Only if all images are equal, train and test share one.
    Raises LimnerError if there are no training images.
    """
    if not originals:
        raise LimnerError("neither the training nor the test folder holds an image that can be read")
    notes = _equality_notes(images)
    if in_test is None or not any(in_test):
        train, test = _hold_out(originals, images, range(len(originals)))
        if in_test is not None:
            notes.append("no image of the test folder could be read: a tenth of the others is held out")
        return Division(train, test, (*notes, *_repeat_notes(images)))
    train_index = [i for i, is_test in enumerate(in_test) if not is_test]
    if not train_index:
        raise LimnerError("the training folder holds no image that can be read: put some there")
    train_digests = {images[i] for i in train_index}
    test_index = [i for i, is_test in enumerate(in_test) if is_test and images[i] not in train_digests]
    removed = [names[i] for i, is_test in enumerate(in_test) if is_test and images[i] in train_digests]
    if removed:
        count = "1 test image is" if len(removed) == 1 else f"{len(removed)} test images are"
        notes.append(f"{count} also in train, removed from test: {_list_names(removed)}")
    if not test_index:
        notes.append("no test image is left: a tenth of train is held out instead")
        return Division(*_hold_out(originals, images, train_index), notes=tuple(notes))
    return Division(np.asarray(train_index), np.asarray(test_index), tuple(notes))


def overlap_notes(train: Sequence[bytes], test: Sequence[bytes]) -> tuple[str, ...]:
    """A note on the images that a published split has in train and in test; they stay in both."""
    train_digests = set(train)
    overlap = sum(image in train_digests for image in test)
    return (f"{overlap} test images are also in train, as published: not removed",) if overlap else ()


def _hold_out(
    originals: Sequence[bytes], images: Sequence[bytes], index: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of train and test.  Test gets a tenth, at least one, in whole groups of equal images."""
    groups: dict[bytes, list[int]] = {}
    for i in index:
        groups.setdefault(images[i], []).append(i)
    if len(groups) == 1:  # all images are equal: the only case in which train and test share one
        return np.asarray(index[:-1] or index), np.asarray(index[-1:])
    tenth = max(1, len(index) // 10)
    test: list[int] = []
    for group in sorted(groups.values(), key=lambda group: min(originals[i] for i in group)):
        if len(test) + len(group) <= tenth:
            test += group
    if not test:  # every group is larger than a tenth: take the smallest
        test = min(groups.values(), key=lambda group: (len(group), min(originals[i] for i in group)))
    chosen = set(test)
    return np.asarray([i for i in index if i not in chosen]), np.asarray(sorted(test))


def _equality_notes(images: Sequence[bytes]) -> list[str]:
    if len(images) == 1:
        return ["one image only: train and test are both this image, so a test score means nothing"]
    if len(set(images)) == 1:
        return [f"all {len(images)} images are equal: train and test show the same picture"]
    return []


def _repeat_notes(images: Sequence[bytes]) -> tuple[str, ...]:
    different = len(set(images))
    repeats = len(images) - different
    if not repeats or different == 1:
        return ()
    return (f"{repeats} exact repeats of other images: equal images are all in train or all in test",)


def _list_names(names: Sequence[str]) -> str:
    rest = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(printable(name) for name in names[:MAX_NAMES]) + rest
