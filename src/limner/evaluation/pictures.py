"""Runs side by side in pictures: the same test images, the same noise, curves over images seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from limner.data import to_uint8
from limner.explore.codes import chosen, decode, encode
from limner.explore.samples import drawn
from limner.figures import curves, sheet
from limner.models.base import abilities
from limner.training import Run

SHOWN = 12  # images in a row
CURVES = 4  # pictures of curves at most
CLOCKS = ("images", "seconds", "images_per_second")


def labels(runs: Sequence[Run]) -> list[str]:
    """What to call each run: its folder's name, or its path where two share it."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def picture(runs: Sequence[Run], seed: int) -> dict[str, Image.Image]:
    """The same test images reconstructed, and samples of the same noise, a row for each run that can.

    It is empty where no run can do either.
    """
    rows: list[Tensor] = []
    texts: list[str] = []
    names = labels(runs)
    able = [abilities(run.model) for run in runs]
    if any({"encode", "decode"} <= set(can) for can in able):
        pixels = chosen(runs[0].data.test.pixels, SHOWN, seed)
        rows.append(pixels)
        texts.append("test images")
        for run, name, can in zip(runs, names, able, strict=True):
            if {"encode", "decode"} <= set(can):
                rows.append(to_uint8(decode(run.model, encode(run, pixels))))
                texts.append(f"{name}, reconstructed")
    for run, name, can in zip(runs, names, able, strict=True):
        if "sample" in can:
            rows.append(drawn(run, SHOWN, seed=seed))
            texts.append(f"{name}, samples")
    same = len({getattr(run.model, "latent_dim", None) for run in runs}) == 1
    noise = "samples of the same noise" if same else "samples from codes of different sizes"
    title = f"{', '.join(names)} on {runs[0].data.name}; {noise}, seed {seed}"
    return {"pictures": sheet(rows, title=title, row_labels=texts)} if rows else {}


def histories(runs: Sequence[Run]) -> dict[str, Image.Image]:
    """Curves over images seen of what all runs logged, held-out numbers first."""
    logs = [run.log for run in runs]
    common = sorted(
        set.intersection(*map(logged, logs)), key=lambda name: (not name.startswith("held_out/"), name)
    )
    found = {}
    for name in common[:CURVES]:
        points = [[(line["images"], line[name]) for line in log if name in line] for log in logs]
        series = {
            label: ([at for at, _ in line], [value for _, value in line])
            for label, line in zip(labels(runs), points, strict=True)
        }
        curve = curves(series, xlabel="images seen", ylabel=name, title=f"{name} over images seen")
        found[f"curve-{'-'.join(re.findall(r'[A-Za-z0-9_]+', name))}"] = curve
    return found


def logged(log: Sequence[dict[str, Any]]) -> set[str]:
    """The names of the numbers in a log, clocks and the signals of the doctor left out."""
    return {
        name
        for line in log
        for name, value in line.items()
        if isinstance(value, float) and name not in CLOCKS and not name.startswith("doctor/")
    }
