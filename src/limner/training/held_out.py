"""Held-out images at every tick: what the model says of them, and how it draws them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from limner.data import Images, to_float, to_uint8
from limner.data.examples import Examples
from limner.figures import grid
from limner.files import write_atomically
from limner.models.base import Model
from limner.training.trainer import Trainer

MEASURED = 1000  # images measured once per tick
PREVIEW = 64  # images in a picture of samples/
BATCH = 1000  # validation images at a time


class HeldOut:
    """Up to 1,000 images, drawn at random, that training does not use; on the model's device."""

    def __init__(self, examples: Examples, device: torch.device) -> None:
        self.examples = examples.draw(MEASURED, seed=0)
        self.x, self.y = self.examples.batch(device)

    def measure(self, trainer: Trainer) -> dict[str, Any]:
        """held_out/NAME of everything that the model's `validate` gives."""
        with trainer.inference() as model:
            return {f"held_out/{name}": value for name, value in model.validate(self.x, self.y).items()}

    def save_preview(self, trainer: Trainer, folder: Path, last: bool = False) -> None:
        """Write FOLDER/IMAGES.png, at image counts that grow by half each time, and at the last."""
        images = trainer.images_seen
        before = max(preview_files(folder), default=-1)
        if images == before or (images < 1.5 * before and not last):
            return
        with trainer.inference() as model:
            pixels = to_uint8(model.preview(self.x[:PREVIEW], self.y, PREVIEW))
        write_atomically(folder / f"{images:09d}.png", grid(pixels).save)


def preview_files(folder: Path) -> dict[int, Path]:
    """The pictures that training wrote into a folder, by images seen, ascending; not other files."""
    names = sorted(path for path in folder.glob("*.png") if re.fullmatch(r"[0-9]{9,18}", path.stem))
    return {int(path.stem): path for path in names}


def validation_loss(model: Model, images: Images) -> float:
    """The mean loss over all validation images."""
    total = 0.0
    for index in torch.arange(len(images)).split(BATCH):
        part = images.subset(index)
        y = part.labels.to(model.device) if part.labels is not None else None
        total += model.loss(to_float(part.pixels.to(model.device)), y)[0].item() * len(part)
    return total / len(images)
