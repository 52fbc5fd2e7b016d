"""A folder with a tiny run, a client that the studio knows, and a page in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from processes import SUBPROCESS
from studio_client import ORIGIN, PORT, TOKEN

starlette = pytest.importorskip("starlette", reason="needs the extra 'studio'")

from starlette.testclient import TestClient  # noqa: E402

import limner  # noqa: E402
from limner.studio.app import build  # noqa: E402


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run on the digits that is finished."""
    folder = tmp_path_factory.mktemp("trained") / "vae"
    settings = {"latent_dim": 2, "hidden": (32,), "images": 4000, "tick": 500, "quiet": True}
    return limner.train("vae", "digits", out=folder, **settings).path


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A folder of runs with a copy of that run."""
    shutil.copytree(trained, tmp_path / "runs" / "vae")
    return tmp_path / "runs"


@pytest.fixture
def stranger(folder: Path) -> Iterator[TestClient]:
    """A client without the token."""
    app = build(folder, TOKEN, PORT)
    with TestClient(app, base_url=ORIGIN) as client:
        yield client
    app.state.studio.worker.close()


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    """A client that has opened the first page, and asks as that page does."""
    assert stranger.get(f"/?token={TOKEN}").status_code == 200
    stranger.headers["origin"] = ORIGIN
    return stranger


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    """The address of a studio of the folder `runs`, which each module of tests in the browser makes."""
    from studio_server import run_studio

    with run_studio(runs) as port:
        yield f"http://127.0.0.1:{port}/?token={TOKEN}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium without a window."""
    from studio_browser import CHROMIUM, api

    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def complaint(message: Any) -> list[str]:
    """What a page's console says, but of pictures and verdicts that have gone: a run was moved or resumed."""
    url, text = message.location.get("url", ""), message.text
    has_gone = "404" in text and re.search("/api/runs/[^/]+/(samples|verdicts)", url)
    return [] if message.type == "log" or has_gone else [f"{text} {url}"]


@pytest.fixture
def quick_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings and forecasts are forked on Linux; test_newrun has one that is started as users start it."""
    for module in ("trainings", "newrun") if Path("/proc").exists() else ():
        monkeypatch.setattr(f"limner.studio.{module}.subprocess", SUBPROCESS)


@pytest.fixture
def page(browser: Any, address: str, quick_processes: None) -> Iterator[Any]:
    """A page that must not complain, and must ask no other host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda message: complaints.extend(complaint(message)))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(urlparse(request.url).netloc))
    page.on("websocket", lambda socket: hosts.add(urlparse(socket.url).netloc))
    page.set_default_timeout(60_000)  # the machine may be busy
    yield page
    context.close()
    assert complaints == []
    assert hosts == {urlparse(address).netloc}
