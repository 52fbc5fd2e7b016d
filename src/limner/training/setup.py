"""Before the first iteration: the device, the network, the complete settings of a new run."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import Any

import torch

from limner.data import Dataset, Domains, Images, in_memory, load_domains
from limner.data import load as load_dataset
from limner.data.ages import PREFIX, read_label
from limner.data.domains import Source
from limner.errors import LimnerError
from limner.models import preset_values
from limner.models.base import Model
from limner.random_state import set_seed
from limner.training.config import DataRecord, Precision, RunConfig, TrainConfig

SHORTEST_TICK = 10_000  # images between two log lines, or an epoch where that is more


def resolve_device(name: str | None) -> torch.device:
    """The device of that name, or a GPU if there is one; LimnerError for one that is not there."""
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise LimnerError(f"limner trains on cpu or cuda, not on '{name}'")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise LimnerError(f"no device '{name}' here: {str(error).splitlines()[0]}") from None


def build_model(make: Callable[[], Model], seed: int, device: torch.device) -> Model:
    """The model that `make` returns, its weights by `seed`; LimnerError where torch refuses to make it."""
    set_seed(seed)
    try:
        return make().to(device)
    except (RuntimeError, OverflowError, TypeError) as error:
        if isinstance(error, TypeError) and "Overflow" not in str(error):  # torch's, of a size beyond int64
            raise
        raise LimnerError(f"this model cannot be built: {str(error).splitlines()[0]}") from None


def default_precision(model: Model) -> Precision:
    """bf16 for a model that trains as well in it, on a CPU that has it in hardware; fp32 elsewhere."""
    read = getattr(torch.cpu, "get_capabilities", None)  # not in older torch
    capabilities: dict[str, bool] = read() if read else {}
    supported = capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)
    return "bf16" if model.bf16 and supported and model.device.type == "cpu" else "fp32"


def load_data(
    cls: type[Model],
    source: Dataset | Domains | Source | tuple[Source, Source],
    size: int | tuple[int, int] | None,
    channels: int | tuple[int, int] | None,
) -> Dataset | Domains:
    """The data that a model trains on: one data set or two domains; LimnerError for the other kind."""
    if cls.trains_on == "domains":
        if isinstance(source, Dataset):
            raise LimnerError(f"a {cls.__name__} needs two domains: give a pair of data sets")
        return load_domains(source, size, channels)
    if isinstance(source, Domains) or (isinstance(source, tuple) and not in_memory.is_arrays(source)):
        raise LimnerError(f"a {cls.__name__} trains on one data set, not on two domains")
    if isinstance(channels, tuple):
        raise LimnerError(f"a {cls.__name__} trains on one data set: give channels as one number")
    return load_dataset(source, size=size, channels=channels)


def class_count(cls: type[Model], dataset: Dataset) -> int | None:
    """How many classes the model learns: those of the data; None where it ignores labels or there are none.

    Raises LimnerError where the model requires labels and the data have none.
    """
    if cls.labels == "ignored" or (cls.labels == "optional" and dataset.train.labels is None):
        return None
    if dataset.train.labels is None:
        names = dataset.train.names or ()
        remedy = "sub-folders of a folder of images are labels"
        if dataset.source.startswith(in_memory.PREFIX):
            remedy = "give (images, labels)"
        elif dataset.source.endswith((".npz", ".npy")):
            remedy = "give --labels FILE, or call an array 'labels'"
        if names and read_label(names[0]) is not None:
            remedy = f"its file names tell ages, so give {PREFIX}{dataset.source}"
        raise LimnerError(f"{cls.__name__} needs labels and {dataset.name} has none: {remedy}")
    return len(dataset.classes) if dataset.classes else int(dataset.train.labels.max()) + 1


def complete_options(cls: type[Model], dataset: Dataset | Domains, options: dict[str, Any]) -> dict[str, Any]:
    """The options with what the data determine, classes or channels; LimnerError where another is given."""
    if isinstance(dataset, Domains):
        channels = dataset.b.shape[0]
        if options.get("channels_b") not in (None, channels):
            raise LimnerError(f"images of B have {channels} channels: leave channels_b out")
        return options | {"channels_b": channels}
    if cls.labels == "ignored":
        return options
    count = class_count(cls, dataset)
    if options.get("classes") not in (None, count):
        raise LimnerError(f"{dataset.name} has {count} classes, not {options['classes']}: leave classes out")
    return options | {"classes": count}


def complete_config(
    config: TrainConfig, cls: type[Model], preset: str | None, train_images: int, network: Model
) -> TrainConfig:
    """The settings with every default that depends on the model, its preset or the data filled in.

    train_images: how many images are trained on, validation images left out.
    """
    values: dict[str, Any] = {
        "batch": cls.batch,
        "precision": default_precision(network),
        "tick": max(train_images, SHORTEST_TICK),
    }
    settings = {
        **cls.settings,
        **preset_values(cls, preset),
        **config.model_dump(exclude_none=True, exclude_unset=True),
    }
    values |= {name: value for name, value in settings.items() if name in TrainConfig.model_fields}
    return with_length(TrainConfig.parse(values), cls.images, train_images)


def with_length(config: TrainConfig, default: int, train_images: int) -> TrainConfig:
    """The settings with their length in images: of epochs, or the default where neither is set."""
    images = config.images or default
    if config.epochs is not None:
        images = max(round(config.epochs * train_images), 1)
    return config.model_copy(update={"images": images, "epochs": None})


def count_train_images(cls: type[Model], name: str, images: int, validation: int) -> int:
    """How many images are trained on; LimnerError where so many cannot be held out for validation."""
    if validation and not cls.has_loss():
        raise LimnerError(f"a {cls.__name__} has no loss to choose weights by: leave validation out")
    if validation >= images:
        raise LimnerError(
            f"validation must leave images to train on: {name} has {images:,}, not more than {validation:,}"
        )
    return images - validation


def split_validation(data: Dataset | Domains, config: TrainConfig) -> tuple[Dataset | Domains, Images | None]:
    """The data without the validation images, and these, if there are any."""
    if not config.validation or isinstance(data, Domains):
        return data, None
    train, validation = data.train.split_off(config.validation, config.seed)
    return dataclasses.replace(data, train=train), validation


def data_record(data: Dataset | Domains, classes: int | None) -> DataRecord:
    """What run.json records of the data; the names of the classes where the model learns them."""
    if isinstance(data, Domains):
        first, second = data_record(data.a, None), data_record(data.b, None)
        return first.model_copy(update={"name": data.name, "second": second})
    dataset = data
    names = None
    if classes is not None:
        names = tuple(dataset.classes) if dataset.classes else tuple(str(label) for label in range(classes))
    return DataRecord(
        source=dataset.source,
        name=dataset.name,
        shape=dataset.shape,
        train=len(dataset.train),
        test=len(dataset.test),
        fingerprint=dataset.fingerprint,
        classes=names,
    )


def run_config(
    model: str,
    preset: str | None,
    network: Model,
    options: dict[str, Any],
    data: DataRecord,
    training: TrainConfig,
) -> RunConfig:
    """The record of a new run, with versions, machine and time."""
    versions = {name: version(name) for name in ("limner", "torch", "numpy")}
    return RunConfig(
        model=model,
        preset=preset,
        options=options,
        data=data,
        training=training,
        device=network.device.type,
        versions=versions | {"python": platform.python_version()},
        machine={
            "system": platform.platform(),
            "processor": platform.machine(),
            "threads": torch.get_num_threads(),
        },
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
    )
