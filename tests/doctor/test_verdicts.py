"""Each rule on a log written for it: silent on a healthy log, a verdict for its trouble, and since when."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limner.doctor import TROUBLES, verdicts
from limner.doctor.rules import History
from limner.doctor.troubles import Remedy
from limner.models import MODELS, model_class
from limner.models.base import Model
from limner.training import TrainConfig

Line = dict[str, Any]
DOCUMENT = Path(__file__).parents[2] / "docs" / "doctor.md"


def gan(i: int) -> Line:
    """Tick i of a healthy GAN: samples diversify and come closer to the data."""
    growth = 1 - 0.8 ** (i + 1)
    signals = {
        "overlap": 0.85, "accuracy": 0.75, "d_real": 0.6, "d_fake": 0.35, "held_out_gap": 0.03,
        "g_slope": 0.6, "g_saturated": 0.0, "grad/G": 1.5, "grad/D": 2.0, "distance": 900 * 0.8**i + 30,
        "distance_ratio": 50 * 0.8**i + 2, "diversity": 0.1 + 0.85 * growth, "evenness": growth,
        "classes": 1.0, "movement": 0.3, "low": 0.0, "high": 0.6 * 0.8**i, "rhythm": 0.1,
        "agreement": growth,
    }  # fmt: skip
    return line(i, signals) | {"loss/D": 0.5 + 0.01 * (i % 3), "loss/G": 1.0 + 0.02 * (i % 4)}


def vae(i: int) -> Line:
    """Tick i of a healthy VAE."""
    signals = {
        "distance": 300 * 0.8**i + 60, "distance_ratio": 17 * 0.8**i + 3, "diversity": 0.8, "evenness": 0.9,
        "classes": 1.0, "movement": 0.2, "low": 0.0, "high": 0.1, "sensitivity": 0.8,
        "reconstruction": 100 * 0.8**i + 20, "grad/main": 3.0,
    }  # fmt: skip
    return line(i, signals) | {"loss/main": 200 * 0.9**i + 100, "held_out/active_units": 12}


# the signals of a discriminator, which a model with several has once for each
DISCRIMINATOR = ("overlap", "accuracy", "d_real", "d_fake", "held_out_gap", "g_slope", "g_saturated")


def two_gans(i: int) -> Line:
    """Tick i of a healthy model with the discriminators D_A and D_B."""
    names = {f"doctor/{name}" for name in DISCRIMINATOR}
    whole = gan(i)
    shared = {key: value for key, value in whole.items() if key not in names}
    return shared | {f"{key}/{d}": whole[key] for key in names for d in ("D_A", "D_B")}


def critic(i: int) -> Line:
    """Tick i of a healthy GAN whose discriminator's outputs are no probabilities."""
    absent = {"doctor/d_real", "doctor/d_fake", "doctor/accuracy"}
    return {key: value for key, value in gan(i).items() if key not in absent}


def translator(i: int) -> Line:
    """Tick i of a healthy model that translates between two domains."""
    signals = {
        "change": 0.12, "luminance": 0.9, "cycle": 0.2 * 0.9**i + 0.03, "hidden": 1.2,
        "distance": 30 * 0.9**i + 5, "untranslated": 35.0,
    }  # fmt: skip
    both = {f"{name}/{to}": value for name, value in signals.items() for to in ("A", "B")}
    rankings = {f"overlap/D_{to}": 0.8 for to in ("A", "B")}
    losses = {f"loss/D_{to}": 0.15 + 0.01 * (i % 3) for to in ("A", "B")}
    return line(i, both | rankings) | losses | {"loss/G": 1.0 + 0.02 * (i % 4)}


def editor(i: int) -> Line:
    """Tick i of a healthy model that gives images other labels."""
    growth = 1 - 0.8 ** (i + 1)
    signals = {
        "label_effect": 0.04 * growth, "identity": 0.4, "prior_distance": 0.1, "overlap/D_z": 0.7,
        "overlap/D_x": 0.8,
    }  # fmt: skip
    return vae(i) | line(i, signals)


def denoiser(i: int) -> Line:
    """Tick i of a healthy model without codes and without a discriminator."""
    absent = {f"doctor/{name}" for name in (*DISCRIMINATOR, "sensitivity", "reconstruction")}
    return {key: value for key, value in vae(i).items() if key not in absent}


