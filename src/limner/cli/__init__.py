"""The command line: one small file per verb, none with logic of its own."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from limner.cli.terminal import prepare_terminal
from limner.errors import LimnerError, is_out_of_memory, nearest

# verb -> what it does; its function is limner.cli.VERB:VERB
VERBS: dict[str, dict[str, str]] = {
    "Start": {
        "demo": "train the lecture's four labs on handwritten digits and write one page",
        "problems": "provoke and remedy the problems of GAN training, and write one page",
        "models": "list the models and what each can do",
        "data": "list the named data sets, or describe a data set",
        "summary": "print the layers of a model",
    },
    "Train": {"train": "train a model, or resume a run", "runs": "list the runs in ./runs"},
    "Look": {
        "sample": "draw new images",
        "reconstruct": "show images beside their reconstructions",
        "interpolate": "show the images between two images",
        "traverse": "vary one latent variable at a time",
        "manifold": "show the images over two latent variables",
        "map": "plot all codes in two dimensions",
        "mix": "show images with the coarse styles of one and the fine styles of another",
        "noise": "show what only noise changes",
        "directions": "show the directions of the code that change images most",
        "timeline": "show the same images over training",
        "studio": "look at runs in the browser, on this machine alone",
    },
    "Use": {
        "embed": "write the codes of images to .npz or .csv",
        "similar": "find the images most like an image, by code and by pixels",
        "anomalies": "find the images least like the training data",
        "invert": "find the codes of images without an encoder, and show what the decoder lacks",
        "translate": "turn images of one domain into images of another",
        "edit": "show images with other labels: a handwriting in every digit",
        "age": "show faces at every age",
    },
    "Check": {
        "evaluate": "measure everything that a run's model can do",
        "doctor": "diagnose a run: problems, causes and what to change",
        "compare": "compare runs: settings, measures, pictures, curves",
        "ablate": "change options one at a time and measure the effect of each",
        "reproduce": "repeat a named experiment and compare it with its target",
    },
    "Shell": {"completion": "print a completion script for bash, zsh or tcsh"},
}
CONTINUED_BY = {  # verbs that train, and what continues after an interrupt
    "train": "--resume continues",
    "ablate": "the same command continues",
    "problems": "the same command continues",
    "reproduce": "the same command continues",
}

NO_HOME = "Could not determine home directory."  # what pathlib says of ~name for a user that is not there


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: run the verb in argv and exit with its exit code."""
    prepare_terminal()
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(argv: list[str]) -> int:
    """Run a command; the exit code: 0, 2 after a mistake of the user's, or 130 when interrupted."""
    try:
        dispatch(argv)
    except LimnerError as error:
        return fail(str(error))
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (MemoryError, RuntimeError, TypeError) as error:
        if str(error) == NO_HOME:
            return fail("a path begins with ~ and the name of no user here: write it in full")
        if not is_out_of_memory(error):
            raise
        return fail("this needs more memory than there is: ask for fewer images, or for smaller networks")
    except OSError as error:
        path = f"{error.filename}: " if error.filename else ""
        return fail(f"{path}{error.strerror or error}")
    except KeyboardInterrupt as interrupt:
        verb = argv[0] if argv else ""
        print(f"limner: {stopped(verb, saved=str(interrupt))}", file=sys.stderr)
        return 130
    return 0


def stopped(verb: str, saved: str) -> str:
    """What an interrupt did; `saved` is what training says after its last checkpoint, '' without one."""
    continued = CONTINUED_BY.get(verb, "") if saved or verb != "train" else ""
    note = ", ".join(part for part in (saved, continued) if part)
    return f"stopped; {note}" if note else "stopped"


def fail(message: str) -> int:
    """Print an error as one line; the exit code."""
    print(f"limner: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def dispatch(argv: list[str]) -> None:
    """Find the verb and call it with the rest of the line."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"limner {version('limner')}")
        return
    known = [verb for group in VERBS.values() for verb in group]
    if argv[0] not in known:
        raise LimnerError(f"no command called '{argv[0]}': {nearest(argv[0], known)}")
    importlib.import_module(f"limner.cli.{argv[0]}").main(argv[1:])


def overview() -> str:
    """The text of `limner --help`."""
    lines = ["usage: limner VERB ...", "", "Generative models of images: train, look, measure.", ""]
    for group, verbs in VERBS.items():
        lines += [group, *(f"  {verb:13s}{purpose}" for verb, purpose in verbs.items()), ""]
    lines += ["limner VERB --help lists the options of a verb; limner --version prints the version.", ""]
    lines += ["First: limner demo      Then: limner train vae --data mnist --latent-dim 2"]
    return "\n".join(lines)
