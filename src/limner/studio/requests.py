"""What a request says: names, numbers, settings, bodies; LimnerError for anything else."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from starlette.requests import Request

from limner.errors import LimnerError
from limner.settings import Settings

LARGEST_REQUEST = 10_000  # bytes of a request that is no image
T = TypeVar("T", bound=Settings)


class TooLarge(LimnerError):
    """A request has more bytes than the studio reads."""


def name(request: Request) -> str:
    """The name of the run that a request is about."""
    return str(request.path_params["run"])


def number(request: Request, key: str) -> int:
    """A whole number of the query."""
    text = request.query_params.get(key, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise LimnerError(f"{key} must be a whole number, not '{text[:40]}'")
    return int(text)


def parameter(request: Request, key: str, kind: type[T]) -> T:
    """Settings in a query, as JSON."""
    return parse(kind, load(request.query_params.get(key, "{}"), dict))


def parse(kind: type[T], values: Any) -> T:
    """Settings of plain values."""
    if not isinstance(values, dict):
        raise LimnerError(f"{kind.__name__.lower()} must be an object")
    return kind.parse(values)


def load(text: str | bytes, kind: type) -> Any:
    """JSON of one kind."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise LimnerError("the request is not JSON") from None
    if not isinstance(content, kind):
        raise LimnerError(f"the request must be a {kind.__name__}")
    return content


async def read_body(request: Request, largest: int) -> bytes:
    """The body of a request; TooLarge as soon as it has more bytes."""
    parts: list[bytes] = []
    total = 0
    async for part in request.stream():
        total += len(part)
        if total > largest:
            raise TooLarge(f"more than {largest / 1e6:g} MB: the studio does not read it")
        parts.append(part)
    return b"".join(parts)


async def read_json(request: Request) -> dict[str, Any]:
    """The object in the body of a request."""
    content: dict[str, Any] = load(await read_body(request, LARGEST_REQUEST), dict)
    return content
