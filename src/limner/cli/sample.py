"""limner sample"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.arguments import (
    Json,
    Labels,
    Moves,
    Out,
    Prior,
    Quiet,
    RunName,
    SampleCount,
    SampleSeeds,
    SamplingOptions,
    Truncation,
)  # fmt: skip
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call, parse_seeds


def main(argv: Sequence[str]) -> None:
    call(sample, argv)


def sample(
    run: RunName,
    /,
    *,
    n: SampleCount = None,
    prior: Prior = None,
    label: Labels = None,
    truncation: Truncation = None,
    move: Moves = "",
    sampling: SamplingOptions = "",
    seed: SampleSeeds = "0",
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw new images, in a grid; with --label a column for each class."""
    seeds = parse_seeds(seed)
    several = not seed.strip().isdecimal()
    opened, path = open_run(run, "sample", out)
    from limner.cli.sampling import parse_moves, parse_sampling_options
    from limner.explore import sample as draw

    options = parse_sampling_options(type(opened.model), sampling)
    options |= {"prior": prior} if prior is not None else {}
    options |= {"truncation": truncation} if truncation is not None else {}
    names = None if label is None else [name.strip() for name in label.split(",")]
    chosen = seeds if several else seeds[0]
    labels = "all" if label == "all" else names
    picture = draw(opened, n, seed=chosen, labels=labels, move=parse_moves(move), **options)
    data = picture.data
    values = {"run": str(opened.path), "n": len(data["pixels"]), "prior": data["prior"], "seed": chosen}
    values |= {"labels": data["classes"]} if names else {}
    save_picture(picture, path, quiet, values if json else None)
