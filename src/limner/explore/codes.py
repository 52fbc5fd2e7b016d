"""Codes: random ones, their views, the images of them, and which of their variables matter."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from limner.data import to_uint8
from limner.errors import LimnerError
from limner.explore.abilities import describe_run, require_continuous
from limner.explore.labels import DecodedClass
from limner.models.abilities import Decodes, Encodes
from limner.training import Run
from limner.training.codes import decode_codes, draw_codes, encode_images

DECODED = 8_192  # images decoded to rank a code's variables, about, at one pass of the networks each
MAX_VARIABLES = 8_192  # of a code whose variables can be ranked, at one pass for each image


def decode_pixels(model: Decodes, z: Tensor, y: Tensor | None = None, **options: Any) -> Tensor:
    """Images (N, C, H, W) uint8 of codes (N, d), classes (N,) and the model's options of decoding."""
    return to_uint8(decode_codes(model, z, y, **options))


def importance(model: Decodes, base: Tensor, std: Tensor, y: int | None = None, **options: Any) -> Tensor:
    """How much each code variable matters: codes `base` (n, d), deviations `std` (d,), class y -> (d,).

    It is the mean squared change of the image, on the [0, 1] scale, when that variable alone moves by plus or
    minus its deviation.  `options` are the model's options of decoding.
    """
    labels = DecodedClass(y)
    images = decode_codes(model, base, labels.repeat(len(base)), **options).repeat(2, 1, 1, 1)
    change = torch.zeros(base.shape[1])
    for i in range(base.shape[1]):
        moved = base.repeat(2, 1)
        moved[: len(base), i] += std[i]
        moved[len(base) :, i] -= std[i]
        decoded = decode_codes(model, moved, labels.repeat(len(moved)), **options)
        change[i] = ((decoded - images) / 2).square().mean()
    return change


def code_importance(run: Run, seed: int = 0, n: int = 64, y: int | None = None) -> Tensor:
    """`importance` (d,) over the codes of n test images, or over random codes for a model without an encoder.

    Images are decoded with the model's `draft` options, the cheap ones.
    Fewer than n codes are used where n would take more than DECODED passes: for a wide code, or for a model
    that decodes in several passes.  LimnerError where one code would take too many (`require_narrow`).
    """
    model = require_continuous(run, "code_importance")
    require_narrow(run, "code_importance")
    d = model.latent.dim
    n = min(n, max(1, int(DECODED / (2 * d * _passes(run)))))
    if isinstance(run.model, Encodes):
        base = encode_images(run.model, choose_images(run.data.test.pixels, n, seed))
    else:
        base = draw_codes(model.latent, n, seed)
    return importance(model, base, model.latent.prior().std, y, **run.model.draft_options("decode"))


def require_narrow(run: Run, verb: str, remedy: str = "") -> None:
    """LimnerError where ranking a code's variables, two images each at least, would take minutes.

    The limit is MAX_VARIABLES for a model that decodes in one pass, half of it for one that takes two passes,
    and so on.  `remedy` ends the message.
    """
    d, passes = run.model.latent.dim, _passes(run)
    if d * passes <= MAX_VARIABLES:
        return
    each = f" at {passes:,.4g} passes for each image" if passes != 1 else ""
    raise LimnerError(
        f"{describe_run(run)}: its code has {d:,} variables, and {verb} decodes images for every one{each}; "
        f"the limit is {int(MAX_VARIABLES / passes):,}{remedy}"
    )


def _passes(run: Run) -> float:
    """Passes through the networks for one image decoded with the `draft` options, at least one."""
    return max(1.0, run.model.sample_cost(**run.model.draft_options("decode")))


def choose_images(pixels: Tensor, n: int, seed: int) -> Tensor:
    """n of the pixels (N, C, H, W), or all where there are fewer, drawn without replacement."""
    return pixels[choose_indices(len(pixels), n, seed)]


def choose_indices(total: int, n: int, seed: int) -> Tensor:
    """n indices below `total`, or all where there are fewer, drawn without replacement."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:n]


def code_view(run: Run, z: Tensor, codes: str) -> tuple[Tensor, str]:
    """A view of codes z (N, d), and its description.

    `codes` is 'flat' for the codes as they are, or 'channels' for each channel's mean (N, c).
    """
    shape = run.model.latent.shape
    sizes = "x".join(map(str, shape))
    if codes == "flat":
        return z, f"codes of {z.shape[1]} numbers" + (f" ({sizes}, flattened)" if len(shape) > 1 else "")
    if codes != "channels":
        raise LimnerError(f"codes must be 'flat' or 'channels', not '{codes}'")
    if len(shape) != 3:
        raise LimnerError(f"{describe_run(run)}: its code has no channels, so only flat codes are available")
    return z.unflatten(1, shape).mean((2, 3)), f"the {shape[0]} channel means of codes of {sizes}"
