"""Peak memory of training a model by image size, each in a process of its own.

    python benchmarks/memory.py stylegan 32 64 128 256              # colour, the model's own batch
    python benchmarks/memory.py dcgan 64 --batch 128 --channels 1

Two iterations on random images; lazy penalties are computed in the first.  The memory of Python, torch and
the images alone is printed apart.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

ITERATIONS = 2


def peak() -> float:
    """The most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def train(model: str, size: int, batch: int | None, channels: int) -> dict[str, float]:
    """Train a few iterations in this process; memory in MB, images/s."""
    import torch

    from limner.data import Images
    from limner.data.examples import Examples
    from limner.models import create, model_class
    from limner.training.trainer import Trainer

    batch = batch or model_class(model).batch
    images = Images(torch.randint(0, 256, (batch, channels, size, size), dtype=torch.uint8))
    torch.manual_seed(0)
    network = create(model, (channels, size, size))
    trainer = Trainer(network, Examples(images, None).stream(batch, 0, torch.device("cpu")))
    before, start = peak(), time.perf_counter()
    for _ in range(ITERATIONS):
        next(trainer)
    speed = ITERATIONS * batch / (time.perf_counter() - start)
    weights = sum(p.numel() for p in network.parameters())
    return {"batch": batch, "weights": weights, "before": before, "peak": peak(), "images_per_second": speed}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("sizes", nargs="+", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--channels", type=int, default=3, choices=(1, 3))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(train(arguments.model, arguments.sizes[0], arguments.batch, arguments.channels)))
        return
    print(f"{arguments.model}, {ITERATIONS} iterations")
    print(f"{'pixels':>8s}{'batch':>7s}{'weights':>12s}{'before, MB':>12s}{'peak, MB':>10s}{'images/s':>10s}")
    for size in arguments.sizes:
        words = [sys.executable, __file__, arguments.model, str(size), "--here"]
        words += ["--channels", str(arguments.channels)]
        words += ["--batch", str(arguments.batch)] if arguments.batch else []
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        r = json.loads(done.stdout.splitlines()[-1])
        numbers = f"{r['batch']:7.0f}{r['weights']:12,.0f}{r['before']:12,.0f}{r['peak']:10,.0f}"
        print(f"{size:8d}{numbers}{r['images_per_second']:10.1f}", flush=True)


if __name__ == "__main__":
    main()
