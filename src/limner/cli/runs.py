"""limner runs"""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.parsing import call
from limner.errors import LimnerError


def main(argv: Sequence[str]) -> None:
    call(runs, argv)


def runs() -> None:
    """List the runs in ./runs: name, images seen, and the last log line's first measurements."""
    from limner.training.folders import RUNS
    from limner.training.run import Run

    folders = sorted(path.parent for path in RUNS.glob("*/run.json"))
    if not folders:
        print("no runs here yet: limner train MODEL trains the first")
    for folder in folders:
        try:
            log = Run(folder).log
        except (LimnerError, OSError) as error:
            print(f"{folder.name:32s} {' '.join(str(error).split())}")
            continue
        last = log[-1] if log else {"images": 0}
        measurements = [
            f"{name} {value:.4g}"
            for name, value in last.items()
            if isinstance(value, float) and name.startswith(("held_out", "loss"))
        ]
        print(f"{folder.name:32s} {last['images']:>12,} images  {'  '.join(measurements[:3])}")
