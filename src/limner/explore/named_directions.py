"""Directions with names, stored with the run: between two groups of codes, or found without labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner.errors import LimnerError, nearest
from limner.explore.abilities import describe_run, require_continuous
from limner.explore.code_search import code_images, search_styles
from limner.explore.codes import choose_indices, decode_pixels
from limner.explore.directions import CODES, Directions, base_point, decode_points, move, sample_codes
from limner.explore.gallery import read_files
from limner.explore.labels import DecodedClass, choose_class, is_conditional
from limner.explore.options import check_decoding_options
from limner.explore.picture import Picture, check_count
from limner.explore.styles import choose_layers, draw_styles, repeat_styles, seed_styles, style_pixels
from limner.explore.traversals import format_deviations
from limner.figures import sheet
from limner.files import read_json, write_json
from limner.metrics import auroc, extractor
from limner.metrics.directions import centroid_direction, probe_direction
from limner.models.abilities import Encodes, HasStyles
from limner.settings import Settings
from limner.training import Run
from limner.training.codes import draw_codes, encode_images

FILE = "directions.json"
DRAWN = 4000  # new images that a classifier sorts, for groups by class
TESTED = 20  # codes in a group from which the direction is tested on half of them
METHODS = {"centroid": centroid_direction, "probe": probe_direction}
Group = str | Sequence[int] | Sequence[str | Path]  # a class, seeds of images, or image files


class NamedDirection(Settings):
    """A direction of directions.json"""

    step: tuple[float, ...]
    """one standard deviation of the codes z, or of the styles w, along the direction"""
    layers: tuple[int, ...] = ()
    """the layers whose styles move; none for codes"""
    description: str = ""
    """how it came about"""
    images_seen: int
    """images that the weights had seen, whose codes it is of"""


def name_direction(
    run: Run, name: str, a: Group, b: Group, method: str = "centroid", layers: str = "all", seed: int = 0
) -> NamedDirection:
    """Store the direction from group a to group b with the run, for `sample(run, move={name: 1.5})`.

    A group is the name of a class, the seeds of images, or image files, whose codes a model without an
    encoder searches.  A class has the codes of its training images, or without an encoder of those new images
    that a classifier of the data set gives it.  `method` is 'centroid', from one mean to the other, or
    'probe', the normal of a logistic regression.  Of a model with styles it is in w, for some `layers`.  A
    step is one standard deviation of all codes.  Raises LimnerError for a name that is taken.
    """
    check_name(run, name)
    if method not in METHODS:
        raise LimnerError(f"no method called '{method}': {nearest(method, METHODS)}")
    model = require_continuous(run, "directions")
    some = choose_layers(run, model, layers).indices if isinstance(model, HasStyles) else ()
    first, second = (group_codes(run, group, seed) for group in (a, b))
    codes = sample_codes(run, DecodedClass(), seed)[0]
    return store_direction(run, name, measure_direction(run, first, second, codes, method, some))


def measure_direction(
    run: Run, a: Tensor, b: Tensor, codes: Tensor, method: str = "centroid", layers: tuple[int, ...] = ()
) -> NamedDirection:
    """The direction from codes a (N, d) to b (M, d); a step is a standard deviation of `codes` (n, d)."""
    direction = METHODS[method](a, b)
    deviation = (codes.double() @ direction).std()
    test = "too few to test it"
    if min(len(a), len(b)) >= TESTED:
        half = METHODS[method](a[::2], b[::2])
        area = auroc(a[1::2].double() @ half, b[1::2].double() @ half)
        test = f"that of one half orders the other with an AUROC of {area:.3f}"
    description = f"{method}, {len(a)} and {len(b)} codes: {test}"
    step = tuple((deviation * direction).tolist())
    return NamedDirection(step=step, layers=layers, description=description, images_seen=run.images_seen)


def keep_direction(run: Run, name: str, directions: Directions, number: int) -> NamedDirection:
    """Store a direction of `directions(run).data["directions"]` with the run; number 1 is the first."""
    check_name(run, name)
    if not 1 <= number <= len(directions.steps):
        raise LimnerError(f"there are directions 1 to {len(directions.steps)}, and no direction {number}")
    named = NamedDirection(
        step=tuple(directions.steps[number - 1].tolist()),
        layers=directions.layers,
        description=f"number {number} of {directions.method}",
        images_seen=run.images_seen,
    )
    return store_direction(run, name, named)


def show_direction(
    run: Run,
    name: str,
    n: int = 5,
    steps: int = 7,
    span: float = 3.0,
    label: str | None = None,
    seed: int = 0,
) -> Picture:
    """A strip for each of n images while its code moves along a stored direction, by standard deviations.

    The images are those of the seeds from `seed` on, or the first test images for a model with an encoder.
    data: "pixels" (n, steps, C, H, W), "units" (steps,).
    """
    model, decoded_class = require_continuous(run, "directions"), choose_class(run, label)
    if n < 1 or steps < 2 or not 0 < span < float("inf"):
        raise LimnerError(f"n from 1, steps from 2, span above 0 are needed, not {n}, {steps}, {span}")
    check_count(n * steps, run.shape)
    ((step, layers),) = choose_steps(run, {name: 1.0})
    encodes, units = isinstance(model, Encodes), torch.linspace(-span, span, steps)
    bases = [base_point(run, i if encodes else None, label, seed + i) for i in range(n)]
    moved = torch.cat([move(base, u * step, layers) for base, *_ in bases for u in units])
    pixels = decode_points(model, moved, decoded_class).unflatten(0, (n, steps))
    rows = [f"test image {i}" if encodes else f"seed {seed + i}" for i in range(n)]
    description = read_directions(run)[name].description
    title = f"{run.name}: direction {name}{decoded_class.title}\n{description}\ncolumns: standard deviations"
    picture = sheet(list(pixels), title=title, row_labels=rows, column_labels=format_deviations(units))
    return Picture(picture, {"pixels": pixels, "units": units.numpy(), "notes": [*decoded_class.notes]})


def check_name(run: Run, name: str) -> None:
    """LimnerError for a name that is not a word, or that a direction of the run has."""
    if not re.fullmatch(r"[A-Za-z_][\w-]*", name):
        raise LimnerError(f"'{name}' is no name for a direction: take a word such as smile")
    if name in read_directions(run):
        raise LimnerError(
            f"{run.path / FILE} has a direction '{name}': take another name, or remove it there"
        )


def store_direction(run: Run, name: str, direction: NamedDirection) -> NamedDirection:
    """Add a direction to the run's file."""
    stored = {**read_directions(run), name: direction}
    write_json(run.path / FILE, {key: value.json_values() for key, value in stored.items()})
    return direction


