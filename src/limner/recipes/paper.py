"""Kingma & Welling 2014, figure 2: the bound over training samples, for codes of several sizes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from limner.data import load
from limner.explore.codes import choose_images
from limner.plots import curves
from limner.recipes.measures import mean_validation
from limner.recipes.report import Report, Row, at_most, save_picture, train_or_resume
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
        if quick:
            sizes, settings = sizes[:2], settings | {"images": 5000}
        runs = {
            d: train_or_resume(
                out / f"{name}-{d}", "vae", data, preset="paper", latent_dim=d, seed=seed, **settings
            )
            for d in sizes
        }
        bounds: dict[int, float] = {}
        gaps: dict[int, float] = {}  # on training images, over held-out ones
        for d, run in runs.items():
            train = choose_images(run.data.train.pixels, len(data.test), seed)
            bounds[d] = mean_validation(run, run.data.test.pixels, seed)["elbo"]
            gaps[d] = mean_validation(run, train, seed)["elbo"] - bounds[d]
            reached = f"{bounds[d]:.1f} nats, on training images {gaps[d]:+.1f}; {earlier_bounds(run)}"
            rows.append(Row(f"{name}: held-out bound, {d} numbers", reached))
        if name == "mnist":
            rows += target_rows(bounds, gaps, not quick)
        pictures.append(draw_curves(name, data.name, runs, out))
    return Report(rows, pictures, ["the paper shows figure 2 as curves only: its numbers are not printed"])


def target_rows(bounds: dict[int, float], gaps: dict[int, float], judged: bool) -> list[Row]:
    """The paper on MNIST: more numbers are better, and superfluous ones do not overfit."""
    few = {d: bound for d, bound in bounds.items() if d <= 20}
    rises = all(bounds[a] < bounds[b] for a, b in pairwise(few))
    what = "mnist: the bound rises with the code, up to 20 numbers"
    rise = Row(what, "yes" if rises else "no", "yes", rises if judged else None)
    least, most = max(d for d in few if d < max(bounds)), max(bounds)
    what = f"mnist: training over held-out bound, {most} numbers against {least}, nats"
    return [rise, at_most(what, gaps[most] - gaps[least], SLACK, judged, ".1f")]


def earlier_bounds(run: Run) -> str:
    """The bound in the log after about a tenth and a third of the run's images."""
    texts = []
    for share in (0.1, 0.3):
        line = min(run.log, key=lambda line: abs(line["images"] - share * run.log[-1]["images"]))
        texts.append(f"{line['held_out/elbo']:.1f} after {line['images']:,}")
    return ", ".join(texts)


def draw_curves(name: str, title: str, runs: dict[int, Run], out: Path) -> Path:
    """The held-out bound over training samples, a line for each size of the code."""
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
    return save_picture(picture, out / f"vae-paper-{name}.png")