def line(i: int, signals: dict[str, float]) -> Line:
    return {"images": 10_000 * (i + 1)} | {f"doctor/{name}": value for name, value in signals.items()}


# trouble -> which model's log, and what is different from tick 10 on
CASES: dict[str, tuple[Callable[[int], Line], dict[str, Any]]] = {
    "discriminator overpowers": (gan, {"overlap": 1.0, "distance": 250.0, "distance_ratio": 25.0}),
    "discriminator too weak": (gan, {"overlap": 0.51, "distance": 800.0, "distance_ratio": 60.0}),
    "generator gradient vanishes": (gan, {"g_slope": 0.004, "g_saturated": 0.95}),
    "mode collapse": (gan, {"diversity": 0.2, "evenness": 0.5, "classes": 0.5}),
    "oscillation without progress": (gan, {"movement": 0.9, "distance": 300.0, "distance_ratio": 15.0}),
    "discriminator overfits": (gan, {"held_out_gap": 0.6}),
    "labels ignored": (gan, {"agreement": 0.1}),
    "posterior collapse": (vae, {"sensitivity": 0.001}),
    "identity lost": (editor, {"identity": 0.01}),
    "codes off the prior": (editor, {"overlap/D_z": 0.99}),
    "prior mismatch": (vae, {"distance": 400.0, "distance_ratio": 23.0, "reconstruction": 30.0}),
    "not finite": (vae, {"not_finite": "loss/main became nan at step 7"}),
    "dead configuration": (gan, {"low": 1.0}),
    "getting worse": (gan, {"distance": 500.0, "distance_ratio": 30.0}),
    "discriminator too strong": (translator, {"loss/D_B": 0.01}),
    "colours inverted": (translator, {"luminance/A": -0.6}),
    "nothing translated": (translator, {"change/B": 0.02, "distance/B": 34.0}),
    "hidden information": (translator, {"hidden/B": 5.0}),
}


def log(
    model: Callable[[int], Line], changes: dict[str, Any], ticks: int = 24, start: int = 10
) -> list[Line]:
    lines = [model(i) for i in range(ticks)]
    for changed in lines[start:]:
        changed |= {key if key == "not_finite" else f"doctor/{key}": value for key, value in changes.items()}
    return lines


def names(lines: list[Line]) -> list[str]:
    return [verdict.name for verdict in verdicts(lines)]


def test_there_is_a_case_for_every_trouble() -> None:
    assert set(CASES) == set(TROUBLES)


@pytest.mark.parametrize("model", [gan, vae, two_gans, critic, translator, editor, denoiser])
def test_a_healthy_run_has_no_trouble_at_any_tick(model: Callable[[int], Line]) -> None:
    lines = log(model, {})
    for n in range(1, len(lines) + 1):
        assert verdicts(lines[:n]) == []


@pytest.mark.parametrize("name", CASES)
def test_a_trouble_is_named_with_evidence_and_since_when(name: str) -> None:
    model, changes = CASES[name]
    lines = log(model, changes)
    (verdict,) = [verdict for verdict in verdicts(lines) if verdict.name == name]
    assert verdict.evidence
    assert verdict.meaning == TROUBLES[name].meaning
    assert verdict.remedies == TROUBLES[name].remedies
    assert 110_000 <= verdict.since <= 180_000, "the trouble began at 110,000 images"
    assert str(verdict).startswith(f"{name} since {verdict.since:,} images: ")
    assert str(verdict).endswith(f"Try {verdict.advice}.")
    assert name not in names(lines[:10])


@pytest.mark.parametrize(
    ("changes", "trouble", "evidence"),
    [
        ({"label_effect": 0.001}, "labels ignored", "changes an image by 0.1%"),
        ({"prior_distance": 0.9}, "codes off the prior", "it does not see the difference"),
        ({"prior_distance": 0.9, "overlap/D_z": 0.99}, "codes off the prior", "the encoder does not follow"),
    ],
)
def test_editors_have_troubles_of_their_own(changes: dict[str, float], trouble: str, evidence: str) -> None:
    (verdict,) = verdicts(log(editor, changes))
    assert verdict.name == trouble
    assert evidence in verdict.evidence


@pytest.mark.parametrize("name", sorted(set(CASES) - {"not finite"}))
def test_one_bad_tick_is_no_trouble(name: str) -> None:
    model, changes = CASES[name]
    lines = log(model, changes, ticks=11)
    assert name not in names(lines)


