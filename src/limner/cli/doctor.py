"""limner doctor"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence

from limner.cli.arguments import Json, Out, Quiet, RunName
from limner.cli.output import open_run, report
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(doctor, argv)


def doctor(run: RunName, /, *, out: Out = None, json: Json = False, quiet: Quiet = False) -> None:
    """Diagnose a run: what is wrong, since when, what it means and what to change; its signals as curves."""
    opened, path = open_run(run, "doctor", out)
    from limner.doctor import diagnose
    from limner.explore import Picture

    diagnosis = diagnose(opened)
    curves = diagnosis.picture()
    if curves is not None:
        Picture(curves).save(path)
    if json:
        print(jsons.dumps(diagnosis.json() | {"path": str(path) if curves is not None else None}))
        return
    if not quiet:
        print(diagnosis.text() + "\n")
    if curves is not None:
        report(path, diagnosis.notes, quiet)
