"""The classes of a conditional model: their names, and the class that codes are decoded as."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from limner.errors import LimnerError, nearest
from limner.explore.abilities import describe_run
from limner.training import Run


@dataclass(frozen=True)
class DecodedClass:
    """The class that codes are decoded as: its `index`, the end of a title, and notes for the user.

    `index` is None where the decoder gets no class.
    """

    index: int | None = None
    title: str = ""
    notes: tuple[str, ...] = ()

    def repeat(self, n: int) -> Tensor | None:
        """The labels (n,) of n codes."""
        return None if self.index is None else torch.full((n,), self.index)


def is_conditional(run: Run) -> bool:
    """Whether the run's model was trained with labels."""
    return run.model.labels != "ignored" and run.model.classes is not None


def trained_classes(run: Run) -> Tensor | None:
    """The labels (K,) that a conditional model was trained with; None for other models."""
    if not is_conditional(run):
        return None
    labels = run.data.train.labels  # without a class that was left out
    return torch.arange(run.model.classes or 0) if labels is None else labels.unique()


def class_names(run: Run) -> list[str]:
    """The names of the classes that the run's model knows; LimnerError where it knows none."""
    if run.model.labels == "ignored" or run.model.classes is None:
        raise LimnerError(
            f"{describe_run(run)}: it was trained without labels, so it has no classes to choose from"
        )
    return run.class_names or [str(label) for label in range(run.model.classes)]


def class_index(run: Run, name: str) -> int:
    """The label of the class of that name; LimnerError where the model does not know it."""
    names = class_names(run)
    if name not in names:
        raise LimnerError(f"{run.name} knows no class '{name}': {nearest(name, names)}")
    return names.index(name)


def choose_class(run: Run, label: str | None) -> DecodedClass:
    """The class named `label`; without a name, the first class for a model whose decoder requires one.

    LimnerError for a class that the model does not know, and for any class where it ignores labels.
    """
    if label is not None:
        return DecodedClass(class_index(run, label), f"; class '{label}'")
    if run.model.labels != "required" or not is_conditional(run):
        return DecodedClass()
    name = class_names(run)[0]
    note = f"all images are decoded as class '{name}', the first one; label chooses another"
    return DecodedClass(0, f"; class '{name}'", (note,))
