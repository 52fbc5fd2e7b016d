"""The lecture's four problems of a GAN, each made to happen on purpose, told by the doctor, and remedied.

The lecture: the minimax generator loss saturates when D wins early; gradient descent seeks a minimum, not an
equilibrium, so training may oscillate; D too good gives no gradient, D too bad wrong information; collapse.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from limner.data import load
from limner.doctor import Diagnosis, diagnose
from limner.doctor.diagnosis import SHOWN
from limner.errors import LimnerError
from limner.explore.samples import drawn
from limner.explore.timeline import watched
from limner.figures import curves, sheet
from limner.recipes.page import Page
from limner.recipes.report import trained
from limner.training import Run
from limner.training.checkpoint import write_json

TICK = 5000  # images between two looks of the doctor
# name -> options of the GAN, images seen
RUNS: dict[str, tuple[dict[str, Any], int]] = {
    "saturated": ({"lr": 1e-3, "d_lr": 5e-3, "dropout": 0.0, "loss": "minimax"}, 40_000),
    "not-saturated": ({"lr": 1e-3, "d_lr": 5e-3, "dropout": 0.0, "loss": "non-saturating"}, 100_000),
    "circling": ({"lr": 2e-3, "loss": "wasserstein", "penalty": "none", "averaged": "nothing"}, 80_000),
    "held": ({"lr": 2e-3, "loss": "wasserstein", "penalty": "gp", "averaged": "nothing"}, 80_000),
    "too-good": ({"lr": 4e-3, "beta1": 0.9}, 50_000),
    "too-bad": ({"lr": 1e-3, "d_lr": 1e-6}, 50_000),
    "collapsed": ({"lr": 1e-3, "d_lr": 1e-4, "loss": "minimax"}, 80_000),
    "relativistic": ({"lr": 1e-3, "loss": "relativistic"}, 100_000),
    "matched": ({"lr": 1e-3}, 120_000),
}


class Problem(NamedTuple):
    """What the lecture says, how it is made to happen, by which run, and the remedy's run."""

    title: str
    lecture: str
    here: str
    ill: str
    remedy: str
    cured: str
    signals: tuple[str, ...]


PROBLEMS: tuple[Problem, ...] = (
    Problem(
        "The generator's loss saturates",
        "the minimax generator loss, E log(1 - D(G(z))), is flat where D is sure: where D wins early, "
        "G learns nothing.",
        "the minimax loss, and a discriminator without dropout that learns five times as fast.",
        "saturated",
        "the same discriminator, and the improved loss, -E log D(G(z)), which is steep where D is sure.",
        "not-saturated",
        ("g_slope", "distance"),
    ),
    Problem(
        "Circles instead of an equilibrium",
        "gradient descent seeks a minimum, but the players need an equilibrium: training may oscillate.",
        "the Wasserstein game without its gradient penalty, so that nothing holds the discriminator, and "
        "the last weights instead of their average.",
        "circling",
        "the same game with the gradient penalty it was published with.",
        "held",
        ("overlap", "distance"),
    ),
    Problem(
        "A discriminator too good",
        "if D is too good, there is no gradient for G to follow.",
        "four times the learning rate, with Adam's usual beta1 of 0.9: D runs away.",
        "too-good",
        "beta1 0.5, as in DCGAN, and a lower rate.",
        "matched",
        ("d_fake", "distance"),
    ),
    Problem(
        "A discriminator too bad",
        "if D is too bad, what it tells G is wrong.",
        "a discriminator that learns a thousand times slower than the generator.",
        "too-bad",
        "equal rates.",
        "matched",
        ("overlap", "distance"),
    ),
    Problem(
        "Mode collapse",
        "G makes one or a few images that fool D, whatever the noise.",
        "the minimax loss, and a discriminator that learns ten times slower than the generator, which runs "
        "after whatever fools it now.",
        "collapsed",
        "the relativistic loss with R1 and R2, which compares every generated image with real ones.",
        "relativistic",
        ("diversity", "evenness"),
    ),
)


