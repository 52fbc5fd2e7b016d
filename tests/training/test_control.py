"""control.json: training obeys what is meant for it, and nothing else in that file can change a number."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import processes
import pytest
import torch

import limner
from limner.data import Dataset
from limner.data.examples import Examples
from limner.models import create
from limner.training import Trainer, control
from limner.training.control import Control, read_control, write_control
from limner.training.lock import NAME, RunLock, holder, last_holder

SETTINGS = {"hidden": (16,), "latent_dim": 2, "batch": 50, "tick": 500, "quiet": True, "on_trouble": "ignore"}


def train(out: str, images: int, **settings: object) -> limner.training.Run:
    return limner.train("vae", "digits", out=out, **(SETTINGS | {"images": images} | settings))


def weights(run: limner.training.Run) -> dict[str, torch.Tensor]:
    return dict(run.model.state_dict())


def assert_equal(first: limner.training.Run, second: limner.training.Run) -> None:
    for name, value in weights(first).items():
        assert torch.equal(value, weights(second)[name]), name


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "READ_SECONDS", 0.0)


def junk() -> list[bytes]:
    mine = os.getpid()
    texts = ["", "{", "[]", "null", '{"process": "x"}', json.dumps({"stop": True}), "[" * 3000]
    texts += [json.dumps({"process": mine + 1, "stop": True}), json.dumps({"process": mine, "stop": 3})]
    texts += [f'{{"process": {mine}, "rate_factor": {value}}}' for value in ("NaN", "0", "-1", "2", "1e999")]
    texts += [f'{{"process": {mine}, "stop": true, "path": "/etc"}}', " " * 5000 + f'{{"process": {mine}}}']
    return [text.encode() for text in texts] + [b"\xff\xfe\x00"]


@pytest.mark.parametrize("content", junk(), ids=range(len(junk())))
def test_a_damaged_file_asks_for_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / control.NAME).write_bytes(content)
    read = read_control(tmp_path)
    assert read is None or read.process != os.getpid()


def test_a_foreign_file_changes_nothing(at_once: None) -> None:
    straight, run = train("straight", 2500), train("run", 500)
    path = run.path / control.NAME
    other, damaged = Control(process=os.getpid() + 1, stop=True, rate_factor=0.5), b"{"
    steps = [
        lambda: write_control(run.path, other),
        lambda: path.write_bytes(damaged),
        lambda: (path.unlink(), path.mkdir()),
        lambda: (path.rmdir(), os.mkfifo(path)),
    ]
    for i, step in enumerate(steps):
        step()
        run = limner.train(out="run", resume=True, images=1000 + 500 * i, quiet=True)
    assert_equal(run, straight)


def test_stop_stores_everything_and_resuming_gives_the_same(at_once: None) -> None:
    straight = train("straight", 3000)
    run = train("run", 500)
    write_control(run.path, Control(process=os.getpid(), stop=True))
    stopped = limner.train(out="run", resume=True, images=3000, quiet=True)
    assert 500 < stopped.images_seen < 1000
    write_control(run.path, Control(process=os.getpid() + 1, stop=True))  # another process's: ignored
    run = limner.train(out="run", resume=True, images=3000, quiet=True)
    assert [line["images"] for line in run.log] == [line["images"] for line in straight.log]
    assert_equal(run, straight)


def test_a_checkpoint_on_request_changes_nothing(at_once: None) -> None:
    straight, run = train("straight", 1000), train("run", 500)
    write_control(run.path, Control(process=os.getpid(), save=1))
    assert_equal(limner.train(out="run", resume=True, images=1000, quiet=True), straight)


def test_a_lower_rate_is_in_the_log_and_survives_resuming(at_once: None) -> None:
    run = train("run", 500)
    assert all("rate_factor" not in line for line in run.log)
    write_control(run.path, Control(process=os.getpid(), rate_factor=0.5))
    run = limner.train(out="run", resume=True, images=1000, quiet=True)
    assert run.log[-1]["rate_factor"] == 0.5
    (run.path / control.NAME).unlink()
    run = limner.train(out="run", resume=True, images=1500, quiet=True)
    assert run.log[-1]["rate_factor"] == 0.5


def test_a_factor_is_a_lower_learning_rate(digits: Dataset) -> None:
    results = []
    for rate, factor in ((2e-3, 0.5), (1e-3, 1.0)):
        torch.manual_seed(0)
        model = create("vae", (1, 28, 28), hidden=(16,), latent_dim=2, lr=rate)
        trainer = Trainer(model, Examples(digits.train).stream(50, 0, torch.device("cpu")))
        trainer.rate_factor = factor
        for _ in range(5):
            next(trainer)
        results.append(model.state_dict())
    for name, value in results[0].items():
        assert torch.equal(value, results[1][name]), name


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_pause_stores_and_waits_until_it_ends(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["--images", "100000000", "--batch", "50", "--out", str(run), "--save-seconds", "100000"]
    process = processes.start("train", "vae", "--latent-dim", "2", *words)
    processes.wait_for(run / "log.jsonl", process)
    assert holder(run) == process.pid
    write_control(run, Control(process=process.pid, pause=True))
    requested = (run / control.NAME).stat().st_mtime_ns
    wait_until(lambda: (run / "weights.safetensors").stat().st_mtime_ns > requested)
    time.sleep(0.3)
    size = (run / "log.jsonl").stat().st_size
    time.sleep(0.5)
    assert (run / "log.jsonl").stat().st_size == size
    write_control(run, Control(process=process.pid))
    wait_until(lambda: (run / "log.jsonl").stat().st_size > size)
    write_control(run, Control(process=process.pid, stop=True))
    process.join(60)
    assert process.exitcode == 0
    assert holder(run) is None
    assert "went on after a pause" in Path("said").read_text()


def test_the_holder_of_a_run(tmp_path: Path) -> None:
    assert holder(tmp_path) is last_holder(tmp_path) is None
    with RunLock(tmp_path):
        assert holder(tmp_path) == os.getpid()
    assert holder(tmp_path) is None
    (tmp_path / NAME).write_text("2147483646")  # no process has that number
    assert (holder(tmp_path), last_holder(tmp_path)) == (None, 2147483646)
    (tmp_path / NAME).write_text("many")
    assert holder(tmp_path) is last_holder(tmp_path) is None
