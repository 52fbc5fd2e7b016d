"""A run is a folder: written whole, read with suspicion, resumed bit for bit after any death."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import random
import resource
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from processes import start, wait_for
from small import DOMAIN_MODELS, small, small_source, words
from torch import Tensor

import limner
from limner.cli import run as cli
from limner.data import Dataset
from limner.errors import LimnerError
from limner.files import write_json
from limner.models import MODELS
from limner.models.vae import VAE
from limner.training import NotFinite, Trainer
from limner.training.checkpoint import read_state, read_weights, write_weights

TINY = {"images": 500, "batch": 50, "quiet": True}


def mistake(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command that cannot be done says: exit code 2 and one line."""
    assert cli(list(words)) == 2
    text = capsys.readouterr().err
    assert len(text.splitlines()) == 1, text
    assert text.startswith("limner: error: ")
    return text


def test_a_run_holds_all_that_is_needed_to_do_it_again(finished: Path) -> None:
    assert {p.name for p in finished.iterdir()} == {
        "run.json",
        "log.jsonl",
        "weights.safetensors",
        "state.pt",
        "samples",
    }
    config = json.loads((finished / "run.json").read_text())
    assert config["model"] == "vae"
    assert config["options"]["latent_dim"] == 2
    assert config["data"]["source"] == "digits"
    assert len(config["data"]["fingerprint"]) >= 16
    assert config["training"] | {"images": 2000, "batch": 50, "seed": 0} == config["training"]
    assert {"limner", "torch", "python"} <= set(config["versions"])
    line = json.loads((finished / "log.jsonl").read_text().splitlines()[-1])
    assert line["images"] == 2000
    assert {"elbo", "rec", "kl", "held_out/elbo", "held_out/kl_per_dim", "held_out/active_units"} <= set(line)
    assert [p.name for p in sorted((finished / "samples").iterdir())] == ["000000000.png", "000002000.png"]


def test_load_takes_a_folder_or_its_last_part(digits: Dataset) -> None:
    run = limner.train("autoencoder", "digits", **TINY)
    assert run.path == Path("runs/autoencoder-digits-0001")
    assert limner.train("autoencoder", "digits", **TINY).name == "autoencoder-digits-0002"
    for name in ("runs/autoencoder-digits-0001", "autoencoder-digits-0001", run.path.resolve()):
        assert limner.load(name).name == run.name
    assert limner.load(run.name).model.sample(3).shape == (3, 1, 28, 28)
    with pytest.raises(LimnerError, match="did you mean 'autoencoder-digits-0001'"):
        limner.load("autoencoder-digits-001")


def test_same_seed_same_numbers(digits: Dataset, tmp_path: Path) -> None:
    one, two, three = (
        limner.train(
            "gan", digits, out=tmp_path / str(i), seed=seed, **TINY, **small("gan")
        ).model.state_dict()
        for i, seed in enumerate((1, 1, 2))
    )
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], three[key]) for key in one)


def states_are_equal(one: Path, other: Path) -> None:
    a, b = read_state(one / "state.pt"), read_state(other / "state.pt")
    assert a["images_seen"] == b["images_seen"]
    for key, value in a["model"].items():
        assert torch.equal(value, b["model"][key]), key
    for key, value in a["averages"].items():
        assert torch.equal(value, b["averages"][key]), key
    for name, optimizer in a["optimizers"].items():
        for index, state in optimizer["state"].items():
            for key, value in state.items():
                same = b["optimizers"][name]["state"][index][key]
                assert torch.equal(value, same) if isinstance(value, Tensor) else value == same
    x, y = read_weights(one / "weights.safetensors")[0], read_weights(other / "weights.safetensors")[0]
    assert all(torch.equal(x[key], y[key]) for key in x)


