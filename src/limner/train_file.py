"""A run started from a file: the run.json of a run, or a TOML or JSON file of the same shape.

model = "vae"
preset = "paper"
data = "mnist"                # or a table: source, size, channels

[options]                     # of the model
latent_dim = 2

[training]                    # see TrainConfig
epochs = 20
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

from limner.errors import LimnerError, nearest
from limner.files import read_json
from limner.settings import PositiveInt, Settings
from limner.training.config import RunConfig, TrainConfig

T = TypeVar("T", bound=Settings)


class Data(Settings):
    """The table `data`: which images; what run.json records about them is accepted and not read."""

    source: str | None = None
    size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None
    channels: Literal[1, 3] | None = None
    shape: tuple[int, int, int] | None = None
    name: Any = None
    train: Any = None
    test: Any = None
    fingerprint: Any = None
    classes: Any = None
    second: dict[str, Any] | None = None


def read_run_file(path: str | Path) -> dict[str, Any]:
    """The arguments of `train` that a file sets: model, preset, data, size, channels, options, config.

    `path` may be the folder of a run.  What run.json records beside settings, such as versions, is not read.
    Raises LimnerError for a file that cannot be read, and for an unknown key, with the nearest known one.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path /= "run.json"
    content = _read(path)
    for key in content:
        if key not in RunConfig.model_fields:
            raise LimnerError(f"{path} has no key '{key}': {nearest(key, RunConfig.model_fields)}")
    arguments = {name: content[name] for name in ("model", "preset") if content.get(name) is not None}
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise LimnerError(f"{path}: {name} must be a text, not {value!r}")
    arguments |= _data_arguments(content.get("data", {}), path)
    arguments["options"] = _table(content.get("options", {}), f"{path}: options")
    training = _table(content.get("training", {}), f"{path}: training")
    return arguments | {"config": _parse(TrainConfig, training, path)}


def _read(path: Path) -> dict[str, Any]:
    """The content of a TOML file, or of a JSON file."""
    if path.suffix.lower() != ".toml":
        return _table(read_json(path), f"{path}")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LimnerError(f"{path} is missing") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LimnerError(f"{path} is not a TOML file: {error}") from None


def _data_arguments(data: Any, path: Path) -> dict[str, Any]:
    """data, size and channels of `train`, of a source or of a table."""
    if isinstance(data, str):
        return {"data": data}
    table = _parse(Data, _table(data, f"{path}: data"), path)
    arguments: dict[str, Any] = {"data": table.source, "size": table.size, "channels": table.channels}
    if table.shape is not None:
        channels, height, width = table.shape
        arguments["size"] = table.size or (height if height == width else (height, width))
        arguments["channels"] = table.channels or channels
    if table.second is not None:
        arguments |= _second_arguments(table, _parse(Data, table.second, path), path)
    return {name: value for name, value in arguments.items() if value is not None}


def _second_arguments(first: Data, second: Data, path: Path) -> dict[str, Any]:
    """What changes where a second table describes domain B: data and channels of both."""
    if first.source is None or second.source is None:
        raise LimnerError(f"{path}: data and its second each need a source")
    arguments: dict[str, Any] = {}
    if second.source != first.source:  # else one source holds both
        arguments["data"] = (first.source, second.source)
    each = [part.channels or (part.shape[0] if part.shape else None) for part in (first, second)]
    if None not in each:
        arguments["channels"] = tuple(each)
    return arguments


def _parse(cls: type[T], values: dict[str, Any], path: Path) -> T:
    """Settings of a class; LimnerError with the file's name."""
    try:
        return cls.parse(values)
    except LimnerError as error:
        raise LimnerError(f"{path}: {error}") from None


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LimnerError(f"{name} must be a table of names and values, not {value!r}")
    return value
