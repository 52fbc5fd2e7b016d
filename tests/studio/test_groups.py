"""Arithmetic with groups of places over the studio's addresses: the axis between them, and its name."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file
from starlette.testclient import TestClient

import limner
from limner.explore import Groups, Place, Plane, Spot, read_directions
from limner.explore.places import GROUPS
from limner.training.checkpoint import write_weights

RUN = "/api/runs/vae"
BETWEEN = {"a": [{"number": 4}, {"number": 5}], "b": [{"number": 1}]}


def test_the_axis_between_groups(client: TestClient, folder: Path) -> None:
    axis = client.get(f"{RUN}/groups", params={"groups": json.dumps(BETWEEN)}).json()
    plane = Plane(limner.load(folder / "vae"))
    groups = Groups(a=(Spot(number=4), Spot(number=5)), b=(Spot(number=1),))
    assert axis == {
        "key": GROUPS,
        "name": GROUPS,
        "effect": plane.measure_axis(GROUPS, groups).effect,
        "distance": plane.group_distance(groups),
    }
    place = {"number": 9, "moves": [[GROUPS, 1.5]], "between": BETWEEN}
    answer = client.get(f"{RUN}/path.png", params={"places": json.dumps([place]), "steps": 1})
    pixels = plane.pixels([Place(number=9, moves=((GROUPS, 1.5),), between=groups)])[0, 0].numpy()
    assert (np.asarray(Image.open(io.BytesIO(answer.content))) == pixels).all()
    assert not (folder / "vae" / "directions.json").exists()


def test_a_named_axis_is_stored_and_listed(client: TestClient, folder: Path) -> None:
    known = client.get(f"{RUN}/abilities").json()["plane"]
    assert (known["mixes"], known["groups"]) == ([], GROUPS)
    assert known["file"] == str(folder / "vae" / "directions.json")
    before = {path: path.read_bytes() for path in (folder / "vae").iterdir() if path.is_file()}
    answer = client.post(f"{RUN}/directions", json={"name": "smile", "groups": BETWEEN})
    assert answer.json() == {"description": "centroid of places, 1 and 2 codes: too few to test it"}
    assert list(read_directions(limner.load(folder / "vae"))) == ["smile"]
    axes = client.get(f"{RUN}/axes").json()["axes"]
    assert [axis["key"] for axis in axes] == [0, 1, 2, 3, "smile"]
    assert axes[-1]["effect"] > 0
    again = client.post(f"{RUN}/directions", json={"name": "smile", "groups": BETWEEN})
    assert (again.status_code, "has a direction 'smile'" in again.json()["error"]) == (422, True)
    assert {path: path.read_bytes() for path in before} == before  # nothing else is written


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ({"a": [{}], "b": [{}]}, "the codes of both groups do not differ"),
        ({"a": [{}], "b": [{"base": "image", "number": 10**6}]}, "there is no test image 1000000"),
    ],
)
def test_groups_without_an_axis_say_why(groups: Any, problem: str, client: TestClient) -> None:
    answer = client.get(f"{RUN}/groups", params={"groups": json.dumps(groups)}).json()
    assert answer["problem"].startswith(problem)


WRONG: list[dict[str, Any]] = [
    {"name": "../smile", "groups": BETWEEN},
    {"name": GROUPS, "groups": BETWEEN},
    {"name": "", "groups": BETWEEN},
    {"name": 3, "groups": BETWEEN},
    {"groups": BETWEEN},
    {"name": "smile"},
    {"name": "smile", "groups": []},
    {"name": "smile", "groups": {"a": [{}], "b": []}},
    {"name": "smile", "groups": {"a": [{}], "b": [{}]}},
    {"name": "smile", "groups": {"a": [{}], "b": [{}] * 17}},
    {"name": "smile", "groups": {"a": [{}], "b": [{"number": -1}]}},
    {"name": "smile", "groups": {"a": [{}], "b": [{"moves": [[GROUPS, 1.0]]}]}},
    {"name": "smile", "groups": {"a": [{}], "b": [{"base": "image", "number": 10**6}]}},
]


@pytest.mark.parametrize("content", WRONG, ids=range(len(WRONG)))
def test_a_wrong_direction_is_one_line_and_not_stored(content: Any, client: TestClient, folder: Path) -> None:
    answer = client.post(f"{RUN}/directions", json=content)
    assert answer.status_code == 422
    assert len(answer.json()["error"].splitlines()) == 1
    assert not (folder / "vae" / "directions.json").exists()


def test_a_direction_of_older_weights_is_not_stored(client: TestClient, folder: Path) -> None:
    client.get(f"{RUN}/abilities")
    weights = folder / "vae" / "weights.safetensors"
    write_weights(weights, load_file(weights), 5000)
    answer = client.post(f"{RUN}/directions", json={"name": "smile", "groups": BETWEEN})
    assert answer.json()["error"] == "training has stored newer weights: load the page again"


def test_directions_that_lie_elsewhere_are_not_read(client: TestClient, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text("{}")
    os.symlink(tmp_path / "elsewhere.json", folder / "vae" / "directions.json")
    answer = client.get(f"{RUN}/axes")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("its directions.json is a link to another place")
