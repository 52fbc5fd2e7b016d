"""Lab 3: the two-dimensional manifolds of digits and of faces (Kingma & Welling 2014, figure 4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner.data import Dataset, load, to_float
from limner.explore import manifold
from limner.explore.codes import seeded
from limner.figures import sheet
from limner.metrics import class_counts, classes_present, extractor, mse, pca_mse
from limner.recipes.lab1 import reconstructed
from limner.recipes.report import Report, Row, at_least, at_most, save, trained
from limner.training import Run

STEPS = {"mnist": 20, "frey": 18}  # images along each side
CLASSES = 9  # of the ten digits have to be on the manifold
LEAST = 4  # images, 1 % of the manifold, for a digit to count
SMOOTH = 0.1  # of faces: mean squared difference of neighbours over that of any two, at most
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
        settings = settings | ({"epochs": 3} if quick else {})
        run = trained(out / f"vae-{name}", "vae", data, latent_dim=2, seed=seed, **settings)
        pixels = manifold(run, (0, 1), 8 if quick else STEPS[name]).data["pixels"]  # (steps, steps, C, H, W)
        rows += [bound(run, data, seed), step_between_neighbours(pixels, data, name == "frey", not quick)]
        rows += digits_on(pixels, data, not quick) if name == "mnist" else against_pca(run, data, not quick)
        title = f"VAE of 2 numbers on {data.name}: to the right z0, upwards z1, at the quantiles of N(0, I)"
        picture = sheet(list(pixels), title=title, scale=2, gap=0)
        pictures.append(save(picture, out / f"manifold-{name}.png"))
    return Report(rows, pictures)


def bound_of(run: Run, pixels: Tensor, seed: int) -> dict[str, float]:
    """The bound on log p(x) of pixels (N, C, H, W) uint8 and its KL term, in nats per image."""
    model: Any = run.model
    parts = to_float(model.prepare(pixels, fresh=False)).to(model.device).split(1000)
    with seeded(seed):
        logs = [model.validate(part, None) for part in parts]
    weights = [len(part) / len(pixels) for part in parts]
    return {key: sum(w * log[key] for w, log in zip(weights, logs, strict=True)) for key in ("elbo", "kl")}


def bound(run: Run, data: Dataset, seed: int) -> Row:
    """The bound on log p(x) and the share that the codes cost, over all held-out images."""
    found = bound_of(run, data.test.pixels, seed)
    model: Any = run.model
    sigma = f", sigma {model.variance().sqrt().item():.3f}" if model.likelihood == "gaussian" else ""
    told = f"{found['elbo']:.1f} nats per image, of which KL {found['kl']:.1f} ({model.protocol}{sigma})"
    return Row(f"{data.name}: held-out ELBO", told)


def step_between_neighbours(pixels: Tensor, data: Dataset, faces: bool, judged: bool) -> Row:
    """How much less neighbours on the manifold differ than any two of its images.

    Of faces, which change without a break, little is asked; digits cross from one shape into another.
    """
    x = to_float(pixels)
    across, down = (
        mse(x[:, 1:].flatten(0, 1), x[:, :-1].flatten(0, 1)),
        mse(x[1:].flatten(0, 1), x[:-1].flatten(0, 1)),
    )
    flat = x.flatten(0, 1)
    order = torch.randperm(len(flat), generator=torch.Generator().manual_seed(0))
    share = float(torch.cat([across, down]).mean() / mse(flat, flat[order]).mean())
    what = f"{data.name}: squared step between neighbours over any two"
    return at_most(what, share, SMOOTH, judged, ".3f") if faces else Row(what, f"{share:.3f}")


def digits_on(pixels: Tensor, data: Dataset, judged: bool) -> list[Row]:
    """How many classes the classifier sees on the manifold, and how often each."""
    counts = class_counts(extractor(data).classify(pixels.flatten(0, 1)))
    what = f"{data.name}: digits with {LEAST} or more of {pixels[..., 0, 0, 0].numel()} images"
    each = Row(f"{data.name}: images of each digit", " ".join(map(str, counts.tolist())))
    return [at_least(what, classes_present(counts, LEAST), CLASSES, judged, "d"), each]


def against_pca(run: Run, data: Dataset, judged: bool) -> list[Row]:
    """The error of held-out reconstructions over that of two principal components."""
    x = to_float(data.test.pixels)
    ours = float(mse(reconstructed(run, data.test.pixels), x).mean())
    linear = pca_mse(to_float(data.train.pixels), x, [2])[2]
    errors = Row(f"{data.name}: held-out MSE", f"{ours:.5f}; PCA with 2 numbers {linear:.5f}")
    return [errors, at_most(f"{data.name}: held-out MSE over that of PCA", ours / linear, 1.0, judged, ".2f")]
