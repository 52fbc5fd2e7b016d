"""Settings: every mistake is one line with the name, the rule and the value; JSON and groups."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import Field, model_validator

from limner.errors import LimnerError
from limner.settings import Fraction, NonNegative, Positive, PositiveInt, Settings


class Base(Settings):
    """What is shared"""

    rate: Positive = 0.1
    """how fast"""


class Network:
    class Options(Base):
        """What is its own"""

        size: PositiveInt = 3
        """how large"""
        widths: tuple[PositiveInt, ...] = (4, 5)
        """of the layers"""
        kind: Literal["conv", "mlp"] = "mlp"
        """of the layers"""
        kernel: Literal[4, 5] = 4
        """of convolutions"""
        even: Annotated[int, Field(ge=2, multiple_of=2)] = 2
        """an even number"""
        share: Fraction = 0.0
        """left out"""
        weight: NonNegative | None = None
        """or none"""
        part: Annotated[float, Field(gt=0, le=1)] = 1.0
        """of it"""
        on: bool = False
        """a switch"""

        @model_validator(mode="after")
        def check(self) -> Self:
            if self.on and self.kind == "conv":
                raise ValueError("on goes with kind mlp only")
            return self


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "size must be at least 1, not 0"),
        ({"size": 2.5}, "size must be a whole number, not 2.5"),
        ({"size": "many"}, "size must be a whole number, not 'many'"),
        ({"size": "2"}, "size must be a whole number, not '2'"),
        ({"weight": "0.5"}, "weight must be a number, not '0.5'"),
        ({"on": "yes"}, "on must be true or false, not 'yes'"),
        ({"rate": 0}, "rate must be above 0, not 0"),
        ({"rate": float("nan")}, "rate must be"),
        ({"share": 1.0}, "share must be from 0 to below 1, not 1"),
        ({"part": 3.0}, "part must be above 0 and at most 1, not 3"),
        ({"weight": -0.5}, "weight must be at least 0, not -0.5"),
        ({"widths": (4, 0)}, "widths must be at least 1, not 0"),
        ({"widths": 4}, "widths must be a tuple of values, not 4"),
        ({"even": 3}, "even must be a multiple of 2 and at least 2, not 3"),
        ({"kind": "cnov"}, "kind cannot be 'cnov': did you mean 'conv'?"),
        ({"kernel": 3}, "kernel cannot be '3': choose from: 4, 5"),
        ({"kernel": "4"}, "kernel must be a whole number, not '4'"),
        ({"on": "perhaps"}, "on must be true or false, not 'perhaps'"),
        ({"sizes": 3}, "Network has no option 'sizes': did you mean 'size'?"),
        ({"on": True, "kind": "conv"}, "on goes with kind mlp only"),
    ],
)
def test_a_mistake_is_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(LimnerError) as error:
        Network.Options.parse(values)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_json_goes_round_and_nothing_can_be_changed() -> None:
    options = Network.Options.parse({"widths": (7,), "weight": 2})
    assert Network.Options.parse(json.loads(json.dumps(options.json_values()))) == options
    with pytest.raises(ValueError, match="frozen"):
        options.size = 4
    schema = Network.Options.model_json_schema()["properties"]
    assert schema["size"] == {
        "default": 3, "description": "how large", "minimum": 1, "title": "Size", "type": "integer",
    }  # fmt: skip
    assert schema["kind"]["enum"] == ["conv", "mlp"]


def test_groups_are_by_the_class_that_declares_an_option() -> None:
    groups = Network.Options.groups()
    assert list(groups) == [Network.Options, Base]
    assert groups[Base] == ["rate"]
    assert "size" in groups[Network.Options]
