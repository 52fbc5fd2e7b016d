"""Lab 4: handwritten digits from a generative adversarial network."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from limner.data import Dataset, load
from limner.explore import sample
from limner.explore.codes import chosen
from limner.explore.timeline import watched
from limner.figures import sheet
from limner.metrics import (
    class_counts,
    class_kl,
    class_kl_floor,
    classes_present,
    extractor,
    frechet,
    frechet_floor,
    prdc,
)
from limner.recipes.report import Report, Row, at_least, save, trained

SAMPLES = 1000  # in which every class has to be
LEAST = 10  # samples, 1 %, for a class to count
N = 10_000  # samples of the distances


def digits(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """GAN on MNIST, 2,000,000 images: all 10 classes among 1,000 samples, each at least 10 times."""
    data = load("digits" if quick else "mnist")
    run = trained(out / "gan", "gan", data, seed=seed, images=10_000 if quick else 2_000_000)
    pixels = sample(run, 1000 if quick else N, seed=seed).data["pixels"]
    rows = class_rows(pixels, data, not quick) + distance_rows(pixels, data, seed)
    title = f"GAN on {data.name}: the same noise over training, images seen at the left"
    shown = watched(run, 12)
    strip = sheet(list(shown.values()), title=title, row_labels=[f"{seen:,}" for seen in shown])
    last = sheet(
        list(pixels[:100].split(20)),
        title=f"GAN on {data.name}: 100 samples after {run.images_seen:,} images",
    )
    return Report(rows, [save(strip, out / "gan-over-time.png"), save(last, out / "gan-samples.png")])


def class_rows(pixels: Tensor, data: Dataset, judged: bool) -> list[Row]:
    """Which classes are among the samples, and how evenly, by the classifier."""
    judge = extractor(data)
    probabilities = judge.classify(pixels)
    counts = class_counts(probabilities[:SAMPLES])
    what = f"classes with {LEAST} or more of {SAMPLES:,} samples"
    real = class_counts(judge.classify(data.test.pixels))
    kl, floor = class_kl(class_counts(probabilities), real), class_kl_floor(len(real), len(pixels))
    told = f"{kl:.4f} nats, n {len(pixels):,} (floor {floor:.4f})"
    return [
        at_least(what, classes_present(counts, LEAST), len(real), judged, "d"),
        Row("samples of each class", " ".join(map(str, counts.tolist()))),
        Row("KL(classes of samples || of test images)", told),
    ]


def distance_rows(pixels: Tensor, data: Dataset, seed: int) -> list[Row]:
    """How far samples are from test images, beside how far training images are: the floor."""
    measured = extractor(data)
    n = min(len(pixels), len(data.test))
    test, fake = measured.features(data.test.pixels[:n]), measured.features(pixels[:n])
    train = measured.features(chosen(data.train.pixels, n, seed))
    reached = f"{frechet(fake, test):.2f}, n {n:,} (floor {frechet_floor(train, test, n):.2f})"
    ours, real = prdc(test, fake)._asdict(), prdc(test, train)._asdict()
    rows = [Row(f"{name}, k 5", f"{ours[name]:.3f} (training images {real[name]:.3f})") for name in ours]
    return [Row(f"fd[{measured.name}]", reached), *rows]
