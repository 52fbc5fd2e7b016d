"""A class that is not trained on: seen by nothing that trains, met again when strange images are judged."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import pytest
import torch

import limner
from limner.data import Dataset, Images, to_float
from limner.errors import LimnerError
from limner.evaluation import FAMILIES, evaluate
from limner.metrics import auroc
from limner.training import Run
from limner.training.checkpoint import read_state
from limner.training.codes import encode_images

measuring = importlib.import_module("limner.evaluation.evaluate")
TINY = {"images": 1000, "batch": 50, "latent_dim": 4, "quiet": True}


@pytest.fixture
def _only_anomalies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "OTHERS", ())
    monkeypatch.setattr(measuring, "FAMILIES", {"anomalies": FAMILIES["anomalies"]})


def test_without_a_class_the_other_training_images_stay_as_they_are(digits: Dataset) -> None:
    names = tuple(map(str, range(len(digits.train))))
    named = dataclasses.replace(digits, train=dataclasses.replace(digits.train, names=names))
    assert named.label("7") == 7
    rest = named.without("7")
    labels = named.train.labels
    assert labels is not None
    assert rest.train.labels is not None
    assert rest.train.names is not None
    kept = labels != 7
    assert 0 < len(rest.train) == int(kept.sum()) < len(named.train)
    assert torch.equal(rest.train.pixels, named.train.pixels[kept])
    assert torch.equal(rest.train.labels, labels[kept])
    assert [int(name) for name in rest.train.names] == kept.nonzero()[:, 0].tolist()
    assert rest.test is named.test
    assert (rest.fingerprint, rest.classes, rest.shape) == (named.fingerprint, named.classes, named.shape)
    assert len(named.train) == len(names), "the whole is as it was"


def test_a_class_there_is_not(digits: Dataset) -> None:
    with pytest.raises(LimnerError, match="digits has no class 'seven'"):
        digits.without("seven")
    clothes = dataclasses.replace(digits, classes=("shirt", "sandal"))
    with pytest.raises(LimnerError, match="no class 'shirts': did you mean 'shirt'"):
        clothes.label("shirts")
    plain = dataclasses.replace(digits, train=Images(digits.train.pixels), classes=None)
    with pytest.raises(LimnerError, match="digits has no classes, so none is called '7'"):
        plain.without("7")
    sevens = digits.train.pixels[digits.train.labels == 7]
    only = dataclasses.replace(digits, train=Images(sevens, torch.full((len(sevens),), 7)))
    with pytest.raises(LimnerError, match="no training images but those of class '7'"):
        only.without("7")


def test_a_refused_class_begins_no_run(digits: Dataset) -> None:
    with pytest.raises(LimnerError, match="no class 'x'"):
        limner.train("autoencoder", digits, leave_out="x", **TINY)
    assert not Path("runs").exists()


def test_training_and_the_prior_see_nothing_of_the_class(digits: Dataset, tmp_path: Path) -> None:
    assert digits.train.labels is not None
    sevens = digits.train.labels == 7
    changed = digits.train.pixels.clone()
    changed[sevens] = 255 - changed[sevens]
    other = dataclasses.replace(digits, train=Images(changed, digits.train.labels))
    runs = [
        limner.train("autoencoder", data, leave_out="7", out=tmp_path / str(i), **TINY)
        for i, data in enumerate((digits, other))
    ]
    one, two = (run.model.state_dict() for run in runs)
    assert all(torch.equal(one[name], two[name]) for name in one)
    z = encode_images(runs[0].model, digits.train.pixels[~sevens])
    assert torch.allclose(runs[0].model.latent.prior().mean, z.mean(0), atol=1e-5)
    whole = limner.train("autoencoder", digits, out=tmp_path / "whole", **TINY).model.state_dict()
    assert not torch.equal(one["encoder.1.weight"], whole["encoder.1.weight"])


def test_a_run_keeps_what_it_left_out(digits: Dataset, tmp_path: Path) -> None:
    run = limner.train("autoencoder", "digits", leave_out="7", out=tmp_path / "a", **TINY)
    assert run.config.training.leave_out == "7"
    assert len(Run(run.path).data.train) == len(digits.without("7").train)
    assert len(Run(run.path).original.train) == len(digits.train)
    assert run.config.data.train == len(digits.train), "run.json describes the data set as it is"
    with pytest.raises(LimnerError, match="was trained with leave_out 7, not 8"):
        limner.train("autoencoder", resume=True, out=run.path, leave_out="8", images=2000, quiet=True)
    limner.train("autoencoder", resume=True, out=run.path, images=2000, quiet=True)
    there = limner.train(
        "autoencoder", "digits", leave_out="7", out=tmp_path / "b", **TINY | {"images": 2000}
    )
    one, two = (read_state(r.path / "state.pt")["model"] for r in (run, there))
    assert all(torch.equal(one[name], two[name]) for name in one), "resumed as if it had never stopped"
    small = {"latent_dim": 1, "hidden": (4,), "batch": 2}
    epoch = limner.train(
        "autoencoder", "digits", leave_out="7", out=tmp_path / "c", epochs=1, quiet=True, **small
    )
    assert epoch.images_seen == len(digits.without("7").train)


@pytest.mark.usefixtures("_only_anomalies")
def test_the_class_left_out_is_judged(digits: Dataset, tmp_path: Path) -> None:
    run = limner.train("autoencoder", digits, leave_out="0", out=tmp_path / "a", **TINY | {"images": 20_000})
    found = evaluate(run, n=179, quick=True)
    (measure,) = found.measures
    assert measure.name == "auroc, class left out"
    assert "class 0, not trained on" in measure.note
    score = run.model.score(to_float(digits.test.pixels))
    strange = digits.test.labels == 0
    assert measure.value == pytest.approx(auroc(score[~strange], score[strange]), abs=1e-6)
    assert measure.value > 0.6, "a digit never seen is rebuilt worse than the others"
    assert measure.n == 179
    assert found.left_out == []


@pytest.mark.usefixtures("_only_anomalies")
def test_where_the_class_is_not_among_the_test_images_it_is_said(digits: Dataset, tmp_path: Path) -> None:
    run = limner.train("autoencoder", digits, leave_out="0", out=tmp_path / "a", **TINY)
    others = digits.test.subset((digits.test.labels != 0).nonzero()[:, 0])
    run.viewed = run.loaded = dataclasses.replace(digits, test=others)
    found = evaluate(run, n=100, quick=True)
    assert found.measures == []
    assert found.left_out[0].startswith("anomalies: ")
