"""What a run would take: `limner train --dry-run` and `limner.forecast` leave nothing behind."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import torch
from small import data_words, small, small_source, words

import limner
from limner import train_forecast
from limner.cli import run
from limner.errors import LimnerError
from limner.models import MODELS
from limner.training import duration
from limner.training.memory import peak_memory

TINY = ["--batch", "16", "--images", "1000"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "TIMED", 0.01)


def test_the_command_says_time_and_memory_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "vae", *words(small("vae")), *TINY]
    assert run([*line, "--dry-run", "--out", "runs/never", "--queue"]) == 0
    text, *notes = capsys.readouterr().out.splitlines()
    assert re.match(
        r"1,000 images take about [0-9:]+ here, at [0-9,]+/s; it needs about [0-9.]+ [MG]B of", text
    )
    assert "note: images of 8x8 enlarged to 28x28" in notes
    assert run([*line, "--dry-run", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["images"], content["shape"], content["device"]) == (1000, [1, 28, 28], "cpu")
    assert content["seconds"] > 0
    assert os.listdir() == ["cache"] or os.listdir() == []


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_forecast(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "SHORT", 1e9)  # one step says enough
    state = torch.get_rng_state()
    settings = {"batch": 4, "images": 400, "tick": 100, "size": 32 if name == "stylegan" else 28}
    forecast = limner.forecast(name, small_source(name, tmp_path, 40), **settings, **small(name))
    assert forecast.seconds > 0
    assert forecast.images == 400
    assert forecast.weights > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert not Path("runs").exists()


def test_lines_of_the_log_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as many lines take longer, by the same clock."""
    times = iter(range(10_000))
    monkeypatch.setattr(train_forecast.time, "monotonic", lambda: float(next(times)))
    settings = {"batch": 16, "images": 1600, "on_trouble": "ignore", **small("vae")}
    few, many = (limner.forecast("vae", tick=tick, **settings).seconds for tick in (1600, 160))
    assert many - few == pytest.approx(9 * 1)  # a line takes one tick of this clock


def test_memory_is_the_peak_of_the_process() -> None:
    before = peak_memory()
    assert before is not None
    block = torch.ones(100_000_000, dtype=torch.uint8)
    after = peak_memory()
    assert after is not None
    assert before <= after
    assert len(block) <= after


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["vae", "--batch", "99999", "--dry-run"], "batch must be from 1 to 65536"),
        (["vae", "--batch", "5000", "--dry-run"], "larger than the 1,618 training images"),
        (["vae", "--dry-run", "--resume"], "--dry-run is for new runs"),
        (["vae", "--json"], "--json is for --dry-run"),
        (["cyclegan", "--data", "digits", "--dry-run"], "two domains"),
    ],
)
def test_mistakes(line: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", *line]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_two_domains_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "cyclegan", *data_words("cyclegan", tmp_path), *words(small("cyclegan"))]
    assert run([*line, "--images", "4", "--size", "16", "--dry-run"]) == 0
    assert "4 images take about" in capsys.readouterr().out


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(LimnerError, match="no option 'latent'"):
        limner.forecast("vae", latent=3)
