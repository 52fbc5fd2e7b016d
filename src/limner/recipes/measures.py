"""Measurements that several recipes take of a run."""

from __future__ import annotations

from torch import Tensor

from limner.data import to_float
from limner.models.abilities import Decodes, Encodes
from limner.random_state import seeded
from limner.training import Run
from limner.training.codes import decode_codes, encode_images


def reconstruct(run: Run, pixels: Tensor) -> Tensor:
    """Reconstructions, on the CPU, of images (N, C, H, W) uint8: (N, C, H, W) in [-1, 1]."""
    model = run.model
    assert isinstance(model, Encodes)
    assert isinstance(model, Decodes)
    return decode_codes(model, encode_images(model, pixels))


def mean_validation(run: Run, pixels: Tensor, seed: int) -> dict[str, float]:
    """Means over images (N, C, H, W) uint8, as the model sees them, of what a VAE's `validate` reports.

    'elbo' and 'kl' in nats per image, and 'sigma' of a Gaussian likelihood.
    """
    model, parts = run.model, pixels.split(1000)
    with seeded(seed):
        logs = [model.validate(to_float(part.to(model.device)), None) for part in parts]
    return {
        name: sum(len(part) / len(pixels) * log[name] for part, log in zip(parts, logs, strict=True))
        for name in ("elbo", "kl", "sigma")
        if name in logs[0]
    }
