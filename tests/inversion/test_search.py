"""The search for codes against closed forms, and codes that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from limner.errors import LimnerError
from limner.inversion import Inversion, Search, Space, Starts, choose_starts, latent_space, refine
from limner.inversion.search import ROUNDING, mse, objective, polish
from limner.inversion.spaces import no_penalty, principal_axes, squared_norm
from limner.models.base import Model
from limner.models.latent import Latent, Normal, Prior, Uniform

SHAPE = (1, 6, 6)
QUICK = Search(samples=64, starts=4, steps=60)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def space_of(
    decode: Callable[[Tensor], Tensor], dim: int, penalty: Callable[[Tensor], Tensor] = squared_norm
) -> Space:
    """Coordinates that are codes, drawn from N(0, I), decoded without classes."""
    return Space(
        lambda n, y, seed: torch.randn(n, dim, generator=seeded(seed)),
        lambda u: u,
        lambda z, y: decode(z),
        penalty,
    )


def smooth(dim: int = 4, seed: int = 0) -> Callable[[Tensor], Tensor]:
    """A decoder of two random layers."""
    first, second = (
        torch.randn(dim, 24, generator=seeded(seed)),
        torch.randn(24, 36, generator=seeded(seed + 1)),
    )
    return lambda z: ((z @ first / 2).tanh() @ second / 5).tanh().unflatten(1, SHAPE)


class Decoder(Model):
    """A decoder with classes, options and noise, of codes with a prior."""

    def __init__(self, prior: Prior, classes: int | None = None) -> None:
        super().__init__(SHAPE, Model.Options())
        self.latents = {"z": Latent((4,), {"prior": prior})}
        self.weight, self.classes = nn.Parameter(torch.ones(1)), classes
        self.maps = [smooth(4, k) for k in range(3)]

    def decode(self, z: Tensor, y: Tensor | None = None, *, noise: float = 0.0) -> Tensor:
        assert (y is None) == (self.classes is None)
        images = torch.stack([decode(z) for decode in self.maps])
        x = images[0] if y is None else images[y, torch.arange(len(z))]
        return x + noise * torch.randn(len(z), *SHAPE)


def find(
    space: Space, x: Tensor, search: Search = QUICK, y: Tensor | None = None, classes: Tensor | None = None
) -> Inversion:
    return refine(space, x, choose_starts(space, x, y, classes, search), search)


def test_a_linear_decoder_has_the_solution_of_least_squares() -> None:
    A, x = torch.randn(36, 4, generator=seeded(0)) / 6, torch.randn(3, *SHAPE, generator=seeded(1)) / 2
    result = find(space_of(lambda z: (z @ A.T).unflatten(1, SHAPE), 4, no_penalty), x)
    solution = torch.linalg.lstsq(A, x.flatten(1).T).solution.T
    assert torch.allclose(result.codes, solution, atol=1e-3)


def test_the_prior_shrinks_as_ridge_regression_with_the_variance_of_the_error() -> None:
    A, x = torch.randn(36, 4, generator=seeded(0)) / 6, torch.randn(3, *SHAPE, generator=seeded(1)) / 2
    result = find(space_of(lambda z: (z @ A.T).unflatten(1, SHAPE), 4), x)
    for z, target, image in zip(result.codes, x.flatten(1), result.images.flatten(1), strict=True):
        variance = ((image - target) / 2).square().mean() + ROUNDING
        ridge = torch.linalg.solve(A.T @ A / 4 + variance * torch.eye(4), A.T @ target / 4)
        assert torch.allclose(z, ridge, atol=1e-3)
        assert (z - torch.linalg.lstsq(A, target[:, None]).solution[:, 0]).norm() > 0.02


def test_known_codes_of_a_smooth_decoder_are_recovered() -> None:
    z, decode = torch.randn(8, 4, generator=seeded(3)), smooth()
    result = find(space_of(decode, 4), decode(z))
    assert (-10 * mse(result.images, decode(z)).log10() > 45).all()
    assert torch.allclose(result.codes, z, atol=0.05)
    assert torch.allclose(result.images, decode(result.codes))
    assert torch.allclose(result.penalty, result.codes.square().sum(1))


def test_images_do_not_depend_on_each_other() -> None:
    x, space = torch.rand(6, *SHAPE, generator=seeded(4)) - 0.5, space_of(smooth(), 4)
    together = find(space, x)
    for i in (0, 5):
        alone = find(space, x[i : i + 1])
        assert torch.allclose(alone.codes[0], together.codes[i], atol=1e-3)


def test_a_search_never_ends_worse_than_its_samples_nor_polishing_than_its_start() -> None:
    x, space = torch.rand(4, *SHAPE, generator=seeded(4)) - 0.5, space_of(smooth(), 4)
    starts = choose_starts(space, x, search=QUICK)
    assert (mse(find(space, x).images, x) < mse(starts.nearest, x)).all()
    drawn = space.draw(QUICK.samples, None, 0)
    best = torch.stack([mse(space.image(drawn, None), image[None]).min() for image in x])
    assert torch.allclose(mse(starts.nearest, x), best)
    for i in range(4):
        u = starts.u[i, :1]
        after = objective(space, polish(space, x[i : i + 1], u, None, QUICK), None, x[i : i + 1])
        assert after < objective(space, u, None, x[i : i + 1])


def test_a_bounded_prior_keeps_codes_in_its_bounds() -> None:
    model = Decoder(Uniform(4))
    space = latent_space(model)
    x = (3 * smooth()(torch.randn(5, 4, generator=seeded(5)) * 4)).clamp(-1, 1)  # best reached outside
    result = find(space, x)
    assert float(result.codes.abs().max()) <= 1 + 1e-6
    assert float(result.codes.abs().max()) > 0.95
    assert not result.penalty.any()
    drawn = space.code(space.draw(500, None, 0))
    assert float(drawn.abs().max()) <= 1 + 1e-6
    assert float(drawn.std()) == pytest.approx(3**-0.5, rel=0.05)


def test_known_codes_of_a_bounded_prior_are_recovered() -> None:
    model = Decoder(Uniform(4))
    z = torch.rand(6, 4, generator=seeded(6)) * 2 - 1
    assert torch.allclose(find(latent_space(model), model.decode(z).detach()).codes, z, atol=0.05)


def test_the_class_of_least_error_is_found_and_a_known_one_is_kept() -> None:
    model = Decoder(Normal(4), classes=3)
    z, y, space = torch.randn(3, 4, generator=seeded(7)), torch.tensor([2, 0, 1]), latent_space(model)
    x = model.decode(z, y).detach()
    unknown = find(space, x, replace(QUICK, samples=150), classes=torch.arange(3))
    assert unknown.y is not None
    assert torch.equal(unknown.y, y)
    assert torch.allclose(unknown.codes, z, atol=0.05)
    known = find(space, x, y=y)
    assert known.y is not None
    assert torch.equal(known.y, y)
    assert torch.allclose(known.codes, z, atol=0.05)
    other = find(space, x, y=(y + 1) % 3)
    assert (mse(other.images, x) > mse(known.images, x)).all()


def test_noise_is_the_same_in_every_call_and_options_reach_the_decoder() -> None:
    space, state = latent_space(Decoder(Normal(4)), {"noise": 0.1}), torch.get_rng_state()
    u = torch.randn(2, 4, generator=seeded(8))
    assert torch.equal(space.image(u, None), space.image(u, None))
    assert not torch.equal(space.image(u, None), latent_space(Decoder(Normal(4))).image(u, None))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_axes_of_styles_are_those_of_their_covariance() -> None:
    w = torch.randn(2000, 3, generator=seeded(9)) @ torch.tensor([[2.0, 0, 0], [1, 1, 0], [0, 0, 1e-6]]) + 5
    mean, axes, variances = principal_axes(w)
    u = (w - mean) @ axes / variances.sqrt()
    assert torch.allclose(u.T.cov()[1:, 1:], torch.eye(2), atol=1e-3)
    assert float(variances[0]) == pytest.approx(1e-4 * float(variances[2])), "no axis is divided by nothing"
    assert torch.allclose(mean + u * variances.sqrt() @ axes.T, w, atol=1e-4)


def test_a_decoder_without_a_gradient_is_one_line() -> None:
    space = space_of(torch.no_grad()(smooth()), 4)
    with pytest.raises(LimnerError, match="has no gradient with respect to the code"):
        find(space, torch.zeros(1, *SHAPE))


def test_given_starts_are_where_the_search_begins() -> None:
    x, space = smooth()(torch.ones(1, 4)), space_of(smooth(), 4)
    still = replace(QUICK, steps=0, evaluations=1)
    u = torch.stack([torch.ones(1, 4), torch.zeros(1, 4)], 1)
    assert torch.allclose(refine(space, x, Starts(u, None, x), still).u, torch.ones(1, 4), atol=1e-3)
