"""What a trained network may hold: numbers that are finite and not absurd, in the shapes of its model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

LARGEST = 1e8  # magnitude of a weight, a buffer or an average; a product of a few such numbers is infinite
LARGEST_GROWTH = 1e8  # of a loss, over its first value


def are_usable(tensors: Iterable[Tensor], largest: float = LARGEST) -> bool:
    """Whether every floating-point number of the tensors is finite and at most `largest` in magnitude."""
    floats = [t.detach() for t in tensors if t.is_floating_point() and t.numel()]
    if not floats:
        return True
    norms = torch.stack([norm.float() for norm in torch._foreach_norm(floats, inf)])
    return bool((norms.isfinite() & (norms <= largest)).all())  # False for nan


def check_same_shapes(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless both have the same names, and tensors of the same shapes."""
    wrong = sorted(set(tensors) ^ set(expected))
    wrong += [name for name in expected if name not in wrong and tensors[name].shape != expected[name].shape]
    if wrong:
        raise ValueError(f"its tensor '{wrong[0]}' does not fit the model")


def restore_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Restore the moments of an optimiser; its settings stay, for they follow from the model's options.

    Raises ValueError where the moments do not fit the weights; torch would find out in its next step.
    """
    settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    adam = {"step", "exp_avg", "exp_avg_sq"} if isinstance(optimizer, Adam) else set()
    needed = adam or set(next(iter(optimizer.state.values()), {}))
    optimizer.load_state_dict(state)
    for group, values in zip(optimizer.param_groups, settings, strict=True):
        group.update(values)
    for weight, moments in optimizer.state.items():
        wrong = [name for name in needed if not isinstance(moments.get(name), Tensor)]
        tensors = {name: value for name, value in moments.items() if isinstance(value, Tensor)}
        wrong += [name for name, value in tensors.items() if value.shape not in ((), weight.shape)]
        if wrong:
            raise ValueError(f"the optimiser's '{wrong[0]}' does not fit the model")
