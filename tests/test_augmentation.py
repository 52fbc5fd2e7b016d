"""Differentiable augmentation against loops over images and pixels, and what it must leave alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limner.augmentation import CHANGES, augment, colour, cutout, translation

SHAPES = [(1, 12, 16), (3, 16, 16), (1, 9, 20)]
every_change = pytest.mark.parametrize("name", CHANGES)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def images(shape: tuple[int, int, int], n: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, *shape, generator=generator) * 2 - 1


@every_change
@every_shape
def test_every_image_is_changed_by_itself_and_keeps_its_form(name: str, shape: tuple[int, int, int]) -> None:
    x = images(shape)[:1].expand(6, *shape)
    torch.manual_seed(2)
    changed = augment(x, (name,))
    assert (changed.shape, changed.dtype) == (x.shape, x.dtype)
    assert (changed != x).flatten(1).any(1).sum() >= 4, "a shift by nothing is a change too"
    assert len({tuple(one.flatten().tolist()) for one in changed}) >= 4


@every_change
def test_gradients_pass_through(name: str) -> None:
    def fixed(x: Tensor) -> Tensor:
        torch.manual_seed(0)
        return augment(x, (name,))

    x = images((3, 4, 4), 2).double().requires_grad_()
    assert fixed(x).abs().sum() > 0
    torch.autograd.gradcheck(fixed, (x,))


def test_no_changes_leave_the_images_and_several_come_one_after_the_other() -> None:
    x = images((3, 16, 16))
    assert augment(x, ()) is x
    torch.manual_seed(0)
    both = augment(x, ("colour", "cutout"))
    torch.manual_seed(0)
    assert torch.equal(both, cutout(colour(x)))


@every_shape
def test_translation_is_the_loop_over_pixels(shape: tuple[int, int, int]) -> None:
    x, (_, height, width) = images(shape), shape
    torch.manual_seed(3)
    moved = translation(x, 0.25)
    torch.manual_seed(3)
    reach = round(height * 0.25), round(width * 0.25)
    down, right = (torch.randint(-r, r + 1, (len(x), 1))[:, 0].tolist() for r in reach)
    assert len(set(down)) > 1
    naive = torch.zeros_like(x)
    for i in range(len(x)):
        for row in range(height):
            for column in range(width):
                source = row + down[i], column + right[i]
                if 0 <= source[0] < height and 0 <= source[1] < width:
                    naive[i, :, row, column] = x[i, :, source[0], source[1]]
    assert torch.equal(moved, naive)


@every_shape
def test_cutout_is_the_loop_over_pixels(shape: tuple[int, int, int]) -> None:
    x, (_, height, width) = images(shape), shape
    torch.manual_seed(3)
    cut = cutout(x)
    torch.manual_seed(3)
    down, right = torch.rand(len(x), 1) * height, torch.rand(len(x), 1) * width
    naive = x.clone()
    for i in range(len(x)):
        for row in range(height):
            for column in range(width):
                beside = abs(row + 0.5 - down[i].item()), abs(column + 0.5 - right[i].item())
                if beside[0] < height / 4 and beside[1] < width / 4:
                    naive[i, :, row, column] = 0
    assert torch.equal(cut, naive)
    gone = (cut == 0).all(1).sum((1, 2))
    assert 0 < gone.min() <= gone.max() <= (height // 2 + 1) * (width // 2 + 1), "at most half of each side"


def test_shifts_reach_as_far_as_they_may_both_ways_and_no_farther() -> None:
    x = torch.zeros(400, 1, 16, 16)
    x[:, :, 8, 8] = 1
    torch.manual_seed(0)
    places = translation(x)[:, 0].nonzero()[:, 1:] - 8
    assert len(places) == 400, "the bright pixel stays inside"
    assert (places.amin(0).tolist(), places.amax(0).tolist()) == ([-2, -2], [2, 2])
    counts = torch.stack([(places[:, 0] == shift).sum() for shift in range(-2, 3)])
    assert counts.min() > 50, "all shifts are as likely"


def test_no_reach_is_no_change() -> None:
    x = images((3, 16, 16))
    assert torch.equal(translation(x, 0.0), x)
    assert torch.equal(cutout(x, 0.0), x)


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_is_brightness_saturation_and_contrast_in_turn(channels: int) -> None:
    x = images((channels, 8, 8), 50)
    torch.manual_seed(4)
    changed = colour(x)
    torch.manual_seed(4)
    brightness = torch.rand(50) - 0.5
    saturation = torch.rand(50) * 2 if channels == 3 else torch.ones(50)
    contrast = torch.rand(50) + 0.5
    # the mean of the image moves with brightness alone: the middle of contrast and saturation stays
    torch.testing.assert_close(changed.mean((1, 2, 3)), x.mean((1, 2, 3)) + brightness)
    grey, was = changed.mean(1), x.mean(1)
    spread = lambda g: g - g.mean((1, 2), keepdim=True)  # noqa: E731
    torch.testing.assert_close(spread(grey), spread(was) * contrast[:, None, None])
    tint = (x - x.mean(1, keepdim=True)) * (saturation * contrast)[:, None, None, None]
    torch.testing.assert_close(changed - changed.mean(1, keepdim=True), tint)
