"""limner completion"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Union

import tyro

from limner.cli import VERBS
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(completion, argv)


def completion(
    shell: Annotated[Literal["bash", "zsh", "tcsh"], tyro.conf.Positional, tyro.conf.arg(metavar="SHELL")], /
) -> None:
    """Print a completion script: eval "$(limner completion bash)" switches it on."""
    verbs: dict[str, Callable[..., Any]] = {}
    for verb in [name for group in VERBS.values() for name in group]:
        verbs[verb] = getattr(importlib.import_module(f"limner.cli.{verb}"), verb)
    verbs["train"] = train_by_model()
    tyro.extras.subcommand_cli_from_dict(
        verbs,
        prog="limner",
        args=["--tyro-print-completion", shell],
        config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes),
    )


def train_by_model() -> Callable[..., None]:
    """A function with the options of `limner train`, with a sub-command per model."""
    from limner.cli.train import train_form
    from limner.models import MODELS, model_class

    choices = [
        Annotated[Any, tyro.conf.subcommand(name=name, constructor=train_form(model_class(name), (), {}))]
        for name in MODELS
    ]

    def train(model: object) -> None:
        """Train a model."""

    train.__annotations__ = {"model": Union[tuple(choices)], "return": None}  # noqa: UP007 (made at run time)
    return train
