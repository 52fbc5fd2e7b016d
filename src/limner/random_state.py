"""Reproducible random numbers that leave the caller's random state alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's generators with this seed, without gradients; the caller's state comes back."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        yield
