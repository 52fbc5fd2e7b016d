"""Sharpness against closed forms, and how it answers to blur, noise, brightness and contrast."""

from __future__ import annotations

import math

import pytest
import torch
from small import blobs
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics import sharpness


def wave(frequency: float) -> Tensor:
    """cos of a frequency per pixel along rows, many periods: (1, 1, 400, 400)."""
    return torch.cos(2 * math.pi * frequency * torch.arange(400.0, dtype=torch.float64)).repeat(1, 1, 400, 1)


@pytest.mark.parametrize("frequency", [0.025, 0.125, 0.25, 0.5])
def test_a_wave_has_its_squared_response(frequency: float) -> None:
    response = (2 - 2 * math.cos(2 * math.pi * frequency)) ** 2  # of the Laplacian
    assert sharpness(wave(frequency)).item() == pytest.approx(response, rel=0.02)


def test_white_noise_has_twenty() -> None:
    noise = torch.randn(20, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert sharpness(noise).mean().item() == pytest.approx(20, rel=0.01)


def test_brightness_and_contrast_do_not_count_and_blur_and_noise_do() -> None:
    x = blobs(20, (1, 24, 24)).pixels.double()
    sharp = sharpness(x)
    assert torch.allclose(sharpness(0.3 * x + 40), sharp)
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    assert (sharpness(blurred) < 0.7 * sharp).all()
    noise = 40 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert (sharpness(x + noise) > 1.5 * sharp).all()
    assert sharpness(torch.full((2, 1, 8, 8), 7, dtype=torch.uint8)).tolist() == [0, 0]


def test_too_small_an_image_is_refused() -> None:
    with pytest.raises(LimnerError, match="sides from 3"):
        sharpness(torch.zeros(1, 1, 2, 8))
