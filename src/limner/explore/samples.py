"""New images, from noise or from a prior of the codes, of random classes or of chosen ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from limner.data import to_uint8
from limner.errors import LimnerError, check_whole
from limner.explore.abilities import describe_run, require_ability
from limner.explore.labels import class_index, class_names
from limner.explore.named_directions import draw_moved
from limner.explore.options import select_options
from limner.explore.picture import Picture, check_count
from limner.figures import choose_scale, measure_text, sheet, shorten
from limner.models.abilities import Encodes, Samples
from limner.models.latent import FittedPrior, Latent, Normal, Uniform
from limner.random_state import seeded
from limner.training import Run

BATCH = 250  # images at a time: 128x128 ones through 32 channels take half a gigabyte
ROWS = 10  # of a picture with a column for each class
COLUMNS = 100  # of such a picture at most


def sample(
    run: Run,
    n: int | None = None,
    *,
    seed: int | Sequence[int] = 0,
    labels: Sequence[str] | None = None,
    move: Mapping[str, float] | None = None,
    **options: Any,
) -> Picture:
    """n new images (64) in a grid; data["pixels"] (n, C, H, W) uint8, data["prior"] the name of their prior.

    Of several seeds each is the seed of one image, which has it as its caption; then n is their number.
    `options` are the model's options of sampling (`sampling_options`): `prior`, `steps`, say.  A prior that
    has to be fitted to the training codes is fitted once and stored with the model.
    `labels` names classes, or is 'all', for a conditional model: the picture has a column for each and n rows
    (10), and the images of a row have the same noise; data["pixels"] is row by row, data["labels"]
    (n * columns,) int64, data["classes"] the names.  `move` goes so many standard deviations along directions
    that are stored with the run (`name_direction`), by name.
    """
    require_ability(run, Samples, "sample")
    n = check_number(n, seed)
    check_count(n or 1, run.shape)
    prior = prepare_prior(run, check_options(run, options))
    data: dict[str, Any] = {"prior": prior, "seed": seed, "move": dict(move or {}), "notes": []}
    if labels is not None:
        return sample_classes(run, n or ROWS, labels, seed, {**options, "move": move}, data)
    pixels = draw_samples(run, n or 64, seed=seed, move=move, **options)
    notes = [describe_prior(run, prior)] if prior is not None else []
    columns = math.ceil(math.sqrt(len(pixels)))
    texts = [] if isinstance(seed, int) else [str(s) for s in seed]
    captions = [texts[i : i + columns] for i in range(0, len(texts), columns)] or None
    title = describe_samples(run, len(pixels), prior, seed, options) + describe_move(move)
    picture = sheet(pixels.split(columns), title=title, captions=captions)
    return Picture(picture, data | {"pixels": pixels, "notes": notes})


def check_number(n: int | None, seed: int | Sequence[int]) -> int | None:
    """The number of images: n, or that of the seeds where there are several; LimnerError for a wrong one."""
    if not isinstance(seed, int):
        if n is not None or not seed:
            raise LimnerError("each of several seeds is the seed of one image: leave n out, and name a seed")
        return len(seed)
    if n is not None:
        check_whole("n", n, 1)
    return n


def sample_classes(
    run: Run,
    rows: int,
    labels: Sequence[str],
    seed: int | Sequence[int],
    options: Mapping[str, Any],
    data: Mapping[str, Any],
) -> Picture:
    """A column for each class, its name above; the images of a row have the same noise."""
    chosen = [labels] if isinstance(labels, str) else list(labels)
    names = class_names(run) if labels == "all" else chosen
    indices = [class_index(run, name) for name in names]
    if not 1 <= len(names) <= COLUMNS:
        raise LimnerError(f"name 1 to {COLUMNS} classes for one picture, not {len(names):,}")
    check_count(rows * len(names), run.shape)
    columns = [draw_samples(run, rows, seed=seed, y=i, **options) for i in indices]  # the same noise in each
    pixels = torch.stack(columns, 1)  # (rows, columns, C, H, W)
    widest = max(round(measure_text(name)) for name in names)
    scale = choose_scale(*run.shape[1:], side=min(100, max(56, widest)))
    heads = [shorten(name, run.shape[2] * scale) for name in names]
    title = describe_samples(run, rows * len(names), data["prior"], seed, options)
    title += describe_move(data["move"])
    title += ", the same noise in every column"
    row_labels = None if isinstance(seed, int) else [f"seed {s}" for s in seed]
    picture = sheet(list(pixels), title=title, row_labels=row_labels, column_labels=heads, scale=scale)
    y = torch.tensor(indices).repeat(rows)
    return Picture(picture, {**data, "pixels": pixels.flatten(0, 1), "labels": y, "classes": names})


def describe_samples(
    run: Run, n: int, prior: str | None, seed: int | Sequence[int], options: Mapping[str, Any]
) -> str:
    """The title of a picture of samples."""
    others = {name: value for name, value in options.items() if name not in ("prior", "move")}
    settings = "".join(f", {name} {value}" for name, value in others.items() if value is not None)
    images = "1 new image" if n == 1 else f"{n:,} new images"
    density = "" if prior is None else f", codes from {run.model.latent.prior(prior).title}"
    return f"{run.name}: {images}{density}, {describe_seeds(seed)}{settings}"


def describe_move(move: Mapping[str, float] | None) -> str:
    """', smile +1.5' for a title."""
    return "".join(f", {name} {amount:+g}" for name, amount in (move or {}).items())


def describe_seeds(seed: int | Sequence[int]) -> str:
    """'seed 3', 'seeds 1 to 64', 'seeds 1, 5, 9'."""
    seeds = [seed] if isinstance(seed, int) else list(seed)
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def draw_samples(
    run: Run,
    n: int,
    *,
    seed: int | Sequence[int] = 0,
    y: int | Tensor | None = None,
    move: Mapping[str, float] | None = None,
    **options: Any,
) -> Tensor:
    """n new images (n, C, H, W) uint8, on the CPU; of n seeds, the first image of each.

    `y` is the label of all, the labels (n,), or None for the model's own choice; the noise does not depend on
    it.  `options` are the model's options of sampling; one that is None has its default.
    """
    model = require_ability(run, Samples, "sample")
    chosen = check_options(run, options)
    prepare_prior(run, chosen)  # before the seed is set
    if y is not None:
        class_names(run)  # raises where the model knows no classes
    labels = torch.full((n,), y) if isinstance(y, int) else y
    seeds = [seed] if isinstance(seed, int) else seed
    images = []
    for start, indices in zip(seeds, torch.arange(n).chunk(len(seeds)), strict=True):
        with seeded(start):
            for rows in indices.split(BATCH):
                part = None if labels is None else labels[rows].to(model.device)
                x = (
                    draw_moved(run, len(rows), part, move, chosen)
                    if move
                    else model.sample(len(rows), part, **chosen)
                )
                images.append(to_uint8(x).cpu())
    return torch.cat(images)


def check_options(run: Run, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of sampling that are not None; LimnerError for one that the run's model does not have."""
    known = type(run.model).sampling_options()
    if options.get("prior") is not None and "prior" not in known:
        raise LimnerError(
            f"{describe_run(run)}: its images are made from noise, so there is no prior to choose"
        )
    return select_options(run, options, known, "sampling")


