"""limner summary"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import tyro

from limner.cli.arguments import Channels, Preset, Sides
from limner.cli.parsing import call
from limner.errors import LimnerError

if TYPE_CHECKING:
    from torchinfo import ModelStatistics

    from limner.models.base import Model


def main(argv: Sequence[str]) -> None:
    call(summary, argv)


def summary(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL", help="a model or a run")],
    /,
    *,
    size: Sides = (28,),
    channels: Channels = 1,
    preset: Preset = None,
) -> None:
    """Print the layers of a model: output shapes, parameters, mult-adds of one image."""
    from limner.models import create
    from limner.training.run import Run, find_run

    if len(size) not in (1, 2) or channels not in (1, 3) or not all(16 <= side <= 256 for side in size):
        raise LimnerError("give --size H W, each from 16 to 256, and --channels 1 or 3")
    path = find_run(model)
    shape = (channels, size[0], size[-1])
    table = layer_table(Run(path).new_model() if path else create(model, shape, preset=preset))
    print(str(table).replace("Units.MEGABYTES", "M"))
    count = lecture_mult_adds(table) / 1e6
    print(
        f"Mult-adds as the lecture's tool counts them: {count:.2f} M "
        "(each weight counts once more than it is used)"
    )


def layer_table(model: Model) -> ModelStatistics:
    """The layers that one image passes through; LimnerError where the model cannot process a single image."""
    import torchinfo

    columns = ("output_size", "num_params", "mult_adds")
    try:
        return torchinfo.summary(model, (1, *model.shape), verbose=0, device="cpu", col_names=columns)
    except RuntimeError as error:  # torchinfo wraps what forward raises
        if isinstance(error.__cause__, LimnerError):
            raise error.__cause__ from None
        raise


def lecture_mult_adds(table: ModelStatistics) -> int:
    """Mult-adds as torch-summary counted them: weights without biases, each once more than it is used.

    This is the source of the lecture's 0.43 M and 3.64 M; one image takes 0.22 M and 3.59 M.
    """
    total = 0
    for layer in table.summary_list:
        weight = getattr(layer.module, "weight", None)
        if layer.is_leaf_layer and weight is not None:
            total += weight.numel() * (1 + math.prod(layer.output_size[2:]))
    return total
