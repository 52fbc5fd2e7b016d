"""A studio on a real port, in a thread of the tests' process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from studio_client import TOKEN

from limner.studio.app import build
from limner.studio.serve import bind


@contextmanager
def run_studio(folder: Path, images: Sequence[Path] = ()) -> Iterator[int]:
    """Serve a folder of runs with TOKEN; gives the port, and ends the server in order."""
    listener = bind(0)
    port: int = listener.getsockname()[1]
    app = build(folder, TOKEN, port, images)
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield port
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    app.state.studio.worker.close()
