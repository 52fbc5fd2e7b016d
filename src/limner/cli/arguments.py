"""The arguments that many verbs share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

RunName = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN", help="a run's folder, or its name under runs/")
]
Out = Annotated[
    Path | None,
    tyro.conf.arg(metavar="FILE", help="where to write; default: in the run's folder", help_behavior_hint=""),
]
Seed = Annotated[int, tyro.conf.arg(help="of everything drawn at random")]
Quiet = Annotated[bool, tyro.conf.arg(help="print nothing but errors")]
