"""Every formula against torch.distributions or the paper's own form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from limner import losses
from limner.models.adversarial import GAMES

Formula = Callable[[Tensor, Tensor], Tensor]


def test_kl_normal_is_the_divergence_of_two_normals() -> None:
    mu, logvar = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    reference = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(losses.kl_normal(mu, logvar), reference)


def test_bernoulli_nll_sums_over_pixels() -> None:
    logits, x = (
        torch.randn(4, 2, 3, 3, dtype=torch.float64),
        torch.rand(4, 2, 3, 3, dtype=torch.float64).round(),
    )
    reference = -Independent(Bernoulli(logits=logits), 3).log_prob(x)
    torch.testing.assert_close(losses.bernoulli_nll(logits, x), reference)


def test_gaussian_nll_sums_over_pixels() -> None:
    mean, x = torch.randn(4, 2, 3, 3, dtype=torch.float64), torch.randn(4, 2, 3, 3, dtype=torch.float64)
    variance = torch.tensor(0.3, dtype=torch.float64)
    reference = -Independent(Normal(mean, variance.sqrt()), 3).log_prob(x)
    torch.testing.assert_close(losses.gaussian_nll(mean, x, variance), reference)


def cross_entropies(real: Tensor, fake: Tensor) -> Tensor:
    return -real.sigmoid().log().mean() / 2 - (1 - fake.sigmoid()).log().mean() / 2


# game -> the papers' losses of D and of G, from logits of real (r) and of generated images (f)
PAPERS: dict[str, tuple[Formula, Formula]] = {
    "minimax": (cross_entropies, lambda r, f: (1 - f.sigmoid()).log().mean()),
    "non-saturating": (cross_entropies, lambda r, f: -f.sigmoid().log().mean()),
    "least-squares": (
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda r, f: ((f - 1) ** 2).mean() / 2,
    ),
    "hinge": (
        lambda r, f: -(r - 1).clamp(max=0).mean() - (-f - 1).clamp(max=0).mean(),
        lambda r, f: -f.mean(),
    ),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    "relativistic": (
        lambda r, f: -(r - f).sigmoid().log().mean(),
        lambda r, f: -(f - r).sigmoid().log().mean(),
    ),
}


def logits(n: int = 64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return 2 * torch.randn(n, 1, dtype=torch.float64), 2 * torch.randn(n, 1, dtype=torch.float64)


@pytest.mark.parametrize("name", GAMES)
def test_every_game_is_its_papers(name: str) -> None:
    game, (discriminator, generator), (real, fake) = GAMES[name], PAPERS[name], logits()
    torch.testing.assert_close(game.discriminator(real, fake), discriminator(real, fake))
    outputs = (fake, real) if game.relative else (fake,)
    torch.testing.assert_close(game.generator(*outputs), generator(real, fake))


@pytest.mark.parametrize("name", GAMES)
def test_each_player_gains_by_the_right_sign(name: str) -> None:
    real, fake = (logit.requires_grad_() for logit in logits())
    by_real, by_fake = torch.autograd.grad(GAMES[name].discriminator(real, fake), (real, fake))
    outputs = (fake, real.detach()) if GAMES[name].relative else (fake,)
    (by_generated,) = torch.autograd.grad(GAMES[name].generator(*outputs), fake)
    if name == "least-squares":  # which has a target that can be overshot
        by_real, by_fake = by_real[real < 1], by_fake[fake > 0]
        by_generated = by_generated[fake < 1]
    assert by_real.max() <= 0 <= by_fake.min(), "D's loss falls where real logits rise and fake ones fall"
    assert by_generated.max() < 0, "G's falls where its own logits rise"


@pytest.mark.parametrize("name", [name for name, game in GAMES.items() if game.targets])
def test_soft_labels_are_targets(name: str) -> None:
    real, fake = logits()
    p, q = torch.rand_like(real), torch.rand_like(fake)
    loss = GAMES[name].discriminator(real, fake, p, q)
    if name == "least-squares":
        reference = ((real - p) ** 2).mean() / 2 + ((fake - q) ** 2).mean() / 2
    else:
        bce = F.binary_cross_entropy_with_logits
        reference = bce(real, p) / 2 + bce(fake, q) / 2
    torch.testing.assert_close(loss, reference)


def test_cross_entropy_is_torchs_and_finite_at_large_logits() -> None:
    logit, target = logits()[0], torch.rand(64, 1, dtype=torch.float64)
    reference = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
    torch.testing.assert_close(losses.cross_entropy(logit, target), reference)
    sure = torch.tensor([[-500.0], [500.0]])
    assert losses.cross_entropy(sure, 1.0).tolist() == [[500.0], [0.0]]
    assert losses.cross_entropy(sure, 0.0).tolist() == [[0.0], [500.0]]


def test_penalties_are_of_each_images_gradient() -> None:
    gradient = torch.randn(5, 2, 3, 4, dtype=torch.float64)
    norm = torch.stack([image.norm() for image in gradient])
    torch.testing.assert_close(losses.zero_centred_penalty(gradient), norm**2 / 2)
    torch.testing.assert_close(losses.one_centred_penalty(gradient), (norm - 1) ** 2)


def cubic(x: Tensor) -> Tensor:
    """A discriminator whose gradient at x is x^2."""
    return x.pow(3).sum((1, 2, 3))[:, None] / 3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_input_gradient_is_exact_and_differentiable(precision: str) -> None:
    weight = torch.ones(1, 1, 4, 4, requires_grad=True)
    x = torch.randn(3, 1, 4, 4)
    before = x.clone()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"), torch.no_grad():
        gradient = losses.input_gradient(lambda at: cubic(at) + F.conv2d(at, weight).flatten(1), x)
    assert gradient.dtype == torch.float32
    torch.testing.assert_close(gradient, x.square() + 1)
    (by_weight,) = torch.autograd.grad(gradient.sum(), weight)
    torch.testing.assert_close(by_weight, torch.full_like(weight, 3.0))
    assert torch.equal(x, before)
    assert not x.requires_grad


def test_gradient_penalties_are_means_at_their_images() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(5, 1, 4, 4), torch.randn(5, 1, 4, 4)
    at_real = losses.zero_centred_penalty(real.square()).mean()
    at_fake = losses.zero_centred_penalty(fake.square()).mean()
    torch.testing.assert_close(losses.r1(cubic, real).detach(), at_real)
    torch.manual_seed(1)
    share = torch.rand(5, 1, 1, 1)
    between = losses.one_centred_penalty((fake + share * (real - fake)).square()).mean()
    expected = {"r1": at_real, "r2": at_fake, "r1+r2": at_real + at_fake, "gp": between}
    for kind, value in expected.items():
        torch.manual_seed(1)
        penalty = losses.gradient_penalty(kind, cubic, real, fake)  # type: ignore[arg-type]
        torch.testing.assert_close(penalty.detach(), value, msg=kind)
        assert penalty.shape == ()


def test_the_meta_device_has_penalties_too() -> None:
    x = torch.empty(2, 1, 4, 4, device="meta")
    assert losses.gradient_penalty("gp", cubic, x, x).device.type == "meta"


def test_a_flat_discriminator_has_a_finite_penalty_gradient() -> None:
    gradient = torch.zeros(2, 1, 3, 3, requires_grad=True)
    penalty = losses.one_centred_penalty(gradient)
    torch.testing.assert_close(penalty.detach(), torch.ones(2), atol=1e-5, rtol=0)
    (slope,) = torch.autograd.grad(penalty.sum(), gradient)
    assert slope.isfinite().all()


def test_a_sure_discriminator_leaves_the_minimax_generator_no_gradient() -> None:
    logit = torch.full((4, 1), -20.0, requires_grad=True)
    (minimax,) = torch.autograd.grad(losses.minimax_generator_loss(logit), logit)
    (improved,) = torch.autograd.grad(losses.non_saturating_generator_loss(logit), logit)
    assert minimax.abs().max() < 1e-8
    assert improved.abs().sum() > 0.99


def test_no_loss_depends_on_the_batch_size() -> None:
    x, y = torch.rand(6, 1, 4, 4).round(), torch.randn(6, 1, 4, 4)
    whole = losses.bernoulli_nll(y, x)
    parts = torch.cat([losses.bernoulli_nll(y[i : i + 1], x[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(whole, parts)
