"""The doctor around a run: it changes nothing, is resumed with it, and obeys --on-trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small import DOMAIN_MODELS, small, small_data

import limner
from limner import train_session
from limner.data import Dataset, load
from limner.data.examples import Examples
from limner.data.stream import Stream
from limner.doctor import Diagnosis, Doctor, diagnose
from limner.doctor.diagnosis import SIGNALS
from limner.doctor.signals import IMAGES
from limner.models import MODELS, create
from limner.models.base import Logs
from limner.training import NotFinite, Trainer
from limner.training.checkpoint import read_state, read_weights

SHORT: dict[str, Any] = {"images": 2400, "tick": 400, "batch": 80, "quiet": True, "save_seconds": 0.0}


def weights(run: limner.Run) -> dict[str, torch.Tensor]:
    return read_weights(run.path / "weights.safetensors")[0]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def new_trainer(digits: Dataset) -> Trainer:
    return Trainer(create("gan", digits.shape, **small("gan")), Stream(digits.train, batch=80))


@pytest.mark.parametrize("model", MODELS)
def test_a_watched_run_is_the_run_it_would_have_been(model: str, tmp_path: Path) -> None:
    length = {"images": 160, "tick": 80} if model in DOMAIN_MODELS else {"images": 480, "tick": 240}
    short, data = SHORT | length | small(model), small_data(model, load("digits", size=16))
    watched = limner.train(model, data, out=tmp_path / "watched", **short)
    alone = limner.train(model, data, out=tmp_path / "alone", on_trouble="ignore", **short)
    assert same(weights(watched), weights(alone))
    assert all("troubles" in line for line in watched.log)
    assert not any(name.startswith("doctor/") for line in alone.log for name in line)
    own = {name: value for name, value in watched.log[-1].items() if not name.startswith("doctor/")}
    for name in ("troubles", "state", "reason", "seconds", "images_per_second"):
        own.pop(name)
    assert own.items() <= alone.log[-1].items()


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_a_resumed_run_is_watched_as_if_there_had_been_no_break(
    model: str, digits: Dataset, tmp_path: Path
) -> None:
    whole = limner.train(model, digits, out=tmp_path / "whole", **SHORT, **small(model))
    parts = limner.train(model, digits, out=tmp_path / "parts", **SHORT | {"images": 1200}, **small(model))
    parts = limner.train(out=parts.path, resume=True, images=2400, quiet=True)

    def untimed(run: limner.Run) -> list[dict[str, Any]]:
        timed = ("seconds", "images_per_second")
        return [{k: v for k, v in line.items() if k not in timed} for line in run.log]

    assert untimed(whole) == untimed(parts)
    assert "doctor/movement" in whole.log[3]


def test_log_and_diagnosis_agree(digits: Dataset, tmp_path: Path) -> None:
    run = limner.train("gan", digits, out=tmp_path / "run", **SHORT, **small("gan"))
    diagnosis = diagnose(run)
    assert [verdict.name for verdict in diagnosis.verdicts] == run.log[-1]["troubles"]
    assert diagnosis.state == (run.log[-1]["state"], run.log[-1]["reason"])
    assert diagnosis.signals["overlap"] == run.log[-1]["doctor/overlap"]
    picture = diagnosis.picture()
    assert picture is not None
    assert min(picture.size) > 400
    json.dumps(diagnosis.json())


def test_the_effective_beta_of_a_vae_is_in_the_table(digits: Dataset, tmp_path: Path) -> None:
    run = limner.train("vae", digits, out=tmp_path / "run", **SHORT, **small("vae"))
    diagnosis = diagnose(run)
    assert diagnosis.signals["effective_beta"] == run.log[-1]["held_out/effective_beta"]
    assert SIGNALS["effective_beta"].meaning in diagnosis.text()
    assert not any(name == "doctor/effective_beta" for name in run.log[-1])
    alone = limner.train("vae", digits, out=tmp_path / "alone", on_trouble="ignore", **SHORT, **small("vae"))
    assert diagnose(alone).signals["effective_beta"] == alone.log[-1]["held_out/effective_beta"]


def test_the_table_names_each_of_several_discriminators() -> None:
    lines = [
        {"images": at, "doctor/overlap/D_A": 0.6, "doctor/overlap/D_B": 0.9, "doctor/grad/G": 1.0}
        for at in (100, 200)
    ]
    signals = {"overlap/D_A": 0.6, "overlap/D_B": 0.9}
    diagnosis = Diagnosis("run", [], [], signals, lines)
    meaning = SIGNALS["overlap"].meaning
    assert f"D_A: {meaning}" in diagnosis.text()
    assert f"D_B: {meaning}" in diagnosis.text()
    assert diagnosis.names("overlap") == ["overlap/D_A", "overlap/D_B"]
    assert diagnosis.series("overlap/D_B") == ([100, 200], [0.9, 0.9])
    assert diagnosis.picture() is not None


@pytest.mark.parametrize(("model", "signal"), [("gan", "overlap"), ("autoencoder", "sensitivity")])
def test_a_run_trained_without_the_doctor_is_examined_afterwards(
    model: str, signal: str, digits: Dataset, tmp_path: Path
) -> None:
    run = limner.train(model, digits, out=tmp_path / "run", on_trouble="ignore", **SHORT, **small(model))
    diagnosis = diagnose(limner.load(run.path))
    assert 0 <= diagnosis.signals[signal] <= 1
    assert any("without the doctor" in note for note in diagnosis.notes)


def test_samples_of_an_autoencoder_are_judged_once_its_prior_is_fitted(
    digits: Dataset, tmp_path: Path
) -> None:
    options = SHORT | small("autoencoder") | {"on_trouble": "ignore"}
    run = limner.train("autoencoder", digits, out=tmp_path / "run", **options)
    assert "distance" not in diagnose(run).signals
    limner.load(run.path).model.sample(2)
    assert diagnose(limner.load(run.path)).signals["distance"] > 0


class FallingDistance:
    """A doctor that measures the least distance at the third tick, and a severe trouble at the fifth."""

    class Severe:
        severe = True

        def __str__(self) -> str:
            return "made up"

    def __init__(self, trainer: Any, dataset: Any, held_out: Any, tick: int, log_lines: list[Any]) -> None:
        self.ticks = len(log_lines)

    def observe(self, iterations: Iterator[Logs]) -> Iterator[Logs]:
        return iterations

    def examine(self, line: dict[str, Any]) -> list[Any]:
        self.ticks += 1
        line["doctor/distance"] = float(abs(self.ticks - 3))
        return [self.Severe()] if self.ticks == 5 else []

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


@pytest.mark.parametrize(("on_trouble", "end"), [("report", 2400), ("stop", 2000)])
def test_report_goes_on_and_stop_stops(
    on_trouble: str, end: int, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_session, "Doctor", FallingDistance)
    options = SHORT | {"on_trouble": on_trouble}
    run = limner.train("gan", digits, out=tmp_path / "run", **options, **small("gan"))
    assert run.log[-1]["images"] == end
    assert run.images_seen == end


def test_restore_keeps_the_weights_nearest_to_the_data(
    digits: Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(train_session, "Doctor", FallingDistance)
    options = SHORT | {"on_trouble": "restore", "quiet": False}
    run = limner.train("gan", digits, out=tmp_path / "run", **options, **small("gan"))
    assert run.log[-1]["images"] == 2000
    assert run.images_seen == 1200, "the third tick"
    there = limner.train("gan", digits, out=tmp_path / "there", **SHORT | {"images": 1200}, **small("gan"))
    assert same(weights(run), weights(there))
    assert read_state(run.path / "state.pt")["images_seen"] == 2000, "the last, to go on from"
    screen = capsys.readouterr().err
    assert "1,200 images" in screen
    assert "distance to training images" in screen


class FallingAgain(FallingDistance):
    """One that measures a lesser distance still at the sixth tick, which only a resumed run reaches."""

    def examine(self, line: dict[str, Any]) -> list[Any]:
        verdicts = super().examine(line)
        if self.ticks == 6:
            line["doctor/distance"] = -1.0
        return verdicts


def test_a_restored_run_that_is_resumed_keeps_what_is_nearer_still(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_session, "Doctor", FallingAgain)
    options = SHORT | {"on_trouble": "restore"}
    run = limner.train("gan", digits, out=tmp_path / "run", **options, **small("gan"))
    assert run.images_seen == 1200
    again = limner.train(out=run.path, images=2800, quiet=True, resume=True)
    assert again.images_seen == 2400, "the sixth tick"


def test_iterations_are_passed_on_as_they_are(digits: Dataset) -> None:
    trainer = new_trainer(digits)
    doctor = Doctor(trainer, digits, Examples(digits.test), 400, [])
    logs = [{"D(x)": torch.tensor(0.1 * i)} for i in range(20)]
    assert all(a is b for a, b in zip(doctor.observe(iter(logs)), logs, strict=True))
    assert doctor.signals()["rhythm"] > 0.5


def test_gradients_are_noted_some_times_per_tick(digits: Dataset) -> None:
    trainer = new_trainer(digits)
    doctor = Doctor(trainer, digits, Examples(digits.test), 80 * 32 * 3, [])
    iterations = doctor.observe(trainer)
    for _ in range(9):
        next(iterations)
    assert {name: len(norms) for name, norms in doctor.norms.items()} == {"D": 3, "G": 3}
    signals = doctor.signals()
    assert signals["grad/D"] > 0
    assert doctor.norms == {}


def test_a_resumed_doctor_keeps_to_the_features_of_the_log(digits: Dataset) -> None:
    doctor = Doctor(new_trainer(digits), digits, Examples(digits.test), 400, [])
    assert doctor.state()["features"] == "digits-cnn-v1"
    nothing_noted: dict[str, Any] = {"norms": {}, "logged": None}
    doctor.restore(nothing_noted | {"before": torch.zeros(IMAGES, 48), "features": "principal-pixels"})
    assert doctor.state()["features"] == "principal-pixels"
    assert "movement" in doctor.signals()
    doctor.restore(nothing_noted | {"before": torch.zeros(IMAGES, 64), "features": "gone-cnn-v1"})
    assert "movement" not in doctor.signals(), "nothing of other features to compare with"


def test_a_trouble_reported_before_a_break_is_not_reported_again(digits: Dataset) -> None:
    lines = [{"images": 400, "troubles": ["mode collapse"]}, {"images": 800, "troubles": []}]
    assert Doctor(new_trainer(digits), digits, Examples(digits.test), 400, lines).reported == {
        "mode collapse"
    }


def test_what_is_not_a_number_is_not_logged(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = Doctor(new_trainer(digits), digits, Examples(digits.test), 400, [])
    monkeypatch.setattr(doctor, "signals", lambda: {"d_real": float("nan"), "d_fake": 0.5})
    line: dict[str, Any] = {"images": 400}
    doctor.examine(line)
    assert "doctor/d_real" not in line
    assert line["doctor/d_fake"] == 0.5


def test_live_advice_is_for_the_model_that_is_trained(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = {"distance": 9.0, "distance_ratio": 9.0, "diversity": 0.1}
    lines = [
        {"images": 20_000 * i} | {f"doctor/{name}": value for name, value in signals.items()}
        for i in range(1, 5)
    ]
    doctor = Doctor(new_trainer(digits), digits, Examples(digits.test), 400, lines)
    monkeypatch.setattr(doctor, "signals", lambda: signals)
    (verdict,) = doctor.examine({"images": 100_000})
    assert verdict.name == "mode collapse"
    assert "--latent-dim" in verdict.advice
    assert "--batch-norm" not in verdict.advice, "the fully connected GAN has no such option"


def test_too_few_images_are_no_case_for_the_doctor(
    digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = replace(digits, test=digits.test.subset(torch.arange(1)))
    options = SHORT | {"images": 400, "on_trouble": "stop", "quiet": False}
    run = limner.train("gan", few, out=tmp_path / "run", **options, **small("gan"))
    assert "it does not watch this run" in capsys.readouterr().err
    diagnosis = diagnose(run)
    assert diagnosis.state == ("too early to tell", "the doctor has measured nothing")
    assert not diagnosis.healthy
    assert "too small" in diagnosis.text()


@pytest.mark.parametrize("on_trouble", ["report", "restore"])
def test_a_loss_that_is_not_finite_is_named(on_trouble: str, digits: Dataset, tmp_path: Path) -> None:
    settings = SHORT | {"lr": 1e18, "tick": 160, "on_trouble": on_trouble}
    with pytest.raises(NotFinite, match="keeps the weights of 0 images"):
        limner.train("vae", digits, out=tmp_path / "run", **settings)  # too early for anything to restore
    diagnosis = diagnose(limner.load(tmp_path / "run"))
    assert [verdict.name for verdict in diagnosis.verdicts] == ["not finite"]
    assert "step" in diagnosis.verdicts[0].evidence
