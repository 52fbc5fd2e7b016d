"""How much of the handwriting CAAEs keep on MNIST: slant and thickness before and after edits, by run.

    python benchmarks/handwriting_style.py ablations/caae-mnist/*/

For each run the correlations of 1,000 test images, mean over the ten digits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import limner
from limner.models.abilities import Edits
from limner.recipes.handwriting import style_kept

IMAGES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    print(f"{'run':30s}{'slant':>9s}{'thickness':>12s}")
    for path in parser.parse_args().runs:
        run = limner.load(path)
        assert isinstance(run.model, Edits)
        kept = style_kept(run.model, run.data.test.pixels[:IMAGES])
        print(f"{run.name:30s}{kept['slant']:9.3f}{kept['thickness']:12.3f}", flush=True)


if __name__ == "__main__":
    main()
