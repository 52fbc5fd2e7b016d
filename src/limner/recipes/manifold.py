"""Lab 3: the two-dimensional manifolds of digits and of faces (Kingma & Welling 2014, figure 4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner.data import Dataset, load, to_float
from limner.explore import manifold
from limner.figures import sheet
from limner.metrics import class_counts, classes_present, extractor, mse, pca_mse
from limner.models.abilities import HasLikelihood
from limner.recipes.measures import mean_validation, reconstruct
from limner.recipes.report import Report, Row, at_least, at_most, save_picture, train_or_resume
from limner.training import Run

STEPS = {"mnist": 20, "frey": 18}  # images along each side
CLASSES = 9  # of the ten digits must be on the manifold
FEWEST = 4  # images, 1 % of the manifold, for a digit to count
SMOOTH = 0.1  # faces: mean squared difference of neighbours over that of any two, at most
SETTINGS: dict[str, dict[str, Any]] = {
    "mnist": {"hidden": (500, 200), "likelihood": "bernoulli", "binarisation": "dynamic", "epochs": 30},
    "frey": {"hidden": (500, 200), "epochs": 150},
}


def manifolds(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """VAEs of 2 numbers: 9 of 10 digits on MNIST's manifold; faces that change smoothly on Frey's."""
    rows: list[Row] = []
    pictures: list[Path] = []
    for name, settings in SETTINGS.items():
        data = load("digits" if quick else name)
        if quick:
            settings = settings | {"epochs": 3}
        run = train_or_resume(out / f"vae-{name}", "vae", data, latent_dim=2, seed=seed, **settings)
        pixels = manifold(run, (0, 1), 8 if quick else STEPS[name]).data["pixels"]  # (steps, steps, C, H, W)
        rows.append(bound_row(run, seed))
        if name == "mnist":
            rows += [smoothness_row(pixels, data), *digit_rows(pixels, data, not quick)]
        else:
            rows += [smoothness_row(pixels, data, SMOOTH, not quick), *pca_rows(run, data, not quick)]
        title = f"VAE of 2 numbers on {data.name}: to the right z0, upwards z1, at the quantiles of N(0, I)"
        picture = sheet(list(pixels), title=title, scale=2, gap=0)
        pictures.append(save_picture(picture, out / f"manifold-{name}.png"))
    return Report(rows, pictures)


def bound_row(run: Run, seed: int) -> Row:
    """The bound on log p(x) and its KL term, over all held-out images."""
    model = run.model
    assert isinstance(model, HasLikelihood)
    means = mean_validation(run, run.data.test.pixels, seed)
    protocol = model.protocol
    if "sigma" in means:
        protocol += f", sigma {means['sigma']:.3f}"
    nats = f"{means['elbo']:.1f} nats per image, of which KL {means['kl']:.1f} ({protocol})"
    return Row(f"{run.data.name}: held-out ELBO", nats)


def smoothness_row(pixels: Tensor, data: Dataset, bound: float | None = None, judged: bool = False) -> Row:
    """The squared difference of neighbours on the manifold over that of any two of its images.

    Faces change without a break, so theirs has a bound; digits change from one shape into another.
    """
    x = to_float(pixels)
    across = mse(x[:, 1:].flatten(0, 1), x[:, :-1].flatten(0, 1))
    down = mse(x[1:].flatten(0, 1), x[:-1].flatten(0, 1))
    flat = x.flatten(0, 1)
    order = torch.randperm(len(flat), generator=torch.Generator().manual_seed(0))
    share = float(torch.cat([across, down]).mean() / mse(flat, flat[order]).mean())
    what = f"{data.name}: squared step between neighbours over any two"
    return Row(what, f"{share:.3f}") if bound is None else at_most(what, share, bound, judged, ".3f")


def digit_rows(pixels: Tensor, data: Dataset, judged: bool) -> list[Row]:
    """How many classes the classifier finds on the manifold (rows, columns, C, H, W), and how often each."""
    counts = class_counts(extractor(data).classify(pixels.flatten(0, 1)))
    what = f"{data.name}: digits with {FEWEST} or more of {pixels.shape[0] * pixels.shape[1]} images"
    listed = Row(f"{data.name}: images of each digit", " ".join(map(str, counts.tolist())))
    return [at_least(what, classes_present(counts, FEWEST), CLASSES, judged, "d"), listed]


def pca_rows(run: Run, data: Dataset, judged: bool) -> list[Row]:
    """The error of held-out reconstructions, and its ratio to that of two principal components."""
    x = to_float(data.test.pixels)
    error = float(mse(reconstruct(run, data.test.pixels), x).mean())
    pca_error = pca_mse(to_float(data.train.pixels), x, [2])[2]
    errors = Row(f"{data.name}: held-out MSE", f"{error:.5f}; PCA with 2 numbers {pca_error:.5f}")
    return [
        errors,
        at_most(f"{data.name}: held-out MSE over that of PCA", error / pca_error, 1.0, judged, ".2f"),
    ]
