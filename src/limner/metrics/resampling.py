"""The standard error of a measure that is not a mean over images (Efron 1979, the bootstrap).

Estimator: the measure is computed again on as many rows of each array, drawn with replacement and
independently for each array; the standard deviation of the results is the standard error.  Only the
deviation is used: a resampled set has copies, so the mean of a Frechet distance or of an unbiased kernel
distance is too high.  Precision, recall, density and coverage count neighbours, and a copy is the nearest
neighbour: get their error from several seeds by `standard_error`.  Others differ: percentile intervals of
the same results, which that bias would shift.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays


@accepts_arrays
def bootstrap(measure: Callable[..., float], *arrays: Tensor, times: int = 200, seed: int = 0) -> float:
    """The standard error of measure(*arrays), each array (n, ...) resampled along its first axis."""
    if times < 2 or not arrays or min(len(array) for array in arrays) == 0:
        raise LimnerError(
            f"a bootstrap needs 2 times or more and arrays that are not empty, not {times} times "
            f"and arrays of {[len(array) for array in arrays]}"
        )
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(times):
        rows = [torch.randint(len(array), (len(array),), generator=generator) for array in arrays]
        values.append(measure(*(array[some] for array, some in zip(arrays, rows, strict=True))))
    return float(torch.tensor(values, dtype=torch.float64).std())


@accepts_arrays
def standard_error(values: Tensor | Sequence[float]) -> float:
    """The standard error of the mean of independent values (n,), n from 2."""
    values = torch.as_tensor(values, dtype=torch.float64)
    if values.ndim != 1 or len(values) < 2:
        raise LimnerError(f"a standard error needs two values or more, not {values.numel()}")
    return float(values.std() / len(values) ** 0.5)
