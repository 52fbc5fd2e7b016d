"""The studio's server: routes, and the answer to every mistake."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from limner.errors import LimnerError
from limner.explore import Grid, Place, Strip
from limner.settings import Settings
from limner.studio.answers import folder_events, run_details, run_events, run_verdicts
from limner.studio.folder import Folder, NoRun
from limner.studio.security import Guard
from limner.studio.sockets import Decoding
from limner.studio.trainings import Trainings, request_changes
from limner.studio.trials import trial_names, try_image
from limner.studio.wire import gif, strip_png
from limner.studio.worker import Opened, Worker

PAGE = Path(__file__).parent / "page"
FILES = {path.name: path for path in sorted(PAGE.iterdir()) if path.suffix in (".js", ".css", ".svg")}
LARGEST_UPLOAD = 20_000_000  # bytes of an image; its pixels are limited where it is decoded
LARGEST_REQUEST = 10_000  # bytes of anything else
MOST_PLACES = 12
T = TypeVar("T", bound=Settings)


class TooLarge(LimnerError):
    """A request has more bytes than the studio reads."""


class Studio:
    """The answers to all requests about one folder of runs."""

    def __init__(self, root: Path) -> None:
        self.folder, self.trainings = Folder(root), Trainings()
        self.worker = Worker(self.folder)

    def routes(self) -> list[Route | WebSocketRoute]:
        """Every address that is answered."""
        get = {
            "/": self.index,
            "/page/{file}": self.file,
            "/api/runs": self.runs,
            "/api/live": self.live,
            "/api/runs/{run}": self.details,
            "/api/runs/{run}/live": self.run_live,
            "/api/runs/{run}/samples/{images:int}": self.sample,
            "/api/runs/{run}/verdicts": self.verdicts,
            "/api/runs/{run}/abilities": self.abilities,
            "/api/runs/{run}/axes": self.axes,
            "/api/runs/{run}/strip.png": self.strip,
            "/api/runs/{run}/grid.png": self.grid,
            "/api/runs/{run}/path.png": self.path,
            "/api/runs/{run}/path.gif": self.path,
        }
        post = {
            "/api/runs/{run}/control": self.control,
            "/api/runs/{run}/resume": self.resume,
            "/api/runs/{run}/try/{trial}": self.attempt,
        }
        socket = WebSocketRoute("/api/runs/{run}/decode", Decoding(self.worker).serve)
        return [
            *(Route(path, answer, methods=["GET"]) for path, answer in get.items()),
            *(Route(path, answer, methods=["POST"]) for path, answer in post.items()),
            socket,
        ]

    # -- the page ---------------------------------------------------------------------------------------
    async def index(self, _: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def file(self, request: Request) -> Response:
        path = FILES.get(request.path_params["file"])
        return Response(status_code=404) if path is None else FileResponse(path)

    # -- runs -------------------------------------------------------------------------------------------
    async def runs(self, _: Request) -> Response:
        cards = await asyncio.to_thread(self.folder.cards)
        return JSONResponse({"folder": str(self.folder.root), "runs": cards})

    async def live(self, _: Request) -> Response:
        return StreamingResponse(folder_events(self.folder), media_type="text/event-stream")

    async def details(self, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(run_details, self.folder, self.trainings, name(request)))

    async def run_live(self, request: Request) -> Response:
        events = run_events(self.folder, self.trainings, name(request))
        return StreamingResponse(events, media_type="text/event-stream")

    async def sample(self, request: Request) -> Response:
        path = self.folder.find(name(request))
        picture = self.folder.pictures(path).get(request.path_params["images"])
        if picture is None:
            raise NoRun("there is no such picture any more")
        return FileResponse(picture, media_type="image/png")

    async def verdicts(self, request: Request) -> Response:
        images = number(request, "images")
        return JSONResponse(await asyncio.to_thread(run_verdicts, self.folder, name(request), images))

    async def control(self, request: Request) -> Response:
        changes = await read_json(request)
        control = await asyncio.to_thread(request_changes, self.folder.find(name(request)), changes)
        return JSONResponse(control.json_values())

    async def resume(self, request: Request) -> Response:
        await asyncio.to_thread(self.trainings.resume, self.folder.find(name(request)))
        return JSONResponse({})

    # -- codes ------------------------------------------------------------------------------------------
    async def abilities(self, request: Request) -> Response:
        def describe(opened: Opened) -> dict[str, Any]:
            answer = {"trials": trial_names(opened), "images": opened.images, "plane": None, "why": ""}
            try:
                plane = opened.plane
            except LimnerError as error:
                return answer | {"why": str(error)}
            dim = plane.model.latent.dim
            known = {"bases": plane.bases, "labels": plane.labels, "truncates": plane.truncates, "dim": dim}
            return answer | {"plane": known | {"needs_label": opened.run.model.labels == "required"}}

        return JSONResponse(await self.worker.call(name(request), describe, newest=True))

    async def axes(self, request: Request) -> Response:
        def list_axes(opened: Opened) -> dict[str, Any]:
            axes = [{"name": axis.name, "effect": axis.effect} for axis in opened.plane.axes]
            return {"axes": axes, "notes": opened.plane.notes}

        return JSONResponse(await self.worker.call(name(request), list_axes))

    async def strip(self, request: Request) -> Response:
        place, strip = parameter(request, "place", Place), parameter(request, "strip", Strip)
        pixels = await self.worker.call(name(request), lambda opened: opened.plane.strip(place, strip))
        return Response(strip_png(pixels), media_type="image/png")

    async def grid(self, request: Request) -> Response:
        place, grid = parameter(request, "place", Place), parameter(request, "grid", Grid)

        def draw(opened: Opened) -> bytes:
            return strip_png(torch.cat(list(opened.plane.grid(place, grid)), 2))

        return Response(await self.worker.call(name(request), draw), media_type="image/png")

    async def path(self, request: Request) -> Response:
        places = [parse(Place, value) for value in load(request.query_params.get("places", "[]"), list)]
        if len(places) > MOST_PLACES:
            raise LimnerError(f"a path has at most {MOST_PLACES} places")
        steps = min(max(number(request, "steps"), 1), 24)
        moves = request.url.path.endswith(".gif")

        def draw(opened: Opened) -> bytes:
            pixels = opened.plane.path(places, steps)
            return gif(opened.plane.animation(pixels)) if moves else strip_png(pixels)

        content = await self.worker.call(name(request), draw)
        headers = {"Content-Disposition": 'attachment; filename="path.gif"'} if moves else {}
        return Response(content, media_type="image/gif" if moves else "image/png", headers=headers)

    async def attempt(self, request: Request) -> Response:
        data = await read_body(request, LARGEST_UPLOAD)

        def attempt(opened: Opened) -> dict[str, Any]:
            trial = request.path_params["trial"]
            if trial not in trial_names(opened):
                raise LimnerError(f"the model of {opened.run.name} cannot {trial}")
            with tempfile.TemporaryDirectory(prefix="limner-") as folder:  # nothing is kept
                path = Path(folder) / "image"
                path.write_bytes(data)
                try:
                    return try_image(opened, trial, path)
                except LimnerError as error:
                    raise LimnerError(str(error).replace(str(path), "the image")) from None

        return JSONResponse(await self.worker.call(name(request), attempt))


def name(request: Request) -> str:
    """The name of the run that a request is about."""
    return str(request.path_params["run"])


def number(request: Request, key: str) -> int:
    """A whole number of the query."""
    text = request.query_params.get(key, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise LimnerError(f"{key} must be a whole number, not '{text[:40]}'")
    return int(text)


def parameter(request: Request, key: str, kind: type[T]) -> T:
    """Settings in a query, as JSON."""
    return parse(kind, load(request.query_params.get(key, "{}"), dict))


def parse(kind: type[T], values: Any) -> T:
    """Settings of plain values."""
    if not isinstance(values, dict):
        raise LimnerError(f"{kind.__name__.lower()} must be an object")
    return kind.parse(values)


def load(text: str | bytes, kind: type) -> Any:
    """JSON of one kind."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise LimnerError("the request is not JSON") from None
    if not isinstance(content, kind):
        raise LimnerError(f"the request must be a {kind.__name__}")
    return content


async def read_body(request: Request, largest: int) -> bytes:
    """The body of a request; TooLarge as soon as it has more bytes."""
    parts: list[bytes] = []
    total = 0
    async for part in request.stream():
        total += len(part)
        if total > largest:
            raise TooLarge(f"more than {largest / 1e6:g} MB: the studio does not read it")
        parts.append(part)
    return b"".join(parts)


async def read_json(request: Request) -> dict[str, Any]:
    """The object in the body of a request."""
    content: dict[str, Any] = load(await read_body(request, LARGEST_REQUEST), dict)
    return content


async def explain(_: Request, error: Exception) -> Response:
    """A mistake, or a run that has gone, as one line."""
    codes: dict[type, int] = {NoRun: 404, TooLarge: 413}
    return JSONResponse({"error": " ".join(str(error).split())}, codes.get(type(error), 422))


def build(root: Path, token: str, port: int) -> Starlette:
    """The application for a folder of runs."""
    studio = Studio(root)
    handlers: dict[Any, Callable[..., Any]] = {LimnerError: explain, OSError: explain}
    guard = Middleware(Guard, token=token, port=port)
    app = Starlette(routes=studio.routes(), middleware=[guard], exception_handlers=handlers)
    app.state.studio = studio
    return app