def read_directions(run: Run) -> dict[str, NamedDirection]:
    """The directions stored with the run, by name; LimnerError where the file is damaged."""
    path = run.path / FILE
    if not path.exists():
        return {}
    content = read_json(path)
    if not (isinstance(content, dict) and all(isinstance(value, dict) for value in content.values())):
        raise LimnerError(f"{path} is damaged: it holds no directions")
    try:
        return {name: NamedDirection.parse(value) for name, value in content.items()}
    except LimnerError as error:
        raise LimnerError(f"{path} is damaged: {error}") from None


def choose_steps(run: Run, moves: Mapping[str, float]) -> list[tuple[Tensor, tuple[int, ...]]]:
    """The step, times its factor, and the layers of each direction; LimnerError for one that is not there."""
    stored, steps = read_directions(run), []
    for name, amount in moves.items():
        if name not in stored:
            known = nearest(name, stored) if stored else "limner directions --name stores one"
            raise LimnerError(f"{run.name} has no direction '{name}': {known}")
        direction = stored[name]
        if direction.images_seen != run.images_seen:
            raise LimnerError(
                f"direction '{name}' is of weights that had seen {direction.images_seen:,} images, and "
                f"{run.name} has seen {run.images_seen:,}: store it again under another name"
            )
        if not abs(amount) < float("inf"):
            raise LimnerError(f"{name} must be a number such as 1.5, not {amount}")
        steps.append((amount * torch.tensor(direction.step), direction.layers))
    return steps


