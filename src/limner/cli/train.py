"""limner train: its options are those of the data, of training, and of the model."""

from __future__ import annotations

import inspect
import json as jsons
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from pydantic.fields import FieldInfo

from limner.cli.forms import Box, Metavar, flag_values, form, option_boxes, option_flags
from limner.cli.output import report_file, report_notes
from limner.cli.parsing import help_text, parse
from limner.cli.sources import parse_source, source_words
from limner.errors import LimnerError
from limner.settings import Settings

if TYPE_CHECKING:
    from limner.models.base import Model


class StartArguments(Settings):
    """Start from"""

    preset: Annotated[str | None, Metavar("NAME")] = None
    """options to start from; paper: those of the publication, or of the lecture"""
    config: Annotated[Path | None, Metavar("FILE")] = None
    """a run.json, or a TOML or JSON file of its shape; options on the command line override it"""


class DataArguments(Settings):
    """Data"""

    data: Annotated[tuple[str, ...], Metavar("D")] = ("digits",)
    """a named data set (limner data lists them), a folder of images, a zip, an .npz, .npy or idx folder; for
    two domains a folder with trainA and trainB, or A=D B=D"""
    labels: Annotated[Path | None, Metavar("FILE")] = None
    """the labels, an .npz or .npy, where D holds images alone"""
    size: Annotated[int | None, Metavar("PIXELS")] = None
    """side of the images, 16 to 256; default: as they are, or 64 where they differ or exceed 128"""
    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for colour; default: as they are"""


class DeviceArguments(Settings):
    """Device"""

    device: Annotated[str | None, Metavar("DEVICE")] = None
    """cpu, cuda, cuda:1, ...; default: a GPU if there is one"""


class OutputArguments(Settings):
    """Run folder, log and checkpoints"""

    out: Annotated[Path | None, Metavar("RUN")] = None
    """the run's folder; default: runs/MODEL-DATA-NUMBER"""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """continue the run --out, or the newest run of this model and data"""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """measure the time and memory that the run would take, and train nothing"""
    queue: tyro.conf.FlagCreatePairsOff[bool] = False
    """wait until no other run in the same folder is in training"""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """print nothing but errors"""


# no field of OutputArguments, for pydantic's classes have a method of that name
JSON = FieldInfo(
    annotation=tyro.conf.FlagCreatePairsOff[bool],
    default=False,
    description="print --dry-run as one JSON object",
)


def main(argv: Sequence[str]) -> None:
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        if not argv:
            raise LimnerError("train needs the name of a model")
        return
    name, words = (None, argv) if argv[0].startswith("-") else (argv[0], argv[1:])
    file = read_config(words)
    model = file_model(words, file) if name is None else name
    if model is None:
        raise LimnerError(f"the model's name comes first: limner train MODEL {' '.join(words)}")
    train(model, **parse_words(model, words, file))


def train(model: str, **arguments: Any) -> None:
    """Train a model, or resume a run, and print where it is; with dry_run print what it would take."""
    import limner

    dry_run, json = arguments.pop("dry_run", False), arguments.pop("json", False)
    if dry_run:
        print_forecast(model, arguments, json)
        return
    if json:
        raise LimnerError("--json is for --dry-run: a run's own files hold its settings and its log as JSON")
    run = limner.train(model, **arguments)
    report_file(run.path, quiet=arguments.get("quiet", False))


def print_forecast(model: str, arguments: dict[str, Any], json: bool) -> None:
    """Print what a run would take."""
    import limner

    if arguments.pop("resume", False):
        raise LimnerError("--dry-run is for new runs: leave --resume out")
    for name in ("out", "queue", "quiet"):
        arguments.pop(name, None)
    forecast = limner.forecast(model, **arguments)
    if json:
        print(jsons.dumps(forecast.json()))
        return
    print(forecast.text)
    report_notes(forecast.notes)


def read_config(words: Sequence[str]) -> dict[str, Any]:
    """The arguments of `limner.train` in the file of --config; {} without --config."""
    from limner.train_file import read_run_file

    path = find_value("--config", words)
    return {} if path is None else read_run_file(path)


def file_model(words: Sequence[str], file: Mapping[str, Any]) -> str | None:
    """The model that the file of --config names; LimnerError where it is code from an unknown place."""
    from limner.training.trust import check_trust

    model: str | None = file.get("model")
    if model is not None:
        path = Path(find_value("--config", words) or "").expanduser()
        check_trust(path if path.is_dir() else path.parent, model)
    return model


