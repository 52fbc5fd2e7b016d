"""Lab 4: handwritten digits from a generative adversarial network, with several seeds."""

from __future__ import annotations

import statistics
from pathlib import Path

from torch import Tensor

from limner.data import Dataset, load
from limner.explore.codes import choose_images
from limner.explore.samples import draw_samples
from limner.explore.timeline import read_previews
from limner.figures import sheet
from limner.metrics import (
    class_counts,
    class_kl,
    class_kl_floor,
    classes_present,
    extractor,
    frechet,
    prdc,
)
from limner.recipes.report import Report, Row, at_least, save_picture, train_or_resume
from limner.training import Run

SEEDS = 5
SAMPLES = 1000  # in which every class must appear
FEWEST = 10  # samples, 1 %, for a class to count
N = 10_000  # samples of the distances


def gan_digits(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """GAN on MNIST, 1,200,000 images, 5 seeds: all 10 classes among 1,000 samples, each at least 10 times."""
    data = load("digits" if quick else "mnist")
    seeds = range(seed, seed + (2 if quick else SEEDS))
    images, n = (3000, 300) if quick else (1_200_000, N)
    runs = [train_or_resume(out / f"gan-{s}", "gan", data, seed=s, images=images) for s in seeds]
    samples = [draw_samples(run, n, seed=s) for run, s in zip(runs, seeds, strict=True)]
    rows = class_rows(samples, data, not quick) + distance_rows(samples, data, seed)
    note = f"± is the standard deviation between seeds {', '.join(map(str, seeds))}"
    return Report(rows, draw_pictures(runs[0], samples, out), [note])


def draw_pictures(run: Run, samples: list[Tensor], out: Path) -> list[Path]:
    """The run of the first seed over training, and samples of every seed."""
    name = run.data.name
    previews = read_previews(run, 12)
    title = f"GAN on {name}: the same noise over training, images seen at the left"
    over_time = sheet(list(previews.values()), title=title, row_labels=[f"{images:,}" for images in previews])
    title = f"GAN on {name}: samples of {len(samples)} seeds after {run.images_seen:,} images"
    last = sheet([row for pixels in samples for row in pixels[:40].split(20)], title=title)
    return [
        save_picture(over_time, out / "gan-over-time.png"),
        save_picture(last, out / "gan-samples.png"),
    ]


def spread(values: list[float], form: str) -> str:
    """'mean ± standard deviation (each value)'."""
    listed = " ".join(f"{value:{form}}" for value in values)
    return f"{statistics.mean(values):{form}} ± {statistics.stdev(values):{form}} ({listed})"


def class_rows(samples: list[Tensor], data: Dataset, judged: bool) -> list[Row]:
    """Which classes are among the samples, and how evenly, by the classifier."""
    classifier = extractor(data)
    probabilities = [classifier.classify(pixels) for pixels in samples]
    counts = [class_counts(p[:SAMPLES]) for p in probabilities]
    what = f"classes with {FEWEST} or more of {SAMPLES:,} samples, the worst seed"
    real = class_counts(classifier.classify(data.test.pixels))
    floor = class_kl_floor(len(real), len(samples[0]))
    kl = spread([class_kl(class_counts(p), real) for p in probabilities], ".4f")
    return [
        at_least(what, min(classes_present(count, FEWEST) for count in counts), len(real), judged, "d"),
        Row("samples of the rarest class, each seed", " ".join(str(int(count.min())) for count in counts)),
        Row(
            "KL(classes of samples || of test images)",
            f"{kl} nats, n {len(samples[0]):,} (floor {floor:.4f})",
        ),
    ]


def distance_rows(samples: list[Tensor], data: Dataset, seed: int) -> list[Row]:
    """The Frechet distance of samples from test images, beside that of training images: the floor."""
    features = extractor(data)
    n = min(len(samples[0]), len(data.test))
    test = features.features(choose_images(data.test.pixels, n, seed))
    fakes = [features.features(pixels[:n]) for pixels in samples]
    train = features.features(choose_images(data.train.pixels, n, seed))
    distances = spread([frechet(fake, test) for fake in fakes], ".2f")
    rows = [Row(f"fd[{features.name}]", f"{distances}, n {n:,} (floor {frechet(train, test):.2f})")]
    return rows + neighbourhood_rows(fakes, test, train)


def neighbourhood_rows(fakes: list[Tensor], test: Tensor, train: Tensor) -> list[Row]:
    """Precision, recall, density and coverage."""
    generated, real = [prdc(test, fake)._asdict() for fake in fakes], prdc(test, train)._asdict()
    return [
        Row(
            f"{name}, k 5",
            f"{spread([values[name] for values in generated], '.3f')} (training images {real[name]:.3f})",
        )
        for name in real
    ]
