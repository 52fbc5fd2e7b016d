"""Images along paths from one code to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from limner.errors import LimnerError, nearest
from limner.explore.abilities import require_ability, require_continuous
from limner.explore.code_search import code_images
from limner.explore.codes import choose_indices, decode_pixels
from limner.explore.gallery import read_image
from limner.explore.labels import DecodedClass, choose_class
from limner.explore.options import check_decoding_options
from limner.explore.picture import Animation, Picture, check_count
from limner.explore.styles import seed_styles, style_pixels
from limner.figures import sheet
from limner.metrics.paths import lerp, slerp
from limner.models.abilities import Encodes, HasStyles
from limner.training import Run
from limner.training.codes import draw_codes

STEP, PAUSE = 120, 600  # milliseconds of a frame of the animation, on the way and at either end
PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": lerp, "spherical": slerp}


def interpolate(
    run: Run,
    images: Sequence[str | Path | int] | None = None,
    pairs: int = 4,
    steps: int = 9,
    path: str = "both",
    seed: int = 0,
    label: str | None = None,
    decoding: Mapping[str, Any] | None = None,
) -> Picture:
    """From one image to another in `steps` codes, 'linear', 'spherical' or 'both', a row each.

    `images` are two files or indices of test images; without them `pairs` random pairs of test images are
    used, of different classes where there are labels.  A model without an encoder goes from noise to noise,
    or between two images whose codes are searched (`invert`).
    The sphere is centred at the mean of the prior.  Codes are decoded as the class `label`, with the options
    `decoding` of `decode`.  data["codes"] is (rows, steps, d), data["pixels"] (rows, steps, C, H, W).
    """
    model = require_continuous(run, "interpolate")
    if path not in (*PATHS, "both"):
        raise LimnerError(f"no path called '{path}': {nearest(path, [*PATHS, 'both'])}")
    if pairs < 1 or steps < 2:
        raise LimnerError(f"there must be a pair and two steps at least, not {pairs} and {steps}")
    kinds = list(PATHS) if path == "both" else [path]
    check_count(pairs * steps * len(kinds), run.shape)
    options, decoded_class = check_decoding_options(run, decoding), choose_class(run, label)
    ends, z, notes = endpoints(
        run, images, pairs, seed, decoded_class, options
    )  # (2, P, C, H, W) or None, (2, P, d)
    t = torch.linspace(0, 1, steps)
    codes = codes_between(z, mean_code(run), t, kinds)
    pixels = decode_pixels(model, codes.flatten(0, 1), decoded_class.repeat(len(codes) * steps), **options)
    pixels = pixels.unflatten(0, codes.shape[:2])
    fixed = None if ends is None else ends.repeat_interleave(len(kinds), 1)  # both ends of each row
    route = "from noise to noise" if ends is None else "from image to image"
    title = f"{run.name}: {route}, {' and '.join(kinds)} in the code{decoded_class.title}"
    names = kinds * (len(pixels) // len(kinds))
    picture = draw_paths(pixels, fixed, names, [f"{value:.3g}" for value in t.tolist()], title)
    data = {"codes": codes.numpy(), "pixels": pixels, "paths": kinds, "notes": [*notes, *decoded_class.notes]}
    return Picture(picture, data, partial(animate_paths, pixels, fixed, names, title))


def interpolate_styles(
    run: Run,
    pairs: int = 4,
    steps: int = 9,
    seed: int = 0,
    label: str | None = None,
    decoding: Mapping[str, Any] | None = None,
) -> Picture:
    """From one image to another on a straight line in w, a row for each pair of seeds from `seed` on.

    A seed names an image as `sample` draws it, of the class `label` where the model has classes.  `decoding`
    has the options truncation and noise, 'fixed' or 'off'.  data["styles"] is (pairs, steps, layers, dim),
    data["pixels"] (pairs, steps, C, H, W).
    """
    model = require_ability(run, HasStyles, "interpolate in w")
    if pairs < 1 or steps < 2:
        raise LimnerError(f"there must be a pair and two steps at least, not {pairs} and {steps}")
    check_count(pairs * steps, run.shape)
    options = check_decoding_options(run, decoding)
    seeds = range(seed, seed + 2 * pairs)
    ends, names = seed_styles(run, model, seeds, label, options.get("truncation", 1.0))
    t = torch.linspace(0, 1, steps, device=ends.device)
    first, last = ends[::2], ends[1::2]
    w = torch.stack([lerp(a.flatten(), b.flatten(), t) for a, b in zip(first, last, strict=True)])
    w = w.unflatten(2, ends.shape[1:])
    pixels = style_pixels(model, w.flatten(0, 1), options.get("noise", "fixed")).unflatten(0, w.shape[:2])
    title = f"{run.name}: from image to image, linear in w"
    rows = [f"seeds {a} to {b}" for a, b in zip(names[::2], names[1::2], strict=True)]
    picture = draw_paths(pixels, None, rows, [f"{value:.3g}" for value in t.tolist()], title)
    columns = [f"{a} to {b}" for a, b in zip(names[::2], names[1::2], strict=True)]
    animate = partial(animate_paths, pixels, None, columns, title)
    return Picture(picture, {"styles": w.cpu().numpy(), "pixels": pixels, "notes": []}, animate)


def draw_paths(
    pixels: Tensor, ends: Tensor | None, names: Sequence[str], heads: Sequence[str], title: str
) -> Image.Image:
    """Paths (P, steps, C, H, W), a row each, between the images (2, P, C, H, W)."""
    if ends is not None:
        first, last = ends[:, :, None]
        pixels, heads = torch.cat([first, pixels, last], 1), ["image", *heads, "image"]
    return sheet(list(pixels), title=title, row_labels=names, column_labels=heads)


def animate_paths(pixels: Tensor, ends: Tensor | None, names: Sequence[str], title: str) -> Animation:
    """There and back on paths (P, steps, C, H, W), a column each, between the images (2, P, C, H, W)."""
    frames = []
    for images in pixels.unbind(1):
        rows = [images] if ends is None else [ends[0], images, ends[1]]
        frames.append(sheet(rows, title=title, column_labels=names))
    pauses = [PAUSE, *[STEP] * (len(frames) - 2), PAUSE]
    return Animation([*frames, *frames[-2:0:-1]], [*pauses, *pauses[-2:0:-1]])


def codes_between(ends: Tensor, centre: Tensor, t: Tensor, kinds: Sequence[str]) -> Tensor:
    """The codes (P * kinds, steps, d) on each kind of path between the P pairs of `ends` (2, P, d)."""
    return torch.stack(
        [
            centre + PATHS[kind](a - centre, b - centre, t)
            for a, b in zip(*ends, strict=True)
            for kind in kinds
        ]
    )


def mean_code(run: Run) -> Tensor:
    """The mean (d,) of the default prior; 0 where the codes have no prior."""
    latent = run.model.latent
    return latent.prior().mean if latent.priors else torch.zeros(latent.dim)


def endpoints(
    run: Run,
    images: Sequence[str | Path | int] | None,
    pairs: int,
    seed: int,
    decoded_class: DecodedClass,
    options: Mapping[str, Any],
) -> tuple[Tensor | None, Tensor, list[str]]:
    """The images (2, P, C, H, W) at both ends, if they are images, their codes (2, P, d), and notes."""
    if images is None and not isinstance(run.model, Encodes):
        return None, draw_codes(run.model.latent, 2 * pairs, seed).unflatten(0, (2, pairs)), []
    notes: list[str] = []
    if images is None:
        first, second = choose_pairs(run.data.test.labels, len(run.data.test), pairs, seed)
        pixels = run.data.test.pixels[torch.cat([first, second])]
    else:
        if len(images) != 2:
            raise LimnerError(f"interpolate goes from one image to another: give two, not {len(images)}")
        both = [read_image(run, image) for image in images]
        pixels = torch.cat([image for image, _, _ in both])
        notes += [note for _, _, remarks in both for note in remarks]
    codes, remarks = code_images(run, pixels, seed, decoded_class, options)
    return pixels.unflatten(0, (2, -1)), codes.unflatten(0, (2, -1)), [*notes, *remarks]


def choose_pairs(labels: Tensor | None, total: int, pairs: int, seed: int) -> tuple[Tensor, Tensor]:
    """Indices (pairs,), (pairs,) of random pairs of images: of different labels where there are any."""
    if total < 2:
        raise LimnerError("there is one test image only: give two images to go between")
    order = choose_indices(total, total, seed).tolist()
    first, second = [], []
    for k in range(pairs):
        a = order[2 * k % total]
        others = [i for i in order[(2 * k + 1) % total :] + order if i != a]
        different = (i for i in others if labels is None or labels[i] != labels[a])
        first.append(a)
        second.append(next(different, others[0]))
    return torch.tensor(first), torch.tensor(second)
