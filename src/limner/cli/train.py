"""limner train: the options are those of training and of the model named."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from limner.cli import parse, wrote
from limner.errors import LimnerError

if TYPE_CHECKING:
    from limner.models.base import Model

# option -> type, help, how it looks.  None means: not given; the default stands in the help.
SETTINGS: dict[str, tuple[Any, str, str]] = {
    "data": (
        str,
        "a named data set (limner data lists them), a folder, zip, .npz or idx folder; default digits",
        "D",
    ),
    "preset": (str, "options to start from, such as 'paper': the paper's or the lecture's own", "NAME"),
    "epochs": (float, "passes over the training images", "E"),
    "images": (int, "or the length in images seen", "N"),
    "batch": (int, "images per step", "B"),
    "seed": (int, "of everything drawn at random; default 0", "S"),
    "size": (int, "side of the images, 16 to 128; default: as they are, or 64 where they differ", "PIXELS"),
    "channels": (Literal[1, 3], "1 for grey, 3 for colour; default: as they are", "{1,3}"),
    "precision": (
        Literal["fp32", "bf16"],
        "of the networks' arithmetic; default bf16 where that is as good and quicker",
        "{fp32,bf16}",
    ),
    "clip": (float, "longest gradient, its norm; default: any", "NORM"),
    "ema_half_life": (float, "images after which an averaged weight is half forgotten; default 10000", "N"),
    "lr_drops": (tuple[int, ...], "images seen at which every learning rate falls; default never", "N ..."),
    "lr_drop": (float, "what it is multiplied by then; default 0.1", "FACTOR"),
    "validation": (int, "training images held out to choose the weights that are kept; default 0", "N"),
    "leave_out": (str, "a class not to train on, so that its anomaly scores can be judged", "CLASS"),
    "tick": (int, "images between two lines of the log; default an epoch, or 10000 where that is more", "N"),
    "on_trouble": (
        Literal["report", "stop", "restore", "ignore"],
        "what the doctor does about one that is grave: restore goes back to the weights nearest to the data; "
        "default report; ignore: no doctor",
        "{report,stop,restore,ignore}",
    ),
    "save_seconds": (float, "least time between checkpoints; default 5", "T"),
    "device": (str, "cpu, cuda, cuda:1, ...; default: a GPU if there is one", "DEVICE"),
    "out": (Path, "the run's folder; default runs/MODEL-DATA-NUMBER", "RUN"),
}
SWITCHES = {
    "resume": "go on with the run --out, or with the newest of that model and data",
    "quiet": "print nothing but errors",
}


def main(argv: Sequence[str]) -> None:
    if not argv or argv[0].startswith("-"):
        print(overview())
        if not argv:
            raise LimnerError("train needs the name of a model")
        if argv[0] not in ("-h", "--help"):
            raise LimnerError(f"the model's name comes first: limner train MODEL {' '.join(argv)}")
        return
    model, rest = argv[0], argv[1:]
    from limner.models import model_class

    given = given_options(parse(options_class(model_class(model)), rest, f"train {model}"), rest)
    train(model, **given)


def train(model: str, **given: Any) -> None:
    """Train a model, or go on with a run, and say where it is."""
    from limner.training import train as train_model

    run = train_model(model, **given)
    wrote(run.path, quiet=given.get("quiet", False))


def options_class(cls: type[Model]) -> type:
    """A dataclass with a field for every option of training and of the model, for tyro to fill."""
    import docstring_parser
    import tyro

    from limner.models import constructors, options

    docs = [docstring_parser.parse(inspect.getdoc(one) or "") for one in reversed([*constructors(cls)])]
    told = {p.arg_name: p.description for doc in docs for p in doc.params}
    fields: list[Any] = []
    for name, (kind, text, metavar) in SETTINGS.items():
        about = tyro.conf.arg(help=text, metavar=metavar, help_behavior_hint="")
        fields.append((name, Annotated[kind | None, about], dataclasses.field(default=None)))
    for name, text in SWITCHES.items():
        about = tyro.conf.arg(help=text, help_behavior_hint="")
        fields.append((name, Annotated[bool, about], dataclasses.field(default=False)))
    for name, parameter in options(cls).items():
        about = tyro.conf.arg(help=told.get(name, ""))
        fields.append(
            (name, Annotated[parameter.annotation, about], dataclasses.field(default=parameter.default))
        )
    made = dataclasses.make_dataclass("train", fields, kw_only=True)
    presets = f"\n\nPresets: {', '.join(cls.presets)}." if cls.presets else ""
    made.__doc__ = f"{(inspect.getdoc(cls) or cls.__name__).splitlines()[0]}{presets}"
    return made


def given_options(parsed: Any, argv: Sequence[str]) -> dict[str, Any]:
    """Only what stands on the command line, so that a preset or a resumed run keeps the rest."""
    words = {word.partition("=")[0].lstrip("-").replace("-", "_") for word in argv if word.startswith("--")}
    return {name: value for name, value in vars(parsed).items() if name in words}


def overview() -> str:
    """How to train, before a model is chosen."""
    from limner.models import MODELS

    lines = ["usage: limner train MODEL [--data D] [--epochs E] [--out RUN] [--resume] [model options]", ""]
    lines += [f"MODEL is one of {', '.join(MODELS)}, or module:Class for your own.", ""]
    lines += [
        f"  --{name.replace('_', '-') + ' ' + metavar:24s}{text}"
        for name, (_, text, metavar) in SETTINGS.items()
    ]
    lines += [f"  --{name:24s}{text}" for name, text in SWITCHES.items()]
    return "\n".join([*lines, "", "limner train MODEL --help tells the model's own options too."])
