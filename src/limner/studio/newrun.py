"""The page of a new run: its data, its form, what it would take, and its start."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from limner.data import NAMED
from limner.errors import LimnerError
from limner.models import MODELS, model_class
from limner.models.abilities import abilities
from limner.studio.checks import Checks
from limner.studio.folder import Folder, NoRun
from limner.studio.plans import Draft, Plan, describe_form
from limner.studio.requests import name, parameter, read_json
from limner.studio.sources import Sources
from limner.studio.trainings import Trainings

LOOK_SECONDS = 0.2  # between two looks at a process


class NewRun:
    """Answers about a run that is to be started."""

    def __init__(self, folder: Folder, trainings: Trainings, sources: Sources) -> None:
        self.folder, self.trainings, self.sources = folder, trainings, sources
        self.checks = Checks()
        self.forecasting: subprocess.Popen[bytes] | None = None

    def routes(self) -> list[Route]:
        """The addresses that are answered."""
        return [
            Route("/api/new", self.choices),
            Route("/api/new/form", self.form),
            Route("/api/new/check", self.check),
            Route("/api/new/sheets/{sheet}.png", self.sheet),
            Route("/api/new/plan", self.plan, methods=["POST"]),
            Route("/api/new/forecast", self.forecast, methods=["POST"]),
            Route("/api/new/start", self.start, methods=["POST"]),
            Route("/api/new/started/{run}", self.started),
        ]

    async def choices(self, _: Request) -> Response:
        sources = await asyncio.to_thread(self.sources.scan)
        data = [{"name": source.name, "description": source.description} for source in sources.values()]
        models = [describe_model(each) for each in MODELS]
        folders = [str(folder) for folder in self.sources.folders]
        return JSONResponse({"data": data, "models": models, "folders": folders, "sets": list(NAMED)})

    async def form(self, request: Request) -> Response:
        query = request.query_params
        return JSONResponse(describe_form(query.get("model", ""), query.get("preset", "")))

    async def check(self, request: Request) -> Response:
        draft = await self.draft(parameter(request, "plan", Plan))
        of_data = ("model", "data", "second", "shape.size", "shape.channels")
        for key in of_data:
            if key in draft.mistakes:
                raise LimnerError(draft.mistakes[key])
        assert draft.cls is not None
        shape = draft.shape
        events = self.checks.events(draft.cls, draft.values, shape.get("size"), shape.get("channels"))
        return StreamingResponse(events, media_type="text/event-stream")

    async def sheet(self, request: Request) -> Response:
        content = self.checks.sheets.get(request.path_params["sheet"])
        if content is None:
            raise NoRun("there is no such sheet any more")
        return Response(content, media_type="image/png")

    async def plan(self, request: Request) -> Response:
        draft = await self.draft(Plan.parse(await read_json(request)))
        command = shlex.join(["limner", *draft.words()])
        return JSONResponse({"mistakes": draft.mistakes, "command": command, "name": draft.path.name})

    async def forecast(self, request: Request) -> Response:
        draft = await self.draft(Plan.parse(await read_json(request)))
        draft.check()
        if self.forecasting is not None:
            self.forecasting.kill()
        words = [sys.executable, "-m", "limner", *draft.words(), "--dry-run", "--json"]
        process = self.forecasting = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        while process.poll() is None:
            if await request.is_disconnected():
                process.kill()
            await asyncio.sleep(LOOK_SECONDS)
        output, errors = await asyncio.to_thread(process.communicate)
        if process.returncode:
            raise LimnerError(last_line(errors) or "the forecast was stopped")
        return JSONResponse(json.loads(output))

    async def start(self, request: Request) -> Response:
        draft = await self.draft(Plan.parse(await read_json(request)))
        draft.check()
        await asyncio.to_thread(self.trainings.start, draft.path, draft.words())
        return JSONResponse({"run": draft.path.name})

    async def started(self, request: Request) -> Response:
        path = self.folder.root / self.trainings.name(name(request))
        is_there = (path / "run.json").exists()
        return JSONResponse({"there": is_there, "failure": self.trainings.failure(path)})

    async def draft(self, plan: Plan) -> Draft:
        """The plan, checked."""
        return await asyncio.to_thread(Draft, plan, self.sources, self.folder.root)


def describe_model(name: str) -> dict[str, Any]:
    """What the list of models says of one."""
    cls = model_class(name)
    description = (cls.__doc__ or "").partition("\n")[0]
    return {
        "name": name,
        "description": description,
        "can": abilities(cls),
        "presets": list(cls.presets),
        "labels": cls.labels,
        "domains": cls.trains_on == "domains",
    }


def last_line(output: bytes) -> str:
    """The last line that a command printed, without its name."""
    lines = output[-4000:].decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("limner: error: ") if lines else ""
