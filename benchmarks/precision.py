"""Does bf16 train as well as fp32?  The same runs in both, several seeds, held-out error of both.

    python benchmarks/precision.py [--data mnist] [--seeds 3] [--images 600000]

Prints the held-out measurement of each run on all test images, in full precision, and the difference of the
means in standard deviations of a run, which is noise where it is below 2 or so.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch

import limner
from limner.data import to_float

RUNS: dict[str, tuple[str, dict[str, Any], str]] = {  # model, options, what is measured
    "Lab 1": ("autoencoder", {}, "mse"),
    "Lab 2": ("conv-autoencoder", {}, "mse"),
    "VAE": ("vae", {}, "elbo"),
    "VAE, 2-D Bernoulli": ("vae", {"latent_dim": 2, "likelihood": "bernoulli"}, "elbo"),
}


@torch.no_grad()
def measured(run: limner.Run, what: str) -> float:
    """The mean of a logged quantity over all test images, in fp32, noise drawn with a fixed seed."""
    torch.manual_seed(0)
    parts = run.data.test.pixels.split(1000)
    return statistics.mean(run.model.loss(to_float(part), None)[1][what].item() for part in parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=600_000)
    asked = parser.parse_args()
    data = limner.load_data(asked.data)
    for name, (model, options, what) in RUNS.items():
        found: dict[str, list[float]] = {}
        for precision in ("fp32", "bf16"):
            for seed in range(asked.seeds):
                with tempfile.TemporaryDirectory() as folder:
                    settings = {"images": asked.images, "seed": seed, "precision": precision, "quiet": True}
                    run = limner.train(model, data, out=Path(folder) / "run", **settings, **options)
                    found.setdefault(precision, []).append(measured(run, what))
        spread = statistics.mean(statistics.stdev(values) for values in found.values())
        means = {precision: statistics.mean(values) for precision, values in found.items()}
        print(f"{name}: {what} on {len(data.test):,} test images after {asked.images:,}")
        for precision, values in found.items():
            print(
                f"  {precision}  mean {means[precision]:.5g}   runs {'  '.join(f'{v:.5g}' for v in values)}"
            )
        print(
            f"  difference {(means['bf16'] - means['fp32']) / spread:+.2f} standard deviations of a run",
            flush=True,
        )


if __name__ == "__main__":
    main()
