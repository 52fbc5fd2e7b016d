"""The lecture: its texts, the small runs that its links show, and every refusal."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from safetensors.torch import load_file
from starlette.testclient import TestClient

from limner.cli.train import parse_words
from limner.files import write_json
from limner.models import model_class
from limner.studio import answers
from limner.studio.lecture import PARTS, RUNS, TEXTS, Lecture
from limner.studio.serve import build
from limner.studio.trainings import Trainings
from limner.training.checkpoint import write_weights
from limner.training.lock import NAME
from limner.training.queue import NAME as QUEUE

PAGE = Path(answers.__file__).parent / "page"
OF_A_RUN = (PAGE / "app.js").read_text().partition("RUN_VIEWS = {")[2].partition("}")[0]
VIEWS = set(re.findall(r"(\w+): \"", OF_A_RUN))
KEYS: dict[str, set[str]] = {  # of the states that a text may set
    "train": {"images"}, "try": {"trial", "number"}, "update": set(),
    "latent": {"base", "number", "label", "truncation", "moves"},
}  # fmt: skip
DEAD = 2**31 - 2  # no process has that number


class Text(HTMLParser):
    """The links, the words and the questions of a text; elements must close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [value or "" for name, value in attrs if tag == "a" and name == "href"]
        assert {name for name, _ in attrs} <= {"href", "class", "data-answer", "display", "width"}
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "mspace"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("part", PARTS)
def test_a_text(part: str) -> None:
    html = (TEXTS / f"{part}.html").read_text()
    text = Text(html)
    assert text.counts["h1"] == 1
    assert text.counts["math"] >= 1
    assert "script" not in text.counts
    prose = re.sub(r"<math.*?</math>", "", html.partition('<div class="question"')[0], flags=re.DOTALL)
    assert 150 <= len(re.sub(r"<[^>]+>", " ", prose).split()) <= 350
    questions = re.findall(r'<div class="question" data-answer="(\d)">(.*?)</div>', html, re.DOTALL)
    assert len(questions) == 2
    for answer, question in questions:
        assert re.fullmatch(r"\s*<p>.*?</p>\s*<ul>(<li>.*?</li>)+</ul>\s*<p>.*</p>\s*", question, re.DOTALL)
        assert int(answer) < question.count("<li>")


@pytest.mark.parametrize("part", PARTS)
def test_the_links_of_a_text(part: str) -> None:
    links = Text((TEXTS / f"{part}.html").read_text()).links
    assert len(links) >= 3
    parts = list(PARTS)
    for link in links:
        path, _, query = link.removeprefix("#").partition("?")
        view, run = path.split("/")
        assert view in VIEWS & KEYS.keys()
        assert parts.index(RUNS[run].part) <= parts.index(part)  # of this part or an earlier one
        assert {key for key, _ in parse_qsl(query)} <= KEYS[view]
    assert {run for run in RUNS if RUNS[run].part == part} <= {
        link.split("?")[0].split("/")[1] for link in links
    }


@pytest.mark.parametrize("name", RUNS)
def test_the_words_of_a_run(name: str) -> None:
    model, *words = RUNS[name].words
    arguments = parse_words(model, words, {})
    model_class(model).Options.parse(arguments["options"])
    assert arguments["config"].images
    assert RUNS[name].part in PARTS
    assert RUNS[name].seconds <= 120