@pytest.mark.parametrize("model", MODELS)
def test_a_run_that_died_goes_on_bit_for_bit(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its third of four iterations fails; its state is that of the first of two ticks."""
    short = {"images": 32, "tick": 16, "batch": 8, "size": 16}
    settings = {"save_seconds": 0, "quiet": True} | short | small(model)
    source = small_source(model, tmp_path)
    straight = limner.train(model, source, out="straight", **settings)
    iterations = itertools.count(1)
    iterate = Trainer.__next__

    def die(trainer: Trainer) -> Any:
        if next(iterations) == 3:
            raise RuntimeError("dies")
        return iterate(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "__next__", die)
        with pytest.raises(RuntimeError, match="dies"):
            limner.train(model, source, out="died", **settings)
    assert read_state(tmp_path / "died" / "state.pt")["images_seen"] == settings["tick"]
    resumed = limner.train(out="died", resume=True, quiet=True)
    states_are_equal(straight.path, resumed.path)
    assert [line["images"] for line in resumed.log] == [line["images"] for line in straight.log]


@pytest.mark.parametrize("model", ["vae", "gan"])
def test_a_killed_run_goes_on_bit_for_bit(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.training.setup.SHORTEST_TICK", 0)
    settings = {"save_seconds": 0, "images": 1000, "batch": 50, "tick": 250} | small(model)
    straight = limner.train(model, "digits", out="straight", quiet=True, **settings)
    killed = start("train", model, *words(settings), "--out", "killed", "--quiet")
    wait_for(tmp_path / "killed" / "log.jsonl", killed)
    time.sleep(random.uniform(0, straight.log[-1]["seconds"] / 2))
    killed.kill()
    killed.join()
    seen = read_state(tmp_path / "killed" / "state.pt")["images_seen"]
    resumed = limner.train(out="killed", resume=True, quiet=True)
    assert seen >= 0
    states_are_equal(straight.path, resumed.path)
    assert [line["images"] for line in resumed.log] == [line["images"] for line in straight.log]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asked_to_stop_it_saves_first(number: signal.Signals, code: int, tmp_path: Path) -> None:
    process = start("train", "autoencoder", "--images", "50000000", "--save-seconds", "1000", "--out", "run")
    wait_for(tmp_path / "run" / "log.jsonl", process)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == code
    assert "Traceback" not in (tmp_path / "said").read_text()
    run = limner.load("run")
    assert run.images_seen > 0
    state = read_state(tmp_path / "run" / "state.pt")
    assert state["images_seen"] == run.images_seen >= run.log[-1]["images"]


def test_stopped_between_ticks_and_resumed_equals_never_stopped(tmp_path: Path, monkeypatch: Any) -> None:
    """Stopped by a signal in the middle of a tick: weights, stored weights and log are those of one run."""
    settings = {"images": 1500, "batch": 50, "tick": 500, "validation": 200, "latent_dim": 4, "quiet": True}
    straight = limner.train("vae", "digits", out="straight", **settings)
    iterations = itertools.count()
    step = VAE.step

    def interrupt(self: VAE, data: Iterator[Any], update: Any) -> Any:
        if next(iterations) == 17:  # 900 images: between the ticks of 500 and 1,000
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, data, update)

    monkeypatch.setattr(VAE, "step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        limner.train("vae", "digits", out="stopped", **settings)
    stopped = limner.load("stopped")
    assert [line["images"] for line in stopped.log] == [500]
    assert read_state(stopped.path / "state.pt")["images_seen"] == 900
    resumed = limner.train(out="stopped", resume=True, quiet=True)
    states_are_equal(straight.path, resumed.path)
    clocks = {"seconds", "images_per_second"}
    for one, other in zip(straight.log, resumed.log, strict=True):
        assert {k: v for k, v in one.items() if k not in clocks} == {
            k: v for k, v in other.items() if k not in clocks
        }


def test_resuming_goes_further_and_refuses_to_become_another_run(copy: Path) -> None:
    run = limner.train(out=copy, resume=True, images=4000, quiet=True)
    assert run.images_seen == 4000
    assert run.config.training.images == 4000
    assert [line["images"] for line in run.log] == [2000, 4000]
    with pytest.raises(LimnerError, match="was trained with latent_dim 2, not 3"):
        limner.train("vae", out=copy, resume=True, latent_dim=3)
    with pytest.raises(LimnerError, match="was trained with model vae, not gan"):
        limner.train("gan", out=copy, resume=True)
    with pytest.raises(LimnerError, match="no run of gan on digits to resume"):
        limner.train("gan", resume=True)


def test_a_run_that_is_not_square_resumes_from_its_own_run_json(tmp_path: Path) -> None:
    settings = {"size": (16, 24), "images": 200, "latent_dim": 2, "quiet": True}
    limner.train("vae", "digits", out="wide", **settings)
    run = limner.train("vae", "digits", out="wide", resume=True, images=300, quiet=True, size=(16, 24))
    assert run.images_seen >= 300
    with pytest.raises(LimnerError, match=r"with size \(16, 24\), not \(24, 16\)"):
        limner.train("vae", "digits", out="wide", resume=True, quiet=True, size=(24, 16))


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_weights(
    digits: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(
        NotFinite, match=r"(loss/main became|the weights became).* at step \d+; try a lower --lr.*keeps"
    ):
        limner.train("autoencoder", digits, out=tmp_path / "run", lr=1e30, **TINY)
    weights, _ = read_weights(tmp_path / "run" / "weights.safetensors")
    assert all(value.isfinite().all() for value in weights.values() if value.is_floating_point())
    assert limner.load("run").images_seen == 0


def test_an_output_folder_is_never_overwritten(copy: Path, tmp_path: Path, digits: Dataset) -> None:
    before = (copy / "weights.safetensors").read_bytes()
    with pytest.raises(LimnerError, match="is a run already"):
        limner.train("vae", digits, out=copy, **TINY)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(LimnerError, match="not an empty folder"):
        limner.train("vae", digits, out=tmp_path / "mine", **TINY)
    assert (copy / "weights.safetensors").read_bytes() == before
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["run.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_a_damaged_run_is_refused_in_one_line(
    copy: Path, name: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / name
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif name == "run.json":
        path.write_text('{"hello": "world"}')
    else:
        write_weights(path, {"hello": torch.ones(3)}, 0)
    text = mistake(capsys, "sample", str(copy))
    assert name in text or "no run.json" in text


class Evil:
    """Pickles as a call that would leave a trace."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("trace",)


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pt"])
def test_a_pickle_is_refused_unopened(copy: Path, name: str, tmp_path: Path) -> None:
    (copy / name).write_bytes(pickle.dumps(Evil()))
    read = {
        "weights.safetensors": lambda: limner.load(copy).model,
        "state.pt": lambda: limner.train(out=copy, resume=True, images=5000),
    }[name]
    with pytest.raises(LimnerError, match=name.replace(".", r"\.")):
        read()
    torch.save({"model": Evil()}, copy / "state.pt")
    with pytest.raises(LimnerError, match=r"damaged or not ours|is not a whole safetensors file"):
        limner.train(out=copy, resume=True, images=5000)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("damage", ["truncated", "foreign", "another model's"])
def test_a_damaged_state_cannot_be_resumed(copy: Path, damage: str, digits: Dataset) -> None:
    path = copy / "state.pt"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "foreign":
        torch.save({"a": 1}, path)
    else:
        other = limner.train("autoencoder", digits, **TINY)
        shutil.copy(other.path / "state.pt", path)
    with pytest.raises(LimnerError, match=r"state\.pt is (damaged|not)") as error:
        limner.train(out=copy, resume=True, images=5000)
    assert "\n" not in str(error.value)


def test_a_run_killed_before_its_first_state_begins_anew(copy: Path) -> None:
    for name in ("state.pt", "weights.safetensors", "log.jsonl"):
        (copy / name).unlink()
    (copy / ".state.4711.pt").write_bytes(b"half a fi")
    run = limner.train(out=copy, resume=True, quiet=True)
    assert run.images_seen == 2000
    assert not list(copy.glob(".*")), "what the killed writer left is gone"


@pytest.mark.parametrize(
    "content", ["5", "null", "[]", '{"model": 1, "options": {}, "data": {}, "training": {}}']
)
def test_a_foreign_run_json_is_refused(copy: Path, content: str) -> None:
    (copy / "run.json").write_text(content)
    with pytest.raises(LimnerError, match="is not a run of ours: it lacks 'model'"):
        limner.load(copy)


def test_a_resumed_run_keeps_its_data(copy: Path, digits: Dataset, tmp_path: Path) -> None:
    assert limner.train("vae", "digits", out=copy, resume=True, images=2500, quiet=True).images_seen == 2500
    np.savez(tmp_path / "other.npz", images=np.random.default_rng(0).integers(0, 255, (40, 28, 28), np.uint8))
    with pytest.raises(LimnerError, match="holds other images than"):
        limner.train("vae", tmp_path / "other.npz", out=copy, resume=True)
    with pytest.raises(LimnerError, match="has seen 2,500 images already"):
        limner.train(out=copy, resume=True, images=10)
    assert limner.load(copy).config.training.images == 2500


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n", [1, 6])
def test_equal_images_and_one_image_train(model: str, n: int, tmp_path: Path) -> None:
    data, labels = tmp_path / "same.npz", np.zeros(n, np.int64)
    np.savez(data, images=np.full((n, 16, 16), 90, np.uint8), labels=labels)
    settings = {"images": 50, "batch": 25, "quiet": True} | small(model)
    if model in DOMAIN_MODELS:
        np.savez(tmp_path / "others.npz", images=np.full((n, 16, 16), 200, np.uint8))
        if n == 1:
            with pytest.raises(LimnerError, match="domain A of same-others has one image: give two or more"):
                limner.train(model, (data, tmp_path / "others.npz"), **settings)
            return
        run = limner.train(model, (data, tmp_path / "others.npz"), **settings)
        assert run.model.translate(torch.zeros(3, 1, 16, 16)).shape == (3, 1, 16, 16)
        assert run.domains.notes
        return
    run = limner.train(model, data, **settings)
    assert run.model.sample(3).shape == (3, 1, 16, 16)
    assert run.data.notes


def test_training_runs_outside_the_main_thread_and_twice_in_one_process(digits: Dataset) -> None:
    straight = limner.train("vae", digits, out="straight", **TINY).model.state_dict()
    runs: list[limner.Run] = []
    for name in ("a", "b"):
        thread = threading.Thread(
            target=lambda name=name: runs.append(limner.train("vae", digits, out=name, **TINY))
        )
        thread.start()
        thread.join()
    assert len(runs) == 2
    for run in runs:
        weights = run.model.state_dict()
        assert all(torch.equal(weights[name], straight[name]) for name in straight)


def test_a_prior_is_fitted_when_something_first_draws_from_it_and_stored(digits: Dataset) -> None:
    run = limner.train("autoencoder", digits, **TINY)
    path = run.path / "weights.safetensors"
    assert not read_weights(path)[0]["prior.fitted"]
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    run.model.latent.prior("gaussian")
    assert torch.equal(torch.rand(3), expected), "a fit draws none of the caller's random numbers"
    assert read_weights(path)[0]["prior.fitted"]
    again = limner.load(run.path).model.latent
    assert again.priors["gaussian"].fitted
    assert torch.equal(again.prior("full").mean, run.model.latent.prior("full").mean)
    further = limner.train(out=run.path, resume=True, images=1000, quiet=True)
    assert not read_weights(path)[0]["prior.fitted"], "the codes have moved"
    assert further.model.sample(2).shape == (2, 1, 28, 28)


def test_training_leaves_the_callers_random_numbers_alone(digits: Dataset) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    limner.train("vae", digits, **TINY)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "closed/run" in mistake(capsys, "train", "vae", "--out", "closed/run")


def test_a_cut_log_is_read_up_to_the_cut(copy: Path) -> None:
    with open(copy / "log.jsonl", "a") as file:
        file.write('{"images": 9')
    assert [line["images"] for line in limner.load(copy).log] == [2000]


def test_changed_data_is_noticed(copy: Path) -> None:
    config = json.loads((copy / "run.json").read_text())
    config["data"]["fingerprint"] = "0" * 16
    write_json(copy / "run.json", config)
    with pytest.raises(LimnerError, match="other images than when"):
        _ = limner.load(copy).data


@pytest.fixture
def _full_disk() -> Iterator[None]:
    """Files of at most 100 kB: what a full disk does to a writer."""
    before, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


@pytest.fixture
def contents(copy: Path) -> dict[str, bytes]:
    """What the run's files hold at first."""
    return {p.name: p.read_bytes() for p in copy.iterdir() if p.is_file()}


@pytest.mark.usefixtures("contents", "_full_disk")
def test_no_space_leaves_what_was_there(
    copy: Path, contents: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["train", "vae", "--out", str(copy), "--resume", "--images", "4000", "--quiet"]
    assert "cannot write" in mistake(capsys, *again)
    for name in ("weights.safetensors", "state.pt"):
        assert (copy / name).read_bytes() == contents[name]
    assert not [p for p in copy.iterdir() if p.name.startswith(".")]
    assert limner.load(copy).images_seen == 2000


def test_an_output_folder_that_cannot_be_made_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in mistake(capsys, "train", "vae", "--out", "file/run", "--images", "100")
