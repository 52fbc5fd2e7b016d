"""Command lines with wrong names, types, numbers and files."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

from .damages import VALUES as VALUES_OF_RECORDS
from .damages import change, mutate
from .failures import Failure, failures_of
from .process import run
from .runs import Ground, copy_run, trained

NAME = "options"
TINY = ["--images", "64", "--batch", "32", "--quiet"]
NETWORK = {
    "autoencoder": ["--latent-dim", "2", "--hidden", "16"],
    "conv-autoencoder": ["--width", "4"],
    "vae": ["--latent-dim", "2", "--hidden", "16"],
    "gan": ["--latent-dim", "2", "--hidden", "16"],
    "dcgan": ["--latent-dim", "4", "--width", "4"],
    "cgan": ["--latent-dim", "4", "--width", "4"],
}
QUICK = ["--quick", "--n", "64", "--k", "2", "--images", "20"]
VERBS: dict[str, list[str]] = {
    "sample": ["sample", "vae", "--n", "4", "--quiet"],
    "sample of classes": ["sample", "cgan", "--label", "1,2", "--n", "2", "--quiet"],
    "reconstruct": ["reconstruct", "vae", "--n", "4", "--quiet"],
    "interpolate": ["interpolate", "vae", "--pairs", "1", "--steps", "3", "--quiet"],
    "traverse": ["traverse", "vae", "--dims", "2", "--steps", "3", "--quiet"],
    "manifold": ["manifold", "vae", "--steps", "3", "--quiet"],
    "map": ["map", "vae", "--method", "pca", "--n", "60", "--quiet"],
    "embed": ["embed", "vae", "--quiet"],
    "similar": ["similar", "vae", "0", "--n", "3", "--quiet"],
    "anomalies": ["anomalies", "vae", "--n", "4", "--quiet"],
    "doctor": ["doctor", "vae", "--quiet"],
    "evaluate": ["evaluate", "vae", *QUICK, "--quiet"],
    "compare": ["compare", "vae", "cgan", *QUICK, "--quiet"],
    "summary": ["summary", "vae"],
    "data": ["data", "digits"],
    "models": ["models"],
    "runs": ["runs"],
    "completion": ["completion", "bash"],
    "ablate": [
        "ablate",
        "autoencoder",
        "--vary",
        "lr=1e-4",
        "--seeds",
        "1",
        *TINY[:2],
        "--n",
        "64",
        "--quiet",
    ],
}
LONG_VERBS = {  # whole experiments: each line has a mistake, or is asked to end
    "demo": ["demo", "--scale", "0.001", "--quiet"],
    "problems": ["problems", "--scale", "0.001", "--quiet"],
    "reproduce": ["reproduce"],
}
WEIGHTS = {"ablate": 0.3, "evaluate": 0.7, "compare": 0.7, "models": 0.3, "runs": 0.3, "completion": 0.3}
VALUES = (
    "", " ", "0", "1", "2", "-1", "-0.0", "0.5", "1.5", "nan", "inf", "-inf", "1e400", "1e-400", "1e3",
    "1000000000000", "99999999999999999999999", "-99999999999999999999", "0x10", "1_000", "½", "٣", "ü",
    "日本", "a b", "--", "-", "'", '"', "None", "null", "true", "False", "{}", "[1,2]", "1,2", "1 2", ",",
    "=", "a=b", "..", ".", "a" * 5000, "\n", "\t", "\x1b[31m", "\udcff", "vae", "gan", "digits", "shapes",
    "mixed", "cpu", "cuda:99", "mps", "cpu:-1", "%s", "{x}", "$HOME", "~", "~nosuchuser", "x.png", "x.txt",
    "x.npz", "x.csv", "missing/x.png", "runs", "runs/vae", "runs/vae/run.json", "vae/run.json", "linear",
    "paper", "bernoulli", "💥" * 300, "-5", "3", "64", "300", "1e9", "-1e9", "0.1", "16", "15", "129", "28",
)  # fmt: skip
NUMBERS = (
    "0", "-1", "1", "2", "3", "7", "17", "129", "0.5", "0.999", "nan", "inf", "1e400", "1e-30", "1e-400",
    "1e9", "1e30", "-1e9", "100000000", "1000000000000", "99999999999999999999999", "1_000", "64", "20",
    "2000",
)  # fmt: skip
SETS = (
    "prior=gmm", "prior=", "prior", "=x", "steps=3", "prior=normal,prior=full", "prior=gmm,", ",,",
    "beta=nan", "latent_dim=x", "hidden=0", "hidden=-1x5", "hidden=99999999x99999999", "lr=1e400", "lr=-1",
    "x=1", "prior=5", "images=5", "guidance=-1", "temperature=nan", "truncation=inf", "__class__=x",
    "self=1", "n=5", "y=1", "hidden", "beta=2,beta=3", "lr=0", "seed=1", "batch=0", "beta=ü",
    "beta=" + "9" * 400, "device=cpu",
)  # fmt: skip
TOML = b'model = "vae"\ndata = "digits"\n[options]\nlatent_dim = 2\n[training]\nbatch = 32\n'
PATIENCE = 5.0  # seconds that a line may work that asks for hours of it


def attack(number: int, folder: Path, ground: Ground, rng: Random) -> list[Failure]:
    """One case: a line that works, with one to three changes."""
    here = folder / "here"
    for name in ("vae", "cgan"):
        copy_run(trained(name, ground.base), here / "runs" / name)
    words, free = line(rng, here)
    before = folders(here)
    outcome = run(words, folder, ground.cache, patience=PATIENCE if free else None)
    failures = failures_of(NAME, number, outcome, folder, asked=free)
    if outcome.code == 2 and (left := [path for path in folders(here) - before if is_failed_start(path)]):
        failures.append(Failure(NAME, number, "other", outcome.command, f"left behind: {left[0].name[:50]}"))
    return failures


def folders(here: Path) -> set[Path]:
    """All folders below one."""
    return {path for path in here.rglob("*") if path.is_dir() and not path.is_symlink()}


def is_failed_start(path: Path) -> bool:
    """Whether a folder is what a failed start must not leave: an empty one, or a run without weights."""
    names = {child.name for child in path.iterdir() if child.name != ".lock"}
    is_runs = path.name == "runs"  # the folder of all runs may stay
    return (not names and not is_runs) or ("run.json" in names and "weights.safetensors" not in names)


def line(rng: Random, here: Path) -> tuple[list[str], bool]:
    """A command line, and whether it may be work for hours."""
    choice = rng.random()
    free = False
    if choice < 0.5:
        model = rng.choice(list(NETWORK))
        words = ["train", model, *NETWORK[model], *TINY]
        flags = flags_of("train", model)
    elif choice < 0.56:
        name = rng.choice(list(LONG_VERBS))
        words, flags, free = list(LONG_VERBS[name]), flags_of(name), True
        change_value(words, flags, rng)
    else:
        name = rng.choices(list(VERBS), [WEIGHTS.get(verb, 1) for verb in VERBS])[0]
        words = list(VERBS[name])
        flags = flags_of(words[0])
    for _ in range(rng.choice((1, 1, 2, 3))):
        alter = rng.choice(CHANGES)
        free |= alter in (drop_word, misspell)  # --images, which keeps it short, may be gone
        alter(words, flags, rng)
    if words[:1] == ["train"] and rng.random() < 0.1:
        add_config(words, rng, here)
    free |= any(re.fullmatch(r"[-=\w]*?\d[\d_]{3,}|[-=\w]*1e\d+|inf|nan", word) is not None for word in words)
    free |= words[:1] == ["ablate"] or "--epochs" in words
    return words, free


@functools.cache
def flags_of(*words: str) -> list[str]:
    """The flags in a verb's help, but for --help itself."""
    from limner.cli import run as call

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        call([*words, "--help"])
    flags = re.findall(r"(?<![\w-])--[a-z](?:[\w.-]*\w)?", output.getvalue())
    return sorted(set(flags) - {"--help"})


