"""Training as a user asks for it: a new run or the rest of an old one, safe to stop at any moment."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from limner import data as datasets
from limner.data import Dataset
from limner.data import progress as data_progress
from limner.errors import LimnerError
from limner.models import model_class, preset_batch, resolve
from limner.models.base import Model
from limner.training.about import class_count, provenance
from limner.training.resume import existing, refuse_changes, same_data, settle_length
from limner.training.run import Run, new_folder, write_config
from limner.training.session import Session
from limner.training.trainer import Precision

OnTrouble = Literal["report", "stop", "restore", "ignore"]
TROUBLED = get_args(OnTrouble)
LEAST_TICK = 10_000  # images between two log lines, or an epoch where that is more


def train(
    model: str | None = None,
    data: str | Path | Dataset | None = None,
    *,
    preset: str | None = None,
    epochs: float | None = None,
    images: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    size: int | None = None,
    channels: int | None = None,
    precision: Precision | None = None,
    clip: float | None = None,
    ema_half_life: float | None = None,
    lr_drops: tuple[int, ...] | None = None,
    lr_drop: float | None = None,
    validation: int | None = None,
    leave_out: str | None = None,
    tick: int | None = None,
    on_trouble: OnTrouble | None = None,
    watcher: str | None = "limner.doctor:Doctor",
    save_seconds: float = 5.0,
    device: str | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Run:
    """Train a model on a data set and return its run.

    What is None takes the model's default or, resuming, the run's.
    model: a name in MODELS or 'module:Class'.  data: a name in NAMED, a path, or a Dataset; 'digits' by
    default.  The length is `epochs` or `images` (images seen).  `save_seconds` lies between checkpoints,
    which are made at ticks.  `resume` goes on with `out`, or with the newest run of that model and data.
    Learning rates are multiplied by `lr_drop` when each of `lr_drops` images has been seen.
    The last `validation` training images are not trained on: the weights with the lowest loss on them, looked
    at once per tick, are the ones kept.  Images of the class `leave_out` are not trained on.
    The `watcher`, a class named by its place as it stands above this floor, looks on once per `tick` images:
    the doctor reports troubles, or stops at a grave one, or restores the weights nearest to the data.
    `options` are the model's.
    """
    data_progress.quiet = quiet
    out = Path(out).expanduser() if out is not None else None
    where = place(device)
    given = {
        "batch": batch,
        "seed": seed,
        "precision": precision,
        "clip": clip,
        "ema_half_life": ema_half_life,
        "lr_drops": list(lr_drops) if lr_drops is not None else None,
        "lr_drop": lr_drop,
        "validation": validation,
        "leave_out": None if leave_out is None else str(leave_out),
        "tick": tick,
        "on_trouble": on_trouble,
    }
    check(given, epochs, images)
    with torch.random.fork_rng([where] if where.type == "cuda" else []):
        if resume:
            run = existing(model, data, out)
            about = {"size": size, "channels": channels, "preset": preset}
            refuse_changes(run, model, about, given, options)
            whole = same_data(run, data)
            dataset = seen(whole, run.config["training"].get("leave_out"))
            network = built(run.new_model, run.config["training"]["seed"], where)
        else:
            if model is None:
                raise LimnerError("train needs a model: limner.list_models() names them")
            model_class(model)  # a wrong name is told before the data are read
            whole = datasets.load("digits" if data is None else data, size=size, channels=channels)
            dataset = seen(whole, None if leave_out is None else str(leave_out))
            run, network = begin(model, dataset, preset, given, options, out, where)
        epoch = len(dataset.train) - run.config["training"].get("validation", 0)
        target = settle_length(run, length(epoch, epochs, images))
        Session(run, network, dataset, save_seconds, quiet, called(watcher)).go(target)
        trained = Run(run.path)
        trained.data = whole  # at hand: not to be read again
        trained.ensure_prior()
    return trained


def begin(
    model: str,
    dataset: Dataset,
    preset: str | None,
    given: dict[str, Any],
    options: dict[str, Any],
    out: Path | None,
    where: torch.device,
) -> tuple[Run, Model]:
    """Check everything and build the model, then make the folder of a new run with its run.json."""
    cls = model_class(model)
    resolved = resolve(cls, preset, options)
    if "classes" in resolved:  # known from the data
        resolved["classes"] = class_count(model, dataset, options.get("classes"))
    training: dict[str, Any] = {
        "images": 0,
        "batch": preset_batch(cls, preset),
        "seed": 0,
        "precision": None,
        "clip": None,
        "ema_half_life": 10_000,
        "lr_drops": [],
        "lr_drop": 0.1,
        "validation": 0,
        "leave_out": None,
        "on_trouble": "report",
    }
    training |= {name: value for name, value in given.items() if value is not None}
    epoch = epoch_of(cls, dataset, training["validation"])
    training.setdefault("tick", max(epoch, LEAST_TICK))
    training["device"] = where.type
    network = built(lambda: cls(dataset.shape, **resolved), training["seed"], where)
    training["precision"] = training["precision"] or default_precision(network)
    about = provenance(dataset, resolved.get("classes", 0))
    config = {"model": model, "preset": preset, "options": resolved, "data": about, "training": training}
    path = new_folder(model, dataset.name, out)
    write_config(path, config)
    return Run(path), network


def called(watcher: str | None) -> Any:
    """The watcher's class by 'module:Class'."""
    if watcher is None:
        return None
    module, _, name = watcher.partition(":")
    return getattr(importlib.import_module(module), name)


