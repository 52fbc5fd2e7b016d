"""A run is a folder: all that is needed to use it, to judge it and to do it again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limner import data as datasets
from limner.data import Dataset, Images
from limner.errors import LimnerError, nearest
from limner.files import is_unfinished, remove_unfinished
from limner.models import model_class
from limner.models.base import Encodes, Model
from limner.models.latent import Prior
from limner.settings import Settings
from limner.training.checkpoint import check_shapes, images_seen, read_weights, write_weights
from limner.training.codes import encode_images
from limner.training.config import RunConfig
from limner.training.lock import NAME, Locked, RunLock
from limner.training.log import read_log
from limner.training.trust import check_trust

RUNS = Path("runs")


class Run:
    """A trained model with its data and its log; each is read from the run's folder when it is first used.

    `trust`: import the model wherever it comes from; else only limner's own, and that of a run trained here.
    """

    def __init__(self, path: str | Path, *, trust: bool = False) -> None:
        self.path, self.trust = Path(path), trust
        self.config = RunConfig.read(self.path / "run.json")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """The images' (C, H, W)."""
        return self.config.data.shape

    @property
    def class_names(self) -> list[str] | None:
        """The names of the classes that the model knows; None where it knows none."""
        return None if self.config.data.classes is None else list(self.config.data.classes)

    @cached_property
    def model_class(self) -> type[Model]:
        """The model's class; LimnerError where it would be code that the user did not ask for."""
        if not self.trust:
            check_trust(self.path, self.config.model)
        return model_class(self.config.model)

    @cached_property
    def options(self) -> Settings:
        """The model's options."""
        try:
            return self.model_class.Options.parse(self.config.options)
        except LimnerError as error:
            raise LimnerError(f"{self.path / 'run.json'}: {error}") from None

    def new_model(self) -> Model:
        """The model as it was before training (up to its random weights).

        Raises LimnerError where run.json describes another model than the weights file holds; that is found
        out before memory is taken for it.
        """
        cls, options = self.model_class, self.options
        path = self.path / "weights.safetensors"
        if path.exists() and (expected := empty_weights(cls, self.shape, options)) is not None:
            check_shapes(path, expected)
        try:
            return cls(self.shape, options)
        except (RuntimeError, OverflowError, MemoryError, TypeError) as error:  # of a size beyond int64
            reason = str(error).partition("\n")[0]
            raise LimnerError(f"the model of {self.path / 'run.json'} cannot be built: {reason}") from None

    @cached_property
    def model(self) -> Model:
        """The trained model in eval mode, averaged weights where it keeps an average.

        A prior that is not fitted yet is fitted, and stored, when something first draws from it.
        """
        with torch.random.fork_rng():  # new weights are drawn at random, and replaced at once
            model = self.new_model()
        path = self.path / "weights.safetensors"
        weights, _ = read_weights(path)
        expected = model.state_dict()
        check_shapes(path, expected)
        for name, value in weights.items():
            if value.dtype != expected[name].dtype:
                kinds = f"{value.dtype}, not {expected[name].dtype}".replace("torch.", "")
                raise LimnerError(f"{path} is damaged: its tensor '{name}' is {kinds}")
        model.load_state_dict(weights)
        for latent in model.latents.values():
            latent.fit_prior = self._fit_prior
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)

    def _fit_prior(self, prior: Prior) -> None:
        """Fit a density to the codes of the training images and store it with the weights."""
        model, images = self.model, self.images_seen
        if not isinstance(model, Encodes):
            raise LimnerError(
                f"a {type(model).__name__} has no encoder, so no prior can be fitted to its codes"
            )
        prior.fit(encode_images(model, self.data.train.pixels))
        if not os.access(self.path, os.W_OK):  # a run that may only be read is used all the same
            return
        with contextlib.suppress(Locked), RunLock(self.path):  # one that trains meanwhile is not set back
            if self.images_seen == images:
                write_weights(self.path / "weights.safetensors", model.state_dict(), images)

    @cached_property
    def original(self) -> Dataset:
        """The data set as it was loaded; LimnerError where it has changed since."""
        record = self.config.data
        dataset = datasets.load(record.source, size=record.shape[1:], channels=record.shape[0])
        if dataset.fingerprint != record.fingerprint:
            raise LimnerError(
                f"{record.source} holds other images than when {self.name} was trained on it "
                f"(fingerprint {dataset.fingerprint}, then {record.fingerprint}); "
                "put the old ones back or train anew"
            )
        return dataset

    @cached_property
    def data(self) -> Dataset:
        """The data as the model sees them: binarised, say, and without the class that was left out."""
        return view_data(self.original, self.model, self.config.training.leave_out)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log, a dictionary per tick."""
        return read_log(self.path / "log.jsonl")

    @property
    def images_seen(self) -> int:
        """Training images that the stored weights have seen."""
        return images_seen(self.path / "weights.safetensors")


def empty_weights(
    cls: type[Model], shape: tuple[int, int, int], options: Settings
) -> dict[str, Tensor] | None:
    """The weights of a model without their values or memory; None where it reads values while it is built."""
    try:
        with torch.random.fork_rng(), torch.device("meta"):
            return cls(shape, options).state_dict()
    except (RuntimeError, TypeError, ValueError):
        return None


def view_data(dataset: Dataset, model: Model, leave_out: str | None) -> Dataset:
    """A data set as a model sees it; its training images without the class `leave_out`."""
    dataset = leave_class_out(dataset, leave_out)

    def view(images: Images) -> Images:
        return dataclasses.replace(images, pixels=model.view(images.pixels))

    return dataclasses.replace(dataset, train=view(dataset.train), test=view(dataset.test))


def leave_class_out(dataset: Dataset, name: str | None) -> Dataset:
    """The data set without the training images of a class; as it is where no class is named."""
    return dataset if name is None else dataset.without(name)


def load(name: str | Path, *, trust: bool = False) -> Run:
    """A run by its folder, or by its folder's name under runs/.

    `trust`: import its model even if that is code from outside limner and the run was not trained here.
    """
    if (path := find_run(name)) is not None:
        return Run(path, trust=trust)
    folder = Path(name).expanduser()
    if folder.is_dir():
        raise LimnerError(f"{name} is not a run: it has no run.json")
    if RUNS.is_dir():
        names = sorted(p.name for p in RUNS.iterdir() if (p / "run.json").exists())
        raise LimnerError(f"no run called '{name}': {nearest(folder.name, names)}")
    raise LimnerError(f"no run called '{name}', and no runs/ folder here: 'limner train MODEL' makes one")


def find_run(name: str | Path) -> Path | None:
    """The folder of a run by its path or its name under runs/, if it is one."""
    try:
        folder = Path(name).expanduser()
    except RuntimeError as error:  # no such user's home
        raise LimnerError(f"'{name}' is no path: {error}") from None
    return next((p for p in (folder, RUNS / folder) if (p / "run.json").exists()), None)


def latest_run(model: str, data: str) -> Path | None:
    """The newest run of that model on that data under runs/."""
    pattern = re.compile(re.escape(run_stem(model, data)) + r"-(\d{4,})")
    runs = [path.parent for path in RUNS.glob("*/run.json")]
    numbered = [(int(match[1]), path) for path in runs if (match := pattern.fullmatch(path.name))]
    return max(numbered)[1] if numbered else None


def run_stem(model: str, data: str) -> str:
    """The part of a new run's name before its number."""
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', model.rpartition(':')[2])}-{data}"


