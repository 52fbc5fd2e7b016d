"""A run is a folder: all that is needed to use it, to judge it and to do it again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from limner import data as datasets
from limner.data import Dataset, Domains, Images
from limner.errors import LimnerError, nearest
from limner.models import model_class
from limner.models.abilities import Encodes
from limner.models.base import Model
from limner.models.latent import Prior
from limner.settings import Settings
from limner.training.checkpoint import check_shapes, images_seen, read_part, read_weights, write_weights
from limner.training.codes import encode_images
from limner.training.config import DataRecord, RunConfig
from limner.training.folders import RUNS
from limner.training.lock import Locked, RunLock
from limner.training.log import read_log
from limner.training.trust import check_trust


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

    def outline(self) -> Model:
        """The model without values or memory of its weights, on torch's meta device."""
        with torch.random.fork_rng(), torch.device("meta"), WithoutDrawing():
            return self.model_class(self.shape, self.options)

    def network(self, name: str) -> nn.Module:
        """One network of the trained model, in eval mode; nothing else of the model is read or kept."""
        network = self.outline().get_submodule(name).to_empty(device="cpu")
        weights = read_part(self.path / "weights.safetensors", f"{name}.")
        if set(weights) != set(network.state_dict()):
            path = self.path / "weights.safetensors"
            raise LimnerError(f"{path} is not of this run: it lacks parts of {name}")
        network.load_state_dict(weights)
        return network.eval().requires_grad_(False)

    @cached_property
    def model(self) -> Model:
        """The trained model in eval mode, averaged weights where it keeps an average.

        A prior that is not fitted yet is fitted, and stored, when something first draws from it.
        """
        with torch.random.fork_rng():  # new weights are drawn at random, and replaced at once
            model = self.new_model()
        path = self.path / "weights.safetensors"
        weights, _ = read_weights(path)
        expected = model.inference_state()
        check_shapes(path, expected)
        for name, value in weights.items():
            if value.dtype != expected[name].dtype:
                kinds = f"{value.dtype}, not {expected[name].dtype}".replace("torch.", "")
                raise LimnerError(f"{path} is damaged: its tensor '{name}' is {kinds}")
        model.load_state_dict(weights, strict=False)  # all that inference needs, as just checked
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
    def loaded(self) -> Dataset | Domains:
        """The data as they were loaded; LimnerError where they have changed since."""
        record, second = self.config.data, self.config.data.second
        if second is None:
            dataset = datasets.load(record.source, size=record.shape[1:], channels=record.shape[0])
            self.check_unchanged(record, dataset)
            return dataset
        source = record.source if record.source == second.source else (record.source, second.source)
        channels = (record.shape[0], second.shape[0])
        domains = datasets.load_domains(source, size=record.shape[1:], channels=channels)
        self.check_unchanged(record, domains.a)
        self.check_unchanged(second, domains.b)
        return domains

    def check_unchanged(self, record: DataRecord, dataset: Dataset) -> None:
        """Raise LimnerError where a data set has other images than the record says."""
        if dataset.fingerprint != record.fingerprint:
            raise LimnerError(
                f"{record.source} holds other images than when {self.name} was trained on it "
                f"(fingerprint {dataset.fingerprint}, then {record.fingerprint}); "
                "put the old ones back or train anew"
            )

    @property
    def original(self) -> Dataset:
        """The data set as it was loaded."""
        return one_dataset(self.loaded, self.name)

    @property
    def data(self) -> Dataset:
        """The data as the model sees them: binarised, say, and without the class that was left out."""
        return one_dataset(self.viewed, self.name)

    @property
    def domains(self) -> Domains:
        """Both domains of a run that translates, as the model sees them; LimnerError for other runs."""
        if not isinstance(self.viewed, Domains):
            raise LimnerError(f"{self.name} was trained on one data set, not on two domains")
        return self.viewed

    @cached_property
    def viewed(self) -> Dataset | Domains:
        """`data` or `domains`."""
        return view_data(self.loaded, self.model, self.config.training.leave_out)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log, a dictionary per tick."""
        return read_log(self.path / "log.jsonl")

    @property
    def images_seen(self) -> int:
        """Training images that the stored weights have seen."""
        return images_seen(self.path / "weights.safetensors")


class WithoutDrawing(TorchFunctionMode):
    """Weights are neither drawn at random nor normalised: those on the meta device have no values.

    Torch does both there by slow code, whose import alone takes seconds.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name.endswith(("uniform_", "normal_", "normalize")):
            return args[0] if args else (kwargs or {})["tensor"]
        if name in ("mv", "vdot"):  # spectral norm: a column, or a number, of the product's shape
            return args[0][..., 0]
        if name in ("div", "__truediv__") and isinstance(args[1], Tensor) and args[1].ndim == 0:
            return args[0]
        return func(*args, **(kwargs or {}))


def empty_weights(
    cls: type[Model], shape: tuple[int, int, int], options: Settings
) -> dict[str, Tensor] | None:
    """The weights of a model without their values or memory; None where it reads values while it is built."""
    try:
        with torch.random.fork_rng(), torch.device("meta"), WithoutDrawing():
            return cls(shape, options).inference_state()
    except (RuntimeError, TypeError, ValueError):
        return None


def one_dataset(data: Dataset | Domains, name: str) -> Dataset:
    """The data set of the run of that name; LimnerError where it has two domains."""
    if isinstance(data, Domains):
        raise LimnerError(f"{name} was trained on two domains: run.domains has both, run.data has none")
    return data


@overload
def view_data(data: Dataset, model: Model, leave_out: str | None) -> Dataset: ...


@overload
def view_data(data: Dataset | Domains, model: Model, leave_out: str | None) -> Dataset | Domains: ...


def view_data(data: Dataset | Domains, model: Model, leave_out: str | None) -> Dataset | Domains:
    """The data as a model sees them; the training images without the class `leave_out`."""
    if isinstance(data, Domains):
        a, b = (view_data(domain, model, leave_out) for domain in (data.a, data.b))
        return dataclasses.replace(data, a=a, b=b)
    dataset = leave_class_out(data, leave_out)

    def view(images: Images) -> Images:
        return dataclasses.replace(images, pixels=model.view(images.pixels))

    return dataclasses.replace(dataset, train=view(dataset.train), test=view(dataset.test))


@overload
def leave_class_out(data: Dataset, name: str | None) -> Dataset: ...


@overload
def leave_class_out(data: Dataset | Domains, name: str | None) -> Dataset | Domains: ...


def leave_class_out(data: Dataset | Domains, name: str | None) -> Dataset | Domains:
    """The data without the training images of a class; as they are where no class is named."""
    if name is None:
        return data
    if isinstance(data, Domains):
        raise LimnerError(f"the two domains of {data.name} have no classes: leave leave_out out")
    return data.without(name)


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
