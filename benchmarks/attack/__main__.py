"""Attack the product and count what gets through.

    python -m benchmarks.attack --kills 500 --starts 20 --inputs 2000 --options 1000 --runs 300 --seed 0
    python -m benchmarks.attack --only inputs:123      # one case again

kills     a training is killed at any moment, resumed, and compared with one that was never stopped
starts    two processes want the same run at the same time
inputs    damaged and hostile data sets
options   command lines with wrong names, types, numbers and files
runs      damaged and hostile runs, read by every verb

Everything is drawn from the seed, the attack and the number of the case.  A command may take 1.5 GB and 60 s;
it ends with exit code 0, or with exit code 2 and one line.  Commands run in temporary folders only.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: threads do not survive a fork

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random

from . import damaged, inputs, kills, options, starts
from .failures import KINDS, Failure, table
from .process import warm_up
from .runs import CONFIGURATIONS, Ground

ATTACKS = {module.NAME: module.attack for module in (kills, starts, inputs, options, damaged)}
SHOWN = 10  # failures that are printed


def attack(name: str, numbers: Iterable[int], seed: int, ground: Ground, keep: bool) -> list[Failure]:
    """Some cases of an attack, each in a folder of its own."""
    failures: list[Failure] = []
    for number in numbers:
        folder = ground.base / f"{name}-{number}"
        folder.mkdir()
        new = ATTACKS[name](number, folder, ground, Random(f"{seed} {name} {number}"))
        for failure in new:
            print(f"{failure}", file=sys.stderr, flush=True)
        failures += new
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return failures


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.attack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in ATTACKS:
        parser.add_argument(f"--{name}", type=int, default=0, metavar="N", help="number of cases")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--configurations", nargs="+", choices=CONFIGURATIONS, default=CONFIGURATIONS, help="only these runs"
    )
    parser.add_argument("--only", metavar="ATTACK:N", help="one case; its folder is kept")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a JSON file for counts and failures")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    counts = {name: getattr(arguments, name) for name in ATTACKS if getattr(arguments, name)}
    cases = {name: range(arguments.first, arguments.first + count) for name, count in counts.items()}
    if arguments.only:
        name, _, number = arguments.only.partition(":")
        cases = {name: range(int(number), int(number) + 1)}
    warm_up()
    ground = Ground(Path(tempfile.mkdtemp(prefix="attack-")), tuple(arguments.configurations))
    failures: list[Failure] = []
    seconds: dict[str, float] = {}
    try:
        for name, numbers in cases.items():
            began = time.monotonic()
            failures += attack(name, numbers, arguments.seed, ground, keep=bool(arguments.only))
            seconds[name] = time.monotonic() - began
    finally:
        if arguments.only:
            print(f"the case is in {ground.base}")
        else:
            shutil.rmtree(ground.base, ignore_errors=True)
    report({name: len(numbers) for name, numbers in cases.items()}, seconds, failures, arguments.out)


def report(
    cases: dict[str, int], seconds: dict[str, float], failures: list[Failure], out: Path | None
) -> None:
    """Print the first failures and the table, write the JSON file, and leave with 1 where anything failed."""
    for failure in failures[:SHOWN]:
        print(failure)
    print(table(cases, seconds, failures))
    if out is not None:
        counts = {
            name: {
                kind: len({f.case for f in failures if (f.attack, f.kind) == (name, kind)}) for kind in KINDS
            }
            for name in cases
        }
        content = {
            "cases": cases,
            "seconds": seconds,
            "counts": counts,
            "failures": [vars(f) for f in failures],
        }
        out.write_text(json.dumps(content, indent=2) + "\n")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
