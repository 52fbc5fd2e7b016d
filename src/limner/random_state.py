"""Reproducible random numbers that leave the caller's random state alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's generators with this seed, without gradients; the caller's state comes back."""
    with torch.random.fork_rng(), torch.no_grad():
        set_seed(seed)
        yield


def set_seed(seed: int) -> None:
    """Seed torch's generators, an accelerator's too.

    Where there is none, `torch.manual_seed` notes a seed for each kind of GPU, with the place it was called
    from: that takes longer than a small model, and the notes are never dropped.
    """
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
