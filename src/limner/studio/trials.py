"""What a run's model makes of one image: each trial calls a function of `explore` and keeps its images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from limner.data import Images, read_file
from limner.errors import LimnerError
from limner.explore import anomalies, edit, invert, reconstruct, similar, translate
from limner.explore.abilities import usable_verbs
from limner.explore.gallery import read_image
from limner.explore.picture import Picture
from limner.explore.ranking import format_score
from limner.explore.translations import OTHER
from limner.explore.translations import choose_images as read_domain_image
from limner.models.abilities import Encodes
from limner.studio.requests import name, read_body
from limner.studio.wire import image_json, strip_png
from limner.studio.worker import Opened, Worker

LARGEST_UPLOAD = 20_000_000  # bytes of an image; its pixels are limited where it is decoded
Result = dict[str, Any]
NEAREST = 6  # images of each kind
SMALL = (16, 16)  # pixels of an image that is read only to see whether it can be


class Trials:
    """Answers about one image, which is not kept."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def routes(self) -> list[Route]:
        """The addresses that are answered."""
        return [
            Route("/api/runs/{run}/try/{trial}", self.attempt, methods=["POST"]),
            Route("/api/runs/{run}/try/{trial}/tests", self.count_tests),
            Route("/api/runs/{run}/try/{trial}/tests/{number:int}.png", self.test_image),
        ]

    async def attempt(self, request: Request) -> Response:
        data = await read_body(request, LARGEST_UPLOAD)

        def attempt(opened: Opened) -> dict[str, Any]:
            trial = require_trial(opened, request)
            with tempfile.TemporaryDirectory(prefix="limner-") as folder:
                path = Path(folder) / "image"
                path.write_bytes(data)
                try:
                    return try_image(opened, trial, path)
                except LimnerError as error:
                    raise LimnerError(str(error).replace(str(path), "the image")) from None

        return JSONResponse(await self.worker.call(name(request), attempt))

    async def count_tests(self, request: Request) -> Response:
        def count(opened: Opened) -> int:
            return len(find_tests(opened, require_trial(opened, request)))

        return JSONResponse({"count": await self.worker.call(name(request), count)})

    async def test_image(self, request: Request) -> Response:
        def draw(opened: Opened) -> bytes:
            trial = require_trial(opened, request)
            return strip_png(choose_image(opened, trial, request.path_params["number"])[None])

        return Response(await self.worker.call(name(request), draw), media_type="image/png")


def require_trial(opened: Opened, request: Request) -> str:
    """The trial that a request names; LimnerError where the run's model cannot do it."""
    trial = str(request.path_params["trial"])
    if trial not in trial_names(opened):
        raise LimnerError(f"the model of {opened.run.name} cannot {trial}")
    return trial


def choose_image(opened: Opened, trial: str, number: int) -> Tensor:
    """A test image (C, H, W) uint8 that a trial takes; LimnerError where there are fewer."""
    images = find_tests(opened, trial)
    if number >= len(images):
        raise LimnerError(f"there are {len(images):,} test images, numbered from 0: {number:,} is none")
    return images.pixels[number]


def find_tests(opened: Opened, trial: str) -> Images:
    """The test images that a trial takes: of the domain that is translated, where there are two."""
    run = opened.run
    if trial.startswith("translate"):
        return (run.domains.b if trial.endswith("A") else run.domains.a).test
    return run.data.test


def trial_names(opened: Opened) -> list[str]:
    """The trials that the run's model can do, the most telling first."""
    verbs = usable_verbs(opened.run)
    if "translate" in verbs:
        return ["translate to B", "translate to A"]
    names: list[str] = [verb for verb in ("reconstruct", "edit", "anomalies", "similar") if verb in verbs]
    if "invert" in verbs and not isinstance(opened.run.model, Encodes):
        names.append("invert")
    return names


def try_image(opened: Opened, trial: str, path: Path) -> Result:
    """The images, numbers and notes of a trial of an image file; LimnerError where it cannot be read."""
    read_file(path, SMALL, 3)
    if trial in ("translate to A", "translate to B"):
        result = try_translation(opened, path, trial[-1])
    else:
        result = TRIALS[trial](opened, path)
        pixels, _, notes = read_image(opened.run, path)
        result["images"] = [image_json(pixels[0], "what the model receives", "real"), *result["images"]]
        result["notes"] = [*notes, *result["notes"]]
    texts = [note.replace(str(path), "your image") for note in result["notes"]]
    return result | {"notes": list(dict.fromkeys(texts))}


def try_reconstruction(opened: Opened, path: Path) -> Result:
    """The image through the code and back."""
    data = reconstruct(opened.run, [path]).data
    images = [image_json(data["reconstructions"][0], "reconstruction")]
    return {"images": images, "numbers": [f"mean squared error {data['mse'][0]:.4f}"], "notes": data["notes"]}


def try_edit(opened: Opened, path: Path) -> Result:
    """The image with every label."""
    data = edit(opened.run, [path]).data
    images = [image_json(data["reconstructions"][0], "reconstruction")]
    images += [
        image_json(image, name) for image, name in zip(data["edited"][0], data["classes"], strict=True)
    ]
    return {"images": images, "numbers": [f"error {data['error'][0]:.4f}"], "notes": data["notes"]}


def try_score(opened: Opened, path: Path) -> Result:
    """How unlike the training images it is, beside the test images."""
    picture = anomalies(opened.run, [path], n=1)
    score, scores = picture.data["ranking"][0]["score"], opened.test_scores
    stranger = sum(other >= score for other in scores)
    text = f"score {format_score(score)}: {stranger:,} of {len(scores):,} test images score as high"
    return {"images": [], "numbers": [text], "notes": picture.notes}


def try_similar(opened: Opened, path: Path) -> Result:
    """The nearest training images, by code and by pixels."""
    data = similar(opened.run, path, n=NEAREST).data
    training = opened.run.data.train.pixels
    images = [
        image_json(training[near["index"]], f"{name} {near['distance']:.2f} {near['label']}".strip(), "real")
        for name, key in (("code", "by_code"), ("pixels", "by_pixels"))
        for near in data[key]
    ]
    return {"images": images, "numbers": [], "notes": list(data["notes"])}


def try_inversion(opened: Opened, path: Path) -> Result:
    """The nearest image that the decoder makes."""
    data = invert(opened.run, [path], known=0).data
    images = [image_json(data["inversions"][0], "nearest image of the decoder")]
    return {"images": images, "numbers": [f"PSNR {data['psnr'][0]:.1f} dB"], "notes": data["notes"]}


def try_translation(opened: Opened, path: Path, to: str) -> Result:
    """The image in the other domain, and back."""
    picture: Picture = translate(opened.run, [path], to)
    data = picture.data
    _, notes = read_domain_image(opened.run, [path], OTHER[to], 1, 0)
    images = [
        image_json(data["pixels"][0], "what the model receives", "real"),
        image_json(data["translations"][0], f"as an image of {to}"),
        image_json(data["back"][0], f"back to {OTHER[to]}"),
    ]
    numbers = [f"error of the cycle {data['cycle'][0]:.4f}"]
    return {"images": images, "numbers": numbers, "notes": [*notes, *picture.notes]}


TRIALS: dict[str, Callable[[Opened, Path], Result]] = {
    "reconstruct": try_reconstruction,
    "edit": try_edit,
    "anomalies": try_score,
    "similar": try_similar,
    "invert": try_inversion,
}
