"""Lab 2: codes group similar images; random codes make poor images in an autoencoder, good ones in a VAE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from limner.data import Dataset, load, to_uint8
from limner.explore import map_codes
from limner.explore.codes import choose_images, code_view
from limner.explore.samples import draw_samples
from limner.figures import sheet
from limner.metrics import Extractor, extractor, frechet, knn_accuracy
from limner.models.abilities import Encodes
from limner.recipes.measures import reconstruct
from limner.recipes.report import Report, Row, at_least, at_most, save_picture, train_or_resume
from limner.training import Run
from limner.training.codes import encode_images

VAE: dict[str, Any] = {"network": "conv", "likelihood": "bernoulli", "binarisation": "dynamic"}
N = 10_000  # images on each side of a distance
CLEAR = 0.9  # least probability of its class for an image to count as a clear digit
WORSE = 3.0  # least ratio of distances: random codes of the autoencoder over its reconstructions
BETTER = 0.5  # largest ratio of distances: samples of the VAE over random codes of the autoencoder

REAL = "real training images"
RECONSTRUCTIONS = "autoencoder, reconstructions"
RANDOM_CODES = "autoencoder, mean and deviation per column"
VAE_SAMPLES = "VAE, N(0, I)"


def random_vectors(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """Lab 2 on MNIST: codes group digits; random codes fail in the autoencoder and work in a VAE."""
    data = load("digits" if quick else "mnist")
    epochs, n = (1, 300) if quick else (10, N)
    autoencoder = train_or_resume(
        out / "conv-autoencoder", "conv-autoencoder", data, epochs=epochs, seed=seed
    )
    vae = train_or_resume(out / "vae", "vae", data, epochs=epochs, seed=seed, **VAE)
    features = extractor(data)
    sets = image_sets(autoencoder, vae, data, n, seed)
    test = features.features(data.test.pixels[:n])
    distances = {name: frechet(features.features(pixels), test) for name, pixels in sets.items()}
    worse = distances[RANDOM_CODES] / distances[RECONSTRUCTIONS]
    better = distances[VAE_SAMPLES] / distances[RANDOM_CODES]
    rows = [
        *neighbour_rows(autoencoder, data),
        *distance_rows(sets, distances, features, min(n, len(data.test))),
        at_least("random codes over reconstructions, fd", worse, WORSE, not quick, ".1f"),
        at_most("VAE over the autoencoder's random codes, fd", better, BETTER, not quick, ".2f"),
    ]
    code_map = map_codes(autoencoder, "tsne", 200 if quick else 3000, seed=seed)
    pictures = [save_picture(code_map.image, out / "lab2-map.png"), draw_strip(sets, out)]
    note = f"{epochs} epochs of each model; {features.name} is {features.sha256[:16]}"
    return Report(rows, pictures, [note])


def image_sets(autoencoder: Run, vae: Run, data: Dataset, n: int, seed: int) -> dict[str, Tensor]:
    """n images (n, C, H, W) uint8 of every kind to compare, by name."""
    real = choose_images(data.train.pixels, n, seed)
    return {
        REAL: real,
        RECONSTRUCTIONS: to_uint8(reconstruct(autoencoder, real)),
        RANDOM_CODES: draw_samples(autoencoder, n, seed=seed, prior="gaussian"),
        "autoencoder, full covariance": draw_samples(autoencoder, n, seed=seed, prior="full"),
        "autoencoder, mixture of Gaussians": draw_samples(autoencoder, n, seed=seed, prior="gmm"),
        "VAE, reconstructions": to_uint8(reconstruct(vae, real)),
        VAE_SAMPLES: draw_samples(vae, n, seed=seed, prior="normal"),
    }


def distance_rows(
    sets: dict[str, Tensor], distances: dict[str, float], features: Extractor, n: int
) -> list[Row]:
    """A row per set: its Frechet distance from test images, and its share of clear digits."""
    rows = []
    for name, pixels in sets.items():
        clear = float((features.classify(pixels).amax(1) >= CLEAR).float().mean())
        what = f"{name} (the floor)" if name == REAL else name
        distance = f"fd[{features.name}] {distances[name]:.2f}, n {n:,}"
        rows.append(Row(what, f"{distance}; {clear:.1%} clear digits"))
    return rows


def neighbour_rows(run: Run, data: Dataset) -> list[Row]:
    """How often the 5 nearest training images predict a test image's label, by code and by pixels."""
    assert data.train.labels is not None
    assert data.test.labels is not None
    model = run.model
    assert isinstance(model, Encodes)
    splits = (data.train, data.test)
    codes = [encode_images(model, split.pixels) for split in splits]
    spaces = {
        "code": codes,
        "channel means": [code_view(run, z, "channels")[0] for z in codes],
        "pixels": [split.pixels.flatten(1).float() for split in splits],
    }
    rows = []
    for name, (train, test) in spaces.items():
        accuracy = knn_accuracy(train, data.train.labels, test, data.test.labels)
        rows.append(Row(f"5 nearest neighbours by {name} ({train.shape[1]} numbers)", f"{accuracy:.2%}"))
    return rows


def draw_strip(sets: dict[str, Tensor], out: Path) -> Path:
    """The first images of every set, a row each."""
    title = "Lab 2: the distribution of a VAE's codes is known, that of an autoencoder's codes is not"
    picture = sheet([pixels[:12] for pixels in sets.values()], title=title, row_labels=list(sets))
    return save_picture(picture, out / "lab2-random-vectors.png")
