"""Starting the studio: a socket on 127.0.0.1, a token, and the server."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from limner.errors import LimnerError
from limner.studio.app import build

HOST = "127.0.0.1"
PORT = 8600  # unless it is taken
LARGEST_MESSAGE = 65_536  # bytes from a page over a socket


def bind(port: int | None) -> socket.socket:
    """A socket on 127.0.0.1: on that port, or on PORT, or on a free one; LimnerError where it is taken."""
    for candidate in (PORT, 0) if port is None else (port,):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, candidate))
            listener.listen(128)  # so that a page that is opened before the server is ready waits
        except (OSError, OverflowError) as error:
            listener.close()
            if port is not None:
                reason = getattr(error, "strerror", None) or str(error)
                raise LimnerError(f"port {port} cannot be used ({reason}): leave --port out") from None
            continue
        return listener
    raise LimnerError("no port is free")


def serve(root: Path, images: Sequence[Path], port: int | None, announce: Callable[[str], None]) -> None:
    """Serve the studio of a folder of runs until the process is interrupted; `announce` gets its address.

    New runs train on what lies in the folders `images`.
    """
    listener = bind(port)
    used, token = listener.getsockname()[1], secrets.token_urlsafe(24)
    config = uvicorn.Config(
        build(root, token, used, images),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws_max_size=LARGEST_MESSAGE,
        ws_per_message_deflate=False,  # images of a few kilobytes, on one machine
        timeout_graceful_shutdown=1,
    )
    announce(f"http://{HOST}:{used}/?token={token}")
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()
