"""`evaluate`: measure whatever a run's model can do, print it as one table, keep it with the run."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from limner import data as datasets
from limner.data import Dataset
from limner.data.named import at_hand
from limner.errors import LimnerError
from limner.evaluation import codes, images, likelihood
from limner.evaluation.measures import Evaluation, Measure, each_of, over_seeds
from limner.evaluation.subject import Subject
from limner.metrics.features import Extractor, Extracts, extractor
from limner.metrics.inception import inception_extractor
from limner.models.base import abilities
from limner.training import Run, load
from limner.training.checkpoint import read_json, write_atomically, write_json

Family = Callable[[Subject], list[Measure]]
# family -> what a model must be able to do for it, and who measures it.
# Translation (CycleGAN, CAAE) will be a line here: its measures are in limner.metrics.translation.
FAMILIES: dict[str, tuple[tuple[str, ...], Family]] = {
    "reconstruction": (("encode", "decode"), images.reconstruction),
    "likelihood": (("log_likelihood",), likelihood.likelihood),
    "prior": (("encode", "log_likelihood"), codes.prior),
    "samples": (("sample",), images.samples),
    "modes": (("sample",), images.modes),
    "memorisation": (("sample",), images.memory),
    "conditional": (("sample", "labels"), images.conditional),
    "codes": (("encode",), codes.codes),
    "factors": (("encode",), codes.factors),
    "anomalies": (("score",), codes.anomalies),
    "smoothness": (("sample", "decode"), images.smoothness),
}
# images of another kind: the first that is at hand and not the run's own
OTHERS = ("fashion-mnist", "mnist", "digits", "shapes")


def evaluate(
    run: str | Path | Run,
    *,
    n: int | None = None,
    k: int | None = None,
    images: int | None = None,
    seed: int = 0,
    quick: bool = False,
    features: str | None = None,
    weights: str | Path | None = None,
    against: str | None = None,
    families: Collection[str] | None = None,
) -> Evaluation:
    """Measure all that a run's model can do, on test images, and write evaluation.json into the run.

    n: test images, and samples, 10,000 (quick: 1,000) or all there are.  k: codes a likelihood is estimated
    with, 5,000 (100).  images: test images it is estimated on, 1,000 (100).  `features` is 'inception', with
    its `weights` file, or None: the data set's own extractor.  `against`: images of another kind.
    Beside evaluation.json, evaluation.npz holds the values of single images.  Where only some `families` of
    FAMILIES are asked for, nothing is written: what is kept is whole.
    """
    made = run if isinstance(run, Run) else load(run)
    began = time.monotonic()
    n, k, images = (
        given if given is not None else (small if quick else large)
        for given, small, large in ((n, 1000, 10_000), (k, 100, 5000), (images, 100, 1000))
    )
    for name, value in {"n": n, "k": k, "images": images}.items():
        if value < (1 if name == "k" else 20):
            raise LimnerError(f"{name} must be at least {1 if name == 'k' else 20}, not {value}")
    if not 0 <= seed < 2**32:
        raise LimnerError(f"seed must be from 0 to 4294967295, not {seed}")
    data = made.data
    n = most(data, n)
    if n < 20:
        raise LimnerError(
            f"{data.name} has {len(data.train)} training and {len(data.test)} test images: "
            "too few to measure on, 20 of each are the least"
        )
    measured = chosen_extractor(data, features, weights)
    can = {*abilities(made.model), *(["labels"] if getattr(made.model, "classes", 0) else [])}
    asked = [name for name in FAMILIES if families is None or name in families]
    scored = "score" in can and "anomalies" in asked
    other = other_images(made, against) if scored or against is not None else None
    subject = Subject(made, measured, n, k, min(images, n), seed, quick, other)
    measures = [m for name in asked if set(FAMILIES[name][0]) <= can for m in family(name, subject)]
    about = provenance(subject, time.monotonic() - began)
    found = Evaluation(header(subject, about), measures, subject.left_out, about)
    if families is None and os.access(
        made.path, os.W_OK
    ):  # a run that may only be read is measured all the same
        write(found, made.path)
    return found


def most(data: Dataset, n: int) -> int:
    """n, or as many as the data have: real images in the model's place are training images."""
    return min(n, len(data.test), len(data.train))


def family(name: str, subject: Subject) -> list[Measure]:
    """The measures of a family; none, which is said, where they cannot be had of this run."""
    try:
        return [replace(measure, family=name) for measure in FAMILIES[name][1](subject)]
    except LimnerError as error:  # the other families are measured all the same
        subject.left_out.append(f"{name}: {error}")
        return []


