"""What the studio refuses: strangers, other hosts and pages, paths, large and foreign files."""

from __future__ import annotations

import json
import os
import pickle
import re
import socket
import struct
import tempfile
import zlib
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from studio_client import ORIGIN, PORT, TOKEN

from limner.studio import trials
from limner.studio.security import HEADERS, STRANGER
from limner.studio.serve import bind
from limner.studio.views import PAGE, module_names

GETS = [
    "/", "/page/app.js", "/api/runs", "/api/live", "/api/runs/vae", "/api/runs/vae/live",
    "/api/runs/vae/samples/0", "/api/runs/vae/verdicts?images=1000", "/api/runs/vae/abilities",
    "/api/runs/vae/axes", "/api/runs/vae/strip.png", "/api/runs/vae/grid.png", "/api/runs/vae/path.png",
    "/api/runs/vae/path.gif", "/api/compare?run=vae", "/api/runs/vae/compare/samples?seed=0",
    "/api/runs/vae/groups",
]  # fmt: skip
POSTS = ["/api/runs/vae/control", "/api/runs/vae/resume", "/api/runs/vae/try/reconstruct"]
MAP = "/api/runs/vae/map"
GETS += [MAP, f"{MAP}/0/points", f"{MAP}/0/sheets/0.png", f"{MAP}/0/images/0.png", f"{MAP}/0/nearest/0"]
GETS += ["/api/runs/vae/copies", "/api/runs/vae/try/reconstruct/tests/0.png"]
GETS += ["/api/runs/vae/try/reconstruct/tests"]
POSTS += [f"{MAP}/0/mean.png"]
POSTS += ["/api/runs/vae/directions"]
GETS += ["/api/new", "/api/new/form?model=vae", "/api/new/check", "/api/new/started/vae"]
GETS += ["/api/new/sheets/1-0.png"]
POSTS += ["/api/new/plan", "/api/new/forecast", "/api/new/start"]
GETS += ["/api/runs/vae/update", "/api/lecture", "/api/lecture/live", "/api/lecture/texts/gan"]
POSTS += ["/api/lecture/runs/vae"]
SOCKET = f"ws://127.0.0.1:{PORT}/api/runs/vae/decode"
HOSTS = ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", f"[::1]:{PORT}"]
PAGES = ["http://evil.example", "https://127.0.0.1:8600", "http://127.0.0.1:1", "null"]
NAMES = [
    "..",
    "%2e%2e",
    "..%2f..",
    "../runs/vae",
    "%2e%2e%2fruns%2fvae",
    "/etc",
    "%2Fetc",
    "vae%2f..",
    "link",
]
NAMES += ["vae%00", "%2fvae"]
FILES = ["..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "index.html", "../app.py", ""]
AXES = 'strip={"axis":0}&grid={"across":0,"up":1}&places=[{},{"number":1}]&steps=2&images=1000&skip=0'
AXES += '&groups={"a":[{}],"b":[{"number":1}]}'
PLAN = 'plan={"data":"digits","model":"vae"}'


def socket_refusal(client: TestClient, headers: dict[str, str]) -> str:
    """Why a socket does not open."""
    with pytest.raises(WebSocketDisconnect) as error, client.websocket_connect(SOCKET, headers=headers):
        pass
    assert error.value.code == 4403
    return str(error.value.reason)


def test_every_route_is_in_these_tests(stranger: TestClient) -> None:
    paths = {route.path for route in stranger.app.state.studio.routes()}
    asked = {re.sub(r"\?.*|ws://[^/]*", "", path) for path in [*GETS, *POSTS, SOCKET]}
    asked = {path.replace("/vae", "/{run}").replace("samples/0", "samples/{images:int}") for path in asked}
    asked = {path.replace("app.js", "{file}").replace("try/reconstruct", "try/{trial}") for path in asked}
    numbers = {"sheets/0": "sheets/{part:int}", "images/0": "images/{point:int}"}
    numbers |= {"tests/0": "tests/{number:int}", "nearest/0": "nearest/{point:int}", "map/0": "map/{map}"}
    for number, name in numbers.items():
        asked = {path.replace(number, name) for path in asked}
    asked = {path.replace("compare/samples", "compare/{task}") for path in asked}
    asked = {path.replace("sheets/1-0", "sheets/{sheet}") for path in asked}
    asked = {path.replace("texts/gan", "texts/{part}") for path in asked}
    assert asked == paths


@pytest.mark.parametrize("path", GETS)
def test_a_stranger_reads_nothing(path: str, stranger: TestClient) -> None:
    assert stranger.get(path).status_code == 403
    assert stranger.get(path, params={"token": "another"}).status_code == 403
    assert stranger.get(path, headers={"cookie": f"limner-studio-{PORT}=another"}).status_code == 403


@pytest.mark.parametrize("path", POSTS)
def test_a_stranger_changes_nothing(path: str, stranger: TestClient) -> None:
    assert stranger.post(path, headers={"origin": ORIGIN}, content=b"{}").status_code == 403
    assert stranger.post(f"{path}?token={TOKEN}", headers={"origin": ORIGIN}).status_code == 403


def test_a_stranger_opens_no_socket(stranger: TestClient) -> None:
    assert socket_refusal(stranger, {"origin": ORIGIN}) == STRANGER


def test_the_token_is_kept_where_no_script_reads_it(stranger: TestClient) -> None:
    answer = stranger.get(f"/?token={TOKEN}")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert stranger.get("/api/runs").status_code == 200
    assert "set-cookie" not in stranger.get("/").headers


@pytest.mark.parametrize("host", HOSTS)
def test_another_host_is_refused(host: str, client: TestClient) -> None:
    """What a page does whose name was made to point here (DNS rebinding)."""
    headers = {"host": host, "origin": f"http://{host}"}
    assert client.get("/api/runs", headers=headers).status_code == 403
    assert client.get(f"/?token={TOKEN}", headers=headers).status_code == 403
    assert client.post(POSTS[0], headers=headers).status_code == 403
    assert "127.0.0.1 only" in socket_refusal(client, headers)


@pytest.mark.parametrize("origin", PAGES)
def test_another_page_is_refused(origin: str, client: TestClient) -> None:
    headers = {"origin": origin}
    assert client.get("/api/runs", headers=headers).status_code == 403
    for path in POSTS:
        assert client.post(path, headers=headers).status_code == 403
    assert socket_refusal(client, headers) == "another page asked"


def test_a_request_that_changes_something_must_say_who_asks(client: TestClient) -> None:
    del client.headers["origin"]
    assert client.get("/api/runs").status_code == 200
    for path in POSTS:
        assert client.post(path).status_code == 403
    assert "which page asked" in socket_refusal(client, {})


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_picture_in_another_page_is_refused(site: str, client: TestClient) -> None:
    """The browser sends the cookie from other ports of this machine too, and no origin with a picture."""
    del client.headers["origin"]
    answer = client.get("/api/runs/vae/samples/0", headers={"sec-fetch-site": site})
    assert answer.status_code == 403
    assert client.get("/api/runs/vae/samples/0", headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for path in ["/", "/page/studio.css", "/api/runs", "/api/runs/none", "/none"]:
        for headers in ({}, {"origin": "http://evil.example"}):
            answer = client.get(path, headers=headers)
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
            assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in HEADERS["Content-Security-Policy"]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_the_page_has_no_inline_code_and_knows_no_other_host() -> None:
    index = (PAGE / "index.html").read_text()
    assert not re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", index)
    for path in PAGE.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.findall(r"https?://|//[a-z]+\.[a-z]", text), path
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\b|document\.write", text), path


def test_the_page_stays_small() -> None:
    """In bytes, with comments and spaces: what one page loads, and all of it."""
    sizes = {path.name: path.stat().st_size for path in PAGE.iterdir()}
    frame = sum(size for name, size in sizes.items() if not name.endswith(".js"))
    views = [path.stem for path in PAGE.glob("*.js") if "export default" in path.read_text()]
    modules = [{"app", "model", *module_names(view)} for view in views]
    assert max(frame + sum(sizes[f"{name}.js"] for name in names) for names in modules) < 90_000
    assert sum(sizes.values()) < 187_000


def test_only_this_machine_is_listened_to() -> None:
    listener = bind(0)
    assert listener.getsockname()[0] == "127.0.0.1"
    listener.close()


@pytest.mark.parametrize("name", NAMES)
def test_no_path_leads_to_a_run(name: str, client: TestClient, folder: Path) -> None:
    outside = folder.parent / "outside"
    (folder / "vae").rename(outside)
    os.symlink(outside, folder / "link")
    for rest in ("", "/samples/0", "/abilities", "/verdicts?images=1"):
        assert client.get(f"/api/runs/{name}{rest}").status_code in (404, 405), rest
    for path in ("control", "resume", "try/reconstruct"):
        assert client.post(f"/api/runs/{name}/{path}", content=b"{}").status_code in (404, 405)
    assert client.get("/api/runs").json()["runs"] == []


@pytest.mark.parametrize("file", FILES)
def test_only_the_page_s_own_files_are_given(file: str, client: TestClient) -> None:
    assert client.get(f"/page/{file}").status_code == 404


@pytest.mark.parametrize("part", ["run.json", "log.jsonl", "weights.safetensors", "samples"])
def test_a_link_out_of_a_run_is_not_followed(part: str, client: TestClient, folder: Path) -> None:
    outside = folder.parent / "elsewhere"
    (folder / "vae" / part).rename(outside)
    os.symlink(outside, folder / "vae" / part)
    (card,) = client.get("/api/runs").json()["runs"]
    assert card["status"] == "unreadable"
    assert "link to another place" in card["problem"]
    assert client.get("/api/runs/vae").json()["problem"] == card["problem"]
    assert client.get("/api/runs/vae/abilities").status_code == 422


def test_a_picture_that_is_a_link_is_not_shown(client: TestClient, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    os.symlink(tmp_path / "secret.png", folder / "vae" / "samples" / "999999999.png")
    assert client.get("/api/runs/vae/samples/999999999").status_code == 404
    assert 999999999 not in client.get("/api/runs/vae").json()["pictures"]


def test_a_pipe_blocks_nothing(client: TestClient, folder: Path) -> None:
    (folder / "vae" / "log.jsonl").unlink()
    os.mkfifo(folder / "vae" / "log.jsonl")
    assert "no ordinary file" in client.get("/api/runs").json()["runs"][0]["problem"]


# -- what is sent --------------------------------------------------------------------------------
def giant_png(side: int) -> bytes:
    """A PNG of a few bytes that declares so many pixels a side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body


class Explosive:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("unpickled",)


def test_an_image_of_too_many_bytes_is_not_read(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "LARGEST_UPLOAD", 1000)
    answer = client.post(POSTS[2], content=b"x" * 1001)
    assert answer.status_code == 413
    assert "does not read it" in answer.json()["error"]
    assert client.post(POSTS[0], content=b"x" * 10_001).status_code == 413


BAD = {
    "giant": (giant_png(20_000), "the image cannot be read: giant"),
    "cut": (giant_png(50), "the image cannot be read: truncated"),
    "empty": (b"", "the image cannot be read: empty"),
    "head": (b"GIF89a", "the image cannot be read"),
    "drawing": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "the image cannot be read: not an image"),
    "pickle": (pickle.dumps(Explosive()), "the image cannot be read: not an image"),
    "archive": (b"PK\x03\x04" + b"\0" * 30, "the image cannot be read"),
}


@pytest.mark.parametrize(("content", "reason"), BAD.values(), ids=BAD)
def test_a_bad_image_is_one_line(
    content: bytes, reason: str, client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))  # other processes use the system's
    answer = client.post(POSTS[2], content=content)
    assert answer.status_code == 422
    assert reason in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert not Path("unpickled").exists()
    assert os.listdir(tmp_path / "temporary") == []


@pytest.mark.parametrize("part", ["weights.safetensors", "run.json", "state.pt"])
def test_nothing_is_unpickled(part: str, client: TestClient, folder: Path) -> None:
    (folder / "vae" / part).write_bytes(pickle.dumps(Explosive()))
    paths = (path for path in GETS if "/vae" in path and not path.endswith("live"))
    for path in [*paths, f"{MAP}?n=20"]:
        client.get(f"{path}{'&' if '?' in path else '?'}{AXES if 'n=20' not in path else ''}")
    assert not Path("unpickled").exists()


def test_a_model_from_elsewhere_is_not_imported(client: TestClient, folder: Path) -> None:
    Path("evil.py").write_text("import os; os.mkdir('imported')")
    path = folder / "vae" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model": "evil:Model"}))
    for each in ("/api/runs", "/api/runs/vae", "/api/runs/vae/verdicts?images=4000"):
        assert client.get(each).status_code == 200
    assert client.get("/api/runs/vae/abilities").status_code == 422
    assert "was not trained here" in client.post("/api/runs/vae/resume").json()["error"]
    assert not Path("imported").exists()


def test_no_other_host_is_looked_up(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name is looked up")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "gethostbyname", refuse)
    known: dict[str, str] = {}
    while "map" not in known:
        answer = client.get(f"{MAP}?n=20")
        assert answer.status_code == 200
        known = answer.json()
    for path in (path.replace(f"{MAP}/0", f"{MAP}/{known['map']}") for path in GETS if f"{MAP}/" in path):
        assert client.get(path).status_code == 200, path
    left_out = ("live", "started/vae")  # one never ends, and no run was started
    for path in (path for path in GETS if not path.endswith(left_out) and MAP not in path):
        answer = client.get(f"{path}{'&' if '?' in path else '?'}{AXES}&{PLAN}")
        assert answer.status_code == 200, (path, answer.text)
