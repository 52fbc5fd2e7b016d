"""Lab 4: handwritten digits from a generative adversarial network, of several seeds."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from limner.data import Dataset, load
from limner.explore.codes import chosen
from limner.explore.samples import drawn
from limner.explore.timeline import watched
from limner.figures import sheet
from limner.metrics import (
    Extractor,
    class_counts,
    class_kl,
    class_kl_floor,
    classes_present,
    extractor,
    frechet,
    prdc,
)
from limner.recipes.report import Report, Row, at_least, save, trained
from limner.training import Run

SEEDS = 5
SAMPLES = 1000  # in which every class has to be
LEAST = 10  # samples, 1 %, for a class to count
N = 10_000  # samples of the distances


def digits(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """GAN on MNIST, 1,200,000 images, 5 seeds: all 10 classes among 1,000 samples, each at least 10 times."""
    data = load("digits" if quick else "mnist")
    seeds = range(seed, seed + (2 if quick else SEEDS))
    images, n = (3000, 300) if quick else (1_200_000, N)
    runs = [trained(out / f"gan-{s}", "gan", data, seed=s, images=images) for s in seeds]
    made = [drawn(run, n, seed=s) for run, s in zip(runs, seeds, strict=True)]
    rows = class_rows(made, data, not quick) + distance_rows(made, data, seed)
    return Report(
        rows, pictures(runs[0], made, out), [f"± is the deviation between seeds {', '.join(map(str, seeds))}"]
    )


def pictures(run: Run, made: list[Tensor], out: Path) -> list[Path]:
    """The first seed over training, and samples of every seed."""
    name = run.data.name
    shown = watched(run, 12)
    title = f"GAN on {name}: the same noise over training, images seen at the left"
    strip = sheet(list(shown.values()), title=title, row_labels=[f"{seen:,}" for seen in shown])
    title = f"GAN on {name}: samples of {len(made)} seeds after {run.images_seen:,} images"
    last = sheet([part for pixels in made for part in pixels[:40].split(20)], title=title)
    return [save(strip, out / "gan-over-time.png"), save(last, out / "gan-samples.png")]


def spread(values: list[float], form: str) -> str:
    """'mean ± deviation (each value)'."""
    found = torch.tensor(values, dtype=torch.float64)
    each = " ".join(f"{value:{form}}" for value in values)
    return f"{found.mean():{form}} ± {found.std():{form}} ({each})"


def class_rows(made: list[Tensor], data: Dataset, judged: bool) -> list[Row]:
    """Which classes are among the samples, and how evenly, by the classifier."""
    judge = extractor(data)
    probabilities = [judge.classify(pixels) for pixels in made]
    counts = [class_counts(p[:SAMPLES]) for p in probabilities]
    what = f"classes with {LEAST} or more of {SAMPLES:,} samples, the worst seed"
    real = class_counts(judge.classify(data.test.pixels))
    floor = class_kl_floor(len(real), len(made[0]))
    told = spread([class_kl(class_counts(p), real) for p in probabilities], ".4f")
    return [
        at_least(what, min(classes_present(one, LEAST) for one in counts), len(real), judged, "d"),
        Row("samples of the rarest class, each seed", " ".join(str(int(one.min())) for one in counts)),
        Row(
            "KL(classes of samples || of test images)", f"{told} nats, n {len(made[0]):,} (floor {floor:.4f})"
        ),
    ]


def distance_rows(made: list[Tensor], data: Dataset, seed: int) -> list[Row]:
    """How far samples are from test images, beside how far training images are: the floor."""
    measured = extractor(data)
    n = min(len(made[0]), len(data.test))
    test = measured.features(chosen(data.test.pixels, n, seed))
    fakes = [measured.features(pixels[:n]) for pixels in made]
    train = measured.features(chosen(data.train.pixels, n, seed))
    distances = spread([frechet(fake, test) for fake in fakes], ".2f")
    rows = [Row(f"fd[{measured.name}]", f"{distances}, n {n:,} (floor {frechet(train, test):.2f})")]
    return rows + ball_rows(fakes, test, train, measured)


def ball_rows(fakes: list[Tensor], test: Tensor, train: Tensor, measured: Extractor) -> list[Row]:
    """Precision, recall, density and coverage."""
    ours, real = [prdc(test, fake)._asdict() for fake in fakes], prdc(test, train)._asdict()
    return [
        Row(
            f"{name}, k 5", f"{spread([one[name] for one in ours], '.3f')} (training images {real[name]:.3f})"
        )
        for name in real
    ]
