"""Codes of images for any decoder, without its encoder, and what else comes near to the images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from limner.data import to_float, to_uint8
from limner.errors import LimnerError
from limner.explore.abilities import describe_run, require_continuous
from limner.explore.codes import choose_images
from limner.explore.labels import DecodedClass, trained_classes
from limner.explore.styles import repeat_styles
from limner.inversion import (
    Inversion,
    Search,
    Starts,
    choose_starts,
    latent_space,
    layer_space,
    refine,
    style_space,
)  # fmt: skip
from limner.metrics import pca, psnr
from limner.models.abilities import Encodes, HasStyles
from limner.training import Run
from limner.training.codes import decode_codes, draw_codes, encode_images

SpaceName = Literal["z", "w", "w+"]
RECOVERED = 35.0  # dB from which the image of a known code counts as recovered
TRAINING = 10_000  # training images that the mean image and PCA are fitted to
MOST = 60.0  # dB that an error is given at most: rounding to 8 bits costs 59


def search_codes(
    run: Run,
    pixels: Tensor,
    y: Tensor | None = None,
    space: SpaceName = "z",
    search: Search | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> tuple[Inversion, Tensor]:
    """The codes of pixels (N, C, H, W) uint8, of classes y (N,), and the nearest samples (N, C, H, W) uint8.

    A conditional model without y gets the class of least error.  `options`: the model's options of `decode`.
    Raises LimnerError for a model without a decoder, for discrete codes, and where there is no such space.
    """
    model, search = require_continuous(run, "invert"), search or Search()
    x, y = to_float(pixels).to(model.device), None if y is None else y.to(model.device)
    classes = trained_classes(run)
    if space == "z":
        searched = latent_space(model, options)
    else:
        searched, layers = style_space(styled := require_styles(run, space, options), classes)
    starts = choose_starts(searched, x, y, classes, search, seed)
    result = refine(searched, x, starts, search)
    if space == "w+":  # from the result for w
        u, labels = result.u.repeat(1, layers)[:, None], None if result.y is None else result.y[:, None]
        result = refine(layer_space(styled, searched, layers), x, Starts(u, labels, x), search)
    return result, to_uint8(starts.nearest.cpu())


def code_images(
    run: Run,
    pixels: Tensor,
    seed: int = 0,
    decoded_class: DecodedClass | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Tensor, list[str]]:
    """The codes (N, d) of pixels (N, C, H, W) uint8, and notes: encoded, or searched without an encoder."""
    if isinstance(run.model, Encodes):
        return encode_images(run.model, pixels), []
    y = None if decoded_class is None else decoded_class.repeat(len(pixels))
    result, _ = search_codes(run, pixels, y, seed=seed, options=options)
    return result.codes, [describe_search("codes", result, pixels)]


def search_styles(
    run: Run, pixels: Tensor, space: SpaceName = "w", y: Tensor | None = None, seed: int = 0
) -> tuple[Tensor, list[str]]:
    """The styles (N, layers, dim) of pixels (N, C, H, W) uint8, searched in w or w+, and a note."""
    model = require_styles(run, space, None)
    result, _ = search_codes(run, pixels, y, space, seed=seed)
    layers = len(model.style_sizes)
    w = result.codes.unflatten(1, (layers, -1)) if space == "w+" else repeat_styles(model, result.codes)
    return w, [describe_search("styles", result, pixels)]


def describe_search(subject: str, result: Inversion, pixels: Tensor) -> str:
    """A line on how near the search came to the images."""
    errors = ", ".join(f"{error:.1f}" for error in decibels(result.images, pixels).tolist())
    return f"{subject} searched without an encoder, as by invert: PSNR {errors} dB"


def require_styles(run: Run, space: str, options: Mapping[str, Any] | None) -> HasStyles:
    """The run's model, typed as one with styles; LimnerError where it has none, or for `options`."""
    if space not in ("w", "w+"):
        raise LimnerError(f"there is no space '{space}': choose from: z, w, w+")
    if not isinstance(run.model, HasStyles):
        raise LimnerError(f"{describe_run(run)}: it has no styles, so its codes are in space z only")
    if options:
        raise LimnerError(f"styles have no options of decoding: leave {', '.join(options)} out, or choose z")
    return run.model


def recover_codes(
    run: Run,
    n: int,
    space: SpaceName = "z",
    search: Search | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Tensor:
    """How near the search comes to images that the decoder can make: the PSNR (n,) for n random codes.

    The images are rounded to 8 bits, and of all classes in turn where there are classes.
    """
    model = require_continuous(run, "invert")
    if n == 0:
        return torch.empty(0)
    z = draw_codes(model.latent, n, seed + 1)  # the starts are drawn with `seed`
    classes = trained_classes(run)
    y = None if classes is None else classes[torch.arange(n) % len(classes)]
    pixels = to_uint8(decode_codes(model, z, y, **(options or {})))
    result, _ = search_codes(run, pixels, y, space, search, seed, options)
    return decibels(result.images, pixels)


def baselines(run: Run, pixels: Tensor, size: int) -> dict[str, Tensor]:
    """What needs no model, by name: PCA with `size` numbers, if possible, and the mean image; uint8."""
    train = to_float(choose_images(run.data.train.pixels, TRAINING, 0))
    x, mean = to_float(pixels), train.mean(0, keepdim=True)
    images = {"mean image": to_uint8(mean).expand_as(pixels)}
    if size <= min(len(train), train[0].numel()):
        images = {"PCA": to_uint8(pca(train, size).reconstruct(x, size))} | images
    return images


def decibels(images: Tensor, pixels: Tensor) -> Tensor:
    """The PSNR (N,) of images, in [-1, 1] or uint8, against pixels uint8 (N, C, H, W); 60 dB at most."""
    x = to_float(images) if images.dtype == torch.uint8 else images
    return psnr(x, to_float(pixels)).clamp(max=MOST)
