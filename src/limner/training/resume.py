"""Going on with a run: which one is meant, and that it is still the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from limner import data as datasets
from limner.data import Dataset
from limner.errors import LimnerError
from limner.models import model_class
from limner.training.checkpoint import images_seen, write_json
from limner.training.run import Run, latest, load


def existing(model: str | None, data: str | Path | Dataset | None, out: Path | None) -> Run:
    """The run that --resume means."""
    if out is not None:
        return load(out)
    if model is None:
        raise LimnerError("resume needs the run: give its folder as --out")
    name = data.name if isinstance(data, Dataset) else datasets.load("digits" if data is None else data).name
    path = latest(model, name)
    if path is None:
        raise LimnerError(
            f"there is no run of {model} on {name} to resume: train without --resume, or give its --out"
        )
    return Run(path)


def same_data(run: Run, data: str | Path | Dataset | None) -> Dataset:
    """The data of a resumed run, which `data`, if given, has to be."""
    if data is None:
        return run.data
    channels, *size = run.shape
    found = datasets.load(data, size=(size[0], size[1]), channels=channels)
    if found.fingerprint != run.config["data"]["fingerprint"]:
        raise LimnerError(
            f"{run.name} was trained on {run.config['data']['source']}, which holds other images than "
            f"{found.source}: leave it out, or train anew"
        )
    return found


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


def settle_length(run: Run, asked: int | None) -> int:
    """The images the run is to have seen in all, written into run.json."""
    training, weights = run.config["training"], run.path / "weights.safetensors"
    target = asked or training["images"] or model_class(run.config["model"]).images
    seen = images_seen(weights) if weights.exists() else 0
    if target < seen and target != training["images"]:
        raise LimnerError(f"{run.name} has seen {seen:,} images already, more than the {target:,} asked for")
    if target != training["images"]:
        training["images"] = target
        write_json(run.path / "run.json", run.config)
    return target
