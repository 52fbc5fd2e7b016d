"""StyleGAN on digits: which attribute of an image follows the styles of which layers."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from limner import explore
from limner.data import load
from limner.evaluation import evaluate
from limner.explore.abilities import require_ability
from limner.explore.styles import GROUPS, draw_styles, group_layers, repeat_styles, style_pixels
from limner.metrics import extractor
from limner.models import model_class
from limner.models.abilities import HasStyles
from limner.models.style_layers import mix_styles
from limner.recipes.handwriting import slant, thickness
from limner.recipes.report import Report, Row, at_least, save_picture, train_or_resume
from limner.training import Run

IMAGES = 150_000  # in training
PAIRS = 500  # images that give styles to another one
COARSE, STROKE = 0.8, 0.6  # shares, at least


def style_mixing(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """StyleGAN on MNIST: coarse layers carry 80 % of class and slant, the others 60 % of the stroke."""
    data = load("digits" if quick else "mnist", size=16 if quick else 32)
    options = {"images": 200, **model_class("stylegan").tiny} if quick else {"images": IMAGES}
    run = train_or_resume(out / "stylegan", "stylegan", data, seed=seed, **options)
    shares = attribute_shares(run)
    coarse = shares["coarse"]
    rows = [
        at_least("class that coarse layers carry", coarse["class"], COARSE, not quick, ".3f"),
        at_least("slant that coarse layers carry", coarse["slant"], COARSE, not quick, ".3f"),
        at_least(
            "thickness of the stroke that the others carry", 1 - coarse["thickness"], STROKE, not quick, ".3f"
        ),
    ]
    for group, values in shares.items():
        text = ", ".join(f"{name} {value:.2f}" for name, value in values.items())
        rows.append(Row(f"{group} layers carry", text))
    families = ["samples", "styles"]
    for measure in evaluate(run, n=min(10_000, len(data.test)), quick=quick, families=families).measures:
        if measure.name.startswith(("fd", "recall", "precision", "KL")):
            rows.append(Row(measure.name, f"{measure.value:.4g}"))
    pictures = [
        save_picture(explore.mix(run, range(1, 7), range(11, 19)).image, out / "mixing.png"),
        save_picture(explore.sample(run, 64).image, out / "samples.png"),
    ]
    return Report(rows, pictures)


def attribute_shares(run: Run, seed: int = 0) -> dict[str, dict[str, float]]:
    """For each group of layers, the share of a mixed digit's attributes that follows the giver of its styles.

    Class: the share of mixed images with the giver's class, of pairs of different classes.  Slant, thickness
    and grey level: by least squares on the values of giver and receiver (`share_followed`).
    """
    model, classifier = require_ability(run, HasStyles, "style mixing"), extractor(run.data)
    w = repeat_styles(model, draw_styles(model, PAIRS, seed))
    pixels = style_pixels(model, w)
    classes, givers = classifier.classify(pixels).argmax(1), pixels.roll(1, 0)
    differ = classes != classes.roll(1)
    shares = {}
    for group in GROUPS:
        indices = group_layers(model.style_sizes)[group]
        if not indices:
            continue
        layers = torch.tensor([i in indices for i in range(w.shape[1])])
        mixed = style_pixels(model, mix_styles(w, w.roll(1, 0), layers))
        same = classifier.classify(mixed).argmax(1) == classes.roll(1)
        values = {"class": float(same[differ].double().mean()) if differ.any() else 0.0}
        for measure in (slant, thickness, grey_level):
            name = measure.__name__.replace("_", " ")
            values[name] = share_followed(measure(mixed), measure(givers), measure(pixels))
        shares[group] = values
    return shares


def grey_level(pixels: Tensor) -> Tensor:
    """The mean of the bright pixels, (N,)."""
    x = pixels.double().flatten(1)
    bright = x > 127
    return (x * bright).sum(1) / bright.sum(1).clamp_min(1)


def share_followed(mixed: Tensor, giver: Tensor, receiver: Tensor) -> float:
    """a / (a + b) of the fit  mixed = a giver + b receiver + c,  neither taken below 0; 0 if both are."""
    values = torch.stack([giver, receiver, torch.ones_like(giver)], 1)
    a, b = torch.linalg.lstsq(values, mixed[:, None]).solution[:2, 0].clamp_min(0).tolist()
    return a / (a + b) if a + b > 1e-6 else 0.0  # a fit of a constant leaves rounding errors, not zeros
