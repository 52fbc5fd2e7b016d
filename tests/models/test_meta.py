"""Every model's step on torch's meta device: it mixes no devices and reads no value back from the device.

A new model is tested by being in the table: every value of its options that are choices, the values that
`ablate` tries, its presets.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from limner.errors import LimnerError
from limner.models import MODELS, model_class, model_options
from limner.models.base import Batch, Model
from limner.settings import Settings

SHAPES = {"images": (1, 16, 16), "domains": (1, 24, 24)}  # the paper's discriminators of patches need 24
META = torch.device("meta")


def choices_of(annotation: Any) -> list[Any]:
    """The values of a Literal or a bool, and None if it is optional; of a tuple, one value at a time."""
    parts = get_args(annotation)
    if annotation is bool:
        return [False, True]
    if get_origin(annotation) is Literal:
        return list(parts)
    if get_origin(annotation) is tuple:
        return [(value,) for value in choices_of(parts[0])]
    if NoneType in parts:
        values = choices_of(next(part for part in parts if part is not NoneType))
        return [None, *values] if values else []
    return []


def option_choices(cls: type[Model]) -> dict[str, list[Any]]:
    """Every value of each option that is a choice among a few."""
    choices = {name: choices_of(field.annotation) for name, field in cls.Options.model_fields.items()}
    return {name: values for name, values in choices.items() if values}


def is_valid(cls: type[Model], values: Mapping[str, Any]) -> bool:
    """Whether the model takes these options together."""
    try:
        model_options(cls, None, values)
    except LimnerError:
        return False
    return True


def changes(cls: type[Model], value: Mapping[str, Any]) -> bool:
    """Whether the small model does not have this value already."""
    small = model_options(cls, None, cls.tiny).model_dump()
    return any(small[option] != choice for option, choice in value.items())


def with_needed(cls: type[Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """These values, and values of up to two other options where rules across options need them."""
    choices = [(name, every) for name, every in option_choices(cls).items() if name not in values]
    others = [(name, value) for name, every in choices for value in every]
    for count in range(3):
        for more in itertools.combinations(others, count):
            candidate = {**cls.tiny, **values, **dict(more)}
            if is_valid(cls, candidate):
                return candidate
    raise AssertionError(f"no other options of {cls.__name__} make {dict(values)} valid")


def combine(cls: type[Model], values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each of these values once, up to six of different options together where the model takes them."""
    together: list[dict[str, Any]] = []
    for value in values:
        for others in together:
            if (
                len(others) < 6
                and not set(others) & set(value)
                and is_valid(cls, {**cls.tiny, **others, **value})
            ):
                others.update(value)
                break
        else:
            together.append(dict(value))
    return together


def cases() -> list[Any]:
    """A model's name and options: each value of each option, without two equal configurations."""
    configurations: dict[tuple[str, Settings], Any] = {}
    for name in MODELS:
        cls = model_class(name)
        values = [{option: value} for option, every in option_choices(cls).items() for value in every]
        values += [{option: value} for option, value in cls.switches.items()]
        for value in ({}, *combine(cls, [value for value in values if changes(cls, value)])):
            options = model_options(cls, None, with_needed(cls, value))
            case = pytest.param(name, options, id=f"{name} {value or 'default'}")
            configurations.setdefault((name, options), case)
        for preset in cls.presets:
            options = model_options(cls, preset, {})
            configurations.setdefault((name, options), pytest.param(name, options, id=f"{name} {preset}"))
    return list(configurations.values())


class MetaUpdate:
    """An update that steps its optimiser and reads nothing back."""

    def __init__(self, model: Model) -> None:
        self.model, self.optimizers = model, model.optimizers()
        self.iteration, self.images_seen, self.progress = 0, 0, 0.0
        self.names: list[str] = []

    def __call__(self, name: str, loss: Tensor, **terms: Tensor) -> None:
        for scalar in (loss, *terms.values()):
            assert (scalar.shape, scalar.device) == ((), META)
        optimizer = self.optimizers[name]
        for group in optimizer.param_groups:
            group.update(self.model.schedule(name, self))
        optimizer.zero_grad()
        sum(terms.values(), loss).backward(inputs=weights(optimizer))
        optimizer.step()
        self.names.append(name)


def weights(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]


def batches(cls: type[Model], n: int = 4) -> Iterator[Batch]:
    """Batches, of images or of two domains, that have a shape and a type but no values."""
    shape = SHAPES[cls.trains_on]
    while True:
        x, labels = torch.empty(n, *shape, device=META), torch.empty(n, dtype=torch.int64, device=META)
        yield x, labels if cls.trains_on == "images" else torch.empty_like(x)


@pytest.mark.parametrize(("name", "options"), cases())
def test_a_step_stays_on_its_device_and_reads_nothing_back(name: str, options: Settings) -> None:
    cls = model_class(name)
    model = cls(SHAPES[cls.trains_on], options).to(META).train()
    update = MetaUpdate(model)
    logs = model.step(batches(cls), update)
    assert all((value.shape, value.device) == ((), META) for value in logs.values())
    assert set(update.names) == set(update.optimizers)
    assert all(p.device == META for p in itertools.chain(model.parameters(), model.buffers()))


def test_reading_a_value_on_the_meta_device_raises() -> None:
    scalar = torch.zeros((), device=META)
    for read in (Tensor.item, bool, float, Tensor.tolist):
        with pytest.raises(RuntimeError):
            read(scalar)


def test_every_value_of_every_option_is_in_a_case() -> None:
    tried = {(case.values[0], *pair) for case in cases() for pair in case.values[1].model_dump().items()}
    for name in MODELS:
        cls = model_class(name)
        for option, values in option_choices(cls).items():
            assert {(name, option, value) for value in values} <= tried


def test_a_rule_across_options_brings_the_other_option() -> None:
    assert with_needed(model_class("gan"), {"networks": "maxout"})["inputs"] == "unit"
    assert "inputs" not in with_needed(model_class("gan"), {"networks": "leaky"})