def draw_moved(
    run: Run, n: int, y: Tensor | None, moves: Mapping[str, float], options: Mapping[str, Any]
) -> Tensor:
    """n new images (n, C, H, W) in [-1, 1], of classes y (n,), whose codes are moved along named directions.

    Without a move they are those of `sample`.  LimnerError for an option that `decode` does not have.
    """
    model, steps = require_continuous(run, "move"), choose_steps(run, moves)
    rest = {key: value for key, value in options.items() if key != "prior"}
    if isinstance(model, HasStyles):
        z, y = model.draw_codes(n, y)
        w = model.styles(z, y, rest.get("truncation", 1.0))
        for step, layers in steps:
            w = move(w, step, layers)
        return model.synthesise(w, rest.get("noise", "random"))
    if is_conditional(run) and y is None:
        raise LimnerError(f"{describe_run(run)}: a move needs classes to decode: give labels")
    z = model.latent.draw(n, model.device, options.get("prior"))
    for step, _ in steps:
        z = z + step.to(z.device)
    return model.decode(z, y, **check_decoding_options(run, rest))


# -- groups ---------------------------------------------------------------------------------------------
def group_codes(run: Run, group: Group, seed: int) -> Tensor:
    """The codes (n, d), w for a model with styles, of a group of images."""
    if isinstance(group, str):
        return class_codes(run, group, seed)
    if not group:
        raise LimnerError("a group of images is empty: name a seed or a file at least")
    seeds = [item for item in group if isinstance(item, int)]
    if len(seeds) == len(group):
        return seed_codes(run, seeds)
    files = [item for item in group if not isinstance(item, int)]
    pixels = read_files(run, files)[0].pixels
    if isinstance(run.model, HasStyles):
        return search_styles(run, pixels, "w", seed=seed)[0][:, 0]
    return code_images(run, pixels, seed)[0]


def seed_codes(run: Run, seeds: Sequence[int]) -> Tensor:
    """The codes of the images that `sample` draws with each seed."""
    if isinstance(run.model, HasStyles):
        return seed_styles(run, run.model, seeds)[0][:, 0].cpu()
    return torch.cat([draw_codes(run.model.latent, 1, seed) for seed in seeds])


def class_codes(run: Run, name: str, seed: int) -> Tensor:
    """The codes of training images of a class, or without an encoder of new images."""
    labels = run.original.train.labels
    if labels is None:
        raise LimnerError(f"{run.data.name} has no labels, so it has no class '{name}': give seeds")
    names = run.original.classes or [str(y) for y in range(int(labels.max()) + 1)]
    if name not in names:
        raise LimnerError(f"{run.data.name} has no class '{name}': {nearest(name, names)}")
    index = names.index(name)
    if isinstance(run.model, Encodes):
        train = run.data.train
        assert train.labels is not None
        rows = (train.labels == index).nonzero()[:, 0]
        return encode_images(run.model, train.pixels[rows[choose_indices(len(rows), CODES, seed)]])
    codes, pixels = draw_images(run, seed)
    codes = codes[extractor(run.original).classify(pixels).argmax(1) == index]
    if not len(codes):
        raise LimnerError(f"none of {DRAWN:,} new images of {run.name} is of class '{name}'")
    return codes


def draw_images(run: Run, seed: int) -> tuple[Tensor, Tensor]:
    """Codes of DRAWN new images, w for a model with styles, and their pixels."""
    model = require_continuous(run, "directions")
    if isinstance(model, HasStyles):
        w = draw_styles(model, DRAWN, seed)
        return w, style_pixels(model, repeat_styles(model, w))
    z, classes = draw_codes(model.latent, DRAWN, seed), run.model.classes
    y = torch.arange(DRAWN) % classes if is_conditional(run) and classes else None
    return z, decode_pixels(model, z, y)
