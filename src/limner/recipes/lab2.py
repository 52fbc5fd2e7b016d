"""Lab 2: what codes tell, and why random codes make poor images in an autoencoder and good ones in a VAE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from limner.data import Dataset, load, to_uint8
from limner.explore import map_codes, sample
from limner.explore.codes import chosen, viewed
from limner.figures import sheet
from limner.metrics import Extractor, extractor, frechet, knn_accuracy
from limner.recipes.lab1 import reconstructed
from limner.recipes.report import Report, Row, at_least, at_most, save, trained
from limner.training import Run
from limner.training.run import encode_all

VAE: dict[str, Any] = {"network": "conv", "likelihood": "bernoulli", "binarisation": "dynamic"}
N = 10_000  # images on each side of a distance
SURE = 0.9
WORSE = 3.0  # times as far from real images as reconstructions: random codes of the autoencoder, at least
CURED = 0.5  # of that distance: the VAE's samples, at most


def random_vectors(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """Lab 2 on MNIST: codes group digits; random codes fail in the autoencoder and work in a VAE."""
    data = load("digits" if quick else "mnist")
    epochs, n = (1, 300) if quick else (10, N)
    plain = trained(out / "conv-autoencoder", "conv-autoencoder", data, epochs=epochs, seed=seed)
    vae = trained(out / "vae", "vae", data, epochs=epochs, seed=seed, **VAE)
    measured = extractor(data)
    sets = image_sets(plain, vae, data, n, seed)
    distances = far_from_real(sets, data.test.pixels[:n], measured)
    random, made = "autoencoder, mean and deviation per column", "autoencoder, reconstructions"
    rows = [*neighbours(plain, data), *distance_rows(sets, distances, measured, min(n, len(data.test)))]
    worse, cured = distances[random] / distances[made], distances["VAE, N(0, I)"] / distances[random]
    rows.append(at_least("random codes over reconstructions, fd", worse, WORSE, not quick, ".1f"))
    rows.append(at_most("VAE over the autoencoder's random codes, fd", cured, CURED, not quick, ".2f"))
    mapped = map_codes(plain, "tsne", 200 if quick else 3000, seed=seed)
    pictures = [save(mapped.image, out / "lab2-map.png"), random_strip(sets, out)]
    return Report(
        rows, pictures, [f"{epochs} epochs of each model; {measured.name} is {measured.sha256[:16]}"]
    )


def image_sets(plain: Run, vae: Run, data: Dataset, n: int, seed: int) -> dict[str, Tensor]:
    """n images of every kind that is compared, uint8, real training images first: the floor."""
    real = chosen(data.train.pixels, n, seed)
    priors = {
        "mean and deviation per column": "gaussian",
        "full covariance": "full",
        "mixture of Gaussians": "gmm",
    }
    sets = {
        "real training images": real,
        "autoencoder, reconstructions": to_uint8(reconstructed(plain, real)),
    }
    sets |= {
        f"autoencoder, {name}": sample(plain, n, prior, seed).data["pixels"] for name, prior in priors.items()
    }
    sets["VAE, reconstructions"] = to_uint8(reconstructed(vae, real))
    sets["VAE, N(0, I)"] = sample(vae, n, "normal", seed).data["pixels"]
    return sets


def far_from_real(sets: dict[str, Tensor], test: Tensor, measured: Extractor) -> dict[str, float]:
    """The Frechet distance of each set from test images."""
    reference = measured.features(test)
    return {name: frechet(measured.features(pixels), reference) for name, pixels in sets.items()}


def distance_rows(
    sets: dict[str, Tensor], distances: dict[str, float], measured: Extractor, n: int
) -> list[Row]:
    """A row per set: its distance and how many of its images the classifier is sure of."""
    rows = []
    for name, pixels in sets.items():
        sure = float((measured.classify(pixels).amax(1) >= SURE).float().mean())
        what = f"{name}" + (" (the floor)" if name.startswith("real") else "")
        rows.append(Row(what, f"fd[{measured.name}] {distances[name]:.2f}, n {n:,}; {sure:.1%} clear digits"))
    return rows


def neighbours(run: Run, data: Dataset) -> list[Row]:
    """How well the 5 nearest training images tell a test image's label, by code and by pixels."""
    assert data.train.labels is not None
    assert data.test.labels is not None
    z = [encode_all(run.model, split.pixels) for split in (data.train, data.test)]
    codes = {"code": z, "channel means": [viewed(run, part, "channels")[0] for part in z]}
    codes["pixels"] = [split.pixels.flatten(1).float() for split in (data.train, data.test)]
    rows = []
    for name, (train, test) in codes.items():
        accuracy = knn_accuracy(train, data.train.labels, test, data.test.labels)
        rows.append(Row(f"5 nearest neighbours by {name} ({train.shape[1]} numbers)", f"{accuracy:.2%}"))
    return rows


def random_strip(sets: dict[str, Tensor], out: Path) -> Path:
    """The first images of every set, a row each."""
    title = "Lab 2: the codes of an autoencoder have no known distribution, those of a VAE have"
    rows = [pixels[:12] for pixels in sets.values()]
    return save(sheet(rows, title=title, row_labels=list(sets)), out / "lab2-random-vectors.png")
