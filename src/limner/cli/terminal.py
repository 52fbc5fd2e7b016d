"""Output for terminals that lack characters or columns."""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
import unicodedata

LEAST_COLUMNS = 40  # the parser's help does not end in much fewer

# what the commands print that ASCII lacks and that has no decomposition
REPLACEMENTS = {
    "±": "+-", "×": "x", "→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "‖": "||", "·": "*", "≥": ">=",
    "≤": "<=", "│": "|", "─": "-", "├": "|", "└": "`", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "━": "-",
    "╸": "-", "╺": "-",
}  # fmt: skip


def degrade(error: UnicodeError) -> tuple[str, int]:
    """Replace the characters that the encoding lacks: é becomes e, ± becomes +-, and others a ?."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(map(in_ascii, characters)), error.end


def in_ascii(character: str) -> str:
    """The ASCII text nearest to a character."""
    decomposed = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return REPLACEMENTS.get(character) or decomposed or "?"


def prepare_terminal() -> None:
    """Replace what the output cannot encode, instead of failing, and lay text out in 40 columns or more.

    It changes this process: call it once, at its start.
    """
    codecs.register_error("limner.degrade", degrade)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="limner.degrade")
    if shutil.get_terminal_size().columns < LEAST_COLUMNS:
        os.environ["COLUMNS"] = str(LEAST_COLUMNS)
