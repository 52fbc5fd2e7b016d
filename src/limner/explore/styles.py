"""Styles: those that seeds name, groups of layers by the size of their images, and the images of styles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from limner.data import to_uint8
from limner.errors import LimnerError, nearest
from limner.explore.labels import class_index, class_names, is_conditional
from limner.models.abilities import HasStyles, NoiseMode
from limner.random_state import seeded
from limner.training import Run
from limner.training.codes import BATCH

GROUPS = ("coarse", "middle", "fine")


@dataclass(frozen=True)
class Layers:
    """Some of a model's layers: their indices, and a title: 'coarse layers 0 to 2 (4x4 to 8x8 pixels)'."""

    indices: tuple[int, ...]
    title: str


def group_layers(sizes: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    """The layers of each of GROUPS, by the size of each layer's images, from small to large.

    As Karras et al. 2019, section 3.1, have it at 1024 pixels: the two least sizes are coarse, the next two
    middle, the others fine.  With fewer than five sizes the largest is fine, and the least coarse at least.
    """
    levels = sorted(set(sizes))
    coarse = min(2, max(1, len(levels) - 2))
    middle = min(2, max(0, len(levels) - coarse - 1))
    bounds = {"coarse": (0, coarse), "middle": (coarse, coarse + middle), "fine": (coarse + middle, 99)}
    return {
        name: [i for i, size in enumerate(sizes) if first <= levels.index(size) < end]
        for name, (first, end) in bounds.items()
    }


def choose_layers(run: Run, model: HasStyles, name: str) -> Layers:
    """The layers that 'coarse', 'middle', 'fine', 'all', 'i' or 'i-j' names; LimnerError for another name."""
    sizes, groups = model.style_sizes, group_layers(model.style_sizes)
    last = len(sizes) - 1
    chosen = range(len(sizes)) if name == "all" else groups.get(name)
    if chosen is None and (match := re.fullmatch(r"(\d+)(?:-(\d+))?", name)):
        first, end = int(match[1]), int(match[2] or match[1])
        if not first <= end <= last:
            raise LimnerError(f"{run.name} has layers 0 to {last}, so there are no layers {name}")
        chosen = range(first, end + 1)
    if chosen is None:
        hint = nearest(name, [*GROUPS, "all"])
        raise LimnerError(f"no layers called '{name}': {hint}, or numbers from 0 to {last} as 2-4")
    if not chosen:
        raise LimnerError(f"{run.name} has so few sizes of layers that none is {name}: choose coarse or fine")
    named = f"{name} layer" if name in groups else "layer"
    span = " to ".join(dict.fromkeys(str(i) for i in (chosen[0], chosen[-1])))
    ends = " to ".join(dict.fromkeys("x".join(map(str, sizes[i])) for i in (chosen[0], chosen[-1])))
    return Layers(tuple(chosen), f"{named}{'s' if len(chosen) > 1 else ''} {span} ({ends} pixels)")


def seed_styles(
    run: Run, model: HasStyles, seeds: Sequence[int], label: str | None = None, truncation: float = 1.0
) -> tuple[Tensor, list[str]]:
    """The styles (n, layers, dim) of the images that `sample` draws with each seed, and names of these.

    A name is the seed, with the class where the model has classes: `label`, or the one that the seed draws.
    """
    index = None if label is None else class_index(run, label)
    classes = class_names(run) if is_conditional(run) else []
    styles, names = [], []
    for seed in seeds:
        with seeded(seed):
            y = None if index is None else torch.tensor([index], device=model.device)
            z, y = model.draw_codes(1, y)
            styles.append(model.styles(z, y, truncation))
        names.append(f"{seed}" if y is None else f"{seed} ({classes[int(y)]})")
    return torch.cat(styles), names


def draw_styles(model: HasStyles, n: int, seed: int, y: Tensor | None = None) -> Tensor:
    """The w (n, dim), on the CPU, of n new images, of the classes y (n,) or of classes as in training."""
    with seeded(seed):
        z, y = model.draw_codes(n, None if y is None else y.to(model.device))
        return model.styles(z, y)[:, 0].cpu()


def repeat_styles(model: HasStyles, w: Tensor) -> Tensor:
    """Each w (n, dim) for every layer: (n, layers, dim)."""
    return w[:, None].expand(-1, len(model.style_sizes), -1)


def style_pixels(model: HasStyles, w: Tensor, noise: NoiseMode = "fixed", seed: int = 0) -> Tensor:
    """Images (N, C, H, W) uint8, on the CPU, of styles (N, layers, dim); `seed` is that of random noise."""
    with seeded(seed):
        return torch.cat(
            [to_uint8(model.synthesise(part.to(model.device), noise)).cpu() for part in w.split(BATCH)]
        )


def check_truncation(truncation: float | None) -> float:
    """The truncation, 1 without one; LimnerError where it is not finite."""
    value = 1.0 if truncation is None else truncation
    if not abs(value) < float("inf"):
        raise LimnerError(f"truncation must be a number such as 0.7, not {value}")
    return value
