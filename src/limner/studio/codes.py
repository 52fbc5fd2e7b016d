"""The page of codes: what a model can do, axes, strips, and images between places."""

from __future__ import annotations

from typing import Any

import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from limner.errors import LimnerError
from limner.explore import Grid, Groups, Place, Strip
from limner.explore.named_directions import FILE
from limner.explore.places import GROUPS
from limner.explore.planes import Axis
from limner.studio.requests import load, name, number, parameter, parse, read_json
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
            Route("/api/runs/{run}/groups", self.groups),
            Route("/api/runs/{run}/directions", self.name_direction, methods=["POST"]),
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
            known |= {"mixes": plane.mixes, "groups": GROUPS, "file": str(opened.run.path / FILE)}
            return answer | {"plane": known | {"needs_label": opened.run.model.labels == "required"}}

        return JSONResponse(await self.worker.call(name(request), describe, newest=True))

    async def axes(self, request: Request) -> Response:
        def list_axes(opened: Opened) -> dict[str, Any]:
            axes = opened.plane.axes
            named, notes = opened.plane.named_axes()
            return {
                "axes": [axis_json(axis) for axis in [*axes, *named]],
                "notes": [*opened.plane.notes, *notes],
            }

        return JSONResponse(await self.worker.call(name(request), list_axes))

    async def groups(self, request: Request) -> Response:
        """The axis between two groups, and how far they are apart."""
        groups = parameter(request, "groups", Groups)

        def measure(opened: Opened) -> dict[str, Any]:
            try:
                axis = opened.plane.measure_axis(GROUPS, groups)
            except LimnerError as error:  # the groups have one mean, say
                return {"problem": str(error)}
            return axis_json(axis) | {"distance": opened.plane.group_distance(groups)}

        return JSONResponse(await self.worker.call(name(request), measure))

    async def name_direction(self, request: Request) -> Response:
        """Store the axis between two groups with the run, under a name."""
        content = await read_json(request)
        chosen, groups = content.get("name"), parse(Groups, content.get("groups"))
        if not isinstance(chosen, str):
            raise LimnerError("a direction needs a name")

        def store(opened: Opened) -> dict[str, Any]:
            if opened.images != opened.run.images_seen:
                raise LimnerError("training has stored newer weights: load the page again")
            return {"description": opened.plane.name_groups(chosen, groups).description}

        return JSONResponse(await self.worker.call(name(request), store))

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


def axis_json(axis: Axis) -> dict[str, Any]:
    """An axis for the page."""
    return {"key": axis.key, "name": axis.name, "effect": axis.effect}
