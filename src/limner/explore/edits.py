"""The same images with other labels: a face at every age, a style of handwriting in every digit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from limner.data import Images, to_uint8
from limner.errors import LimnerError, check_whole
from limner.explore.abilities import require_ability
from limner.explore.codes import choose_indices
from limner.explore.gallery import read_files
from limner.explore.labels import class_index, class_names
from limner.explore.picture import Picture
from limner.explore.reconstructions import (
    choose_files,
    choose_test_images,
    nearest_labels,
    reconstruction_errors,
)  # fmt: skip
from limner.figures import choose_scale, measure_text, sheet, shorten, to_pil
from limner.files import refuse_existing, write_atomically
from limner.models.abilities import Edits
from limner.training import Run
from limner.training.codes import BATCH, map_batches

ROWS = 8  # images in a picture
COLUMNS = 30  # labels in a picture
WIDEST = 100  # pixels of an image that is enlarged so that the name of its label fits above it
COMPARED = 500  # test images whose errors an image's error is compared with
UNUSUAL = 0.99  # the share of test images that an image's error must exceed to be noted


def edit(
    run: Run,
    images: Sequence[str | Path] | None = None,
    to: str | Sequence[str] = "all",
    n: int | None = None,
    seed: int = 0,
) -> Picture:
    """A row for each image: the image, its reconstruction, and the image with each of the labels `to`.

    `images` are files or folders, of any size and mode; without them n random test images are shown (8).  A
    test image is reconstructed with its own label, a file with the label that gives the least error; a note
    names each file that the model reconstructs worse than nearly all test images.
    data: "pixels", "reconstructions", "edited" (n, labels, C, H, W), "labels", "classes", "error" on [0, 1].
    """
    model = require_ability(run, Edits, "edit")
    names, indices = choose_labels(run, to)
    if n is not None:
        check_whole("n", n, 1)
    if images is None:
        chosen, files, notes = choose_test_images(run, n or ROWS, seed)
    else:
        chosen, files, notes = choose_files(run, images, n)
    known = chosen.labels if images is None else None
    own = choose_own_labels(model, chosen.pixels) if known is None else known
    reconstructions = edit_images(model, chosen.pixels, own)
    errors = reconstruction_errors(chosen.pixels, reconstructions)
    if images is not None:
        notes += note_unusual(run, files, errors)
    edited = torch.stack([edit_images(model, chosen.pixels, label) for label in indices], 1)
    parts = torch.cat([chosen.pixels[:, None], reconstructions[:, None], edited], 1)
    title = f"{run.name}: {len(chosen)} images, their reconstructions, and the same with each label"
    picture = draw_columns(parts, ["image", "model", *names], title)
    data = {
        "pixels": chosen.pixels, "reconstructions": reconstructions, "edited": edited, "labels": own,
        "classes": names, "error": errors.numpy(), "names": files, "notes": notes,
    }  # fmt: skip
    return Picture(picture, data)


def draw_columns(rows: Tensor, heads: Sequence[str], title: str) -> Image.Image:
    """Rows of images (rows, columns, C, H, W) uint8 under the names of the columns."""
    height, width = rows.shape[3:]
    widest = max(round(measure_text(head)) for head in heads)
    scale = choose_scale(height, width, side=56)
    while width * scale < widest and width * (scale + 1) <= WIDEST:
        scale += 1
    short = [shorten(head, width * scale) for head in heads]
    return sheet(list(rows), title=title, column_labels=short, scale=scale)


def edit_files(
    run: Run, images: Sequence[str | Path], out: str | Path, to: str | Sequence[str] = "all"
) -> tuple[list[Path], list[str]]:
    """Write each image with each label into the folder `out` as NAME-LABEL.png; returns the files and notes.

    Raises LimnerError where two would get one name, and where a file would be written over.
    """
    model, names, indices = require_ability(run, Edits, "edit"), *choose_labels(run, to)
    chosen, notes = read_files(run, images)
    targets = [edit_targets(chosen.names or (), name, Path(out).expanduser()) for name in names]
    check_targets([path for paths in targets for path in paths])
    for paths, index in zip(targets, indices, strict=True):
        for path, pixels in zip(paths, edit_images(model, chosen.pixels, index), strict=True):
            write_atomically(path, to_pil(pixels).save)
    return [path for paths in targets for path in paths], list(notes)


def edit_targets(images: Sequence[str], label: str, folder: Path) -> list[Path]:
    """The files that the images with this label are written to."""
    safe = re.sub(r"[^\w.+-]", "_", label)
    return [folder / f"{Path(image).stem}-{safe}.png" for image in images]


def check_targets(targets: Sequence[Path]) -> None:
    """Raise LimnerError where two of the targets are one file, or where one is there already."""
    double = next((path for path, count in Counter(targets).items() if count > 1), None)
    if double is not None:
        raise LimnerError(f"two edited images would become {double}: edit them into two folders")
    refuse_existing(targets)


def choose_labels(run: Run, to: str | Sequence[str]) -> tuple[list[str], list[int]]:
    """The names and the numbers of the labels `to`; LimnerError for an unknown one, for none, or too many."""
    names = class_names(run) if to == "all" else [to] if isinstance(to, str) else list(to)
    if not 1 <= len(names) <= COLUMNS:
        raise LimnerError(f"name 1 to {COLUMNS} labels, not {len(names):,}")
    return names, [class_index(run, name) for name in names]


def edit_images(model: Edits, pixels: Tensor, labels: Tensor | int) -> Tensor:
    """Pixels (N, C, H, W) uint8 with labels (N,), or with one label: (N, C, H, W) uint8."""
    y = torch.full((len(pixels),), labels) if isinstance(labels, int) else labels
    parts = iter(y.split(BATCH))  # as `map_batches` splits the images
    return to_uint8(map_batches(model, pixels, lambda x: model.edit(x, next(parts).to(x.device))))


def choose_own_labels(model: Edits, pixels: Tensor) -> Tensor:
    """For each image the label (N,) with which the model reconstructs it best."""
    assert model.classes is not None
    return nearest_labels(pixels, model.classes, lambda y: edit_images(model, pixels, y))


def note_unusual(run: Run, names: Sequence[str], errors: Tensor) -> list[str]:
    """A line for each image whose error is above that of 99 % of the test images."""
    model = require_ability(run, Edits, "edit")
    test: Images = run.data.test.subset(choose_indices(len(run.data.test), COMPARED, 0))
    labels = test.labels if test.labels is not None else choose_own_labels(model, test.pixels)
    usual = reconstruction_errors(test.pixels, edit_images(model, test.pixels, labels))
    bound = float(usual.quantile(UNUSUAL))
    return [
        f"{name}: its reconstruction is worse than that of {UNUSUAL:.0%} of the test images "
        f"({float(error):.3f}, theirs {bound:.3f}): crop it as the training images are, so that the subject "
        "fills the frame"
        for name, error in zip(names, errors, strict=True)
        if error > bound
    ]
