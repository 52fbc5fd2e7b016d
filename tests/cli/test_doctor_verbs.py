"""`doctor`, `problems` and training with the doctor, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import limner
from limner.cli import run
from limner.recipes import problems
from limner.training.display import Display

TRAIN = ["train", "gan", "--images", "2000", "--tick", "500", "--hidden", "32", "--out", "run"]


@pytest.fixture
def trained(capsys: pytest.CaptureFixture[str]) -> Path:
    assert run([*TRAIN, "--quiet"]) == 0
    capsys.readouterr()
    return Path("run")


def test_doctor_prints_and_draws(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "run"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("run: ")
    assert "real images ranked above generated ones (AUC)" in output
    assert "wrote run/doctor.png" in output
    with Image.open(trained / "doctor.png") as picture:
        assert min(picture.size) > 400
    assert run(["doctor", "run", "--json", "--out", "elsewhere.jpg"]) == 0
    diagnosis = json.loads(capsys.readouterr().out)
    assert diagnosis["run"] == "run"
    assert diagnosis["state"] == "too early to tell", "2,000 images"
    assert diagnosis["healthy"] is False
    assert diagnosis["reason"] in output.splitlines()[0]
    assert set(diagnosis["signals"]) >= {"overlap", "diversity", "distance"}
    assert Path("elsewhere.jpg").exists()
    assert run(["doctor", "run", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_the_doctors_curves_have_the_words_of_its_table(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[str] = []

    def record(series: dict[str, Any], **_: Any) -> Image.Image:
        drawn.extend(series)
        return Image.new("RGB", (9, 9))

    monkeypatch.setattr("limner.doctor.diagnosis.curves", record)
    assert run(["doctor", "run"]) == 0
    output = capsys.readouterr().out
    in_table = [name for name in drawn if name in output]
    assert len(in_table) >= 5
    assert all(" " in name for name in drawn), "words, not names of the log"


def test_doctor_without_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "nothing"]) == 2
    assert capsys.readouterr().err.startswith("limner: error: no run called 'nothing'")


GREY = [*TRAIN[:1], "dcgan", "--width", "4", "--images", "3456", "--tick", "864", "--out", "run"]


@pytest.mark.parametrize("watched", [True, False])
def test_a_run_that_ended_before_its_images_make_sense_is_not_called_healthy(
    watched: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*GREY, *([] if watched else ["--on-trouble", "ignore"])]) == 0
    output = capsys.readouterr()
    last = output.err.strip().splitlines()[-1]
    text = "too early to tell: train until 50,000 images at least"
    assert last.endswith(text) == watched
    assert "healthy" not in output.err
    assert run(["doctor", "run"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"run: {text}"
    assert run(["doctor", "run", "--json"]) == 0
    diagnosis = json.loads(capsys.readouterr().out)
    assert diagnosis["state"] == "too early to tell"
    assert diagnosis["healthy"] is False
    assert diagnosis["verdicts"] == []
    assert diagnosis["signals"]["distance_ratio"] > 20


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ({"troubles": [], "state": "healthy", "reason": ""}, "healthy"),
        ({"troubles": [], "state": "too early to tell", "reason": "why"}, "too early to tell: why"),
        ({"troubles": ["a", "b"], "state": "trouble", "reason": "a, b"}, "a, b"),
    ],
)
def test_the_progress_line_has_the_state(line: dict[str, Any], text: str) -> None:
    display = Display("run", 0, 100)
    display.measure(line)
    assert display.measured == text


def test_the_doctor_can_be_turned_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*TRAIN, "--on-trouble", "ignore"]) == 0
    assert "healthy" not in capsys.readouterr().err
    assert run(["doctor", "run"]) == 0
    assert "note: trained without the doctor" in capsys.readouterr().out
    assert run([*TRAIN[:-1], "other", "--on-trouble", "panic"]) == 2
    assert "choose from: report, stop, restore, ignore" in capsys.readouterr().err


def test_stop_stops_at_a_severe_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    bad = [
        "train",
        "vae",
        "--beta",
        "1000",
        "--likelihood",
        "bernoulli",
        "--images",
        "20000",
        "--tick",
        "1000",
    ]
    assert run([*bad, "--hidden", "32", "--on-trouble", "stop", "--out", "run"]) == 0
    output = capsys.readouterr()
    assert "doctor: posterior collapse since" in output.err
    assert "as --on-trouble requires" in output.err
    assert limner.load("run").log[-1]["images"] < 20_000
    assert "wrote run" in output.out


def test_problems_writes_one_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "TICK", 300)
    few = {name: (options | {"hidden": (16,)}, 900) for name, (options, _) in problems.RUNS.items()}
    monkeypatch.setattr(problems, "RUNS", few)
    assert run(["problems", "--out", "page", "--scale", "0.1"]) == 0
    assert "wrote page/index.html" in capsys.readouterr().out
    html = Path("page/index.html").read_text()
    for problem in problems.PROBLEMS:
        assert problem.title.split("'")[0] in html
    assert html.count("<figure>") == 4 * len(problems.PROBLEMS)
    assert set(json.loads(Path("page/problems.json").read_text())) == set(problems.RUNS)
    used = {name for problem in problems.PROBLEMS for name in (problem.faulty, problem.remedied)}
    assert used == set(problems.RUNS)
    first = (Path("page") / "matched" / "weights.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(problems, "PROBLEMS", problems.PROBLEMS[:1])  # the page is quicker to draw
    assert run(["problems", "--out", "page", "--scale", "0.1", "--quiet"]) == 0
    assert (Path("page") / "matched" / "weights.safetensors").stat().st_mtime_ns == first, "used again"
    assert run(["problems", "--scale", "0"]) == 2
    assert "scale must be above 0" in capsys.readouterr().err