def chosen_extractor(data: Dataset, features: str | None, weights: str | Path | None) -> Extracts:
    """The extractor asked for; LimnerError for an unknown one."""
    if features == "inception":
        return inception_extractor(Path(weights).expanduser() if weights is not None else None)
    if features is not None:
        raise LimnerError(
            f"no features called '{features}': 'inception', or leave it out for {data.name}'s own"
        )
    if weights is not None:
        raise LimnerError("weights are those of --features inception: give both, or neither")
    return extractor(data)


def other_images(run: Run, against: str | None) -> Dataset | None:
    """The set that strange images are taken from, at the run's size."""
    channels, *size = run.shape
    if against is None:
        names = [name for name in OTHERS if name != run.config["data"]["name"] and at_hand(name)]
        against = names[0] if names else None
    if against is None:
        return None
    return datasets.load(against, size=(size[0], size[1]), channels=channels)


def provenance(subject: Subject, seconds: float) -> dict[str, Any]:
    """All that the numbers depend on."""
    run, measured = subject.run, subject.measured
    about: dict[str, Any] = {"run": run.name, "model": run.config["model"], "options": run.config["options"]}
    about |= {"images_seen": run.images_seen, "averaged": list(getattr(subject.model, "ema", ()))}
    trained = {k: v for k, v in run.config["training"].items() if k not in ("seed", "images", "device")}
    about |= {"training": trained, "training_seed": run.config["training"]["seed"]}
    about |= {"data": run.config["data"], "split": "test"}
    about |= {
        "n": subject.n,
        "k": subject.k,
        "images": subject.images,
        "seed": subject.seed,
        "quick": subject.quick,
    }
    about["against"] = subject.other.name if subject.other else None
    about["protocol"] = getattr(subject.model, "protocol", None)
    about["extractor"] = {"name": measured.name, "sha256": measured.sha256, "resize": "none"}
    if isinstance(measured, Extractor):
        about["extractor"] |= {"accuracy": measured.accuracy, "labelled": measured.labelled}
    else:
        about["extractor"]["resize"] = "299x299, bilinear"
    about["versions"] = {name: version(name) for name in ("limner", "torch", "numpy", "scikit-learn")}
    about["machine"] = {"system": platform.platform(), "threads": torch.get_num_threads()}
    return about | {"seconds": round(seconds, 1)}


def header(subject: Subject, about: dict[str, Any]) -> list[str]:
    """The lines above the table."""
    kept = (
        f"averaged weights of {', '.join(about['averaged'])}" if about["averaged"] else "no averaged weights"
    )
    extracted, measured = about["extractor"], subject.measured
    known = ""
    if isinstance(measured, Extractor):
        what = "labels" if measured.labelled else "turns"
        known = f", tells {measured.accuracy:.1%} of the test images' {what}"
    return [
        f"{about['run']}: {about['model']} on {about['data']['name']}, "
        f"{about['images_seen']:,} images seen, {kept}",
        f"against the test split, n {subject.n:,}, seed {subject.seed}{', quick' * subject.quick}; "
        f"features {measured.name} (sha256 {extracted['sha256'][:12]}{known})",
        "±: standard error; real: the same of real images in the model's place",
    ]


def write(found: Evaluation, folder: Path) -> None:
    """Write evaluation.json, and the single images' values as evaluation.npz."""
    each: dict[str, Any] = {name: values.numpy() for name, values in each_of(found.measures).items()}

    def save(beside: Path) -> None:
        with open(beside, "wb") as file:
            np.savez_compressed(file, **each)

    write_atomically(folder / "evaluation.npz", save)
    write_json(folder / "evaluation.json", found.json())


def together(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """The mean over runs that differ in their training seed only; None where they differ in more."""
    keys = ["model", "options", "training", "images_seen", "data", "extractor", "against"]
    keys += ["n", "k", "images", "seed", "quick"]
    first = evaluations[0].about
    seeds = [e.about["training_seed"] for e in evaluations]
    if len(evaluations) < 2 or len(set(seeds)) < len(seeds):
        return None
    if any(e.about[key] != first[key] for e in evaluations for key in keys):
        return None
    lines = [
        f"mean of {len(evaluations)} runs, training seeds {', '.join(map(str, seeds))}",
        *evaluations[0].header[1:-1],
        "±: standard deviation between the runs; real: the same of real images in the model's place",
    ]
    left_out = list(dict.fromkeys(line for e in evaluations for line in e.left_out))
    about = {**first, "run": [e.about["run"] for e in evaluations], "training_seed": seeds}
    return Evaluation(lines, over_seeds(evaluations), left_out, about)


def stored(run: Run) -> dict[str, Any] | None:
    """What evaluation.json says of the weights as they are now; None where it is missing or of others."""
    path = run.path / "evaluation.json"
    if not path.exists():
        return None
    found = read_json(path)
    return found if isinstance(found, dict) and found.get("images_seen") == run.images_seen else None
