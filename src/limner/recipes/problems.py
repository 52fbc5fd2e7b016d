"""The lecture's four problems of a GAN, each caused on purpose, diagnosed by the doctor, and remedied.

The lecture: the minimax generator loss saturates when D wins early; gradient descent seeks a minimum, not an
equilibrium, so training may oscillate; D too good gives no gradient, D too bad wrong information; collapse.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

from limner.data import Dataset, load, progress
from limner.doctor import Diagnosis, diagnose
from limner.doctor.diagnosis import SIGNALS
from limner.errors import LimnerError
from limner.explore.samples import draw_samples
from limner.explore.timeline import read_previews
from limner.files import write_json
from limner.plots import curves
from limner.recipes.digits import describe_digits
from limner.recipes.page import CHART, Figure, Page, chart, tiles
from limner.recipes.report import train_or_resume
from limner.training import Run

TICK = 5000  # images between two examinations by the doctor
LOG_SCALE = ("distance", "g_slope")  # signals drawn on a logarithmic scale
# name -> options of the GAN, images seen
RUNS: dict[str, tuple[dict[str, Any], int]] = {
    "saturated": ({"lr": 1e-3, "d_lr": 5e-3, "dropout": 0.0, "loss": "minimax"}, 40_000),
    "not-saturated": ({"lr": 1e-3, "d_lr": 5e-3, "dropout": 0.0, "loss": "non-saturating"}, 100_000),
    "oscillating": ({"lr": 2e-3, "loss": "wasserstein", "penalty": "none", "averaged": "nothing"}, 80_000),
    "penalised": ({"lr": 2e-3, "loss": "wasserstein", "penalty": "gp", "averaged": "nothing"}, 80_000),
    "too-good": ({"lr": 4e-3, "beta1": 0.9}, 50_000),
    "too-bad": ({"lr": 1e-3, "d_lr": 1e-6}, 50_000),
    "collapsed": ({"lr": 1e-3, "d_lr": 1e-4, "loss": "minimax"}, 80_000),
    "relativistic": ({"lr": 1e-3, "loss": "relativistic"}, 100_000),
    "matched": ({"lr": 1e-3}, 120_000),
}


class Problem(NamedTuple):
    """A problem in the lecture's words, its cause and remedy here, and the names of both runs in RUNS."""

    title: str
    lecture: str
    cause: str
    faulty: str
    remedy: str
    remedied: str
    signals: tuple[str, ...]


PROBLEMS: tuple[Problem, ...] = (
    Problem(
        title="The generator's loss saturates",
        lecture="the minimax generator loss, E log(1 - D(G(z))), is flat where D is sure: if D wins early, G "
        "learns nothing.",
        cause="the minimax loss, and a discriminator without dropout that learns five times as fast.",
        faulty="saturated",
        remedy="the same discriminator, and the improved loss, -E log D(G(z)), steep where D is sure.",
        remedied="not-saturated",
        signals=("g_slope", "distance"),
    ),
    Problem(
        title="Oscillation instead of an equilibrium",
        lecture="gradient descent seeks a minimum, but the players need an equilibrium: training may "
        "oscillate.",
        cause="the Wasserstein loss without its gradient penalty, so that nothing bounds the discriminator's "
        "slope, and the last weights of the generator instead of their average.",
        faulty="oscillating",
        remedy="the same loss with the gradient penalty it was published with.",
        remedied="penalised",
        signals=("overlap", "distance"),
    ),
    Problem(
        title="A discriminator too good",
        lecture="if D is too good, there is no gradient for G to follow.",
        cause="four times the learning rate, with Adam's usual beta1 of 0.9: D soon becomes too good.",
        faulty="too-good",
        remedy="beta1 0.5, as in DCGAN, and a lower learning rate.",
        remedied="matched",
        signals=("d_fake", "distance"),
    ),
    Problem(
        title="A discriminator too bad",
        lecture="if D is too bad, its feedback to G is wrong.",
        cause="a discriminator that learns a thousand times slower than the generator.",
        faulty="too-bad",
        remedy="equal learning rates.",
        remedied="matched",
        signals=("overlap", "distance"),
    ),
    Problem(
        title="Mode collapse",
        lecture="G makes one or a few images that fool D, whatever the noise.",
        cause="the minimax loss, and a discriminator that learns ten times slower than the generator, which "
        "moves on to whatever image fools it now.",
        faulty="collapsed",
        remedy="the relativistic loss with R1 and R2, which compares every generated image with real ones.",
        remedied="relativistic",
        signals=("diversity", "evenness"),
    ),
)


