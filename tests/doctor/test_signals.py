"""Signals against what they must be of images, players and codes made for the purpose."""

from __future__ import annotations

import itertools

import pytest
import torch
from small import blobs
from torch import Tensor

from limner.data import Images
from limner.data.stream import Stream
from limner.doctor import signals
from limner.doctor.signals import N, Probe
from limner.models import create
from limner.training import Trainer

SHAPE = (1, 16, 16)


class Flat:
    """Features that are the pixels' mean over 4x4 squares; class: which quadrant is brightest."""

    labelled = True

    def features(self, pixels: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(pixels.float() / 255, 4).flatten(1)

    def classes(self, features: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(features.view(-1, 1, 4, 4), 2).flatten(1).argmax(1)


def probe_of(model: torch.nn.Module, images: Images | None = None) -> Probe:
    images = images or blobs(600, SHAPE)
    return Probe(model, images, blobs(300, SHAPE, seed=1), Flat())


def test_players_that_cannot_tell_stand_at_the_equilibrium() -> None:
    model = create("gan", SHAPE)
    torch.nn.init.zeros_(model.D[-1].weight)
    torch.nn.init.zeros_(model.D[-1].bias)
    found = probe_of(model).players(model)
    assert found["overlap"] == 0.5
    assert found["d_real"] == found["d_fake"] == 0.5
    assert found["held_out_gap"] == 0
    assert found["g_slope"] == pytest.approx(0.5), "-log D(G(z)) has the slope 1 - D = 0.5"
    assert found["g_saturated"] == 0


class Shifted(torch.nn.Module):
    """Judges an image by its mean, times a factor: bright real images, black generated ones."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def z(self, n: int) -> Tensor:
        return torch.zeros(n, 1)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.full((len(z), *SHAPE), -1.0)

    def judge(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.factor * (x.mean((1, 2, 3)) + 0.99)[:, None]

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -torch.nn.functional.softplus(fake).mean()  # minimax

    @property
    def device(self) -> torch.device:
        return self.weight.device


def test_a_sure_discriminator_ranks_all_and_lets_no_minimax_gradient_through() -> None:
    found = probe_of(Shifted(2000.0)).players(Shifted(2000.0))
    assert found["overlap"] == 1
    assert found["accuracy"] == 1
    assert found["d_real"] == pytest.approx(1)
    assert found["d_fake"] == pytest.approx(0, abs=1e-6)
    assert found["g_saturated"] == 1
    assert found["g_slope"] < 1e-6


def test_the_held_out_gap_is_the_way_towards_the_generated() -> None:
    bright = blobs(600, SHAPE)
    model = Shifted(1.0)
    same = Probe(model, bright, blobs(300, SHAPE, seed=1), Flat()).players(model)["held_out_gap"]
    dark = Images(torch.zeros_like(bright.pixels[:300]))
    gone = Probe(model, bright, dark, Flat()).players(model)["held_out_gap"]
    assert abs(same) < 0.1
    assert gone == pytest.approx(1)


class Draws(Shifted):
    """Gives the images it was told to."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__(1.0)
        self.pixels = pixels

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return self.pixels[:n].float() / 127.5 - 1


def test_samples_that_are_real_look_like_it_and_one_image_is_a_collapse() -> None:
    images = blobs(2000, SHAPE)
    others = blobs(N, SHAPE, seed=5).pixels
    probe = probe_of(Draws(others), images)
    real = probe.samples(Draws(others))
    assert real["floors"] < 3
    assert real["diversity"] == pytest.approx(1, abs=0.1)
    assert real["pixel_diversity"] == pytest.approx(1, abs=0.1)
    assert real["evenness"] == pytest.approx(1, abs=0.02)
    assert real["classes"] == 1
    assert max(real["low"], real["high"]) < 0.1
    assert "movement" not in real
    again = probe.samples(Draws(others))
    assert again["movement"] == 0
    one = probe.samples(Draws(others[:1].expand(N, -1, -1, -1)))
    assert one["diversity"] < 1e-6
    assert one["evenness"] == 0
    assert one["classes"] == 0.25
    assert one["distance"] > 20 * real["distance"]
    assert one["movement"] == pytest.approx(1, abs=0.35), "as far as another image"
    grey = probe.samples(Draws(torch.full_like(others, 128)))
    assert grey["low"] == pytest.approx(1, abs=0.01)


def test_a_decoder_that_ignores_its_code_is_not_sensitive() -> None:
    model = create("vae", SHAPE, latent_dim=4)
    probe = probe_of(model)

    def decode(z: Tensor) -> Tensor:
        return torch.zeros(len(z), *SHAPE)

    with torch.no_grad():
        model.decode = decode
        assert probe.codes(model)["sensitivity"] == 0
        model.encode, model.decode = (lambda x: x.flatten(1)), (lambda z: z.view(-1, *SHAPE))
        found = probe.codes(model)
    assert found["sensitivity"] == pytest.approx(1)
    assert found["reconstruction"] < 0.01


def test_rhythm_is_the_autocorrelation() -> None:
    up_and_down = torch.tensor([1.0, -1.0] * 20)
    slow = torch.sin(torch.arange(200) / 10)
    assert signals.rhythm(up_and_down) == pytest.approx(-39 / 40)
    assert signals.rhythm(slow) > 0.95
    assert signals.rhythm(torch.ones(30)) == 0
    assert abs(signals.rhythm(torch.randn(4000, generator=torch.Generator().manual_seed(0)))) < 0.05


@pytest.mark.parametrize("name", ["gan", "dcgan", "vae", "cgan"])
def test_looking_changes_nothing(name: str) -> None:
    torch.manual_seed(0)
    model = create(name, SHAPE, **({"classes": 4} if name == "cgan" else {}))
    trainer = Trainer(model, Stream(blobs(64, SHAPE), batch=16))
    for _ in itertools.islice(trainer, 2):
        pass
    probe = probe_of(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    found = signals.examined(probe, model)
    assert found
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.isfinite(torch.tensor(value)) for value in found.values())


def test_within_is_the_distance_of_two_of_one_class() -> None:
    x = torch.tensor([[0.0], [1.0], [10.0], [13.0], [50.0]])
    labels = torch.tensor([0, 0, 1, 1, 2])
    assert signals.within(x, labels) == pytest.approx((1 + 3) / 2)


def test_one_image_per_class_is_seen_though_every_class_is_there() -> None:
    images = blobs(600, SHAPE)

    class OnePerClass(Draws):
        classes = 4

        def sample(self, n: int, y: Tensor | None = None) -> Tensor:
            assert y is not None
            first = [int((images.labels == k).nonzero()[0]) for k in range(4)]
            return images.pixels[first][y].float() / 127.5 - 1

    model = OnePerClass(images.pixels)
    found = probe_of(model, images).samples(model)
    assert found["agreement"] > 0.9
    assert found["evenness"] == pytest.approx(1, abs=0.05)
    assert found["within"] < 1e-3


def test_one_class_is_as_even_as_it_can_be() -> None:
    assert signals.evenness(torch.zeros(9), torch.ones(9)) == 1


def test_of_many_classes_no_two_samples_are_of_one() -> None:
    images = blobs(600, SHAPE)

    class Many(Draws):
        classes = 200

    found = probe_of(Many(images.pixels), images).samples(Many(images.pixels))
    assert "within" not in found


def test_held_out_images_without_labels_are_not_judged_where_labels_are_needed() -> None:
    model = create("cgan", SHAPE, classes=4)
    images = blobs(300, SHAPE)
    probe = probe_of(model, images)
    probe.held_y = None
    with torch.no_grad():
        assert probe.players(model)["held_out_gap"] == 0
