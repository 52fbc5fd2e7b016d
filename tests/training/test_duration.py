"""The expected time of a run: measured without a trace, and with what would take less where it is long."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small import small, small_examples

from limner.models import MODELS, create, model_class
from limner.models.base import Model
from limner.training import TrainConfig, duration
from limner.training.duration import LONG, Duration, describe_duration, find_narrower, time_steps

CONFIG = TrainConfig(batch=8, images=10_000)


@pytest.mark.parametrize("name", MODELS)
def test_timing_leaves_weights_and_random_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "TIMED", 0.01)
    monkeypatch.setattr(duration, "SHORT", 0.0)
    shape = (1, 32, 32)
    examples = small_examples(name, shape, 16)
    labelled = {"classes": 4} if "classes" in model_class(name).Options.model_fields else {}
    network = create(name, shape, **small(name) | labelled)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = torch.get_rng_state()
    measured = time_steps(network, examples, CONFIG, 10_000)
    assert measured.seconds > 0
    assert measured.images == 10_000
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def dcgan(width: int) -> tuple[Model, Any]:
    network = create("dcgan", (1, 28, 28), latent_dim=8, width=width)
    return network, type(network).Options.parse({"latent_dim": 8, "width": width})


def quadratic(seconds: float) -> Any:
    """A measure by which time falls with the square of the width, `seconds` at 64."""

    def measure(network: Model) -> Duration:
        width = next(p for p in network.get_submodule("D").parameters() if p.ndim == 4).shape[0]
        return Duration(seconds * (width / 64) ** 2, 1_000_000)

    return measure


def test_a_short_run_says_its_time_alone() -> None:
    network, options = dcgan(64)
    text = describe_duration(Duration(90.0, 9000), network, options, pytest.fail)
    assert text == "9,000 images take about 1:30 here, at 100/s"


@pytest.mark.parametrize(
    ("hours", "width", "images"), [(3, 32, 330_000), (12, 16, 83_000), (100, 16, 10_000)]
)
def test_a_long_run_offers_the_widest_network_of_an_hour(hours: int, width: int, images: int) -> None:
    network, options = dcgan(64)
    whole = Duration(hours * LONG, 1_000_000)
    text = describe_duration(whole, network, options, quadratic(hours * LONG))
    assert f"--width {width} takes about" in text
    assert f"--images {images} takes an hour" in text


def test_nothing_is_offered_where_no_width_helps() -> None:
    network, options = dcgan(64)
    whole = Duration(2 * LONG, 1000)
    assert find_narrower(whole, network, options, lambda _: whole) is None, "as slow as before"
    narrow, few = dcgan(16)
    assert find_narrower(whole, narrow, few, pytest.fail) is None, "too narrow already"
    vae = create("vae", (1, 28, 28), **small("vae"))
    text = describe_duration(whole, vae, type(vae).Options(), pytest.fail)
    assert text.endswith(": --images 500 takes an hour")
