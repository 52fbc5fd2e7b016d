"""The doctor on models that translate: its signals, its rules, and every trouble made to happen."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from doctor.pairs import INJECTIONS, SETTINGS, Hiding, domains, faint, lifted, negative, noise, same
from doctor.training import train_until_named
from torch import Tensor

import limner
from limner.data import Dataset, Domains, to_float
from limner.data.examples import test_examples as held_out_examples
from limner.doctor import TROUBLES, diagnose, verdicts
from limner.doctor.signals import measure_signals
from limner.doctor.state import State, run_state
from limner.doctor.translation_rules import MIN_PAIRS
from limner.doctor.translations import (
    MEAN_NOISE,
    NOISE,
    TranslationProbe,
    change_signals,
)
from limner.metrics.translation import in_channels, luminance_correlation
from limner.models import create
from limner.models.cyclegan import CycleGAN

Line = dict[str, Any]


# -- signals ----------------------------------------------------------------------------------------------
class Fake:
    """Translates by a function each way."""

    device = torch.device("cpu")

    def __init__(self, to_a: Callable[[Tensor], Tensor], to_b: Callable[[Tensor], Tensor]) -> None:
        self.functions = {"A": to_a, "B": to_b}

    def translate(self, x: Tensor, to: str = "B") -> Tensor:
        return self.functions[to](x)

    def translator(self, to: str) -> str:
        return to


def measure(data: Domains, to_a: Callable[[Tensor], Tensor], to_b: Callable[[Tensor], Tensor]) -> Line:
    model: Any = Fake(to_a, to_b)
    torch.manual_seed(0)
    return TranslationProbe(model, data, held_out_examples(data)).measure(model)


def unchanged(x: Tensor) -> Tensor:
    return x


@pytest.fixture(scope="module")
def negatives(digits: Dataset) -> Domains:
    return domains(digits, same, negative)


def test_a_translator_that_does_nothing(negatives: Domains) -> None:
    signals = measure(negatives, unchanged, unchanged)
    for to in "AB":
        assert signals[f"change/{to}"] == signals[f"cycle/{to}"] == 0
        assert signals[f"luminance/{to}"] == pytest.approx(1, abs=1e-5)
        assert signals[f"distance/{to}"] == pytest.approx(signals[f"untranslated/{to}"])
        assert signals[f"hidden/{to}"] == pytest.approx(1, abs=0.02), "the error is the noise itself"


def test_a_translator_that_takes_negatives(negatives: Domains) -> None:
    signals = measure(negatives, torch.neg, torch.neg)
    data = held_out_examples(negatives).draw(64, seed=0)
    for to, images in zip("BA", data.parts(), strict=True):
        assert signals[f"luminance/{to}"] == pytest.approx(-1, abs=1e-5)
        assert signals[f"change/{to}"] == pytest.approx(to_float(images.pixels).abs().mean().item(), rel=1e-5)
        assert signals[f"cycle/{to}"] == 0
        assert signals[f"distance/{to}"] < 0.1 * signals[f"untranslated/{to}"], "it is right here"


def test_a_translator_that_changes_nothing_but_the_light(negatives: Domains) -> None:
    signals = measure(negatives, lambda y: 2 * y, lambda x: x / 2)
    x = to_float(held_out_examples(negatives).draw(64, seed=0).images.pixels)
    assert signals["change/B"] == pytest.approx(x.abs().mean().item() / 4, rel=1e-5)
    assert signals["luminance/B"] == pytest.approx(1, abs=1e-5)
    assert signals["cycle/B"] == pytest.approx(0, abs=1e-6)
    assert signals["hidden/B"] == pytest.approx(2, abs=0.05), "the way back doubles the noise"


def test_a_way_back_that_loses_something(negatives: Domains) -> None:
    signals = measure(negatives, lambda y: y - 0.2, unchanged)
    assert signals["cycle/B"] == pytest.approx(0.1, rel=1e-4)
    assert signals["cycle/A"] == pytest.approx(0.1, rel=1e-4)
    # the mean absolute value of N(0.2, 0.04), in which the noise is hardly seen
    assert signals["hidden/B"] == pytest.approx(1, abs=0.01)


def test_a_translator_that_hides(digits: Dataset) -> None:
    data = domains(digits, same, negative)
    signals = measure(data, lambda y: (100 * y).clamp(-1, 1), lambda x: x / 100)
    assert signals["cycle/B"] < 1e-6
    assert signals["hidden/B"] > 10
    assert pytest.approx(NOISE * sqrt(2 / torch.pi)) == MEAN_NOISE


def test_grey_to_colour(digits: Dataset) -> None:
    data = domains(digits, same, same)
    coloured = domains(digits, same, lambda pixels: pixels.expand(-1, 3, -1, -1).contiguous())
    mixed = Domains("mixed", data.a, coloured.b)
    signals = measure(mixed, lambda y: y.mean(1, keepdim=True), lambda x: x.expand(-1, 3, -1, -1))
    for to in "AB":
        assert signals[f"change/{to}"] == pytest.approx(0, abs=1e-6)
        assert signals[f"luminance/{to}"] == pytest.approx(1, abs=1e-5)
        assert signals[f"distance/{to}"] == pytest.approx(signals[f"untranslated/{to}"], rel=1e-4)
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(in_channels(x, 1), x.mean(1, keepdim=True))
    assert torch.equal(in_channels(x, 3), x)
    assert torch.equal(in_channels(x[:, :1], 3), x[:, :1].expand(-1, 3, -1, -1))


def test_light_areas_are_compared_and_not_texture() -> None:
    dark = -torch.ones(1, 1, 32, 32)
    left = dark.clone()
    left[..., :16] = 1
    checked = torch.ones(32, 32).cumsum(0).add(torch.ones(32, 32).cumsum(1)).remainder(2) * 0.5
    assert luminance_correlation(left, left + checked).item() == pytest.approx(1, abs=1e-5)
    assert luminance_correlation(left, left.flip(3)).item() == pytest.approx(-1, abs=1e-5)
    assert luminance_correlation(left, left.transpose(2, 3)).item() == pytest.approx(0, abs=1e-5)
    assert luminance_correlation(left, dark).item() == 0, "no areas"
    assert change_signals(dark, dark + 2)["change"] == pytest.approx(1)


def test_measuring_changes_nothing(negatives: Domains) -> None:
    torch.manual_seed(0)
    model = create("cyclegan", (1, 16, 16), width=4, blocks=0, d_width=4, d_layers=1, pool=2)
    probe = TranslationProbe(model, negatives, held_out_examples(negatives))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    first, second = measure_signals(probe, model), measure_signals(probe, model)
    assert first == second
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    names = {name for to in "AB" for name in (f"change/{to}", f"hidden/{to}", f"overlap/D_{to}")}
    assert names <= set(first)


# -- rules ------------------------------------------------------------------------------------------------
FINE: Line = {
    "change": 0.2,
    "luminance": 0.9,
    "cycle": 0.04,
    "hidden": 1.1,
    "distance": 5.0,
    "untranslated": 30.0,
}


def log(*ticks: Line, start: int = 2000, to: str = "B", loss: float = 0.2) -> list[Line]:
    """A healthy log with these signals of translations to one domain."""
    lines = []
    for i, tick in enumerate(ticks):
        signals = {f"doctor/{name}/{side}": value for side in "AB" for name, value in FINE.items()}
        losses = dict.fromkeys(("loss/D_A", "loss/D_B"), loss + 0.001 * i)  # one that stays has a name
        line = {"images": start + 500 * i, **losses, **signals}
        own = {name: value + 1e-5 * i for name, value in tick.items() if name.startswith("loss/")}
        lines.append(line | own | {f"doctor/{n}/{to}": v for n, v in tick.items() if n not in own})
    return lines


def named(lines: list[Line]) -> list[str]:
    return [verdict.name for verdict in verdicts(lines, CycleGAN)]


# trouble -> a tick in which it holds, one in which it does not, the ticks that it takes
CASES: dict[str, tuple[Line, Line, int]] = {
    "discriminator too strong": ({"loss/D_B": 0.019}, {"loss/D_B": 0.021}, 2),
    "colours inverted": ({"luminance": -0.21}, {"luminance": -0.19}, 2),
    "nothing translated": (
        {"change": 0.049, "distance": 28.0}, {"change": 0.051, "distance": 28.0}, 3,
    ),
    "hidden information": ({"hidden": 3.1}, {"hidden": 2.9}, 2),
}  # fmt: skip


def test_a_healthy_log_has_no_trouble() -> None:
    assert named(log({}, {}, {}, {})) == []


@pytest.mark.parametrize("trouble", CASES)
def test_a_rule_fires_is_silent_and_passes(trouble: str) -> None:
    holds, not_quite, ticks = CASES[trouble]
    assert named(log(*[holds] * ticks)) == [trouble]
    assert named(log(*[not_quite] * ticks)) == []
    assert named(log(*[holds] * (ticks - 1))) == [], "not at once"
    assert named(log(*[holds] * (ticks - 1), not_quite, holds)) == [], "not with a break"
    assert named(log(*[holds] * ticks, {})) == [], "it passes"
    young = log(*[holds] * ticks, start=MIN_PAIRS - 500 * ticks)
    assert young[-1]["images"] == MIN_PAIRS - 500
    assert named(young) == [], "it is too early to say"
    assert named(log(*[holds] * (ticks + 1), start=MIN_PAIRS - 500 * ticks)) == [trouble]


@pytest.mark.parametrize("trouble", CASES)
def test_evidence_names_the_domain(trouble: str) -> None:
    holds, _, ticks = CASES[trouble]
    only_b = log(*[holds] * ticks)
    (verdict,) = verdicts(only_b, CycleGAN)
    assert "B" in verdict.evidence
    assert ";" not in verdict.evidence
    assert verdict.remedies == TROUBLES[trouble].remedies, "a CycleGAN has the options"
    assert verdict.since == only_b[-1]["images"]
    both = [
        line
        | {
            name.replace("/B", "/A").replace("D_B", "D_A"): value
            for name, value in line.items()
            if "B" in name
        }
        for line in only_b
    ]
    (verdict,) = verdicts(both, CycleGAN)
    assert verdict.evidence.count("; ") >= 1


def test_little_change_is_right_where_it_reaches_the_other_domain() -> None:
    near = {"change": 0.03, "distance": 20.0}
    assert named(log(*[near] * 4)) == []


def state(lines: list[Line]) -> State:
    return run_state(lines, verdicts(lines, CycleGAN))


def test_a_run_of_few_pairs_is_too_early_to_tell() -> None:
    young = log({}, {}, start=MIN_PAIRS - 600)
    assert state(young) == ("too early to tell", "train until 2,000 images at least")
    assert state(log({}, {}, start=MIN_PAIRS - 500)) == ("healthy", "")


# -- runs -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("trouble", INJECTIONS)
def test_it_is_named_when_it_happens(trouble: str, digits: Dataset, tmp_path: Path) -> None:
    model, a, b, settings = INJECTIONS[trouble]
    data = domains(digits, a, b)
    lines = train_until_named(trouble, model, data, tmp_path / "run", **SETTINGS | settings)
    assert trouble in lines[-1]["troubles"]
    assert all(line["troubles"] == [] for line in lines if line["images"] < MIN_PAIRS)


def test_a_healthy_run_has_no_trouble(digits: Dataset, tmp_path: Path) -> None:
    run = limner.train("cyclegan", domains(digits, same, lifted), out=tmp_path / "run", **SETTINGS)
    assert [line["troubles"] for line in run.log] == [[]] * 5
    assert run.log[0]["state"] == "too early to tell"
    assert run.log[-1]["state"] == "healthy"
    last = run.log[-1]
    assert last["doctor/distance/B"] < 0.2 * last["doctor/untranslated/B"], "and it has learned something"
    verdict = diagnose(run)
    assert verdict.verdicts == []


def test_the_cases_are_what_they_say(digits: Dataset) -> None:
    data = domains(digits, faint, noise)
    assert data.shape == (1, 16, 16)
    assert 96 <= data.a.train.pixels.min() <= data.a.train.pixels.max() < 160
    assert data.a.fingerprint != data.b.fingerprint
    x = torch.rand(1, 1, 16, 16) * 2 - 1
    model: Any = Hiding
    torch.testing.assert_close(model.translate(None, model.translate(None, x, "B"), "A"), x)
