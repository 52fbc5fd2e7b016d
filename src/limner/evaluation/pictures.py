"""Pictures of several runs: the same test images, samples of the same noise, curves over images seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from PIL import Image
from torch import Tensor

from limner.data import to_uint8
from limner.evaluation.evaluand import decode_seeded
from limner.explore.codes import choose_indices
from limner.explore.samples import draw_samples
from limner.figures import sheet
from limner.models.abilities import Decodes, Encodes, Samples, Translates
from limner.plots import curves
from limner.training import Run
from limner.training.codes import encode_images, map_batches

COLUMNS = 12  # images in a row
CURVES = 5  # pictures of curves at most
CLOCKS = ("images", "seconds", "images_per_second", "rate_factor")


def run_labels(runs: Sequence[Run]) -> list[str]:
    """A label for each run: its folder's name, or its path where two runs share a name."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def compare_images(runs: Sequence[Run], seed: int) -> dict[str, Image.Image]:
    """The same test images reconstructed or translated, and samples of the same noise, a row for each run.

    Empty where no run has any of these abilities.
    """
    labels = run_labels(runs)
    rows = [*reconstruction_rows(runs, labels, seed), *translation_rows(runs, labels, seed)]
    for run, label in zip(runs, labels, strict=True):
        if isinstance(run.model, Samples):
            rows.append((f"{label}, samples", draw_samples(run, COLUMNS, seed=seed)))
    if not rows:
        return {}
    same = len(set(map(code_space, runs))) == 1
    noise = f"samples of {'the same' if same else 'different'} noise"
    title = f"{', '.join(labels)} on {runs[0].config.data.name}; {noise}, seed {seed}"
    picture = sheet([pixels for _, pixels in rows], title=title, row_labels=[text for text, _ in rows])
    return {"pictures": picture}


def code_space(run: Run) -> tuple[int, str | None] | None:
    """The numbers of a code and the name of its prior: where both are equal, a seed gives the same noise.

    None for a model without codes.
    """
    latent = run.model.latent if run.model.latents else None
    return None if latent is None else (latent.dim, next(iter(latent.priors), None))


def describe_noise(runs: Sequence[Run]) -> str:
    """Whether runs that sample get the same noise from a seed; if not, the codes of each."""
    runs = [run for run in runs if isinstance(run.model, Samples)]
    spaces = [code_space(run) for run in runs]
    if len(set(spaces)) < 2:
        return "a seed gives each model the same noise" if len(runs) > 1 else ""
    words = (
        f"{label} {'has no codes' if space is None else f'{space[0]} numbers, {space[1]}'}"
        for label, space in zip(run_labels(runs), spaces, strict=True)
    )
    return f"the codes differ ({'; '.join(words)}), so each model has its own noise of a seed"


def describe_data(first: Run, run: Run) -> str:
    """Why the test images of two runs are not the same; '' where they are, at the same size or another."""
    own, other = first.config.data, run.config.data
    pairs = list(zip(own.parts(), other.parts(), strict=False))
    same = len(own.parts()) == len(other.parts()) and all(
        a.fingerprint == b.fingerprint or (a.shape != b.shape and (a.source, a.test) == (b.source, b.test))
        for a, b in pairs
    )
    if same:
        return ""
    return f"{first.name} is of {own.name} and {run.name} of {other.name}: their test images are not the same"


def reconstruction_rows(runs: Sequence[Run], labels: Sequence[str], seed: int) -> list[tuple[str, Tensor]]:
    """A row of test images and their reconstructions by each run that encodes and decodes; [] for none."""
    if not any(isinstance(run.model, Encodes) and isinstance(run.model, Decodes) for run in runs):
        return []
    test = runs[0].original.test
    indices = choose_indices(len(test), COLUMNS, seed)
    images = test.subset(indices)
    rows = []
    for run, label in zip(runs, labels, strict=True):
        if isinstance(run.model, Encodes) and isinstance(run.model, Decodes):
            z = encode_images(run.model, images.pixels)
            pixels = to_uint8(decode_seeded(run.model, z, images.labels, seed))
            rows.append((f"{label}, reconstructed", pixels))
    return [("test images", images.pixels), *rows]


def translation_rows(runs: Sequence[Run], labels: Sequence[str], seed: int) -> list[tuple[str, Tensor]]:
    """Test images of A and their translations by each run that translates, then those of B; [] for none."""
    if not any(isinstance(run.model, Translates) for run in runs):
        return []
    domains, rows = runs[0].domains, []
    for (source, test), to in (("A", domains.a.test), "B"), (("B", domains.b.test), "A"):
        pixels = test.pixels[choose_indices(len(test), COLUMNS, seed)]
        rows.append((f"test images of {source}", pixels))
        for run, label in zip(runs, labels, strict=True):
            if isinstance(model := run.model, Translates):
                translated = map_batches(model, pixels, partial(model.translate, to=to))
                rows.append((f"{label}, to {to}", to_uint8(translated)))
    channels = max(pixels.shape[1] for _, pixels in rows)
    return [(text, pixels.expand(-1, channels, -1, -1)) for text, pixels in rows]


def compare_logs(runs: Sequence[Run]) -> dict[str, Image.Image]:
    """Curves over images seen of the numbers that all runs logged, held-out numbers first."""
    logs = [run.log for run in runs]
    common = set.intersection(*(logged_names(log) for log in logs))
    names = sorted(common, key=lambda name: (not name.startswith("held_out/"), name))
    pictures = {}
    for name in names[:CURVES]:
        series = {}
        for label, log in zip(run_labels(runs), logs, strict=True):
            lines = [line for line in log if name in line]
            series[label] = ([line["images"] for line in lines], [line[name] for line in lines])
        picture = curves(series, xlabel="images seen", ylabel=name, title=f"{name} over images seen")
        pictures[f"curve-{'-'.join(re.findall(r'[A-Za-z0-9_]+', name))}"] = picture
    return pictures


def logged_names(log: Sequence[dict[str, Any]]) -> set[str]:
    """The names of the numbers in a log, without clocks and the signals of the doctor."""
    return {
        name
        for line in log
        for name, value in line.items()
        if isinstance(value, float) and name not in CLOCKS and not name.startswith("doctor/")
    }
