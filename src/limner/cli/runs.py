"""limner runs"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli import call
from limner.errors import LimnerError


def main(argv: Sequence[str]) -> None:
    call(runs, argv)


def runs() -> None:
    """List the runs in ./runs: name, images seen, and the last log line's first measurements."""
    from limner.training.run import RUNS, Run

    folders = sorted(p.parent for p in RUNS.glob("*/run.json"))
    if not folders:
        print("no runs here yet: limner train MODEL makes one")
    for folder in folders:
        try:
            log = Run(folder).log
        except LimnerError as error:
            print(f"{folder.name:32s} {error}")
            continue
        last = log[-1] if log else {"images": 0}
        shown = [
            f"{k} {v:.4g}"
            for k, v in last.items()
            if isinstance(v, float) and k.startswith(("held_out", "loss"))
        ]
        print(f"{folder.name:32s} {last['images']:>12,} images  {'  '.join(shown[:3])}")
