"""Measures of translation between two domains, in both directions, beside what needs no model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import torch
from torch import Tensor

from limner.data import Dataset, Domains, Images, to_float, to_uint8
from limner.data.dataset import fingerprint
from limner.evaluation.evaluand import Evaluand
from limner.evaluation.measures import Better, Measure, mean_measure, standard_error_of_share
from limner.explore.codes import choose_indices
from limner.metrics import Extractor, frechet, kid, kid_blocks, psnr
from limner.metrics.translation import add_noise, in_channels, luminance_correlation, match_histograms
from limner.models.abilities import Translates
from limner.training.codes import map_batches

BATCH = 50
NOISE = 0.02  # deviation of the noise on a translation, on the [0, 1] scale
DOMAINS = ("A", "B")
NOTES = {  # of the distance of translations and of what needs no model
    "": "",
    "untranslated": "images of the source as they are: a translation must be below it",
    "recoloured": "images of the source, each with the colours of a training image of the target",
}


def join_domains(domains: Domains) -> Dataset:
    """Both domains as one data set with the labels A and B, in colour where either is."""
    channels = max(domains.a.shape[0], domains.b.shape[0])

    def join(a: Images, b: Images) -> Images:
        pixels = torch.cat([repeat_grey(images.pixels, channels) for images in (a, b)])
        return Images(pixels, torch.tensor([0] * len(a) + [1] * len(b)))

    train, test = join(domains.a.train, domains.b.train), join(domains.a.test, domains.b.test)
    return Dataset(
        domains.name, domains.a.source, train, test, DOMAINS, domains.notes, fingerprint(train, test)
    )


def repeat_grey(pixels: Tensor, channels: int) -> Tensor:
    """Pixels (N, C, H, W) with a single channel repeated."""
    return pixels.expand(-1, channels, -1, -1) if pixels.shape[1] < channels else pixels


@dataclass(frozen=True)
class Direction:
    """The images that one direction is measured on, uint8: n of each, and their translations."""

    name: str  # 'A -> B'
    x: Tensor  # test images of the source
    real: Tensor  # test images of the target
    train: Tensor  # training images of the target
    translated: Tensor  # floats in [-1, 1]
    back: dict[str, Tensor]  # images translated back: from the translation, rounded to 8 bits, with noise

    @property
    def n(self) -> int:
        return len(self.x)


def translate_direction(evaluand: Evaluand, source: str, to: str) -> Direction:
    """Translate n test images of a domain, and back in three ways."""
    model, domains, n, seed = evaluand.model, evaluand.run.domains, evaluand.n, evaluand.seed
    assert isinstance(model, Translates)
    sides = {"A": domains.a, "B": domains.b}
    x, real, train = (
        images.pixels[choose_indices(len(images), n, seed)]
        for images in (sides[source].test, sides[to].test, sides[to].train)
    )
    translated = map_batches(
        model, x, lambda part: model.translate(part, to), progress=f"translating to {to}"
    )
    stored = to_float(to_uint8(translated))
    noisy = to_float(to_uint8(add_noise(translated, NOISE, seed)))
    starts = {"": translated, ", stored in 8 bits": stored, f", noise of {NOISE:.0%}": noisy}
    with torch.no_grad():
        back = {
            name: torch.cat(
                [model.translate(part.to(model.device), source).cpu() for part in start.split(50)]
            )
            for name, start in starts.items()
        }
    return Direction(f"{source} -> {to}", x, real, train, translated, back)


def translation(evaluand: Evaluand) -> list[Measure]:
    """Distances of translations beside two baselines, what survives the way back, what is changed."""
    measures = []
    for source, to in permutations(DOMAINS, 2):
        direction = translate_direction(evaluand, source, to)
        parts = [*distances(evaluand, direction), *recognised(evaluand, direction, DOMAINS.index(to))]
        parts += [*cycles(direction), *changes(direction)]
        measures += [replace(part, name=f"{part.name}, {direction.name}") for part in parts]
    return measures


def distances(evaluand: Evaluand, direction: Direction) -> list[Measure]:
    """Kernel and Frechet distance to test images of the target: of translations, and of the baselines."""
    source = in_channels(direction.x, direction.real.shape[1])
    sets = {
        "": to_uint8(direction.translated),
        "untranslated": source,
        "recoloured": match_histograms(source, direction.train, evaluand.seed),
        "real": direction.real,
        "floor": direction.train,
    }
    features = {name: extract(evaluand, pixels) for name, pixels in sets.items()}
    real, floor, n = features.pop("real"), features.pop("floor"), direction.n
    measures = []
    for name, x in features.items():
        label = ", ".join(filter(None, (f"kid[{evaluand.extractor.name}]", name)))
        error = kid_blocks(x, real, n // 2, evaluand.seed)[1]
        better: Better = "" if name else "lower"  # of a baseline neither is
        measures.append(Measure(label, kid(x, real), n, error, kid(floor, real), better, NOTES[name]))
    d = real.shape[1]
    if n <= d:
        evaluand.leave_out(f"fd[{evaluand.extractor.name}]", f"{n} images are too few for {d} features")
        return measures
    note = f"n is below 10 times {d} features: the floor is high" if n < 10 * d else ""
    for name, x in features.items():
        label = ", ".join(filter(None, (f"fd[{evaluand.extractor.name}]", name)))
        better = "" if name else "lower"
        measures.append(Measure(label, frechet(x, real), n, None, frechet(floor, real), better, note))
    return measures


def extract(evaluand: Evaluand, pixels: Tensor) -> Tensor:
    """Features of images of either domain."""
    return evaluand.extractor.features(repeat_grey(pixels, evaluand.channels))


def recognised(evaluand: Evaluand, direction: Direction, label: int) -> list[Measure]:
    """The share of translations that the extractor takes for images of the target."""
    extractor = evaluand.extractor
    if not isinstance(extractor, Extractor) or not extractor.labelled:
        return []
    shares = [
        float((extractor.classify(repeat_grey(pixels, evaluand.channels)).argmax(1) == label).double().mean())
        for pixels in (to_uint8(direction.translated), direction.real)
    ]
    error = standard_error_of_share(shares[0], direction.n)
    return [Measure("taken for the target", shares[0], direction.n, error, shares[1], "higher", form=".3f")]


def cycles(direction: Direction) -> list[Measure]:
    """What survives translation and the way back; little survives rounding or noise where it is hidden."""
    x = to_float(direction.x)
    return [
        mean_measure(
            f"cycle psnr{name}", psnr(x, back), form=".2f", better="higher", note="dB, mean of images"
        )
        for name, back in direction.back.items()
    ]


def changes(direction: Direction) -> list[Measure]:
    """How much is changed, and whether light and dark areas stay."""
    x = in_channels(to_float(direction.x), direction.translated.shape[1])
    change = (x - direction.translated).abs().mean((1, 2, 3)) / 2
    light = luminance_correlation(x, direction.translated)
    note = "of light and dark areas before and after; below 0 they are exchanged"
    return [
        mean_measure("change", change, form=".4f", note="mean absolute difference, pixels in [0, 1]"),
        mean_measure("luminance correlation", light, form=".3f", note=note),
    ]
