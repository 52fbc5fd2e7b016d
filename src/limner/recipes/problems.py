"""The lecture's four problems of a GAN, each made to happen on purpose, told by the doctor, and remedied.

The lecture: the minimax generator loss saturates when D wins early; gradient descent seeks a minimum, not an
equilibrium, so training may oscillate; D too good gives no gradient, D too bad wrong information; collapse.
"""

from __future__ import annotations

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


class Problem(NamedTuple):
    """What the lecture says, how it is made to happen, what it is called, and what changes it."""

    title: str
    lecture: str
    how: str
    ill: dict[str, Any]
    verdict: str
    remedy: str
    cured: dict[str, Any]
    signals: tuple[str, ...]


PROBLEMS: dict[str, Problem] = {}


def problems(
    out: Path = Path("runs/problems"), *, scale: float = 1.0, seed: int = 0, quiet: bool = False
) -> Path:
    """Make the four problems happen on the digits, remedy each, and write OUT/index.html; returns its path.

    Runs that are in OUT already are used again.  `scale` multiplies the images each run sees.
    """
    out = out.expanduser()
    if not scale > 0:
        raise LimnerError(f"scale must be above 0, not {scale}")
    if out.exists() and not out.is_dir():
        raise LimnerError(f"{out} is a file: choose another --out")
    page = Page("What goes wrong in a GAN, and what the doctor says of it")
    page.text(
        "The lecture's four problems, each made to happen on purpose on the 1,437 training images of the "
        "handwritten digits, with the same run after one change. Every verdict is the doctor's own, read off "
        "these runs: `limner doctor RUN` tells it again."
    )
    digits = load("digits")
    found: dict[str, dict[str, Any]] = {}
    for number, (name, problem) in enumerate(PROBLEMS.items()):
        if not quiet:
            print(f"[{number + 1}/{len(PROBLEMS)}] {problem.title}", file=sys.stderr, flush=True)
        ill, cured = (
            trained(
                out / f"{name}-{kind}",
                "gan",
                digits,
                seed=seed,
                tick=TICK,
                quiet=quiet,
                **with_scale(o, scale),
            )
            for kind, o in (("ill", problem.ill), ("cured", problem.cured))
        )
        told = {"ill": diagnose(ill), "cured": diagnose(cured)}
        found[name] = {kind: diagnosis.json() for kind, diagnosis in told.items()}
        section(page, problem, {"ill": ill, "cured": cured}, told)
    page.save(out / "index.html")
    write_json(out / "problems.json", found)
    return out / "index.html"


def with_scale(options: dict[str, Any], scale: float) -> dict[str, Any]:
    """The options, the images seen multiplied by `scale`."""
    return options | {"images": max(round(options["images"] * scale), 4 * TICK)}


def section(page: Page, problem: Problem, runs: dict[str, Run], told: dict[str, Diagnosis]) -> None:
    """One problem: what the lecture says, pictures, signals, verdicts."""
    page.heading(problem.title)
    page.text(f"The lecture: {problem.lecture}", f"Here: {problem.how}")
    page.pictures(
        (pictures(runs["ill"]), f"ill: {command(problem.ill)}"),
        (pictures(runs["cured"]), f"remedied: {command(problem.cured)}"),
    )
    page.text(f"The doctor, of the first: {spoken(told['ill'])}")
    page.pictures(*((chart, f"`{name}`: {says}") for name, chart, says in charts(problem, told)))
    page.text(f"The remedy: {problem.remedy}", f"The doctor, of the second: {spoken(told['cured'])}")


def spoken(told: Diagnosis) -> str:
    """The verdicts in words."""
    if told.healthy and told.passed:
        passed = ", ".join(f"{name} until {last:,} images" for name, _, last in told.passed)
        return f"healthy at the end ({passed})."
    return " ".join(str(verdict) for verdict in told.verdicts) or "healthy."


def command(options: dict[str, Any]) -> str:
    """The options as the shell takes them, in backticks."""
    words = [f"--{name.replace('_', '-')} {value}" for name, value in options.items() if name != "images"]
    return f"`limner train gan {' '.join(words)}`" if words else "`limner train gan`"


def pictures(run: Run) -> Image.Image:
    """The same noise over training, and more samples at the end."""
    over = watched(run, 10)
    ends = list(drawn(run, 30, seed=1).split(10))
    rows = [*over.values(), *ends]
    labels = [f"{seen:,}" for seen in over] + ["more", "samples", ""]
    return sheet(rows, title="the same noise over training, images seen at the left", row_labels=labels)


def charts(problem: Problem, told: dict[str, Diagnosis]) -> list[tuple[str, Image.Image, str]]:
    """For each of the problem's signals its name, a chart of both runs, and what it is."""
    made = []
    for name in problem.signals:
        series = {title: told[kind].series(name) for kind, title in (("ill", "ill"), ("cured", "remedied"))}
        what, health = SHOWN[name]
        log = name in ("distance", "g_slope")
        made.append((name, curves(series, xlabel="images seen", ylabel=name, log_y=log), f"{what}; {health}"))
    return made
