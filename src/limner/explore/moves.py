"""Images whose codes are moved along directions that are stored with the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from limner.data import to_uint8
from limner.errors import LimnerError
from limner.explore.abilities import require_ability
from limner.explore.edits import ROWS, draw_columns
from limner.explore.named_directions import choose_steps
from limner.explore.picture import Picture
from limner.explore.reconstructions import choose_files, choose_reconstructed_labels, choose_test_images
from limner.explore.samples import describe_move
from limner.models.abilities import Decodes, Encodes
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
    files or folders; without them n random test images are shown (8).
    data: "pixels", "reconstructions", "moved" (n, C, H, W), "names".
    """
    encoder = require_ability(run, Encodes, "edit --move")
    decoder = require_ability(run, Decodes, "edit --move")
    if not move or (n is not None and n < 1):
        raise LimnerError(f"a direction and an image at least are needed, not {len(move or {})} and {n}")
    steps = choose_steps(run, move)
    chosen, names, notes = (
        choose_test_images(run, n or ROWS, seed) if images is None else choose_files(run, images, n)
    )
    z = encode_images(encoder, chosen.pixels)
    y, subject = choose_reconstructed_labels(run, chosen, None, lambda y: decode_codes(decoder, z, y))
    moved = z + torch.stack([step for step, _ in steps]).sum(0)
    parts = [chosen.pixels, *(to_uint8(decode_codes(decoder, codes, y)) for codes in (z, moved))]
    change = describe_move(move).removeprefix(", ")
    title = f"{run.name}: {len(chosen)} images, their reconstructions, and those of moved codes{subject}"
    picture = draw_columns(torch.stack(parts, 1), ["image", "model", change], title)
    data = dict(zip(("pixels", "reconstructions", "moved"), parts, strict=True))
    return Picture(picture, {**data, "names": names, "notes": notes})
