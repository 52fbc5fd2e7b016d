"""SSIM against its formula written out, and the traps of SSIM and PSNR."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from limner.data import to_float
from limner.errors import LimnerError
from limner.metrics import mse, psnr, reconstruction
from limner.metrics.reconstruction import ssim


def pair(n: int, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Smooth images and noisy copies of them, uint8."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, shape[0], 4, 4, generator=generator)
    x = 255 * torch.nn.functional.interpolate(coarse, shape[1:], mode="bilinear")
    y = x + 25 * torch.randn(x.shape, generator=generator)
    return x.byte(), y.clamp(0, 255).byte()


def written_out(x: np.ndarray, y: np.ndarray) -> float:
    """SSIM of one image (C, H, W) on [0, 1]: Wang et al. 2004, eq. 13, windows of 11 x 11, sigma 1.5."""
    offsets = np.arange(-5, 6)
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    values = []
    for a, b in zip(x, y, strict=True):
        a, b = (np.pad(image, 5, mode="reflect") for image in (a, b))
        for row, column in np.ndindex(*x.shape[1:]):
            p, q = (image[row : row + 11, column : column + 11] for image in (a, b))
            m, n = (window * p).sum(), (window * q).sum()
            v, w = (window * (p - m) ** 2).sum(), (window * (q - n) ** 2).sum()
            c = (window * (p - m) * (q - n)).sum()
            top = (2 * m * n + 0.01**2) * (2 * c + 0.03**2)
            values.append(top / ((m**2 + n**2 + 0.01**2) * (v + w + 0.03**2)))
    return float(np.mean(values))


@pytest.fixture
def _torchmetrics() -> None:
    pytest.importorskip("torchmetrics", reason="needs the extra: pip install 'limner[metrics]'")


@pytest.mark.usefixtures("_torchmetrics")
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 16), (1, 28, 20)])
def test_ssim_is_its_formula(shape: tuple[int, int, int]) -> None:
    x, y = pair(3, shape)
    expected = [written_out(a / 255, b / 255) for a, b in zip(x.numpy(), y.numpy(), strict=True)]
    assert ssim(x, y).tolist() == pytest.approx(expected, abs=1e-5)
    assert ssim(to_float(x), to_float(y)).tolist() == pytest.approx(expected, abs=1e-5)
    assert 0.1 < min(expected) < max(expected) < 0.99


@pytest.mark.usefixtures("_torchmetrics")
def test_ssim_does_not_depend_on_what_else_is_in_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pair(5, (1, 16, 16))
    x, y = 100 + x // 8, 100 + y // 8  # a narrow range of greys
    alone = torch.cat([ssim(a[None], b[None]) for a, b in zip(x, y, strict=True)])
    bright = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 16, 16)
    together = ssim(torch.cat([x, bright]), torch.cat([y, bright]))
    assert torch.allclose(together[:5], alone, atol=1e-6)
    monkeypatch.setattr(reconstruction, "ROWS", 2)
    assert torch.allclose(ssim(x, y), alone, atol=1e-6)
    from torchmetrics.functional.image import structural_similarity_index_measure as theirs

    inferred = theirs(x / 255, y / 255, reduction="none")  # the trap: the scale of the batch
    assert not torch.allclose(inferred.double(), alone, atol=0.01)


@pytest.mark.usefixtures("_torchmetrics")
def test_ssim_of_equal_flat_and_opposite_images() -> None:
    x, _ = pair(2, (3, 16, 16))
    assert ssim(x, x).tolist() == pytest.approx([1, 1])
    black, white = torch.zeros(1, 1, 16, 16).byte(), torch.full((1, 1, 16, 16), 255).byte()
    assert float(ssim(black, white)) == pytest.approx(0.01**2 / (1 + 0.01**2))  # the means' part alone
    stripes = torch.tensor([0, 255], dtype=torch.uint8).repeat(8).expand(1, 1, 16, 16)
    assert float(ssim(stripes, 255 - stripes)) < -0.9


@pytest.mark.usefixtures("_torchmetrics")
def test_shapes_without_a_window_are_refused() -> None:
    for shapes in (((1, 1, 16, 16), (1, 1, 16, 17)), ((1, 1, 5, 16), (1, 1, 5, 16))):
        with pytest.raises(LimnerError, match="equal shapes, sides from 6"):
            ssim(*(torch.zeros(shape) for shape in shapes))


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(LimnerError, match=r"pip install 'limner\[metrics\]'"):
        ssim(*pair(1, (1, 16, 16)))


def test_one_bad_image_does_not_set_the_psnr() -> None:
    x = torch.full((8, 1, 16, 16), -1.0)
    y = x + 0.1
    y[0] = 1  # MSE 1, the others' 0.0025
    pooled = float(-10 * mse(x, y).mean().log10())
    assert float(psnr(x, y).mean()) == pytest.approx((0 + 7 * -10 * np.log10(0.0025)) / 8)
    assert float(psnr(x, y).mean()) > pooled + 13