def prepare_prior(run: Run, options: Mapping[str, Any]) -> str | None:
    """The name of the prior that codes are drawn from, which is fitted if it has to be.

    None for a model whose sampling has no choice of priors; LimnerError for an unknown prior.
    """
    latent = _chosen_latent(run)
    if latent is None:
        return None
    name = str(options.get("prior", latent.default_prior))
    latent.prior(name)
    return name


def fitted_priors(run: Run) -> list[str]:
    """The priors other than the default one that the run's model can draw samples from."""
    latent = _chosen_latent(run)
    return [] if latent is None else [name for name in latent.priors if name != latent.default_prior]


def describe_prior(run: Run, name: str) -> str:
    """A line for the user on the prior that codes were drawn from."""
    latent = run.model.latent
    description, default = latent.prior(name).description, latent.prior()
    if name == latent.default_prior and isinstance(default, Normal | Uniform):
        return f"{description}, the prior the model was trained for"
    if isinstance(default, FittedPrior) and isinstance(run.model, Encodes):
        return (
            f"{description}: training did not shape their distribution, so expect worse images than "
            "reconstructions"
        )
    return description


def _chosen_latent(run: Run) -> Latent | None:
    """The latent space whose prior `sample` lets the user choose; None where it has no such option."""
    if "prior" not in type(run.model).sampling_options() or not run.model.latents:
        return None
    return run.model.latent if run.model.latent.priors else None
