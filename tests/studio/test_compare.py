"""Several runs over the studio's addresses: what they make of the same seed or image, and stored measures."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import small, small_source
from starlette.testclient import TestClient
from studio_client import ORIGIN, PORT, TOKEN

import limner
from limner.explore import draw_samples, reconstruct, translate
from limner.studio.app import build
from limner.studio.compare import first_able

BRIEF: dict[str, Any] = {"images": 50, "batch": 50, "quiet": True, "on_trouble": "ignore"}


@pytest.fixture(scope="module")
def every(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAE, a model of classes with other codes, and a translator."""
    folder = tmp_path_factory.mktemp("every") / "runs"
    shutil.copytree(trained, folder / "vae")
    for model in ("cgan", "cyclegan"):
        limner.train(
            model,
            small_source(model, folder.parent),
            out=folder / model,
            **small(model) | BRIEF | {"seed": 1},
        )
    return folder


@pytest.fixture(scope="module")
def asking(every: Path) -> Iterator[TestClient]:
    app = build(every, TOKEN, PORT)
    with TestClient(app, base_url=ORIGIN) as client:
        client.get(f"/?token={TOKEN}")
        yield client
    app.state.studio.worker.close()


def pixels_of(images: list[dict[str, Any]]) -> torch.Tensor:
    data = [torch.frombuffer(bytearray(base64.b64decode(i["pixels"])), dtype=torch.uint8) for i in images]
    return torch.stack([flat.reshape(i["shape"]) for flat, i in zip(data, images, strict=True)])


