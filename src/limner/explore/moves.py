"""Images whose codes are moved along directions that are stored with the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from limner.data import Images
from limner.errors import LimnerError
from limner.explore.abilities import require_continuous
from limner.explore.code_search import describe_search, search_codes, search_styles
from limner.explore.codes import decode_pixels
from limner.explore.directions import move as move_points
from limner.explore.edits import ROWS, draw_columns
from limner.explore.labels import is_conditional
from limner.explore.named_directions import choose_steps
from limner.explore.picture import Picture
from limner.explore.reconstructions import choose_files, choose_reconstructed_labels, choose_test_images
from limner.explore.samples import describe_move
from limner.explore.styles import style_pixels
from limner.models.abilities import Encodes, HasStyles
from limner.training import Run
from limner.training.codes import decode_codes, encode_images


def move_images(
    run: Run,
    images: Sequence[str | Path] | None = None,
    move: Mapping[str, float] | None = None,
    n: int | None = None,
    seed: int = 0,
) -> Picture:
    """A row for each image: the image, its reconstruction, and that of its code moved by `move`.

    `move` has numbers of standard deviations by the names of directions (`name_direction`).  `images` are
    files or folders; without them n random test images are shown (8).  A model without an encoder searches
    their codes, or of a StyleGAN their styles w.
    data: "pixels", "reconstructions", "moved" (n, C, H, W), "names".
    """
    require_continuous(run, "edit --move")
    if not move or (n is not None and n < 1):
        raise LimnerError(f"a direction and an image at least are needed, not {len(move or {})} and {n}")
    steps = choose_steps(run, move)
    chosen, names, notes = (
        choose_test_images(run, n or ROWS, seed) if images is None else choose_files(run, images, n)
    )
    points, decode, subject, remarks = find_points(run, chosen, seed)
    moved = points
    for step, layers in steps:
        moved = move_points(moved, step, layers)
    parts = [chosen.pixels, decode(points), decode(moved)]
    change = describe_move(move).removeprefix(", ")
    title = f"{run.name}: {len(chosen)} images, their reconstructions, and those of moved codes{subject}"
    picture = draw_columns(torch.stack(parts, 1), ["image", "model", change], title)
    data = dict(zip(("pixels", "reconstructions", "moved"), parts, strict=True))
    return Picture(picture, {**data, "names": names, "notes": [*notes, *remarks]})


def find_points(
    run: Run, chosen: Images, seed: int
) -> tuple[Tensor, Callable[[Tensor], Tensor], str, Sequence[str]]:
    """The codes (n, d) of images, or their styles (n, layers, d), what decodes them, a title's end, notes."""
    model, labels = require_continuous(run, "edit --move"), chosen.labels if is_conditional(run) else None
    if isinstance(model, HasStyles):
        w, notes = search_styles(run, chosen.pixels, "w", labels, seed)
        return w.cpu(), partial(style_pixels, model), "", notes
    if isinstance(model, Encodes):
        z = encode_images(model, chosen.pixels)
        y, subject = choose_reconstructed_labels(run, chosen, None, lambda y: decode_codes(model, z, y))
        return z, lambda codes: decode_pixels(model, codes, y), subject, []
    result, _ = search_codes(run, chosen.pixels, labels, seed=seed)
    notes = [describe_search("codes", result, chosen.pixels)]
    return result.codes, lambda codes: decode_pixels(model, codes, result.y), "", notes
