"""`limner evaluate` and `limner compare` as a user types them."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small import blobs

import limner
from limner.cli import run
from limner.data import Dataset
from limner.evaluation import FAMILIES
from limner.metrics import classifier

measuring = importlib.import_module("limner.evaluation.evaluate")
FEW = ["--quick", "--n", "30", "--k", "2", "--images", "20"]
TINY = {"images": 200, "batch": 50, "quiet": True}


@pytest.fixture(scope="module")
def trained(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of short runs, of what is quick to measure."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(measuring, "OTHERS", ())
        patch.setattr(measuring, "FAMILIES", {name: FAMILIES[name] for name in ("samples", "modes")})
        for seed in (0, 1):
            limner.train("gan", digits, seed=seed, out=folder / f"gan-{seed}", **TINY)
        limner.train("autoencoder", digits, out=folder / "autoencoder", **TINY)
        discs = Dataset("discs", "discs", blobs(60, (1, 16, 16)), blobs(30, (1, 16, 16), 1), None, (), "x")
        limner.train("gan", discs, out=folder / "discs", **TINY)
        yield folder


@pytest.fixture(autouse=True)
def _runs(trained: Path, tmp_path: Path) -> None:
    """Copies of them under runs/ of the current folder."""
    shutil.copytree(trained, tmp_path / "runs", ignore=shutil.ignore_patterns("state.pt", "*.png"))


def mistake(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The error of a wrong command: exit code 2 and one line on stderr, nothing else."""
    assert run(list(words)) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1, output.err
    assert output.err.startswith("limner: error: ")
    return output.err


def test_evaluate_prints_a_table_and_what_it_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "gan-0", *FEW]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("gan-0: gan on digits, 200 images seen, averaged weights of G")
    assert "n 30, seed 0, quick; features digits-cnn-v1 (sha256 " in lines[1]
    assert any(line.startswith("samples  kid[digits-cnn-v1]") for line in lines)
    assert "not measured: fd[digits-cnn-v1]: 30 images are too few for 64 features, 128 are needed" in lines
    assert lines[-2:] == ["wrote runs/gan-0/evaluation.json", "wrote runs/gan-0/evaluation.npz"]
    record = json.loads(Path("runs/gan-0/evaluation.json").read_text())
    assert (record["n"], record["k"], record["images"], record["quick"]) == (30, 2, 20, True)


def test_a_quick_evaluation_replaces_no_full_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "gan-0", *FEW[1:]]) == 0
    full = Path("runs/gan-0/evaluation.json").read_bytes()
    capsys.readouterr()
    assert run(["evaluate", "gan-0", *FEW]) == 0
    note = "note: runs/gan-0/evaluation.json holds a full evaluation, so this quick one is not stored"
    assert capsys.readouterr().out.splitlines()[-1] == note
    assert Path("runs/gan-0/evaluation.json").read_bytes() == full


def test_evaluate_says_it_in_sentences_above_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "gan-0", *FEW]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = next(i for i, line in enumerate(lines) if line.startswith("samples  kid["))
    sentences = lines[4:7]
    assert sentences[0].startswith("Samples are poor: ")
    assert sentences[1].endswith(".")
    assert sentences[2].startswith("Look at limner sample gan-0 ")
    assert run(sentences[2].split()[3:5]) == 0, "the command works"
    assert lines[7] == ""
    assert table > 7


def test_evaluate_says_when_it_trains_a_feature_network(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 0)
    np.savez("circles.npz", images=blobs(300, (1, 16, 16)).pixels.numpy())
    limner.train("gan", "circles.npz", out="circles", hidden=(8,), **TINY)
    few = ["--quick", "--n", "20"]
    for words, cache, trains in (([], "a", True), ([], "a", False), (["--json"], "b", False)):
        monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / cache))
        assert run(["evaluate", "circles", *words, *few]) == 0
        note = "training a feature network on circles: once, the cache keeps it\n"
        assert capsys.readouterr().err == (note if trains else "")


def test_several_seeds_have_a_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "runs/gan-0", "gan-1", *FEW]) == 0
    text = capsys.readouterr().out
    assert "mean of 2 runs, training seeds 0, 1" in text
    assert text.count("samples  kid[") == 3
    assert [line for line in text.splitlines()[-4:] if not line.startswith("wrote runs/gan-")] == []
    assert run(["evaluate", "gan-0", "autoencoder", *FEW]) == 0
    text = capsys.readouterr().out
    assert "mean of" not in text
    assert "no mean, the runs differ in more than their training seed" in text


def test_options_of_sampling_reach_the_measures(capsys: pytest.CaptureFixture[str]) -> None:
    values = []
    for option in ([], ["--set", "prior=gmm"]):
        assert run(["evaluate", "autoencoder", "--json", *option, *FEW]) == 0
        record = json.loads(capsys.readouterr().out)["runs"][0]
        values.append(record["measures"][0]["value"])
    assert values[0] != values[1]
    assert "no option of sampling 'steps'" in mistake(capsys, "evaluate", "gan-0", "--set", "steps=3", *FEW)


def test_evaluate_as_json_and_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "gan-0", "gan-1", "--json", *FEW]) == 0
    output = capsys.readouterr()
    content = json.loads(output.out)
    assert [record["run"] for record in content["runs"]] == ["gan-0", "gan-1"]
    assert content["runs"][0] == json.loads(Path("runs/gan-0/evaluation.json").read_text())
    assert content["mean"]["training_seed"] == [0, 1]
    values = [record["measures"][0]["value"] for record in [*content["runs"], content["mean"]]]
    assert values[2] == pytest.approx((values[0] + values[1]) / 2)
    assert output.err == ""
    assert run(["evaluate", "gan-0", "--quiet", "--seed", "4", *FEW]) == 0
    assert capsys.readouterr() == ("", "")
    assert json.loads(Path("runs/gan-0/evaluation.json").read_text())["seed"] == 4
    assert run(["evaluate", "gan-0", "--json", *FEW]) == 0
    assert json.loads(capsys.readouterr().out)["mean"] is None