def find_value(flag: str, words: Sequence[str]) -> str | None:
    """The value of a flag, read before the model's options are known; None where the line lacks it."""
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == flag and (equals or words[i + 1 :]):
            return value if equals else words[i + 1]
    return None


def parse_words(model: str, words: Sequence[str], file: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `limner.train` besides the model: those of a file, replaced by the command line's."""
    from limner.models import model_class
    from limner.training.config import LengthConfig, TrainConfig

    cls = model_class(model)
    values = flag_values(parse(train_form(cls, words, file), words, f"train {model}"), words)
    values.pop("config", None)
    if {"data", "labels"} & values.keys():
        values["data"] = parse_source(values.get("data", ("digits",)), values.pop("labels", None))
    flags = option_flags(cls.Options, common_flags())
    options = {option: values.pop(flag) for option, flag in flags.items() if flag in values}
    training = {name: values.pop(name) for name in TrainConfig.model_fields if name in values}
    before = file_training(file)
    if LengthConfig.model_fields.keys() & training.keys():  # a run has one length
        before = {name: value for name, value in before.items() if name not in LengthConfig.model_fields}
    arguments = {name: value for name, value in file.items() if name != "model"} | values
    arguments["options"] = file.get("options", {}) | options
    arguments["config"] = TrainConfig.parse(before | training)
    return arguments


def file_training(file: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of training that a file sets."""
    return file["config"].model_dump(exclude_unset=True) if file else {}


def train_form(cls: type[Model], words: Sequence[str], file: Mapping[str, Any]) -> type:
    """The form of `limner train MODEL`; its help shows the defaults of the preset and the file."""
    preset = find_value("--preset", words) or file.get("preset")
    description = [inspect.cleandoc(cls.__doc__ or cls.__name__).partition("\n")[0]]
    if cls.presets:
        description.append(f"Presets: {', '.join(cls.presets)}.")
    return form(train_boxes(cls), shown_defaults(cls, preset, file), "\n\n".join(description))


def shown_defaults(cls: type[Model], preset: str | None, file: Mapping[str, Any]) -> dict[str, Any]:
    """By flag, the values that the model, the preset and the file determine."""
    from limner.models import model_options, preset_values
    from limner.training import TrainConfig

    flags = option_flags(cls.Options, common_flags())
    options = model_options(cls, preset, file.get("options", {}))
    values = {flag: getattr(options, option) for option, flag in flags.items()}
    training = preset_values(cls, preset) | file_training(file)
    values |= {name: value for name, value in training.items() if name in TrainConfig.model_fields}
    data = {name: value for name, value in file.items() if name in DataArguments.model_fields}
    if cls.trains_on == "domains":
        values["data"] = ()  # digits, the default, are not two domains
    if "data" in data:
        data["data"] = source_words(data["data"])
    values |= {
        name: value for name, value in data.items() if name == "data" or not isinstance(value, tuple)
    }  # tuples are height and width, or the channels of each domain
    length = {} if training.get("epochs") else {"images": cls.images}
    return {"batch": cls.batch} | length | values


def train_boxes(cls: type[Model] | None = None) -> list[Box]:
    """The boxes of the help, the most used first, with those of the model's options if there is a model."""
    from limner.training.config import DataConfig, LengthConfig, OptimisationConfig, OutputConfig

    first = [
        Box.of("", StartArguments),
        Box.of("data", DataArguments, DataConfig),
        Box.of("length", LengthConfig),
    ]
    output = Box.of("output", OutputArguments, OutputConfig)
    last = [
        Box.of("training", OptimisationConfig, DeviceArguments),
        replace(output, fields={**output.fields, "json": JSON}),
    ]
    return [*first, *(option_boxes(cls.Options, common_flags()) if cls else []), *last]


def common_flags() -> set[str]:
    """The names of all flags that every model has."""
    return {"model"} | {flag for box in train_boxes() for flag in box.fields}


def overview() -> str:
    """The help before a model is chosen."""
    from limner.models import MODELS

    description = (
        f"MODEL is one of {', '.join(MODELS)}, or module:Class for your own.\n\n"
        "limner train MODEL --help adds the options of the model."
    )
    return help_text(form(train_boxes(), {}, description), "train MODEL")
