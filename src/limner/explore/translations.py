"""Translations of images from one domain into the other, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn

from limner.data import Images, read_file, read_images, to_float, to_uint8
from limner.data.listing import list_folder
from limner.errors import LimnerError, check_whole
from limner.explore.abilities import require_ability
from limner.explore.codes import choose_indices
from limner.explore.picture import PICTURES, Picture
from limner.figures import sheet, to_pil
from limner.files import refuse_existing, write_atomically
from limner.models.abilities import Translates
from limner.training import Run
from limner.training.codes import map_batches

COLUMNS = 8
MOST_PIXELS = 4_000_000  # of an image that is translated at its full size, at about 300 bytes each
QUALITY = 95  # of translations that are written as JPEG or WebP
OTHER = {"A": "B", "B": "A"}


def translate(
    run: Run,
    images: Sequence[str | Path] | None = None,
    to: str = "B",
    n: int | None = None,
    seed: int = 0,
) -> Picture:
    """Images over their translations over the way back, with the mean absolute error of the cycle below.

    `images` are files or folders of the other domain; without them n random test images are shown (8).
    The way back begins at the translation in 8 bits, as a file has it; errors are on the [0, 1] scale.
    """
    model, source = require_translator(run, to), OTHER[to]
    if n is not None:
        check_whole("n", n, 1)
    chosen, notes = choose_images(run, images, source, n, seed)
    x = to_float(chosen.pixels)
    translated = map_batches(model, chosen.pixels, lambda part: model.translate(part, to))
    back = map_batches(model, to_uint8(translated), lambda part: model.translate(part, source))
    errors = ((back - x).abs().mean((1, 2, 3)) / 2).tolist()
    parts = [chosen.pixels, to_uint8(translated), to_uint8(back)]
    title = (
        f"{run.name}: {len(x)} images of {source}, translated to {to}, and back, with the error of the cycle"
    )
    picture = draw_rows(parts, [f"{error:.4f}" for error in errors], [source, to, f"back to {source}"], title)
    names = list(chosen.names or ())
    data = {"pixels": parts[0], "translations": parts[1], "back": parts[2], "cycle": errors, "names": names}
    return Picture(picture, data | {"notes": notes})


class TranslatedFile(NamedTuple):
    """An image file and its translation; where there is none, `target` is None and `note` says why."""

    source: Path
    target: Path | None
    note: str = ""


def translate_files(
    run: Run, images: Sequence[str | Path], out: str | Path, to: str = "B", full_size: bool = False
) -> Iterator[TranslatedFile]:
    """Translate image files one by one into the folder `out`, under their names.

    The images get the size of the training images, or keep theirs.  Of the model, only the network that
    translates is loaded.  A file that cannot be translated is left out with a note.
    Raises LimnerError where every file was left out, where two would get one name, and where one would be
    written over.
    """
    network = load_translator(run, to)
    targets = choose_targets([Path(image).expanduser() for image in images], Path(out).expanduser())
    shape, problems = domain_shape(run, OTHER[to]), []
    for source, target in targets.items():
        try:
            translated = translate_file(network, source, shape, full_size)
        except LimnerError as error:
            problems.append(str(error))
            yield TranslatedFile(source, None, f"left out: {error}")
            continue
        picture = to_pil(to_uint8(translated)[0])
        write_atomically(target, partial(picture.save, quality=QUALITY))
        yield TranslatedFile(source, target)
    if len(problems) == len(targets):
        others = f", and {len(problems) - 1} others neither" if problems[1:] else ""
        raise LimnerError(f"{problems[0]}{others}")


@torch.no_grad()
def translate_file(
    network: nn.Module, path: Path, shape: tuple[int, int, int], full_size: bool = False
) -> Tensor:
    """The translation (1, C, H, W) of an image file, fitted to a shape (C, H, W) or of its own size."""
    channels, *size = shape
    pixels = read_file(path, None if full_size else (size[0], size[1]), channels).pixels
    if pixels.shape[2] * pixels.shape[3] > MOST_PIXELS:
        raise LimnerError(
            f"{path} has more than {MOST_PIXELS // 1_000_000} million pixels: leave --full-size out, or make "
            "it smaller"
        )
    try:
        translated: Tensor = network(to_float(pixels))
    except LimnerError as error:
        raise LimnerError(f"{path}: {error}") from None
    return translated


def choose_targets(sources: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """For every image file the new file that its translation is written to."""
    if any(source.is_dir() and folder.resolve().is_relative_to(source.resolve()) for source in sources):
        raise LimnerError(f"{folder} lies in a folder that is translated: give another --out")
    origins: dict[Path, Path] = {}
    for path, name in list_files(sources):
        target = folder / (name if name.suffix.lower() in PICTURES else f"{name}.png")
        if origins.setdefault(target, path) != path:
            raise LimnerError(f"two images would become {target}: translate them into two folders")
    refuse_existing(origins)
    return {path: target for target, path in origins.items()}


def list_files(sources: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Every image file with its name: that of a file in a folder is relative to the folder."""
    files: list[tuple[Path, Path]] = []
    for source in sources:
        if not source.exists():
            raise LimnerError(f"there is no {source}")
        if source.is_dir():
            files += [(source / entry.name, Path(entry.name)) for entry in list_folder(source).entries]
        else:
            files.append((source, Path(source.name)))
    if not files:
        raise LimnerError(
            f"no images in {', '.join(map(str, sources))}: give {', '.join(PICTURES[:3])} files"
        )
    return files


def require_translator(run: Run, to: str) -> Translates:
    """The run's model, where it translates, to that domain."""
    model = require_ability(run, Translates, "translate")
    model.translator(to)
    return model


def load_translator(run: Run, to: str) -> nn.Module:
    """The network that translates to a domain, alone."""
    outline = run.outline()
    if not isinstance(outline, Translates):
        require_ability(run, Translates, "translate")
        raise AssertionError
    return run.network(outline.translator(to))


def domain_shape(run: Run, domain: str) -> tuple[int, int, int]:
    """The shape (C, H, W) of the images of a domain that a run was trained on."""
    record = run.config.data
    if domain == "B" and record.second is not None:
        return record.second.shape
    return record.shape


def choose_images(
    run: Run, images: Sequence[str | Path] | None, domain: str, n: int | None, seed: int
) -> tuple[Images, list[str]]:
    """n test images of a domain, drawn by the seed, or the first n of files fitted to it, and notes."""
    if images is None:
        test = (run.domains.a if domain == "A" else run.domains.b).test
        return test.subset(choose_indices(len(test), n or COLUMNS, seed)), []
    chosen, notes = read_images(images, domain_shape(run, domain))
    few = chosen.subset(torch.arange(min(n or 2 * COLUMNS, len(chosen))))
    return few, list(notes)


def draw_rows(parts: list[Tensor], captions: list[str], labels: list[str], title: str) -> Image.Image:
    """Sets of images (N, C, H, W) uint8 under each other, eight in a row, captions below the last."""
    channels = max(part.shape[1] for part in parts)
    parts = [part.expand(-1, channels, -1, -1) for part in parts]
    rows: list[Tensor] = []
    texts: list[list[str]] = []
    for start in range(0, len(parts[0]), COLUMNS):
        columns = slice(start, start + COLUMNS)
        rows += [part[columns] for part in parts]
        texts += [*([] for _ in parts[1:]), captions[columns]]
    return sheet(rows, captions=texts, row_labels=labels * (len(rows) // len(parts)), title=title)
