"""Kingma & Welling 2014, figure 2: the bound over training samples, for codes of several sizes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from limner.data import load
from limner.explore.codes import chosen
from limner.figures import curves
from limner.recipes.manifold import bound_of
from limner.recipes.report import Report, Row, at_most, save, trained
from limner.training import Run

# the paper's networks and sizes; its horizontal axis goes on to 10^8 samples
SETS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "mnist": ((3, 5, 10, 20, 200), {"images": 1_000_000}),
    "frey": (
        (2, 5, 10, 20),
        {"images": 1_000_000, "hidden": (200,), "likelihood": "gaussian", "binarisation": "none"},
    ),
}
SLACK = 2.0  # nats by which superfluous code variables may widen the gap to training images


def learning_curves(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
    """VAE of the paper on MNIST and Frey: the bound rises with the code, and 200 numbers do not overfit."""
    rows: list[Row] = []
    pictures: list[Path] = []
    for name, (sizes, settings) in SETS.items():
        data = load("digits" if quick else name)
        settings = settings | ({"images": 5000} if quick else {})
        runs = {
            d: trained(out / f"{name}-{d}", "vae", data, preset="paper", latent_dim=d, seed=seed, **settings)
            for d in (sizes[:2] if quick else sizes)
        }
        some = chosen(data.train.pixels, len(data.test), seed)
        bounds = {d: bound_of(run, data.test.pixels, seed)["elbo"] for d, run in runs.items()}
        gaps = {d: bound_of(run, some, seed)["elbo"] - bounds[d] for d, run in runs.items()}
        for d, run in runs.items():
            reached = f"{bounds[d]:.1f} nats, on training images {gaps[d]:+.1f}; {on_the_way(run)}"
            rows.append(Row(f"{name}: held-out bound, {d} numbers", reached))
        if name == "mnist":
            rows += judged(bounds, gaps, not quick)
        pictures.append(figure(name, data.name, runs, out))
    return Report(rows, pictures, ["the paper shows figure 2 as curves only: its numbers are not given"])


def judged(bounds: dict[int, float], gaps: dict[int, float], whole: bool) -> list[Row]:
    """What the paper says of MNIST: more numbers are better, and superfluous ones do not overfit."""
    few = {d: bound for d, bound in bounds.items() if d <= 20}
    rises = all(bounds[a] < bounds[b] for a, b in pairwise(few))
    asked = "mnist: the bound rises with the code, up to 20 numbers"
    rows = [Row(asked, "yes" if rises else "no", "yes", rises if whole else None)]
    least, most = max(d for d in few if d < max(bounds)), max(bounds)
    what = f"mnist: training over held-out bound, {most} numbers against {least}, nats"
    return [*rows, at_most(what, gaps[most] - gaps[least], SLACK, whole, ".1f")]


def on_the_way(run: Run) -> str:
    """The bound in the log when about a tenth and a third of the images had been seen."""
    shown = []
    for share in (0.1, 0.3):
        line = min(run.log, key=lambda line: abs(line["images"] - share * run.log[-1]["images"]))
        shown.append(f"{line['held_out/elbo']:.1f} after {line['images']:,}")
    return ", ".join(shown)


def figure(name: str, title: str, runs: dict[int, Run], out: Path) -> Path:
    """Held-out bound over training samples, a line for each size of the code."""
    series = {}
    for d, run in runs.items():
        log = run.log
        series[f"{d} numbers"] = ([line["images"] for line in log], [line["held_out/elbo"] for line in log])
    picture = curves(
        series,
        title=f"The bound of held-out images of {title} (Kingma & Welling 2014, figure 2)",
        xlabel="training samples seen",
        ylabel="nats per image",
        log_x=True,
    )
    return save(picture, out / f"vae-paper-{name}.png")
