"""Published likelihoods of MNIST: VAEs of three sizes, and an IWAE (Burda et al. 2016).

The protocol: every pixel drawn black or white once, 50,000 images to train on, 10,000 to choose the weights
by, 10,000 to report; log p(x) by importance samples, as many as the published number has, and 5,000.
Published numbers are of another draw of the pixels (Larochelle's file); ours has its own fixed seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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

BINARY: dict[str, Any] = {"likelihood": "bernoulli", "binarisation": "static", "validation": 10_000}
# 784-400-40, Adam 1e-4, times 10^(-1/5) after 200 and 350 of 500 epochs: the script of pythae 0.1.2
VAE: dict[str, Any] = BINARY | {
    "hidden": (400,), "latent_dim": 40, "lr": 1e-4, "batch": 100, "epochs": 500,
    "lr_drops": (10_000_000, 17_500_000), "lr_drop": 0.630957,
}  # fmt: skip
# 784-400-400-40, otherwise the same: the network whose weights pythae's 89.78 was measured with
DEEP: dict[str, Any] = VAE | {"hidden": (400, 400)}
# 784-256-256-128, 65,000 steps of 128 images: the README of github.com/altosaar/variational-autoencoder,
# which has RMSprop
SHORT: dict[str, Any] = BINARY | {
    "hidden": (256, 256), "latent_dim": 128, "lr": 1e-3, "batch": 128, "images": 8_320_000,
}  # fmt: skip
# Burda et al. 2016, 784-200-200-50 tanh, k 50; their 3,280 epochs in batches of 20 are cut down to 90 of 50
IWAE: dict[str, Any] = BINARY | {
    "hidden": (200, 200), "activation": "tanh", "latent_dim": 50, "k": 50, "lr": 1e-3, "batch": 50,
    "epochs": 90, "lr_drops": (2_000_000, 3_000_000, 3_750_000, 4_200_000), "lr_drop": 0.5,
}  # fmt: skip
QUICK: dict[str, Any] = {
    "validation": 200, "images": 4800, "epochs": None, "lr_drops": (3000,), "hidden": (50,), "lr": 1e-3,
}  # fmt: skip
SAMPLES, QUICK_SAMPLES = (1, 50, 5000), (1, 5, 20)


class Published(NamedTuple):
    """-log p(x) by k samples in nats per image, and how far above it a test result may lie."""

    k: int
    nats: float
    above: float


def vae_static(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """VAE 784-400-40, MNIST binarised once: test ELBO at most 97.5 + 0.5, NLL (k 200) at most 92.0 + 0.4."""
    return judge(out, VAE, (Published(1, 97.5, 0.5), Published(200, 92.0, 0.4)), quick, seed)


def vae_deep(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """VAE 784-400-400-40, MNIST binarised once: test NLL (k 200) at most 89.78 + 0.3 nats."""
    return judge(out, DEEP, (Published(200, 89.78, 0.3),), quick, seed)


def vae_short(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """VAE 784-256-256-128, MNIST binarised once: test ELBO at most 103.3 + 0.3, NLL (k 128) 97.1 + 0.3."""
    return judge(out, SHORT, (Published(1, 103.3, 0.3), Published(128, 97.1, 0.3)), quick, seed)


def iwae_static(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """IWAE 784-200-200-50, MNIST binarised once: trained with k 50 its test NLL is below that with k 1."""
    settings = IWAE | QUICK | {"k": 5} if quick else IWAE
    data = load_images(quick)
    iwae = train_or_resume(out / "iwae", "vae", data, seed=seed, **settings)
    vae = train_or_resume(out / "vae", "vae", data, seed=seed, **settings | {"k": 1})
    ks = QUICK_SAMPLES if quick else SAMPLES
    rows, nll = [], []
    for run, trained in ((iwae, settings["k"]), (vae, 1)):
        bounds = test_bounds(run, ks, quick, seed)
        nll.append(-likelihood(bounds[ks[-1]], ks[-1]).mean)
        rows += [bound_row(nats, k, f", trained with k {trained}") for k, nats in bounds.items()]
    what = f"test -log p(x), k {ks[-1]:,}: trained with k {settings['k']} and with k 1"
    lower = nll[0] < nll[1]
    judged = Row(what, f"{nll[0]:.2f} and {nll[1]:.2f}", "the first is lower", None if quick else lower)
    pictures = [draw_history(iwae, data, "iwae", out), draw_means(iwae, data, "iwae", seed, out)]
    return Report([*rows, judged, *choice_rows(iwae, quick)], pictures, [protocol(iwae)])


def judge(
    out: Path, settings: dict[str, Any], published: Sequence[Published], quick: bool, seed: int
) -> Report:
    """Train a VAE, and compare the weights with the lowest validation loss with published numbers."""
    data = load_images(quick)
    run = train_or_resume(out / "vae", "vae", data, seed=seed, **settings | QUICK if quick else settings)
    limits = {min(k, QUICK_SAMPLES[-1]) if quick else k: (nats, above) for k, nats, above in published}
    ks = sorted({*(QUICK_SAMPLES if quick else SAMPLES), *limits})
    bounds = test_bounds(run, ks, quick, seed)
    judged = [
        at_most(
            f"test -log p(x), k {k:,}; published {nats}",
            -likelihood(bounds[k], k).mean,
            nats + above,
            not quick,
            ".2f",
        )
        for k, (nats, above) in limits.items()
    ]
    rows = [bound_row(nats, k) for k, nats in bounds.items()]
    pictures = [draw_history(run, data, "vae", out), draw_means(run, data, "vae", seed, out)]
    return Report([*rows, *judged, *choice_rows(run, quick)], pictures, [protocol(run)])


def load_images(quick: bool) -> Dataset:
    """MNIST, or the bundled digits."""
    return load("digits" if quick else "mnist")


def test_images(run: Run, quick: bool) -> Tensor:
    """The test images (N, C, H, W) uint8 that a run is measured on, as its model sees them."""
    return run.data.test.pixels[:50] if quick else run.data.test.pixels


def test_bounds(run: Run, ks: Sequence[int], quick: bool, seed: int) -> dict[int, Tensor]:
    """The bounds on log p(x) with each k, of single test images: nats (N,)."""
    assert isinstance(run.model, HasLikelihood)
    x = to_float(test_images(run, quick)).to(run.model.device)
    return importance_bound(run.model, x, ks, seed)


def choice_rows(run: Run, quick: bool) -> list[Row]:
    """How many numbers of the code are used, and which weights were chosen."""
    assert isinstance(run.model, Encodes)
    active = active_units(encode_images(run.model, test_images(run, quick)))
    chosen = f"after {run.images_seen:,} of {run.log[-1]['images']:,} images"
    return [
        Row("active units", f"{active} of {run.model.latent.dim}"),
        Row("weights of the lowest validation loss", chosen),
    ]


def protocol(run: Run) -> str:
    """What the likelihood is of."""
    assert isinstance(run.model, HasLikelihood)
    return run.model.protocol


def bound_row(nats: Tensor, k: int, training: str = "") -> Row:
    """-log p(x) by k samples, from the bounds (N,) of single images; `training` ends its name."""
    result = likelihood(nats, k)
    what = f"test -log p(x), k {k:,}" + (" (the ELBO)" if k == 1 else "")
    return Row(what + training, f"{-result.mean:.2f} ± {result.standard_error:.2f} nats, n {result.n:,}")


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
