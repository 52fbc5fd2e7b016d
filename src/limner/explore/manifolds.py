"""The images over two latent dimensions, as in Kingma & Welling 2014, figure 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from limner.errors import LimnerError, check_whole
from limner.explore.abilities import describe_run, require_continuous
from limner.explore.codes import code_importance, decode_pixels, require_narrow
from limner.explore.labels import choose_class
from limner.explore.options import check_decoding_options
from limner.explore.picture import Picture, check_count
from limner.explore.traversals import base_code
from limner.figures import choose_scale, sheet
from limner.models.latent import Prior
from limner.training import Run


def manifold(
    run: Run,
    dims: Sequence[int] | None = None,
    steps: int = 20,
    seed: int = 0,
    label: str | None = None,
    decoding: Mapping[str, Any] | None = None,
) -> Picture:
    """steps x steps images whose codes are the quantiles (i + 1/2) / steps of the prior in two dimensions.

    The first dimension grows to the right, the second upwards.  Of a larger code the two dimensions are
    `dims`, or the two that matter most (`importance`); the others stay as in the code of the first test
    image, or in noise without an encoder.  Quantiles are those of the model's default prior.  Codes are
    decoded as the class `label`, with the options `decoding` of `decode`.
    data: "dims", "values" (2, steps), "codes" (steps, steps, d) and "pixels", from the top row down.
    """
    model = require_continuous(run, "manifold")
    check_whole("steps", steps, 2)
    check_count(steps * steps, run.shape)
    options, decoded_class = check_decoding_options(run, decoding), choose_class(run, label)
    first, second = choose_dims(run, dims, seed, decoded_class.index)
    prior, total = model.latent.prior(), model.latent.dim
    base, subject, _ = (prior.mean, "", []) if total == 2 else base_code(run, None, seed)
    codes, values = quantile_grid(prior, base, first, second, steps)
    y = decoded_class.repeat(steps * steps)
    pixels = decode_pixels(model, codes.flatten(0, 1), y, **options).unflatten(0, (steps, steps))
    shown = {0, steps // 2, steps - 1} if steps > 5 else set(range(steps))
    across, up = (
        [f"{value:.1f}" if i in shown else "" for i, value in enumerate(row)] for row in values.tolist()
    )
    title = f"{run.name}: to the right z{first}, upwards z{second}, at the quantiles of {prior.title}"
    notes = [*decoded_class.notes]
    if total > 2:
        title += describe_others(total, subject, dims is None)
        notes.append(f"2 of {total} latent variables move here; traverse shows more of them")
    title, scale = title + decoded_class.title, choose_scale(*run.shape[1:], side=56 if steps < 12 else 32)
    picture = sheet(list(pixels), title=title, row_labels=up[::-1], column_labels=across, scale=scale, gap=0)
    data = {"dims": (first, second), "values": values.numpy(), "codes": codes.numpy(), "pixels": pixels}
    return Picture(picture, data | {"notes": notes})


def describe_others(total: int, subject: str, chosen: bool) -> str:
    """The end of the title for a larger code: why these two variables, and what the others are."""
    reason = f", the two of {total} variables that change the image most" if chosen else ""
    return f"{reason}; the {'other' if total == 3 else f'other {total - 2}'} as in {subject}"


def quantile_grid(prior: Prior, base: Tensor, first: int, second: int, steps: int) -> tuple[Tensor, Tensor]:
    """Codes (steps, steps, d) from the top row down, and the values (2, steps) of both dimensions.

    The other dimensions are those of `base` (d,).
    """
    quantiles = prior.quantiles([(i + 0.5) / steps for i in range(steps)])  # (steps, d)
    codes = base.repeat(steps, steps, 1)
    codes[:, :, first] = quantiles[:, first]
    codes[:, :, second] = quantiles[:, second].flip(0)[:, None]
    return codes, torch.stack([quantiles[:, first], quantiles[:, second]])


def choose_dims(run: Run, dims: Sequence[int] | None, seed: int, y: int | None) -> tuple[int, int]:
    """The two dimensions `dims`, or the two that matter most, decoded as class y; LimnerError for others."""
    total = run.model.latent.dim
    if total < 2:
        raise LimnerError(
            f"{describe_run(run)}: its code is one number, and a manifold needs two; traverse can use it"
        )
    if dims is None and total == 2:
        dims = (0, 1)
    elif dims is None:
        require_narrow(run, "manifold", "; give the two to show as dims")
        dims = code_importance(run, seed, y=y).argsort(descending=True)[:2].tolist()
    if len(dims) != 2 or dims[0] == dims[1] or not all(0 <= i < total for i in dims):
        wrong = ", ".join(map(str, dims))
        raise LimnerError(f"dims must be two different numbers from 0 to {total - 1}, not {wrong}")
    return dims[0], dims[1]
