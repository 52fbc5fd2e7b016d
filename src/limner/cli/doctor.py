"""limner doctor"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence

from limner.cli import call
from limner.cli.arguments import Out, Quiet, RunName
from limner.cli.pictures import Json


def main(argv: Sequence[str]) -> None:
    call(doctor, argv)


def doctor(run: RunName, /, *, out: Out = None, json: Json = False, quiet: Quiet = False) -> None:
    """What is wrong with a run, since when, what it means and what to change; its signals as curves."""
    from limner.cli.pictures import opened, say
    from limner.doctor import diagnose
    from limner.explore import Picture

    made, path = opened(run, "doctor", out)
    found = diagnose(made)
    if (picture := found.picture()) is not None:
        Picture(picture).save(path)
    if json:
        print(jsons.dumps(found.json() | {"path": str(path) if picture is not None else None}))
        return
    if not quiet:
        print(found.told() + "\n")
    if picture is not None:
        say(path, list(found.notes), quiet)
