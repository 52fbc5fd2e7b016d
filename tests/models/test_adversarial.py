"""The game of every GAN: every loss with every model, penalties in closed form, every option by itself."""

from __future__ import annotations

import itertools
import re
from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small import blobs, small
from torch import Tensor, nn
from torch.autograd import grad
from updates import RecordingUpdate

import limner
from limner.cli import run
from limner.data import Dataset
from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models import adversarial, create, model_class
from limner.models.abilities import Decodes, HasPlayers, Samples, abilities
from limner.models.adversarial import GAMES, GameOptions
from limner.models.layers import AlwaysDropout
from limner.training import TrainConfig, Trainer

SHAPE = (1, 8, 8)
MODELS = ["gan", "dcgan"]
PENALTIES = ["r1", "r2", "r1+r2", "gp"]
ALL_OPTIONS: dict[str, Any] = {
    "noise": "uniform", "soft_labels": True, "flip_labels": 0.1, "generator_dropout": 0.3, "inputs": "unit",
    "spectral_norm": True, "augment": ("colour", "translation", "cutout"), "penalty": "r1+r2",
    "penalty_every": 2, "critic_steps": 2,
}  # fmt: skip
every_model = pytest.mark.parametrize("name", MODELS)
every_game = pytest.mark.parametrize("loss", GAMES)
every_penalty = pytest.mark.parametrize("penalty", PENALTIES)
both_precisions = pytest.mark.parametrize("precision", ["fp32", "bf16"])


def build(name: str = "gan", **options: Any) -> Any:
    torch.manual_seed(0)
    steady: dict[str, Any] = {"dropout": 0.0} if name == "gan" else {}
    return create(name, SHAPE, **small(name) | steady | options)


def stream(batch: int = 8) -> Stream:
    return Stream(blobs(32, SHAPE), batch)


def pair(n: int = 6) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.rand(n, *SHAPE) * 2 - 1, torch.rand(n, *SHAPE) * 2 - 1


def weights(layer: nn.Module) -> Tensor:
    assert isinstance(layer.weight, Tensor)
    return layer.weight.detach().flatten(1)


def train(model: Any, iterations: int, **settings: Any) -> Trainer:
    trainer = Trainer(model, stream(), TrainConfig(**settings))
    for _ in itertools.islice(trainer, iterations):
        pass
    return trainer


def assert_finite(logs: dict[str, float]) -> None:
    assert torch.tensor(list(logs.values())).isfinite().all()


# Every loss, every penalty, every model


@every_model
@every_game
def test_every_game_trains_every_model(name: str, loss: str) -> None:
    model = build(name, loss=loss)
    before = {key: value.clone() for key, value in model.named_parameters()}
    assert_finite(train(model, 2).tick())
    assert model.penalty == GAMES[loss].penalty, "the one it was published with"
    for network in ("G", "D"):
        moved = [not torch.equal(before[k], p) for k, p in model.named_parameters() if k[0] == network]
        assert sum(moved) >= len(moved) - 1, "a last bias has no gradient where only differences count"


@every_model
@every_penalty
def test_every_penalty_trains_every_model(name: str, penalty: str) -> None:
    assert_finite(train(build(name, penalty=penalty, spectral_norm=True), 2).tick())


@every_model
@both_precisions
def test_all_options_at_once_train_and_reach_every_weight(name: str, precision: str) -> None:
    trainer = train(build(name, **ALL_OPTIONS), 3, precision=precision)
    assert_finite(trainer.tick())
    for key, weight in trainer.model.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.isfinite().all(), key
        assert weight.grad.any(), key


