"""Ways from one code to another, and the images on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from limner.errors import LimnerError, nearest
from limner.explore.able import able, described, encodes
from limner.explore.codes import choice, code_marginals, encode, pictured
from limner.explore.gallery import one_image
from limner.explore.picture import Picture
from limner.figures import sheet
from limner.training.run import Run


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) a + t b: codes a, b (d,) and shares t (n,) -> (n, d)."""
    return (1 - t)[:, None] * a + t[:, None] * b


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Along a great circle (Shoemake 1985; White 2016, arXiv 1609.04468): a, b (d,), t (n,) -> (n, d).

    sin((1 - t) w) / sin w  a  +  sin(t w) / sin w  b,  w the angle between a and b.

    Where a and b are parallel, or one is zero, that is the straight line.  Where they are opposite, every
    great circle is as short: the one towards the axis that lies flattest to them is taken.
    """
    given, (a, b, t) = a.dtype, (v.double() for v in (a, b, t))
    long, wide = a.norm(), b.norm()
    if long == 0 or wide == 0:
        return lerp(a, b, t).to(given)
    u, v = a / long, b / wide
    w = 2 * torch.atan2((u - v).norm(), (u + v).norm())  # exact near 0 and near pi, where acos is not
    if w < 1e-6:
        return lerp(a, b, t).to(given)
    if torch.pi - w < 1e-6 and len(a) > 1:
        axis = torch.zeros_like(u)
        axis[u.abs().argmin()] = 1
        across = axis - (axis @ u) * u
        angle = (torch.pi * t)[:, None]
        turned = angle.cos() * u + angle.sin() * across / across.norm()
        return (lerp(long[None], wide[None], t) * turned).to(given)
    if len(a) == 1:  # on a line there is no other way
        return lerp(a, b, t).to(given)
    shares = torch.stack([((1 - t) * w).sin(), (t * w).sin()]) / w.sin()
    return (shares[0][:, None] * a + shares[1][:, None] * b).to(given)


PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": lerp, "spherical": slerp}


def interpolate(
    run: Run,
    images: Sequence[str | Path | int] | None = None,
    pairs: int = 4,
    steps: int = 9,
    path: str = "both",
    seed: int = 0,
) -> Picture:
    """From one image to another in `steps` codes, 'linear', 'spherical' or 'both', a row each.

    `images` are two files or indices of test images; without them `pairs` pairs of test images are drawn, of
    different classes where there are labels.  A model without an encoder goes from noise to noise.  The
    sphere is centred where the codes are.  data["codes"] is (rows, steps, d), data["pixels"] (rows, steps, C,
    H, W).
    """
    model = able(run, "interpolate")
    if path not in (*PATHS, "both"):
        raise LimnerError(f"no path called '{path}': {nearest(path, [*PATHS, 'both'])}")
    if pairs < 1 or steps < 2:
        raise LimnerError(f"there must be a pair and two steps at least, not {pairs} and {steps}")
    kinds = list(PATHS) if path == "both" else [path]
    ends, z, notes = endpoints(run, images, pairs, seed)  # (2, P, C, H, W) or None, (2, P, d)
    centre, t = code_marginals(run).mean, torch.linspace(0, 1, steps)
    codes = torch.stack(
        [centre + PATHS[kind](a - centre, b - centre, t) for a, b in zip(*z, strict=True) for kind in kinds]
    )
    pixels = pictured(model, codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    columns = [f"{value:.3g}" for value in t.tolist()]
    rows = list(pixels)
    if ends is not None:
        rows = [
            torch.cat([ends[0, [r // len(kinds)]], row, ends[1, [r // len(kinds)]]])
            for r, row in enumerate(rows)
        ]
        columns = ["image", *columns, "image"]
    what = "from image to image" if ends is not None else "from noise to noise"
    title = f"{run.name}: {what}, {' and '.join(kinds)} in the code"
    picture = sheet(rows, title=title, row_labels=kinds * (len(rows) // len(kinds)), column_labels=columns)
    return Picture(picture, {"codes": codes.numpy(), "pixels": pixels, "paths": kinds, "notes": notes})


def endpoints(
    run: Run, images: Sequence[str | Path | int] | None, pairs: int, seed: int
) -> tuple[Tensor | None, Tensor, list[str]]:
    """The images (2, P, C, H, W) at both ends, if they are images, their codes (2, P, d), and notes."""
    if not encodes(run):
        if images is not None:
            raise LimnerError(f"{described(run)}: it has no encoder, so images have no codes; leave them out")
        return None, code_marginals(run).draw(2 * pairs, seed).unflatten(0, (2, pairs)), []
    if images is None:
        first, second = different(run.data.test.labels, len(run.data.test), pairs, seed)
        pixels, notes = run.data.test.pixels[torch.cat([first, second])], []
    else:
        if len(images) != 2:
            raise LimnerError(f"interpolate goes from one image to another: give two, not {len(images)}")
        both = [one_image(run, image) for image in images]
        pixels, notes = torch.cat([both[0][0], both[1][0]]), [*both[0][2], *both[1][2]]
    codes = encode(run, pixels)
    return pixels.unflatten(0, (2, -1)), codes.unflatten(0, (2, -1)), notes


def different(labels: Tensor | None, total: int, pairs: int, seed: int) -> tuple[Tensor, Tensor]:
    """Indices (pairs,), (pairs,) of images to go from and to: of different labels where there are any."""
    if total < 2:
        raise LimnerError("there is one test image only: give two images to go between")
    order = choice(total, total, seed).tolist()
    first, second = [], []
    for k in range(pairs):
        a = order[2 * k % total]
        others = order[(2 * k + 1) % total :] + order
        b = next((i for i in others if i != a and (labels is None or labels[i] != labels[a])), None)
        first.append(a)
        second.append(b if b is not None else next(i for i in others if i != a))
    return torch.tensor(first), torch.tensor(second)
