"""Directions in the codes or styles of a model that change its images, found without labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from limner.data import to_float
from limner.errors import LimnerError
from limner.explore.abilities import require_continuous
from limner.explore.code_search import search_styles
from limner.explore.codes import choose_images, decode_pixels, require_narrow
from limner.explore.gallery import read_image
from limner.explore.labels import DecodedClass, choose_class
from limner.explore.picture import Picture, check_count
from limner.explore.styles import choose_layers, draw_styles, repeat_styles, seed_styles, style_pixels
from limner.explore.traversals import base_code, format_deviations
from limner.figures import sheet
from limner.metrics.directions import effect_directions, principal_directions, style_directions
from limner.models.abilities import Decodes, Encodes, HasStyles
from limner.training import Run
from limner.training.codes import decode_codes, draw_codes, encode_images

CODES = 2000  # codes whose deviation is measured
RANKED = 128  # directions whose effect is measured, at most
BASES = 8  # images on which it is


@dataclass(frozen=True)
class Directions:
    """Directions (k, d) as steps of one standard deviation of the codes, in the `space` 'z' or 'w'.

    In w they are for some `layers`.  `effect` (k,) is the mean squared change of images on [0, 1] by a step;
    the largest stands first.  `method` says how they came about.
    """

    steps: Tensor
    effect: Tensor
    space: str
    layers: tuple[int, ...]
    method: str


def directions(
    run: Run,
    k: int = 8,
    steps: int = 7,
    span: float = 3.0,
    layers: str = "all",
    *,
    image: str | Path | int | None = None,
    label: str | None = None,
    seed: int = 0,
) -> Picture:
    """A strip for each of k directions: an image while its code moves, -span to +span standard deviations.

    Of a model with styles the directions are in w, for `layers` ('coarse', 'all', '2-4', ...); of one with an
    encoder the principal axes of codes; of another those with the largest effect (`metrics.directions`).  The
    image is that of `seed`, or `image`, a file or a test image's index (the first), for an encoder.
    data: "directions" all that are ranked, a `Directions`, "pixels" (k, steps, C, H, W).
    """
    model = require_continuous(run, "directions")
    if k < 1 or steps < 2 or not 0 < span < float("inf"):
        raise LimnerError(f"k from 1, steps from 2, span above 0 are needed, not {k}, {steps}, {span}")
    check_count(k * steps, run.shape)
    decoded_class = choose_class(run, label)
    ranked = rank_directions(run, layers, decoded_class, seed)
    base, subject, notes = base_point(run, image, label, seed)
    units = torch.linspace(-span, span, steps)
    moved = torch.cat([move(base, u * step, ranked.layers) for step in ranked.steps[:k] for u in units])
    pixels = decode_points(model, moved, decoded_class).unflatten(0, (-1, steps))
    title = (
        f"{run.name}: {subject} along {ranked.method}{decoded_class.title}\n"
        "columns: standard deviations; rows: mean squared change of images by one"
    )
    rows = [f"{i + 1}   {effect:.4f}" for i, effect in enumerate(ranked.effect[:k].tolist())]
    picture = sheet(list(pixels), title=title, row_labels=rows, column_labels=format_deviations(units))
    return Picture(picture, {"directions": ranked, "pixels": pixels, "notes": [*notes, *decoded_class.notes]})


def rank_directions(run: Run, layers: str, decoded_class: DecodedClass, seed: int) -> Directions:
    """The directions of the run's model, those with the largest effect first."""
    model = require_continuous(run, "directions")
    codes, points = sample_codes(run, decoded_class, seed)
    chosen: tuple[int, ...] = ()
    if isinstance(model, HasStyles):
        some = choose_layers(run, model, layers)
        weights = model.style_weights()
        axes = style_directions([weights[i] for i in some.indices])
        space, chosen, method = "w", some.indices, f"directions of the styles of {some.title}"
    elif layers != "all":
        raise LimnerError(
            f"{run.name} has no styles, so its directions are not those of layers: leave it out"
        )
    elif isinstance(model, Encodes):
        axes, space, method = principal_directions(codes, RANKED), "z", "principal axes of the codes"
    else:
        require_narrow(run, "directions")

        def decode(z: Tensor) -> Tensor:
            return decode_codes(model, z, decoded_class.repeat(len(z)))

        axes, space, method = effect_directions(decode, points), "z", "directions of the largest effect"
    axes = axes[:RANKED]
    steps = (axes * ((codes - codes.mean(0)).double() @ axes.T).std(0)[:, None]).float()
    effect = measure_effect(model, points, steps, chosen, decoded_class)
    order = effect.argsort(descending=True)
    return Directions(steps[order], effect[order], space, chosen, method)


def sample_codes(run: Run, decoded_class: DecodedClass, seed: int) -> tuple[Tensor, Tensor]:
    """Codes (n, d), w for a model with styles, and BASES points of which it makes images."""
    model = run.model
    if isinstance(model, HasStyles):
        codes = draw_styles(model, CODES, seed, decoded_class.repeat(CODES))
        return codes, repeat_styles(model, codes[:BASES])
    if isinstance(model, Encodes):
        codes = encode_images(model, choose_images(run.data.train.pixels, CODES, seed))
    else:
        codes = draw_codes(model.latent, CODES, seed)
    return codes, codes[:BASES]


def base_point(
    run: Run, image: str | Path | int | None, label: str | None, seed: int
) -> tuple[Tensor, str, tuple[str, ...]]:
    """The point (1, d), or styles (1, layers, d), to move from, what it is, and notes."""
    model = run.model
    if isinstance(model, HasStyles) and image is None:
        return seed_styles(run, model, [seed], label)[0].cpu(), f"the image of seed {seed}", ()
    decoded_class = choose_class(run, label)
    if isinstance(model, HasStyles) and image is not None:
        pixels, subject, remarks = read_image(run, image)
        w, searched = search_styles(run, pixels, "w", decoded_class.repeat(1), seed)
        return w.cpu(), subject, (*remarks, *searched)
    base, subject, notes = base_code(run, image, seed, decoded_class)
    return base[None], subject, tuple(notes)


def measure_effect(
    model: Decodes, points: Tensor, steps: Tensor, layers: tuple[int, ...], decoded_class: DecodedClass
) -> Tensor:
    """The mean squared change (k,) of the images of points on [0, 1] by each step (k, d), both ways."""
    plain = to_float(decode_points(model, points, decoded_class))
    effects = []
    for step in steps:
        both = torch.cat([move(points, step, layers), move(points, -step, layers)])
        change = to_float(decode_points(model, both, decoded_class)) - plain.repeat(2, 1, 1, 1)
        effects.append((change / 2).square().mean())
    return torch.stack(effects)


def move(points: Tensor, step: Tensor, layers: tuple[int, ...]) -> Tensor:
    """Codes (n, d) plus a step (d,); of styles (n, layers, d), those of some layers."""
    if points.ndim == 2:
        return points + step
    moved = points.clone()
    moved[:, list(layers)] += step.to(points.device)
    return moved


def decode_points(model: Decodes, points: Tensor, decoded_class: DecodedClass) -> Tensor:
    """The images (n, C, H, W) uint8 of codes (n, d), or of styles (n, layers, d)."""
    if points.ndim == 3 and isinstance(model, HasStyles):
        return style_pixels(model, points)
    return decode_pixels(model, points, decoded_class.repeat(len(points)))
