"""A batch that is larger than the training set or than memory is one line, before a run folder exists."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from small import blobs, small, small_examples

import limner
from limner.cli import run as run_command
from limner.data import Dataset
from limner.data.examples import Examples
from limner.errors import LimnerError
from limner.models import MODELS, create, model_class
from limner.training import memory

SHAPE = (1, 28, 28)


def options(name: str) -> dict[str, Any]:
    return small(name) | ({} if model_class(name).labels == "ignored" else {"classes": 4})


def test_a_batch_beyond_the_training_images_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["train", "vae", "--data", "digits", "--batch", "60000"]) == 2
    error = capsys.readouterr().err
    assert "a batch of 60,000 is larger than the 1,618 training images: give at most 1,618" in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()


def test_validation_images_do_not_count(digits: Dataset) -> None:
    with pytest.raises(LimnerError, match="larger than the 618 training images"):
        limner.train("vae", digits, batch=700, validation=1000)


def test_a_batch_beyond_the_memory_is_one_line(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 10_000_000)
    with pytest.raises(
        LimnerError, match=r"batch of 1,000 needs about .* MB .* 10\.0 MB are free: give at most"
    ):
        limner.train("dcgan", digits, batch=1000)
    assert not Path("runs").exists()


def test_a_batch_of_the_default_size_is_not_measured(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 1)
    run = limner.train("vae", digits, images=128, quiet=True, **small("vae"))
    assert run.images_seen == 128


@pytest.mark.parametrize("name", MODELS)
def test_a_step_is_measured_without_a_change(name: str) -> None:
    network = create(name, SHAPE, **options(name))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    generator = torch.get_rng_state()
    examples = small_examples(name, SHAPE, 64)
    each = memory.step_bytes(network, examples)
    assert 28 * 28 * 4 <= each < 10_000_000
    assert torch.equal(generator, torch.get_rng_state())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert memory.step_bytes(network, examples) == pytest.approx(each, rel=1e-3)  # addresses are used again
    assert memory.step_bytes(network, examples.draw(1, seed=0)) > 0


def test_wider_layers_take_more_memory() -> None:
    images = Examples(dataclasses.replace(blobs(64, SHAPE), labels=None))
    narrow, wide = (create("vae", SHAPE, hidden=(n,)) for n in (100, 10_000))
    difference = memory.step_bytes(wide, images) - memory.step_bytes(narrow, images)
    assert difference >= 2 * 9_900 * 4  # the encoder's layer and the decoder's