def ask(client: TestClient, run: str, task: str, **query: Any) -> Any:
    answer = client.get(f"/api/runs/{run}/compare/{task}", params={"seed": 0} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_runs_say_what_they_can_do_and_where_they_differ(asking: TestClient) -> None:
    content = asking.get("/api/compare", params={"run": ["vae", "cgan", "cyclegan", "none"]}).json()
    vae, cgan, cyclegan, none = content["runs"]
    assert vae["tasks"] == ["samples", "reconstruct"]
    assert (cgan["tasks"], cgan["labels"]) == (["samples"], [str(i) for i in range(10)])
    assert cyclegan["tasks"] == ["translate to B", "translate to A"]
    assert vae["other_data"] == {"samples": "", "reconstruct": ""}
    assert cyclegan["other_data"] == {"translate to B": "", "translate to A": ""}  # no other one translates
    assert none["problem"] == "there is no such run any more"
    assert content["noise"].startswith("the codes differ (vae 2 numbers, normal; cgan ")
    assert content["noise"].endswith("so each model has its own noise of a seed")
    other = "vae is of digits and cyclegan of digits-negatives: numbers on different images do not compare"
    assert content["table"]["notes"][-1] == other
    assert content["table"]["measures"] == []


def test_test_images_agree_with_those_of_the_first_that_can(every: Path, tmp_path: Path) -> None:
    for name in ("vae", "cgan"):
        shutil.copytree(every / name, tmp_path / "runs" / name)
    path = shutil.copytree(every / "vae", tmp_path / "runs" / "other") / "run.json"
    content = json.loads(path.read_text())
    content["data"] |= {"fingerprint": "another", "name": "photos"}
    path.write_text(json.dumps(content))
    runs = [limner.load(tmp_path / "runs" / name) for name in ("cgan", "vae", "other")]
    assert first_able("reconstruct", runs) is runs[1]
    app = build(tmp_path / "runs", TOKEN, PORT)
    with TestClient(app, base_url=ORIGIN) as client:
        client.get(f"/?token={TOKEN}")
        described = client.get("/api/compare", params={"run": ["cgan", "vae", "other"]}).json()["runs"]
    app.state.studio.worker.close()
    assert described[1]["other_data"]["reconstruct"] == ""
    reason = "vae is of digits and other of photos: their test images are not the same"
    assert described[2]["other_data"]["reconstruct"] == reason


def test_a_seed_gives_the_images_that_sample_draws(asking: TestClient, every: Path) -> None:
    content = ask(asking, "vae", "samples", seed=5)
    drawn = draw_samples(limner.load(every / "vae"), 8, seed=range(5, 13))
    assert torch.equal(pixels_of(content["images"]), drawn)
    assert [image["caption"] for image in content["images"]] == [f"seed {i}" for i in range(5, 13)]
    assert content["inputs"] == []
    classes = ask(asking, "cgan", "samples", label="7")
    drawn = draw_samples(limner.load(every / "cgan"), 8, seed=range(8), y=7)
    assert torch.equal(pixels_of(classes["images"]), drawn)
    assert classes["notes"] == []
    without = ask(asking, "vae", "samples", label="7")
    assert without["notes"] == ["knows no class 7, so its images are of any class"]


def test_test_images_are_those_of_reconstruct_and_translate(asking: TestClient, every: Path) -> None:
    content = ask(asking, "vae", "reconstruct", seed=3)
    data = reconstruct(limner.load(every / "vae"), n=8, seed=3).data
    assert torch.equal(pixels_of(content["inputs"]), data["pixels"])
    assert torch.equal(pixels_of(content["images"]), data["reconstructions"])
    assert content["images"][0]["caption"] == f"mse {data['mse'][0]:.4f}"
    assert {image["kind"] for image in content["inputs"]} == {"real"}
    for to in "AB":
        content = ask(asking, "cyclegan", f"translate to {to}")
        data = translate(limner.load(every / "cyclegan"), to=to, n=8).data
        assert torch.equal(pixels_of(content["images"]), data["translations"])


@pytest.mark.parametrize(
    ("run", "task", "query"),
    [
        ("cgan", "reconstruct", {}),
        ("vae", "translate to B", {}),
        ("cyclegan", "samples", {}),
        ("vae", "__class__", {}),
        ("vae", "samples", {"seed": "-1"}),
        ("vae", "samples", {"seed": 2**40}),
        ("vae", "samples", {"seed": "many"}),
    ],
)
def test_what_cannot_be_done_is_one_line(run: str, task: str, query: Any, asking: TestClient) -> None:
    answer = asking.get(f"/api/runs/{run}/compare/{task}", params={"seed": 0} | query)
    assert answer.status_code == 422
    assert len(answer.json()["error"].splitlines()) == 1


@pytest.mark.parametrize("names", [[], [f"run-{i}" for i in range(7)]])
def test_too_few_or_too_many_runs_are_refused(names: list[str], asking: TestClient) -> None:
    answer = asking.get("/api/compare", params={"run": names})
    assert answer.status_code == 422
    assert "from 1 to 6 runs" in answer.json()["error"]


@pytest.mark.parametrize("name", ["../vae", "/etc", "vae/..", ".", ""])
def test_no_name_leads_out_of_the_folder(name: str, asking: TestClient) -> None:
    (entry,) = asking.get("/api/compare", params={"run": name}).json()["runs"]
    assert entry["problem"] == "there is no such run any more"


# -- the table --------------------------------------------------------------------------------------------
def write_evaluation(path: Path, units: float, errors: list[float]) -> None:
    """What `limner evaluate` stores, of two measures."""
    header = {"images_seen": 4096, "n": 4, "k": 1, "images": 20, "seed": 0, "quick": False, "sampling": {}}
    header |= {"against": None, "protocol": None, "extractor": {"name": "digits-cnn-v1"}}
    rows = [("reconstruction", "mse", sum(errors) / 4, 0.5), ("likelihood", "active units", units, None)]
    keys = ("family", "name", "value", "error")
    measures = [dict(zip(keys, row, strict=True)) for row in rows]
    (path / "evaluation.json").write_text(json.dumps(header | {"measures": measures}))
    np.savez(path / "evaluation.npz", **{"reconstruction: mse": np.array(errors)})


@pytest.fixture
def evaluated(folder: Path) -> Path:
    """Two copies of a run with evaluations."""
    write_evaluation(folder / "vae", 2, [1.0, 2.0, 3.0, 4.0])
    shutil.copytree(folder / "vae", folder / "other")
    write_evaluation(folder / "other", 3, [2.0, 3.0, 4.0, 7.0])
    return folder


def test_the_table_is_of_what_is_stored(evaluated: Path, client: TestClient) -> None:
    shutil.copytree(evaluated / "vae", evaluated / "bare", ignore=shutil.ignore_patterns("evaluation.*"))
    table = client.get("/api/compare", params={"run": ["vae", "other", "bare"]}).json()["table"]
    mse, units = table["measures"]
    assert (mse["family"], mse["name"], mse["paired"]) == ("reconstruction", "mse", True)
    assert mse["values"] == ["2.50 ± 0.50", "4.00 ± 0.50", ""]
    assert mse["differences"] == ["+1.50 ± 0.50", ""]  # of 1, 1, 1, 3: their mean, and 1 / sqrt(4)
    assert (units["values"], units["differences"]) == (["2", "3", ""], ["+1", ""])
    command = f"limner evaluate {evaluated / 'bare'} --quick"
    assert table["notes"] == [f"bare has no evaluation of its weights; this makes one: {command}"]
    assert not (evaluated / "bare" / "evaluation.json").exists()


def test_a_damaged_or_linked_evaluation_is_said_and_not_shown(
    evaluated: Path, client: TestClient, tmp_path: Path
) -> None:
    query = {"run": ["vae", "other"]}
    path = evaluated / "other" / "evaluation.json"
    os.rename(path, tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    content = client.get("/api/compare", params=query).json()
    problem = "its evaluation.json is a link to another place, which the studio does not follow"
    assert content["table"] == {"problem": problem}
    assert [run["problem"] for run in content["runs"]] == ["", ""]
    path.unlink()
    path.write_text('{"images_seen": 4096}')
    problem = client.get("/api/compare", params=query).json()["table"]["problem"]
    assert "is damaged" in problem
    assert len(problem.splitlines()) == 1
