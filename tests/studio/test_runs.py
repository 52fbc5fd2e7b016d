"""What the studio says of runs: in every state, half written, foreign, and while they change."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from starlette.testclient import TestClient

from limner.studio import answers
from limner.studio.answers import folder_events, run_events
from limner.studio.curves import panels
from limner.studio.folder import Folder
from limner.studio.tail import Tail
from limner.studio.trainings import Trainings
from limner.training.checkpoint import write_weights
from limner.training.control import Control, read_control, write_control
from limner.training.lock import NAME


def card(folder: Path) -> dict[str, Any]:
    (only,) = Folder(folder).cards()
    return only


def set_target(folder: Path, images: int) -> None:
    path = folder / "vae" / "run.json"
    content = json.loads(path.read_text())
    content["training"]["images"] = images
    path.write_text(json.dumps(content))


def test_a_card(folder: Path) -> None:
    entry = card(folder)
    wanted = {
        "id": "vae",
        "model": "vae",
        "data": "digits",
        "shape": "1x28x28",
        "target": 4000,
        "problem": "",
    }
    assert {name: entry[name] for name in wanted} == wanted
    assert (entry["images"], entry["status"], entry["light"]) == (4096, "finished", "early")
    assert "train until" in entry["reason"]
    assert entry["picture"] == 4096
    assert entry["resume"] == ""


DEAD = 2**31 - 2  # no process has that number
STATES = [
    ("nobody", {}, "stopped"),
    ("dead", {}, "killed"),
    ("alive", {}, "training"),
    ("alive", {"pause": True}, "pausing"),
    ("alive", {"stop": True}, "stopping"),
    ("alive", {"pause": True, "process": 1}, "training"),
]


@pytest.mark.parametrize(("holder", "control", "status"), STATES, ids=range(len(STATES)))
def test_states(holder: str, control: dict[str, Any], status: str, folder: Path) -> None:
    set_target(folder, 9000)
    if holder != "nobody":
        (folder / "vae" / NAME).write_text(str(os.getpid() if holder == "alive" else DEAD))
    if control:
        write_control(folder / "vae", Control(**{"process": os.getpid()} | control))
    entry = card(folder)
    assert entry["status"] == status
    assert entry["resume"] == f"limner train vae --resume --out {folder / 'vae'}"
    if status == "pausing":  # a checkpoint after the request
        weights = folder / "vae" / "weights.safetensors"
        write_weights(weights, load_file(weights), 4096)
        assert card(folder)["status"] == "paused"


def test_a_run_without_weights(folder: Path) -> None:
    (folder / "vae" / "weights.safetensors").unlink()
    assert card(folder)["status"] == "empty"
    (folder / "vae" / NAME).write_text(str(DEAD))
    assert card(folder)["status"] == "killed"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": 3}', "\0\0", '{"model": "vae", "data": {}}'])
def test_a_foreign_run_is_shown_as_such(content: str, client: TestClient, folder: Path) -> None:
    (folder / "vae" / "run.json").write_text(content)
    (entry,) = client.get("/api/runs").json()["runs"]
    assert entry["status"] == "unreadable"
    assert entry["problem"]
    assert client.get("/api/runs/vae").json()["status"] == "unreadable"
    for path in ("verdicts?images=1000", "abilities", "axes"):
        assert client.get(f"/api/runs/vae/{path}").status_code in (200, 422)


def test_other_folders_are_no_runs(folder: Path) -> None:
    (folder / "notes").mkdir()
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "run.json").write_text("{}")
    (folder / "a-file").write_text("")
    assert list(Folder(folder).scan()) == ["vae"]
    assert list(Folder(folder / "vae").scan()) == ["vae"]
    assert Folder(folder / "none").scan() == {}


def test_a_log_is_read_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    tail = Tail(path)
    assert tail.read() == []
    path.write_text('{"images": 1}\n{"ima')
    assert tail.read() == [{"images": 1}]
    with open(path, "a") as file:
        file.write('ges": 2}\n')
    assert tail.read() == [{"images": 1}, {"images": 2}]
    path.write_text('{"images": 7}\n')  # cut, as resuming does
    assert tail.read() == [{"images": 7}]
    replacement = tmp_path / "new"
    replacement.write_text('{"images": 8}\n{"images": 9}\n')
    os.replace(replacement, path)
    assert tail.read() == [{"images": 8}, {"images": 9}]
    assert tail.problem == ""
    with open(path, "a") as file:
        file.write("not JSON\n")
    assert len(tail.read()) == 2
    assert tail.problem == "its log has a foreign line"
    path.unlink()
    assert tail.read() == []


def test_verdicts_at_a_point_of_the_run(client: TestClient, folder: Path) -> None:
    with open(folder / "vae" / "log.jsonl", "a") as file:
        line = {"images": 60_000, "not_finite": "loss/main became nan", "troubles": ["not finite"]}
        file.write(json.dumps(line) + "\n")
    before = client.get("/api/runs/vae/verdicts?images=2100").json()
    assert (before["images"], before["verdicts"]) == (2048, [])
    assert "train until" in before["reason"]
    after = client.get("/api/runs/vae/verdicts?images=99999999").json()
    (verdict,) = after["verdicts"]
    assert (verdict["name"], verdict["evidence"], verdict["since"]) == (
        "not finite",
        "loss/main became nan",
        60_000,
    )
    assert "--clip 1" in verdict["advice"]
    assert client.get("/api/runs/vae/verdicts?images=3").json()["images"] is None
    assert client.get("/api/runs/vae/verdicts?images=-3").status_code == 422


def test_a_picture_is_the_file(client: TestClient, folder: Path) -> None:
    answer = client.get("/api/runs/vae/samples/4096")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == (folder / "vae" / "samples" / "000004096.png").read_bytes()
    assert client.get("/api/runs/vae/samples/1").status_code == 404


def test_a_picture_removed_while_it_is_asked_for(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Folder.pictures

    def list_and_remove(self: Folder, path: Path) -> dict[int, Path]:
        pictures = listed(self, path)
        shutil.rmtree(path)
        return pictures

    monkeypatch.setattr(Folder, "pictures", list_and_remove)
    answer = client.get("/api/runs/vae/samples/4096")
    assert (answer.status_code, answer.json()) == (404, {"error": "there is no such picture any more"})


# -- requests to a training -------------------------------------------------------------------------------
def test_requests_are_written_for_the_process_that_trains(client: TestClient, folder: Path) -> None:
    path = "/api/runs/vae/control"
    assert "is not in training" in client.post(path, json={"pause": True}).json()["error"]
    (folder / "vae" / NAME).write_text(str(os.getpid()))
    client.post(path, json={"pause": True})
    client.post(path, json={"rate_factor": 0.5})
    client.post(path, json={"save": 99})
    client.post(path, json={"process": 1, "pause": False})
    wanted = Control(process=os.getpid(), rate_factor=0.5, save=1)
    assert read_control(folder / "vae") == wanted
    for wrong in ({"rate_factor": 0}, {"rate_factor": "1"}, {"delete": True}, {"pause": 3}, []):
        answer = client.post(path, json=wrong)
        assert answer.status_code == 422, wrong
        assert answer.json()["error"]
    assert read_control(folder / "vae") == wanted
    (folder / "vae" / NAME).write_text(str(os.getppid()))  # another process trains now
    client.post(path, json={"save": 1})
    assert read_control(folder / "vae") == Control(process=os.getppid(), save=1)


def test_a_run_in_training_is_not_resumed(client: TestClient, folder: Path) -> None:
    (folder / "vae" / NAME).write_text(str(os.getpid()))
    assert "in training already" in client.post("/api/runs/vae/resume").json()["error"]


# -- events -----------------------------------------------------------------------------------------------
async def take(events: AsyncIterator[str]) -> tuple[str, Any]:
    text = await asyncio.wait_for(anext(events), 10)
    name, data = text.strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_events_of_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "LOOK_SECONDS", 0.01)

    async def watch() -> None:
        events = run_events(Folder(folder), Trainings(), "vae")
        name, content = await take(events)
        assert (name, content["first"], len(content["new"])) == ("run", 0, 8)
        assert content["pictures"][0] == 0
        assert content["settings"]["options"]["latent_dim"] == 2
        with open(folder / "vae" / "log.jsonl", "a") as file:
            file.write('{"images": 5000, "loss/main": 1.5}\n')
        name, content = await take(events)
        assert (content["first"], content["new"]) == (8, [{"images": 5000, "loss/main": 1.5}])
        (folder / "vae" / "log.jsonl").write_text('{"images": 10}\n')
        name, content = await take(events)
        assert (content["first"], content["new"]) == (0, [{"images": 10}])
        (folder / "vae" / "run.json").write_text("{")
        name, content = await take(events)
        assert content["status"] == "unreadable"
        shutil.rmtree(folder / "vae")
        for _ in range(9):  # while it is removed, file by file
            name, content = await take(events)
            if name == "gone":
                return
        raise AssertionError

    asyncio.run(watch())


def test_events_of_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "LOOK_SECONDS", 0.01)

    async def watch() -> None:
        events = folder_events(Folder(folder))
        assert [run["id"] for run in (await take(events))[1]] == ["vae"]
        shutil.copytree(folder / "vae", folder / "other")
        while {run["id"] for run in (await take(events))[1]} != {"vae", "other"}:
            pass
        shutil.rmtree(folder / "vae")
        while [run["id"] for run in (await take(events))[1]] != ["other"]:
            pass

    asyncio.run(watch())


# -- curves -----------------------------------------------------------------------------------------------
def titles(*keys: str) -> list[str]:
    return [panel["title"] for panel in panels([{"images": 1, **dict.fromkeys(keys, 0.5)}])]


def test_panels_say_what_curves_mean(client: TestClient) -> None:
    drawn = client.get("/api/runs/vae").json()["panels"]
    assert drawn[0]["title"] == "Negative ELBO of held-out images, in nats"
    names = [curve["name"] for curve in drawn[0]["curves"]]
    assert names == ["held-out reconstruction", "held-out KL divergence"]
    assert drawn[0]["band"]
    assert panels([]) == []


def test_the_mark_stands_only_where_outputs_are_probabilities() -> None:
    log = {"images": 1, "D(x)": 0.7, "D(G(z))": 0.2, "loss/D": 1.0, "loss/G": 1.0}
    assert panels([log])[0]["mark"] is None
    assert "no probabilities" in panels([log])[0]["note"]
    panel = panels([log | {"doctor/d_real": 0.7, "doctor/d_fake": 0.2}])[0]
    assert panel["mark"] == 0.5
    assert [(curve["name"], curve["kind"]) for curve in panel["curves"]] == [
        ("D(x)", "real"),
        ("D(G(z))", "generated"),
    ]


def test_a_translator_has_its_three_terms() -> None:
    losses = {"loss/G": 1.0, "cycle/G": 2.0, "identity/G": 0.5, "loss/D_A": 0.2, "loss/D_B": 0.3}
    drawn = panels([{"images": 1} | losses])
    assert [curve["key"] for curve in drawn[0]["curves"]] == ["loss/G", "cycle/G", "identity/G"]
    assert titles("loss/main") == ["Loss"]
    assert titles("loss/main", "doctor/distance", "doctor/diversity")[1:] == [
        "Distance of samples to training images",
        "Variety of samples",
    ]
