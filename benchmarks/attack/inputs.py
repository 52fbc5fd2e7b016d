"""Damaged and hostile data sets: images, folders, archives, arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from . import files
from .failures import Failure, failures_of
from .process import MARKER, run
from .runs import Ground

NAME = "inputs"
TRAIN = ["autoencoder", "--latent-dim", "2", "--hidden", "8", "--images", "64", "--batch", "16", "--quiet"]

OTHER_PATHS = (
    "empty", "text.txt", "noise.npz", "noise.zip", "pickle.npz", "pickle.npy", ".", "..", "", " ", "digit",
    "a" * 300, "utkface:empty", "utkface:", "hf:x", "/proc/self", "/dev", "ü", "~", "~nosuchuser/x", "a\nb",
    "mixed", "\udcff", "shapes:5", "A=empty B=empty", "/proc/self/mem", "/dev/zero", "/dev/stdin",
)  # fmt: skip


def attack(number: int, folder: Path, ground: Ground, rng: Random) -> list[Failure]:
    """One case: a data set with damages, described, or trained on."""
    here = folder / "here"
    here.mkdir()
    kind = rng.choice(list(SOURCES))
    source = SOURCES[kind](here, rng, folder / MARKER)
    lines = [["data", source]]
    if rng.random() < 0.2:
        lines = [["data", source, "--size", rng.choice(("16", "28", "64")), "--json"]]
    elif rng.random() < 0.25:
        lines = [["train", *TRAIN, "--data", source, "--out", "trained"]]
    failures = []
    for words in lines:
        outcome = run(words, folder, folder / "cache")
        failures += failures_of(NAME, number, outcome, folder)
    return [Failure(NAME, number, f.kind, f.command, f"{kind}: {f.detail}") for f in failures]


def folder_of_images(here: Path, rng: Random, marker: Path) -> str:
    """A folder of images of all formats, some of them damaged, perhaps in sub-folders."""
    root = here / rng.choice(("images", "a b", "bilder-ü", "x.png", "x.zip", "-n"))
    classes = rng.choice(
        ([""], ["a", "b"], ["0", "1", "2"], ["train/a", "train/b", "test/a"], ["ü\n", "x" * 200])
    )
    for i in range(rng.choice((1, 3, 8, 16))):
        path = root / rng.choice(classes) / files.image_name(i, rng)
        path.parent.mkdir(parents=True, exist_ok=True)
        content, suffix = files.image(rng)
        if rng.random() < 0.5:
            content = files.damage(content, rng)
        path.with_suffix(suffix if rng.random() < 0.8 else rng.choice(files.SUFFIXES)).write_bytes(content)
    if rng.random() < 0.3:
        files.add_odd_entry(root, rng)
    return str(root) if rng.random() < 0.5 else root.name


def one_image(here: Path, rng: Random, marker: Path) -> str:
    """A single damaged image in a folder."""
    content, suffix = files.image(rng)
    (here / "one").mkdir()
    (here / "one" / f"x{suffix}").write_bytes(files.damage(content, rng))
    return "one" if rng.random() < 0.7 else f"one/x{suffix}"


def huge_image(here: Path, rng: Random, marker: Path) -> str:
    """Images whose headers claim more pixels than they have."""
    (here / "huge").mkdir()
    for i in range(rng.choice((1, 4, 16))):
        content, suffix = files.image_with_claim(rng)
        (here / "huge" / f"{i}{suffix}").write_bytes(content)
    if rng.random() < 0.5:
        (here / "huge" / "good.png").write_bytes(files.image(rng, "PNG")[0])
    return "huge"


def archive(here: Path, rng: Random, marker: Path) -> str:
    """A zip of images with odd names, bombs, claims, damages."""
    content = files.archive(rng)
    if rng.random() < 0.5:
        content = files.damage(content, rng)
    (here / "set.zip").write_bytes(content)
    return "set.zip"


def arrays(here: Path, rng: Random, marker: Path) -> str:
    """An .npz of arrays of every type and shape, with claims and pickles."""
    content = files.arrays(rng, marker)
    if rng.random() < 0.3:
        content = files.damage(content, rng)
    (here / "set.npz").write_bytes(content)
    return "set.npz"


def idx(here: Path, rng: Random, marker: Path) -> str:
    """A folder of idx files with claims, packed or not."""
    (here / "idx").mkdir()
    for name, content in files.idx(rng).items():
        (here / "idx" / name).write_bytes(files.damage(content, rng) if rng.random() < 0.3 else content)
    return "idx"


def other(here: Path, rng: Random, marker: Path) -> str:
    """A path that is no data set."""
    (here / "empty").mkdir()
    (here / "text.txt").write_text("hello")
    (here / "noise.npz").write_bytes(rng.randbytes(300))
    (here / "noise.zip").write_bytes(rng.randbytes(300))
    (here / "pickle.npz").write_bytes(files.pickled(marker))
    (here / "pickle.npy").write_bytes(files.pickled(marker))
    return rng.choice(OTHER_PATHS)


SOURCES: dict[str, Callable[[Path, Random, Path], str]] = {
    "folder": folder_of_images,
    "folder of other images": folder_of_images,
    "image": one_image,
    "claim": huge_image,
    "zip": archive,
    "npz": arrays,
    "idx": idx,
    "other": other,
}
