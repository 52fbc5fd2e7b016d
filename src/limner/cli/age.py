"""limner age: `limner edit` for faces, whose labels are ages."""

from __future__ import annotations

from collections.abc import Sequence

from limner.cli.edit import edit as age
from limner.cli.parsing import call


def main(argv: Sequence[str]) -> None:
    call(age, argv, "age")
