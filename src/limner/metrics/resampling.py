"""How far a number measured on some images can be trusted (Efron 1979, the bootstrap).

Estimator: the measure is taken again on as many rows of each array, drawn with replacement, every array on
its own; the standard deviation of the results stands for the standard error.  Only the deviation is used:
a resampled set has copies, so a Frechet distance or an unbiased kernel distance of such sets is too high in
the mean.  Precision, recall, density and coverage count neighbours, which copies displace: their error is
better had from several seeds and `standard_error`.  Others differ: percentile intervals of the same
results, which that bias would shift.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from limner.errors import LimnerError


def bootstrap(measure: Callable[..., float], *arrays: Tensor, times: int = 200, seed: int = 0) -> float:
    """The standard error of measure(*arrays), each array (n, ...) resampled along its first axis."""
    if times < 2 or not arrays or min(len(array) for array in arrays) == 0:
        raise LimnerError("a bootstrap takes two times or more and arrays that are not empty")
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(times):
        drawn = [torch.randint(len(array), (len(array),), generator=generator) for array in arrays]
        values.append(measure(*(array[rows] for array, rows in zip(arrays, drawn, strict=True))))
    return float(torch.tensor(values, dtype=torch.float64).std())


def standard_error(values: Tensor | Sequence[float]) -> float:
    """Of the mean of independent values (n,), n from 2: their deviation (n - 1) over the root of n."""
    found = torch.as_tensor(values, dtype=torch.float64)
    if found.ndim != 1 or len(found) < 2:
        raise LimnerError(f"a standard error needs two values or more, not {found.numel()}")
    return float(found.std() / len(found) ** 0.5)
