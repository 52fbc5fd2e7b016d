"""Signals against their known values for images, discriminators and codes constructed for the test."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from small import DOMAIN_MODELS, blobs, small, small_data, small_examples
from torch import Tensor

from limner.data import Dataset, Domains, Images
from limner.data.examples import Examples
from limner.doctor import signals
from limner.doctor.discriminators import discriminator_signals
from limner.doctor.features import ProbeFeatures
from limner.doctor.signals import IMAGES, Probe
from limner.doctor.translations import TranslationProbe
from limner.losses import critic_generator_loss, minimax_generator_loss
from limner.models import MODELS, create, model_class
from limner.models.abilities import Players, Scale
from limner.models.base import Model
from limner.models.latent import FittedPriors, Latent, Normal
from limner.settings import Settings
from limner.training import Trainer

SHAPE = (1, 16, 16)


class QuadrantFeatures(ProbeFeatures):
    """Features that are the pixels' mean over 4x4 squares; class: which quadrant is brightest."""

    def __init__(self) -> None:
        self.labelled, self.name = True, "quadrants"

    def features(self, pixels: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(pixels.float() / 255, 4).flatten(1)

    def classes(self, features: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(features.view(-1, 1, 4, 4), 2).flatten(1).argmax(1)


def new_probe(model: Model, images: Images | None = None, held_out: Images | None = None) -> Probe:
    images, held_out = images or blobs(600, SHAPE), held_out or blobs(300, SHAPE, seed=1)
    return Probe(model, images, held_out, QuadrantFeatures())


def translation_probe(name: str, model: Model) -> TranslationProbe:
    domains = small_data(
        name, Dataset("blobs", "blobs", blobs(200, SHAPE), blobs(60, SHAPE, 1), None, (), "0")
    )
    assert isinstance(domains, Domains)
    return TranslationProbe(model, domains, Examples(domains.a.test, domains.b.test))


def new_model(name: str, **options: Any) -> Model:
    """A small network of a model in the table, for the four classes of blobs."""
    classes = {"classes": 4} if "classes" in model_class(name).Options.model_fields else {}
    return create(name, SHAPE, **small(name) | classes | options)


def test_players_that_cannot_separate_are_at_the_equilibrium() -> None:
    model = new_model("gan")
    last = list(model.get_submodule("D").modules())[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    values = new_probe(model).players(model)
    assert values["overlap"] == 0.5
    assert values["d_real"] == values["d_fake"] == values["accuracy"] == 0.5
    assert values["held_out_gap"] == values["separation"] == 0
    assert values["g_slope"] == pytest.approx(0.5), "-log D(G(z)) has the slope 1 - D = 0.5"
    assert values["g_saturated"] == 0


class Constructed(Model):
    """A model without options, and with a single weight."""

    def __init__(self) -> None:
        super().__init__(SHAPE, Settings())
        self.weight = torch.nn.Parameter(torch.zeros(1))


class ByBrightness(Constructed):
    """D is an image's mean plus a shift, times a factor: real images are bright, generated ones black."""

    scale: Scale = "logit"
    generator_loss = staticmethod(lambda fake, real: minimax_generator_loss(fake))

    def __init__(self, factor: float, shift: float = 0.99) -> None:
        super().__init__()
        self.factor, self.shift = factor, shift

    def discriminate(self, x: Tensor) -> Tensor:
        return self.factor * (x.mean((1, 2, 3)) + self.shift)[:, None]

    def players(self, x: Tensor, y: Tensor | None) -> dict[str, Players]:
        fake = torch.full_like(x, -1.0)
        return {"D": Players(self.discriminate(x), self.discriminate(fake), self.scale, self.generator_loss)}


def test_a_sure_discriminator_ranks_all_and_lets_no_minimax_gradient_through() -> None:
    values = new_probe(ByBrightness(2000.0)).players(ByBrightness(2000.0))
    assert values["overlap"] == 1
    assert values["accuracy"] == 1
    assert values["d_real"] == pytest.approx(1)
    assert values["d_fake"] == pytest.approx(0, abs=1e-6)
    assert values["g_saturated"] == 1
    assert values["g_slope"] < 1e-6


class Regression(ByBrightness):
    scale: Scale = "regression"
    generator_loss = staticmethod(lambda fake, real: 0.5 * (fake - 1).square().mean())


class Margin(ByBrightness):
    scale: Scale = "margin"
    generator_loss = staticmethod(lambda fake, real: critic_generator_loss(fake))


class Critic(ByBrightness):
    scale: Scale = "critic"
    generator_loss = staticmethod(lambda fake, real: critic_generator_loss(fake))


def test_outputs_of_a_regression_are_no_probabilities() -> None:
    model = Regression(30.0, shift=0.99)  # black is -0.3
    values = new_probe(model).players(model)
    assert values["accuracy"] == 1
    assert values["g_slope"] == pytest.approx(1.3, abs=1e-4), "|D(G(z)) - 1|"
    assert not {"d_real", "d_fake"} & set(values)


def test_a_regression_that_separates_is_not_at_the_equilibrium() -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = (mean + 0.05 * torch.randn(4000, 1, generator=generator) for mean in (0.70, 0.55))
    values = discriminator_signals(Players(real, fake, "regression", Regression.generator_loss), None)
    assert values["overlap"] == pytest.approx(0.983, abs=0.005), "AUC of normals three deviations apart"
    assert values["separation"] == pytest.approx(3, abs=0.1)
    assert values["accuracy"] == pytest.approx(0.933, abs=0.01), "though nearly all outputs are above 0.5"
    assert not {"d_real", "d_fake"} & set(values), "0.70 and 0.55 would look like the equilibrium"


@pytest.mark.parametrize("scale", ["logit", "regression", "margin", "critic"])
def test_three_signals_of_a_discriminator_have_no_scale(scale: Scale) -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = (mean + torch.randn(256, 1, generator=generator) for mean in (1.0, 0.0))
    names = ("overlap", "separation", "accuracy")

    def read(factor: float, shift: float) -> list[float]:
        players = Players(factor * real + shift, factor * fake + shift, scale, Critic.generator_loss)
        values = discriminator_signals(players, None)
        return [values[name] for name in names]

    assert read(1e-3, 0.6) == pytest.approx(read(1.0, 0.0), abs=1e-3)
    assert read(1e3, -100.0) == pytest.approx(read(1.0, 0.0), abs=1e-3)
    overlap, separation, accuracy = read(1.0, 0.0)
    assert read(-1.0, 0.0) == pytest.approx([1 - overlap, -separation, 1 - accuracy], abs=1e-6), "inverted"


def test_a_margin_has_an_accuracy_but_no_probabilities() -> None:
    values = new_probe(Margin(30.0)).players(Margin(30.0))
    assert values["accuracy"] == 1
    assert values["g_slope"] == pytest.approx(1)
    assert not {"d_real", "d_fake"} & set(values)


def test_a_critic_has_only_what_differences_tell() -> None:
    values = new_probe(Critic(30.0)).players(Critic(30.0))
    assert set(values) == {"overlap", "separation", "accuracy", "held_out_gap", "g_slope", "g_saturated"}
    assert values["overlap"] == 1


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_the_held_out_gap_of_a_critic_has_no_scale(factor: float) -> None:
    bright = blobs(600, SHAPE)
    dark = Images(torch.zeros_like(bright.pixels[:300]))
    model = Critic(factor)
    assert new_probe(model, bright, dark).players(model)["held_out_gap"] == pytest.approx(1, abs=1e-3)


def test_the_held_out_gap_is_the_way_towards_the_generated() -> None:
    bright, model = blobs(600, SHAPE), ByBrightness(1.0)
    same = new_probe(model, bright).players(model)["held_out_gap"]
    dark = Images(torch.zeros_like(bright.pixels[:300]))
    far = new_probe(model, bright, dark).players(model)["held_out_gap"]
    assert abs(same) < 0.1
    assert far == pytest.approx(1)


@pytest.mark.parametrize("held_out", [20, 179, 256])
def test_the_held_out_gap_is_not_left_to_chance(held_out: int) -> None:
    generator = torch.Generator().manual_seed(0)
    for shift in (0.1, 0.3, 1.0, 3.0):
        gaps = torch.empty(200)
        for i in range(200):
            real, held, fake = (torch.randn(n, 1, generator=generator) for n in (256, held_out, 256))
            players = Players(real + shift, fake, "critic", Critic.generator_loss)
            gaps[i] = discriminator_signals(players, held + shift)["held_out_gap"]
        assert gaps.square().mean().sqrt() < 1 / 6, "of images that are as real as the others"


class TwoDiscriminators(ByBrightness):
    """One that separates all and one that separates nothing."""

    def players(self, x: Tensor, y: Tensor | None) -> dict[str, Players]:
        (sure,) = super().players(x, y).values()
        blind = Players(0 * sure.real, 0 * sure.fake, "logit", self.generator_loss)
        return {"D_A": sure, "D_B": blind}


def test_the_signals_of_several_discriminators_have_their_names() -> None:
    values = new_probe(TwoDiscriminators(30.0)).players(TwoDiscriminators(30.0))
    assert values["overlap/D_A"] == 1
    assert values["overlap/D_B"] == 0.5
    assert values["g_slope/D_B"] == pytest.approx(0.5)
    assert "overlap" not in values


class Noisy(ByBrightness):
    """A discriminator that draws random numbers, and counts."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.register_buffer("calls", torch.zeros(()))

    def players(self, x: Tensor, y: Tensor | None) -> dict[str, Players]:
        self.get_buffer("calls").add_(1)
        noise = torch.randn(len(x), 1)
        return {"D": Players(noise, noise - 1, "logit", self.generator_loss)}


def test_training_and_held_out_images_meet_the_same_random_numbers() -> None:
    model = Noisy()
    probe = new_probe(model)
    before = torch.get_rng_state()
    first, second = probe.players(model), probe.players(model)
    assert first == second
    assert first["held_out_gap"] == 0
    assert model.get_buffer("calls") == 0
    assert torch.equal(before, torch.get_rng_state())


class Draws(Constructed):
    """Draws the images that it is constructed with."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__()
        self.pixels = pixels

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return self.pixels[:n].float() / 127.5 - 1


def test_real_images_as_samples_are_like_real_ones_and_one_image_is_a_collapse() -> None:
    images = blobs(2000, SHAPE)
    others = blobs(IMAGES, SHAPE, seed=5).pixels
    probe = new_probe(Draws(others), images)
    real = probe.samples(Draws(others))
    assert real["distance_ratio"] < 3
    assert real["diversity"] == pytest.approx(1, abs=0.1)
    assert real["pixel_diversity"] == pytest.approx(1, abs=0.1)
    assert real["evenness"] == pytest.approx(1, abs=0.02)
    assert real["classes"] == 1
    assert max(real["low"], real["high"]) < 0.1
    assert "movement" not in real
    again = probe.samples(Draws(others))
    assert again["movement"] == 0
    one = probe.samples(Draws(others[:1].expand(IMAGES, -1, -1, -1)))
    assert one["diversity"] < 1e-6
    assert one["evenness"] == 0
    assert one["classes"] == 0.25
    assert one["distance"] > 20 * real["distance"]
    assert one["movement"] == pytest.approx(1, abs=0.35), "as far as another image"
    grey = probe.samples(Draws(torch.full_like(others, 128)))
    assert grey["low"] == pytest.approx(1, abs=0.01)


class Stepped(Draws):
    """A sampler of many steps, fewer of them for a draft."""

    draft: ClassVar[dict[str, Any]] = {"steps": 8}
    requested: list[tuple[int, int]]

    def sample(self, n: int, y: Tensor | None = None, *, steps: int = 50) -> Tensor:
        self.requested = [*getattr(self, "requested", []), (n, steps)]
        return super().sample(n, y)

    def sample_cost(self, steps: int = 50) -> float:
        return float(steps)


def test_dear_samples_are_drafts_and_fewer() -> None:
    model = Stepped(blobs(600, SHAPE).pixels)
    values = new_probe(model).samples(model)
    assert model.requested == [(128, 8)]
    assert values["diversity"] == pytest.approx(1, abs=0.2)
    assert values["evenness"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("cost", "n"), [(0.5, 256), (1, 256), (4, 256), (5, 204), (32, 32), (1000, 32)])
def test_the_number_of_samples_follows_their_cost(cost: float, n: int) -> None:
    model = Stepped(blobs(1, SHAPE).pixels)
    model.draft = {"steps": cost}
    assert signals.sample_count(model) == n


def test_samples_of_another_number_have_not_moved() -> None:
    model = Draws(blobs(600, SHAPE).pixels)
    probe = new_probe(model)
    probe.before = torch.zeros(7, 16)
    assert "movement" not in probe.samples(model)


def test_samples_of_a_prior_that_is_not_fitted_are_not_judged() -> None:
    model = Draws(blobs(600, SHAPE).pixels)
    priors = FittedPriors(4)
    model.latents = {"z": Latent((4,), priors.by_name())}
    probe = new_probe(model)
    assert probe.samples(model) == {}
    priors.fit(torch.randn(100, 4))
    assert probe.samples(model)
    model.latents = {"z": Latent((4,), {"normal": Normal(4), **FittedPriors(4).by_name()})}
    assert probe.samples(model), "the default prior needs no fit"


class Modes(ByBrightness):
    """A game that notes in which mode its players are read."""

    modes: ClassVar[list[bool]] = []

    def players(self, x: Tensor, y: Tensor | None) -> dict[str, Players]:
        self.modes.append(self.training)
        return super().players(x, y)


def test_players_are_read_in_training_mode_of_stored_weights_too() -> None:
    model = Modes(1.0).eval()
    signals.measure_signals(new_probe(model), model)
    assert Modes.modes == [True, True], "training and held-out images"
    assert not model.training


@pytest.mark.parametrize("held_out", [20, 50, 100, 179])
def test_real_images_are_as_far_as_real_images_with_few_held_out_ones(held_out: int, digits: Dataset) -> None:
    features = ProbeFeatures(digits, principal=True)  # the extractor knows the training images better
    ratios, grey = [], []
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(digits.train), generator=generator)
        perfect, train = digits.train.subset(order[:IMAGES]), digits.train.subset(order[IMAGES:])
        chosen = torch.randperm(len(digits.test), generator=generator)[:held_out]
        probe = Probe(Draws(perfect.pixels), train, digits.test.subset(chosen), features)
        ratios.append(probe.samples(Draws(perfect.pixels))["distance_ratio"])
        grey.append(probe.samples(Draws(0 * perfect.pixels + 128))["distance_ratio"])
    assert sum(ratios) / len(ratios) == pytest.approx(1, abs=0.25)
    assert min(grey) > 60, "few images do not mute the rules"


def test_of_few_images_no_training_image_is_on_both_sides() -> None:
    for total, missing in itertools.product((20, 64, 600, 2000), (0, 100, 236)):
        indices, others = signals.divide_training(torch.randperm(total), missing)
        assert not set(indices.tolist()) & set(others.tolist())
        assert len(others) == min(missing, total // 2)
        assert len(indices) == min(signals.REFERENCE, total - len(others))


def test_samples_are_compared_with_as_many_real_images() -> None:
    images = blobs(900, SHAPE)
    model = Draws(images.pixels[:IMAGES])
    probe = new_probe(model, Images(images.pixels[300:340]), Images(images.pixels[400:420]))
    assert len(probe.x) == 40, "D is read on all training images"
    assert probe.compared == 40, "20 held-out images and half of the training images"
    first = probe.samples(Draws(images.pixels[:40]))
    assert probe.samples(model)["distance_ratio"] == first["distance_ratio"]


def test_a_model_without_samples_codes_and_players_has_no_signals() -> None:
    model = Constructed()
    assert signals.measure_signals(new_probe(model), model) == {}


def test_a_decoder_that_ignores_its_code_is_not_sensitive(monkeypatch: pytest.MonkeyPatch) -> None:
    model = new_model("vae")
    probe = new_probe(model)
    with torch.no_grad():
        monkeypatch.setattr(model, "decode", lambda z, y=None: torch.zeros(len(z), *SHAPE))
        assert probe.codes(model)["sensitivity"] == 0
        monkeypatch.setattr(model, "encode", lambda x: x.flatten(1))
        monkeypatch.setattr(model, "decode", lambda z, y=None: z.view(-1, *SHAPE))
        values = probe.codes(model)
    assert values["sensitivity"] == pytest.approx(1)
    assert values["reconstruction"] < 0.01


def test_rhythm_is_the_autocorrelation() -> None:
    up_and_down = torch.tensor([1.0, -1.0] * 20)
    slow = torch.sin(torch.arange(200) / 10)
    assert signals.rhythm(up_and_down) == pytest.approx(-39 / 40)
    assert signals.rhythm(slow) > 0.95
    assert signals.rhythm(torch.ones(30)) == 0
    assert abs(signals.rhythm(torch.randn(4000, generator=torch.Generator().manual_seed(0)))) < 0.05


@pytest.mark.parametrize("name", MODELS)
def test_measuring_changes_nothing(name: str) -> None:
    torch.manual_seed(0)
    model = new_model(name)
    trainer = Trainer(model, small_examples(name, SHAPE, 64).stream(16, 0, model.device))
    for _ in itertools.islice(trainer, 2):
        pass
    probe = translation_probe(name, model) if name in DOMAIN_MODELS else new_probe(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    values = signals.measure_signals(probe, model)
    assert values
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.isfinite(torch.tensor(value)) for value in values.values())


def test_within_is_the_distance_of_two_of_one_class() -> None:
    x = torch.tensor([[0.0], [1.0], [10.0], [13.0], [50.0]])
    labels = torch.tensor([0, 0, 1, 1, 2])
    assert signals.mean_distance_within(x, labels) == pytest.approx((1 + 3) / 2)


def test_one_image_per_class_is_noticed_though_every_class_occurs() -> None:
    images = blobs(600, SHAPE)

    class OnePerClass(Draws):
        classes = 4

        def sample(self, n: int, y: Tensor | None = None) -> Tensor:
            assert y is not None
            first = [int((images.labels == k).nonzero()[0]) for k in range(4)]
            return images.pixels[first][y].float() / 127.5 - 1

    model = OnePerClass(images.pixels)
    values = new_probe(model, images).samples(model)
    assert values["agreement"] > 0.9
    assert values["evenness"] == pytest.approx(1, abs=0.05)
    assert values["within"] < 1e-3


def test_agreement_is_relative_to_that_of_real_images() -> None:
    images, held_out = blobs(600, SHAPE), blobs(300, SHAPE, seed=1)
    assert held_out.labels is not None
    unsure = torch.where(torch.arange(300) % 2 == 0, held_out.labels, (held_out.labels + 1) % 4)

    class OfTheClass(Draws):
        classes = 4

        def sample(self, n: int, y: Tensor | None = None) -> Tensor:
            assert y is not None
            assert images.labels is not None
            first = [int((images.labels == k).nonzero()[0]) for k in range(4)]
            return images.pixels[first][y].float() / 127.5 - 1

    model = OfTheClass(images.pixels)
    sure = new_probe(model, images, held_out)
    half = new_probe(model, images, replace(held_out, labels=unsure))
    assert half.real_agreement == pytest.approx(sure.real_agreement / 2, abs=0.1)
    assert half.samples(model)["agreement"] == pytest.approx(
        sure.samples(model)["agreement"] * sure.real_agreement / half.real_agreement
    )


def test_one_class_is_as_even_as_it_can_be() -> None:
    assert signals.evenness(torch.zeros(9), torch.ones(9)) == 1


def test_of_many_classes_no_two_samples_are_of_one() -> None:
    images = blobs(600, SHAPE)

    class Many(Draws):
        classes = 200

    values = new_probe(Many(images.pixels), images).samples(Many(images.pixels))
    assert "within" not in values


def test_held_out_images_without_labels_are_not_judged_where_labels_are_needed() -> None:
    model = new_model("cgan")
    values = new_probe(model, held_out=Images(blobs(300, SHAPE, seed=1).pixels)).players(model)
    assert "overlap" in values
    assert "held_out_gap" not in values
