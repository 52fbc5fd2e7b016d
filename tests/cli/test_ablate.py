"""`limner ablate` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small import data_words, small

from limner.cli import run
from limner.metrics import classifier
from limner.training import Run

SMALL = ["--images", "100", "--n", "130", "--set", "batch=50,hidden=16x8"]


def mistake(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The error of a wrong command: exit code 2 and one line on stderr, nothing else."""
    assert run(list(words)) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1, output.err
    assert output.err.startswith("limner: error: ")
    return output.err


def test_ablate_trains_prints_and_writes_and_a_second_call_only_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["ablate", "gan", "--vary", "noise,dropout=0.5", "--seeds", "2", *SMALL]
    assert run(words) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert lines[0].startswith("gan on digits, one option changed at a time: 2 seeds, 100 images a run")
    assert lines[2].split()[:3] == ["measure", "switch", "base"]
    assert lines[3].startswith("fd[digits-cnn-v1], lower is better  noise=uniform ")
    assert lines[4].split()[0] == "dropout=0.5"
    assert all(line.endswith(("better", "worse", "noise")) for line in lines[3:13])
    assert lines[-2:] == [f"wrote ablations/gan-digits/ablation.{suffix}" for suffix in ("md", "json")]
    assert [line for line in lines[13:-2] if line and not line.startswith("note: ")] == []
    done = output.err.splitlines()
    assert len(done) == 6
    assert done[0].startswith("base, seed 0: fd ")
    assert done[5].startswith("dropout=0.5, seed 1: fd ")
    assert done[5].endswith(" (6 of 6 runs)")
    trained = Run(Path("ablations/gan-digits/noise=uniform-1"))
    assert (trained.config.options["noise"], trained.config.options["hidden"]) == ("uniform", [16, 8])
    assert trained.config.training.batch == 50

    stamp = (trained.path / "weights.safetensors").stat().st_mtime_ns
    assert run([*words, "--json", "--quiet"]) == 0
    output = capsys.readouterr()
    content = json.loads(output.out)
    assert content["path"] == "ablations/gan-digits"
    assert [row["switch"] for row in content["rows"][:2]] == ["noise=uniform", "dropout=0.5"]
    assert output.err == ""
    assert (trained.path / "weights.safetensors").stat().st_mtime_ns == stamp


def test_ablate_takes_two_domains(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 0)
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    words = ["ablate", "cyclegan", *data_words("cyclegan", tmp_path), "--vary", "cycle=1", "--seeds", "1"]
    tiny = ",".join(f"{name}={value}" for name, value in small("cyclegan").items())
    assert run([*words, "--images", "16", "--n", "20", "--set", f"batch=8,{tiny}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "cyclegan on digits-negatives, one option changed at a time: 1 seed, 16 images"
    )
    assert lines[3].startswith("kid[digits-negatives-cnn-v1], A -> B, lower is better ")
    assert "two domains" in mistake(capsys, "ablate", "cyclegan", "--vary", "cycle=1")


def test_ablate_quietly_and_elsewhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (
        run(["ablate", "gan", "--vary", "noise", "--seeds", "1", "--out", "~/there", "--quiet", *SMALL]) == 0
    )
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "there" / "ablation.md").exists()


def test_ablate_starts_from_a_preset_that_set_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ablate", "gan", "--vary", "dropout=0.1", "--seeds", "1", "--preset", "paper", *SMALL]
    assert run(words) == 0
    settings = json.loads(Path("ablations/gan-digits/ablation.json").read_text())["settings"]
    assert (settings["optimizer"], settings["lr"], settings["dropout"]) == ("sgd", 0.1, 0.5)
    assert (settings["batch"], settings["hidden"]) == (50, [16, 8])
    options = Run(Path("ablations/gan-digits/dropout=0.1-0")).config.options
    assert (options["networks"], options["dropout"], options["hidden"]) == ("maxout", 0.1, [16, 8])
    capsys.readouterr()
    message = mistake(capsys, *words[:-2])
    assert "the runs in ablations/gan-digits have batch 50, not 100" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gan"], "--vary"),
        (["gan", "--vary", ""], "nothing to vary: name options of GAN"),
        (["gna", "--vary", "noise"], "no model called 'gna': did you mean 'gan'?"),
        (["gan", "--vary", "nois"], "GAN has no option 'nois': did you mean 'noise'?"),
        (["gan", "--vary", "noise=gausian"], "noise cannot be 'gausian': did you mean 'gaussian'?"),
        (["gan", "--vary", "lr"], "lr is 0.0005; write what to try: lr=VALUE"),
        (["gan", "--vary", "noise", "--set", "noise"], "'noise' sets nothing: write NAME=VALUE"),
        (["gan", "--vary", "noise", "--set", "images=5"], "GAN has no option 'images'"),
        (["gan", "--vary", "noise", "--set", "noise=uniform", "--data", "digts"], "did you mean 'digits'"),
        (["gan", "--vary", "critic_steps=0"], "critic_steps=0: critic_steps must be at least 1, not 0"),
        (["gan", "--vary", "noise", "--preset", "papre"], "no preset 'papre': did you mean 'paper'?"),
        (["gan", "--vary", "noise", "--seeds", "0"], "seeds must be at least 1, not 0"),
        (["gan", "--vary", "noise", "--out", "file"], "file exists and is no ablation"),
        (["gan", "--vary", "noise", "--out", "file/x"], "file is a file, not a folder: choose another --out"),
        (["gan", "--vry", "noise"], "no option --vry: did you mean '--vary'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gets_one_line_and_leaves_nothing(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").write_text("mine")
    assert message in mistake(capsys, "ablate", *words)
    assert Path("file").read_text() == "mine"
    assert not Path("ablations").exists()
