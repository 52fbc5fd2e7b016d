"""Each rule on a log made for it: silent on a healthy one, speaking on its own trouble, and since when."""

from __future__ import annotations

from typing import Any

import pytest

from limner.doctor import TROUBLES, verdicts

Line = dict[str, Any]


def gan(i: int) -> Line:
    """Tick i of a healthy GAN: samples spread out and come nearer to the data."""
    growth = 1 - 0.8 ** (i + 1)
    signals = {
        "overlap": 0.85, "accuracy": 0.75, "d_real": 0.6, "d_fake": 0.35, "held_out_gap": 0.03,
        "g_slope": 0.6, "g_saturated": 0.0, "grad/G": 1.5, "grad/D": 2.0, "distance": 900 * 0.8**i + 30,
        "floors": 50 * 0.8**i + 2, "diversity": 0.1 + 0.85 * growth, "evenness": growth, "classes": 1.0,
        "movement": 0.3, "low": 0.0, "high": 0.6 * 0.8**i, "rhythm": 0.1, "agreement": growth,
    }  # fmt: skip
    return line(i, signals) | {"loss/D": 0.5 + 0.01 * (i % 3), "loss/G": 1.0 + 0.02 * (i % 4)}


def vae(i: int) -> Line:
    """Tick i of a healthy VAE."""
    signals = {
        "distance": 300 * 0.8**i + 60, "floors": 17 * 0.8**i + 3, "diversity": 0.8, "evenness": 0.9,
        "classes": 1.0, "movement": 0.2, "low": 0.0, "high": 0.1, "sensitivity": 0.8,
        "reconstruction": 100 * 0.8**i + 20, "grad/main": 3.0,
    }  # fmt: skip
    return line(i, signals) | {"loss/main": 200 * 0.9**i + 100, "held_out/active_units": 12}


def line(i: int, signals: dict[str, float]) -> Line:
    return {"images": 10_000 * (i + 1)} | {f"doctor/{name}": value for name, value in signals.items()}


# trouble -> which model's log, and what is different from tick 10 on
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "discriminator overpowers": (gan, {"overlap": 1.0, "d_fake": 0.001}),
    "discriminator too weak": (gan, {"overlap": 0.51, "floors": 60.0}),
    "generator gradient vanishes": (gan, {"g_slope": 0.004, "g_saturated": 0.95}),
    "mode collapse": (gan, {"diversity": 0.2, "evenness": 0.5, "classes": 0.5}),
    "oscillation without progress": (gan, {"movement": 0.9, "distance": 300.0, "floors": 15.0}),
    "discriminator overfits": (gan, {"held_out_gap": 0.6}),
    "labels ignored": (gan, {"agreement": 0.1}),
    "posterior collapse": (vae, {"sensitivity": 0.001}),
    "prior mismatch": (vae, {"distance": 400.0, "floors": 23.0, "reconstruction": 30.0}),
    "not finite": (vae, {"not_finite": "loss/main became nan at step 7"}),
    "dead configuration": (gan, {"low": 1.0}),
    "getting worse": (gan, {"distance": 500.0, "floors": 30.0}),
}


def log(model: Any, changed: dict[str, Any], ticks: int = 24, begin: int = 10) -> list[Line]:
    lines = [model(i) for i in range(ticks)]
    for one in lines[begin:]:
        one |= {key if key == "not_finite" else f"doctor/{key}": value for key, value in changed.items()}
    return lines


def test_there_is_a_case_for_every_trouble() -> None:
    assert set(CASES) == set(TROUBLES)


@pytest.mark.parametrize("model", [gan, vae])
def test_a_healthy_run_is_healthy_at_every_tick(model: Any) -> None:
    lines = log(model, {})
    for n in range(1, len(lines) + 1):
        assert verdicts(lines[:n]) == []


@pytest.mark.parametrize("name", CASES)
def test_a_trouble_is_named_with_evidence_and_since_when(name: str) -> None:
    model, changed = CASES[name]
    lines = log(model, changed)
    found = {verdict.name: verdict for verdict in verdicts(lines)}
    assert name in found
    verdict = found[name]
    assert verdict.evidence
    assert verdict.means == TROUBLES[name].means
    assert "--" in verdict.change
    assert 110_000 <= verdict.since <= 180_000, "the trouble began at 110,000 images"
    assert str(verdict).startswith(f"{name} since {verdict.since:,} images: ")
    assert name not in [verdict.name for verdict in verdicts(lines[:10])]


@pytest.mark.parametrize("name", sorted(set(CASES) - {"not finite"}))
def test_one_bad_tick_is_no_trouble(name: str) -> None:
    model, changed = CASES[name]
    lines = log(model, changed, ticks=11)
    assert name not in [verdict.name for verdict in verdicts(lines)]


def test_a_trouble_that_passed_is_over() -> None:
    lines = log(gan, CASES["mode collapse"][1], ticks=20) + [gan(i) for i in range(20, 24)]
    assert verdicts(lines) == []


def test_a_loss_that_never_moved_is_dead() -> None:
    lines = [gan(i) | {"loss/D": 13.82} for i in range(5)]
    (verdict,) = verdicts(lines)
    assert verdict.name == "dead configuration"
    assert "13.82" in verdict.evidence


def test_every_remedy_names_an_option_that_exists() -> None:
    import re

    from limner.cli.train import SETTINGS
    from limner.models import MODELS, model_class, options

    known = {name for model in MODELS for name in options(model_class(model))} | set(SETTINGS) | {"prior"}
    for name, trouble in TROUBLES.items():
        told = re.findall(r"--([a-z0-9-]+)", trouble.change)
        assert told, name
        for option in told:
            assert option.replace("-", "_") in known, f"{name}: --{option}"


def test_no_verdicts_of_an_empty_log() -> None:
    assert verdicts([]) == []


def test_a_best_distance_of_nothing_is_no_division_by_it() -> None:
    lines = [
        {"images": at, "doctor/distance": d, "doctor/floors": 9.0} for at, d in enumerate([0.0, 3.0, 4.0])
    ]
    assert "getting worse" in [verdict.name for verdict in verdicts(lines)]