def value(rng: Random, flag: str = "") -> str:
    """A value that some option may not like."""
    return rng.choice(SETS if flag == "--set" else VALUES)


def add_option(words: list[str], flags: list[str], rng: Random) -> None:
    """An option with a value, or with two, or with none."""
    flag = rng.choice([*flags, "--set"])
    words += [flag, *(value(rng, flag) for _ in range(rng.choice((0, 1, 1, 1, 1, 2))))]


def add_number(words: list[str], flags: list[str], rng: Random) -> None:
    """An option with a number, or with a few."""
    words += [rng.choice(flags or ["--n"]), *rng.choices(NUMBERS, k=rng.choice((1, 1, 1, 1, 2)))]


def change_number(words: list[str], flags: list[str], rng: Random) -> None:
    """Another number for an option that has one."""
    places = [i for i, word in enumerate(words) if word.isdigit()]
    if places:
        words[rng.choice(places)] = rng.choice(NUMBERS)
    else:
        add_number(words, flags, rng)


def add_joined_option(words: list[str], flags: list[str], rng: Random) -> None:
    """--option=value."""
    flag = rng.choice(flags or ["--n"])
    words.append(f"{flag}={value(rng, flag)}")


def change_value(words: list[str], flags: list[str], rng: Random) -> None:
    """Another value for a word that is no flag."""
    places = [i for i, word in enumerate(words) if i and not word.startswith("--")]
    if places:
        words[rng.choice(places)] = value(rng)
    else:
        add_option(words, flags, rng)


def drop_word(words: list[str], flags: list[str], rng: Random) -> None:
    """One word less."""
    if len(words) > 1:
        del words[rng.randrange(1, len(words))]


def repeat(words: list[str], flags: list[str], rng: Random) -> None:
    """A part of the line twice."""
    at = rng.randrange(len(words))
    words += words[at : at + rng.choice((1, 2))]


def misspell(words: list[str], flags: list[str], rng: Random) -> None:
    """A character of a word gone, doubled or changed."""
    at = rng.randrange(len(words))
    word = words[at]
    if word:
        i = rng.randrange(len(word))
        words[at] = word[:i] + rng.choice(("", word[i] * 2, word[i].upper(), "ü")) + word[i + 1 :]


def add_word(words: list[str], flags: list[str], rng: Random) -> None:
    """A stray word somewhere."""
    words.insert(rng.randrange(1, len(words) + 1), value(rng))


def add_config(words: list[str], rng: Random, here: Path) -> None:
    """--config with a file that is damaged."""
    name = rng.choice(("a.json", "a.json", "a.toml", "a"))
    record = (here / "runs" / "vae" / "run.json").read_bytes()
    if name == "a.toml":
        (here / name).write_bytes(mutate(TOML, rng))
    elif rng.random() < 0.3:
        (here / name).write_bytes(mutate(record, rng))
    else:
        (here / name).write_text(json.dumps(change(json.loads(record), rng, VALUES_OF_RECORDS)))
    words += ["--config", name]


CHANGES: tuple[Callable[[list[str], list[str], Random], None], ...] = (
    add_option, add_option, add_joined_option, change_value, drop_word, repeat, misspell, add_word,
    add_number, add_number, add_number, add_number, change_number, change_number, change_number,
)  # fmt: skip