def test_a_read_only_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert run(["evaluate", "gan-0", *FEW]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "note: nothing was stored, because runs/gan-0 is not writable"
    assert "wrote" not in text
    assert not Path("runs/gan-0/evaluation.json").exists()


def test_a_folder_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/gan-0/evaluation.npz").mkdir()
    error = mistake(capsys, "evaluate", "gan-0", *FEW, "--quiet")
    assert "cannot write runs/gan-0/evaluation.npz" in error
    assert not Path("runs/gan-0/evaluation.json").exists()
    Path("file").write_text("mine")
    error = mistake(capsys, "compare", "gan-1", "autoencoder", *FEW, "--out", "file", "--quiet")
    assert "file" in error
    assert Path("file").read_text() == "mine"


def test_compare_prints_and_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "gan-0", "gan-1", "autoencoder", *FEW]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["settings", "that", "differ", "gan-0", "gan-1", "autoencoder"]
    assert lines[1].split() == ["model", "gan", "gan", "autoencoder"]
    assert ["seed", "0", "1", "0"] in [line.split() for line in lines]
    assert any("gan-1 - gan-0  autoencoder - gan-0" in line for line in lines)
    wrote = [line.removeprefix("wrote ") for line in lines if line.startswith("wrote ")]
    assert lines[-len(wrote) :] == [f"wrote {path}" for path in wrote]
    assert wrote[:2] == ["comparison/comparison.json", "comparison/pictures.png"]
    assert all(Path(path).stat().st_size > 0 for path in wrote)
    assert run(["compare", "gan-0", "gan-1", *FEW, "--quiet"]) == 0
    assert Path("comparison-2/comparison.json").exists()
    error = mistake(capsys, "compare", "gan-0", "gan-1", *FEW, "--out", "comparison", "--quiet")
    assert "comparison/comparison.json would be written over" in error


def test_compare_as_json_elsewhere_and_quietly(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["compare", "gan-0", "gan-1", *FEW, "--json", "--out", "in/here"]) == 0
    output = capsys.readouterr()
    content = json.loads(output.out)
    assert content["runs"] == ["gan-0", "gan-1"]
    assert content["settings"] == {"seed": [0, 1]}
    assert content["written"][0] == "in/here/comparison.json"
    assert {Path(path).name for path in content["written"]} == {p.name for p in Path("in/here").iterdir()}
    curves = ["curve-D-G-z.png", "curve-D-x.png", "curve-loss-D.png", "curve-loss-G.png"]
    assert [Path(path).name for path in content["written"]][2:] == curves
    assert output.err == ""
    assert run(["compare", "gan-0", "gan-1", *FEW, "--quiet", "--out", "~/there"]) == 0
    assert capsys.readouterr() == ("", "")
    assert Path("there/comparison.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate"], "evaluate needs a run"),
        (["evaluate", "gan-2"], "no run called 'gan-2': did you mean 'gan-"),
        (["evaluate", "gan-0", "nowhere"], "no run called 'nowhere'"),
        (["evaluate", "gan-0", "--features", "vgg"], "--features cannot be 'vgg': choose from: inception"),
        (["evaluate", "gan-0", "--weights", "w.pth"], "weights belong to --features inception"),
        (["evaluate", "gan-0", "--features", "inception"], "--weights FILE is missing"),
        (["evaluate", "gan-0", "--features", "inception", "--weights", "w"], "there is no file w"),
        (["evaluate", "gan-0", "--n", "3"], "n must be at least 20, not 3"),
        (["evaluate", "gan-0", "--k", "0"], "k must be at least 1, not 0"),
        (["evaluate", "gan-0", "--images", "1"], "images must be at least 20, not 1"),
        (["evaluate", "gan-0", "--n", "many"], "--n must be a whole number, not 'many'"),
        (["evaluate", "gan-0", "--seed", "-1"], "seed must be from 0 to 4294967295, not -1"),
        (["evaluate", "gan-0", "--against", "mnits"], "did you mean 'mnist'"),
        (["evaluate", "gan-0", "--sed", "1"], "no option --sed: did you mean '--seed'?"),
        (["compare"], "compare needs two runs or more, not 0"),
        (["compare", "gan-0"], "compare needs two runs or more, not 1"),
        (["compare", "gan-0", "nowhere"], "no run called 'nowhere'"),
        (["compare", "gan-0", "discs"], "gan-0 is of digits and discs of discs"),
        (["compare", "gan-0", "gan-1", "--out", "plain.npz/x"], "plain.npz is a file, not a folder"),
        (["compare", "gan-0", "gan-1", "--n", "3"], "n must be at least 20, not 3"),
        (["train", "gan", "--leave-out", "ten"], "digits has no class 'ten'"),
        (["train", "gan", "--data", "plain.npz", "--leave-out", "1"], "plain has no classes"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gets_one_line_and_leaves_nothing(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("plain.npz", train=blobs(30, (1, 16, 16)).pixels.numpy())
    assert message in mistake(capsys, *words)
    assert not Path("comparison").exists()
    assert not list(Path("runs").glob("*/evaluation.*"))
    assert len(list(Path("runs").iterdir())) == 4
