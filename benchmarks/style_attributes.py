"""Which attribute of a digit follows which layers of a StyleGAN: class, slant and thickness in mixed images.

    python benchmarks/style_attributes.py runs/stylegan-mnist-0001

Each of 500 images gives the styles of some layers to another one.  Class: the share of mixed images with the
class of the image that gave the styles, of pairs of different classes.  Slant, thickness, grey level: the
share of a mixed image's value that follows the giver's, by least squares on the values of both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

import limner
from limner.explore.styles import GROUPS, group_layers, style_pixels
from limner.metrics import extractor
from limner.models.abilities import HasStyles
from limner.models.style_layers import mix_styles
from limner.recipes.handwriting import slant, thickness

IMAGES = 500


def grey_level(pixels: Tensor) -> Tensor:
    """The mean of the bright pixels, (N,)."""
    x = pixels.double().flatten(1)
    bright = x > 127
    return (x * bright).sum(1) / bright.sum(1).clamp_min(1)


def share_followed(mixed: Tensor, giver: Tensor, receiver: Tensor) -> float:
    """a / (a + b) of the fit  mixed = a giver + b receiver + c,  neither taken below 0."""
    values = torch.stack([giver, receiver, torch.ones_like(giver)], 1)
    a, b = torch.linalg.lstsq(values, mixed[:, None]).solution[:2, 0].clamp_min(0).tolist()
    return a / (a + b) if a + b else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN")
    run = limner.load(parser.parse_args().run)
    model, classifier = run.model, extractor(run.data)
    assert isinstance(model, HasStyles)
    torch.manual_seed(0)
    with torch.no_grad():
        w = model.styles(*model.draw_codes(IMAGES))
    pixels = style_pixels(model, w)
    classes = classifier.classify(pixels).argmax(1)
    print(f"{'styles given':14s}{'class':>8s}{'slant':>8s}{'thickness':>11s}{'grey level':>12s}")
    for group in GROUPS:
        indices = group_layers(model.style_sizes)[group]
        layers = torch.tensor([i in indices for i in range(w.shape[1])], device=w.device)
        mixed = style_pixels(model, mix_styles(w, w.roll(1, 0), layers))
        differ = classes != classes.roll(1)
        followed = (classifier.classify(mixed).argmax(1) == classes.roll(1))[differ].double().mean()
        row = [float(followed)]
        for measure in (slant, thickness, grey_level):
            own = measure(pixels)
            row.append(share_followed(measure(mixed), own.roll(1), own))
        print(f"{group:14s}{row[0]:8.2f}{row[1]:8.2f}{row[2]:11.2f}{row[3]:12.2f}", flush=True)


if __name__ == "__main__":
    main()
