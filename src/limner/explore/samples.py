"""New images, from noise or from a density of codes, of any class or of those asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from limner.data import to_uint8
from limner.errors import LimnerError, nearest
from limner.explore.able import able, described, encodes
from limner.explore.codes import BATCH, default_prior, seeded
from limner.explore.picture import Picture
from limner.figures import cut, enlargement, grid, sheet, text_width
from limner.nn import CodePrior
from limner.training.run import Run

ROWS = 10  # of a picture with a column for each class
COLUMNS = 100  # of it at most


def sample(
    run: Run,
    n: int | None = None,
    prior: str | None = None,
    seed: int = 0,
    labels: Sequence[str] | None = None,
) -> Picture:
    """n new images (64) in a grid, data["pixels"] (n, C, H, W) uint8, of codes drawn from `prior`.

    `prior` is the model's own unless given: 'normal' is N(0, I); 'gaussian' (a mean and deviation per
    column), 'full' (the covariance too) and 'gmm' (a mixture) are fitted to the training codes and stored
    with the model.
    `labels` names classes, or is 'all', where the model knows classes: the picture has a column for each and
    n rows (10), each of the same noise; data["pixels"] is row by row, data["labels"] (n * columns,) int64.
    """
    model = able(run, "sample")
    own = default_prior(model)
    if n is not None and n < 1:
        raise LimnerError(f"n must be at least 1, not {n}")
    if prior is not None and own is None:
        raise LimnerError(f"{described(run)}: its images are made from noise, so there is no prior to choose")
    if labels is not None:
        return by_class(run, n or ROWS, labels, seed)
    kind, pixels = prior or own, drawn(run, n or 64, prior, seed)
    notes = [about(kind, own, encodes(run))] if kind else []
    return Picture(grid(pixels), {"pixels": pixels, "prior": kind, "seed": seed, "notes": notes})


def by_class(run: Run, rows: int, labels: Sequence[str], seed: int) -> Picture:
    """A column for each class, its name above, and in each row images of the same noise."""
    names = class_names(run)
    asked = names if labels == "all" else [labels] if isinstance(labels, str) else list(labels)
    for name in asked:
        if name not in names:
            raise LimnerError(f"{run.name} knows no class '{name}': {nearest(name, names)}")
    if not 1 <= len(asked) <= COLUMNS:
        raise LimnerError(f"name 1 to {COLUMNS} classes for one picture, not {len(asked):,}")
    chosen = [names.index(name) for name in asked]
    columns = [drawn(run, rows, seed=seed, label=label) for label in chosen]  # the same noise in each
    pixels = torch.stack(columns, 1)  # (rows, columns, C, H, W)
    scale = enlargement(*run.shape[1:], side=min(100, max(56, *map(round, map(text_width, asked)))))
    heads = [cut(name, run.shape[2] * scale) for name in asked]
    data = {"pixels": pixels.flatten(0, 1), "labels": torch.tensor(chosen).repeat(rows), "classes": asked}
    picture = sheet(list(pixels), column_labels=heads, scale=scale)
    return Picture(picture, data | {"prior": None, "seed": seed, "notes": []})


def class_names(run: Run) -> list[str]:
    """The names of the classes that the run's model knows; LimnerError where it knows none."""
    classes = getattr(run.model, "classes", 0)
    if not classes:
        raise LimnerError(f"{described(run)}: it was not told labels, so none can be asked for")
    return run.config["data"].get("classes") or [str(label) for label in range(classes)]


def drawn(run: Run, n: int, prior: str | None = None, seed: int = 0, label: int | None = None) -> Tensor:
    """n new images (n, C, H, W) uint8 of codes drawn from `prior`, or from the model's own.

    Of the class `label` where one is given; the noise does not depend on it.
    """
    model: Any = run.model
    kind = prior or default_prior(model)
    options: dict[str, Any] = {"prior": kind} if kind else {}
    if kind not in (None, "normal"):
        run.ensure_prior()
    sizes = [min(BATCH, n - begin) for begin in range(0, n, BATCH)]
    with seeded(seed):
        made = []
        for size in sizes:
            if label is not None:
                options["y"] = torch.full((size,), label, device=model.device)
            made.append(to_uint8(model.sample(size, **options)).cpu())
        return torch.cat(made)


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
