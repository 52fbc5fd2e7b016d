"""Sentences that pages show as they come: of a run, of one of the lecture, and of the steps of an update."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small import small
from starlette.testclient import TestClient

import limner
from limner.studio import lecture
from limner.studio.answers import describe_end, describe_status
from limner.studio.folder import health

LIVE: dict[str, Any] = {
    "status": "training", "problem": "", "images": 1234, "target": 50_000, "speed": 1999.6, "process": 7,
    "rate_factor": 0.25, "waiting": True, "behind": "", "resume": "limner train vae --resume",
}  # fmt: skip
LINES = [
    ({}, "training: 1,234 of 50,000 images, 2,000 images/s, learning rates × 0.25, a request waits"),
    ({"speed": None, "rate_factor": 1.0, "waiting": False}, "training: 1,234 of 50,000 images"),
    ({"status": "waiting", "behind": "gan", "rate_factor": 1}, "waiting for gan: 1,234 of 50,000 images"),
    ({"status": "stopping", "behind": "gan", "rate_factor": 1}, "stopping: 1,234 of 50,000 images"),
    ({"status": "finished", "process": None}, "finished: 1,234 of 50,000 images"),
    (
        {"status": "finished", "process": None, "problem": "no log"},
        "finished: 1,234 of 50,000 images. no log",
    ),
    ({"status": "unreadable", "problem": "damaged"}, "This run cannot be read: damaged"),
]
ENDS = [
    (
        {"status": "killed"},
        "Training was killed. What it had stored at its last checkpoint, 1,234 images, is safe.",
    ),
    ({"status": "killed", "resume": ""}, "Training was killed before its first checkpoint."),
    ({"status": "stopped"}, "Training was stopped at 1,234 images, and everything is stored."),
    ({"status": "training"}, ""),
    ({"status": "starting"}, ""),
]


@pytest.mark.parametrize(("change", "line"), LINES)
def test_what_a_run_does(change: dict[str, Any], line: str) -> None:
    assert describe_status(LIVE | change) == line


@pytest.mark.parametrize(("change", "text"), ENDS)
def test_how_a_training_was_cut_short(change: dict[str, Any], text: str) -> None:
    assert describe_end(LIVE | change) == text


def test_the_doctor_s_light() -> None:
    assert health({}) == {"light": "unknown", "health": "no diagnosis", "troubles": [], "reason": ""}
    early = health({"state": "too early to tell", "reason": "train on"})
    assert (early["light"], early["health"]) == ("early", "too early to tell")
    trouble = health({"troubles": ["mode collapse", "not finite"]})
    assert (trouble["light"], trouble["health"]) == ("trouble", "mode collapse, not finite")


def test_what_the_lecture_says_of_a_run() -> None:
    state = {"id": "a", "images": 1000, "target": 2000, "behind": "b", "problem": ""}
    assert lecture.describe(state | {"status": "waiting"}) == "a waits until b is trained."
    assert lecture.describe(state | {"status": "training"}) == "a: training, 1,000 of 2,000 images"
    assert "was stopped at 1,000 of 2,000" in lecture.describe(state | {"status": "stopped"})
    assert lecture.describe(state | {"status": "foreign", "problem": "another"}) == "another"


def test_the_texts_of_an_update(client: TestClient, folder: Path) -> None:
    code = {"batch", "code", "reconstruction", "loss", "step", "after"}
    settings: dict[str, Any] = {"images": 40, "batch": 20, "quiet": True, "on_trouble": "ignore"}
    kinds = {"autoencoder": code, "gan": {"batch", "loss of D", "D", "loss of G", "G"}, "vae": code}
    for name, steps in kinds.items():
        if name != "vae":
            limner.train(name, "digits", out=folder / name, **small(name) | settings)
        texts = client.get(f"/api/runs/{name}/update?skip=0").json()["texts"]
        assert all(set(texts[step]) >= {"name", "text"} for step in steps)
        assert ("ε" in str(texts)) == (name == "vae")
    assert texts["kl"]["what"] == "mean KL divergence"
