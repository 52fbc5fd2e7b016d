"""Distances of translations to training images, to choose settings of a CycleGAN without its test images.

    python benchmarks/training_distances.py cyclegan-horse2zebra-0001 cyclegan-horse2zebra-0002

For each run and direction: kernel and Frechet distance of the translations of 500 training images of one
domain to 500 of the other, beside those of the images as they are.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from torch import Tensor

import limner
from limner.data import Dataset, to_uint8
from limner.evaluation.evaluate import measured_dataset
from limner.metrics import extractor, frechet, kid
from limner.models.abilities import Translates
from limner.training.codes import map_batches

IMAGES = 500


def draw_training_images(dataset: Dataset) -> Tensor:
    """Training images (500, C, H, W) uint8, or all there are, drawn by seed 0."""
    order = torch.randperm(len(dataset.train), generator=torch.Generator().manual_seed(0))
    return dataset.train.pixels[order[:IMAGES]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    print(f"{'run':30s}{'images':>8s}  to {'kid':>9s}{'untranslated':>14s}{'fd':>9s}{'untranslated':>14s}")
    for name in parser.parse_args().runs:
        run = limner.load(name)
        model, network = run.model, extractor(measured_dataset(run))
        assert isinstance(model, Translates)
        a, b = draw_training_images(run.domains.a), draw_training_images(run.domains.b)
        for source, target, to in ((a, b, "B"), (b, a, "A")):
            translated = to_uint8(map_batches(model, source, partial(model.translate, to=to)))
            real, ours, nothing = (network.features(pixels) for pixels in (target, translated, source))
            values = (kid(ours, real), kid(nothing, real), frechet(ours, real), frechet(nothing, real))
            columns = "".join(
                f"{value:{width}.2f}" for value, width in zip(values, (9, 14, 9, 14), strict=True)
            )
            print(f"{run.name:30s}{run.images_seen:8,}  {to}  {columns}", flush=True)


if __name__ == "__main__":
    main()
