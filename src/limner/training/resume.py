"""Going on with a run: which one is meant, and that it is still the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limner.data import Dataset, Domains
from limner.data.domains import Source
from limner.errors import LimnerError
from limner.files import write_text
from limner.models import model_class
from limner.training.checkpoint import images_seen
from limner.training.config import LengthConfig, TrainConfig
from limner.training.folders import latest_run
from limner.training.run import Run, load
from limner.training.setup import load_data, with_length

Data = Source | Domains | tuple[Source, Source]

# settings that may change from session to session
CHANGEABLE = {*LengthConfig.model_fields, "save_seconds"}


def find_resumable(model: str | None, data: Data | None, out: Path | None) -> Run:
    """The run that --resume means: the one in `out`, or the newest of that model and data."""
    if out is not None:
        if out.is_dir() and not (out / "run.json").exists():
            raise LimnerError(f"{out} holds no run to resume: train without --resume")
        return load(out)
    if model is None:
        raise LimnerError("resume needs the run: give its folder as --out")
    source: Data = "digits" if data is None else data
    name = load_data(model_class(model), source, None, None).name
    path = latest_run(model, name)
    if path is None:
        raise LimnerError(
            f"there is no run of {model} on {name} to resume: train without --resume, or give its --out"
        )
    return Run(path)


def check_same_data(run: Run, data: Data | None) -> Dataset | Domains:
    """The data of a resumed run; LimnerError where `data` holds other images."""
    if data is None:
        return run.loaded
    record = run.config.data
    channels = record.shape[0] if record.second is None else (record.shape[0], record.second.shape[0])
    dataset = load_data(run.model_class, data, record.shape[1:], channels)
    if fingerprints(dataset) != [part.fingerprint for part in record.parts()]:
        raise LimnerError(
            f"{run.name} was trained on {run.config.data.source}, which holds other images than "
            f"{dataset.name}: leave it out, or train anew"
        )
    return dataset


def fingerprints(data: Dataset | Domains) -> list[str]:
    """The fingerprints of a data set, or of both domains."""
    return [part.fingerprint for part in ((data.a, data.b) if isinstance(data, Domains) else (data,))]


def refuse_changes(
    run: Run, values: Mapping[str, Any], options: Mapping[str, Any], training: Mapping[str, Any]
) -> None:
    """A resumed run goes on with its own settings: LimnerError where another value is given.

    values: model, preset, size and channels, None where not given.
    """
    config = run.config
    sides, each = config.data.shape[1:], tuple(part.shape[0] for part in config.data.parts())
    channels = each if isinstance(values.get("channels"), tuple) or len(set(each)) > 1 else each[0]
    size = tuple(sides) if isinstance(values.get("size"), tuple) else sides[0]
    stored = {"model": config.model, "preset": config.preset, "size": size, "channels": channels}
    new_options = run.options.parse(config.options | dict(options)).json_values()
    pairs = [(name, value, stored[name]) for name, value in values.items() if value is not None]
    pairs += [(name, new_options[name], config.options.get(name)) for name in options]
    old = config.training.json_values()
    new = TrainConfig.parse(training).json_values()
    pairs += [(name, new[name], old[name]) for name in training if name not in CHANGEABLE]
    for name, value, before in pairs:
        if value is not None and value != before:
            raise LimnerError(
                f"{run.name} was trained with {name} {before}, not {value}: leave it out, or train anew"
            )


def update_length(run: Run, training: Mapping[str, Any], train_images: int) -> None:
    """Give a resumed run a new length, or keep its own, and store it; LimnerError where it has seen more."""
    changes = {name: value for name, value in training.items() if name in CHANGEABLE and value is not None}
    config = run.config.training
    length = {"images": None, "epochs": None} if {"images", "epochs"} & set(changes) else {}
    new = TrainConfig.parse(config.model_dump() | length | changes)
    new = with_length(new, run.model_class.images, train_images)
    weights = run.path / "weights.safetensors"
    already = images_seen(weights) if weights.exists() else 0
    assert new.images is not None
    if new.images < already and new.images != config.images:
        raise LimnerError(
            f"{run.name} has seen {already:,} images already, more than the {new.images:,} requested"
        )
    if new != config:
        run.config = run.config.model_copy(update={"training": new})
        write_text(run.path / "run.json", run.config.text())
