"""Path length: closed forms of a linear decoder and of the sphere."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics import smoothness
from limner.metrics.smoothness import even_slerp, feature_distance, path_length

DIM = 6
MATRIX = torch.randn(DIM, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def draw(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, DIM, generator=generator, dtype=torch.float64)


def linear(z: Tensor) -> Tensor:
    return (z @ MATRIX.to(z.dtype)).view(-1, 1, 4, 5)


def same(z: Tensor) -> Tensor:
    return z


euclidean = feature_distance(same)


@pytest.mark.parametrize("epsilon", [1e-1, 1e-4])
def test_a_linear_decoder_has_the_squared_length_of_the_way(epsilon: float) -> None:
    found = path_length(linear, draw, euclidean, 400, epsilon)
    generator = torch.Generator().manual_seed(0)
    a, b = draw(400, generator), draw(400, generator)
    expected = ((b - a) @ MATRIX).square().sum(1)
    assert torch.allclose(found.values, expected, rtol=1e-8)
    kept = expected.sort().values[3:-3]  # of 400, the authors' code drops what lies beyond the 4th
    assert found.mean == pytest.approx(float(kept.mean()), rel=1e-8)
    assert float(expected.mean()) == pytest.approx(2 * float(MATRIX.square().sum()), rel=0.1)


def test_on_a_sphere_it_is_the_squared_angle() -> None:
    def on_sphere(n: int, generator: torch.Generator) -> Tensor:
        return torch.nn.functional.normalize(draw(n, generator), dim=1)

    found = path_length(same, on_sphere, euclidean, 300, interpolation="slerp")
    generator = torch.Generator().manual_seed(0)
    a, b = on_sphere(300, generator), on_sphere(300, generator)
    angle = (a * b).sum(1).acos()
    assert torch.allclose(found.values, angle.square(), rtol=1e-6)


def test_a_great_circle_starts_ends_and_keeps_its_length() -> None:
    a, b = draw(50, torch.Generator().manual_seed(1)), draw(50, torch.Generator().manual_seed(2))
    assert torch.allclose(even_slerp(a, b, torch.zeros(50).double()), a)
    assert torch.allclose(even_slerp(a, b, torch.ones(50).double()), b)
    middle = even_slerp(a, b, torch.full((50,), 0.5).double())
    assert torch.allclose(middle.norm(dim=1), (a.norm(dim=1) + b.norm(dim=1)) / 2)
    quarter = even_slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([1 / 3]))
    assert quarter[0].tolist() == pytest.approx([math.cos(math.pi / 6), math.sin(math.pi / 6)])
    assert torch.allclose(even_slerp(a, 2 * a, torch.full((50,), 0.5).double()), 1.5 * a)
    assert torch.allclose(even_slerp(0 * a, a, torch.full((50,), 0.5).double()), 0.5 * a)


def test_a_jump_on_the_way_makes_it_long_and_the_tails_do_not_count() -> None:
    def jumping(z: Tensor) -> Tensor:
        return torch.where(z[:, :1] > 0, z + 0.01, z)

    smooth = path_length(same, draw, euclidean, 500, 0.01)
    rough = path_length(jumping, draw, euclidean, 500, 0.01)
    assert rough.mean > smooth.mean
    rare = torch.zeros(500, dtype=torch.float64)
    rare[:3] = 1e9
    calls = iter(rare.split(250))
    assert path_length(same, draw, lambda x, y: next(calls), 500, 0.5).mean == 0


def test_float32_decoders_and_any_batch_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def single(n: int, generator: torch.Generator) -> Tensor:
        return draw(n, generator).float()

    exact, rough = (path_length(linear, way, euclidean, 300) for way in (draw, single))
    assert rough.mean == pytest.approx(exact.mean, rel=2e-3)
    monkeypatch.setattr(smoothness, "BATCH", 7)
    assert path_length(linear, draw, euclidean, 300).mean == pytest.approx(exact.mean, rel=1e-6)
    assert path_length(linear, draw, euclidean, 300, seed=1).mean != exact.mean


def test_each_path_has_one_label() -> None:
    labels = torch.arange(300) % 3
    calls: list[tuple[int, Tensor]] = []

    def conditional(z: Tensor, y: Tensor) -> Tensor:
        calls.append((len(z), y))
        return linear(z) * y[:, None, None, None]

    found = path_length(conditional, draw, euclidean, 300, labels=labels)
    plain = path_length(linear, draw, euclidean, 300)
    torch.testing.assert_close(found.values, plain.values * labels.square())
    assert [n for n, _ in calls] == [250, 250, 50, 50]
    assert torch.equal(calls[0][1], calls[1][1]), "both ends of a step have the label of their path"


def test_a_random_decoder_draws_the_same_for_both_images_of_a_pair() -> None:
    kept = 0.7

    def dropping(z: Tensor) -> Tensor:
        return linear(torch.nn.functional.dropout(z, 1 - kept, training=True))

    state = torch.get_rng_state()
    found, plain = (path_length(decode, draw, euclidean, 2000) for decode in (dropping, linear))
    assert torch.equal(torch.get_rng_state(), state)
    assert found.mean == pytest.approx(plain.mean / kept, rel=0.1), "E (mask / kept)^2 = 1 / kept"
    assert torch.equal(found.values, path_length(dropping, draw, euclidean, 2000).values)
    assert not torch.equal(found.values, path_length(dropping, draw, euclidean, 2000, seed=1).values)
    lengths = found.values / plain.values
    assert lengths.round(decimals=6).unique().numel() > 10, "each path has a mask of its own"


def test_what_it_refuses() -> None:
    with pytest.raises(LimnerError, match="did you mean 'slerp'"):
        path_length(linear, draw, euclidean, 10, interpolation="slrp")
    for n, epsilon in ((0, 1e-4), (10, 0.0), (10, 2.0)):
        with pytest.raises(LimnerError, match="path length needs"):
            path_length(linear, draw, euclidean, n, epsilon)
