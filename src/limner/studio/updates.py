"""The page of one update: what the next batch of a training does to a copy of the model, move by move."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from limner.errors import LimnerError
from limner.explore import record_update
from limner.explore.updates import Move, View
from limner.models.adversarial import Adversarial
from limner.studio.folder import inner
from limner.studio.requests import name, number
from limner.studio.wire import image_json
from limner.studio.worker import Opened, Worker

SHOWN = 8  # images of the batch, and numbers of a code
MOST_WEIGHTS = 5_000_000
REAL = ("x",)
TEXTS = Path(__file__).parent / "lecture_texts" / "update.json"  # by the kind of model, what each step says


class Updates:
    """Answers about one update of a run."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def routes(self) -> list[Route]:
        """The addresses that are answered."""
        return [Route("/api/runs/{run}/update", self.update)]

    async def update(self, request: Request) -> Response:
        skip = number(request, "skip")
        answer = await self.worker.call(name(request), lambda opened: describe_update(opened, skip))
        return JSONResponse(answer)


def describe_update(opened: Opened, skip: int) -> dict[str, Any]:
    """The moves of an update with the first images of its batch; LimnerError for a large model."""
    run = opened.run
    inner(run.path, "state.pt")
    weights = sum(parameter.numel() for parameter in run.outline().parameters())
    if weights > MOST_WEIGHTS:
        raise LimnerError(
            f"{run.name} has {weights:,} weights: only updates of models with at most {MOST_WEIGHTS:,} "
            "are shown step by step"
        )
    moves, model = record_update(run, skip), run.model
    answer: dict[str, Any] = {
        "moves": [move_json(move) for move in moves],
        "batch": run.config.training.batch,
    }
    answer |= {"model": run.config.model, "images": opened.images, "game": None}
    texts = json.loads(TEXTS.read_text(encoding="utf-8"))
    answer["texts"] = texts["variational"] | ({} if "mu" in moves[0].before.values else texts["plain"])
    if isinstance(model, Adversarial):
        plain = not (model.options.soft_labels or model.options.flip_labels)
        answer["game"] = {"loss": model.options.loss, "scale": model.game.scale, "plain": plain}
        answer["texts"] = texts["game"]
    return answer


def move_json(move: Move) -> dict[str, Any]:
    """A move as JSON."""
    return {
        "optimizer": move.optimizer,
        "loss": finite(move.loss),
        "terms": {term: finite(value) for term, value in move.terms.items()},
        "rate": move.rate,
        "gradient_norm": finite(move.gradient_norm),
        "step_norm": finite(move.step_norm),
        "weight_norm": finite(move.weight_norm),
        "before": view_json(move.before),
        "after": view_json(move.after),
    }


def view_json(view: View) -> dict[str, Any]:
    """The first images and numbers of a view, and the mean over the whole batch."""
    images = {
        symbol: [
            image_json(image, symbol, "real" if symbol in REAL else "generated") for image in batch[:SHOWN]
        ]
        for symbol, batch in view.images.items()
    }
    return {"images": images, "values": {name: value_json(value) for name, value in view.values.items()}}


def value_json(value: Tensor) -> dict[str, Any]:
    """The mean of numbers (B,), (B, d) or a scalar, and those of the first images."""
    value = value.detach().float()
    each: Any = None
    if value.ndim == 1:
        each = [finite(number) for number in value[:SHOWN].tolist()]
    if value.ndim == 2:
        each = [[finite(number) for number in row] for row in value[:SHOWN, :SHOWN].tolist()]
    return {"mean": finite(value.mean().item()), "each": each}


def finite(value: float) -> float | None:
    """A number as JSON has it: None for one that is not finite."""
    return value if math.isfinite(value) else None
