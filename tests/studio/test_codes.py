"""Codes and images over the studio's addresses: places, strips, paths, the socket, and trials of an image."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small import small, small_source
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from studio_client import ORIGIN, PORT, TOKEN

import limner
from limner.data import Dataset
from limner.explore import Place, Plane, reconstruct
from limner.figures import to_pil
from limner.studio.app import build
from limner.studio.folder import Folder
from limner.studio.sockets import Latest
from limner.studio.worker import MOST, Worker

RUN = "/api/runs/vae"
SOCKET = f"ws://127.0.0.1:{PORT}{RUN}/decode"
MIXED = '{"number": 1, "places": [{}, 3]}'


def query(**values: Any) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def read(answer: Any) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_abilities_and_axes(client: TestClient) -> None:
    known = client.get(f"{RUN}/abilities").json()
    assert known["trials"] == ["reconstruct", "anomalies", "similar"]
    assert known["plane"]["bases"] == ["mean", "seed", "image"]
    assert (known["plane"]["dim"], known["plane"]["labels"], known["images"]) == (2, [], 4096)
    axes = client.get(f"{RUN}/axes").json()["axes"]
    assert {axis["name"] for axis in axes} == {"direction 1", "direction 2", "variable 1", "variable 2"}
    effects = [axis["effect"] for axis in axes]
    assert effects == sorted(effects, reverse=True)
    assert effects[-1] > 0


def test_pictures_are_the_plane_s_images(client: TestClient, folder: Path) -> None:
    plane = Plane(limner.load(folder / "vae"))
    place = {"base": "image", "number": 3, "moves": [[1, 0.5]]}
    strip = read(client.get(f"{RUN}/strip.png", params=query(place=place, strip={"axis": 0, "steps": 5})))
    assert strip.shape == (28, 5 * 28)
    middle = plane.pixels([Place.parse(place)])[0, 0].numpy()
    assert (strip[:, 2 * 28 : 3 * 28] == middle).all()
    over = query(grid={"across": 2, "up": 3, "side": 3, "span": 2})
    grid = read(client.get(f"{RUN}/grid.png", params=over))
    corner = plane.pixels([Place(moves=((3, 2.0), (2, 2.0)))])[0, 0].numpy()
    assert (grid[:28, 56:] == corner).all()
    places = [{"base": "seed", "number": 1}, {"base": "seed", "number": 2}]
    path = read(client.get(f"{RUN}/path.png", params=query(places=places, steps=4)))
    ends = plane.pixels([Place.parse(each) for each in places])[:, 0].numpy()
    assert path.shape == (28, 5 * 28)
    assert (path[:, :28] == ends[0]).all()
    assert (path[:, -28:] == ends[1]).all()
    answer = client.get(f"{RUN}/path.gif", params=query(places=places, steps=4))
    assert answer.headers["content-disposition"] == 'attachment; filename="path.gif"'
    assert Image.open(io.BytesIO(answer.content)).n_frames == 8


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("strip.png", {"strip": {"axis": 99}}),
    ("strip.png", {"strip": {"axis": -1}}),
    ("strip.png", {"strip": {"axis": 0, "steps": 10**9}}),
    ("strip.png", {"strip": {}}),
    ("strip.png", {"strip": "{"}),
    ("strip.png", {"strip": []}),
    ("strip.png", {"place": {"base": "/etc/passwd"}, "strip": {"axis": 0}}),
    ("strip.png", {"place": {"base": "image", "number": 10**8}, "strip": {"axis": 0}}),
    ("strip.png", {"place": {"label": "3"}, "strip": {"axis": 0}}),
    ("strip.png", {"place": {"moves": [[0, 1e9]]}, "strip": {"axis": 0}}),
    ("grid.png", {"grid": {"across": 0, "up": 1, "side": 1000}}),
    ("path.png", {"places": [], "steps": 2}),
    ("path.png", {"places": [{}] * 13, "steps": 2}),
    ("path.png", {"places": [3], "steps": 2}),
    ("path.gif", {"places": [{}, {}], "steps": "many"}),
]


@pytest.mark.parametrize(("path", "values"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_request_is_one_line(path: str, values: dict[str, Any], client: TestClient) -> None:
    answer = client.get(f"{RUN}/{path}", params=query(**values))
    assert answer.status_code == 422
    assert len(answer.json()["error"].splitlines()) == 1


# -- the socket -------------------------------------------------------------------------------------------
def test_the_socket_sends_raw_pixels(client: TestClient, folder: Path) -> None:
    places = [{"base": "seed", "number": 5, "moves": [[0, 1.5]]}, {}]
    with client.websocket_connect(SOCKET, headers={"origin": ORIGIN}) as socket:
        socket.send_json({"number": 7, "places": places})
        data = socket.receive_bytes()
        assert struct.unpack("<IHHHH", data[:12]) == (7, 2, 1, 28, 28)
        pixels = Plane(limner.load(folder / "vae")).pixels([Place.parse(place) for place in places])
        assert data[12:] == pixels.numpy().tobytes()
        for wrong in ("{", "[]", "3", '{"number": 1}', '{"number": -1, "places": [{}]}', MIXED):
            socket.send_text(wrong)
            assert socket.receive_json()["error"]
        socket.send_json({"number": 8, "places": [{"base": "image", "number": 10**8}]})
        error = "there is no test image 100000000: digits has 0 to 178"
        assert socket.receive_json() == {"number": 8, "error": error}
        socket.send_json({"number": 9, "places": [{}]})
        assert struct.unpack("<I", socket.receive_bytes()[:4]) == (9,)


def test_a_socket_of_no_run_says_so(client: TestClient) -> None:
    with client.websocket_connect(SOCKET.replace("vae", "none"), headers={"origin": ORIGIN}) as socket:
        socket.send_json({"number": 1, "places": [{}]})
        assert socket.receive_json()["error"] == "there is no such run any more"


def test_bytes_close_the_socket(client: TestClient) -> None:
    with client.websocket_connect(SOCKET, headers={"origin": ORIGIN}) as socket:
        socket.send_bytes(b"{}")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_bytes()


def test_the_latest_request_wins() -> None:
    async def use() -> None:
        box = Latest()
        for text in ("first", "second", "third"):
            box.put(text)
        assert await box.take() == "third"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(box.take(), 0.01)

    asyncio.run(use())


def test_few_models_are_kept_and_a_newer_one_is_read(folder: Path) -> None:
    for i in range(MOST + 1):
        shutil.copytree(folder / "vae", folder / f"run-{i}")
    worker = Worker(Folder(folder))
    try:
        opened = [worker.compute(f"run-{i}", lambda opened: opened, False) for i in range(MOST + 1)]
        assert list(worker.opened) == [folder / f"run-{i}" for i in range(1, MOST + 1)]
        name = f"run-{MOST}"
        os.utime(folder / name / "weights.safetensors", (1, 1))
        assert worker.compute(name, lambda opened: opened, False) is opened[-1]
        assert worker.compute(name, lambda opened: opened, True) is not opened[-1]
    finally:
        worker.close()


# -- an image ---------------------------------------------------------------------------------------------
def image_file(digits: Dataset) -> bytes:
    file = io.BytesIO()
    to_pil(digits.test.pixels[0]).save(file, "PNG")
    return file.getvalue()


def pixels_of(image: dict[str, Any]) -> torch.Tensor:
    data = bytearray(base64.b64decode(image["pixels"]))
    return torch.frombuffer(data, dtype=torch.uint8).reshape(image["shape"])


def test_trials_are_what_explore_gives(
    client: TestClient, folder: Path, digits: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "digit.png").write_bytes(image_file(digits))
    result = client.post(f"{RUN}/try/reconstruct", content=image_file(digits)).json()
    received, reconstruction = result["images"]
    data = reconstruct(limner.load(folder / "vae"), [tmp_path / "digit.png"]).data
    assert torch.equal(pixels_of(received), data["pixels"][0])
    assert torch.equal(pixels_of(reconstruction), data["reconstructions"][0])
    assert (received["kind"], reconstruction["kind"]) == ("real", "generated")
    assert result["numbers"] == [f"mean squared error {data['mse'][0]:.4f}"]
    score = client.post(f"{RUN}/try/anomalies", content=image_file(digits)).json()
    assert "of 179 test images score as high" in score["numbers"][0]
    nearest = client.post(f"{RUN}/try/similar", content=image_file(digits)).json()["images"]
    assert len(nearest) == 1 + 2 * 6
    assert torch.equal(pixels_of(nearest[0]), data["pixels"][0])


def test_a_test_image_is_received_as_it_is(client: TestClient, digits: Dataset) -> None:
    assert client.get(f"{RUN}/try/reconstruct/tests").json() == {"count": 179}
    file = client.get(f"{RUN}/try/reconstruct/tests/7.png")
    assert file.headers["content-type"] == "image/png"
    received = client.post(f"{RUN}/try/reconstruct", content=file.content).json()["images"][0]
    assert torch.equal(pixels_of(received), digits.test.pixels[7])
    for path in ("reconstruct/tests/179.png", f"reconstruct/tests/{10**30}.png", "edit/tests/7.png"):
        answer = client.get(f"{RUN}/try/{path}")
        assert answer.status_code == 422
        assert re.search("there are 179 test images|cannot edit", answer.json()["error"])


def test_a_run_whose_data_have_gone_still_takes_images(digits: Dataset, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", images=digits.train.pixels[:60].numpy()[:, 0])
    settings = small("vae") | {"images": 50, "batch": 50, "quiet": True, "on_trouble": "ignore"}
    limner.train("vae", tmp_path / "mine.npz", out=tmp_path / "runs" / "vae", **settings)
    (tmp_path / "mine.npz").unlink()
    with TestClient(build(tmp_path / "runs", TOKEN, PORT), base_url=ORIGIN) as client:
        client.get(f"/?token={TOKEN}")
        client.headers["origin"] = ORIGIN
        assert "reconstruct" in client.get(f"{RUN}/abilities").json()["trials"]
        answer = client.post(f"{RUN}/try/reconstruct", content=image_file(digits))
        assert answer.status_code == 200, answer.text
        answer = client.get(f"{RUN}/try/reconstruct/tests")
        assert (answer.status_code, "mine.npz" in answer.json()["error"]) == (422, True)


def test_an_image_of_another_size_is_fitted_and_the_page_says_how(client: TestClient) -> None:
    file = io.BytesIO()
    Image.new("RGB", (100, 60), "white").save(file, "PNG")
    result = client.post(f"{RUN}/try/reconstruct", content=file.getvalue()).json()
    assert result["images"][0]["shape"] == [1, 28, 28]
    wanted = "your image: 60 high x 100 wide cropped to the middle and resized to 28x28; converted to grey"
    assert result["notes"][0] == wanted
    assert len(set(result["notes"])) == len(result["notes"])


def test_a_trial_that_the_model_cannot_do_is_refused(client: TestClient, digits: Dataset) -> None:
    for trial in ("edit", "translate to A", "invert", "nothing", "__class__"):
        answer = client.post(f"{RUN}/try/{trial}", content=image_file(digits))
        assert answer.status_code == 422
        assert f"cannot {trial}" in answer.json()["error"]


@pytest.mark.parametrize("model", ["caae", "gan", "stylegan", "cyclegan"])
def test_every_model_has_its_pages(model: str, digits: Dataset, tmp_path: Path) -> None:
    source = small_source(model, tmp_path)
    settings = small(model) | {"images": 200, "batch": 50, "quiet": True, "on_trouble": "ignore"}
    limner.train(model, source, out=tmp_path / "runs" / "vae", **settings)
    app = build(tmp_path / "runs", TOKEN, PORT)
    with TestClient(app, base_url=ORIGIN) as client:
        client.get(f"/?token={TOKEN}")
        client.headers["origin"] = ORIGIN
        known = client.get(f"{RUN}/abilities").json()
        assert known["trials"], "a model without any"
        for trial in known["trials"]:
            if (model, trial) == ("stylegan", "invert"):  # the same search as gan's, and slow
                continue
            file = client.get(f"{RUN}/try/{trial}/tests/0.png").content
            answer = client.post(f"{RUN}/try/{trial}", content=file)
            assert answer.status_code == 200, answer.text
            image = answer.json()["images"][0]
            assert image["caption"] == "what the model receives"
            loaded = limner.load(tmp_path / "runs" / "vae")
            domains = {"translate to A": "b", "translate to B": "a"}
            data = getattr(loaded.domains, domains[trial]) if trial in domains else loaded.data
            assert torch.equal(pixels_of(image), data.test.pixels[0])
        assert client.get(RUN).json()["panels"]
        if known["plane"] is None:
            assert "has no decoder" in known["why"]
            return
        assert client.get(f"{RUN}/axes").json()["axes"]
        label = {"label": known["plane"]["labels"][-1]} if known["plane"]["labels"] else {}
        for base in known["plane"]["bases"]:
            place = {"base": base, "moves": [[0, 1.0]]} | label
            assert read(client.get(f"{RUN}/strip.png", params=query(place=place, strip={"axis": 0}))).any()
    app.state.studio.worker.close()
