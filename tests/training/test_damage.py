"""Damaged runs: whatever is wrong in a run's folder, a verb works or says so in one line."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import limner
from limner.cli import run as cli
from limner.data import Dataset
from limner.errors import LimnerError
from limner.files import write_json
from limner.training.checkpoint import read_weights, write_weights
from limner.training.log import append_line

measuring = importlib.import_module("limner.evaluation.evaluate")  # the package has a function of that name
TINY: dict[str, Any] = {
    "images": 1000,
    "batch": 50,
    "latent_dim": 2,
    "hidden": (16,),
    "tick": 500,
    "quiet": True,
}
VERBS = {
    "runs": ["runs"],
    "sample": ["sample", "runs/bad", "--n", "4", "--quiet"],
    "evaluate": ["evaluate", "runs/bad", "--quick", "--n", "60", "--images", "20", "--k", "2", "--quiet"],
    "doctor": ["doctor", "runs/bad", "--quiet"],
    "train": ["train", "vae", "--out", "runs/bad", "--resume", "--images", "1100", "--quiet"],
}
READ_BY = {  # where only these read what is damaged; every verb reads the rest
    "state": ("runs", "train"),
    "log": ("runs", "doctor", "train"),
    "samples": ("runs", "train"),
}
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def finished(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return limner.train("vae", digits, out=tmp_path_factory.mktemp("run") / "vae", **TINY).path


def config(*keys: str, value: Any) -> Damage:
    """Set one value of run.json."""

    def damage(run: Path) -> None:
        content = json.loads((run / "run.json").read_text())
        *path, last = keys
        table = content
        for key in path:
            table = table[key]
        table[last] = value
        (run / "run.json").write_text(json.dumps(content))

    return damage


def lacks(*keys: str) -> Damage:
    """Remove one value of run.json."""

    def damage(run: Path) -> None:
        content = json.loads((run / "run.json").read_text())
        *path, last = keys
        table = content
        for key in path:
            table = table[key]
        del table[last]
        (run / "run.json").write_text(json.dumps(content))

    return damage


def text(name: str, content: str | bytes) -> Damage:
    """Replace a file."""
    return lambda run: (run / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def log(line: str) -> Damage:
    """Put a line between those of the log."""

    def damage(run: Path) -> None:
        first, *others = (run / "log.jsonl").read_text().splitlines()
        (run / "log.jsonl").write_text("\n".join([first, line, *others]) + "\n")

    return damage


def state(*keys: Any, value: Any) -> Damage:
    """Set one value in state.pt."""

    def damage(run: Path) -> None:
        content = torch.load(run / "state.pt", weights_only=True)
        *path, last = keys
        table = content
        for key in path:
            table = table[key]
        table[last] = value
        torch.save(content, run / "state.pt")

    return damage


def weights(change: Callable[[torch.Tensor], torch.Tensor], images: int = 1000) -> Damage:
    """Change the first tensor of floats in the weights file."""

    def damage(run: Path) -> None:
        tensors, _ = read_weights(run / "weights.safetensors")
        name = next(name for name, value in tensors.items() if value.dtype == torch.float32 and value.dim())
        write_weights(run / "weights.safetensors", tensors | {name: change(tensors[name])}, images)

    return damage


def folder(name: str) -> Damage:
    """Put a folder in the place of a file."""

    def damage(run: Path) -> None:
        (run / name).unlink()
        (run / name).mkdir()

    return damage


def moments(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Change the moments of the first weight in state.pt."""

    def damage(run: Path) -> None:
        content = torch.load(run / "state.pt", weights_only=True)
        change(content["optimizers"]["main"]["state"][0])
        torch.save(content, run / "state.pt")

    return damage


