"""The words that name a data set, or two domains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.errors import LimnerError


def parse_source(words: Sequence[str], labels: Path | None = None) -> str | tuple[str, str]:
    """The data set that --data names, or both domains of A=D B=D; LimnerError for anything else.

    `labels` is the file of --labels, for a file of images.
    """
    named = dict(word.split("=", 1) for word in words if word.startswith(("A=", "B=")))
    if len(words) == 2 and len(named) == 2:
        return named["A"], named["B"]
    if len(words) == 1 and not named:
        return words[0] if labels is None else join_labels(words[0], labels)
    raise LimnerError(f"data must be one source, or A=SOURCE B=SOURCE, not '{' '.join(words)}'")


def join_labels(images: str, labels: Path) -> str:
    """The source of a file of images with a file of labels; LimnerError for files of another type."""
    for file in (images, str(labels)):
        if not file.lower().endswith((".npz", ".npy")):
            raise LimnerError(f"--labels is for an .npz or .npy of images with one of labels, not '{file}'")
    return f"{images}+{labels}"


def source_words(source: str | tuple[str, str]) -> tuple[str, ...]:
    """The words after --data that `parse_source` reads."""
    return (source,) if isinstance(source, str) else (f"A={source[0]}", f"B={source[1]}")
