"""The studio's server: the pages' files, the answers of each page, and the answer to every mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from limner.errors import LimnerError
from limner.studio.codes import Codes
from limner.studio.compare import Comparisons
from limner.studio.folder import Folder, NoRun
from limner.studio.lecture import Lecture
from limner.studio.maps import Maps
from limner.studio.newrun import NewRun
from limner.studio.requests import TooLarge
from limner.studio.runs import Runs
from limner.studio.security import Guard
from limner.studio.sources import Sources
from limner.studio.trainings import Trainings
from limner.studio.trials import Trials
from limner.studio.updates import Updates
from limner.studio.views import PAGE, page_files
from limner.studio.worker import Worker

FILES = page_files()


class Studio:
    """The answers to all requests about one folder of runs."""

    def __init__(self, root: Path, images: Sequence[Path]) -> None:
        self.folder, self.trainings = Folder(root), Trainings()
        self.worker = Worker(self.folder)
        self.maps = Maps(self.worker)
        self.sources = Sources(images)

    def routes(self) -> list[BaseRoute]:
        """Every address that is answered."""
        routes: list[BaseRoute] = [Route("/", self.index), Route("/page/{file}", self.file)]
        routes += Runs(self.folder, self.trainings).routes()
        routes += Codes(self.worker).routes()
        routes += Trials(self.worker).routes()
        routes += self.maps.routes()
        routes += Comparisons(self.worker).routes()
        routes += NewRun(self.folder, self.trainings, self.sources).routes()
        routes += Lecture(self.folder, self.trainings).routes()
        routes += Updates(self.worker).routes()
        return routes

    async def index(self, _: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def file(self, request: Request) -> Response:
        path = FILES.get(request.path_params["file"])
        return Response(status_code=404) if path is None else FileResponse(path)


async def explain(_: Request, error: Exception) -> Response:
    """A mistake, or a run that has gone, as one line."""
    codes: dict[type, int] = {NoRun: 404, TooLarge: 413}
    return JSONResponse({"error": " ".join(str(error).split())}, codes.get(type(error), 422))


def build(root: Path, token: str, port: int, images: Sequence[Path] = ()) -> Starlette:
    """The application for a folder of runs; new ones train on what lies in the folders `images`."""
    studio = Studio(root, images)
    handlers: dict[Any, Callable[..., Any]] = {LimnerError: explain, OSError: explain}
    guard = Middleware(Guard, token=token, port=port)
    app = Starlette(routes=studio.routes(), middleware=[guard], exception_handlers=handlers)
    app.state.studio = studio
    return app
