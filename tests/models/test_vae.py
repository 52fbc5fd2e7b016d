"""The bound, the likelihoods and the estimators of the VAE, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from small import blobs
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from limner.errors import LimnerError
from limner.models import create
from limner.models.vae import BINARISATION_SEED, VAE

SIGMA = 0.4


class Linear(VAE):
    """x = W z + b + noise: p(x) is N(b, W W^T + sigma^2 I), exactly."""

    def __init__(self) -> None:
        super().__init__((1, 2, 3), VAE.Options(latent_dim=2, variance="fixed", sigma=SIGMA))
        self.double()
        self.W, self.b = torch.randn(6, 2).double() * 0.3, torch.full((6,), 0.5).double()
        covariance = torch.eye(2).double() + self.W.T @ self.W / SIGMA**2
        self.V = covariance.inverse() @ self.W.T / SIGMA**2  # the exact posterior's mean is V (x - b)
        self.exact = covariance.inverse()
        self.spread = self.exact.diagonal().log()

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu = (x.flatten(1) - self.b) @ self.V.T
        return mu, self.spread.expand_as(mu)

    def nll(self, z: Tensor, target: Tensor) -> Tensor:
        mean = (z.double() @ self.W.T + self.b).unflatten(0, (-1, len(target)))
        return -torch.distributions.Normal(mean, SIGMA).log_prob(target.flatten(1)).sum(2).flatten()

    def log_p(self, x: Tensor) -> Tensor:
        covariance = self.W @ self.W.T + SIGMA**2 * torch.eye(6).double()
        return MultivariateNormal(self.b, covariance).log_prob((x.flatten(1) + 1) / 2)


def test_the_importance_weighted_bound_rises_to_the_exact_log_likelihood() -> None:
    torch.manual_seed(0)
    model = Linear()
    model.spread = model.spread + math.log(2.5)  # a wrong posterior, so that there is a gap to close
    x = torch.randn(64, 1, 2, 3).double()
    bounds = [model.log_likelihood(x, k=k, chunk=300).mean().item() for k in (1, 10, 100, 3000)]
    exact = model.log_p(x).mean().item()
    assert bounds == sorted(bounds)
    assert exact - bounds[0] > 0.1, "one sample leaves a gap"
    assert abs(exact - bounds[-1]) < 0.02


def test_the_bound_with_one_sample_is_minus_the_loss() -> None:
    torch.manual_seed(0)
    model = Linear()
    x = torch.randn(4000, 1, 2, 3).double()
    loss, logs = model.loss(x, None)
    assert -loss.item() == pytest.approx(logs["elbo"].item())
    assert model.log_likelihood(x, k=1).mean().item() == pytest.approx(-loss.item(), abs=0.1)


def test_with_k_codes_the_loss_is_minus_the_importance_weighted_bound() -> None:
    model = create("vae", (1, 16, 16), k=8, latent_dim=3, likelihood="bernoulli")
    x = torch.rand(5, 1, 16, 16).round() * 2 - 1
    torch.manual_seed(1)
    loss, logs = model.loss(x, None)
    torch.manual_seed(1)
    assert -loss.item() == pytest.approx(model.log_likelihood(x, k=8).mean().item(), rel=1e-6)
    assert logs["bound"] > logs["elbo"]
    loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_the_importance_weighted_gradient_is_the_weighted_mean_of_the_codes_gradients() -> None:
    torch.manual_seed(0)
    model = create("vae", (1, 16, 16), k=6, latent_dim=3, likelihood="bernoulli")
    x = torch.rand(1, 1, 16, 16).round() * 2 - 1
    bias = model.decoder[2].bias
    torch.manual_seed(1)
    model.loss(x, None)[0].backward()
    torch.manual_seed(1)
    x = (x + 1) / 2
    log_w = model.log_weights(x, *model.posterior(x), 6)[:, 0]
    each = [torch.autograd.grad(w, bias, retain_graph=True)[0] for w in log_w]
    expected = sum(share * g for share, g in zip(log_w.softmax(0), each, strict=True))  # Burda et al., eq. 14
    torch.testing.assert_close(-bias.grad, expected)


def test_the_importance_weighted_bound_takes_no_beta() -> None:
    with pytest.raises(LimnerError, match="k 5"):
        create("vae", (1, 16, 16), k=5, beta=2.0)
    with pytest.raises(LimnerError, match="k must be from 1 to 1000, not 0"):
        create("vae", (1, 16, 16), k=0)
    with pytest.raises(LimnerError, match="k must be from 1 to 1000, not 1000000000000"):
        create("vae", (1, 16, 16), k=10**12)


def test_chunks_do_not_change_the_estimator() -> None:
    model = create("vae", (1, 16, 16), latent_dim=2)
    x = torch.rand(3, 1, 16, 16) * 2 - 1
    values = []
    for chunk in (7, 1000):
        torch.manual_seed(1)
        values.append(model.log_likelihood(x, k=700, chunk=chunk))
    torch.testing.assert_close(*values, rtol=2e-3, atol=0.5)


def test_a_decoder_of_the_right_variance_gives_the_density_of_its_residual() -> None:
    model = create("vae", (1, 16, 16), variance="fixed", sigma=0.2)
    assert model.variance().item() == pytest.approx(0.04)
    assert not model.log_sigma.requires_grad
    z, target = torch.randn(3, 16), torch.rand(3, 1, 16, 16)
    normal = torch.distributions.Normal((model.decode(z) + 1) / 2, 0.2)
    torch.testing.assert_close(model.nll(z, target), -normal.log_prob(target).flatten(1).sum(1))


def test_learned_variance_finds_the_noise() -> None:
    torch.manual_seed(0)
    model = create("vae", (1, 16, 16), latent_dim=1, hidden=(4,), lr=0.02)
    optimizer = model.optimizers()["main"]
    for _ in range(600):
        x = ((0.5 + 0.1 * torch.randn(64, 1, 16, 16)) * 2 - 1).clamp(-1, 1)
        optimizer.zero_grad()
        model.loss(x, None)[0].backward()
        optimizer.step()
    assert model.variance().sqrt().item() == pytest.approx(0.1, abs=0.01)


def test_beta_weighs_the_kl_only() -> None:
    x = torch.rand(8, 1, 16, 16) * 2 - 1
    models = [create("vae", (1, 16, 16), beta=beta) for beta in (1.0, 4.0)]
    models[1].load_state_dict(models[0].state_dict())
    found = []
    for model in models:
        torch.manual_seed(2)
        found.append(model.loss(x, None))
    (loss_1, logs_1), (loss_4, logs_4) = found
    assert logs_1["elbo"].item() == pytest.approx(logs_4["elbo"].item()), "the bound is logged with beta 1"
    assert (loss_4 - loss_1).item() == pytest.approx(3 * logs_1["kl"].item(), rel=1e-4)


def test_static_binarisation_is_black_and_white_and_the_same_every_time() -> None:
    pixels = torch.randint(0, 256, (2500, 1, 16, 16), dtype=torch.uint8)
    model = create("vae", (1, 16, 16), likelihood="bernoulli", binarisation="static")
    torch.manual_seed(1)
    first = model.view(pixels)
    torch.manual_seed(BINARISATION_SEED + 1)
    assert torch.equal(first, model.view(pixels))
    assert torch.equal(first, model.view(first)), "a second view changes nothing"
    assert set(first.unique().tolist()) == {0, 255}
    assert first.float().mean().item() == pytest.approx(pixels.float().mean().item(), rel=0.01)


def test_dynamic_binarisation_draws_anew() -> None:
    model = create("vae", (1, 16, 16), likelihood="bernoulli", binarisation="dynamic")
    x = torch.zeros(4, 1, 16, 16)
    first, second = model.target(x), model.target(x)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(first, second)


def test_bernoulli_on_grey_says_what_it_means() -> None:
    grey = torch.randint(0, 256, (50, 1, 16, 16), dtype=torch.uint8)
    model = create("vae", (1, 16, 16), likelihood="bernoulli")
    (remark,) = model.remarks(grey)
    assert "cross-entropy, not a likelihood" in remark
    assert model.remarks((grey > 127) * 255) == []
    assert create("vae", (1, 16, 16)).remarks(grey) == []


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(LimnerError, match="binarisation dynamic needs --likelihood bernoulli"):
        create("vae", (1, 16, 16), binarisation="dynamic")
    with pytest.raises(LimnerError, match="sigma must be above"):
        create("vae", (1, 16, 16), sigma=0.0)


def test_validation_counts_active_units() -> None:
    model = create("vae", (1, 16, 16), latent_dim=3)
    head = model.encoder[-1]
    with torch.no_grad():
        head.weight[1:3] = 0  # mu of the second and third unit no longer depend on x
        head.weight[0] *= 20
    x = blobs(64, (1, 16, 16)).pixels.float() / 127.5 - 1
    found = model.validate(x, None)
    assert found["active_units"] == 1
    assert len(found["kl_per_dim"]) == 3
    assert found["effective_beta"] == pytest.approx(model.effective_beta())
    assert found["elbo"] == pytest.approx(-(found["rec"] + found["kl"]), rel=1e-5)


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 28, 20), (3, 17, 128)], ids=str)
def test_networks_mirror_each_other(network: str, shape: tuple[int, int, int]) -> None:
    model = create("vae", shape, network=network, latent_dim=5, hidden=(32,))
    x = torch.zeros(2, *shape)
    assert model.encode(x).shape == (2, 5)
    assert model(x).shape == x.shape
    assert [type(m) for m in model.decoder.modules()].count(nn.ReLU) == [
        type(m) for m in model.encoder.modules()
    ].count(nn.ReLU)


def test_codes_are_the_posteriors_mean_or_drawn_from_it() -> None:
    torch.manual_seed(0)
    model = create("vae", (1, 16, 16), latent_dim=3)
    x = torch.rand(1, 1, 16, 16) * 2 - 1
    mu, logvar = model.posterior((x + 1) / 2)
    torch.testing.assert_close(model.encode(x), mu)
    drawn = model.sample_posterior(x.expand(20_000, -1, -1, -1))
    torch.testing.assert_close(drawn.mean(0), mu[0], atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.var(0).log(), logvar[0], atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"likelihood": "gaussian", "sigma": 0.25}, "Gaussian density of pixels in [0, 1]"),
        ({"likelihood": "bernoulli", "binarisation": "static"}, "drawn once, seed 1312"),
        ({"likelihood": "bernoulli", "binarisation": "dynamic"}, "drawn at each use"),
        ({"likelihood": "bernoulli"}, "cross-entropy of pixels as they are"),
    ],
)
def test_the_protocol_of_a_likelihood_is_named(options: dict[str, object], text: str) -> None:
    assert text in create("vae", (1, 16, 16), **options).protocol


def test_the_effective_beta_is_the_weight_against_the_squared_error() -> None:
    model = create("vae", (1, 16, 16), beta=3.0, variance="fixed", sigma=0.3)
    assert model.effective_beta() == pytest.approx(3 * 2 * 0.3**2, rel=1e-5)
    model = create("vae", (1, 16, 16), beta=3.0, likelihood="bernoulli", binarisation="dynamic")
    assert model.effective_beta() == 3
