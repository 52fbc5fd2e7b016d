"""The game that every GAN plays: every loss with every model, penalties in closed form, tricks one by one."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small import blobs
from torch import Tensor, nn
from torch.autograd import grad

import limner
from limner.cli import run
from limner.data import Dataset
from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models import adversarial, constructors, create, model_class, options
from limner.models.adversarial import GAMES, Adversarial
from limner.models.gan import GAN
from limner.training import Trainer

SHAPE = (1, 8, 8)
SMALL: dict[str, dict[str, Any]] = {"gan": {"hidden": (16,), "dropout": 0.0}, "dcgan": {"width": 4}}
PENALTIES = ["r1", "r2", "r1+r2", "gp"]
TRICKS: dict[str, Any] = {
    "noise": "uniform", "soft_labels": True, "flip_labels": 0.1, "generator_dropout": 0.3, "inputs": "unit",
    "spectral_norm": True, "augment": ("colour", "translation", "cutout"), "penalty": "r1+r2",
    "penalty_every": 2, "critic_steps": 2,
}  # fmt: skip
every_model = pytest.mark.parametrize("name", SMALL)
every_game = pytest.mark.parametrize("loss", GAMES)
every_penalty = pytest.mark.parametrize("penalty", PENALTIES)
both_precisions = pytest.mark.parametrize("precision", ["fp32", "bf16"])


def built(name: str = "gan", **options: Any) -> Any:
    torch.manual_seed(0)
    return create(name, SHAPE, **SMALL[name] | {"latent_dim": 8} | options)


def stream(batch: int = 8) -> Stream:
    return Stream(blobs(32, SHAPE), batch)


def pair(n: int = 6) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.rand(n, *SHAPE) * 2 - 1, torch.rand(n, *SHAPE) * 2 - 1


def weights(layer: nn.Module) -> Tensor:
    return layer.weight.detach().flatten(1)


# Every loss, every penalty, every model


@every_model
@every_game
def test_every_game_trains_every_model(name: str, loss: str) -> None:
    trainer = Trainer(built(name, loss=loss), stream())
    before = {key: value.clone() for key, value in trainer.model.named_parameters()}
    for _ in itertools.islice(trainer, 2):
        pass
    assert all(torch.isfinite(torch.tensor(value)) for value in trainer.tick().values())
    assert trainer.model.penalty == GAMES[loss].penalty, "the one it was published with"
    for network in ("G", "D"):
        moved = [
            not torch.equal(before[k], p) for k, p in trainer.model.named_parameters() if k[0] == network
        ]
        assert sum(moved) >= len(moved) - 1, "a last bias has no gradient where only differences count"


@every_model
@every_penalty
def test_every_penalty_trains_every_model(name: str, penalty: str) -> None:
    trainer = Trainer(built(name, penalty=penalty, spectral_norm=True), stream())
    for _ in itertools.islice(trainer, 2):
        pass
    assert all(torch.isfinite(torch.tensor(value)) for value in trainer.tick().values())


@every_model
@both_precisions
def test_all_tricks_at_once_train_and_reach_every_weight(name: str, precision: Any) -> None:
    trainer = Trainer(built(name, **TRICKS), stream(), precision=precision)
    for _ in itertools.islice(trainer, 3):
        pass
    assert all(torch.isfinite(torch.tensor(value)) for value in trainer.tick().values())
    for key, weight in trainer.model.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.isfinite().all(), key
        assert weight.grad.any(), key


@every_game
def test_the_generator_is_judged_beside_real_images_where_the_game_compares(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, given = built(loss=loss, critic_steps=2, penalty="none"), []
    real, asked = stream(), []
    monkeypatch.setattr(model, "generator_loss", lambda *logits: given.append(logits) or logits[0].sum())
    monkeypatch.setattr(model, "judge", lambda x, y=None: asked.append(x) or x.sum((1, 2, 3))[:, None])
    order: list[str] = []
    model.step(real, lambda name, loss: order.append(name))
    assert order == ["D", "D", "G"]
    assert real.images_seen == 16
    ((fake_logit, real_logit),) = given
    assert fake_logit.requires_grad
    if not GAMES[loss].relative:
        assert real_logit is None
        return
    real.images_seen = 8
    torch.testing.assert_close(real_logit, next(real)[0].sum((1, 2, 3))[:, None], msg="the last real batch")


def test_the_relativistic_generator_gains_where_its_logits_exceed_the_real_ones() -> None:
    model, (real, fake) = built(loss="relativistic"), (torch.tensor([[1.0]]), torch.tensor([[3.0]]))
    assert model.generator_loss(fake, real).item() == pytest.approx(F.softplus(torch.tensor(-2.0)).item())
    assert model.discriminator_loss(real, fake).item() == pytest.approx(F.softplus(torch.tensor(2.0)).item())


def test_in_bf16_a_sure_discriminators_gradient_keeps_its_size() -> None:
    model = built()
    model.D = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    nn.init.zeros_(model.D[1].weight)
    bias = nn.init.constant_(model.D[1].bias, 6.0)
    with torch.autocast("cpu", torch.bfloat16):
        logit = model.seen(pair()[0], None)
        loss = model.discriminator_loss(logit, logit.detach())
    (slope,) = grad(loss, bias)
    exact = 0.5 * (torch.tensor(6.0).sigmoid() - 1)
    torch.testing.assert_close(slope[0], exact, rtol=0.02, atol=0)  # 60 % off where the loss is bf16 too


# Penalties


def linear(**options: Any) -> tuple[Any, Tensor]:
    """A model with D(x) = w x, whose gradient is w everywhere."""
    model = built(**options)
    model.D = nn.Sequential(nn.Flatten(), nn.Linear(64, 1, bias=False))
    return model, model.D[1].weight.detach()


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("gamma", [None, 3.0])
def test_penalties_of_a_linear_discriminator(n: int, gamma: float | None) -> None:
    for penalty in PENALTIES:
        model, w = linear(penalty=penalty, gamma=gamma)
        expected = {"gp": (gamma or 10) * (w.norm() - 1) ** 2}.get(
            penalty, (gamma or 1) * len(penalty.split("+")) * w.square().sum() / 2
        )
        found = model.gradient_penalty(*pair(n), None)
        torch.testing.assert_close(found.detach(), expected, msg=f"{penalty} of {n} images")


def test_penalties_are_taken_where_their_papers_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    x, fake = pair()
    square = lambda at: at.square().sum((1, 2, 3))  # noqa: E731
    share = torch.linspace(0, 1, len(x)).view(-1, 1, 1, 1)
    monkeypatch.setattr(torch, "rand", lambda *size, **more: share)
    expected = {
        "r1": square(x).mean() / 2,
        "r2": square(fake).mean() / 2,
        "r1+r2": (square(x).mean() + square(fake).mean()) / 2,
        "gp": 10 * (square(share * x + (1 - share) * fake).sqrt() - 1).square().mean(),
    }
    for penalty, value in expected.items():
        model = built(penalty=penalty)
        model.D = HalfSquare()  # whose gradient at x is x
        torch.testing.assert_close(model.gradient_penalty(x, fake, None), value, msg=penalty)


class HalfSquare(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.square().sum((1, 2, 3))[:, None] / 2


@every_penalty
def test_a_penalty_now_and_then_weighs_as_much_in_the_mean(penalty: str) -> None:
    model, _ = linear(penalty=penalty, penalty_every=4)
    often = linear(penalty=penalty)[0]
    often.D = model.D
    x, fake = pair()
    torch.manual_seed(0)
    taken = torch.stack([torch.as_tensor(model.gradient_penalty(x, fake, None)) for _ in range(600)])
    each = often.gradient_penalty(x, fake, None).detach()
    torch.testing.assert_close(taken[taken > 0].detach(), (4 * each).expand(int((taken > 0).sum())))
    assert (taken > 0).float().mean().item() == pytest.approx(0.25, abs=0.05)


def test_none_is_no_penalty_and_draws_nothing() -> None:
    model, (x, fake) = built(), pair()
    state = torch.get_rng_state()
    assert model.gradient_penalty(x, fake, None) == 0.0
    assert torch.equal(torch.get_rng_state(), state)


@both_precisions
@every_penalty
def test_a_penaltys_gradient_is_that_of_float64_and_of_finite_differences(
    penalty: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, (x, fake) = built(penalty=penalty), pair()
    share = torch.linspace(0.1, 0.9, 6).view(-1, 1, 1, 1)
    monkeypatch.setattr(torch, "rand", lambda *size, **more: share)
    fake = fake.bfloat16() if precision == "bf16" else fake  # as G gives them in autocast
    model.D = nn.Sequential(nn.Conv2d(1, 2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(18, 1))
    with torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext():
        value = model.gradient_penalty(x, fake, None)
        assert value.dtype == torch.float32
    found = grad(value, list(model.D.parameters()), allow_unused=True)
    exact = model.D.double()

    def reference() -> Tensor:
        places = {"r1": [x], "r2": [fake], "r1+r2": [x, fake], "gp": [share * x + (1 - share) * fake]}
        total = torch.zeros((), dtype=torch.float64)
        for at in places[penalty]:
            at = at.double().requires_grad_()
            (slope,) = grad(exact(at).sum(), at, create_graph=True)
            squares = slope.square().sum((1, 2, 3))
            total = total + (10 * (squares.sqrt() - 1).square() if penalty == "gp" else squares / 2).mean()
        return total

    torch.testing.assert_close(value.double(), reference(), rtol=1e-5, atol=0)
    for gradient, weight in zip(found, exact.parameters(), strict=True):
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
    model, (x, fake) = built(name, penalty="r1+r2").train(), pair()
    alone = [model.gradient_penalty(x[i : i + 1], fake[i : i + 1], None) for i in range(len(x))]
    torch.testing.assert_close(model.gradient_penalty(x, fake, None), torch.stack(alone).mean())


# Spectral norm


@every_model
@both_precisions
def test_the_largest_singular_value_of_every_layer_stays_1(name: str, precision: Any) -> None:
    trainer = Trainer(built(name, spectral_norm=True, lr=1e-3), stream(), precision=precision)
    for _ in itertools.islice(trainer, 60):  # each step's power iterations come closer
        pass
    layers = [m for m in trainer.model.D.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    assert len(layers) >= 2
    for layer in layers:
        assert torch.linalg.matrix_norm(weights(layer), 2).item() == pytest.approx(1, abs=0.02)
        assert layer.weight.dtype == torch.float32
    raw = [layer.parametrizations.weight.original.detach().flatten(1) for layer in layers]
    assert any(abs(torch.linalg.matrix_norm(w, 2) - 1) > 0.05 for w in raw), "it is the norm that does it"
    assert not any("parametrizations" in key for key in trainer.model.G.state_dict())


def test_the_maxout_discriminator_is_normalised_too() -> None:
    model = built(networks="maxout", inputs="unit", spectral_norm=True)
    layers = [m for m in model.D.modules() if isinstance(m, nn.Linear)]
    assert len(layers) == 3
    for layer in layers:
        assert torch.linalg.matrix_norm(weights(layer), 2).item() == pytest.approx(1, abs=0.05)


def test_a_run_with_spectral_norm_comes_back_and_goes_on(digits: Dataset) -> None:
    given = {"batch": 16, "out": "run", "quiet": True}
    limner.train("dcgan", digits, width=4, latent_dim=8, spectral_norm=True, images=64, **given)
    first = limner.load("run").model
    straight = {key: value.clone() for key, value in first.state_dict().items()}
    assert any("original" in key for key in straight)
    for layer in first.D.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            assert torch.linalg.matrix_norm(weights(layer), 2).item() == pytest.approx(1, abs=0.1)
    x = digits.test.pixels[:4].float() / 127.5 - 1
    assert torch.equal(first.judge(x), limner.load("run").model.judge(x)), "judging changes nothing"
    limner.train(resume=True, out="run", images=128, quiet=True)
    went_on = limner.load("run").model.state_dict()
    assert not torch.equal(went_on["G.1.weight"], straight["G.1.weight"])


# The tricks


def recording(model: Any) -> list[tuple[Tensor, ...]]:
    """What D's loss is given from now on."""
    given: list[tuple[Tensor, ...]] = []
    model.game = model.game._replace(discriminator=lambda *all: given.append(all) or all[0].mean())
    return given


