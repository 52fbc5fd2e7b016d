"""What an evaluation depends on, its header, and its files in a run's folder."""

from __future__ import annotations

import platform
import zipfile
import zlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ConfigDict

from limner.errors import LimnerError
from limner.evaluation.evaluand import Evaluand
from limner.evaluation.measures import Evaluation, per_image_values
from limner.files import read_json, write_atomically, write_json
from limner.metrics.features import Extractor
from limner.models.abilities import HasLikelihood
from limner.settings import NonNegative, NonNegativeInt, PositiveInt, Settings
from limner.training import Run

# what reading a damaged .npz raises
DAMAGED: tuple[type[Exception], ...] = (
    *(OSError, EOFError, ValueError, KeyError, MemoryError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, SyntaxError),
)
LARGEST = 64_000_000  # bytes of an evaluation.npz, unpacked: a thousand values of single images are 8,000


class StoredMeasure(Settings):
    """What `compare` reads of a measure in evaluation.json."""

    model_config = ConfigDict(strict=True, extra="ignore")

    family: str
    name: str
    value: float | None
    error: NonNegative | None


class StoredEvaluation(Settings):
    """What `compare` reads of an evaluation.json."""

    model_config = ConfigDict(strict=True, extra="ignore")

    n: PositiveInt
    k: PositiveInt
    images: PositiveInt
    seed: NonNegativeInt
    quick: bool
    sampling: dict[str, Any]
    against: str | None
    protocol: str | None
    extractor: dict[str, Any]
    measures: list[StoredMeasure]


def provenance(evaluand: Evaluand, seconds: float) -> dict[str, Any]:
    """All that the numbers depend on, as JSON holds it."""
    config, model = evaluand.run.config, evaluand.model
    training = config.training.json_values()
    seed = training.pop("seed")
    del training["images"], training["epochs"]  # images_seen stands for both
    return {
        "run": evaluand.run.name,
        "model": config.model,
        "options": config.options,
        "images_seen": evaluand.run.images_seen,
        "averaged": list(model.ema),
        "training": training,
        "training_seed": seed,
        "data": config.data.json_values(),
        "split": "test",
        "n": evaluand.n,
        "k": evaluand.k,
        "images": evaluand.images,
        "seed": evaluand.seed,
        "quick": evaluand.quick,
        "sampling": dict(evaluand.sampling),
        "against": evaluand.other.name if evaluand.other else None,
        "protocol": model.protocol if isinstance(model, HasLikelihood) else None,
        "extractor": describe_extractor(evaluand),
        "versions": {name: version(name) for name in ("limner", "torch", "numpy", "scikit-learn")},
        "machine": {"system": platform.platform(), "threads": torch.get_num_threads()},
        "seconds": round(seconds, 1),
    }


def describe_extractor(evaluand: Evaluand) -> dict[str, Any]:
    """The extractor's name, the hash of its weights, how it resizes, and how accurate it is."""
    extractor = evaluand.extractor
    identity = {"name": extractor.name, "sha256": extractor.sha256}
    if not isinstance(extractor, Extractor):
        return identity | {"resize": "299x299, bilinear"}
    return identity | {
        "resize": "none",
        "accuracy": extractor.accuracy,
        "labelled": extractor.labelled,
    }


def header(evaluand: Evaluand, record: Mapping[str, Any]) -> list[str]:
    """The lines above the table."""
    names = ", ".join(record["averaged"])
    averaged = f"averaged weights of {names}" if names else "no averaged weights"
    extractor = evaluand.extractor
    accuracy = ""
    if isinstance(extractor, Extractor):
        target = "labels" if extractor.labelled else "turns"
        accuracy = f", {extractor.accuracy:.1%} accurate on the {target} of the test images"
    settings = [f"n {evaluand.n:,}", f"seed {evaluand.seed}"]
    settings += ["quick"] if evaluand.quick else []
    settings += [f"sampling {name} {value}" for name, value in evaluand.sampling.items()]
    return [
        f"{record['run']}: {record['model']} on {record['data']['name']}, "
        f"{record['images_seen']:,} images seen, {averaged}",
        f"against the test split, {', '.join(settings)}; "
        f"features {extractor.name} (sha256 {extractor.sha256[:12]}{accuracy})",
        "±: standard error; real: the same measure of real images in the model's place",
    ]


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write evaluation.json, and evaluation.npz with the values of single images."""
    arrays: dict[str, Any] = {
        name: values.numpy() for name, values in per_image_values(evaluation.measures).items()
    }

    def write(path: Path) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(file, **arrays)

    write_atomically(folder / "evaluation.npz", write)
    write_json(folder / "evaluation.json", evaluation.json())


def read_evaluation(run: Run) -> dict[str, Any] | None:
    """The content of evaluation.json; None where it is missing or was made with other weights.

    Raises LimnerError where it is damaged.
    """
    path = run.path / "evaluation.json"
    if not path.exists():
        return None
    content = read_json(path)
    current = isinstance(content, dict) and content.get("images_seen") == run.images_seen
    if not current:
        return None
    try:
        StoredEvaluation.parse(content)
    except LimnerError as error:
        raise LimnerError(f"{path} is damaged ({error}): evaluate the run again") from None
    return content


def has_full_evaluation(run: Run) -> bool:
    """Whether an evaluation of the run's weights that is not quick is stored, undamaged."""
    try:
        stored = read_evaluation(run)
    except LimnerError:
        return False
    return stored is not None and not stored["quick"]


def read_per_image(run: Run) -> dict[str, np.ndarray]:
    """The values of single images in evaluation.npz; {} without one; LimnerError for a damaged one."""
    path = run.path / "evaluation.npz"
    if not path.exists():
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            raise ValueError(f"it unpacks to {size:,} bytes")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except DAMAGED as error:
        raise LimnerError(f"{path} is damaged ({error}): evaluate the run again") from None
    for name, values in arrays.items():
        if values.ndim != 1 or len(values) < 2 or values.dtype.kind != "f":
            raise LimnerError(f"{path} is damaged (its '{name}' cannot be used): evaluate the run again")
    return arrays
