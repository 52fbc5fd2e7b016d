"""The CAAE: its terms, the labels that it draws, the paper's networks, and that it obeys the label."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small, small_examples
from updates import RecordingUpdate

import limner
from limner.data import Dataset, load, to_float
from limner.errors import LimnerError
from limner.metrics import extractor
from limner.models import create, model_class, model_options
from limner.models.caae import CAAE, total_variation

SHAPE = (1, 28, 28)


def build(**options: Any) -> CAAE:
    """A small model of four labels."""
    torch.manual_seed(0)
    model = create("caae", SHAPE, **small("caae") | {"classes": 4} | options)
    assert isinstance(model, CAAE)
    return model


def at(progress: float) -> RecordingUpdate:
    update = RecordingUpdate()
    update.progress = progress
    return update


def test_total_variation_has_a_closed_form() -> None:
    x = torch.arange(6.0)[:, None] * 2 + torch.arange(5.0) * 3
    assert total_variation(x[None, None]).item() == pytest.approx(2 + 3)


def test_the_classifier_reads_nothing_where_it_answers_with_the_shares() -> None:
    model = build()
    model.class_shares.copy_(torch.tensor([0.5, 0.25, 0.125, 0.125]))
    assert model.C is not None
    last = model.C[-1]
    torch.nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(model.class_shares.log())
    assert model.confusion_loss(model.C(torch.rand(6, 8))).item() == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        last.bias.zero_()  # then the KL divergence of the shares from equal ones
    expected = (model.class_shares * (model.class_shares / 0.25).log()).sum().item()
    assert model.confusion_loss(model.C(torch.rand(6, 8))).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("progress", "strength"), [(0, 0), (0.1, 0), (0.15, 0.5), (0.2, 1), (0.9, 1)])
def test_the_weights_rise_after_a_start_with_reconstruction_alone(progress: float, strength: float) -> None:
    model, update = build(reconstruction_only=0.1, total_variation=0.5), at(progress)
    assert model.strength(update) == pytest.approx(strength)
    model.step(small_examples("caae", SHAPE, 16).stream(8, 0, model.device), update)
    assert update.names == ["D_z", "D_x", "C", "EG"]
    assert set(update.terms["EG"]) == {"prior", "image", "total_variation", "cycle", "confusion"}
    assert all((term.item() == 0) == (strength == 0) for term in update.terms["EG"].values())


def test_the_paper_trains_with_own_labels_only() -> None:
    paper = {
        "random_labels": False,
        "wrong_labels": False,
        "cycle": 0.0,
        "confusion": 0.0,
        "reconstruction_only": 0.0,
    }
    model, update = build(**paper), at(0.5)
    judged: list[list[int]] = []
    model.D_x.register_forward_hook(lambda module, inputs, output: judged.append(inputs[1].tolist()))
    examples = small_examples("caae", SHAPE, 8)
    model.step(examples.stream(8, 0, model.device), update)
    labels = sorted(examples.images.labels.tolist()) if examples.images.labels is not None else []
    assert [sorted(part) for part in judged] == [labels] * 3, "real, made, and made once more for G"
    assert set(update.terms["EG"]) == {"prior", "image"}
    options = model_options(model_class("caae"), "paper", {})
    assert paper.items() <= options.model_dump().items()


def test_random_labels_are_of_those_trained_on() -> None:
    model = build()
    model.initialise(torch.zeros(4, *SHAPE), torch.tensor([0, 2, 2, 3]))
    assert model.class_shares.tolist() == [0.25, 0, 0.5, 0.25]
    drawn = model.draw_labels(6000)
    counts = drawn.bincount(minlength=4)
    assert counts[1] == 0
    assert (counts[[0, 2, 3]] - 2000).abs().max() < 200, "each as often as the others"
    y = torch.tensor([0, 2, 3]).repeat(500)
    others = model.other_labels(y)
    assert not (others == y).any()
    assert not (others == 1).any()


def test_one_label_has_no_other() -> None:
    model = build()
    model.initialise(torch.zeros(2, *SHAPE), torch.tensor([1, 1]))
    assert model.other_labels(torch.tensor([1, 1])).tolist() == [1, 1]


def test_the_paper_has_the_published_networks() -> None:
    model = create("caae", (3, 128, 128), "paper", classes=10)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    # 5x5 convolutions of 64 to 1024 channels with biases, and 16,384 numbers to 50
    maps = [3, 64, 128, 256, 512, 1024]
    assert count["E"] == sum(a * b * 25 + b for a, b in pairwise(maps)) + 16384 * 50 + 50
    # 50 + 50 numbers to 1024 maps of 4x4, up to 32 channels, and two convolutions at full size
    maps = [1024, 512, 256, 128, 64, 32, 16, 3]
    convolutions = sum(a * b * 25 + b for a, b in pairwise(maps))
    assert count["G"] == 100 * 16384 + 16384 + convolutions
    assert count["D_z"] == 50 * 64 + 64 * 32 + 32 * 16 + 16 + 3 * (64 + 32 + 16) + 1
    z = model.encode(torch.zeros(2, 3, 128, 128))
    assert z.shape == (2, 50)


@pytest.mark.parametrize("networks", ["dcgan", "paper"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 17, 23), (1, 16, 16), (3, 64, 48)], ids=str)
def test_both_kinds_of_networks_take_any_size(networks: str, shape: tuple[int, int, int]) -> None:
    model = create("caae", shape, **small("caae") | {"classes": 3, "networks": networks})
    x, y = torch.rand(4, *shape) * 2 - 1, torch.tensor([0, 1, 2, 0])
    assert isinstance(model, CAAE)
    assert model.edit(x, y).shape == x.shape
    assert model.encode(x).abs().max() <= 1
    assert model.D_x(x, y).shape == (4, 1)


def test_a_batch_of_one_is_one_line(digits: Dataset) -> None:
    with pytest.raises(LimnerError, match="give --batch 2 or more"):
        limner.train("caae", digits, images=10, batch=1, quiet=True, **small("caae"))


def test_labels_are_checked() -> None:
    model = build()
    for y, said in (
        (None, "needs the label"),
        (torch.tensor([0]), "2 images need 2 labels, not 1"),
        (torch.tensor([0, 4]), "labels are from 0 to 3"),
    ):
        with pytest.raises(LimnerError, match=said):
            model.decode(torch.zeros(2, 8), y)


def test_an_edited_digit_is_of_the_asked_class_and_keeps_its_ink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.metrics.classifier.LEAST_IMAGES", 0)
    digits = load("digits", size=16)
    settings = {"width": 12, "e_width": 8, "d_width": 12, "latent_dim": 16, "ema_half_life": 500, "lr": 2e-3}
    run = limner.train(
        "caae", digits, images=8000, precision="fp32", quiet=True, out=tmp_path / "run", **settings
    )
    model, network = run.model, extractor(digits)
    assert isinstance(model, CAAE)
    pixels, labels = digits.test.pixels[:100], digits.test.labels
    assert labels is not None
    x, asked, kept = to_float(pixels), [], []
    for label in range(10):
        edited = model.edit(x, torch.full((100,), label))
        asked.append((network.classify(((edited + 1) * 127.5).to(torch.uint8)).argmax(1) == label).float())
        ink = torch.stack([x.mean((1, 2, 3)), edited.mean((1, 2, 3))])
        kept.append(torch.corrcoef(ink)[0, 1])
    assert torch.stack(asked).mean() > 0.8, "chance is 0.1, and so is doing nothing"
    assert torch.stack(kept).mean() > 0.3
    own = model.edit(x, labels[:100])
    assert (own - x).abs().mean() < 0.5 * (x - x.mean(0)).abs().mean(), "better than the mean image"