@pytest.mark.parametrize("loss", [name for name, game in GAMES.items() if game.labels])
def test_soft_labels_fill_the_lectures_ranges(loss: str) -> None:
    model = built(loss=loss, soft_labels=True)
    given = recording(model)
    model.discriminator_loss(torch.randn(5000, 1), torch.randn(5000, 1))
    ((_, _, real, fake),) = given
    for labels, (low, high) in ((real, (0.7, 0.9)), (fake, (0.0, 0.3))):
        assert labels.shape == (5000, 1)
        assert low <= labels.min() < low + 0.01 < high - 0.01 < labels.max() <= high
        assert labels.mean().item() == pytest.approx((low + high) / 2, abs=0.01)


@pytest.mark.parametrize("loss", [name for name, game in GAMES.items() if not game.labels])
def test_a_loss_without_labels_has_none_to_soften(loss: str) -> None:
    with pytest.raises(LimnerError, match=f"the {loss} loss has no labels to soften"):
        built(loss=loss, soft_labels=True)


@every_game
def test_flipped_pairs_change_places_whole(loss: str) -> None:
    model = built(loss=loss, flip_labels=0.2)
    given = recording(model)
    number = torch.arange(1.0, 20_001)[:, None]
    model.discriminator_loss(number, -number)
    ((real, fake),) = given
    assert torch.equal(real, -fake), "both of a pair, or neither"
    assert torch.equal(real.abs(), number)
    assert (real < 0).float().mean().item() == pytest.approx(0.2, abs=0.015)
    model.flip_labels = 0.0
    model.discriminator_loss(number, -number)
    assert torch.equal(given[1][0], number)


