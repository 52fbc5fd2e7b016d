"""limner directions"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from limner.cli.arguments import (
    DirectionName,
    GroupMethod,
    Label,
    Layers,
    Number,
    Out,
    Quiet,
    RunName,
    Seed,
    StartImage,
    Steps,
    TwoClasses,
    TwoFolders,
    TwoSeeds,
)
from limner.cli.output import open_run, save_picture
from limner.cli.parsing import call, parse_seeds
from limner.errors import LimnerError

if TYPE_CHECKING:
    from limner.explore.named_directions import Group


def main(argv: Sequence[str]) -> None:
    call(directions, argv)


def directions(
    run: RunName,
    image: StartImage = None,
    /,
    *,
    k: Annotated[int, tyro.conf.arg(metavar="N", help="number of directions; with --name of images")] = 8,
    steps: Steps = 7,
    span: Annotated[float, tyro.conf.arg(metavar="X", help="how many standard deviations to move")] = 3.0,
    layers: Layers = "all",
    name: DirectionName = None,
    number: Number = None,
    classes: TwoClasses = None,
    seeds: TwoSeeds = None,
    images: TwoFolders = None,
    method: GroupMethod = "centroid",
    label: Label = None,
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Show an image along the directions in which codes, or styles, change images most; store one by name."""
    groups = parse_groups(name, {"number": number, "classes": classes, "seeds": seeds, "images": images})
    opened, path = open_run(run, "directions", out, images=[image] if image is not None else [])
    from limner import explore

    if name is None or number is not None:
        picture = explore.directions(opened, k, steps, span, layers, image=image, label=label, seed=seed)
    if number is not None and name is not None:
        explore.keep_direction(opened, name, picture.data["directions"], number)
    if groups and name is not None:
        explore.name_direction(opened, name, *groups, method, layers, seed)
    if name is not None:
        picture = explore.show_direction(opened, name, k, steps, span, label, seed)
    save_picture(picture, path, quiet)


def parse_groups(name: str | None, sources: dict[str, Any]) -> tuple[Group, Group] | None:
    """The two groups of images, if any; LimnerError for several sources, or where a name is missing."""
    flags = [f"--{flag}" for flag, value in sources.items() if value is not None]
    if len(flags) > 1:
        raise LimnerError(f"{' and '.join(flags)} each store a direction: give one of them")
    if flags and name is None:
        raise LimnerError(f"{flags[0]} stores a direction, which needs a name: give --name")
    if sources["seeds"] is not None:
        first, second = (parse_seeds(text, "--seeds") for text in sources["seeds"])
        return first, second
    if sources["images"] is not None:
        first_folder, second_folder = ([text] for text in sources["images"])
        return first_folder, second_folder
    return sources["classes"]
