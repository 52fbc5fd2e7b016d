"""Switches and settings parsed from text by the types of the options."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import pytest
import torch
from pydantic import model_validator
from torch import nn

from limner.errors import LimnerError
from limner.models.base import Model, Shape
from limner.recipes.switches import (
    TRAINING,
    as_text,
    parse_assignments,
    parse_settings,
    parse_switches,
    parse_text,
)
from limner.settings import PositiveInt
from limner.training import TrainConfig


class Many(Model):
    """A model with an option of every kind; it samples zeros."""

    class Options(Model.Options):
        flag: bool = False
        rate: float = 0.0
        count: int = 3
        two: Literal["one", "other"] = "one"
        three: Literal["a", "b", "c"] = "a"
        widths: tuple[PositiveInt, ...] = (8, 4)
        words: tuple[Literal["a", "b"], ...] = ()
        bound: float | None = None
        name: str = "plain"

        @model_validator(mode="after")
        def check(self) -> Self:
            if self.count >= 9 and self.flag:
                raise ValueError("count must be below 9 with flag")
            return self

    switches: ClassVar[dict[str, Any]] = {"rate": 0.1, "words": ("a",)}

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        self.weight = nn.Parameter(torch.zeros(1))

    def sample(self, n: int, y: torch.Tensor | None = None) -> torch.Tensor:
        return torch.zeros(n, *self.shape)


BASE: dict[str, Any] = {
    "flag": False, "rate": 0.0, "count": 3, "two": "one", "three": "a", "widths": (8, 4), "words": (),
    "bound": None, "name": "plain", "batch": 128, "clip": None, "ema_half_life": 10_000, "precision": "fp32",
    "warmup": 0, "lr_drops": (), "lr_drop": 0.1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name", "changed"),
    [
        ("flag", "flag=True", {"flag": True}),
        ("rate", "rate=0.1", {"rate": 0.1}),
        ("words", "words=a", {"words": ("a",)}),
        ("two", "two=other", {"two": "other"}),
        ("flag=true", "flag=True", {"flag": True}),
        ("rate=1e-3", "rate=0.001", {"rate": 0.001}),
        ("count=-2", "count=-2", {"count": -2}),
        ("three=c", "three=c", {"three": "c"}),
        ("widths=128x256", "widths=128x256", {"widths": (128, 256)}),
        ("widths=7", "widths=7", {"widths": (7,)}),
        ("words=b+a", "words=b+a", {"words": ("b", "a")}),
        ("bound=2", "bound=2.0", {"bound": 2.0}),
        ("name=a/b c", "name=a_b_c", {"name": "a/b c"}),
        ("clip=1", "clip=1.0", {"clip": 1.0}),
        ("batch=64", "batch=64", {"batch": 64}),
        ("precision", "precision=bf16", {"precision": "bf16"}),
        ("lr_drops=100x200", "lr_drops=100x200", {"lr_drops": (100, 200)}),
        ("warmup=50", "warmup=50", {"warmup": 50}),
    ],
)
def test_a_switch_is_parsed_by_its_type(text: str, name: str, changed: dict[str, Any]) -> None:
    assert parse_switches(Many, [text], BASE) == {name: changed}


def test_switches_come_as_text_list_or_mapping_and_go_by_what_base_has() -> None:
    expected = {"flag=True": {"flag": True}, "count=5": {"count": 5}}
    assert parse_switches(Many, "flag, count=5", BASE) == expected
    assert parse_switches(Many, {"flag": True, "count": 5}, BASE) == expected
    assert parse_switches(Many, ["flag", "two"], BASE | {"flag": True, "two": "other"}) == {
        "flag=False": {"flag": False},
        "two=one": {"two": "one"},
    }
    assert parse_text("bound", float | None, "None") is None
    assert parse_text("words", tuple[str, ...], "none") == ()
    assert parse_text("words", tuple[str, ...], "a+b") == ("a", "b")
    assert parse_assignments("count=5, widths=2x3") == {"count": "5", "widths": "2x3"}
    assert parse_assignments("") == {}
    assert parse_settings(Many, {"count": "5", "widths": (2, 3)}) == {"count": 5, "widths": (2, 3)}


@pytest.mark.parametrize("name", TRAINING)
def test_a_training_setting_is_written_as_it_is_parsed(name: str) -> None:
    values = {"batch": 7, "clip": 0.5, "ema_half_life": 3.0, "precision": "bf16", "warmup": 9}
    values |= {"lr_drops": (1, 2), "lr_drop": 0.25}
    annotation = TrainConfig.model_fields[name].annotation
    assert parse_text(name, annotation, as_text(values[name])) == values[name]


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ("flga", "Many has no option 'flga': did you mean 'flag'"),
        ("flga=1", "Many has no option 'flga': did you mean 'flag'"),
        ("count", r"count is 3; write what to try: count=VALUE$"),
        ("bound", r"bound is None; .*: bound=VALUE$"),
        ("three", "three is a; .*: three=VALUE, one of b, c$"),
        ("widths", "widths is 8x4; .*: widths=VALUE$"),
        ("two=on", "two cannot be 'on': did you mean 'one'"),
        ("flag=yes", "flag cannot be 'yes'"),
        ("count=1.5", "count must be a whole number, not '1.5'"),
        ("rate=low", "rate must be a number, not 'low'"),
        ("widths=128-256", "widths must be a whole number, not '128-256'"),
        ("words=a+c", "words cannot be 'c'"),
        ("count=3", "count=3 is what base has already"),
        ("widths=8x4", "widths=8x4 is what base has already"),
        ("precision=fp32", "precision=fp32 is what base has already"),
        ("flag,flag=true", "flag=True is named twice"),
        ("", "nothing to vary: name options of Many, flag, rate"),
    ],
)
def test_a_switch_that_is_refused(vary: str, said: str) -> None:
    with pytest.raises(LimnerError, match=said):
        parse_switches(Many, vary, BASE)


def test_settings_that_are_refused() -> None:
    with pytest.raises(LimnerError, match="'flag' sets nothing: write NAME=VALUE"):
        parse_assignments("count=3,flag")
    with pytest.raises(LimnerError, match="has no option 'seeds'"):
        parse_settings(Many, {"seeds": "3"})
    with pytest.raises(LimnerError, match="two cannot be 'none'"):
        parse_settings(Many, {"two": "none"})
