"""Translations of images from one domain into the other, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from limner.data import Images, read_file, read_images, to_float, to_uint8
from limner.errors import LimnerError
from limner.explore.abilities import require_ability
from limner.explore.codes import choose_indices
from limner.explore.picture import PICTURES, Picture
from limner.figures import sheet, to_pil
from limner.files import write_atomically
from limner.models.abilities import Translates
from limner.training import Run
from limner.training.codes import map_batches

COLUMNS = 8
MOST_PIXELS = 4_000_000  # of an image that is translated at its full size, at about 300 bytes each
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
    if n is not None and n < 1:
        raise LimnerError(f"n must be at least 1, not {n}")
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


def translate_files(
    run: Run, images: Sequence[str | Path], out: str | Path, to: str = "B", full_size: bool = False
) -> Iterator[Path]:
    """Translate image files one by one into the folder `out`, under their names; yields each path written.

    The images get the size of the training images, or keep theirs.  Of the model, only the network that
    translates is loaded.  Raises LimnerError where `out` is a folder that is read from.
    """
    network = load_translator(run, to)
    folder = Path(out).expanduser()
    sources = [Path(image).expanduser() for image in images]
    if any(
        path.resolve() in (folder.resolve(), *folder.resolve().parents) for path in sources if path.is_dir()
    ):
        raise LimnerError(f"{folder} lies in a folder that is translated: give another --out")
    shape = domain_shape(run, OTHER[to])
    for path, name in list_files(sources):
        target = folder / name
        if target.exists() and target.resolve() == path.resolve():
            raise LimnerError(f"{target} would be written over: give another --out")
        pixels = read_file(path, None if full_size else shape[1:], shape[0]).pixels
        if pixels.shape[2] * pixels.shape[3] > MOST_PIXELS:
            raise LimnerError(
                f"{path} has more than {MOST_PIXELS // 1_000_000} million pixels: leave --full-size out, or "
                "make it smaller"
            )
        with torch.no_grad():
            translated = network(to_float(pixels))
        write_atomically(target, to_pil(to_uint8(translated)[0]).save)
        yield target


def list_files(sources: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Every image file with the name that its translation gets, relative to the folder that is written."""
    files: list[tuple[Path, Path]] = []
    for source in sources:
        if not source.exists():
            raise LimnerError(f"there is no {source}")
        paths = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
        base = source if source.is_dir() else source.parent
        files += [(path, path.relative_to(base)) for path in paths if path.suffix.lower() in PICTURES]
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
