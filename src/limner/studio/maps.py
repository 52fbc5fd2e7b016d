"""The page of the map: images as points, their neighbours, and samples beside training images.

A map is computed in steps, between which the worker answers others; t-SNE in a process of its own.  Points
are kept for the life of the server, the images of a few maps.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from limner.errors import LimnerError
from limner.explore.copies import Measure, NearestTraining, nearest_training_steps
from limner.explore.labels import class_names, is_conditional
from limner.explore.layouts import Layout
from limner.explore.point_maps import PointMap, Selection, map_spaces, map_steps
from limner.metrics.features import available_extractor
from limner.studio.folder import NoRun
from limner.studio.jobs import Projection, Task
from limner.studio.requests import name, number, read_body
from limner.studio.wire import image_json, pack_arrays, sheet_png, strip_png
from limner.studio.worker import Opened, Worker
from limner.training.run import one_dataset

KEPT = 3  # maps whose images are kept
TILE = 32  # pixels of the longer side of a tile, at most
TILES = 1000  # in a sheet
WAIT = 0.4  # seconds that an answer waits for work to be done before it says how far it is
Key = tuple[str, float, str, str, int]
Answer = dict[str, Any]


class Maps:
    """Answers about maps; a map is named by what it shows and by the weights that it was made with."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.maps: OrderedDict[str, Task[PointMap]] = OrderedDict()
        self.projections: dict[str, Projection] = {}
        self.lock = threading.Lock()  # one t-SNE at a time
        self.copies: OrderedDict[str, Task[NearestTraining]] = OrderedDict()

    def routes(self) -> list[Route]:
        """The addresses that are answered."""
        own = "/api/runs/{run}/map/{map}"
        return [
            Route("/api/runs/{run}/map", self.describe),
            Route(f"{own}/points", self.points),
            Route(f"{own}/sheets/{{part:int}}.png", self.sheet),
            Route(f"{own}/images/{{point:int}}.png", self.image),
            Route(f"{own}/nearest/{{point:int}}", self.nearest),
            Route(f"{own}/mean.png", self.mean, methods=["POST"]),
            Route("/api/runs/{run}/copies", self.nearest_training),
        ]

    async def describe(self, request: Request) -> Response:
        """What maps a run has, of its newest weights; and of a selection, the map, or how far it is."""
        run, values = name(request), dict(request.query_params)
        if "n" in values:
            values["n"] = number(request, "n")  # type: ignore[assignment]
        chosen = Selection.parse(values) if values else None
        known, stored = await self.worker.call(run, describe_run, newest=chosen is None)
        answer: Answer = {**known}
        if chosen is None:
            return JSONResponse(answer)
        key = "-".join(map(str, (chosen.space, chosen.split, chosen.n, round(stored * 1e6))))
        task = self.keep(self.maps, f"{run}/{key}", lambda: self.start(run, chosen))
        await task.wait(WAIT)
        if task.result is None:
            return JSONResponse(answer | {"progress": task.progress})
        return JSONResponse(answer | describe_map(task.result) | {"map": key})

    def start(self, run: str, chosen: Selection) -> Task[PointMap]:
        """Begin with a map."""
        return Task(self.worker, run, lambda opened: map_steps(opened.run, chosen))

    def keep(self, tasks: OrderedDict[str, Task[Any]], key: str, start: Callable[[], Task[Any]]) -> Task[Any]:
        """The task of a key, begun unless it is there; of KEPT at most, the one used last stays longest."""
        if key not in tasks or tasks[key].failed:
            tasks[key] = start()
        tasks.move_to_end(key)
        while len(tasks) > KEPT:
            tasks.popitem(last=False)[1].cancel()
        return tasks[key]

    def find(self, request: Request) -> tuple[str, PointMap]:
        """A map and its key, by the address; NoRun where it is not kept any more."""
        self.worker.folder.find(name(request))
        key = f"{name(request)}/{request.path_params['map']}"
        task = self.maps.get(key)
        if task is None or task.result is None:
            raise NoRun("that map is not kept any more: open it again")
        self.maps.move_to_end(key)
        return key, task.result

    async def points(self, request: Request) -> Response:
        """The points of a map by a method, or how far t-SNE is."""
        key, chosen = self.find(request)
        method, points = request.query_params.get("method", "pca"), None
        if method == "tsne":
            projection = self.projections.get(key)
            if projection is None or (projection.problem and "again" in request.query_params):
                codes = chosen.features.numpy()
                projection = self.projections[key] = Projection(codes, self.lock)
            await asyncio.to_thread(projection.thread.join, WAIT)
            if projection.problem:
                raise LimnerError(projection.problem)
            if projection.points is None:
                return JSONResponse({"progress": projection.progress}, 202)
            points = projection.points
        layout = await self.worker.call(name(request), lambda _: chosen.lay_out(method, points))
        return Response(pack_layout(chosen, layout), media_type="application/octet-stream")

    async def sheet(self, request: Request) -> Response:
        _, chosen = self.find(request)
        start = request.path_params["part"] * TILES
        chosen.check_points([start])
        part = chosen.pixels[start : start + TILES]
        return Response(await asyncio.to_thread(sheet_png, part, TILE), media_type="image/png")

    async def image(self, request: Request) -> Response:
        _, chosen = self.find(request)
        point = request.path_params["point"]
        chosen.check_points([point])
        return Response(strip_png(chosen.pixels[point : point + 1]), media_type="image/png")

    async def nearest(self, request: Request) -> Response:
        _, chosen = self.find(request)
        point = request.path_params["point"]
        return JSONResponse(await self.worker.call(name(request), lambda _: chosen.nearest(point)))

    async def mean(self, request: Request) -> Response:
        """The mean of the images whose numbers, uint32, are the body."""
        _, chosen = self.find(request)
        body = await read_body(request, 4 * len(chosen))
        if len(body) % 4:
            raise LimnerError("points are numbers of four bytes")
        points = np.frombuffer(body, "<u4").tolist()
        pixels = await self.worker.call(name(request), lambda _: chosen.mean_image(points))
        return Response(strip_png(pixels[None]), media_type="image/png")

    async def nearest_training(self, request: Request) -> Response:
        """Samples beside their nearest training images, or how far the search is."""
        run, by = name(request), request.query_params.get("by", "pixels")
        known, stored = await self.worker.call(run, describe_run)
        if by not in known["measures"]:
            raise LimnerError(f"{run} has no distances by '{by}'")

        measure: Measure = "features" if by == "features" else "pixels"

        def start() -> Task[NearestTraining]:
            return Task(self.worker, run, lambda opened: nearest_training_steps(opened.run, by=measure))

        task = self.keep(self.copies, f"{run}/{by}/{stored}", start)
        await task.wait(WAIT)
        if task.result is None:
            return JSONResponse({"progress": task.progress}, 202)
        return JSONResponse(describe_copies(task.result))


