"""The images over two latent dimensions, as in Kingma & Welling 2014, figure 4."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.explore.able import able, described
from limner.explore.codes import Marginals, code_marginals, pictured, run_importance
from limner.explore.picture import Picture
from limner.figures import enlargement, sheet
from limner.training.run import Run


def manifold(run: Run, dims: Sequence[int] | None = None, steps: int = 20, seed: int = 0) -> Picture:
    """steps x steps images whose codes are the quantiles (i + 1/2) / steps of the prior in two dimensions.

    The first dimension grows to the right, the second upwards.  Of a larger code the two dimensions are
    `dims`, or the two that matter most (`importance`); the others stay at their mean.  Quantiles are those of
    N(0, I), of uniform noise, or of the Gaussian fitted to each column of the training codes, whichever the
    model draws from. data: "dims", "values" (2, steps), "codes" (steps, steps, d) and "pixels", from the top
    row down.
    """
    model = able(run, "manifold")
    if steps < 2:
        raise LimnerError(f"steps must be at least 2, not {steps}")
    first, second = two_dims(run, dims, seed)
    marginals = code_marginals(run)
    codes, values = quantile_grid(marginals, first, second, steps)
    pixels = pictured(model, codes.flatten(0, 1)).unflatten(0, (steps, steps))
    shown = {0, steps // 2, steps - 1} if steps > 5 else set(range(steps))
    across, up = (
        [f"{value:.1f}" if i in shown else "" for i, value in enumerate(v)] for v in values.tolist()
    )
    title = f"{run.name}: to the right z{first}, upwards z{second}, at the quantiles of {marginals.name}"
    if model.latent_dim > 2:
        title += (
            "; the other at its mean"
            if model.latent_dim == 3
            else f"; the other {model.latent_dim - 2} at their mean"
        )
    scale = enlargement(*run.shape[1:], 56 if steps < 12 else 32)
    picture = sheet(list(pixels), title=title, row_labels=up[::-1], column_labels=across, scale=scale, gap=0)
    data = {"dims": (first, second), "values": values.numpy(), "codes": codes.numpy(), "pixels": pixels}
    notes = []
    if model.latent_dim > 2:
        notes.append(f"2 of {model.latent_dim} latent variables move here; traverse shows more of them")
    return Picture(picture, data | {"notes": notes})


def quantile_grid(marginals: Marginals, first: int, second: int, steps: int) -> tuple[Tensor, Tensor]:
    """Codes (steps, steps, d) from the top row down, and the values (2, steps) of both dimensions."""
    at = marginals.quantiles([(i + 0.5) / steps for i in range(steps)])  # (steps, d)
    codes = marginals.mean.repeat(steps, steps, 1)
    codes[:, :, first] = at[:, first]
    codes[:, :, second] = at[:, second].flip(0)[:, None]
    return codes, torch.stack([at[:, first], at[:, second]])


def two_dims(run: Run, dims: Sequence[int] | None, seed: int) -> tuple[int, int]:
    """The two dimensions asked for, or the two that matter most."""
    total = able(run, "manifold").latent_dim
    if total < 2:
        raise LimnerError(
            f"{described(run)}: its code is one number, and a manifold needs two; traverse can use it"
        )
    if dims is None:
        dims = (0, 1) if total == 2 else run_importance(run, seed).argsort(descending=True)[:2].tolist()
    if len(dims) != 2 or dims[0] == dims[1] or not all(0 <= i < total for i in dims):
        given = ", ".join(map(str, dims))
        raise LimnerError(f"dims must be two different numbers from 0 to {total - 1}, not {given}")
    return dims[0], dims[1]
