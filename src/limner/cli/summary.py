"""limner summary"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, cast

import tyro

from limner.cli import call
from limner.errors import LimnerError


def main(argv: Sequence[str]) -> None:
    call(summary, argv)


def summary(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL", help="a model or a run")],
    /,
    *,
    size: Annotated[tuple[int, ...], tyro.conf.arg(help="image height and width, or one number for both")] = (
        28,
    ),
    channels: Annotated[int, tyro.conf.arg(help="1 for grey, 3 for colour")] = 1,
    preset: Annotated[
        str | None, tyro.conf.arg(metavar="NAME", help="the model's options to start from")
    ] = None,
) -> None:
    """Print a model layer by layer: output shapes, parameters, mult-adds of one image."""
    import torchinfo

    from limner.models import create
    from limner.models.base import Encodes
    from limner.training.run import Run, find

    if len(size) not in (1, 2) or channels not in (1, 3) or not all(16 <= side <= 128 for side in size):
        raise LimnerError("give --size H W, each from 16 to 128, and --channels 1 or 3")
    path = find(model)
    shape = (channels, size[0], size[-1])
    built = Run(path).new_model() if path else create(model, shape, preset=preset)
    inputs: tuple[int, ...] = (
        (1, *built.shape) if isinstance(built, Encodes) else (1, cast(int, built.latent_dim))
    )
    columns = ("output_size", "num_params", "mult_adds")
    table = torchinfo.summary(built, inputs, verbose=0, device="cpu", col_names=columns)
    print(str(table).replace("Units.MEGABYTES", "M"))
    counted = lecture_mult_adds(table) / 1e6
    print(
        f"Mult-adds as the lecture's tool counts them: {counted:.2f} M "
        "(every weight once more than it is used)"
    )


def lecture_mult_adds(table: Any) -> int:
    """Mult-adds as torch-summary counted them: weights without biases, each once more than it is used.

    This is what makes the lecture's 0.43 M and 3.64 M; one image takes 0.22 M and 3.59 M.
    """
    total = 0
    for layer in table.summary_list:
        weight = getattr(layer.module, "weight", None)
        if layer.is_leaf_layer and weight is not None:
            total += weight.numel() * (1 + math.prod(layer.output_size[2:]))
    return total
