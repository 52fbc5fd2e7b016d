"""A folder with a tiny run, a client that the studio knows, and runs in every state."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
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
