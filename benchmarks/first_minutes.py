"""What a person gets after one, five and fifteen minutes: distance, classes and speed along a training.

python benchmarks/first_minutes.py dcgan [cgan ...] [--data mnist] [--size N] [--minutes 2 10 30] [--seeds 0]
    [--images N ...] [--preset NAME] [--set NAME=VALUE,...] [--part train] [--n 10000] [--out FOLDER]

Minutes are those of the training process on all its threads, so a busy machine changes them little; 2, 10 and
30 with one thread (OMP_NUM_THREADS=1) are about 1, 5 and 15 minutes of two cores.  A training is stopped at
each through its control file, measured, and resumed.  With `--images` it is measured after so many images
instead, so that two settings compare whatever else the machine does.  Prints a line of JSON for each: the
Fréchet distance to n images of a part in the features of the data's own classifier, the classes among n
samples, and the Kullback-Leibler divergence of their counts from the part's.  Choose settings with
`--part train`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from math import inf
from pathlib import Path
from typing import Any

import torch

import limner
from limner.data import Dataset
from limner.explore.samples import draw_samples
from limner.metrics import class_counts, class_kl, classes_present, extractor, frechet
from limner.models import model_class
from limner.recipes.switches import parse_assignments, parse_settings
from limner.training.control import NAME, Control, write_control

LONGEST = 100_000_000  # images, more than any training here sees


def train_until(out: Path, seconds: float, model: str, data: Dataset, settings: dict[str, Any]) -> float:
    """Train, or go on, for so many processor seconds or to `settings["images"]`; gives the seconds used."""
    (out / NAME).unlink(missing_ok=True)  # a stop of this process, obeyed before
    start = time.process_time()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            if time.process_time() - start >= seconds and out.exists():
                write_control(out, Control(process=os.getpid(), stop=True))
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        resume = (out / "run.json").exists()
        new = {"images": settings["images"]} if resume else settings
        limner.train(model, data, out=out, resume=resume, quiet=True, on_trouble="ignore", **new)
    finally:
        ended.set()
        watcher.join()
    return time.process_time() - start


def measure(out: Path, part: str, n: int) -> dict[str, Any]:
    """Distance and classes of n samples against n images of a part."""
    run = limner.load(out)
    data = run.data
    images = data.train if part == "train" else data.test
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:n]
    features = extractor(data)
    y = images.labels[chosen] if run.model.labels == "required" and images.labels is not None else None
    samples = draw_samples(run, len(chosen), y=y)
    distance = frechet(features.features(samples), features.features(images.pixels[chosen]))
    result: dict[str, Any] = {"images": run.images_seen, "fd": round(float(distance), 2)}
    if images.labels is None or not features.labelled:
        return result
    counts = class_counts(features.classify(samples))
    reference = images.labels.bincount(minlength=len(counts))
    result["classes"] = classes_present(counts)
    return result | {"kl": round(class_kl(counts, reference), 4)}


def main() -> None:
    """Train each model with each seed, and print what it is after each number of minutes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--size", type=int)
    parser.add_argument("--minutes", type=float, nargs="+", default=[2, 10, 30])
    parser.add_argument("--images", type=int, nargs="+", default=[], help="measure after these instead")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--preset")
    parser.add_argument("--set", default="")
    parser.add_argument("--part", choices=("train", "test"), default="train")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--out", type=Path, help="keep the runs in this folder")
    arguments = parser.parse_args()
    data = limner.data.load(arguments.data, size=arguments.size)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        for model in arguments.models:
            settings = parse_settings(model_class(model), parse_assignments(arguments.set))
            for seed in arguments.seeds:
                out, used = (
                    folder / f"{model}-{arguments.data.replace(':', '-').replace('/', '-')}-{seed}",
                    0.0,
                )
                new = settings | {"seed": seed, "preset": arguments.preset}
                stops = [(inf, n) for n in arguments.images] or [
                    (60 * minutes, LONGEST) for minutes in arguments.minutes
                ]
                for seconds, images in stops:
                    used += train_until(out, seconds - used, model, data, new | {"images": images})
                    line = {"model": model, "seed": seed, "minutes": round(used / 60, 1)}
                    line |= measure(out, arguments.part, arguments.n)
                    print(json.dumps(line | {"images/s": round(line["images"] / used)}), flush=True)


if __name__ == "__main__":
    main()
