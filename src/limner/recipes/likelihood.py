"""Published likelihoods of MNIST: a VAE (Rezende & Mohamed 2015) and an IWAE (Burda et al. 2016).

The protocol of both: every pixel drawn black or white once, 50,000 images to train on, 10,000 to choose the
weights by, 10,000 to report; log p(x) by 5,000 importance samples.  Published numbers are of another draw of
the pixels (Larochelle's file); ours has its own fixed seed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from limner.data import Dataset, load, to_float
from limner.explore.samples import draw_samples
from limner.figures import sheet
from limner.metrics import active_units, importance_bound, likelihood
from limner.models.abilities import Encodes, HasLikelihood
from limner.plots import curves
from limner.recipes.report import Report, Row, at_most, save_picture, train_or_resume
from limner.training import Run
from limner.training.codes import encode_images

BINARY: dict[str, Any] = {"likelihood": "bernoulli", "binarisation": "static"}
# 784-400-40, Adam 1e-4, times 10^(-1/5) after 200 and 350 of 500 epochs: pythae's reproduction, 89.78
VAE: dict[str, Any] = BINARY | {
    "hidden": (400,), "latent_dim": 40, "lr": 1e-4, "batch": 100, "validation": 10_000, "epochs": 500,
    "lr_drops": (10_000_000, 17_500_000), "lr_drop": 0.630957,
}  # fmt: skip
# Burda et al. 2016, 784-200-200-50 tanh, k 50; their 3,280 epochs in batches of 20 are cut down to 90 of 50
IWAE: dict[str, Any] = BINARY | {
    "hidden": (200, 200), "activation": "tanh", "latent_dim": 50, "k": 50, "lr": 1e-3, "batch": 50,
    "validation": 10_000, "epochs": 90,
    "lr_drops": (2_000_000, 3_000_000, 3_750_000, 4_200_000), "lr_drop": 0.5,
}  # fmt: skip
QUICK: dict[str, Any] = {"validation": 200, "epochs": 3, "lr_drops": (3000,), "hidden": (50,), "lr": 1e-3}
PUBLISHED = {"vae": (89.9, 0.3), "iwae": (87.1, 0.4)}  # nats per image, and how far above it may lie
SAMPLES = (1, 50, 5000)


def vae_static(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """VAE 784-400-40 on MNIST binarised once, 500 epochs: test NLL at most 89.9 + 0.3 nats."""
    settings = VAE | QUICK if quick else VAE
    return train_and_measure(out, "vae", settings, quick, seed)


def iwae_static(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """IWAE, k 50, on MNIST binarised once, 90 epochs: test NLL at most 87.1 + 0.4 nats."""
    settings = IWAE | QUICK | {"k": 5} if quick else IWAE
    return train_and_measure(out, "iwae", settings, quick, seed)


def train_and_measure(out: Path, name: str, settings: dict[str, Any], quick: bool, seed: int) -> Report:
    """Train, and measure the weights with the lowest validation loss on the test images."""
    data = load("digits" if quick else "mnist")
    run = train_or_resume(out / name, "vae", data, seed=seed, **settings)
    model, pixels = run.model, run.data.test.pixels
    assert isinstance(model, HasLikelihood)
    assert isinstance(model, Encodes)
    if quick:
        pixels = pixels[:50]
    ks = (1, 5, 20) if quick else SAMPLES
    bounds = importance_bound(model, to_float(pixels).to(model.device), ks, seed)
    published, above = PUBLISHED[name]
    nll = -likelihood(bounds[ks[-1]], ks[-1]).mean
    target = f"test NLL, k {ks[-1]:,}; published {published}"
    active = active_units(encode_images(model, pixels))
    chosen = f"after {run.images_seen:,} of {run.log[-1]['images']:,} images"
    rows = [
        *(bound_row(nats, k) for k, nats in bounds.items()),
        at_most(target, nll, published + above, not quick, ".2f"),
        Row("active units", f"{active} of {model.latent.dim}"),
        Row("weights of the lowest validation loss", chosen),
    ]
    pictures = [draw_history(run, data, name, out), draw_means(run, data, name, seed, out)]
    return Report(rows, pictures, [model.protocol])


def bound_row(nats: Tensor, k: int) -> Row:
    """-log p(x) by k samples, from the bounds (N,) of single images."""
    result = likelihood(nats, k)
    what = f"test -log p(x), k {k:,}"
    if k == 1:
        what += " (the ELBO)"
    return Row(what, f"{-result.mean:.2f} ± {result.standard_error:.2f} nats, n {result.n:,}")


def draw_history(run: Run, data: Dataset, name: str, out: Path) -> Path:
    """The loss of training and validation images over training, without its steep start."""
    log = [line for line in run.log if line["images"] > 0.02 * run.log[-1]["images"]]
    images = [line["images"] for line in log]
    series = {
        "training images": (images, [line["loss/main"] for line in log]),
        "validation images": (images, [line["validation/loss"] for line in log]),
    }
    title = f"{name} on {data.name} binarised once: the objective over training"
    picture = curves(series, title=title, xlabel="images seen", ylabel="nats per image")
    return save_picture(picture, out / f"{name}-curve.png")


def draw_means(run: Run, data: Dataset, name: str, seed: int, out: Path) -> Path:
    """The mean images of random codes."""
    title = f"{name} on {data.name} binarised once: the mean images of codes from N(0, I)"
    picture = sheet(list(draw_samples(run, 60, seed=seed).split(15)), title=title)
    return save_picture(picture, out / f"{name}-samples.png")
