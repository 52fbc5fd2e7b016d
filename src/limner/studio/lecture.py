"""The lecture: its parts in order, the text of each, and the small runs that its links show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from limner.errors import LimnerError
from limner.studio.answers import changes, event
from limner.studio.folder import Folder, NoRun
from limner.studio.trainings import Trainings

TEXTS = Path(__file__).parent / "lecture_texts"  # PART.html, a fragment


@dataclass(frozen=True)
class SmallRun:
    """A run that a part of the lecture shows: the words of `limner train`, and about how long it takes."""

    part: str
    command: str  # the words of `limner train`
    seconds: int  # of one core, November 2026

    @property
    def words(self) -> list[str]:
        """The command's words."""
        return self.command.split()


PARTS = {
    "autoencoder": "Autoencoder",
    "vae": "Variational autoencoder",
    "gan": "GAN",
    "dcgan": "DCGAN, conditional GAN",
    "caae": "Ageing autoencoder",
    "cyclegan": "CycleGAN",
    "stylegan": "StyleGAN",
}

# the words of `limner train` for each run, as one line; the seconds are measured
RUNS = {
    "lecture-autoencoder": SmallRun(
        "autoencoder", "autoencoder --data digits --latent-dim 2 --images 150000", 20
    ),
    "lecture-vae": SmallRun(
        "vae", "vae --data digits --latent-dim 2 --variance fixed --sigma 0.5 --images 120000", 20
    ),
    "lecture-gan": SmallRun("gan", "gan --data digits --images 300000", 70),
    "lecture-dcgan": SmallRun("dcgan", "dcgan --preset lecture --data digits --width 16 --images 60000", 40),
    "lecture-cgan": SmallRun(
        "dcgan", "cgan --data digits --size 16 --width 16 --ema-half-life 2000 --images 50000", 25
    ),
    "lecture-caae": SmallRun(
        "caae",
        "caae --data digits --size 16 --width 16 --e-width 16 --d-width 16 --images 50000",
        60,
    ),
    "lecture-cyclegan": SmallRun(
        "cyclegan",
        "cyclegan --data A=digits B=mnist-5k --size 16 --width 8 --blocks 2 --d-width 16 --no-flip --batch 8 "
        "--images 10000",
        100,
    ),
    "lecture-stylegan": SmallRun(
        "stylegan",
        "stylegan --data digits --size 16 --width 8 --max-width 32 --latent-dim 32 --mapping-layers 2 "
        "--ema-half-life 2000 --images 24000",
        80,
    ),
}


class Lecture:
    """Answers about the lecture."""

    def __init__(self, folder: Folder, trainings: Trainings) -> None:
        self.folder, self.trainings = folder, trainings

    def routes(self) -> list[Route]:
        """The addresses that are answered."""
        return [
            Route("/api/lecture", self.parts),
            Route("/api/lecture/live", self.live),
            Route("/api/lecture/texts/{part}", self.text),
            Route("/api/lecture/runs/{run}", self.train, methods=["POST"]),
        ]

    async def parts(self, _: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self.describe))

    async def live(self, _: Request) -> Response:
        return StreamingResponse(self.events(), media_type="text/event-stream")

    async def text(self, request: Request) -> Response:
        part = request.path_params["part"]
        if part not in PARTS:
            raise NoRun("there is no such part")
        return FileResponse(TEXTS / f"{part}.html", media_type="text/html")

    async def train(self, request: Request) -> Response:
        await asyncio.to_thread(self.start, request.path_params["run"])
        return JSONResponse({})

    async def events(self) -> AsyncIterator[str]:
        """The parts, now and whenever something about their runs changes."""
        async for parts in changes(self.describe):
            yield event("parts", parts)

    def describe(self) -> list[dict[str, Any]]:
        """Every part with its runs."""
        present = self.folder.scan()
        return [
            {
                "name": part,
                "title": title,
                "runs": [self.state(name, present.get(name)) for name in RUNS if RUNS[name].part == part],
            }
            for part, title in PARTS.items()
        ]

    def state(self, name: str, path: Path | None) -> dict[str, Any]:
        """A run of the lecture: whether it can be shown, trained, or why not."""
        run, place = RUNS[name], self.folder.root / name
        state: dict[str, Any] = {"id": name, "seconds": run.seconds, "status": "absent", "problem": ""}
        state |= {"images": 0, "target": 0, "behind": "", "command": f"limner train {run.command}"}
        if path is not None:
            card = self.folder.card(path)
            state |= {
                key: card.get(key, state[key]) for key in ("status", "problem", "images", "target", "behind")
            }
            if not state["problem"] and not is_same(card, run):
                state |= {"status": "foreign", "problem": f"{name} is another run: rename its folder"}
            if state["status"] == "killed" and not card["resume"]:
                state["problem"] = f"{name} was killed before its first checkpoint: remove its folder"
        if state["status"] in ("absent", "killed", "stopped") and self.trainings.is_starting(place):
            state["status"] = "starting"
        return state | {"failure": self.trainings.failure(place), "text": describe(state)}

    def start(self, name: str) -> None:
        """Train a run of the lecture, or go on with it; LimnerError where it is there, or cannot be."""
        if name not in RUNS:
            raise NoRun("the lecture has no such run")
        if (self.folder.root / "run.json").exists():
            raise LimnerError(
                "this studio shows one run: open the studio of a folder of runs for the lecture"
            )
        path = self.folder.scan().get(name)
        state = self.state(name, path)
        if state["problem"]:
            raise LimnerError(state["problem"])
        if state["status"] == "finished":
            raise LimnerError(f"{name} is trained already")
        if path is None:
            place = self.folder.root / name
            self.trainings.start(place, ["train", *RUNS[name].words, "--queue", "--out", str(place)])
        else:
            self.trainings.resume(path)


def describe(state: dict[str, Any]) -> str:
    """What the page says of a run."""
    name, images, status = state["id"], f"{state['images']:,}", state["status"]
    share = f"{images} of {state['target']:,} images"
    texts = {
        "absent": "The links of this part need a small run, which is not here yet.",
        "finished": f"{name} is trained: {images} images.",
        "starting": f"{name} starts…",
        "waiting": f"{name} waits until {state['behind']} is trained.",
        "killed": f"{name} was killed at {share}. It can go on from there.",
        "stopped": f"{name} was stopped at {share}. It can go on from there.",
    }
    return state["problem"] or texts.get(status, f"{name}: {status}, {share}")


def is_same(card: dict[str, Any], run: SmallRun) -> bool:
    """Whether a run in the folder, by its card, is of the lecture's model and as long."""
    model, length = run.words[0], run.words[run.words.index("--images") + 1]
    return card.get("model") == model and card.get("target") == int(length)
