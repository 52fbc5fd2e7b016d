"""CycleGAN where the truth is known: digits and dark strokes of other digits, compared by pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from limner.data import Dataset, Images, load, to_float, to_uint8
from limner.data.dataset import fingerprint
from limner.explore.translations import draw_rows
from limner.files import write_atomically
from limner.metrics import Extractor, extractor, ssim
from limner.models import model_class
from limner.models.abilities import Translates
from limner.recipes.report import Report, Row, at_least, save_picture, train_or_resume
from limner.training import Run
from limner.training.codes import map_batches

SETTINGS: dict[str, Any] = {
    "width": 16, "blocks": 3, "d_width": 32, "d_layers": 1, "identity": 0.0, "flip": False, "batch": 2,
}  # fmt: skip
PAIRS = 16_000  # of images in training
SSIM, KEPT = 0.8, 0.95  # at least, in both directions
SHOWN = 8  # images in a picture
SWAPS = 3  # pairs of classes that are listed


def thicken(pixels: Tensor) -> Tensor:
    """Strokes a pixel wider on every side, dark on white: uint8 (N, C, H, W) -> the same."""
    widest = max_pool2d(pixels.float(), 3, stride=1, padding=1)
    return (255 - widest).to(torch.uint8)


def thick_digits(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """CycleGAN from MNIST to thick dark strokes and back: paired SSIM of 0.8, 95 % of the digits kept."""
    data = load("digits" if quick else "mnist")
    strokes = replace_pixels(data, thicken(data.train.pixels), thicken(data.test.pixels), "strokes")
    images = 60 if quick else PAIRS
    domains = write_domains(data, strokes, out)
    options = {**SETTINGS, **model_class("cyclegan").tiny} if quick else SETTINGS
    run = train_or_resume(out / "cyclegan", "cyclegan", domains, seed=seed, images=images, **options)
    rows: list[Row] = []
    pictures: list[Path] = []
    pairs = {"digit -> strokes": (data, strokes, "B"), "strokes -> digit": (strokes, data, "A")}
    for number, (name, (source, truth, to)) in enumerate(pairs.items(), 1):
        translated = translate(run, source.test.pixels, to)
        rows += similarity_rows(name, source.test.pixels, truth.test.pixels, translated, not quick)
        rows += class_rows(name, translated, truth, not quick)
        few = [part[:SHOWN] for part in (source.test.pixels, translated, truth.test.pixels)]
        title = f"{name}: test images 0 to {SHOWN - 1} of {data.name}, their translations, and the truth"
        picture = draw_rows(few, [""] * SHOWN, ["image", "translation", "truth"], title)
        pictures.append(save_picture(picture, out / f"strokes-{number}.png"))
    return Report(rows, pictures)


def write_domains(data: Dataset, strokes: Dataset, out: Path) -> tuple[Path, Path]:
    """One half of the training images as digits and the other as strokes, without labels, in two files."""
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    first, second = order.chunk(2)
    a, b = out / "digits.npz", out / "strokes.npz"
    write_images(a, data.train.pixels[first], data.test.pixels)
    write_images(b, strokes.train.pixels[second], strokes.test.pixels)
    return a, b


def write_images(path: Path, train: Tensor, test: Tensor) -> None:
    """Write pixels (N, C, H, W) of training and test images as an .npz."""
    arrays = train.numpy(), test.numpy()
    write_atomically(path, lambda beside: np.savez_compressed(beside, x_train=arrays[0], x_test=arrays[1]))


def replace_pixels(data: Dataset, train: Tensor, test: Tensor, name: str) -> Dataset:
    """A data set with other pixels and the same labels."""
    splits = Images(train, data.train.labels), Images(test, data.test.labels)
    return replace(
        data, name=f"{data.name}-{name}", train=splits[0], test=splits[1], fingerprint=fingerprint(*splits)
    )


def translate(run: Run, pixels: Tensor, to: str) -> Tensor:
    """Translations (N, C, H, W) uint8 of pixels uint8."""
    model = run.model
    assert isinstance(model, Translates)
    return to_uint8(map_batches(model, pixels, lambda x: model.translate(x, to)))


def similarity_rows(name: str, source: Tensor, truth: Tensor, translated: Tensor, judged: bool) -> list[Row]:
    """The structural similarity of translations and of untranslated images to the true partners."""
    reached, nothing = (float(ssim(to_float(x), to_float(truth)).mean()) for x in (translated, source))
    return [
        at_least(f"{name}: SSIM with the true partner", reached, SSIM, judged, ".3f"),
        Row(f"{name}: SSIM of the image as it is", f"{nothing:.3f}"),
    ]


def class_rows(name: str, translated: Tensor, truth: Dataset, judged: bool) -> list[Row]:
    """How many translations keep their digit, by a classifier of the target, and which digits are swapped."""
    network, labels = extractor(truth), truth.test.labels
    assert labels is not None
    predicted = network.classify(translated).argmax(1).cpu()
    kept = float((predicted == labels).double().mean())
    return [
        at_least(f"{name}: digits kept", kept, KEPT, judged, ".4f"),
        Row(f"{name}: digits of the true partners", f"{accuracy(network, truth):.4f}"),
        Row(f"{name}: digits most often swapped", most_swapped(labels, predicted)),
    ]


def accuracy(network: Extractor, data: Dataset) -> float:
    """The share of test images whose digit the classifier finds."""
    assert data.test.labels is not None
    return float((network.classify(data.test.pixels).argmax(1).cpu() == data.test.labels).double().mean())


def most_swapped(labels: Tensor, predicted: Tensor) -> str:
    """The largest numbers outside the diagonal of the confusion matrix, as '4 as 9: 12 of 982'."""
    classes = int(max(labels.max(), predicted.max())) + 1
    confusion = torch.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    totals = confusion.sum(1)
    wrong = confusion.clone().fill_diagonal_(0)
    places = wrong.flatten().argsort(descending=True)[:SWAPS].tolist()
    swaps = [(place // classes, place % classes) for place in places]
    return ", ".join(f"{true} as {other}: {wrong[true, other]} of {totals[true]}" for true, other in swaps)
