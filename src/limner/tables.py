"""Text in columns."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(lines: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Cells in columns as wide as their widest cell; the columns numbered in `right` align right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rows = [
        "  ".join(f"{cell:{'>' if i in right else '<'}{widths[i]}s}" for i, cell in enumerate(line))
        for line in lines
    ]
    return "\n".join(row.rstrip() for row in rows)