def describe_run(opened: Opened) -> tuple[Answer, float]:
    """What maps a run has, what its samples can be compared by, its classes; the time of its weights."""
    run, spaces = opened.run, map_spaces(opened.run)
    measures = []
    if "features" in spaces:
        extractor = available_extractor(one_dataset(run.loaded, run.name))
        measures = ["pixels"] if extractor is None else ["pixels", "features"]
    labels = class_names(run) if is_conditional(run) else []
    return {"spaces": spaces, "measures": measures, "labels": labels, "images": opened.images}, opened.stored


def describe_map(chosen: PointMap) -> Answer:
    """A map without its points."""
    height, width = chosen.pixels.shape[2:]
    scale = min(1, TILE / max(height, width))
    return {
        "title": chosen.title,
        "notes": chosen.notes,
        "methods": chosen.methods,
        "classes": chosen.class_names,
        "points": len(chosen),
        "real": chosen.real,
        "decodes": chosen.decodes,
        "numbers": chosen.features.shape[1],
        "size": [width, height],
        "tile": [max(1, round(width * scale)), max(1, round(height * scale))],
        "tiles": TILES,
    }


def pack_layout(chosen: PointMap, layout: Layout) -> bytes:
    """A layout's numbers behind a header: points (N, 2) float32, index and label (N,) int32, density."""
    header: Answer = {
        "axes": layout.axes,
        "kept": layout.kept,
        "notes": layout.notes,
        "inverse": None,
        "density": None,
    }
    labels = torch.full((len(chosen),), -1) if chosen.labels is None else chosen.labels
    arrays = [layout.points.astype("<f4"), chosen.index.numpy().astype("<i4"), labels.numpy().astype("<i4")]
    if layout.inverse is not None:
        inverse = layout.inverse
        header["inverse"] = {"mean": inverse.mean.tolist(), "components": inverse.components.tolist()}
    if layout.density is not None:
        density = layout.density
        header["density"] = {"low": density.low.tolist(), "high": density.high.tolist()}
        header["density"] |= {"edge": density.edge, "side": len(density.values)}
        arrays.append(density.values.astype("<f4"))
    return pack_arrays(json.dumps(header), arrays)


def describe_copies(copies: NearestTraining) -> Answer:
    """Pairs of a sample and its nearest training image, and the distances of test images."""
    pairs = [
        {
            "sample": image_json(copies.samples[i], f"seed {i}"),
            "training": image_json(copies.images[i], f"training image {int(copies.position[i]):,}", "real"),
            "distance": float(copies.distance[i]),
            "nearer": float(copies.nearer[i]),
        }
        for i in range(len(copies.samples))
    ]
    tests = copies.test_distance.tolist()
    return {"pairs": pairs, "tests": tests, "summary": copies.summary}
