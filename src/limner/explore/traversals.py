"""One latent variable at a time."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.explore.able import able, described, encodes
from limner.explore.codes import Marginals, code_marginals, encode, pictured, run_importance
from limner.explore.gallery import one_image
from limner.explore.picture import Picture
from limner.figures import sheet
from limner.training.run import Run


def traverse(
    run: Run,
    image: str | Path | int | None = None,
    dims: int = 10,
    steps: int = 11,
    span: float = 3.0,
    seed: int = 0,
) -> Picture:
    """A row per latent variable, set to its mean -span to +span standard deviations while the others stay.

    The others are those of `image`, a file or the index of a test image (the first one), or drawn noise where
    the model does not encode.  The `dims` variables that matter most are shown, sorted by `importance`, which
    stands beside them.  Mean and deviation are the prior's, or the training codes'; a framed image is nearest
    to where it came from.  data: "order" (d,) and "importance" (d,) of all, "codes" (rows, steps, d),
    "pixels", "base" (d,).
    """
    model = able(run, "traverse")
    if dims < 1 or steps < 2 or not span > 0:
        raise LimnerError(f"dims from 1, steps from 2, span above 0 are needed, not {dims}, {steps}, {span}")
    marginals = code_marginals(run)
    base, what, notes = start(run, image, marginals, seed)
    matters = run_importance(run, seed)
    order = matters.argsort(descending=True)
    shown = order[:dims].tolist()
    units = torch.linspace(-1, 1, steps) * min(span, marginals.reach)
    codes = base.repeat(len(shown), steps, 1)
    for row, i in enumerate(shown):
        codes[row, :, i] = marginals.mean[i] + units * marginals.std[i]
    made = pictured(model, codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    nearest = [(row, int((codes[row, :, i] - base[i]).abs().argmin())) for row, i in enumerate(shown)]
    title = (
        f"{run.name}: one latent variable at a time, {what}\n"
        f"columns: standard deviations of {marginals.name}; framed: nearest to the image's own code\n"
        "rows: the variable and the mean squared change of the image when it moves by one"
    )
    labels = [f"z{i}   {matters[i]:.4f}" for i in shown]
    columns = [f"{value:+.1f}" if value else "0" for value in units.round(decimals=2).tolist()]
    picture = sheet(list(made), title=title, row_labels=labels, column_labels=columns, marked=nearest)
    data = {"order": order.numpy(), "importance": matters.numpy(), "codes": codes.numpy(), "pixels": made}
    return Picture(picture, data | {"base": base.numpy(), "notes": list(notes)})


def start(
    run: Run, image: str | Path | int | None, marginals: Marginals, seed: int
) -> tuple[Tensor, str, tuple[str, ...]]:
    """The code (d,) to start from, what it is of, and notes."""
    if encodes(run):
        pixels, what, notes = one_image(run, 0 if image is None else image)
        return encode(run, pixels)[0], what, notes
    if image is not None:
        raise LimnerError(f"{described(run)}: it has no encoder, so an image has no code; leave it out")
    return marginals.draw(1, seed)[0], f"noise of seed {seed}", ()
