"""Training as a user asks for it: a new run or the rest of an old one, safe to stop at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from limner import data as datasets
from limner.data import Dataset
from limner.errors import LimnerError
from limner.models import model_class, resolve
from limner.models.base import Model
from limner.training.run import Run, latest, load, new_folder, write_config
from limner.training.session import Session
from limner.training.trainer import Precision

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
    `options` are the model's.
    """
    out = Path(out).expanduser() if out is not None else None
    where = place(device)
    given = {
        "batch": batch,
        "seed": seed,
        "precision": precision,
        "clip": clip,
        "ema_half_life": ema_half_life,
    }
    if resume:
        run = existing(model, data, out)
        refuse_changes(run, model, {"size": size, "channels": channels, "preset": preset}, given, options)
        dataset = run.data
    else:
        if model is None:
            raise LimnerError("train needs a model: limner.list_models() names them")
        dataset = datasets.load("digits" if data is None else data, size=size, channels=channels)
        length(dataset, epochs, images)  # refuses what cannot be, before anything is written
        run = begin(model, dataset, preset, given, options, out, where)
    asked = length(dataset, epochs, images)
    target = asked or run.config["training"]["images"] or model_class(run.config["model"]).images
    if target != run.config["training"]["images"]:
        run.config["training"]["images"] = target
        write_config(run.path, run.config)
    Session(run, dataset, where, save_seconds, quiet).go(target, resume)
    trained = Run(run.path)
    trained.data = dataset  # at hand: not to be read again
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
) -> Run:
    """Check everything, then make the folder of a new run with its run.json."""
    cls = model_class(model)
    resolved = resolve(cls, preset, options)
    batch = resolved.pop("batch", cls.batch)
    with torch.random.fork_rng(), torch.device("meta"):
        cls(dataset.shape, **resolved)  # refuses options that cannot be, before anything is written
    defaults = {
        "images": 0,
        "batch": batch,
        "seed": 0,
        "precision": default_precision(cls, where),
        "clip": None,
        "ema_half_life": 10_000,
    }
    training = defaults | {name: value for name, value in given.items() if value is not None}
    if training["batch"] < 1:
        raise LimnerError(f"batch must be at least 1, not {training['batch']}")
    training["tick"] = max(len(dataset.train), LEAST_TICK)
    about: dict[str, Any] = {"source": dataset.source, "name": dataset.name, "shape": list(dataset.shape)}
    about |= {"train": len(dataset.train), "test": len(dataset.test), "fingerprint": dataset.fingerprint}
    config = {"model": model, "preset": preset, "options": resolved, "data": about, "training": training}
    path = new_folder(model, dataset.name, out)
    write_config(path, config)
    return Run(path)


def default_precision(cls: type[Model], where: torch.device) -> Precision:
    """bf16 for a model that trains as well in it, on a CPU that has it in hardware; fp32 elsewhere."""
    has: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # not in older torch
    fit = where.type == "cpu" and (has.get("avx512_bf16", False) or has.get("amx_bf16", False))
    return "bf16" if cls.bf16 and fit else "fp32"


def existing(model: str | None, data: str | Path | Dataset | None, out: Path | None) -> Run:
    """The run that --resume means."""
    if out is not None:
        return load(out)
    if model is None:
        raise LimnerError("resume needs the run: give its folder as --out")
    name = data.name if isinstance(data, Dataset) else Path(data or "digits").stem
    path = latest(model, name)
    if path is None:
        raise LimnerError(
            f"there is no run of {model} on {name} to resume: train without --resume, or give its --out"
        )
    return Run(path)


def refuse_changes(
    run: Run, model: str | None, about: dict[str, Any], given: dict[str, Any], options: dict[str, Any]
) -> None:
    """A resumed run goes on with its own settings: LimnerError where another one is asked for."""
    config = run.config
    stored = {"model": config["model"], "preset": config["preset"], "channels": config["data"]["shape"][0]}
    stored |= {"size": config["data"]["shape"][1]} | config["training"] | config["options"]
    for name, value in ({"model": model} | about | given | options).items():
        value = list(value) if isinstance(value, tuple) else value
        if value is not None and value != stored.get(name):
            raise LimnerError(
                f"{run.name} was trained with {name} {stored.get(name)}, not {value}: "
                "leave it out, or train anew"
            )


def length(dataset: Dataset, epochs: float | None, images: int | None) -> int | None:
    """How many images a run is asked to have seen in all, if it is."""
    if epochs is not None and images is not None:
        raise LimnerError("give either epochs or images, not both")
    asked = round(epochs * len(dataset.train)) if epochs is not None else images
    if asked is not None and asked < 1:
        raise LimnerError(f"there must be at least one image to train on, not {asked}")
    return asked


def place(device: str | None) -> torch.device:
    """The device of that name, or a GPU if there is one; LimnerError for one that is not there."""
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise LimnerError(f"no device '{name}' here: {str(error).splitlines()[0]}") from None