def problems(
    out: Path = Path("runs/problems"), *, scale: float = 1.0, seed: int = 0, quiet: bool = False
) -> Path:
    """Cause the four problems on `digits`, remedy each, and write OUT/index.html; returns its path.

    Complete runs in OUT are used again, interrupted ones are resumed.  `scale` multiplies the length of each
    run.
    """
    out = out.expanduser()
    if not 0 < scale < math.inf:
        raise LimnerError(f"scale must be above 0 and finite, not {scale}")
    if out.exists() and not out.is_dir():
        raise LimnerError(f"{out} is a file: choose another --out")
    with progress.silent(quiet):
        digits = load("digits")  # the settings and lengths of RUNS were chosen on these
        runs = train_all(out, digits, scale, seed, quiet)
        diagnoses = {name: diagnose(run) for name, run in runs.items()}
        page = Page("Four problems of a GAN, and the doctor's diagnosis of each")
        page.text(
            f"The lecture's four problems, each caused on purpose on {len(digits.train):,} training images, "
            f"{describe_digits(digits)}, beside the same network with one remedy. Every verdict is the "
            "doctor's own, from the logs of these runs: `limner doctor RUN` prints it again."
        )
        for problem in PROBLEMS:
            add_section(page, problem, runs, diagnoses)
    page.save(out / "index.html")
    write_json(out / "problems.json", {name: diagnosis.json() for name, diagnosis in diagnoses.items()})
    return out / "index.html"


def train_all(out: Path, digits: Dataset, scale: float, seed: int, quiet: bool) -> dict[str, Run]:
    """Train RUNS in folders of OUT, a line on stderr for each."""
    runs = {}
    for number, (name, (options, images)) in enumerate(RUNS.items(), 1):
        if not quiet:
            print(f"[{number}/{len(RUNS)}] {name}: {shell_command(options)}", file=sys.stderr, flush=True)
        length = max(round(images * scale), 3 * TICK)
        runs[name] = train_or_resume(
            out / name, "gan", digits, seed=seed, tick=TICK, images=length, quiet=quiet, **options
        )
    return runs


def add_section(page: Page, problem: Problem, runs: dict[str, Run], diagnoses: dict[str, Diagnosis]) -> None:
    """Add one problem: the lecture's words, pictures, verdicts, signals."""
    faulty, remedied = problem.faulty, problem.remedied
    page.heading(problem.title)
    page.text(f"The lecture: {problem.lecture}", f"The cause here: {problem.cause}")
    page.row(
        draw_run(runs[faulty], f"With the problem: `{shell_command(RUNS[faulty][0])}`"),
        draw_run(runs[remedied], f"Remedied: `{shell_command(RUNS[remedied][0])}`"),
    )
    page.text(f"The doctor on the first run: {describe(diagnoses[faulty])}")
    page.text(f"The remedy: {problem.remedy} The doctor on the second run: {describe(diagnoses[remedied])}")
    page.row(*draw_signals(problem, diagnoses))


def describe(diagnosis: Diagnosis) -> str:
    """The verdicts in words."""
    text = " ".join(str(verdict) for verdict in diagnosis.verdicts) or f"At the end: {diagnosis.state}."
    earlier = "; ".join(f"{name} from {first:,} to {last:,} images" for name, first, last in diagnosis.passed)
    return f"{text} Earlier: {earlier}." if earlier else text


def shell_command(options: dict[str, Any]) -> str:
    """The command that trains a GAN with these options."""
    words = ["limner", "train", "gan"]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
    return " ".join(words)


def draw_run(run: Run, caption: str) -> Figure:
    """The same noise over training, by images seen, and more samples of the last weights."""
    previews = dict(list(read_previews(run, 8).items())[-6:])
    rows = [*previews.values(), *draw_samples(run, 16, seed=1).split(8)]
    labels = [*(f"{images:,}" for images in previews), "others", ""]
    return Figure(tiles(rows, "The same noise over training", labels), caption)


def draw_signals(problem: Problem, diagnoses: dict[str, Diagnosis]) -> list[Figure]:
    """A chart of both runs for each of the problem's signals."""
    figures = []
    for name in problem.signals:
        series = {
            "with the problem": diagnoses[problem.faulty].series(name),
            "remedied": diagnoses[problem.remedied].series(name),
        }
        signal, log = SIGNALS[name], name in LOG_SCALE
        picture = curves(series, xlabel="images seen", ylabel=name, log_y=log, size=CHART)
        caption = f"`{name}`: {signal.meaning}; in a healthy run: {signal.healthy}"
        figures.append(Figure(chart(picture, caption), caption))
    return figures
