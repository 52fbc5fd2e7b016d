"""The queue of a folder of runs: in turn, freed by every death, and left on request."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import start, wait_for

from limner.training import queue
from limner.training.control import Control, write_control
from limner.training.lock import NAME as LOCK
from limner.training.lock import RunLock
from limner.training.queue import NAME, Place, read_place, wait_for_turn

WORDS = ("train", "vae", "--data", "digits", "--latent-dim", "2", "--hidden", "16", "--batch", "50")
LONG = ("--images", "100000000", "--save-seconds", "0.5")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LOOK_SECONDS", 0.01)


def hold(folder: Path, number: int | None = None) -> RunLock:
    """A run that this process trains, or that waits with a number."""
    folder.mkdir(parents=True)
    if number is not None:
        place = Place(process=os.getpid(), number=number)
        (folder / NAME).write_text(json.dumps(place.json_values()))
    return RunLock(folder)


def wait(folder: Path, is_stopped: Callable[[], bool] = lambda: False) -> tuple[bool, list[str]]:
    """What waiting gives, and what it said."""
    lines: list[str] = []
    with RunLock(folder):
        return wait_for_turn(folder, is_stopped, lines.append), lines


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "mine"
    path.mkdir(parents=True)
    return path


def test_alone_it_begins_at_once(mine: Path) -> None:
    assert wait(mine) == (True, [])
    assert list(mine.iterdir()) == []


def test_it_waits_for_a_run_in_training_however_that_was_started(mine: Path) -> None:
    other = hold(mine.parent / "other")
    place: list[Place | None] = []

    def end() -> None:
        while (mine / NAME).exists() is False or "other" not in (mine / NAME).read_text():
            time.sleep(0.005)
        place.append(read_place(mine))
        other.release()

    thread = threading.Thread(target=end)
    thread.start()
    assert wait(mine) == (True, ["mine waits for other"])
    thread.join()
    assert place == [Place(process=os.getpid(), number=1, behind="other")]
    assert not (mine / NAME).exists()


def test_runs_wait_in_the_order_of_their_coming(mine: Path) -> None:
    before, after = hold(mine.parent / "z", 4), hold(mine.parent / "a", 9)
    looks = iter([False, False, True])
    with RunLock(mine):
        lines: list[str] = []
        assert not wait_for_turn(mine, lambda: next(looks), lines.append)  # it comes after both
        assert lines == ["mine waits for a"]
        place = Place(process=os.getpid(), number=5)
        assert queue.next_before(mine, place) == "z"
        before.release()
        assert queue.next_before(mine, place) is None
        assert queue.next_before(mine, place.model_copy(update={"number": 9})) == "a"  # of equals, by name
    after.release()


def test_what_is_no_run_in_training_is_not_waited_for(mine: Path) -> None:
    others = {"ended": str(2**31 - 2), "number-used-again": str(os.getppid()), "damaged": "x", "empty": ""}
    for name, content in others.items():
        (mine.parent / name).mkdir()
        (mine.parent / name / LOCK).write_text(content)
    (mine.parent / LOCK).write_text(str(os.getpid()))
    assert wait(mine) == (True, [])


def test_an_old_place_is_none(mine: Path) -> None:
    (mine / NAME).write_text(json.dumps({"process": os.getppid(), "number": 1}))
    with RunLock(mine):
        assert read_place(mine) is None  # of a process that was killed: this one trains


def test_processes_train_in_turn_and_a_killed_one_frees_the_queue(tmp_path: Path) -> None:
    first = start(*WORDS, *LONG, "--out", "runs/first")
    wait_for(Path("runs/first/weights.safetensors"), first)
    second = start(*WORDS, "--images", "200", "--out", "runs/second", "--queue")
    wait_for(Path("runs/second") / NAME, second)
    third = start(*WORDS, *LONG, "--out", "runs/third", "--queue")
    wait_for(Path("runs/third") / NAME, third)
    time.sleep(0.3)
    assert not Path("runs/second/log.jsonl").exists()
    write_control(Path("runs/third"), Control(process=third.pid or 0, stop=True))
    third.join(60)
    assert third.exitcode == 0
    assert not Path("runs/third/log.jsonl").exists()
    assert not (Path("runs/third") / NAME).exists()
    os.kill(first.pid or 0, signal.SIGKILL)
    second.join(60)
    assert second.exitcode == 0
    assert len(Path("runs/second/log.jsonl").read_text().splitlines()) == 1
    assert not (Path("runs/second") / NAME).exists()


def test_a_signal_ends_the_wait_and_the_run_can_go_on(mine: Path) -> None:
    with hold(mine.parent / "other"):
        process = start(*WORDS, "--images", "200", "--out", "runs/second", "--queue")
        wait_for(Path("runs/second") / NAME, process)
        os.kill(process.pid or 0, signal.SIGTERM)
        process.join(60)
        assert process.exitcode == 128 + signal.SIGTERM
        assert "second waits for other" in Path("said").read_text()
    resumed = start("train", "vae", "--resume", "--out", "runs/second", "--queue")
    resumed.join(60)
    assert resumed.exitcode == 0
    assert Path("runs/second/log.jsonl").exists()