# -- what the page asks -----------------------------------------------------------------------------------
class Process:
    """A training process that does nothing."""

    started: list[list[str]] = []

    def __init__(self, words: list[str], **_: Any) -> None:
        self.started.append(words)

    def poll(self) -> None:
        return None

    def wait(self) -> int:
        return 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The words of processes that were started, none of which runs."""
    monkeypatch.setattr(Process, "started", [])
    monkeypatch.setattr("subprocess.Popen", Process)
    return Process.started


def state(client: TestClient, name: str) -> dict[str, Any]:
    parts = client.get("/api/lecture").json()
    return next(run for part in parts for run in part["runs"] if run["id"] == name)


def put_run(folder: Path, name: str, images: int, model: str | None = None) -> Path:
    """A copy of the trained run that looks like that run of the lecture, after so many images."""
    path = folder / name
    shutil.copytree(folder / "vae", path)
    content = json.loads((path / "run.json").read_text())
    content["model"] = model or RUNS[name].words[0]
    content["training"]["images"] = int(RUNS[name].words[-1])
    (path / "run.json").write_text(json.dumps(content))
    weights = path / "weights.safetensors"
    write_weights(weights, load_file(weights), images)
    return path


def test_the_parts(client: TestClient) -> None:
    parts = client.get("/api/lecture").json()
    assert [part["name"] for part in parts] == list(PARTS)
    assert sum(len(part["runs"]) for part in parts) == len(RUNS)
    entry = state(client, "lecture-vae")
    assert entry["status"] == "absent"
    assert entry["command"].startswith("limner train vae --data digits")
    for part in PARTS:
        answer = client.get(f"/api/lecture/texts/{part}")
        assert answer.text == (TEXTS / f"{part}.html").read_text()


@pytest.mark.parametrize("part", ["none", "vae.html", "%2e%2e%2fapp.py"])
def test_no_other_text(part: str, client: TestClient) -> None:
    assert client.get(f"/api/lecture/texts/{part}").status_code == 404


def test_a_run_is_trained_on_first_use(
    client: TestClient, folder: Path, started: list[Sequence[str]]
) -> None:
    assert client.post("/api/lecture/runs/lecture-vae").json() == {}
    words = RUNS["lecture-vae"].words
    place = str(folder / "lecture-vae")
    assert started == [[sys.executable, "-m", "limner", "train", *words, "--queue", "--out", place]]
    assert state(client, "lecture-vae")["status"] == "starting"
    assert client.post("/api/lecture/runs/lecture-gan").json() == {}  # it waits in the queue
    assert len(started) == 2
    again = client.post("/api/lecture/runs/lecture-vae")
    assert (again.status_code, again.json()["error"]) == (422, "lecture-vae was started already")


def test_a_run_that_waits_says_for_which(client: TestClient, folder: Path) -> None:
    path = put_run(folder, "lecture-vae", 0)
    (path / NAME).write_text(str(os.getpid()))
    write_json(path / QUEUE, {"process": os.getpid(), "number": 1, "behind": "gan-digits-0001"})
    entry = state(client, "lecture-vae")
    assert (entry["status"], entry["behind"]) == ("waiting", "gan-digits-0001")


def test_a_killed_run_goes_on(client: TestClient, folder: Path, started: list[Sequence[str]]) -> None:
    path = put_run(folder, "lecture-vae", 50_000)
    (path / NAME).write_text(str(DEAD))
    entry = state(client, "lecture-vae")
    assert (entry["status"], entry["images"], entry["target"]) == ("killed", 50_000, 120_000)
    client.post("/api/lecture/runs/lecture-vae")
    assert started[0][-5:] == ["vae", "--resume", "--queue", "--out", str(path)]


def test_a_run_in_training_is_not_started_again(client: TestClient, folder: Path) -> None:
    path = put_run(folder, "lecture-vae", 50_000)
    (path / NAME).write_text(str(os.getpid()))
    assert state(client, "lecture-vae")["status"] == "training"
    answer = client.post("/api/lecture/runs/lecture-vae").json()
    assert answer["error"] == "lecture-vae is in training already"


def test_a_finished_run_is_kept(client: TestClient, folder: Path) -> None:
    put_run(folder, "lecture-vae", 120_000)
    assert state(client, "lecture-vae")["status"] == "finished"
    answer = client.post("/api/lecture/runs/lecture-vae").json()
    assert answer["error"] == "lecture-vae is trained already"


def test_what_the_user_made_is_kept(client: TestClient, folder: Path) -> None:
    put_run(folder, "lecture-gan", 10, model="vae")
    entry = state(client, "lecture-gan")
    assert (entry["status"], entry["problem"]) == ("foreign", "lecture-gan is another run: rename its folder")
    assert client.post("/api/lecture/runs/lecture-gan").json()["error"] == entry["problem"]
    path = put_run(folder, "lecture-vae", 10)
    (path / "weights.safetensors").unlink()
    (path / NAME).write_text(str(DEAD))
    problem = "lecture-vae was killed before its first checkpoint: remove its folder"
    assert client.post("/api/lecture/runs/lecture-vae").json()["error"] == problem
    (path / "run.json").write_text("{")
    assert "damaged" in client.post("/api/lecture/runs/lecture-vae").json()["error"]


@pytest.mark.parametrize("name", ["vae", "..", "lecture-none"])
def test_no_other_run_is_started(name: str, client: TestClient, started: list[Sequence[str]]) -> None:
    assert client.post(f"/api/lecture/runs/{name}").status_code in (404, 405)
    assert started == []


def test_a_studio_of_one_run_trains_none(folder: Path, started: list[Sequence[str]]) -> None:
    lecture = build(folder / "vae", "token", 1).state.studio
    with pytest.raises(Exception, match="open the studio of a folder of runs for the lecture"):
        Lecture(lecture.folder, Trainings()).start("lecture-vae")
    assert started == []


@pytest.mark.usefixtures("quick_processes")
def test_a_failure_is_shown(client: TestClient, folder: Path) -> None:
    (folder / "lecture-vae").mkdir()
    (folder / "lecture-vae" / "letter.txt").write_text("mine")
    client.post("/api/lecture/runs/lecture-vae")
    studio = client.app.state.studio  # type: ignore[attr-defined]
    studio.trainings.started[folder / "lecture-vae"].process.wait(60)
    assert "exists and is not an empty folder" in state(client, "lecture-vae")["failure"]
    assert (folder / "lecture-vae" / "letter.txt").read_text() == "mine"


def test_events(folder: Path, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "LOOK_SECONDS", 0.01)
    studio = client.app.state.studio  # type: ignore[attr-defined]

    async def watch() -> None:
        events = Lecture(studio.folder, studio.trainings).events()
        first = await asyncio.wait_for(anext(events), 10)
        put_run(folder, "lecture-vae", 120_000)
        while "finished" not in first:
            first = await asyncio.wait_for(anext(events), 10)
        assert first.startswith("event: parts\ndata: [")
        await events.aclose()  # type: ignore[attr-defined]

    asyncio.run(watch())


# -- one update -------------------------------------------------------------------------------------------
def test_an_update(client: TestClient) -> None:
    content = client.get("/api/runs/vae/update?skip=0").json()
    (move,) = content["moves"]
    assert (content["model"], content["images"], content["game"]) == ("vae", 4096, None)
    assert move["before"]["values"]["loss"]["mean"] == move["loss"]
    assert len(move["before"]["images"]["x"]) == 8
    assert move["before"]["images"]["x"][0]["kind"] == "real"
    assert move["after"]["images"]["reconstruction"][0]["kind"] == "generated"
    assert [len(move["before"]["values"][name]["each"]) for name in ("mu", "sigma", "z", "error")] == [8] * 4
    assert len(move["before"]["values"]["mu"]["each"][0]) == 2
    assert client.get("/api/runs/vae/update?skip=1").json()["moves"][0]["loss"] != move["loss"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("skip=51", "from 0 to 50 updates"),
        ("skip=-1", "whole number"),
        ("", "whole number"),
        ("skip=x", "whole"),
    ],
)
def test_an_update_that_is_refused(query: str, error: str, client: TestClient) -> None:
    answer = client.get(f"/api/runs/vae/update?{query}")
    assert answer.status_code == 422
    assert error in answer.json()["error"]


def test_an_update_without_a_checkpoint(client: TestClient, folder: Path) -> None:
    state = folder / "vae" / "state.pt"
    elsewhere = folder.parent / "state.pt"
    state.rename(elsewhere)
    assert "state.pt is missing" in client.get("/api/runs/vae/update?skip=0").json()["error"]
    state.symlink_to(elsewhere)
    assert "a link to another place" in client.get("/api/runs/vae/update?skip=0").json()["error"]
    state.unlink()
    state.write_bytes(b"not a state")
    assert "damaged or not ours" in client.get("/api/runs/vae/update?skip=0").json()["error"]


def test_large_models_are_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.studio.updates.MOST_WEIGHTS", 1000)
    assert "with at most 1,000 are shown" in client.get("/api/runs/vae/update?skip=0").json()["error"]
