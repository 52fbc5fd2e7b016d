"""limner models"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from limner.cli.arguments import Json, Markdown
from limner.cli.parsing import call

if TYPE_CHECKING:
    from limner.models.base import Model

SHAPE = (1, 28, 28)  # of the network whose priors are listed
HEADS = ("model", "what it is", "can", "draws codes from", "labels", "presets")


class Description(NamedTuple):
    """What the table MODELS and the model's class say of a model."""

    summary: str
    abilities: list[str]
    priors: list[str]
    labels: str
    presets: list[str]

    def json(self) -> dict[str, Any]:
        """What `limner models --json` prints of the model."""
        return {
            "is": self.summary,
            "can": self.abilities,
            "presets": self.presets,
            "priors": self.priors,
            "labels": self.labels,
        }


def main(argv: Sequence[str]) -> None:
    call(models, argv)


def models(
    *,
    json: Json = False,
    markdown: Markdown = False,
) -> None:
    """List the models: what each is, what it can do, its presets."""
    from limner.models import MODELS, model_class

    table = {name: describe(model_class(name)) for name in MODELS}
    if json:
        print(jsons.dumps({name: row.json() for name, row in table.items()}, indent=2))
    elif markdown:
        print(markdown_table(table))
    else:
        for name, row in table.items():
            print(f"{name:18s}{row.summary}")
            print(f"{'':18s}can: {', '.join(row.abilities)}    presets: {', '.join(row.presets) or 'none'}")


def describe(cls: type[Model]) -> Description:
    """What a model's class declares; its priors are those of a small network."""
    from limner.models import model_options
    from limner.models.abilities import abilities

    network = cls(SHAPE, model_options(cls, None, cls.tiny))
    priors = list(network.latent.priors) if network.latents else []
    summary = (cls.__doc__ or "").partition("\n")[0]
    return Description(summary, abilities(cls), priors, cls.labels, list(cls.presets))


def markdown_table(table: dict[str, Description]) -> str:
    """The models as a Markdown table, a row each."""
    rows = [HEADS, ("---",) * len(HEADS), *(markdown_cells(name, row) for name, row in table.items())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def markdown_cells(name: str, row: Description) -> tuple[str, ...]:
    """The cells of a model's row."""
    return (
        f"`{name}`",
        row.summary.rstrip("."),
        ", ".join(row.abilities).replace("_", "-"),
        ", ".join(row.priors),
        "" if row.labels == "ignored" else row.labels,
        ", ".join(f"`{preset}`" for preset in row.presets),
    )
