"""A run is a folder: all that is needed to use it, to judge it and to do it again."""

from __future__ import annotations

import json
import os
import platform
import re
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner import data as datasets
from limner.data import Dataset, to_float
from limner.errors import LimnerError, nearest
from limner.models import create
from limner.models.base import Encodes, Model
from limner.training.checkpoint import images_seen, read_json, read_weights, write_json, write_weights

RUNS = Path("runs")


class Run:
    """A trained model with its data and its log, read from its folder as they are asked for."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config: dict[str, Any] = read_json(self.path / "run.json")
        for key, kind in {"model": str, "options": dict, "data": dict, "training": dict}.items():
            if not isinstance(self.config, dict) or not isinstance(self.config.get(key), kind):
                raise LimnerError(f"{self.path / 'run.json'} is not a run of ours: it lacks '{key}'")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """The images' (C, H, W)."""
        channels, height, width = self.config["data"]["shape"]
        return channels, height, width

    def new_model(self) -> Model:
        """The model as it was before training (up to its random weights)."""
        listed: dict[str, Any] = self.config["options"]
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in listed.items()
        }
        return create(self.config["model"], self.shape, None, **options)

    @cached_property
    def model(self) -> Any:
        """The trained model in eval mode, averaged weights where it keeps an average."""
        model = self.new_model()
        path = self.path / "weights.safetensors"
        weights, _ = read_weights(path)
        ours = model.state_dict()
        wrong = sorted(set(ours) ^ set(weights))
        wrong += sorted(name for name in set(ours) & set(weights) if ours[name].shape != weights[name].shape)
        if wrong:
            raise LimnerError(f"{path} is not of this run: its tensor '{wrong[0]}' does not fit run.json")
        model.load_state_dict(weights)
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)

    @cached_property
    def data(self) -> Dataset:
        """The data the run was trained on; LimnerError where it has changed since."""
        about = self.config["data"]
        dataset = datasets.load(about["source"], size=tuple(about["shape"][1:]), channels=about["shape"][0])
        if dataset.fingerprint != about["fingerprint"]:
            raise LimnerError(
                f"{about['source']} holds other images than when {self.name} was trained on it "
                f"(fingerprint {dataset.fingerprint}, then {about['fingerprint']}); "
                "put the old ones back or train anew"
            )
        return dataset

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log, a dictionary per tick."""
        return read_log(self.path / "log.jsonl")

    @property
    def images_seen(self) -> int:
        """Training images the stored weights have seen."""
        return images_seen(self.path / "weights.safetensors")

    def ensure_prior(self) -> None:
        """Fit the density of the training codes if the model has one that is not fitted yet, and store it."""
        prior = getattr(self.model, "prior", None)
        if prior is None or prior.fitted:
            return
        left_out = self.config["training"].get("leave_out")
        seen = self.data.without(left_out) if left_out is not None else self.data
        prior.fit(encode_all(self.model, self.model.prepare(seen.train.pixels, fresh=False)))
        if os.access(self.path, os.W_OK):  # a run that may only be read is used all the same
            write_weights(self.path / "weights.safetensors", self.model.state_dict(), self.images_seen)


@torch.no_grad()
def encode_all(model: Model, pixels: Tensor, batch: int = 1000) -> Tensor:
    """Codes (N, latent_dim), on the CPU, of all pixels (N, C, H, W) uint8.

    Binarising models draw with seed 0.
    """
    if not isinstance(model, Encodes):
        raise LimnerError(f"a {type(model).__name__} has no encoder, so its images have no codes")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.cat(
            [model.encode(to_float(part.to(model.device))).cpu() for part in pixels.split(batch)]
        )


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; a last line cut short by a crash is left out."""
    if not path.exists():
        return []
    lines: list[dict[str, Any]] = []
    for text in path.read_text(errors="replace").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            break
        if not isinstance(line, dict) or "images" not in line:
            raise LimnerError(f"{path} is not the log of a run of ours: line {len(lines) + 1} is foreign")
        lines.append(line)
    return lines


def load(name: str | Path) -> Run:
    """A run by its folder, or by its folder's name under runs/."""
    if (path := find(name)) is not None:
        return Run(path)
    given = Path(name).expanduser()
    if given.is_dir():
        raise LimnerError(f"{name} is not a run: it has no run.json")
    if RUNS.is_dir():
        have = sorted(p.name for p in RUNS.iterdir() if (p / "run.json").exists())
        raise LimnerError(f"no run called '{name}': {nearest(given.name, have)}")
    raise LimnerError(f"no run called '{name}', and no runs/ folder here: 'limner train MODEL' makes one")


def find(name: str | Path) -> Path | None:
    """The folder of a run by its path or its name under runs/, if it is one."""
    try:
        given = Path(name).expanduser()
    except RuntimeError as error:  # no such user's home
        raise LimnerError(f"'{name}' is no path: {error}") from None
    return next((p for p in (given, RUNS / given) if (p / "run.json").exists()), None)


def latest(model: str, data: str) -> Path | None:
    """The newest run of that model on that data under runs/."""
    pattern = re.compile(re.escape(stem(model, data)) + r"-(\d{4,})")
    runs = [p.parent for p in RUNS.glob("*/run.json")]
    numbered = [(int(m[1]), p) for p in runs if (m := pattern.fullmatch(p.name))]
    return max(numbered)[1] if numbered else None


def stem(model: str, data: str) -> str:
    """The part of a new run's name before its number."""
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', model.rpartition(':')[2])}-{data}"


def new_folder(model: str, data: str, out: Path | None) -> Path:
    """Make a new run's folder: `out`, which must be new or empty, or the next free number under runs/."""
    if out is not None:
        if (out / "run.json").exists():
            raise LimnerError(f"{out} is a run already: go on with --resume, or choose another --out")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise LimnerError(f"{out} exists and is not an empty folder: choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        return out
    last = latest(model, data)
    number = int(last.name.rpartition("-")[2]) if last else 0
    while True:
        number += 1
        try:
            path = RUNS / f"{stem(model, data)}-{number:04d}"
            path.mkdir(parents=True)
        except FileExistsError:  # another process took the number
            continue
        return path


def write_config(path: Path, config: dict[str, Any]) -> None:
    """Write run.json with the versions and the machine beside the given configuration."""
    about = {
        "versions": {name: version(name) for name in ("limner", "torch", "numpy")}
        | {"python": platform.python_version()},
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "threads": torch.get_num_threads(),
        },
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    write_json(path / "run.json", config | about)
