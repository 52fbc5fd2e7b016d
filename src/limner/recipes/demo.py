"""The lecture's story on one page: its four labs, trained on the digits, with the numbers of these runs."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from limner.data import progress
from limner.errors import LimnerError
from limner.files import remove_unfinished
from limner.recipes.demo_measures import measure_demo
from limner.recipes.demo_page import SECTIONS, closing, opening
from limner.recipes.digits import load_digits
from limner.recipes.page import Page
from limner.train_run import train
from limner.training import Run


class Lab(NamedTuple):
    """A run of the demo; `seconds` is roughly what it takes on two cores."""

    model: str
    options: dict[str, Any]
    images: int
    seconds: float


LABS: dict[str, Lab] = {
    "lab1-autoencoder": Lab("autoencoder", {}, 150_000, 5),
    "lab2-conv-autoencoder": Lab("conv-autoencoder", {"lr": 2e-3}, 100_000, 12),
    "lab3-vae-2d": Lab("vae", {"latent_dim": 2}, 150_000, 8),
    "lab3-vae": Lab("vae", {"latent_dim": 16}, 150_000, 8),
    "lab4-gan": Lab("gan", {"lr": 1e-3}, 280_000, 45),
}
PAGE_SECONDS = 22.0


def demo(out: Path = Path("runs/demo"), *, scale: float = 1.0, quiet: bool = False) -> Path:
    """Train the four labs on `mnist-5k` or, without it, `digits`; write OUT/index.html and return its path.

    `scale` multiplies the length of each run.  The runs are folders in OUT.  An earlier demo in OUT is
    replaced; LimnerError where OUT contains anything else.
    """
    if not 0 < scale < math.inf:
        raise LimnerError(f"scale must be above 0 and finite, not {scale}")
    announcer, out = Progress(quiet), out.expanduser()
    clear(out)
    with progress.silent(quiet):
        data = load_digits(quiet)
        runs: dict[str, Run] = {}
        for name, lab in LABS.items():
            announcer.start(name)
            images = max(round(lab.images * scale), 128)
            runs[name] = train(lab.model, data, images=images, out=out / name, quiet=quiet, **lab.options)
        announcer.start("the page")
        page = Page("Limner: the four labs of a lecture, trained on this machine")
        measured = measure_demo(runs)
        opening(page, measured, scale)
        for section in SECTIONS:
            section(page, measured)
        closing(page, out, announcer.elapsed)
    page.save(out / "index.html")
    return out / "index.html"


def clear(out: Path) -> None:
    """Remove the runs of an earlier demo; LimnerError, and nothing removed, where there is anything else."""
    if not out.exists():
        return
    if not out.is_dir():
        raise LimnerError(f"{out} is a file: choose another --out")
    files = [path for name in LABS for path in run_files(out / name)] + [out / "index.html"]
    folders = [folder for name in LABS for folder in (out / name / "samples", out / name)]
    for path in sorted(out.rglob("*")):
        if path not in files and path not in folders and path.name != ".DS_Store":
            raise LimnerError(f"{out} holds other things than a demo ({path.name}): choose another --out")
    for path in files:
        path.unlink(missing_ok=True)
    for folder in folders:
        if folder.exists():
            (folder / ".DS_Store").unlink(missing_ok=True)
            folder.rmdir()


def run_files(path: Path) -> list[Path]:
    """The files of a run's folder, after the removal of unfinished ones."""
    remove_unfinished(path)
    names = ("run.json", "log.jsonl", "weights.safetensors", "state.pt")
    return [path / name for name in names] + list((path / "samples").glob("[0-9]*.png"))


class Progress:
    """Announces each part on stderr with an estimate of the time left, from the pace of the parts done."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.begin, self.started = quiet, time.monotonic(), 0
        self.parts = {name: lab.seconds for name, lab in LABS.items()} | {"the page": PAGE_SECONDS}

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.begin

    def start(self, name: str) -> None:
        """Announce the next part."""
        expected = list(self.parts.values())
        done = sum(expected[: self.started])
        pace = self.elapsed / done if done else 1.0
        left = max(round(pace * sum(expected[self.started :]) / 5) * 5, 5)
        self.started += 1
        if not self.quiet:
            text = f"[{self.started}/{len(expected)}] {name}, about {left} s left in total"
            print(text, file=sys.stderr, flush=True)
