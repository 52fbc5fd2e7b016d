"""CycleGAN where the truth is known: digits and outlines of other digits, compared pair by pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from limner.data import Dataset, Domains, Images, load, to_float, to_uint8
from limner.data.dataset import fingerprint
from limner.explore.translations import draw_rows
from limner.metrics import Extractor, extractor, ssim
from limner.models.abilities import Translates
from limner.recipes.report import Report, Row, at_least, save_picture, train_or_resume
from limner.training import Run
from limner.training.codes import map_batches

SETTINGS: dict[str, Any] = {"width": 16, "blocks": 3, "d_width": 32, "d_layers": 1, "flip": False, "batch": 4}
PAIRS = 60_000  # of images in training
SSIM, KEPT = 0.8, 0.95  # at least, in both directions
SHOWN = 8  # images in a picture
SWAPS = 3  # pairs of classes that are listed


def outline(pixels: Tensor) -> Tensor:
    """What is bright within one pixel and is not bright itself: uint8 (N, C, H, W) -> the same."""
    x = pixels.float()
    return (max_pool2d(x, 3, stride=1, padding=1) - x).round().to(torch.uint8)


def outlined_digits(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """CycleGAN from MNIST to outlines and back: paired SSIM of 0.8, and 95 % of the digits kept."""
    data = load("digits" if quick else "mnist")
    domains, outlines = split_in_domains(data)
    images = 200 if quick else PAIRS
    run = train_or_resume(out / "cyclegan", "cyclegan", domains, seed=seed, images=images, **SETTINGS)
    rows: list[Row] = []
    pictures: list[Path] = []
    pairs = {"digit -> outline": (data, outlines, "B"), "outline -> digit": (outlines, data, "A")}
    for number, (name, (source, truth, to)) in enumerate(pairs.items(), 1):
        translated = translate(run, source.test.pixels, to)
        rows += similarity_rows(name, source.test.pixels, truth.test.pixels, translated, not quick)
        rows += class_rows(name, translated, truth, not quick)
        few = [part[:SHOWN] for part in (source.test.pixels, translated, truth.test.pixels)]
        title = f"{name}: test images 0 to {SHOWN - 1} of {data.name}, their translations, and the truth"
        picture = draw_rows(few, [""] * SHOWN, ["image", "translation", "truth"], title)
        pictures.append(save_picture(picture, out / f"outlines-{number}.png"))
    return Report(rows, pictures)


def split_in_domains(data: Dataset) -> tuple[Domains, Dataset]:
    """One half of the training images as digits, the other as outlines, without labels; all as outlines."""
    outlines = replace_pixels(data, outline(data.train.pixels), outline(data.test.pixels), "outlines")
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    first, second = order.chunk(2)
    a, b = unlabelled(data, first), unlabelled(outlines, second)
    return Domains(f"{data.name}-outlines", a, b), outlines


def replace_pixels(data: Dataset, train: Tensor, test: Tensor, name: str) -> Dataset:
    """A data set with other pixels and the same labels."""
    splits = Images(train, data.train.labels), Images(test, data.test.labels)
    return replace(
        data, name=f"{data.name}-{name}", train=splits[0], test=splits[1], fingerprint=fingerprint(*splits)
    )


def unlabelled(data: Dataset, rows: Tensor) -> Dataset:
    """Some of the training images and all test images, without labels."""
    train, test = Images(data.train.pixels[rows]), Images(data.test.pixels)
    return replace(data, train=train, test=test, classes=None, fingerprint=fingerprint(train, test))


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
