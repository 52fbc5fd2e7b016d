"""Many requests and many sockets, on a real server: no answer is lost, and dropped pages do no harm."""

from __future__ import annotations

import json
import struct
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import SHUT_RDWR

import pytest
from studio_client import TOKEN

pytest.importorskip("uvicorn", reason="needs the extra 'studio'")
from studio_server import run_studio

client = pytest.importorskip("websockets.sync.client", reason="needs the extra 'studio'")


@pytest.fixture
def served(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The host of a studio, and the headers of a page that knows it."""
    with run_studio(folder) as port:
        host = f"127.0.0.1:{port}"
        yield host, {"Cookie": f"limner-studio-{port}={TOKEN}", "Origin": f"http://{host}"}


def test_no_answer_is_lost(served: tuple[str, dict[str, str]]) -> None:
    host, headers = served
    paths = ["/api/runs", "/api/runs/vae", "/api/runs/vae/samples/0", "/api/runs/vae/verdicts?images=2000"]

    def ask(i: int) -> bytes:
        request = urllib.request.Request(f"http://{host}{paths[i % len(paths)]}", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(200)))
    for i in range(len(paths)):
        assert len(set(answers[i :: len(paths)])) == 1
        assert answers[i]


def test_sockets_that_are_dropped_do_no_harm(served: tuple[str, dict[str, str]]) -> None:
    host, headers = served
    address, cookie = f"ws://{host}/api/runs/vae/decode", {"Cookie": headers["Cookie"]}
    for i in range(50):
        with client.connect(address, additional_headers=cookie, origin=headers["Origin"]) as socket:
            socket.send(json.dumps({"number": i, "places": [{}]}))
            socket.socket.shutdown(SHUT_RDWR)  # without a farewell
    with client.connect(address, additional_headers=cookie, origin=headers["Origin"]) as socket:
        for i in range(200):  # faster than they can be answered: the last one is
            socket.send(json.dumps({"number": i, "places": [{"number": i}]}))
        numbers = [0]
        while numbers[-1] != 199:
            (number,) = struct.unpack("<I", socket.recv(timeout=60)[:4])
            numbers.append(number)
        assert numbers == sorted(numbers)
