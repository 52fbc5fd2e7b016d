"""Images that follow the pointer: a socket on which the latest request wins, with one in work at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from limner.errors import LimnerError
from limner.explore import Place
from limner.studio.wire import pack
from limner.studio.worker import Worker

MOST = 16  # places in a request
LARGEST_NUMBER = 2**32


class Latest:
    """A box for one request: a new one replaces the one that waits."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.filled = asyncio.Event()

    def put(self, text: str) -> None:
        """Replace what is in the box."""
        self.text = text
        self.filled.set()

    async def take(self) -> str:
        """What is in the box, as soon as there is something."""
        await self.filled.wait()
        self.filled.clear()
        assert self.text is not None
        return self.text


class Decoding:
    """Serves the sockets of all pages by one worker."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    async def serve(self, socket: WebSocket) -> None:
        """Answer one page until it leaves."""
        await socket.accept()
        latest = Latest()
        answering = asyncio.create_task(self.answer_all(socket, latest))
        try:
            while True:
                latest.put(await socket.receive_text())
        except WebSocketDisconnect:
            pass
        except KeyError:  # a message of bytes
            await socket.close(1003)
        finally:
            answering.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await answering

    async def answer_all(self, socket: WebSocket, latest: Latest) -> None:
        """Answer the latest request again and again."""
        while True:
            text = await latest.take()
            number, answer = await self.answer(socket.path_params["run"], text)
            if isinstance(answer, bytes):
                await socket.send_bytes(answer)
            else:
                await socket.send_json({"number": number, "error": answer})

    async def answer(self, run: str, text: str) -> tuple[int, bytes | str]:
        """The number of a request, and its images, or why there are none."""
        number = 0
        try:
            number, places = parse_request(text)
            pixels = await self.worker.call(run, lambda opened: opened.plane.pixels(places))
            return number, pack(number, pixels)
        except (LimnerError, OSError) as error:
            return number, " ".join(str(error).split())


def parse_request(text: str) -> tuple[int, list[Place]]:
    """The number and the places of a request; LimnerError for anything else."""
    try:
        content: Any = json.loads(text)
        number, places = content["number"], content["places"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise LimnerError("a request has a number and places") from None
    if not isinstance(number, int) or not 0 <= number < LARGEST_NUMBER:
        raise LimnerError("the number of a request must be a whole number below 2 ** 32")
    if not isinstance(places, list) or not 0 < len(places) <= MOST:
        raise LimnerError(f"a request has from 1 to {MOST} places")
    if not all(isinstance(place, dict) for place in places):
        raise LimnerError("a place must be an object")
    return number, [Place.parse(place) for place in places]
