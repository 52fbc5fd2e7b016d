"""New images, from noise or from a density of codes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from limner.data import to_uint8
from limner.errors import LimnerError
from limner.explore.able import able, described, encodes
from limner.explore.codes import BATCH, default_prior, seeded
from limner.explore.picture import Picture
from limner.figures import grid
from limner.nn import CodePrior
from limner.training.run import Run


def sample(run: Run, n: int = 64, prior: str | None = None, seed: int = 0) -> Picture:
    """n new images in a grid, data["pixels"] (n, C, H, W) uint8, of codes drawn from `prior`.

    `prior` is the model's own unless given: 'normal' is N(0, I); 'gaussian' (a mean and deviation per
    column), 'full' (the covariance too) and 'gmm' (a mixture) are fitted to the training codes and stored
    with the model.
    """
    own = default_prior(able(run, "sample"))
    if n < 1:
        raise LimnerError(f"n must be at least 1, not {n}")
    if prior is not None and own is None:
        raise LimnerError(f"{described(run)}: its images are made from noise, so there is no prior to choose")
    kind, pixels = prior or own, drawn(run, n, prior, seed)
    notes = [about(kind, own, encodes(run))] if kind else []
    return Picture(grid(pixels), {"pixels": pixels, "prior": kind, "seed": seed, "notes": notes})


def drawn(run: Run, n: int, prior: str | None = None, seed: int = 0) -> Tensor:
    """n new images (n, C, H, W) uint8 of codes drawn from `prior`, or from the model's own."""
    model: Any = run.model
    kind = prior or default_prior(model)
    options: dict[str, Any] = {"prior": kind} if kind else {}
    if kind not in (None, "normal"):
        run.ensure_prior()
    with seeded(seed):
        sizes = [min(BATCH, n - begin) for begin in range(0, n, BATCH)]
        return torch.cat([to_uint8(model.sample(size, **options)).cpu() for size in sizes])


def fitted_priors(run: Run) -> list[str]:
    """The densities fitted to the training codes, other than the model's own, that it can be sampled from."""
    own = default_prior(run.model)
    return [] if own is None else [kind for kind in CodePrior.KINDS if kind != own]


def about(prior: str, own: str | None, encodes: bool) -> str:
    """What a user should know of the density that codes were drawn from."""
    if prior == "normal":
        return "codes drawn from N(0, I), the prior the model was trained for"
    drawn = f"codes drawn from '{prior}', fitted to the training codes"
    if own == "normal" or not encodes:
        return drawn
    return f"{drawn}: nothing in training shaped their distribution, so expect less than reconstructions"
