"""Settings as typed classes: an option's type, default, bounds and help stand once, in its class.

The command line, run.json, the checks, `ablate` and the studio's forms (`model_json_schema`) are derived.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from limner.errors import LimnerError, nearest

PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]  # 0 to below 1: a dropout rate, Adam's beta

BOUND_ERRORS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "multiple_of")


class Settings(BaseModel):
    """Base of every class of settings: frozen, no unknown names, attribute docstrings are the help."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, validate_default=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def refuse_text(cls, value: Any, info: ValidationInfo) -> Any:
        """The value; an error for a text, which pydantic would convert, where only numbers are possible."""
        kinds = list(_leaves(cls.model_fields[str(info.field_name)].annotation))
        if isinstance(value, str | bytes) and set(kinds) <= {int, float, bool, NoneType}:
            raise PydanticCustomError(kinds[0].__name__, "a text")
        return value

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Settings with these values, defaults for the rest.

        Raises LimnerError, in one line, for an unknown name, a value out of bounds or a broken rule.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise LimnerError(explain(error.errors()[0], cls)) from None

    @classmethod
    def mistakes(cls, values: Mapping[str, Any]) -> dict[str, str]:
        """What `parse` would say of each setting that is wrong, by name; '' for a rule between settings."""
        try:
            cls.model_validate(dict(values))
        except ValidationError as error:
            return {str(item["loc"][0]) if item["loc"] else "": explain(item, cls) for item in error.errors()}
        return {}

    @classmethod
    def groups(cls) -> dict[type[Settings], list[str]]:
        """The names of the settings by the class that declares them, the most derived class first."""
        declared: dict[type[Settings], list[str]] = {}
        for name in cls.model_fields:
            owner = next(base for base in cls.__mro__ if name in vars(base).get("__annotations__", {}))
            declared.setdefault(owner, []).append(name)
        return {base: declared[base] for base in cls.__mro__ if base in declared}

    def json_values(self) -> dict[str, Any]:
        """The values as JSON holds them: tuples are lists."""
        return self.model_dump(mode="json")


def owner(cls: type[Settings]) -> str:
    """Whose settings these are, for messages: 'VAE' of VAE.Options, 'training' of TrainConfig."""
    return cls.__qualname__.rpartition(".")[0] or cls.__name__.removesuffix("Config").lower().replace(
        "train", "training"
    )


def explain(mistake: ErrorDetails, cls: type[Settings]) -> str:
    """A mistake that a validation finds in one line: the name, the rule or the nearest choice, the value."""
    kind, value = mistake["type"], mistake["input"]
    name = str(mistake["loc"][0]) if mistake["loc"] else ""
    if kind == "extra_forbidden":
        return f"{owner(cls)} has no option '{name}': {nearest(name, cls.model_fields)}"
    if kind == "literal_error":
        choices = [a or b for a, b in re.findall(r"'([^']*)'|(\d+)", mistake["ctx"]["expected"])]
        if str(value) in choices:
            return f"{name} must be a whole number, not {value!r}"
        return f"{name} cannot be '{value}': {nearest(str(value), choices)}"
    if kind == "tuple_type":
        return f"{name} must be a tuple of values, not {value!r}"
    if kind == "too_short":
        return f"{name} needs at least {mistake['ctx']['min_length']} value, not {value!r}"
    if kind in ("value_error", "assertion_error"):
        return mistake["msg"].partition(", ")[2]
    if kind in BOUND_ERRORS:
        return f"{name} must be {rule(cls.model_fields[name])}, not {number(value)}"
    nouns = {
        "int": "a whole number",
        "float": "a number",
        "finite": "a finite number",
        "bool": "true or false",
    }
    for prefix, noun in nouns.items():
        if kind.startswith(prefix):
            return f"{name} must be {noun}, not {value!r}"
    return f"{name}: {mistake['msg'][0].lower()}{mistake['msg'][1:]}, not {value!r}"


def number(value: Any) -> str:
    """A number as a person writes it: 0.5, 1e-05, 3."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def rule(field: FieldInfo) -> str:
    """The bounds of a setting in words: 'at least 1', 'from 0 to below 0.5'; '' where there are none."""
    low, high, multiple = "", "", ""
    for bound in _bounds([field.annotation, *field.metadata]):
        match bound:
            case Ge(ge):
                low = f"at least {number(ge)}"
            case Gt(gt):
                low = f"above {number(gt)}"
            case Le(le):
                high = f"at most {number(le)}"
            case Lt(lt):
                high = f"below {number(lt)}"
            case MultipleOf(multiple_of):
                multiple = f"a multiple of {number(multiple_of)}"
    if low.startswith("at least") and high:
        return f"from {low.removeprefix('at least ')} to {high.removeprefix('at most ')}"
    return " and ".join(part for part in (multiple, low, high) if part)


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of; of a tuple or a Literal itself."""
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        yield from _leaves(parts[0])
    elif get_origin(annotation) in (Union, UnionType):
        for part in parts:
            yield from _leaves(part)
    else:
        yield annotation


def _bounds(parts: list[Any]) -> Iterator[Any]:
    """The bounds anywhere in an annotation."""
    for part in parts:
        if isinstance(part, Ge | Gt | Le | Lt | MultipleOf):
            yield part
        elif isinstance(part, FieldInfo):
            yield from _bounds(part.metadata)
        else:
            yield from _bounds(list(get_args(part)))