@pytest.mark.parametrize(
    "name", [name for name, (_, changes) in CASES.items() if set(changes) & {*DISCRIMINATOR}]
)
def test_the_trouble_of_one_of_two_discriminators_is_named_with_it(name: str) -> None:
    changes = {f"{key}/D_B" if key in DISCRIMINATOR else key: value for key, value in CASES[name][1].items()}
    (verdict,) = [verdict for verdict in verdicts(log(two_gans, changes)) if verdict.name == name]
    assert "D_B" in verdict.evidence
    assert "D_A" not in verdict.evidence


def test_the_trouble_of_both_discriminators_is_named_once_with_both() -> None:
    changes = {f"held_out_gap/{d}": 0.6 for d in ("D_A", "D_B")}
    (verdict,) = verdicts(log(two_gans, changes))
    assert verdict.evidence.count("D_A") == verdict.evidence.count("D_B") == 1


@pytest.mark.parametrize("name", ["oscillation without progress", "generator gradient vanishes"])
def test_what_is_not_of_a_discriminator_is_named_once(name: str) -> None:
    changes = {"grad/G": 1e-9} if name.startswith("generator") else CASES[name][1]
    (verdict,) = [v for v in verdicts(log(two_gans, changes, ticks=18)) if v.name == name]
    assert ";" not in verdict.evidence


def test_every_generator_has_a_gradient_to_watch() -> None:
    changes = {"grad/G_AB": 1.0, "grad/G_BA": 1.0}
    lines = log(two_gans, changes, ticks=13, start=0)
    for late in lines[10:]:
        late["doctor/grad/G_BA"] = 1e-9
    (verdict,) = verdicts(lines)
    assert "G_BA" in verdict.evidence


def critic_that_ranks_well(i: int) -> Line:
    """Tick i of a healthy game whose critic ranks every image right, while samples come closer."""
    return critic(i) | {"doctor/overlap": 1.0, "doctor/separation": 8.0}


def test_a_critic_that_ranks_well_is_no_trouble_while_samples_improve() -> None:
    lines = log(critic_that_ranks_well, {})
    assert all(verdicts(lines[:n]) == [] for n in range(1, len(lines) + 1))
    near = log(critic_that_ranks_well, {"distance": 35.0, "distance_ratio": 2.5})
    assert verdicts(near) == [], "nor where they are as good as they get"


def test_a_discriminator_near_chance_is_not_too_weak_while_samples_come_closer() -> None:
    lines = [gan(i) | {"doctor/overlap": 0.5, "doctor/distance_ratio": 60.0 - 2 * i} for i in range(12)]
    assert all(verdicts(lines[:n]) == [] for n in range(1, len(lines) + 1))


def test_a_sure_discriminator_without_probabilities_is_named_while_samples_do_not_improve() -> None:
    far = {"distance": 600.0, "distance_ratio": 40.0}
    (verdict,) = verdicts(log(critic_that_ranks_well, far, start=2))
    assert verdict.name == "discriminator overpowers"
    assert "100.0% of real above generated" in verdict.evidence
    assert "40 times as far" in verdict.evidence


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_a_gradient_is_not_lost_to_a_discriminator_that_is_fooled(overlap: float) -> None:
    fooled = {"g_slope": 0.003, "g_saturated": 1.0, "overlap": overlap, "grad/G": 1e-9}
    (verdict,) = verdicts(log(gan, fooled | {"distance": 850.0, "distance_ratio": 60.0}, start=2))
    assert verdict.name == "discriminator too weak"
    assert ("inverted" in verdict.evidence) == (overlap == 0)
    assert ("chance" in verdict.evidence) == (overlap == 0.5)


def test_a_trouble_that_passed_is_over() -> None:
    lines = log(gan, CASES["mode collapse"][1], ticks=20) + [gan(i) for i in range(20, 24)]
    assert verdicts(lines) == []


def test_an_output_that_leaves_the_middle_grey_at_one_end_first_is_not_dead() -> None:
    grey = [gan(i) | {"doctor/low": 1.0, "doctor/high": 1.0} for i in range(8)]
    assert "dead configuration" in names(grey)
    opening = [
        line | {"doctor/low": low}
        for line, low in zip(grey, [1.0, 1.0, 0.99, 0.97, 0.92, 0.8, 0.7, 0.5], strict=True)
    ]
    assert "dead configuration" not in names(opening)
    stuck = opening + [gan(i) | {"doctor/low": 0.0, "doctor/high": 1.0} for i in range(8, 14)]
    assert "dead configuration" in names(stuck), "one end has arrived, the other one stays"


