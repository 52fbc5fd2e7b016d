"""Two published models, added from the documents alone: one file each, and every verb works or declines."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

import limner
from limner.cli import run as cli
from limner.models import MODELS, model_class

FLOW, VQ = "flow-matching", "vq-vae"


@pytest.fixture(autouse=True)
def _in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, FLOW, "new_models:FlowMatching")
    monkeypatch.setitem(MODELS, VQ, "new_models:VQVAE")


def succeed(*words: str) -> None:
    assert cli(list(words)) == 0, words


def decline(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli(list(words)) == 2, words
    text = capsys.readouterr().err
    assert len(text.splitlines()) == 1, text
    return text


def train(name: str, images: int = 3000) -> limner.Run:
    return limner.train(name, "digits", images=images, quiet=True, out=name, **model_class(name).tiny)


def test_a_model_with_options_of_sampling(capsys: pytest.CaptureFixture[str]) -> None:
    run = train(FLOW)
    assert run.config.options["classes"] == 10
    succeed("sample", FLOW, "--set", "steps=3", "--n", "4", "--quiet")
    succeed("sample", FLOW, "--set", "steps=3,guidance=2", "--label", "3,8", "--n", "2", "--quiet")
    assert "did you mean 'steps'" in decline(capsys, "sample", FLOW, "--set", "step=3")
    assert "prior" in decline(capsys, "sample", FLOW, "--prior", "normal")
    succeed("summary", FLOW)
    succeed("summary", "flow-matching")
    succeed("doctor", FLOW, "--quiet")
    succeed("evaluate", FLOW, "--quick", "--n", "60", "--set", "steps=2", "--quiet")
    stored = json.loads((run.path / "evaluation.json").read_text())
    assert any(measure["name"] == "gan-test" for measure in stored["measures"])
    assert "steps" in json.dumps(stored)
    assert "decoder" in decline(capsys, "interpolate", FLOW)
    assert [line["images"] for line in limner.train(out=FLOW, resume=True, images=4000, quiet=True).log]
    assert run.model.preview(torch.zeros(2, 1, 28, 28), None, 2).shape == (2, 1, 28, 28)


def test_a_model_whose_labels_are_optional_trains_without_them() -> None:
    data = limner.load_data("digits")
    bare = dataclasses.replace(
        data,
        train=dataclasses.replace(data.train, labels=None),
        test=dataclasses.replace(data.test, labels=None),
        classes=None,
    )
    run = limner.train(FLOW, bare, images=500, quiet=True, **model_class(FLOW).tiny)
    assert run.config.options["classes"] is None
    assert run.config.data.classes is None


def test_an_option_may_have_the_name_of_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    succeed(
        "train", FLOW, "--images", "200", "--model.size", "8", "--size", "16", "--out", "named", "--quiet"
    )
    run = limner.load("named")
    assert run.config.options["size"] == 8
    assert run.shape == (1, 16, 16)


def test_a_model_with_discrete_codes(capsys: pytest.CaptureFixture[str]) -> None:
    run = train(VQ, images=12_000)
    assert {"loss/main", "codebook/main", "commitment/main"} <= set(run.log[-1])
    assert run.model.latent.bits == 4 * 3
    for verb in ("traverse", "manifold", "interpolate"):
        assert "discrete" in decline(capsys, verb, VQ)
    for verb in ("reconstruct", "embed", "map", "sample", "doctor"):
        succeed(verb, VQ, "--quiet")
    assert run.model.latent.prior().fitted, "fitted when something first drew from it"
    assert limner.load(VQ).model.latent.priors["frequency"].fitted, "and stored"
    succeed("summary", VQ)
    succeed("evaluate", VQ, "--quick", "--n", "60", "--quiet")
    stored = json.loads((run.path / "evaluation.json").read_text())
    assert any("discrete" in line for line in stored["left_out"])