HUGE = 10**12
DAMAGES: dict[str, Damage] = {
    "shape: a word": config("data", "shape", value="wide"),
    "shape: negative": config("data", "shape", value=[1, -28, 28]),
    "shape: huge": config("data", "shape", value=[1, 10**6, 10**6]),
    "shape: large": config("data", "shape", value=[3, 1000, 1000]),
    "shape: two numbers": config("data", "shape", value=[28, 28]),
    "shape: another": config("data", "shape", value=[1, 32, 32]),
    "train: negative": config("data", "train", value=-1),
    "source: a number": config("data", "source", value=5),
    "source: a folder of no images": config("data", "source", value="/proc/self/fdinfo"),
    "fingerprint: another": config("data", "fingerprint", value="0" * 16),
    "classes: a number": config("data", "classes", value=3),
    "data: lacks its shape": lacks("data", "shape"),
    "data: lacks its source": lacks("data", "source"),
    "data: an unknown key": config("data", "extra", value=1),
    "batch: 0": config("training", "batch", value=0),
    "batch: huge": config("training", "batch", value=HUGE),
    "batch: a word": config("training", "batch", value="many"),
    "batch: none": config("training", "batch", value=None),
    "tick: 0": config("training", "tick", value=0),
    "tick: none": lacks("training", "tick"),
    "images: negative": config("training", "images", value=-5),
    "images: none": lacks("training", "images"),
    "seed: negative": config("training", "seed", value=-1),
    "lr_drops: a number": config("training", "lr_drops", value=3),
    "validation: huge": config("training", "validation", value=HUGE),
    "leave_out: no class": config("training", "leave_out", value="unicorn"),
    "training: a list": config("training", value=[]),
    "options: a list": config("options", value=[]),
    "options: unknown": config("options", "colour", value="red"),
    "options: named like an argument": config("options", "shape", value=[1, 28, 28]),
    "options: a wrong type": config("options", "latent_dim", value="two"),
    "options: negative": config("options", "latent_dim", value=-2),
    "options: huge": config("options", "latent_dim", value=HUGE),
    "options: large": config("options", "latent_dim", value=10**7),
    "options: beyond int64": config("options", "latent_dim", value=10**30),
    "options: nested": config("options", "latent_dim", value={"a": [1]}),
    "model: a number": config("model", value=3),
    "model: unknown": config("model", value="wae"),
    "model: another": config("model", value="gan"),
    "model: a module": config("model", value="antigravity:X"),
    "model: a relative module": config("model", value="..:X"),
    "run.json: lacks its model": lacks("model"),
    "run.json: lacks its data": lacks("data"),
    "run.json: empty": text("run.json", ""),
    "run.json: not UTF-8": text("run.json", b"\xff\xfe{}"),
    "run.json: deep": text("run.json", "[" * 100_000),
    "run.json: a long number": text("run.json", "1" * 10_000),
    "run.json: a folder": folder("run.json"),
    "versions: a list": config("versions", value=[1]),
    "state.pt: empty": text("state.pt", b""),
    "state.pt: noise": text("state.pt", bytes(range(256)) * 20),
    "state.pt: a folder": folder("state.pt"),
    "state: images_seen -5": state("images_seen", value=-5),
    "state: images_seen a word": state("images_seen", value="many"),
    "state: iteration a list": state("iteration", value=[1]),
    "state: model a list": state("model", value=[1]),
    "state: model of words": state("model", value={"a": "b"}),
    "state: no optimiser": state("optimizers", value={}),
    "state: optimiser of words": state("optimizers", "main", value={"state": "x", "param_groups": []}),
    "state: moments of another shape": moments(lambda m: m.update(exp_avg=torch.zeros(3))),
    "state: moments missing": moments(lambda m: m.pop("exp_avg")),
    "state: moments a word": moments(lambda m: m.update(exp_avg_sq="x")),
    "state: moments infinite": moments(lambda m: m["exp_avg_sq"].fill_(torch.inf)),
    "state: averages of words": state("averages", value={"a": "b"}),
    "state: noted a number": state("noted", value={"loss/main": 5}),
    "state: first losses of words": state("first_losses", value={"loss/main": "x"}),
    "state: rng of another size": state("rng", value=torch.zeros(3, dtype=torch.uint8)),
    "state: session a number": state("session", value=3),
    "state: session of words": state("session", "since", value="x"),
    "state: choice of weights": state(
        "weight_choice", "nearest", value={"value": 1.0, "images": 5, "weights": {}}
    ),
    "state: doctor a number": state("doctor", value=7),
    "state: doctor of words": state("doctor", "norms", value={"main": "x"}),
    "weights: NaN": weights(lambda w: w * torch.nan),
    "weights: infinite": weights(lambda w: w / 0),
    "weights: huge": weights(lambda w: torch.full_like(w, 1e37)),
    "weights: whole numbers": weights(lambda w: w.to(torch.int64)),
    "weights: halves": weights(lambda w: w.half()),
    "weights: another shape": weights(lambda w: w[:1].clone()),
    "weights: images seen negative": weights(lambda w: w, images=-5),
    "weights: empty": text("weights.safetensors", b""),
    "weights: a folder": folder("weights.safetensors"),
    "log: a number": log("5"),
    "log: words": log("hello"),
    "log: no images": log('{"loss/main": 3}'),
    "log: images a word": log('{"images": "many"}'),
    "log: images negative": log('{"images": -5}'),
    "log: a loss of words": log('{"images": 600, "loss/main": "x"}'),
    "log: a signal of words": log('{"images": 600, "doctor/distance": "x"}'),
    "log: a measure of words": log('{"images": 600, "held_out/effective_beta": {"a": 1}}'),
    "log: troubles a number": log('{"images": 600, "troubles": 5}'),
    "log: a long number": log('{"images": 600, "loss/main": ' + "1" * 5000 + "}"),
    "log: a large number": log('{"images": 600, "held_out/elbo": ' + "1" * 400 + "}"),
    "log: not a number": log('{"images": 600, "held_out/elbo": NaN}'),
    "log: another's columns": log('{"images": 600}'),
    "log: a folder": folder("log.jsonl"),
    "samples: a copy": lambda run: shutil.copy(run / "samples/000000000.png", run / "samples/0-copy.png"),
    "samples: words": lambda run: (run / "samples" / "000000700.png").write_text("hello"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_run_works_or_is_refused_in_one_line(
    name: str,
    finished: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "OTHERS", ())  # images of another set take long to draw
    if not name.startswith("log"):
        monkeypatch.setattr("limner.doctor.Diagnosis.picture", lambda _: None)  # its curves are the log's
    whole, bad = tmp_path / "runs" / "whole", tmp_path / "runs" / "bad"
    shutil.copytree(finished, whole)
    for verb in READ_BY.get(name.partition(":")[0].removesuffix(".pt"), VERBS):
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(finished, bad)
        DAMAGES[name](bad)
        code = cli(VERBS[verb])
        out, err = capsys.readouterr()
        assert code in (0, 2), verb
        assert len(err.splitlines()) == (1 if code else 0), f"{verb}: {err}"
        assert "weights_only" not in err
        assert "PytorchStream" not in err
        if verb == "runs":
            assert code == 0
            assert "whole " in out, "a damaged run hides no other"
        if verb == "train" and name.startswith(("state", "log")) and "another's" not in name:
            assert code == 2, "training must not go on from it"
        if verb == "sample" and name.startswith("weights"):
            assert code == 2, "no picture of it"


def test_there_are_many_damages() -> None:
    assert len(DAMAGES) >= 40


def test_pictures_of_the_users_own_do_not_stop_a_resume(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    shutil.copy(run / "samples" / "000000000.png", run / "samples" / "0-copy.png")
    assert limner.train(out=run, resume=True, images=1100, quiet=True).images_seen == 1100
    assert (run / "samples" / "0-copy.png").exists()


def test_a_log_takes_numbers_only(tmp_path: Path) -> None:
    append_line(
        tmp_path / "log.jsonl", {"images": 1, "elbo": float("nan"), "kl_per_dim": [1.0, float("inf")]}
    )
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"images": 1}
    with pytest.raises(TypeError, match="'held_out/x' is 'word'"):
        append_line(tmp_path / "log.jsonl", {"images": 1, "held_out/x": "word"})


def test_memory_is_not_taken_for_a_model_that_its_weights_do_not_fit(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    config("options", "hidden", value=[30_000, 30_000])(run)
    with pytest.raises(LimnerError, match=r"does not fit run\.json"):
        _ = limner.load(run).model
    with pytest.raises(LimnerError, match=r"does not fit run\.json"):
        limner.train(out=run, resume=True, images=1100, quiet=True)
    with pytest.raises(LimnerError, match=r"does not fit run\.json"):
        limner.load(run).new_model()
    write_json(run / "run.json", json.loads((finished / "run.json").read_text()))
    assert limner.load(run).model.latent.dim == 2