def new_folder(model: str, data: str, out: Path | None) -> RunLock:
    """Make and lock a new run's folder: `out`, new or empty, or the next free number under runs/.

    A folder counts as empty where it holds only what a killed process left; that is removed.
    """
    if out is not None:
        if (out / "run.json").exists():
            raise LimnerError(f"{out} is a run already: go on with --resume, or choose another --out")
        if (lock := _take(out)) is None:
            raise LimnerError(f"{out} exists and is not an empty folder: choose another --out")
        return lock
    last = latest_run(model, data)
    number = int(last.name.rpartition("-")[2]) if last else 0
    while True:
        number += 1
        path = RUNS / f"{run_stem(model, data)}-{number:04d}"
        with contextlib.suppress(Locked):  # another process took the number
            if (lock := _take(path)) is not None:
                return lock


def _take(folder: Path) -> RunLock | None:
    """The lock on a new or an empty folder; None where something is there already."""
    new = not folder.exists()
    if not new and not _is_empty(folder):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    lock = RunLock(folder, new)
    if not _is_empty(folder):  # another process was quicker
        lock.release()
        return None
    remove_unfinished(folder)
    return lock


def _is_empty(folder: Path) -> bool:
    """Whether a path is a folder that holds nothing but what a killed process left."""
    return folder.is_dir() and all(path.name == NAME or is_unfinished(path) for path in folder.iterdir())
