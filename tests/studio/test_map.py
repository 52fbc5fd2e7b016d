"""The map over the studio's addresses: points, tiles, neighbours, means, t-SNE, copies, and refusals."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small import small, small_source
from starlette.testclient import TestClient
from studio_client import ORIGIN, PORT

import limner
from limner.explore import Selection, map_points, nearest_training
from limner.studio import maps
from limner.studio.jobs import Projection
from limner.studio.wire import SHEET_COLUMNS, sheet_png
from limner.tsne import tsne

RUN = "/api/runs/vae"
ASKED = {"space": "codes", "split": "test", "n": "50"}


def wait(client: TestClient, address: str, **values: Any) -> Any:
    """The answer without progress."""
    end = time.monotonic() + 120
    while True:
        answer = client.get(address, params=values)
        if answer.headers["content-type"].startswith("application/octet") or answer.status_code >= 400:
            return answer
        content = answer.json()
        if "progress" not in content:
            return content
        assert 0 <= content["progress"] <= 1
        assert time.monotonic() < end


def read_points(data: bytes, total: int) -> tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray]:
    (length,) = struct.unpack_from("<I", data)
    assert length % 4 == 0
    values = data[4 + length :]
    points = np.frombuffer(values, "<f4", 2 * total).reshape(-1, 2)
    index, labels = (np.frombuffer(values, "<i4", total, 4 * total * k) for k in (2, 3))
    return json.loads(data[4 : 4 + length]), points, index, labels


def test_points_are_those_of_the_library(client: TestClient, folder: Path) -> None:
    measures = ["pixels", "features"]
    expected = {"spaces": ["codes", "features"], "measures": measures, "labels": [], "images": 4096}
    assert client.get(f"{RUN}/map").json() == expected
    known = wait(client, f"{RUN}/map", **ASKED)
    assert (known["points"], known["real"], known["numbers"], known["tile"]) == (50, 50, 2, [28, 28])
    assert known["methods"] == ["codes", "pca", "tsne"]
    chosen = map_points(limner.load(folder / "vae"), Selection(n=50))
    for method in ("codes", "pca"):
        answer = client.get(f"{RUN}/map/{known['map']}/points", params={"method": method})
        header, points, index, labels = read_points(answer.content, 50)
        layout = chosen.lay_out(method)
        assert np.allclose(points, layout.points, atol=1e-5)
        assert index.tolist() == chosen.index.tolist()
        assert chosen.labels is not None
        assert labels.tolist() == chosen.labels.tolist()
        assert layout.inverse is not None
        code = np.array(header["inverse"]["mean"]) + points[3] @ np.array(header["inverse"]["components"])
        assert np.allclose(code, chosen.features[3].numpy(), atol=1e-4)
        assert layout.density is not None
        assert header["density"]["edge"] == pytest.approx(layout.density.edge)
        assert header["notes"] == list(layout.notes)
        density = np.frombuffer(answer.content[-4 * 96 * 96 :], "<f4").reshape(96, 96)
        assert np.allclose(density, layout.density.values)


def test_a_map_is_of_the_weights_when_the_page_opened(client: TestClient, folder: Path) -> None:
    client.get(f"{RUN}/map")
    first = wait(client, f"{RUN}/map", **ASKED)["map"]
    os.utime(folder / "vae" / "weights.safetensors", (1, 1))  # training stores a checkpoint
    assert wait(client, f"{RUN}/map", **ASKED)["map"] == first  # work that goes on is not begun again
    client.get(f"{RUN}/map")
    assert wait(client, f"{RUN}/map", **ASKED)["map"] == "codes-test-50-1000000"


def test_pictures_neighbours_and_means(client: TestClient, folder: Path) -> None:
    own = f"{RUN}/map/{wait(client, f'{RUN}/map', **ASKED)['map']}"
    chosen = map_points(limner.load(folder / "vae"), Selection(n=50))
    sheet = np.asarray(Image.open(io.BytesIO(client.get(f"{own}/sheets/0.png").content)))
    assert sheet.shape == (2 * 28, SHEET_COLUMNS * 28)
    assert (sheet[28:56, 28:56] == chosen.pixels[41, 0].numpy()).all()
    image = np.asarray(Image.open(io.BytesIO(client.get(f"{own}/images/7.png").content)))
    assert (image == chosen.pixels[7, 0].numpy()).all()
    near = client.get(f"{own}/nearest/7").json()
    assert near == json.loads(json.dumps(chosen.nearest(7)))
    body = np.array([1, 5, 9], "<u4").tobytes()
    mean = np.asarray(Image.open(io.BytesIO(client.post(f"{own}/mean.png", content=body).content)))
    assert (mean == chosen.mean_image([1, 5, 9])[0].numpy()).all()


def test_tiles_of_large_images_are_small_and_of_any_shape() -> None:
    pixels = torch.zeros(3, 3, 64, 32).byte()
    pixels[1] = 200
    sheet = np.asarray(Image.open(io.BytesIO(sheet_png(pixels, 32))))
    assert sheet.shape == (32, SHEET_COLUMNS * 16, 3)
    assert (sheet[:, 16:32] == 200).all()
    assert (sheet[:, 32:] == 0).all()


def test_tsne_is_that_of_the_library_and_computed_once(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = wait(client, f"{RUN}/map", **ASKED)
    own = f"{RUN}/map/{known['map']}/points"
    answer = wait(client, own, method="tsne")
    header, points, *_ = read_points(answer.content, 50)
    assert header["inverse"] is header["density"] is header["axes"] is None
    chosen = map_points(limner.load(folder / "vae"), Selection(n=50))
    assert np.allclose(points, tsne(chosen.features.numpy()), atol=1e-3)
    app: Any = client.app
    assert app.state.studio.maps.projections[f"vae/{known['map']}"].progress > 0
    monkeypatch.setattr(maps, "Projection", None)  # a second one would fail
    assert client.get(own, params={"method": "tsne"}).content == answer.content


def test_tsne_that_fails_says_why_and_can_be_tried_again(client: TestClient) -> None:
    known = wait(client, f"{RUN}/map", **ASKED)
    app: Any = client.app
    page = app.state.studio.maps
    key = f"vae/{known['map']}"
    projection = page.projections[key] = Projection(np.ones((20, 3)), page.lock)
    projection.thread.join(120)
    assert projection.points is None
    own = f"{RUN}/map/{known['map']}/points"
    answer = client.get(own, params={"method": "tsne"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("no t-SNE: all 20 codes are the same")
    assert client.get(own, params={"method": "tsne", "again": "1"}).status_code == 202


def test_copies_are_those_of_the_library(client: TestClient, folder: Path) -> None:
    copies = wait(client, f"{RUN}/copies", by="pixels")
    result = nearest_training(limner.load(folder / "vae"))
    assert [pair["distance"] for pair in copies["pairs"]] == result.distance.tolist()
    assert [pair["nearer"] for pair in copies["pairs"]] == result.nearer.tolist()
    assert copies["tests"] == result.test_distance.tolist()
    assert copies["summary"] == result.summary
    pixels = base64.b64decode(copies["pairs"][5]["training"]["pixels"])
    assert pixels == result.images[5].numpy().tobytes()


def test_models_without_an_encoder_and_models_that_translate(client: TestClient, folder: Path) -> None:
    settings = {"images": 4, "batch": 2, "quiet": True, "on_trouble": "ignore"}
    for model in ("dcgan", "cyclegan"):
        source = small_source(model, folder.parent)
        limner.train(model, source, out=folder / model, **small(model) | settings)
    assert client.get("/api/runs/dcgan/map").json()["spaces"] == ["features"]
    known = wait(client, "/api/runs/dcgan/map", space="features", n=20)
    assert (known["points"], known["real"], known["methods"]) == (20, 10, ["pca", "tsne"])
    refused = wait(client, "/api/runs/dcgan/map", space="codes", n=20)
    assert refused.status_code == 422
    assert "no encoder" in refused.json()["error"]
    assert client.get("/api/runs/cyclegan/map").json()["spaces"] == []
    assert client.get("/api/runs/cyclegan/copies").status_code == 422


WRONG_MAPS: list[dict[str, Any]] = [
    {"n": "10000000"},
    {"n": "5"},
    {"n": "many"},
    {"n": "-3"},
    {"split": "../../etc"},
    {"space": "/etc/passwd"},
    {"folder": "/"},
]


@pytest.mark.parametrize("values", WRONG_MAPS, ids=str)
def test_a_wrong_selection_is_one_line(values: dict[str, Any], client: TestClient) -> None:
    answer = client.get(f"{RUN}/map", params=values)
    assert answer.status_code == 422
    assert len(answer.json()["error"].splitlines()) == 1


def test_wrong_requests_about_a_map_are_refused(client: TestClient) -> None:
    own = f"{RUN}/map/{wait(client, f'{RUN}/map', **ASKED)['map']}"
    assert client.get(f"{own}/points", params={"method": "umap"}).status_code == 422
    for path in ("images/50.png", "sheets/1.png", "nearest/50"):
        answer = client.get(f"{own}/{path}")
        assert answer.status_code == 422
        assert "there is no point" in answer.json()["error"]
    for path in ("images/-1.png", "sheets/..%2F..%2Frun.json", "images/../../run.json"):
        assert client.get(f"{own}/{path}").status_code == 404
    assert client.post(f"{own}/mean.png", content=b"").status_code == 422
    assert client.post(f"{own}/mean.png", content=b"abc").status_code == 422
    assert client.post(f"{own}/mean.png", content=np.array([50], "<u4").tobytes()).status_code == 422
    assert client.post(f"{own}/mean.png", content=b"\0" * 204).status_code == 413
    assert (
        client.post(f"{own}/mean.png", content=b"\0" * 4, headers={"origin": "http://evil"}).status_code
        == 403
    )
    assert client.get(f"{RUN}/copies", params={"by": "smell"}).status_code == 422
    for name in ("codes-test-50-1", "..%2F..", "x"):
        assert client.get(f"{RUN}/map/{name}/points").status_code == 404
    assert client.get("/api/runs/..%2Fvae/map").status_code == 404


def test_few_maps_are_kept_and_a_run_that_goes_is_said(client: TestClient, folder: Path) -> None:
    first = wait(client, f"{RUN}/map", **ASKED)["map"]
    for n in range(20, 20 + maps.KEPT):
        wait(client, f"{RUN}/map", n=n)
    gone = client.get(f"{RUN}/map/{first}/points")
    assert gone.status_code == 404
    assert gone.json()["error"] == "that map is not kept any more: open it again"
    last = wait(client, f"{RUN}/map", n=20 + maps.KEPT - 1)["map"]
    shutil.rmtree(folder / "vae")
    assert client.get(f"{RUN}/map/{last}/points").status_code == 404
    assert client.get(f"{RUN}/map").status_code == 404


def test_a_place_may_be_a_code(client: TestClient, folder: Path) -> None:
    socket = f"ws://127.0.0.1:{PORT}{RUN}/decode"
    with client.websocket_connect(socket, headers={"origin": ORIGIN}) as connection:
        connection.send_json({"number": 1, "places": [{"base": "code", "code": [0.5, -1]}]})
        assert len(connection.receive_bytes()) == 12 + 28 * 28
        for code in ([1], [0.0] * 65, [1e9, 0], ["a", "b"], None):
            connection.send_json({"number": 2, "places": [{"base": "code", "code": code}]})
            assert "error" in connection.receive_json()
