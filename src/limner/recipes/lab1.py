"""Lab 1: the larger the code, the clearer the reconstruction."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner.data import load, to_float, to_uint8
from limner.explore.codes import chosen, decode, encode
from limner.figures import curves, sheet
from limner.metrics import mse, pca, psnr
from limner.recipes.report import Report, Row, at_most, save, trained
from limner.training import Run

SIZES = (2, 3, 8, 16, 32, 64)
TARGET = 0.033  # a hand-written loop of 20 epochs reached 0.0324, three principal components 0.0517


def latent_sweep(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """Lab 1 on MNIST, 20 epochs: test MSE of a code of 3 numbers at most 0.033, and falling as codes grow."""
    data = load("digits" if quick else "mnist")
    sizes, epochs = ((2, 3), 2) if quick else (SIZES, 20)
    x = to_float(data.test.pixels)
    shown = chosen(data.test.pixels, 12, seed)
    baseline = pca(to_float(data.train.pixels), max(sizes))
    ours: dict[int, float] = {}
    linear: dict[int, float] = {}
    rows, strip, labels = [], [shown], ["test image"]
    for d in sizes:
        run = trained(out / f"autoencoder-{d}", "autoencoder", data, latent_dim=d, epochs=epochs, seed=seed)
        made, by_pca = reconstructed(run, data.test.pixels), baseline.reconstruct(x, d)
        ours[d], linear[d] = float(mse(made, x).mean()), float(mse(by_pca, x).mean())
        what = f"test MSE, {d} numbers"
        reached = f"{ours[d]:.4f} ({psnr(made, x).mean():.1f} dB); PCA {linear[d]:.4f}"
        rows.append(Row(what, reached))
        if d == 3:
            rows[-1] = at_most(what, ours[d], TARGET, not quick)._replace(reached=reached)
        strip.append(to_uint8(reconstructed(run, shown)))
        labels.append(f"{d} numbers")
    falls = all(ours[a] > ours[b] for a, b in pairwise(sizes))
    rows.append(
        Row("test MSE falls as codes grow", "yes" if falls else "no", "yes", None if quick else falls)
    )
    pictures = [sweep_curves(ours, linear, out), sweep_strip(strip, labels, epochs, out)]
    return Report(rows, pictures)


def reconstructed(run: Run, pixels: Tensor) -> Tensor:
    """What a run makes of images (N, C, H, W) uint8: (N, C, H, W) in [-1, 1]."""
    model: Any = run.model
    return torch.cat([decode(model, encode(run, part)) for part in pixels.split(1000)])


def sweep_curves(ours: dict[int, float], linear: dict[int, float], out: Path) -> Path:
    """MSE over the size of the code, beside that of PCA."""
    series = {"autoencoder": (list(ours), list(ours.values())), "PCA": (list(linear), list(linear.values()))}
    title = "Lab 1: error of the reconstruction of test images"
    picture = curves(
        series, title=title, xlabel="numbers in the code", ylabel="mean squared error, pixels in [0, 1]"
    )
    return save(picture, out / "lab1-curve.png")


def sweep_strip(rows: list[Tensor], labels: list[str], epochs: int, out: Path) -> Path:
    """The same test images, reconstructed from codes of each size."""
    title = f"Lab 1: test images from codes of 2 to 64 numbers, after {epochs} epochs"
    return save(sheet(rows, title=title, row_labels=labels), out / "lab1-strip.png")
