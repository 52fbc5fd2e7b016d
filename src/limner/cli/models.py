"""limner models"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import tyro

from limner.cli import call


def main(argv: Sequence[str]) -> None:
    call(models, argv)


def models(*, json_: Annotated[bool, tyro.conf.arg(name="json", help="print JSON")] = False) -> None:
    """List the models: what each is, what it can do, its presets."""
    from limner.models import MODELS, model_class
    from limner.models.base import abilities

    table = {}
    for name in MODELS:
        cls = model_class(name)
        says = (cls.__doc__ or "").splitlines()[0]
        table[name] = {"is": says, "can": abilities(cls), "presets": list(cls.presets)}
    if json_:
        print(json.dumps(table, indent=2))
        return
    for name, about in table.items():
        print(f"{name:18s}{about['is']}")
        print(f"{'':18s}can: {', '.join(about['can'])}    presets: {', '.join(about['presets']) or 'none'}")
