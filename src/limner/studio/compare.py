"""The page that compares runs: the same noise or test images through each model, and stored measures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from limner.errors import LimnerError
from limner.evaluation import compare_stored
from limner.evaluation.compare import Difference, with_error
from limner.evaluation.pictures import describe_data, describe_noise
from limner.explore import draw_samples, reconstruct, translate
from limner.explore.abilities import usable_verbs
from limner.explore.labels import class_index, class_names, is_conditional
from limner.studio.folder import check_links, inner
from limner.studio.requests import name, number
from limner.studio.trials import trial_names
from limner.studio.wire import image_json
from limner.studio.worker import Opened, Worker
from limner.training import Run

MOST_RUNS = 6
IMAGES = 8  # of a run
LARGEST_SEED = 2**31
STORED = ("evaluation.json", "evaluation.npz")


class Comparisons:
    """Answers about several runs of a folder."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def routes(self) -> list[Route]:
        """The addresses that are answered."""
        return [
            Route("/api/compare", self.compare),
            Route("/api/runs/{run}/compare/{task}", self.images),
        ]

    async def compare(self, request: Request) -> Response:
        names = list(dict.fromkeys(request.query_params.getlist("run")))
        if not 0 < len(names) <= MOST_RUNS:
            raise LimnerError(f"from 1 to {MOST_RUNS} runs are compared, not {len(names)}")
        entries, runs = [], []
        for each in names:
            try:
                entry, run = await self.worker.call(each, describe, newest=True)
                runs.append(run)
            except (LimnerError, OSError) as error:
                entry = {"problem": " ".join(str(error).split()), "tasks": [], "trials": [], "labels": []}
            entries.append({"id": each} | entry)
        for entry, run in zip((e for e in entries if not e["problem"]), runs, strict=True):
            entry["other_data"] = {task: describe_data(first_able(task, runs), run) for task in tasks(run)}
        noise = describe_noise(runs) if runs else ""
        table = await asyncio.to_thread(stored_table, runs) if len(runs) > 1 else None
        return JSONResponse({"runs": entries, "noise": noise, "table": table})

    async def images(self, request: Request) -> Response:
        seed, label = number(request, "seed"), request.query_params.get("label", "")
        if seed > LARGEST_SEED:
            raise LimnerError(f"seed must be at most {LARGEST_SEED}, not {seed}")
        task = request.path_params["task"]

        def draw(opened: Opened) -> dict[str, Any]:
            if task not in tasks(opened.run):
                raise LimnerError(f"the model of {opened.run.name} cannot {task}")
            if task == "samples":
                return samples(opened.run, seed, label)
            return test_images(opened.run, task, seed)

        return JSONResponse(await self.worker.call(name(request), draw))


def tasks(run: Run) -> list[str]:
    """What a run's model can do with noise or with test images."""
    verbs = usable_verbs(run)
    names = [task for verb, task in (("sample", "samples"), ("reconstruct", "reconstruct")) if verb in verbs]
    return names + (["translate to B", "translate to A"] if "translate" in verbs else [])


def first_able(task: str, runs: Sequence[Run]) -> Run:
    """The first run whose model can do something, with whose data those of the others must agree."""
    return next(run for run in runs if task in tasks(run))


def describe(opened: Opened) -> tuple[dict[str, Any], Run]:
    """What the page shows of a run, and the run."""
    run, config = opened.run, opened.run.config
    return {
        "model": config.model,
        "data": config.data.name,
        "shapes": [list(part.shape) for part in config.data.parts()],
        "images": opened.images,
        "tasks": tasks(run),
        "trials": trial_names(opened),
        "labels": class_names(run) if is_conditional(run) else [],
        "problem": "",
    }, run


def samples(run: Run, seed: int, label: str) -> dict[str, Any]:
    """An image of each of IMAGES seeds, of a class where the model knows it."""
    known = is_conditional(run) and label in class_names(run)
    y = class_index(run, label) if known else None
    pixels = draw_samples(run, IMAGES, seed=range(seed, seed + IMAGES), y=y)
    note = f"knows no class {label}, so its images are of any class" if label and not known else ""
    captions = [f"seed {seed + i}" for i in range(IMAGES)]
    return {"inputs": [], "images": row(pixels, captions), "notes": [note] if note else []}


def test_images(run: Run, task: str, seed: int) -> dict[str, Any]:
    """IMAGES test images, and what the model makes of them."""
    if task == "reconstruct":
        data = reconstruct(run, n=IMAGES, seed=seed).data
        pixels, captions = data["reconstructions"], [f"mse {error:.4f}" for error in data["mse"].tolist()]
    else:
        data = translate(run, to=task[-1], n=IMAGES, seed=seed).data
        pixels, captions = data["translations"], [f"cycle {error:.4f}" for error in data["cycle"]]
    names = list(data["names"]) or [""] * len(pixels)
    return {"inputs": row(data["pixels"], names, "real"), "images": row(pixels, captions), "notes": []}


def row(pixels: Tensor, captions: Sequence[str], kind: str = "generated") -> list[dict[str, Any]]:
    """Images (n, C, H, W) uint8 with their captions, as JSON."""
    return [image_json(image, caption, kind) for image, caption in zip(pixels, captions, strict=True)]


def stored_table(runs: Sequence[Run]) -> dict[str, Any]:
    """The table of `limner compare`, of what is stored; a problem instead where that is damaged."""
    try:
        for run in runs:
            check_links(run.path)
            for file in STORED:
                inner(run.path, file)
        comparison = compare_stored(runs)
    except (LimnerError, OSError) as error:
        return {"problem": " ".join(str(error).split())}
    settings = [[name, *map(str, values)] for name, values in comparison.settings.items()]
    measures = [cells(measure) for measure in comparison.measures]
    table = {"runs": list(comparison.runs), "settings": settings, "measures": measures}
    return table | {"notes": list(comparison.notes), "problem": ""}


def cells(measure: Difference) -> dict[str, Any]:
    """The texts of a row."""
    return {
        "family": measure.family,
        "name": measure.name,
        "values": [with_error(v, e) for v, e in zip(measure.values, measure.errors, strict=True)],
        "differences": ["" if d is None else with_error(*d, sign="+") for d in measure.differences],
        "paired": measure.paired,
    }
