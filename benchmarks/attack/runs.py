"""Tiny trainings to attack, and what makes two runs equal."""

from __future__ import annotations

import functools
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .process import run

LENGTH = ["--images", "1200", "--batch", "50", "--tick", "200", "--quiet"]
CONFIGURATIONS: dict[str, list[str]] = {
    "autoencoder": ["autoencoder", "--latent-dim", "2", "--hidden", "16", "--on-trouble", "ignore"],
    "vae": ["vae", "--latent-dim", "2", "--hidden", "16"],
    "vae, validation": [
        "vae",
        "--latent-dim",
        "2",
        "--hidden",
        "16",
        "--validation",
        "200",
        "--warmup",
        "300",
    ],
    "vae, shapes": ["vae", "--latent-dim", "2", "--hidden", "16", "--data", "shapes", "--size", "16"],
    "conv-autoencoder": ["conv-autoencoder", "--width", "4"],
    "gan": ["gan", "--latent-dim", "2", "--hidden", "16", "--on-trouble", "restore"],
    "gan, unwatched": ["gan", "--latent-dim", "2", "--hidden", "16", "--on-trouble", "ignore"],
    "dcgan": ["dcgan", "--latent-dim", "4", "--width", "4", "--lr-drops", "400", "800"],
    "cgan": ["cgan", "--latent-dim", "4", "--width", "4"],
    "cgan, mlp": ["cgan", "--networks", "mlp", "--latent-dim", "4", "--hidden", "16", "--on-trouble", "stop"],
}
CLOCKS = ("seconds", "images_per_second", "elapsed")


@dataclass(frozen=True)
class Ground:
    """Where the cases of an attack lie, and which configurations they train."""

    base: Path
    configurations: tuple[str, ...] = tuple(CONFIGURATIONS)

    @property
    def cache(self) -> Path:
        """The cache that cases share."""
        return self.base / "cache"


def train_words(configuration: str, save_seconds: str = "0") -> list[str]:
    """The words that train a configuration into ./run."""
    words = [*CONFIGURATIONS[configuration], *LENGTH, "--save-seconds", save_seconds, "--out", "run"]
    return ["train", *words]


@functools.cache
def trained(configuration: str, base: Path) -> Path:
    """The folder of a never-stopped run of a configuration; what it took is in the file `seconds`."""
    folder = base / "references" / configuration.replace(", ", "-")
    outcome = run(train_words(configuration), folder, base / "cache")
    assert outcome.code == 0, outcome.error
    (folder / "seconds").write_text(str(outcome.seconds))
    return folder / "here" / "run"


def copy_run(source: Path, target: Path) -> Path:
    """Copy a run's folder."""
    shutil.copytree(source, target)
    return target


def read_record(path: Path) -> dict[str, Any]:
    """run.json, without what differs between equal runs."""
    record: dict[str, Any] = json.loads((path / "run.json").read_text())
    del record["started"], record["training"]["save_seconds"]
    return record


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of the log, without its clocks."""
    lines = (json.loads(line) for line in (path / "log.jsonl").read_text().splitlines())
    return [{name: value for name, value in line.items() if name not in CLOCKS} for line in lines]


def read_training_state(path: Path) -> dict[str, Any]:
    """What is in state.pt."""
    state: dict[str, Any] = torch.load(path / "state.pt", weights_only=True)
    return state


def read_pictures(path: Path) -> dict[str, bytes]:
    """The pictures of a run."""
    return {picture.name: picture.read_bytes() for picture in sorted((path / "samples").iterdir())}


def difference(one: Path, other: Path) -> str:
    """In what two runs differ, in a few words; '' where they are equal in all but time."""
    for name in ("weights.safetensors", "state.pt", "log.jsonl"):
        if not (one / name).exists():
            return f"{name} is missing"
    if (one / "weights.safetensors").read_bytes() != (other / "weights.safetensors").read_bytes():
        return "weights"
    if read_record(one) != read_record(other):
        return "run.json"
    if read_lines(one) != read_lines(other):
        return "log"
    if where := first_difference(read_training_state(one), read_training_state(other)):
        return f"state{where}"
    if read_pictures(one) != read_pictures(other):
        return "pictures"
    hidden = [path.name for path in [*one.glob(".*"), *(one / "samples").glob(".*")]]
    return f"left behind: {', '.join(hidden)}" if hidden else ""


def first_difference(one: Any, other: Any) -> str:
    """Where two states differ: the keys that lead there; '' where they are equal."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return "" if one.dtype == other.dtype and torch.equal(one, other) else " "
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return " keys"
        parts = ((f"/{key}", one[key], other[key]) for key in one if key not in CLOCKS)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return " length"
        parts = ((f"/{i}", a, b) for i, (a, b) in enumerate(zip(one, other, strict=True)))
    else:
        return "" if type(one) is type(other) and one == other else " "
    return next((key + where for key, a, b in parts if (where := first_difference(a, b))), "")
