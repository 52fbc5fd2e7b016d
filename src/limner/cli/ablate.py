"""limner ablate"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import tyro

from limner.cli.arguments import (
    BaseSettings,
    Json,
    ModelName,
    Preset,
    Quiet,
    RunLength,
    RunsFolder,
    Seeds,
    Sources,
    Vary,
)
from limner.cli.output import report_file, report_notes
from limner.cli.parsing import call
from limner.cli.sources import parse_source

if TYPE_CHECKING:
    from limner.recipes.ablation import Ablation


def main(argv: Sequence[str]) -> None:
    call(ablate, argv)


def ablate(
    model: ModelName,
    /,
    *,
    vary: Vary,
    data: Sources = ("digits",),
    preset: Preset = None,
    seeds: Seeds = 5,
    images: RunLength = None,
    n: Annotated[int, tyro.conf.arg(metavar="N", help="number of samples and of test images")] = 2000,
    base: BaseSettings = "",
    out: RunsFolder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a model with options changed one at a time and measure the effect of each, over seeds."""
    from limner.models import model_class
    from limner.recipes.ablate import ablate as run
    from limner.recipes.switches import parse_assignments, parse_settings

    settings = parse_settings(model_class(model), parse_assignments(base))
    ablation = run(
        model,
        parse_source(data),
        vary,
        preset=preset,
        seeds=seeds,
        images=images,
        n=n,
        out=out,
        quiet=quiet,
        **settings,
    )
    print_ablation(ablation, json=json, quiet=quiet)


def print_ablation(ablation: Ablation, *, json: bool, quiet: bool) -> None:
    """Print the table, the notes and the files that were written, or all of it as one JSON object."""
    if json:
        print(jsons.dumps(ablation.json() | {"path": str(ablation.folder)}))
        return
    if not quiet:
        print(f"{ablation.title}\n\n{ablation.table()}")
    report_notes(ablation.notes, quiet)
    for path in ablation.files:
        report_file(path, quiet)