def problems(
    out: Path = Path("runs/problems"), *, scale: float = 1.0, seed: int = 0, quiet: bool = False
) -> Path:
    """Make the four problems happen on the digits, remedy each, and write OUT/index.html; returns its path.

    Runs that are in OUT already are used again, stopped ones go on.  `scale` multiplies the images each run
    sees.
    """
    out = out.expanduser()
    if not 0 < scale < math.inf:
        raise LimnerError(f"scale must be above 0 and finite, not {scale}")
    if out.exists() and not out.is_dir():
        raise LimnerError(f"{out} is a file: choose another --out")
    digits, runs = load("digits"), {}
    for number, (name, (options, images)) in enumerate(RUNS.items()):
        if not quiet:
            print(f"[{number + 1}/{len(RUNS)}] {name}: {command(options)}", file=sys.stderr, flush=True)
        seen = max(round(images * scale), 3 * TICK)
        runs[name] = trained(
            out / name, "gan", digits, seed=seed, tick=TICK, images=seen, quiet=quiet, **options
        )
    told = {name: diagnose(run) for name, run in runs.items()}
    page = Page("What goes wrong in a GAN, and what the doctor says of it")
    page.text(
        f"The lecture's four problems, made to happen on {len(digits.train):,} handwritten digits, "
        "each beside the same network with one remedy. Every verdict is the doctor's own, read off these "
        "runs: `limner doctor RUN` tells it again."
    )
    for problem in PROBLEMS:
        section(page, problem, runs, told)
    page.save(out / "index.html")
    write_json(out / "problems.json", {name: diagnosis.json() for name, diagnosis in told.items()})
    return out / "index.html"


def section(page: Page, problem: Problem, runs: dict[str, Run], told: dict[str, Diagnosis]) -> None:
    """One problem: what the lecture says, pictures, verdicts, signals."""
    ill, cured = problem.ill, problem.cured
    page.heading(problem.title)
    page.text(f"The lecture: {problem.lecture}", f"Here: {problem.here}")
    page.pictures(
        (pictures(runs[ill]), f"ill: `{command(RUNS[ill][0])}`"),
        (pictures(runs[cured]), f"remedied: `{command(RUNS[cured][0])}`"),
    )
    page.text(f"The doctor, of the first: {spoken(told[ill])}")
    page.text(f"The remedy: {problem.remedy} The doctor, of the second: {spoken(told[cured])}")
    page.pictures(*charts(problem, told))


def spoken(told: Diagnosis) -> str:
    """The verdicts in words."""
    passed = "; ".join(f"{name} from {first:,} to {last:,} images" for name, first, last in told.passed)
    now = " ".join(str(verdict) for verdict in told.verdicts) or "healthy at the end."
    return f"{now} Before: {passed}." if passed else now


def command(options: dict[str, Any]) -> str:
    """The run as the shell takes it."""
    words = [
        f"--{name.replace('_', '-')} {value:g}"
        if isinstance(value, float)
        else f"--{name.replace('_', '-')} {value}"
        for name, value in options.items()
    ]
    return f"limner train gan {' '.join(words)}"


def pictures(run: Run) -> Image.Image:
    """The same noise over training, and more samples at the end."""
    over = watched(run, 10)
    shown = dict(list(over.items())[-6:])
    rows = [*shown.values(), *drawn(run, 20, seed=1).split(10)]
    labels = [f"{seen:,}" for seen in shown] + ["others", ""]
    return sheet(rows, title="the same noise over training, images seen at the left", row_labels=labels)


def charts(problem: Problem, told: dict[str, Diagnosis]) -> list[tuple[Image.Image, str]]:
    """A chart of both runs for each of the problem's signals, with what it is."""
    made = []
    for name in problem.signals:
        series = {"ill": told[problem.ill].series(name), "remedied": told[problem.cured].series(name)}
        what, health = SHOWN[name]
        chart = curves(series, xlabel="images seen", ylabel=name, log_y=name in ("distance", "g_slope"))
        made.append((chart, f"`{name}`: {what}; {health}"))
    return made
