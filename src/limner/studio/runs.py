"""The pages of runs: cards, one run in training or after it, and requests to its training."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from limner.studio.answers import folder_events, run_details, run_events, run_verdicts
from limner.studio.folder import Folder, NoRun
from limner.studio.requests import name, number, read_json
from limner.studio.trainings import Trainings, request_changes


class Runs:
    """Answers about the runs of a folder."""

    def __init__(self, folder: Folder, trainings: Trainings) -> None:
        self.folder, self.trainings = folder, trainings

    def routes(self) -> list[Route]:
        """The addresses that are answered."""
        return [
            Route("/api/runs", self.runs),
            Route("/api/live", self.live),
            Route("/api/runs/{run}", self.details),
            Route("/api/runs/{run}/live", self.run_live),
            Route("/api/runs/{run}/samples/{images:int}", self.sample),
            Route("/api/runs/{run}/verdicts", self.verdicts),
            Route("/api/runs/{run}/control", self.control, methods=["POST"]),
            Route("/api/runs/{run}/resume", self.resume, methods=["POST"]),
        ]

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
        try:
            content = None if picture is None else await asyncio.to_thread(picture.read_bytes)
        except FileNotFoundError:  # the run was removed since
            content = None
        if content is None:
            raise NoRun("there is no such picture any more")
        return Response(content, media_type="image/png")

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
