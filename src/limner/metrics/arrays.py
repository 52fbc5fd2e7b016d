"""Numpy arrays as arguments of the measures, which work on tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch

from limner.errors import LimnerError

P = ParamSpec("P")
R = TypeVar("R")


def accepts_arrays(measure: Callable[P, R]) -> Callable[P, R]:
    """A measure that takes a numpy array wherever it takes a tensor; what it returns is unchanged."""

    @wraps(measure)
    def convert(*args: P.args, **kwargs: P.kwargs) -> R:
        tensors: Any = [to_tensor(value) for value in args]
        named: Any = {name: to_tensor(value) for name, value in kwargs.items()}
        return measure(*tensors, **named)

    return convert


def to_tensor(value: Any) -> Any:
    """A numpy array as a tensor, integers other than uint8 as int64; any other value as it is.

    Raises LimnerError for an array that does not hold numbers.
    """
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind not in "biuf":
        raise LimnerError(f"a measure needs an array of numbers, not of {value.dtype}")
    dtype = value.dtype.newbyteorder("=")
    if dtype.kind in "iu" and dtype != np.uint8:
        dtype = np.dtype(np.int64)
    if dtype == np.longdouble:
        dtype = np.dtype(np.float64)
    # torch needs memory that it may write to, without negative strides
    array = np.ascontiguousarray(value, dtype)
    return torch.from_numpy(array if array.flags.writeable else array.copy()).reshape(value.shape)
