"""Does bf16 train as well as fp32?  The same runs in both, several seeds, the held-out error of both.

    python benchmarks/precision.py [--data mnist] [--seeds 3] [--images 600000]

Prints the held-out measurement of each run on all test images, in full precision, and the difference of the
means in standard deviations between seeds; a difference below about 2 is noise.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any, Literal

import limner
from limner.data import Dataset, to_float
from limner.random_state import seeded

PRECISIONS: tuple[Literal["fp32", "bf16"], ...] = ("fp32", "bf16")

RUNS: dict[str, tuple[str, dict[str, Any], str]] = {  # model, options, logged quantity
    "Lab 1": ("autoencoder", {}, "mse"),
    "Lab 2": ("conv-autoencoder", {}, "mse"),
    "VAE": ("vae", {}, "elbo"),
    "VAE, 2-D Bernoulli": ("vae", {"latent_dim": 2, "likelihood": "bernoulli"}, "elbo"),
}


def measure(run: limner.Run, quantity: str) -> float:
    """The mean of a logged quantity over all test images, in fp32, noise drawn with a fixed seed."""
    model = run.model
    with seeded(0):
        parts = [to_float(part.to(model.device)) for part in run.data.test.pixels.split(1000)]
        return statistics.mean(model.loss(x, None)[1][quantity].item() for x in parts)


def train_and_measure(
    name: str, data: Dataset, images: int, seed: int, precision: Literal["fp32", "bf16"]
) -> float:
    """One run in a temporary folder, and its measurement."""
    model, options, quantity = RUNS[name]
    settings: dict[str, Any] = {"images": images, "seed": seed, "precision": precision, "quiet": True}
    with tempfile.TemporaryDirectory() as folder:
        run = limner.train(model, data, out=Path(folder) / "run", **settings, **options)
        return measure(run, quantity)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=600_000)
    arguments = parser.parse_args()
    data = limner.load_data(arguments.data)
    for name, (_, _, quantity) in RUNS.items():
        values = {
            precision: [
                train_and_measure(name, data, arguments.images, seed, precision)
                for seed in range(arguments.seeds)
            ]
            for precision in PRECISIONS
        }
        spread = statistics.mean(statistics.stdev(of_seeds) for of_seeds in values.values())
        means = {precision: statistics.mean(of_seeds) for precision, of_seeds in values.items()}
        print(f"{name}: {quantity} on {len(data.test):,} test images after {arguments.images:,}")
        for precision, of_seeds in values.items():
            listed = "  ".join(f"{value:.5g}" for value in of_seeds)
            print(f"  {precision}  mean {means[precision]:.5g}   runs {listed}")
        difference = (means["bf16"] - means["fp32"]) / spread
        print(f"  difference {difference:+.2f} standard deviations between seeds", flush=True)


if __name__ == "__main__":
    main()