@every_game
def test_the_generators_loss_uses_real_images_where_the_game_compares(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(loss=loss, critic_steps=2, penalty="none")
    real, update = stream(), RecordingUpdate()
    judged: list[Tensor] = []
    arguments: list[tuple[Tensor, ...]] = []

    def discriminate(x: Tensor, y: Tensor | None = None) -> Tensor:
        judged.append(x)
        return x.sum((1, 2, 3))[:, None]

    def generator(*outputs: Tensor) -> Tensor:
        arguments.append(outputs)
        return outputs[0].sum()

    monkeypatch.setattr(model, "discriminate", discriminate)
    model.game = model.game._replace(generator=generator)
    model.step(real, update)
    assert update.names == ["D", "D", "G"]
    assert real.images_seen == 16
    (outputs,) = arguments
    assert outputs[0].requires_grad
    real.images_seen = 8
    last_batch = next(real)[0]
    if GAMES[loss].relative:
        assert len(judged) == 6
        torch.testing.assert_close(outputs[1], last_batch.sum((1, 2, 3))[:, None])
    else:
        assert len(judged) == 5
        assert len(outputs) == 1


def test_the_relativistic_generator_gains_where_its_logits_exceed_the_real_ones() -> None:
    model, (real, fake) = build(loss="relativistic"), (torch.tensor([[1.0]]), torch.tensor([[3.0]]))
    assert model.generator_loss(fake, real).item() == pytest.approx(F.softplus(torch.tensor(-2.0)).item())
    assert model.discriminator_loss(real, fake).item() == pytest.approx(F.softplus(torch.tensor(2.0)).item())


def test_in_bf16_the_gradient_of_a_sure_discriminator_keeps_its_size() -> None:
    model = build()
    model.D = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    nn.init.zeros_(model.D[1].weight)
    bias = nn.init.constant_(model.D[1].bias, 6.0)
    with torch.autocast("cpu", torch.bfloat16):
        logit = model.logits(pair()[0], None)
        loss = model.discriminator_loss(logit, logit.detach())
    (gradient,) = grad(loss, bias)
    exact = 0.5 * (torch.tensor(6.0).sigmoid() - 1)
    torch.testing.assert_close(gradient[0], exact, rtol=0.02, atol=0)  # 60 % off where the loss is bf16 too


# Players and abilities


@every_model
@every_game
def test_players_are_outputs_on_the_scale_of_the_game(name: str, loss: str) -> None:
    model, (x, _) = build(name, loss=loss, augment=("cutout",)).eval(), pair()
    torch.manual_seed(3)
    (players,) = model.players(x, None).values()
    torch.manual_seed(3)
    fake = model.discriminate(model.sample(len(x)))
    assert torch.equal(players.fake, fake), "for as many generated images as real ones"
    assert torch.equal(players.real, model.discriminate(x)), "without augmentation"
    assert torch.equal(
        players.generator_loss(players.fake, players.real), model.generator_loss(fake, players.real)
    )
    scales = {"least-squares": "regression", "hinge": "margin", "wasserstein": "critic"}
    assert players.scale == scales.get(loss, "critic" if loss == "relativistic" else "logit")


@every_model
def test_it_samples_decodes_and_plays(name: str) -> None:
    model = build(name)
    for ability in (Samples, Decodes, HasPlayers):
        assert isinstance(model, ability)
    assert abilities(model) == ["sample", "decode"]
    assert model.sampling_options() == {}


@every_model
def test_a_pass_of_images_runs_every_layer(name: str) -> None:
    model = build(name).eval()
    calls: list[nn.Module] = []
    leaves = [layer for layer in model.modules() if not list(layer.children())]
    for layer in leaves:
        layer.register_forward_pre_hook(lambda layer, x: calls.append(layer))
    assert model(pair(3)[0]).shape == (3, 1)
    assert set(calls) == set(leaves)


# Penalties


def linear(**options: Any) -> tuple[Any, Tensor]:
    """A model with D(x) = w x, whose gradient is w everywhere."""
    model = build(**options)
    model.D = nn.Sequential(nn.Flatten(), nn.Linear(64, 1, bias=False))
    return model, model.D[1].weight.detach()


def penalty_of(model: Any, x: Tensor, fake: Tensor, iteration: int = 0) -> Tensor:
    return model.gradient_penalty(x, fake, None, RecordingUpdate(iteration))["penalty"]


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("gamma", [None, 3.0])
def test_penalties_of_a_linear_discriminator(n: int, gamma: float | None) -> None:
    for penalty in PENALTIES:
        model, w = linear(penalty=penalty, gamma=gamma)
        # the non-saturating loss has the factor 1/2, and so has the penalty beside it
        gp, r1 = (10.0, 1.0) if gamma is None else (gamma / 2, gamma / 2)
        expected = {"gp": gp * (w.norm() - 1) ** 2}.get(
            penalty, r1 * len(penalty.split("+")) * w.square().sum() / 2
        )
        value = penalty_of(model, *pair(n)).detach()
        torch.testing.assert_close(value, expected, msg=f"{penalty} of {n} images")


def squares(x: Tensor) -> Tensor:
    return x.square().sum((1, 2, 3))


def test_penalties_are_computed_at_the_images_that_their_papers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    x, fake = pair()
    share = torch.linspace(0, 1, len(x)).view(-1, 1, 1, 1)
    monkeypatch.setattr(torch, "rand", lambda *size, **more: share)
    expected = {
        "r1": squares(x).mean() / 2,
        "r2": squares(fake).mean() / 2,
        "r1+r2": (squares(x).mean() + squares(fake).mean()) / 2,
        "gp": 10 * (squares(share * x + (1 - share) * fake).sqrt() - 1).square().mean(),
    }
    for penalty, value in expected.items():
        model = build(penalty=penalty)
        model.D = HalfSquare()  # whose gradient at x is x
        torch.testing.assert_close(penalty_of(model, x, fake), value, msg=penalty)


class HalfSquare(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return squares(x)[:, None] / 2


@every_penalty
def test_a_lazy_penalty_comes_every_nth_iteration_n_times_as_heavy(penalty: str) -> None:
    (lazy, _), (eager, _) = linear(penalty=penalty, penalty_every=4), linear(penalty=penalty)
    lazy.D = eager.D
    x, fake = pair()
    for iteration in range(9):
        terms = lazy.gradient_penalty(x, fake, None, RecordingUpdate(iteration))
        if iteration % 4 == 0:
            torch.testing.assert_close(terms["penalty"], 4 * penalty_of(eager, x, fake, iteration))
        else:
            assert terms == {}


@every_model
def test_the_penalty_is_a_term_of_the_discriminators_update_alone(name: str) -> None:
    model = build(name, penalty="r1", penalty_every=2, critic_steps=2)
    for iteration, terms in ((0, {"penalty"}), (1, set()), (2, {"penalty"})):
        update = RecordingUpdate(iteration)
        model.step(stream(), update)
        assert set(update.terms["D"]) == terms
        assert update.terms["G"] == {}
    trainer = train(build(name, penalty="r1"), 2)
    assert set(trainer.tick()) == {"loss/D", "loss/G", "penalty/D", "D(x)", "D(G(z))"}


def test_none_is_no_penalty_and_draws_nothing() -> None:
    model, (x, fake) = build(), pair()
    state = torch.get_rng_state()
    assert model.gradient_penalty(x, fake, None, RecordingUpdate()) == {}
    assert torch.equal(torch.get_rng_state(), state)


@both_precisions
@every_penalty
def test_the_gradient_of_a_penalty_is_that_of_float64_and_of_finite_differences(
    penalty: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, (x, fake) = build(penalty=penalty), pair()
    share = torch.linspace(0.1, 0.9, 6).view(-1, 1, 1, 1)
    monkeypatch.setattr(torch, "rand", lambda *size, **more: share)
    fake = fake.bfloat16() if precision == "bf16" else fake  # as G gives them in autocast
    model.D = nn.Sequential(nn.Conv2d(1, 2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(18, 1))
    with torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext():
        value = penalty_of(model, x, fake)
        assert value.dtype == torch.float32
    gradients = grad(value, list(model.D.parameters()), allow_unused=True)
    exact = model.D.double()

    def reference() -> Tensor:
        places = {"r1": [x], "r2": [fake], "r1+r2": [x, fake], "gp": [share * x + (1 - share) * fake]}
        total = torch.zeros((), dtype=torch.float64)
        for at in places[penalty]:
            at = at.double().requires_grad_()
            (slope,) = grad(exact(at).sum(), at, create_graph=True)
            each = squares(slope)
            total = total + (10 * (each.sqrt() - 1).square() if penalty == "gp" else each / 2).mean()
        return total

    torch.testing.assert_close(value.double(), reference(), rtol=1e-5, atol=0)
    for gradient, weight in zip(gradients, exact.parameters(), strict=True):
        if gradient is None:
            assert weight is exact[3].bias, "a shift of all logits has no slope"
            continue
        place, step = (0,) * weight.dim(), 1e-6
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
            values.append(reference().item())
            with torch.no_grad():
                weight[place] -= sign * step
        difference = (values[0] - values[1]) / (2 * step)
        assert gradient[place].item() == pytest.approx(difference, rel=1e-3, abs=1e-5)


@every_model
def test_penalties_do_not_depend_on_the_other_images(name: str) -> None:
    model, (x, fake) = build(name, penalty="r1+r2").train(), pair()
    alone = [penalty_of(model, x[i : i + 1], fake[i : i + 1]) for i in range(len(x))]
    torch.testing.assert_close(penalty_of(model, x, fake), torch.stack(alone).mean())


# Spectral norm


@every_model
@both_precisions
def test_the_largest_singular_value_of_every_layer_stays_1(name: str, precision: str) -> None:
    model = build(name, spectral_norm=True, lr=1e-3)
    train(model, 60, precision=precision)  # each step's power iterations come closer
    layers = [m for m in model.D.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    assert len(layers) >= 2
    for layer in layers:
        assert torch.linalg.matrix_norm(weights(layer), 2).item() == pytest.approx(1, abs=0.02)
        assert layer.weight.dtype == torch.float32
    raw = [
        weight.detach().flatten(1)
        for key, weight in model.D.named_parameters()
        if key.endswith("parametrizations.weight.original")
    ]
    assert len(raw) == len(layers)
    assert any(abs(torch.linalg.matrix_norm(w, 2) - 1) > 0.05 for w in raw), "spectral norm has an effect"
    assert not any("parametrizations" in key for key in model.G.state_dict())


def test_the_maxout_discriminator_is_normalised_too() -> None:
    model = build(networks="maxout", inputs="unit", spectral_norm=True)
    layers = [m for m in model.D.modules() if isinstance(m, nn.Linear)]
    assert len(layers) == 3
    for layer in layers:
        assert torch.linalg.matrix_norm(weights(layer), 2).item() == pytest.approx(1, abs=0.05)


def test_a_run_with_spectral_norm_loads_and_resumes(digits: Dataset) -> None:
    options: dict[str, Any] = {"width": 4, "latent_dim": 8, "spectral_norm": True}
    limner.train("dcgan", digits, out="run", quiet=True, batch=16, images=64, **options)
    first: Any = limner.load("run").model
    state = {key: value.clone() for key, value in first.state_dict().items()}
    assert any("original" in key for key in state)
    for layer in first.D.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            assert torch.linalg.matrix_norm(weights(layer), 2).item() == pytest.approx(1, abs=0.1)
    x = digits.test.pixels[:4].float() / 127.5 - 1
    second: Any = limner.load("run").model
    assert torch.equal(first.discriminate(x), second.discriminate(x)), "the discriminator stays the same"
    limner.train(resume=True, out="run", images=128, quiet=True)
    resumed = limner.load("run").model.state_dict()
    assert not torch.equal(resumed["G.1.weight"], state["G.1.weight"])


# Options one by one


def record_discriminator_loss(model: Any) -> list[tuple[Tensor, ...]]:
    """The arguments of D's loss from now on."""
    arguments: list[tuple[Tensor, ...]] = []

    def discriminator(*tensors: Tensor) -> Tensor:
        arguments.append(tensors)
        return tensors[0].mean()

    model.game = model.game._replace(discriminator=discriminator)
    return arguments


@pytest.mark.parametrize("loss", [name for name, game in GAMES.items() if game.targets])
def test_soft_labels_fill_the_lectures_ranges(loss: str) -> None:
    model = build(loss=loss, soft_labels=True)
    arguments = record_discriminator_loss(model)
    model.discriminator_loss(torch.randn(5000, 1), torch.randn(5000, 1))
    ((_, _, real, fake),) = arguments
    for labels, (low, high) in ((real, (0.7, 0.9)), (fake, (0.0, 0.3))):
        assert labels.shape == (5000, 1)
        assert low <= labels.min() < low + 0.01 < high - 0.01 < labels.max() <= high
        assert labels.mean().item() == pytest.approx((low + high) / 2, abs=0.01)


@pytest.mark.parametrize("loss", [name for name, game in GAMES.items() if not game.targets])
def test_a_loss_without_labels_has_none_to_soften(loss: str) -> None:
    with pytest.raises(LimnerError, match=f"the {loss} loss has no labels to soften: leave soft_labels out"):
        build(loss=loss, soft_labels=True)


@every_game
def test_flipped_pairs_change_places_whole(loss: str) -> None:
    number = torch.arange(1.0, 20_001)[:, None]
    model = build(loss=loss, flip_labels=0.2)
    arguments = record_discriminator_loss(model)
    model.discriminator_loss(number, -number)
    ((real, fake),) = arguments
    assert torch.equal(real, -fake), "both of a pair, or neither"
    assert torch.equal(real.abs(), number)
    assert (real < 0).float().mean().item() == pytest.approx(0.2, abs=0.015)
    steady = build(loss=loss)
    arguments = record_discriminator_loss(steady)
    steady.discriminator_loss(number, -number)
    assert torch.equal(arguments[0][0], number)


@pytest.mark.parametrize("name", [*MODELS, "maxout"])
def test_unit_inputs_are_in_0_to_1_inside_and_in_minus_1_to_1_outside(name: str) -> None:
    options = {"networks": "maxout"} if name == "maxout" else {}
    model = build("gan" if name == "maxout" else name, inputs="unit", **options)
    inside: list[Tensor] = []
    model.D[1].register_forward_pre_hook(lambda layer, inputs: inside.append(inputs[0].detach()))
    model.step(stream(), RecordingUpdate())
    assert len(inside) == 3
    for x in inside:
        assert 0 <= x.min() < x.max() <= 1
    torch.testing.assert_close(inside[0], (next(stream())[0] + 1) / 2)
    images = model.sample(16)
    assert -1 <= images.min() < 0 < images.max() <= 1


@every_model
def test_centred_inputs_reach_the_discriminator_as_they_are(name: str) -> None:
    model = build(name)
    inside: list[Tensor] = []
    model.D[0].register_forward_pre_hook(lambda layer, inputs: inside.append(inputs[0]))
    model.step(stream(), RecordingUpdate())
    assert torch.equal(inside[0], next(stream())[0])


@every_model
def test_generator_dropout_stays_on_in_sampling(name: str) -> None:
    z = torch.randn(4, 8)
    plain, dropping = build(name).eval(), build(name, generator_dropout=0.4).eval()
    assert torch.equal(plain.decode(z), plain.decode(z))
    assert not torch.equal(dropping.decode(z), dropping.decode(z))
    layers = [m for m in dropping.G.modules() if isinstance(m, AlwaysDropout)]
    hidden = len([m for m in dropping.G.modules() if isinstance(m, nn.LeakyReLU)])
    assert len(layers) == hidden, "in every hidden layer"
    torch.manual_seed(0)
    dropped = layers[0](torch.ones(100, 100))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert not any(isinstance(m, AlwaysDropout) for m in dropping.D.modules())


def test_noise_is_of_its_kind() -> None:
    gaussian, uniform = build(latent_dim=4), build(latent_dim=4, noise="uniform")
    assert (gaussian.latent.default_prior, uniform.latent.default_prior) == ("normal", "uniform")
    assert gaussian.latent.dim == uniform.latent.dim == 4
    for model, std, fourth in ((gaussian, 1.0, 3.0), (uniform, 3**-0.5, 0.2)):
        z = model.draw_z(20_000)
        assert z.shape == (20_000, 4)
        assert z.mean(0).abs().max() < 0.03
        torch.testing.assert_close(z.std(0), torch.full((4,), std), atol=0.02, rtol=0)
        assert z.pow(4).mean().item() == pytest.approx(fourth, rel=0.05)
    assert uniform.draw_z(20_000).abs().max() <= 1


@every_model
def test_rates_and_averages_of_gradients_reach_the_optimisers(name: str) -> None:
    model = build(name, lr=1e-3, d_lr=4e-3, beta1=0.0, beta2=0.9)
    groups = {player: optimizer.param_groups[0] for player, optimizer in model.optimizers().items()}
    assert {player: group["lr"] for player, group in groups.items()} == {"D": 4e-3, "G": 1e-3}
    assert {group["betas"] for group in groups.values()} == {(0.0, 0.9)}
    for player, group in groups.items():
        network = model.get_submodule(player)
        assert {id(p) for p in group["params"]} == {id(p) for p in network.parameters()}
        assert model.schedule(player, RecordingUpdate(1000)) == {}, "Adam's rate is constant"
    same = build(name, lr=1e-3).optimizers()
    assert {optimizer.param_groups[0]["lr"] for optimizer in same.values()} == {1e-3}


def test_sgd_has_both_rates_too() -> None:
    model = build(optimizer="sgd", lr=0.1, d_lr=0.2)
    optimizers = model.optimizers()
    assert {name: o.param_groups[0]["lr"] for name, o in optimizers.items()} == {"D": 0.2, "G": 0.1}
    assert {name: model.schedule(name, RecordingUpdate())["lr"] for name in optimizers} == {
        "D": 0.2,
        "G": 0.1,
    }


@every_model
def test_all_images_before_the_discriminator_are_augmented(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ("translation", "cutout")
    calls: list[tuple[Tensor, tuple[str, ...]]] = []
    original = adversarial.augment

    def augment(x: Tensor, changes: tuple[str, ...]) -> Tensor:
        calls.append((x, changes))
        return original(x, changes)

    monkeypatch.setattr(adversarial, "augment", augment)
    build(name, augment=changes, penalty="r1").step(stream(), RecordingUpdate())
    assert [names for _, names in calls] == [changes] * 4, "real, generated, penalty, generated for G"
    assert [x.requires_grad for x, _ in calls] == [False, False, True, True]
    assert torch.equal(calls[0][0], calls[2][0]), "R1 is of the real images before the changes"


def test_samples_are_not_augmented(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(augment=("cutout",)).eval()
    monkeypatch.setattr(adversarial, "augment", lambda x, changes: pytest.fail("outside training"))
    assert model.discriminate(model.sample(2)).shape == (2, 1)
    assert model(pair(2)[0]).shape == (2, 1)


@pytest.mark.parametrize(("averaged", "ema"), [("generator", ("G",)), ("nothing", ())])
def test_inference_uses_the_weights_that_the_option_names(averaged: str, ema: tuple[str, ...]) -> None:
    assert build(averaged=averaged).ema == ema


# Mistakes and help


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"latent_dim": 0}, "latent_dim must be at least 1, not 0"),
        ({"critic_steps": 0}, "critic_steps must be at least 1, not 0"),
        ({"penalty_every": 0}, "penalty_every must be at least 1, not 0"),
        ({"gamma": 0.0}, "gamma must be above 0, not 0"),
        ({"lr": 0.0}, "lr must be above 0, not 0"),
        ({"lr": float("nan")}, "lr must be a finite number, not nan"),
        ({"d_lr": 0.0}, "d_lr must be above 0, not 0"),
        ({"flip_labels": 0.5}, "flip_labels must be from 0 to below 0.5, not 0.5"),
        ({"flip_labels": -0.1}, "flip_labels must be from 0"),
        ({"generator_dropout": 1.0}, "generator_dropout must be from 0 to below 1, not 1"),
        ({"beta1": 1.0}, "beta1 must be from 0 to below 1, not 1"),
        ({"beta2": -0.5}, "beta2 must be from 0 to below 1, not -0.5"),
        ({"loss": "hinged"}, "loss cannot be 'hinged': did you mean 'hinge'"),
        ({"noise": "gausian"}, "noise cannot be 'gausian': did you mean 'gaussian'"),
        ({"penalty": "r3"}, "penalty cannot be 'r3'"),
        ({"inputs": "units"}, "inputs cannot be 'units': did you mean 'unit'"),
        ({"averaged": "both"}, "averaged cannot be 'both'"),
        ({"augment": ("color",)}, "augment cannot be 'color': did you mean 'colour'"),
        ({"augment": "colour"}, "augment must be a tuple of values, not 'colour'"),
        ({"soft_label": True}, "has no option 'soft_label': did you mean 'soft_labels'"),
    ],
    ids=str,
)
@every_model
def test_mistakes_are_named(name: str, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        build(name, **wrong)


@every_model
def test_options_are_the_models_and_the_games(name: str) -> None:
    options = model_class(name).Options.model_fields
    assert set(GameOptions.model_fields) < set(options)
    assert build(name, soft_labels=True).options.soft_labels


def test_a_models_own_default_comes_first() -> None:
    defaults = {name: model_class(name).Options() for name in MODELS}
    assert {name: (o.model_dump()["latent_dim"], o.model_dump()["lr"]) for name, o in defaults.items()} == {
        "gan": (64, 5e-4),
        "dcgan": (100, 2e-4),
    }


@every_model
def test_every_option_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = model_class(name).Options.model_fields
    for option, field in options.items():
        assert field.description, f"{name} does not explain {option}"
    with pytest.raises(SystemExit):
        run(["train", name, "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for option in options:
        assert re.search(f"--{option.replace('_', '-')}[ ,]", text)
    for inherited in ("divide the weights of each layer", "share of pairs whose labels are exchanged"):
        assert inherited in text


@every_game
def test_logged_outputs_are_probabilities_only_where_the_loss_is_of_logits(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(loss=loss, penalty="none")
    monkeypatch.setattr(model, "discriminate", lambda x, y=None: x.flatten(1).mean(1, keepdim=True) * 0 + 3)
    logs = model.step(stream(), RecordingUpdate())
    expected = torch.sigmoid(torch.tensor(3.0)) if GAMES[loss].scale == "logit" else torch.tensor(3.0)
    torch.testing.assert_close(logs["D(x)"], expected)
    torch.testing.assert_close(logs["D(G(z))"], expected)
