"""One latent variable at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.explore.abilities import require_continuous
from limner.explore.code_search import code_images
from limner.explore.codes import code_importance, decode_pixels, require_narrow
from limner.explore.gallery import read_image
from limner.explore.labels import DecodedClass, choose_class
from limner.explore.options import check_decoding_options
from limner.explore.picture import Picture, check_count
from limner.figures import sheet
from limner.models.abilities import Encodes
from limner.models.latent import Prior
from limner.training import Run
from limner.training.codes import draw_codes


def traverse(
    run: Run,
    image: str | Path | int | None = None,
    dims: int = 10,
    steps: int = 11,
    span: float = 3.0,
    seed: int = 0,
    label: str | None = None,
    decoding: Mapping[str, Any] | None = None,
) -> Picture:
    """A row per latent variable, at its mean -span to +span standard deviations while the others stay.

    The code is that of `image`, a file or the index of a test image (the first); without an encoder it is
    noise, or what `invert` finds for an image.  The `dims` variables of most `importance` are shown.  Mean
    and deviation are the default prior's.  Codes are decoded as the class `label`, with options `decoding`.
    data: "order" (d,) and "importance" (d,) of all, "codes" (rows, steps, d), "pixels", "base" (d,).
    """
    model = require_continuous(run, "traverse")
    if dims < 1 or steps < 2 or not span > 0:
        raise LimnerError(f"dims from 1, steps from 2, span above 0 are needed, not {dims}, {steps}, {span}")
    require_narrow(run, "traverse")
    check_count(min(dims, model.latent.dim) * steps, run.shape)
    options, decoded_class = check_decoding_options(run, decoding), choose_class(run, label)
    base, subject, notes = base_code(run, image, seed, decoded_class, options)
    matters = code_importance(run, seed, y=decoded_class.index)
    order, prior = matters.argsort(descending=True), model.latent.prior()
    shown, units = order[:dims].tolist(), torch.linspace(-1, 1, steps) * min(span, prior.reach)
    codes = move_variables(base, prior, shown, units)
    y = decoded_class.repeat(len(shown) * steps)
    pixels = decode_pixels(model, codes.flatten(0, 1), y, **options).unflatten(0, codes.shape[:2])
    nearest = [(row, int((codes[row, :, i] - base[i]).abs().argmin())) for row, i in enumerate(shown)]
    title = (
        f"{run.name}: one latent variable at a time, {subject}{decoded_class.title}\n"
        f"columns: standard deviations of {prior.title}; framed: nearest to the image's own code\n"
        "rows: the variable and the mean squared change of the image when it moves by one"
    )
    rows, columns = [f"z{i}   {matters[i]:.4f}" for i in shown], format_deviations(units)
    picture = sheet(list(pixels), title=title, row_labels=rows, column_labels=columns, marked=nearest)
    data = {"order": order.numpy(), "importance": matters.numpy(), "codes": codes.numpy(), "pixels": pixels}
    return Picture(picture, data | {"base": base.numpy(), "notes": [*notes, *decoded_class.notes]})


def move_variables(base: Tensor, prior: Prior, variables: list[int], units: Tensor) -> Tensor:
    """Codes (variables, steps, d): `base` (d,), one variable at `units` (steps,) deviations from its mean."""
    mean, std = prior.mean, prior.std
    codes = base.repeat(len(variables), len(units), 1)
    for row, i in enumerate(variables):
        codes[row, :, i] = mean[i] + units * std[i]
    return codes


def format_deviations(units: Tensor) -> list[str]:
    """Numbers of standard deviations (steps,) with their sign, the mean as 0."""
    return [f"{value:+.1f}" if value else "0" for value in units.round(decimals=2).tolist()]


def base_code(
    run: Run,
    image: str | Path | int | None,
    seed: int,
    decoded_class: DecodedClass | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Tensor, str, list[str]]:
    """The code (d,) to start from, what it is the code of, and notes."""
    if image is None and not isinstance(run.model, Encodes):
        return draw_codes(run.model.latent, 1, seed)[0], f"noise of seed {seed}", []
    pixels, subject, notes = read_image(run, 0 if image is None else image)
    codes, remarks = code_images(run, pixels, seed, decoded_class, options)
    return codes[0], subject, [*notes, *remarks]