@pytest.mark.parametrize("name", [*SMALL, "maxout"])
def test_unit_inputs_are_seen_in_0_to_1_and_shown_in_minus_1_to_1(name: str) -> None:
    maxout = {"networks": "maxout"} if name == "maxout" else {}
    model, seen = built("gan" if maxout else name, inputs="unit", **maxout), []
    inner = model.D.layers if maxout else model.D[1]
    inner.register_forward_pre_hook(lambda layer, given: seen.append(given[0].detach()))
    model.step(stream(), lambda name, loss: None)
    assert len(seen) == 3
    for x in seen:
        assert 0 <= x.min() < x.max() <= 1
    torch.testing.assert_close(seen[0], (next(stream())[0] + 1) / 2)
    pictures = model.sample(16)
    assert -1 <= pictures.min() < 0 < pictures.max() <= 1


@every_model
def test_centred_inputs_are_handed_on_as_they_are(name: str) -> None:
    model, seen = built(name), []
    model.D[0].register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    model.step(stream(), lambda name, loss: None)
    assert torch.equal(seen[0], next(stream())[0])


@every_model
def test_generator_dropout_stays_on_in_sampling(name: str) -> None:
    z = torch.randn(4, 8)
    still, lively = built(name).eval(), built(name, generator_dropout=0.4).eval()
    assert torch.equal(still.decode(z), still.decode(z))
    assert not torch.equal(lively.decode(z), lively.decode(z))
    layers = [m for m in lively.G.modules() if isinstance(m, adversarial.Dropout)]
    hidden = len([m for m in lively.G.modules() if isinstance(m, nn.LeakyReLU)])
    assert len(layers) == hidden, "in every hidden layer"
    torch.manual_seed(0)
    left_out = layers[0](torch.ones(100, 100))
    assert (left_out == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert not any(isinstance(m, adversarial.Dropout) for m in lively.D.modules())


def test_noise_is_of_its_kind() -> None:
    gaussian, uniform = built(latent_dim=4).z(20_000), built(latent_dim=4, noise="uniform").z(20_000)
    assert gaussian.shape == uniform.shape == (20_000, 4)
    for z, std, fourth in ((gaussian, 1.0, 3.0), (uniform, 3**-0.5, 0.2)):
        assert z.mean(0).abs().max() < 0.03
        torch.testing.assert_close(z.std(0), torch.full((4,), std), atol=0.02, rtol=0)
        assert z.pow(4).mean().item() == pytest.approx(fourth, rel=0.05)
    assert uniform.abs().max() <= 1


@every_model
def test_rates_and_averages_of_gradients_reach_the_optimisers(name: str) -> None:
    model = built(name, lr=1e-3, d_lr=4e-3, beta1=0.0, beta2=0.9)
    groups = {player: optimizer.param_groups[0] for player, optimizer in model.optimizers().items()}
    assert {player: group["lr"] for player, group in groups.items()} == {"D": 4e-3, "G": 1e-3}
    assert {group["betas"] for group in groups.values()} == {(0.0, 0.9)}
    for player, group in groups.items():
        assert {id(p) for p in group["params"]} == {id(p) for p in getattr(model, player).parameters()}
    alone = built(name, lr=1e-3).optimizers()
    assert {optimizer.param_groups[0]["lr"] for optimizer in alone.values()} == {1e-3}


def test_sgd_has_both_rates_too() -> None:
    optimizers = built(optimizer="sgd", lr=0.1, d_lr=0.2).optimizers()
    assert {name: one.param_groups[0]["lr"] for name, one in optimizers.items()} == {"D": 0.2, "G": 0.1}


@every_model
def test_all_that_the_discriminator_sees_is_augmented(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes, given = ("translation", "cutout"), []
    augment = adversarial.augment
    monkeypatch.setattr(adversarial, "augment", lambda x, how: given.append((x, how)) or augment(x, how))
    model = built(name, augment=changes, penalty="r1")
    model.step(stream(), lambda name, loss: None)
    assert [how for _, how in given] == [changes] * 4, "real, generated, penalty, generated for G"
    assert [x.requires_grad for x, _ in given] == [False, False, True, True]
    assert torch.equal(given[0][0], given[2][0]), "R1 is of the real images before the changes"


def test_samples_are_not_augmented(monkeypatch: pytest.MonkeyPatch) -> None:
    model = built(augment=("cutout",)).eval()
    monkeypatch.setattr(adversarial, "augment", lambda x, how: pytest.fail("outside training"))
    assert model.judge(model.sample(2)).shape == (2, 1)
    assert model(torch.randn(2, 8)).shape == (2, 1)


@pytest.mark.parametrize(("averaged", "ema"), [("generator", ("G",)), ("nothing", ())])
def test_inference_uses_what_is_asked_for(averaged: str, ema: tuple[str, ...]) -> None:
    assert built(averaged=averaged).ema == ema


# Options


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"latent_dim": 0}, "latent_dim must be at least 1, not 0"),
        ({"critic_steps": 0}, "critic_steps must be at least 1, not 0"),
        ({"penalty_every": 0}, "penalty_every must be at least 1, not 0"),
        ({"gamma": 0.0}, "gamma must be above 0, not 0.0: --penalty none has none"),
        ({"lr": 0.0}, "lr must be above 0, not 0.0"),
        ({"lr": float("nan")}, "lr must be above 0, not nan"),
        ({"d_lr": 0.0}, "d_lr must be above 0, not 0.0"),
        ({"flip_labels": 0.5}, "flip_labels must be from 0 to below 0.5, not 0.5"),
        ({"flip_labels": -0.1}, "flip_labels must be from 0"),
        ({"generator_dropout": 1.0}, "generator_dropout must be from 0 to below 1, not 1.0"),
        ({"beta1": 1.0}, "beta1 must be from 0 to below 1, not 1.0"),
        ({"beta2": -0.5}, "beta2 must be from 0 to below 1, not -0.5"),
        ({"loss": "hinged"}, "loss cannot be 'hinged': did you mean 'hinge'"),
        ({"noise": "gausian"}, "noise cannot be 'gausian': did you mean 'gaussian'"),
        ({"penalty": "r3"}, "penalty cannot be 'r3'"),
        ({"inputs": "units"}, "inputs cannot be 'units': did you mean 'unit'"),
        ({"averaged": "both"}, "averaged cannot be 'both'"),
        ({"augment": ("color",)}, "augment cannot be 'color': did you mean 'colour'"),
        ({"augment": "colour"}, "augment must be a tuple, not 'colour'"),
    ],
    ids=str,
)
@every_model
def test_mistakes_are_told(name: str, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(LimnerError, match=told):
        built(name, **wrong)


def test_a_game_that_is_none_is_told_without_the_table_of_options() -> None:
    with pytest.raises(LimnerError, match="loss must be one of minimax"):
        GAN(SHAPE, loss="hinged")


@every_model
def test_options_are_the_models_and_the_games(name: str) -> None:
    cls, game = model_class(name), options(Adversarial)
    assert [one.__name__ for one in constructors(cls)] == [cls.__name__, "Adversarial"]
    assert set(game) < set(options(cls))
    assert options(cls)["soft_labels"].default is False
    assert {
        model: (options(model_class(model))["latent_dim"].default, options(model_class(model))["lr"].default)
        for model in SMALL
    } == {"gan": (64, 5e-4), "dcgan": (100, 2e-4)}, "a model's own default comes first"
    assert built(name, soft_labels=True, noise="uniform").soft_labels
    with pytest.raises(LimnerError, match="has no option 'soft_label': did you mean 'soft_labels'"):
        create(name, SHAPE, soft_label=True)


def test_a_model_of_ones_own_inherits_as_far_as_it_passes_options_on() -> None:
    class Open(GAN):
        def __init__(self, shape: Any, *, more: int = 1, lr: float = 1.0, **rest: Any) -> None:
            super().__init__(shape, lr=lr, **rest)

    class Closed(GAN):
        def __init__(self, shape: Any, *, more: int = 1) -> None:
            super().__init__(shape)

    class Same(Open):
        pass

    assert set(options(Open)) == set(options(GAN)) | {"more"} == set(options(Same))
    assert options(Open)["lr"].default == 1.0
    assert set(options(Closed)) == {"more"}


@every_model
def test_help_tells_every_option_of_the_game(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from limner.cli.train import options_class

    made = options_class(model_class(name))
    for option in options(model_class(name)):
        (about,) = made.__annotations__[option].__metadata__
        assert about.help, f"{name} does not explain {option}"
    with pytest.raises(SystemExit):
        run(["train", name, "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for option in options(model_class(name)):
        assert f"--{option.replace('_', '-')} " in text
    for inherited in ("divide every weight of the", "share of pairs of which", "wrong way round"):
        assert inherited in text
