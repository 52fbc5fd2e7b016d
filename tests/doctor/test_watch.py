"""The doctor around a run: it changes nothing, is resumed with it, and does what --on-trouble asks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from small import small

import limner
from limner.data import Dataset, Images
from limner.data.stream import Stream
from limner.doctor import Doctor, diagnose
from limner.doctor.signals import N
from limner.models import create
from limner.training.checkpoint import read_state, read_weights
from limner.training.session import Session
from limner.training.trainer import Trainer

SHORT: dict[str, Any] = {"images": 2400, "tick": 400, "batch": 80, "quiet": True, "save_seconds": 0.0}


def weights(run: limner.Run) -> dict[str, torch.Tensor]:
    return read_weights(run.path / "weights.safetensors")[0]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("model", ["gan", "dcgan", "vae"])
def test_a_watched_run_is_the_run_it_would_have_been(model: str, digits: Dataset, tmp_path: Path) -> None:
    watched = limner.train(model, digits, out=tmp_path / "watched", **SHORT, **small(model))
    alone = limner.train(model, digits, out=tmp_path / "alone", on_trouble="ignore", **SHORT, **small(model))
    assert same(weights(watched), weights(alone))
    assert all("troubles" in line for line in watched.log)
    assert not any(name.startswith("doctor/") for line in alone.log for name in line)
    told = {name: value for name, value in watched.log[-1].items() if not name.startswith("doctor/")}
    for name in ("troubles", "seconds", "images_per_second"):
        told.pop(name)
    assert told.items() <= alone.log[-1].items()


def test_a_resumed_run_is_watched_as_if_there_had_been_no_break(digits: Dataset, tmp_path: Path) -> None:
    whole = limner.train("gan", digits, out=tmp_path / "whole", **SHORT, **small("gan"))
    parts = limner.train("gan", digits, out=tmp_path / "parts", **SHORT | {"images": 1200}, **small("gan"))
    parts = limner.train(out=parts.path, resume=True, images=2400, quiet=True)

    def told(run: limner.Run) -> list[dict[str, Any]]:
        timed = ("seconds", "images_per_second")
        return [{k: v for k, v in line.items() if k not in timed} for line in run.log]

    assert told(whole) == told(parts)
    assert "doctor/movement" in whole.log[3]


def test_log_and_diagnosis_say_the_same(digits: Dataset, tmp_path: Path) -> None:
    run = limner.train("gan", digits, out=tmp_path / "run", **SHORT, **small("gan"))
    found = diagnose(run)
    assert [verdict.name for verdict in found.verdicts] == run.log[-1]["troubles"]
    assert found.signals["overlap"] == run.log[-1]["doctor/overlap"]
    picture = found.picture()
    assert picture is not None
    assert min(picture.size) > 400
    json.dumps(found.json())


def test_a_run_trained_without_the_doctor_is_looked_at_afterwards(digits: Dataset, tmp_path: Path) -> None:
    run = limner.train("gan", digits, out=tmp_path / "run", on_trouble="ignore", **SHORT, **small("gan"))
    found = diagnose(run)
    assert 0 <= found.signals["overlap"] <= 1
    assert any("without the doctor" in note for note in found.notes)


class Falling:
    """A watcher that sees the least distance at the third tick, and grave trouble at the fifth."""

    class Grave:
        grave = True

        def __str__(self) -> str:
            return "made up"

    def __init__(self, trainer: Any, dataset: Any, held_out: Any, tick: int, lines: list[Any]) -> None:
        self.ticks = len(lines)

    def iterated(self, logs: Any) -> None:
        pass

    def examined(self, line: dict[str, Any]) -> list[Any]:
        self.ticks += 1
        line["doctor/distance"] = float(abs(self.ticks - 3))
        return [self.Grave()] if self.ticks == 5 else []

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


@pytest.fixture
def falling(monkeypatch: pytest.MonkeyPatch) -> str:
    import limner.doctor

    monkeypatch.setattr(limner.doctor, "Falling", Falling, raising=False)
    return "limner.doctor:Falling"


@pytest.mark.parametrize(("asked", "ends", "kept"), [("report", 2400, 2400), ("stop", 2000, 2000)])
def test_report_goes_on_and_stop_stops(
    asked: str, ends: int, kept: int, falling: str, digits: Dataset, tmp_path: Path
) -> None:
    options = SHORT | {"on_trouble": asked, "watcher": falling}
    run = limner.train("gan", digits, out=tmp_path / "run", **options, **small("gan"))
    assert run.log[-1]["images"] == ends
    assert run.images_seen == kept


def test_restore_keeps_the_weights_nearest_to_the_data(
    falling: str, digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = SHORT | {"on_trouble": "restore", "watcher": falling, "quiet": False}
    run = limner.train("gan", digits, out=tmp_path / "run", **options, **small("gan"))
    assert run.log[-1]["images"] == 2000
    assert run.images_seen == 1200, "the third tick"
    there = limner.train("gan", digits, out=tmp_path / "there", **SHORT | {"images": 1200}, **small("gan"))
    assert same(weights(run), weights(there))
    assert read_state(run.path / "state.pt")["images_seen"] == 2000, "the last, to go on from"
    told = capsys.readouterr().err
    assert "1,200 images" in told
    assert "distance to training images" in told


class Later(Falling):
    """One that sees a lesser distance still at the sixth tick, which only a resumed run reaches."""

    def examined(self, line: dict[str, Any]) -> list[Any]:
        found = super().examined(line)
        if self.ticks == 6:
            line["doctor/distance"] = -1.0
        return found


def test_a_restored_run_that_is_resumed_keeps_what_is_nearer_still(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import limner.doctor

    monkeypatch.setattr(limner.doctor, "Later", Later, raising=False)
    options = SHORT | {"on_trouble": "restore", "watcher": "limner.doctor:Later"}
    run = limner.train("gan", digits, out=tmp_path / "run", **options, **small("gan"))
    assert run.images_seen == 1200
    again: dict[str, Any] = {"watcher": "limner.doctor:Later", "quiet": True, "resume": True}
    assert limner.train(out=run.path, images=2800, **again).images_seen == 2400, "the sixth tick"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2.0])
def test_weights_of_a_worse_or_no_value_replace_none(value: float) -> None:
    best = {"value": 1.0}
    assert Session.lower(cast(Any, None), best, value, "loss") is best


def test_nothing_to_keep_by_no_number() -> None:
    assert Session.lower(cast(Any, None), None, float("nan"), "loss") is None


def test_a_resumed_doctor_keeps_to_the_features_of_the_log(digits: Dataset) -> None:
    trainer = Trainer(create("gan", digits.shape, **small("gan")), Stream(digits.train, batch=80))
    doctor = Doctor(trainer, digits, digits.test, 400, [])
    assert doctor.state()["features"] == "digits-cnn-v1"
    doctor.restore({"before": torch.zeros(N, 48), "features": "principal-pixels"})
    assert doctor.state()["features"] == "principal-pixels"
    assert "movement" in doctor.signals()
    doctor.restore({"before": torch.zeros(N, 64), "features": "gone-cnn-v1"})
    assert "movement" not in doctor.signals(), "nothing of other features to compare with"


def test_a_trouble_told_before_a_break_is_not_told_again(digits: Dataset) -> None:
    trainer = Trainer(create("gan", digits.shape, **small("gan")), Stream(digits.train, batch=80))
    lines = [{"images": 400, "troubles": ["mode collapse"]}, {"images": 800, "troubles": []}]
    assert Doctor(trainer, digits, digits.test, 400, lines).told == {"mode collapse"}


def test_what_is_no_number_is_not_logged(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(create("gan", digits.shape, **small("gan")), Stream(digits.train, batch=80))
    doctor = Doctor(trainer, digits, digits.test, 400, [])
    monkeypatch.setattr(doctor, "signals", lambda: {"d_real": float("nan"), "d_fake": 0.5})
    line: dict[str, Any] = {"images": 400}
    doctor.examined(line)
    assert "doctor/d_real" not in line
    assert line["doctor/d_fake"] == 0.5


def test_too_few_images_are_no_case_for_the_doctor(
    digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = replace(digits, test=Images(digits.test.pixels[:1], digits.test.labels[:1]))
    options = SHORT | {"images": 400, "on_trouble": "stop", "quiet": False}
    run = limner.train("gan", few, out=tmp_path / "run", **options, **small("gan"))
    assert "nobody looks on" in capsys.readouterr().err
    found = diagnose(run)
    assert found.healthy
    assert any("too few images" in note for note in found.notes)


@pytest.mark.parametrize("asked", ["report", "restore"])
def test_a_loss_that_is_not_finite_is_told(asked: str, digits: Dataset, tmp_path: Path) -> None:
    settings = SHORT | {"lr": 1e18, "tick": 160, "on_trouble": asked}
    with pytest.raises(limner.LimnerError, match="keeps the weights of 0 images"):
        limner.train("vae", digits, out=tmp_path / "run", **settings)  # too early for anything to restore
    found = diagnose(limner.load(tmp_path / "run"))
    assert [verdict.name for verdict in found.verdicts] == ["not finite"]
    assert "step" in found.verdicts[0].evidence
