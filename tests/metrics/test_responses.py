"""On real MNIST in the pinned features: worse samples score worse, and nothing hangs on the batch size."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from limner.data import load
from limner.metrics import Extractor, extractor, frechet, frechet_floor, kernel, kid, prdc
from limner.metrics import neighbours as neighbours_module

N = 1000
prdc_module = importlib.import_module("limner.metrics.prdc")  # the package has a function of that name


class Mnist(NamedTuple):
    """Test images that play the sampler, with labels; features of N others, the reference, and of train."""

    found: Extractor
    pixels: Tensor
    labels: Tensor
    reference: Tensor
    train: Tensor


@functools.cache
def loaded() -> Mnist:
    data = load("mnist")
    assert data.test.labels is not None
    found = extractor(data)
    generator = torch.Generator().manual_seed(0)  # the sets are ordered: their first images are neater
    order = torch.randperm(len(data.test), generator=generator)
    ours, others = order[:N], order[N : 2 * N]
    some = torch.randperm(len(data.train), generator=generator)[:N]
    reference, train = found.features(data.test.pixels[others]), found.features(data.train.pixels[some])
    return Mnist(found, data.test.pixels[ours], data.test.labels[ours], reference, train)


@pytest.fixture
def mnist(real: Path) -> Mnist:
    return loaded()


def blurred(mnist: Mnist, side: int) -> Tensor:
    return F.avg_pool2d(mnist.pixels.float(), side, 1, side // 2).round().to(torch.uint8)


def noisy(mnist: Mnist, level: int) -> Tensor:
    noise = torch.randn(mnist.pixels.shape, generator=torch.Generator().manual_seed(0))
    return (mnist.pixels + level * noise).round().clamp(0, 255).to(torch.uint8)


def of_classes(mnist: Mnist, kept: int) -> Tensor:
    """As many images, all of the first `kept` classes."""
    some = mnist.pixels[mnist.labels < kept]
    return some[torch.arange(N) % len(some)] if kept < 10 else mnist.pixels


def copied(mnist: Mnist, different: int) -> Tensor:
    return mnist.pixels[torch.arange(N) % different]


WORSE: dict[str, tuple[Callable[[Mnist, int], Tensor], list[int]]] = {
    "blur": (blurred, [1, 3, 5, 7]),
    "noise": (noisy, [0, 25, 50, 100]),
    "dropped classes": (of_classes, [10, 8, 5, 2]),
    "copied images": (copied, [N, 300, 80, 16]),
}


@pytest.mark.parametrize("name", WORSE)
def test_worse_samples_score_worse_step_by_step(name: str, mnist: Mnist) -> None:
    make, levels = WORSE[name]
    features = [mnist.found.features(make(mnist, level)) for level in levels]
    distances = [(frechet(z, mnist.reference), kid(z, mnist.reference)) for z in features]
    for values in zip(*distances, strict=True):
        assert list(values) == sorted(values)
        assert values[-1] > 3 * abs(values[0])
    found = [prdc(mnist.reference, z) for z in features]
    for values in zip(*((one.recall, one.coverage) for one in found), strict=True):
        assert list(values) == sorted(values, reverse=True)
        assert values[-1] < 0.7 * values[0]
    faithful = name in ("dropped classes", "copied images")  # each is a real image: only variety is lost
    assert (found[-1].precision > 0.9 * found[0].precision) == faithful


def test_a_perfect_sampler_gets_the_floor(mnist: Mnist) -> None:
    z = mnist.found.features(mnist.pixels)
    floor = frechet_floor(mnist.train, mnist.reference, N)
    assert frechet(z, mnist.reference) == pytest.approx(floor, rel=0.5)
    noise = mnist.found.features(noisy(mnist, 25))
    assert abs(kid(z, mnist.reference)) < 0.2 * kid(noise, mnist.reference)
    found, between = prdc(mnist.reference, z), prdc(mnist.reference, mnist.train)
    for ours, real_ones in zip(found, between, strict=True):
        assert ours == pytest.approx(real_ones, abs=0.08)


def test_a_constant_sampler_is_caught_by_each(mnist: Mnist) -> None:
    z = mnist.found.features(mnist.pixels)
    one = z[:1].expand(N, -1)
    assert frechet(one, mnist.reference) > 100 * frechet(z, mnist.reference)
    assert kid(one, mnist.reference) > 100 * abs(kid(z, mnist.reference))
    found = prdc(mnist.reference, one)
    assert found.recall == 0
    assert found.coverage < 0.05


def test_nothing_depends_on_the_batch_size(mnist: Mnist, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = mnist.pixels[:600], noisy(mnist, 50)[600:1100]
    features, probabilities = mnist.found.features(x), mnist.found.classify(x)
    parts = x.split(37)
    apart = torch.cat([mnist.found.features(part) for part in parts])
    assert torch.allclose(apart, features, rtol=1e-6, atol=1e-6 * float(features.max()))
    alone = torch.cat([mnist.found.classify(part) for part in parts])
    assert torch.allclose(alone, probabilities, rtol=1e-5, atol=1e-6)
    a, b = features, mnist.found.features(y)
    whole = [frechet(a, b), kid(a, b), *prdc(a, b)]
    for module in (kernel, prdc_module, neighbours_module):
        monkeypatch.setattr(module, "ROWS", 41)
    again = [frechet(apart, b), kid(apart, b), *prdc(apart, b)]
    assert again == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("measure", [frechet, kid, lambda x, y: prdc(x, y).coverage])
def test_nor_on_the_order_of_images(measure: Callable[[Tensor, Tensor], float], mnist: Mnist) -> None:
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    value = measure(mnist.train, mnist.reference)
    assert measure(mnist.train[order], mnist.reference.flip(0)) == pytest.approx(value, rel=1e-6)
