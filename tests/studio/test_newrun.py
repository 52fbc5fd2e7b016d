"""A new run: data by names from a list, checked settings, the command they make, and its start."""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from studio_client import ORIGIN, PORT, TOKEN

from limner.cli.train import parse_words
from limner.data import Dataset
from limner.errors import LimnerError
from limner.figures import to_pil
from limner.models import MODELS, model_class, model_options
from limner.studio.app import build
from limner.studio.plans import FROM_DATA, Draft, Plan, default_text, describe_form
from limner.studio.sources import Sources
from limner.training.config import TrainConfig
from limner.training.lock import RunLock
from limner.training.queue import NAME as QUEUE

PLAN: dict[str, Any] = {"data": "digits", "model": "vae"}


@pytest.fixture
def images(tmp_path: Path, digits: Dataset) -> Path:
    """A folder with images of two classes, a damaged one, a repeat, arrays, a zip, and what is no data."""
    folder = tmp_path / "photos"
    for label in ("three", "eight"):
        (folder / "classes" / label).mkdir(parents=True)
        for i in range(5):
            to_pil(digits.train.pixels[i + 5 * (label == "eight")]).save(
                folder / "classes" / label / f"{i}.png"
            )
    (folder / "classes" / "eight" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    to_pil(digits.train.pixels[0]).save(folder / "classes" / "three" / "again.png")
    np.savez(folder / "numbers.npz", images=digits.train.pixels[:20, 0].numpy())
    with zipfile.ZipFile(folder / "faces.zip", "w") as archive:
        for i in range(4):
            archive.write(folder / "classes" / "three" / f"{i}.png", f"{20 + 9 * i}_{i % 2}_1_2017.png")
    (folder / os.fsdecode(b"caf\xe9.npz")).write_bytes(b"")  # a name that is no text
    (folder / "notes").mkdir()
    (folder / "notes" / "readme.txt").write_text("no image")
    (folder / "runs" / "vae").mkdir(parents=True)
    (folder / "runs" / "vae" / "run.json").write_text("{}")
    to_pil(digits.train.pixels[0]).save(folder / "runs" / "vae" / "sample.png")
    return folder


@pytest.fixture
def client(folder: Path, images: Path) -> Iterator[TestClient]:
    """The client of a studio with that folder."""
    app = build(folder, TOKEN, PORT, [images])
    with TestClient(app, base_url=ORIGIN) as client:
        client.get(f"/?token={TOKEN}")
        client.headers["origin"] = ORIGIN
        yield client
    app.state.studio.worker.close()


def ask(client: TestClient, path: str, **plan: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(f"/api/new/{path}", json=PLAN | plan).json()
    return answer


def check(client: TestClient, **plan: Any) -> list[tuple[str, Any]]:
    """The events of a check."""
    answer = client.get("/api/new/check", params={"plan": json.dumps(PLAN | plan)})
    if answer.status_code != 200:
        return [("refused", answer.json()["error"])]
    parts = [part.split("\n") for part in answer.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in parts]


# -- data -------------------------------------------------------------------------------------------------
def test_the_list_has_what_is_here(client: TestClient) -> None:
    content = client.get("/api/new").json()
    names = [each["name"] for each in content["data"]]
    assert {"digits", "shapes"} <= set(names)
    assert "mnist" not in names  # it would be downloaded
    assert "stacked-mnist" not in names
    assert [name for name in names if name.startswith("photos")] == [
        "photos/faces.zip", "photos/faces.zip, by age", "photos/faces.zip, by age and gender",
        "photos/numbers.npz", "photos/classes", "photos/classes/eight", "photos/classes/three",
    ]  # fmt: skip
    assert [model["name"] for model in content["models"]] == list(MODELS)


def test_a_check_says_what_is_in_a_folder(client: TestClient) -> None:
    *reports, (name, (content,)) = check(client, data="photos/classes")
    assert {kind for kind, _ in reports} <= {"progress"}
    assert name == "contents"
    assert content["shape"] == [1, 28, 28]
    assert content["train"] + content["test"] == 11
    counts = content["class_counts"]
    assert {label: sum(pair) for label, pair in counts.items()} == {"eight": 5, "three": 6}
    assert any(note.startswith("skipped eight/damaged.png: ") for note in content["notes"])
    assert any("1 exact repeats" in note for note in content["notes"])
    sheet = client.get(f"/api/new/sheets/{content['sheet']}.png")
    assert sheet.content.startswith(b"\x89PNG")
    assert client.get("/api/new/sheets/no.png").status_code == 404
    (_, (larger,)) = check(client, data="photos/classes", shape={"size": "32"})[-1]
    assert larger["shape"] == [1, 32, 32]


def test_a_check_needs_what_the_model_needs(client: TestClient) -> None:
    assert check(client, data="photos/classes", model="cgan")[-1][0] == "contents"
    name, text = check(client, data="photos/numbers.npz", model="cgan")[-1]
    assert name == "problem"
    assert "needs labels" in text
    name, parts = check(client, data="photos/classes/three", second="photos/classes/eight", model="cyclegan")[
        -1
    ]
    assert [part["name"] for part in parts] == ["three", "eight"]
    assert check(client, data="photos/faces.zip, by age", model="caae")[-1][1][0]["classes"][0] == "0-5"


OUTSIDE = [
    "..", "photos/..", "photos/../photos/classes", "/etc", "/", "", "photos", "photos/notes", "--out", "~",
    "photos/runs/vae", "photos/classes/", "photos/classes\0", "file:///etc", "utkface:/etc", "a" * 999,
]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE, ids=range(len(OUTSIDE)))
def test_no_other_path_is_taken(name: str, client: TestClient, images: Path) -> None:
    for wrong in (name, str(images / name), str(images)):
        assert "is not in the list" in ask(client, "plan", data=wrong)["mistakes"]["data"]
        for path in ("forecast", "start"):
            assert "is not in the list" in ask(client, path, data=wrong)["error"]
        assert check(client, data=wrong)[0][0] == "refused"


def test_links_are_not_followed(client: TestClient, images: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.png").write_bytes((images / "classes" / "three" / "0.png").read_bytes())
    (images / "link").symlink_to(secret)
    (images / "file.npz").symlink_to(images / "numbers.npz")
    names = [each["name"] for each in client.get("/api/new").json()["data"]]
    assert not any("link" in name or "file.npz" in name for name in names)
    (images / "classes" / "eight" / "inner").symlink_to(images / "classes" / "three")
    assert ask(client, "plan", data="photos/classes")["mistakes"] == {}  # it stays inside
    (images / "classes" / "eight" / "out.png").symlink_to(secret / "a.png")
    assert "is a link to another place" in ask(client, "plan", data="photos/classes")["mistakes"]["data"]
    assert check(client, data="photos/classes")[0][0] == "refused"
    assert "is a link to another place" in ask(client, "start", data="photos/classes")["error"]


def test_folders_of_one_name_and_a_folder_that_is_gone(tmp_path: Path, images: Path) -> None:
    twin = tmp_path / "other" / "photos"
    twin.mkdir(parents=True)
    (twin / "numbers.npz").write_bytes((images / "numbers.npz").read_bytes())
    sources = Sources([images, twin, tmp_path / "gone"])
    assert sources.find("photos/numbers.npz") == str(images / "numbers.npz")
    assert sources.find("photos/numbers.npz (2)") == str(twin / "numbers.npz")


# -- settings ---------------------------------------------------------------------------------------------
MISTAKES = [
    ({"options": {"latent_dim": "0"}}, "option.latent_dim", "latent_dim must be at least 1, not 0"),
    ({"options": {"latent_dim": "a"}}, "option.latent_dim", "latent_dim must be a whole number, not 'a'"),
    ({"options": {"hidden": "8, b"}}, "option.hidden", "hidden must be a whole number, not 'b'"),
    ({"options": {"network": "mpl"}}, "option.network", "did you mean 'mlp'?"),
    ({"options": {"nothing": "1"}}, "option.nothing", "VAE has no option 'nothing'"),
    ({"options": {"beta": "nan"}}, "option.beta", "beta must be a finite number"),
    ({"options": {"lr": "1" * 300}}, "option.lr", "one line of at most 200 characters"),
    ({"training": {"images": "1e5"}}, "training.images", "images must be a whole number, not '1e5'"),
    ({"training": {"images": "5", "epochs": "2"}}, "training.", "give either epochs or images, not both"),
    ({"training": {"leave_out": "a\nb"}}, "training.leave_out", "one line"),
    ({"shape": {"size": "9"}}, "shape.size", "size must be from 16 to 256, not 9"),
    ({"shape": {"channels": "2"}}, "shape.channels", "channels cannot be '2'"),
    ({"model": "os:system"}, "model", "no model called 'os:system'"),
    ({"preset": "papre"}, "preset", "did you mean 'paper'?"),
    ({"name": "../x"}, "name", "a name has letters"),
    ({"name": "vae"}, "name", "there is a vae already"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "field", "message"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_stands_beside_its_field(
    change: dict[str, Any], field: str, message: str, client: TestClient
) -> None:
    mistakes = ask(client, "plan", **change)["mistakes"]
    assert list(mistakes) == [field]
    assert message in mistakes[field]
    assert message in ask(client, "start", **change)["error"]
    assert message in ask(client, "forecast", **change)["error"]


def test_foreign_plans_are_refused(client: TestClient) -> None:
    for wrong in ({"out": "/tmp/x"}, {"options": 3}, {"at_once": "x"}, {"options": {"lr": 0.1}}, {"data": 1}):
        for path in ("plan", "start", "forecast"):
            assert client.post(f"/api/new/{path}", json=PLAN | wrong).status_code == 422, wrong
    assert client.get("/api/new/form?model=os:system").status_code == 422
    assert client.get("/api/new/started/vae").status_code == 422


def test_every_default_reads_back_and_makes_the_command_that_sets_it(tmp_path: Path) -> None:
    sources = Sources([])
    for name in MODELS:
        cls = model_class(name)
        for preset in ("", *cls.presets):
            options = model_options(cls, preset or None, {})
            form = describe_form(name, preset)
            assert {field for group in form["groups"] for field in group["fields"]} == set(
                cls.Options.model_fields
            ) - set(FROM_DATA)
            texts = {key: each["default"] for key, each in form["options"].items() if each["default"] != ""}
            training = {"images": "500", "lr_drops": "100, 200", "clip": "1.5", "leave_out": "--out=x"}
            plan = Plan(model=name, preset=preset, data="digits", options=texts, training=training)
            draft = Draft(plan, sources, tmp_path)
            assert draft.mistakes == {}
            verb, model, *words = draft.words()
            assert (verb, model) == ("train", name)
            parsed = parse_words(name, words, {})
            assert parsed["options"] == {key: getattr(options, key) for key in texts}
            assert parsed["config"] == TrainConfig(
                images=500, lr_drops=(100, 200), clip=1.5, leave_out="--out=x"
            )
            assert (parsed["out"], parsed["queue"]) == (draft.path, True)


def test_texts_of_values() -> None:
    assert [default_text(value) for value in ((), (8, 4), True, 0.5, "a")] == [
        "none",
        "8, 4",
        "true",
        "0.5",
        "a",
    ]


def test_the_command_is_that_of_a_shell(client: TestClient, folder: Path, images: Path) -> None:
    (folder / "vae-digits-0001").mkdir()
    answer = ask(client, "plan", options={"hidden": "32, 16"}, training={"seed": "3"}, at_once=True)
    out = folder / "vae-digits-0002"
    assert answer["command"] == f"limner train vae --data digits --seed 3 --hidden 32 16 --out {out}"
    answer = ask(
        client,
        "plan",
        model="cyclegan",
        data="photos/classes/three",
        second="photos/classes/eight",
        name="horses",
    )
    three, eight = (images / "classes" / name for name in ("three", "eight"))
    command = f"limner train cyclegan --data A={three} B={eight} --out {folder / 'horses'} --queue"
    assert answer["command"] == command


# -- its start --------------------------------------------------------------------------------------------
def test_a_started_run_waits_and_trains(client: TestClient, folder: Path) -> None:
    plan = {"options": {"latent_dim": "2", "hidden": "16"}, "training": {"images": "200", "batch": "50"}}
    (folder / "busy").mkdir()
    with RunLock(folder / "busy"):
        assert ask(client, "start", **plan, name="new") == {"run": "new"}
        again = ask(client, "start", **plan, name="new")["error"]
        assert "was started already" in again or "there is a new already" in again
        wait_until(lambda: (folder / "new" / QUEUE).exists() and card(client)["status"] == "waiting")
        assert client.get("/api/new/started/new").json() == {"there": True, "failure": ""}
        assert card(client)["behind"] == "busy"
    wait_until(lambda: card(client)["status"] == "finished")


def test_a_start_that_fails_says_why(client: TestClient, folder: Path) -> None:
    client.app.state.studio.trainings.start(folder / "new", ["nonsense"])  # type: ignore[attr-defined]
    wait_until(lambda: bool(client.get("/api/new/started/new").json()["failure"]))
    answer = client.get("/api/new/started/new").json()
    assert not answer["there"]
    assert "no command called 'nonsense'" in answer["failure"]


def card(client: TestClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/api/runs/new").json()
    return answer


def wait_until(condition: Any) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_draft_without_mistakes_passes(tmp_path: Path) -> None:
    Draft(Plan(**PLAN), Sources([]), tmp_path).check()
    with pytest.raises(LimnerError, match="no model called"):
        Draft(Plan(data="digits", model="x"), Sources([]), tmp_path).check()
