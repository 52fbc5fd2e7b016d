"""CAAE where the label is known: the handwriting of one digit in every other digit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from limner import explore
from limner.data import load
from limner.evaluation import evaluate
from limner.explore.edits import edit_images
from limner.models import model_class
from limner.models.abilities import Edits
from limner.recipes.report import Report, Row, at_least, save_picture, train_or_resume

SETTINGS: dict[str, Any] = {"width": 32, "e_width": 16, "d_width": 24}
IMAGES = 100_000  # in training
ASKED, KEPT = 0.95, 0.5  # at least
MEASURED = 1000  # test images that are edited


def handwriting(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """CAAE on MNIST: 95 % of the asked digits, with the slant and the thickness of the input kept."""
    data = load("digits" if quick else "mnist")
    images = 200 if quick else IMAGES
    options = {**SETTINGS, **model_class("caae").tiny} if quick else SETTINGS
    run = train_or_resume(out / "caae", "caae", data, seed=seed, images=images, **options)
    n = min(MEASURED, len(data.test))
    evaluation = evaluate(run, n=n, k=1, images=20, quick=True, families=["edits", "reconstruction"])
    values = {measure.name.partition("[")[0]: measure for measure in evaluation.measures}
    rows = [
        at_least("asked digit obtained, mean over digits", values["asked label"].value, ASKED, not quick),
        Row("the same, images as they are", f"{values['asked label, untouched'].value:.4f}"),
        Row("real digits of each class", f"{values['asked label'].floor:.4f}"),
    ]
    model, pixels = run.model, data.test.pixels[:n]
    assert isinstance(model, Edits)
    for name, value in style_kept(model, pixels).items():
        rows.append(at_least(f"correlation of {name}, before and after", value, KEPT, not quick, ".3f"))
    rows.append(Row("mean squared error of reconstructions", f"{values['mse'].value:.4f}"))
    pictures = [
        save_picture(explore.edit(run, n=10).image, out / "handwriting.png"),
        save_picture(explore.sample(run, labels="all").image, out / "samples.png"),
    ]
    return Report(rows, pictures)


def style_kept(model: Edits, pixels: Tensor) -> dict[str, float]:
    """How slant and thickness correlate before and after an edit of digits (N, 1, H, W), mean over digits."""
    edited = [edit_images(model, pixels, label) for label in range(10)]
    kept = {}
    for name, measure in (("slant", slant), ("thickness", thickness)):
        before = measure(pixels)
        kept[name] = float(torch.stack([correlation(before, measure(images)) for images in edited]).mean())
    return kept


def slant(pixels: Tensor) -> Tensor:
    """How far a digit leans: covariance of row and column over the variance of the row, (N,)."""
    weights = pixels.double()[:, 0]
    total = weights.sum((1, 2)).clamp_min(1)
    row, column = (torch.arange(side, dtype=torch.float64) for side in weights.shape[1:])
    rows, columns = weights.sum(2), weights.sum(1)
    dy = row - (rows @ row / total)[:, None]
    dx = column - (columns @ column / total)[:, None]
    covariance = (weights * dy[:, :, None] * dx[:, None, :]).sum((1, 2))
    return covariance / (rows * dy.square()).sum(1).clamp_min(1)


def thickness(pixels: Tensor) -> Tensor:
    """The mean width of the strokes in pixels, (N,): 4 times the mean distance to their edge, less 2."""
    inside = (pixels[:, 0] > 127).numpy()
    distances = [torch.from_numpy(distance_transform_edt(image))[image] for image in inside]
    return torch.stack([4 * d.mean() - 2 if len(d) else torch.zeros(()).double() for d in distances])


def correlation(x: Tensor, y: Tensor) -> Tensor:
    """The correlation of two sets of numbers (N,); 0 where one of them does not vary."""
    value: Tensor = torch.corrcoef(torch.stack([x, y]))[0, 1]
    return value.nan_to_num(0.0)
