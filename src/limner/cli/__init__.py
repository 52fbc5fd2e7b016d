"""The command line: one small file per verb, none with logic of its own."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from limner.errors import LimnerError, nearest

# verb -> what it does; its function is limner.cli.VERB:VERB
VERBS: dict[str, dict[str, str]] = {
    "Start": {
        "demo": "train the lecture's four labs on handwritten digits and write one page",
        "problems": "what goes wrong in a GAN, made to happen and remedied, on one page",
        "models": "list the models and what each can do",
        "data": "list the named data sets, or describe any data",
        "summary": "print a model layer by layer",
    },
    "Train": {"train": "train a model, or go on with a run", "runs": "list the runs in ./runs"},
    "Look": {
        "sample": "new images",
        "reconstruct": "images beside what the model makes of them",
        "interpolate": "from one image to another",
        "traverse": "one latent variable at a time",
        "manifold": "images over two latent dimensions",
        "map": "all codes in two dimensions",
    },
    "Use": {
        "embed": "codes of images, to .npz or .csv",
        "similar": "the images most like one, by code and by pixels",
        "anomalies": "the images least like the training data",
    },
    "Check": {
        "evaluate": "measure all that a run's model can do",
        "doctor": "what goes wrong in a run, why, and what to change",
        "compare": "runs side by side: settings, measures, pictures, curves",
        "ablate": "switch options one at a time and measure the effect of each",
        "reproduce": "re-run a named experiment against its target",
    },
    "Shell": {"completion": "print a completion script for bash, zsh or tcsh"},
}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: run the verb that argv names and leave with its exit code."""
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(argv: list[str]) -> int:
    """Run a command; 0 when done, 2 for a mistake of the user's (told in one line), 130 when interrupted."""
    try:
        return dispatch(argv)
    except LimnerError as error:
        return fail(str(error))
    except BrokenPipeError:  # whoever read our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return fail(f"{where}{error.strerror or error}")
    except KeyboardInterrupt:
        goes_on = {"train": "--resume goes on"} | dict.fromkeys(
            ("ablate", "problems", "reproduce"), "the same command goes on"
        )
        saved = f"; what was trained is saved, {goes_on[argv[0]]}" if argv[:1] and argv[0] in goes_on else ""
        print(f"limner: stopped{saved}", file=sys.stderr)
        return 130


def fail(message: str) -> int:
    """Say what went wrong in one line."""
    print(f"limner: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def dispatch(argv: list[str]) -> int:
    """Find the verb and call it with the rest of the line."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"limner {version('limner')}")
        return 0
    known = [verb for group in VERBS.values() for verb in group]
    if argv[0] not in known:
        raise LimnerError(f"no command called '{argv[0]}': {nearest(argv[0], known)}")
    module = importlib.import_module(f"limner.cli.{argv[0]}")
    module.main(argv[1:])
    return 0


def overview() -> str:
    """What `limner` says of itself."""
    lines = ["usage: limner VERB ...", "", "Generative models of images: train, look, measure.", ""]
    for group, verbs in VERBS.items():
        lines += [group] + [f"  {verb:13s}{what}" for verb, what in verbs.items()] + [""]
    lines += ["limner VERB --help tells the verb's options; limner --version the version.", ""]
    lines += ["First: limner demo      Then: limner train vae --data mnist --latent-dim 2"]
    return "\n".join(lines)


def call(function: Callable[..., Any], argv: Sequence[str]) -> Any:
    """Call `function` with the command line's words as its arguments; a mistake in them is a LimnerError."""

    @functools.wraps(function)
    def later(*args: Any, **options: Any) -> Callable[[], Any]:
        return lambda: function(*args, **options)

    return parse(later, argv, function.__name__.replace("_", "-"))()


def parse(target: Callable[..., Any], argv: Sequence[str], verb: str) -> Any:
    """What tyro makes of the command line for `target`, a function or a dataclass."""
    import tyro

    settings: dict[str, Any] = {"prog": f"limner {verb}", "config": (tyro.conf.FlagCreatePairsOff,)}
    flags = re.findall(r"(?<![\w-])--?[a-z][\w-]*", help_of(target, settings))
    for word in argv:
        flag = word.partition("=")[0]
        if re.match(r"--?[A-Za-z]", flag) and flag.replace("_", "-") not in flags:
            raise LimnerError(f"limner {verb} has no option {flag}: {nearest(flag, dict.fromkeys(flags))}")
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(target, args=list(argv), **settings)
    except SystemExit as end:
        if end.code:
            raise LimnerError(f"{one_line(told.getvalue())}; limner {verb} --help tells more") from None
        raise


def help_of(target: Callable[..., Any], settings: dict[str, Any]) -> str:
    """The help that tyro would print."""
    import tyro

    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
        tyro.cli(target, args=["--help"], **settings)
    return told.getvalue()


def one_line(box: str) -> str:
    """The message in the box that tyro draws around a mistake: title, message, rule, further help."""
    inside = [line.strip("│╭╮╰╯ ") for line in box.splitlines()[1:]]
    rules = [i for i, line in enumerate(inside) if not line.strip("─-")]
    begin = 1 if 0 in rules else 0  # without box characters there is a rule under the title too
    end = next((i for i in rules if i > begin), len(inside))
    return " ".join(inside[begin:end]).rstrip(". ")


def wrote(path: os.PathLike[str] | str, quiet: bool = False) -> None:
    """End a verb: say what was written and where."""
    if not quiet:
        print(f"wrote {path}")