def seen(whole: Dataset, leave_out: str | None) -> Dataset:
    """The data that training sees: without one class where one is to be left out."""
    return whole if leave_out is None else whole.without(leave_out)


def epoch_of(cls: type[Model], dataset: Dataset, validation: int) -> int:
    """How many images are trained on; LimnerError where so many cannot be kept for validation."""
    if validation and cls.loss is Model.loss:
        raise LimnerError(f"a {cls.__name__} has no loss to choose weights by: leave validation out")
    if validation >= len(dataset.train):
        raise LimnerError(
            f"validation must leave images to train on: {dataset.name} has {len(dataset.train):,}, "
            f"not more than {validation:,}"
        )
    return len(dataset.train) - validation


def built(make: Callable[[], Model], seed: int, where: torch.device) -> Model:
    """The model that `make` makes, weights by `seed`; LimnerError where torch refuses it, as for memory."""
    torch.manual_seed(seed)
    try:
        return make().to(where)
    except (RuntimeError, OverflowError) as error:
        raise LimnerError(f"this model cannot be built: {str(error).splitlines()[0]}") from None


def check(given: dict[str, Any], epochs: float | None, images: int | None) -> None:
    """Refuse settings that cannot be: LimnerError with the name, the rule and the value."""
    rules: list[tuple[str, Any, Callable[[Any], bool], str]] = [
        ("batch", given["batch"], lambda v: v >= 1, "at least 1"),
        ("seed", given["seed"], lambda v: 0 <= v < 2**32, "from 0 to 4294967295"),
        ("clip", given["clip"], lambda v: v > 0, "above 0"),
        ("ema_half_life", given["ema_half_life"], lambda v: v > 0, "above 0"),
        ("lr_drops", given["lr_drops"], lambda v: all(at >= 1 for at in v), "counts of images, at least 1"),
        ("lr_drop", given["lr_drop"], lambda v: 0 < v <= 1, "above 0 and at most 1"),
        ("validation", given["validation"], lambda v: v >= 0, "at least 0"),
        ("tick", given["tick"], lambda v: v >= 1, "at least 1"),
        ("on_trouble", given["on_trouble"], lambda v: v in TROUBLED, f"one of {', '.join(TROUBLED)}"),
        ("epochs", epochs, lambda v: 0 < v < math.inf, "above 0 and finite"),
        ("images", images, lambda v: v >= 1, "at least 1"),
    ]
    for name, value, holds, rule in rules:
        if value is not None and not holds(value):
            raise LimnerError(f"{name} must be {rule}, not {value}")
    if epochs is not None and images is not None:
        raise LimnerError("give either epochs or images, not both")


def default_precision(model: Model) -> Precision:
    """bf16 for a model that trains as well in it, on a CPU that has it in hardware; fp32 elsewhere."""
    has: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # not in older torch
    fit = model.device.type == "cpu" and (has.get("avx512_bf16", False) or has.get("amx_bf16", False))
    return "bf16" if model.bf16 and fit else "fp32"


def length(epoch: int, epochs: float | None, images: int | None) -> int | None:
    """How many images a run is asked to have seen in all, if it is."""
    return max(round(epochs * epoch), 1) if epochs is not None else images


def place(device: str | None) -> torch.device:
    """The device of that name, or a GPU if there is one; LimnerError for one that is not there."""
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise LimnerError(f"limner trains on cpu or cuda, not on '{name}'")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise LimnerError(f"no device '{name}' here: {str(error).splitlines()[0]}") from None
