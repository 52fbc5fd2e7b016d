"""The words of a command line, parsed by tyro; every mistake in them is one line."""

from __future__ import annotations

import contextlib
import functools
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from limner.errors import LimnerError, nearest

T = TypeVar("T")
MOST_SEEDS = 10_000  # in a range


def call(function: Callable[..., Any], argv: Sequence[str], name: str = "") -> None:
    """Call a verb's function with the command line's words as its arguments; --quiet shows no progress.

    name: the verb, where it is not the function's name.
    """

    @functools.wraps(function)
    def postpone(*args: Any, **options: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, options

    verb = name or function.__name__.replace("_", "-")
    args, options = parse(postpone, argv, verb, config=(tyro.conf.FlagCreatePairsOff,))
    from limner.data import progress

    with progress.silent(options.get("quiet", False)):
        function(*args, **options)


def parse(
    target: Callable[..., T],
    argv: Sequence[str],
    verb: str,
    config: tuple[Any, ...] = (tyro.conf.OmitArgPrefixes,),
) -> T:
    """The result of `target`, a function or a dataclass, called with the words of the command line.

    Raises LimnerError for a mistake in the words, SystemExit after printing the help.
    """
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(target, args=list(argv), prog=f"limner {verb}", config=config)
    except SystemExit as end:
        if end.code:
            refuse_unknown_flags(help_text(target, verb, config), argv, verb)
            raise LimnerError(f"{explain(errors.getvalue())}; see limner {verb} --help") from None
        raise


def parse_seeds(text: str, flag: str = "--seed") -> list[int]:
    """The numbers in a text such as '3', '1-64' or '1,5,7-9', in order; LimnerError for another text."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,18})(?:-(\d{1,18}))?\s*", part)
        if match is None:
            raise LimnerError(f"{flag} must be whole numbers such as 3, 1-64 or 1,5,7-9, not '{text}'")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 <= last - first < MOST_SEEDS:
            raise LimnerError(f"{flag} {part.strip()} has no seeds, or more than {MOST_SEEDS:,}")
        seeds += range(first, last + 1)
    return seeds


def parse_images(text: str, flag: str) -> list[int | Path]:
    """Seeds as in `parse_seeds`, and image files, in order; LimnerError for what is neither."""
    images: list[int | Path] = []
    for part in text.split(","):
        file = Path(part.strip()).expanduser()
        if not file.is_file() and not re.fullmatch(r"[\d\s-]*", part):
            raise LimnerError(
                f"{flag} takes seeds such as 1,5,7-9 and image files; there is no file '{file}'"
            )
        images += [file] if file.is_file() else parse_seeds(part, flag)
    return images


def refuse_unknown_flags(help: str, argv: Sequence[str], verb: str) -> None:
    """Raise LimnerError for the first flag in `argv` that the help does not list."""
    flags = dict.fromkeys(re.findall(r"(?<![\w-])--?[a-z](?:[\w.-]*\w)?", help))
    for word in argv:
        flag = word.partition("=")[0]
        if re.match(r"--?[A-Za-z]", flag) and flag.replace("_", "-") not in flags:
            raise LimnerError(f"limner {verb} has no option {flag}: {nearest(flag, flags)}")


def help_text(
    target: Callable[..., Any], verb: str, config: tuple[Any, ...] = (tyro.conf.OmitArgPrefixes,)
) -> str:
    """The help that tyro prints for `target`."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        tyro.cli(target, args=["--help"], prog=f"limner {verb}", config=config)
    return output.getvalue()


def explain(box: str) -> str:
    """The mistake in the box that tyro prints, in the words that the settings use for theirs."""
    message = message_in(box)
    if match := re.match(r"invalid choice '(.*)' for argument '(\S+)'\. Expected one of \((.*)\)", message):
        value, flag, listed = match.groups()
        choices = [choice for choice in re.findall(r"'([^']*)'", listed) if choice != "None"]
        return f"{flag} cannot be '{value}': {nearest(value, choices)}"
    if match := re.match(r"Error parsing (\S+): .*?(int\b|float\b|INT\b|FLOAT\b).*?'([^']*)'", message):
        flag, kind, value = match.groups()
        noun = {"int": "a whole number", "float": "a number"}[kind.lower()]
        return f"{flag} must be {noun}, not '{value}'"
    return message


def message_in(box: str) -> str:
    """The text between the title of tyro's box and the rule under it."""
    lines = [line.strip("│╭╮╰╯ ") for line in box.splitlines()[1:]]
    rules = [i for i, line in enumerate(lines) if not line.strip("─-")]
    begin = 1 if 0 in rules else 0  # without box characters there is a rule under the title too
    end = next((i for i in rules if i > begin), len(lines))
    return " ".join(lines[begin:end]).rstrip(". ")