def test_a_loss_that_never_moved_is_dead() -> None:
    lines = [gan(i) | {"loss/D": 13.82} for i in range(5)]
    (verdict,) = verdicts(lines)
    assert verdict.name == "dead configuration"
    assert "13.82" in verdict.evidence


class Plain(Model):
    """A model whose only option is its width."""

    class Options(Model.Options):
        width: int = 8


def known_options(model: type[Model]) -> set[str]:
    return {*model.Options.model_fields, *TrainConfig.model_fields, *model.sampling_options()}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_remedy_lists_the_options_that_its_text_names(name: str) -> None:
    for remedy in TROUBLES[name].remedies:
        written = {option.replace("-", "_") for option in re.findall(r"--([a-z0-9-]+)", remedy.text)}
        assert written == {*remedy.options, *remedy.sampling}, remedy.text


def test_every_remedy_is_available_to_some_model() -> None:
    for trouble in TROUBLES.values():
        for remedy in trouble.remedies:
            assert any(remedy.available(model_class(name)) for name in MODELS), remedy.text


@pytest.mark.parametrize("model", [*MODELS, Plain])
def test_advice_names_only_options_that_the_model_has(model: str | type[Model]) -> None:
    cls = model_class(model) if isinstance(model, str) else model
    for name, (log_of, changes) in CASES.items():
        for verdict in verdicts(log(log_of, changes), cls):
            advised = {o.replace("-", "_") for o in re.findall(r"--([a-z0-9-]+)", verdict.advice)}
            assert advised <= known_options(cls), name
            assert verdict.meaning


def test_a_verdict_without_remedies_still_has_its_meaning() -> None:
    lines = log(*CASES["discriminator too weak"])
    verdict = next(v for v in verdicts(lines, Plain) if v.name == "discriminator too weak")
    assert verdict.remedies == ()
    assert verdict.advice == ""
    assert str(verdict).endswith(f"{verdict.meaning[1:]}.")
    assert "Try" not in str(verdict)


def test_a_value_that_the_option_does_not_have_is_not_advised() -> None:
    class Choosy(Model):
        class Options(Model.Options):
            loss: str = "any"
            penalty: bool = False

    assert Remedy("--loss hinge", {"loss": "hinge"}).available(Choosy)
    assert not Remedy("--penalty r1", {"penalty": "r1"}).available(Choosy)
    assert Remedy("--clip 1", {"clip": 1}).available(Choosy), "a setting of training"


def test_advice_is_a_list_in_words() -> None:
    verdict = verdicts(log(*CASES["mode collapse"]))[0]
    texts = [remedy.text for remedy in verdict.remedies]
    assert verdict.advice == f"{', '.join(texts[:-1])}, or {texts[-1]}"
    (two,) = [v for v in verdicts(log(*CASES["mode collapse"]), model_class("gan")) if v.name == verdict.name]
    assert "--batch-norm" not in two.advice, "the fully connected GAN has no such option"


def test_no_verdicts_of_an_empty_log() -> None:
    assert verdicts([]) == []


def test_a_best_distance_of_nothing_is_no_division_by_it() -> None:
    lines = [
        {"images": at, "doctor/distance": d, "doctor/distance_ratio": 9.0}
        for at, d in enumerate([0.0, 3.0, 4.0])
    ]
    assert "getting worse" in names(lines)


def test_a_signal_is_looked_up_by_the_doctor_and_by_the_model() -> None:
    h = History(
        [{"images": 1, "doctor/overlap/D_A": 0.7, "doctor/low": 0.5, "held_out/active_units": 3}], "D_A"
    )
    assert (h.now("overlap"), h.now("low"), h.now("held_out/active_units")) == (0.7, 0.5, 3)
    assert h.last("nothing", 3) == []


@pytest.mark.parametrize("name", TROUBLES)
def test_the_document_has_every_trouble_with_its_meaning_and_remedies(name: str) -> None:
    trouble = TROUBLES[name]
    start = f"| {name} (severe) |" if trouble.severe else f"| {name} |"
    row = next(row for row in DOCUMENT.read_text().splitlines() if row.startswith(start))
    assert trouble.meaning in row
    for remedy in trouble.remedies:
        assert remedy.text in row
