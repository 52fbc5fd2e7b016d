"""limner completion"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import tyro

from limner.cli import VERBS, call


def main(argv: Sequence[str]) -> None:
    call(completion, argv)


def completion(
    shell: Annotated[Literal["bash", "zsh", "tcsh"], tyro.conf.Positional, tyro.conf.arg(metavar="SHELL")], /
) -> None:
    """Print a completion script: eval "$(limner completion bash)" switches it on."""
    from limner.cli.train import options_class
    from limner.models import MODELS, model_class

    verbs: dict[str, Any] = {}
    for verb in [name for group in VERBS.values() for name in group if name != "train"]:
        verbs[verb] = getattr(importlib.import_module(f"limner.cli.{verb}"), verb)
    for name in MODELS:
        verbs[f"train {name}"] = options_class(model_class(name))
    tyro.extras.subcommand_cli_from_dict(verbs, prog="limner", args=["--tyro-print-completion", shell])
