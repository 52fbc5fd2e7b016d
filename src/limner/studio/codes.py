"""The page of codes: what a model can do, axes, strips, and images between places."""

from __future__ import annotations

from typing import Any

import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from limner.errors import LimnerError
from limner.explore import Grid, Place, Strip
from limner.studio.requests import load, name, number, parameter, parse
from limner.studio.sockets import Decoding
from limner.studio.trials import trial_names
from limner.studio.wire import gif, strip_png
from limner.studio.worker import Opened, Worker

MOST_PLACES = 12


class Codes:
    """Answers about the codes of a run's model."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def routes(self) -> list[Route | WebSocketRoute]:
        """The addresses that are answered."""
        return [
            Route("/api/runs/{run}/abilities", self.abilities),
            Route("/api/runs/{run}/axes", self.axes),
            Route("/api/runs/{run}/strip.png", self.strip),
            Route("/api/runs/{run}/grid.png", self.grid),
            Route("/api/runs/{run}/path.png", self.path),
            Route("/api/runs/{run}/path.gif", self.path),
            WebSocketRoute("/api/runs/{run}/decode", Decoding(self.worker).serve),
        ]

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
