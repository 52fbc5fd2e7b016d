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
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from limner.errors import LimnerError, nearest
from limner.files import read_json
from limner.training.config import DataRecord, RunConfig, TrainConfig


def read_run_file(path: str | Path) -> dict[str, Any]:
    """The arguments of `train` that a file sets: model, preset, data, size, channels, options, config.

    `path` may be the folder of a run.  What run.json records beside settings, such as versions, is not read.
    Raises LimnerError for a file that cannot be read, and for an unknown key, with the nearest known one.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path /= "run.json"
    content = _read(path)
    _check_keys(content, RunConfig.model_fields, f"{path}")
    arguments = {name: content[name] for name in ("model", "preset") if content.get(name) is not None}
    for name, value in arguments.items():
        if not isinstance(value, str):
            raise LimnerError(f"{path}: {name} must be a text, not {value!r}")
    arguments |= _data_arguments(content.get("data", {}), path)
    arguments["options"] = _table(content.get("options", {}), f"{path}: options")
    training = _table(content.get("training", {}), f"{path}: training")
    try:
        arguments["config"] = TrainConfig.parse(training)
    except LimnerError as error:
        raise LimnerError(f"{path}: {error}") from None
    return arguments


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
    table = _table(data, f"{path}: data")
    _check_keys(table, ["source", "size", "channels", *DataRecord.model_fields], f"{path}: data")
    arguments = {"data": table["source"]} if "source" in table else {}
    if "shape" in table:
        arguments |= _size_and_channels(table["shape"], path)
    return arguments | {name: table[name] for name in ("size", "channels") if table.get(name) is not None}


def _size_and_channels(shape: Any, path: Path) -> dict[str, Any]:
    """size and channels of the shape (C, H, W) in a run.json."""
    if not (isinstance(shape, list) and len(shape) == 3 and all(isinstance(side, int) for side in shape)):
        raise LimnerError(f"{path}: data.shape must be [channels, height, width], not {shape!r}")
    channels, height, width = shape
    return {"size": height if height == width else (height, width), "channels": channels}


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LimnerError(f"{name} must be a table of names and values, not {value!r}")
    return value


def _check_keys(table: Mapping[str, Any], known: Iterable[str], name: str) -> None:
    known = dict.fromkeys(known)
    for key in table:
        if key not in known:
            raise LimnerError(f"{name} has no key '{key}': {nearest(key, known)}")
