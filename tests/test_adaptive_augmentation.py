"""Adaptive augmentation: its changes can be undone, are linear, and come as often as they should."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.augmentation import (
    INVERTIBLE_CHANGES,
    augment_adaptively,
    colour_matrices,
    flip,
    recolour,
    shift,
    turn,
)

SHAPES = [(1, 8, 8), (3, 8, 8), (1, 6, 9)]
CPU = torch.device("cpu")
every_change = pytest.mark.parametrize("name", INVERTIBLE_CHANGES)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def images(shape: tuple[int, int, int], n: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, *shape, generator=generator) * 2 - 1


def always(value: float) -> Tensor:
    return torch.tensor(value)


@every_change
@every_shape
def test_a_change_comes_with_its_probability(name: str, shape: tuple[int, int, int]) -> None:
    x = images(shape, 400)
    torch.manual_seed(0)
    assert torch.equal(augment_adaptively(x, (name,), always(0.0)), x)
    shares = [
        (augment_adaptively(x, (name,), always(p)) != x).flatten(1).any(1).float().mean().item()
        for p in (0.5, 1.0)
    ]
    assert shares[1] > 0.4, "some draws change nothing, such as a shift by nothing"
    assert shares[0] == pytest.approx(shares[1] / 2, abs=0.08)


@every_change
def test_its_first_and_second_derivatives_exist(name: str) -> None:
    def change(x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return augment_adaptively(x, (name,), always(1.0)).pow(3)

    x = images((3, 4, 4), 2).double().requires_grad_()
    torch.autograd.gradcheck(change, (x,))
    torch.autograd.gradgradcheck(change, (x,))


@every_change
@every_shape
def test_it_is_linear_in_the_pixels(name: str, shape: tuple[int, int, int]) -> None:
    def change(x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return INVERTIBLE_CHANGES[name](x)

    x, y = images(shape).double(), images(shape).flip(0).double()
    torch.testing.assert_close(change((x + 3 * y) / 4), (change(x) + 3 * change(y)) / 4)


@every_shape
@pytest.mark.parametrize("change", [flip, turn, shift])
def test_flips_turns_and_shifts_move_pixels_and_lose_none(change, shape: tuple[int, int, int]) -> None:
    x = images(shape)
    y = change(x)
    assert y.shape == x.shape
    assert torch.equal(y.flatten(2).sort().values, x.flatten(2).sort().values)
    back = {
        flip: [lambda image: image, lambda image: image.flip(2)],
        turn: [lambda image, k=k: image.rot90(k, (1, 2)) for k in range(4)],
        shift: [
            lambda image, k=k, m=m: image.roll((k, m), (1, 2)) for k in range(-1, 2) for m in range(-1, 2)
        ],
    }[change]
    if change is turn and shape[1] != shape[2]:
        back = back[::2]
    counts = [0] * len(back)
    for before, after in zip(x, y, strict=True):
        matches = [torch.equal(undo(after), before) for undo in back]
        assert sum(matches) == 1, "one of its inverses brings the image back"
        counts[matches.index(True)] += 1
    assert min(counts) > 0, "all are drawn"


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_colours_are_changed_by_a_matrix_with_an_inverse(channels: int) -> None:
    x = images((channels, 5, 5))
    torch.manual_seed(2)
    changed = recolour(x)
    torch.manual_seed(2)
    matrix, offset = colour_matrices(len(x), channels, CPU)
    back = torch.linalg.solve(matrix, (changed - offset).flatten(2)).view_as(x)
    torch.testing.assert_close(back, x, rtol=1e-3, atol=1e-4)


def test_grey_stays_grey_and_hue_turns_about_it() -> None:
    torch.manual_seed(0)
    matrix, offset = colour_matrices(200, 3, CPU)
    grey = matrix @ torch.ones(3)
    torch.testing.assert_close(grey, grey.mean(1, keepdim=True).expand(-1, 3))
    contrast = grey.mean(1)
    assert contrast.log2().mean().abs() < 0.1
    assert contrast.log2().std().item() == pytest.approx(0.5, rel=0.2)
    assert offset.std().item() == pytest.approx(0.2, rel=0.2)
    # off the grey axis: a rotation times contrast and saturation
    axes = torch.tensor([[1.0, -1, 0], [1, 1, -2]]).T
    colours = (matrix @ (axes / axes.norm(dim=0))) / contrast[:, None, None]
    lengths = colours.norm(dim=1)
    torch.testing.assert_close(lengths[:, 0], lengths[:, 1])
    torch.testing.assert_close(
        (colours[:, :, 0] * colours[:, :, 1]).sum(1), torch.zeros(200), atol=1e-4, rtol=0
    )
    assert lengths.log2().std().item() == pytest.approx(1, rel=0.2)
