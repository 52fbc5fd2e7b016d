"""Numbers -> plots: points and curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from limner.figures import COLOURS, class_name, measure_text, wrap_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

MARKERS = "os^Dvp"  # distinguish the classes that share a colour
NAME_SIZE, NAME_HEIGHT = 18, 22  # pixels of a class's name on a plot
LEGEND_SIZE, LEGEND_WIDTH = 17, 270  # pixels of the text of a legend


def scatter(
    points: np.ndarray,
    labels: np.ndarray | None = None,
    classes: Sequence[str] | None = None,
    *,
    title: str = "",
    axes: tuple[str, str] | None = None,
    size: tuple[float, float] = (8.6, 7),
    legend: bool = True,
) -> Image.Image:
    """Points (N, 2) coloured by label (N,), with the class's name above its densest point and in the legend.

    `axes` names the two axes and shows their numbers; without it the axes mean nothing and are left out.
    `size` is in inches.
    """
    figure, ax = new_plot(title, size)
    area = max(4.0, min(30.0, 16_000 / len(points)))
    for k in [None] if labels is None else np.unique(labels).tolist():
        group = points if k is None else points[labels == k]
        colour, marker = COLOURS[(k or 0) % 10], MARKERS[(k or 0) // 10 % len(MARKERS)]
        label = None if k is None else class_name(k, classes)
        x, y = group.T
        ax.scatter(x, y, area, colour, marker=marker, label=label, linewidths=0, alpha=0.8)
    if legend and labels is not None and len(np.unique(labels)) <= 20:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, markerscale=2.0)
    if axes is None:
        ax.set_axis_off()
    else:
        ax.set(xlabel=axes[0], ylabel=axes[1])
    if labels is not None:
        figure.canvas.draw()  # the layout is known now, and with it where points are in pixels
        names = {class_name(k, classes): points[labels == k] for k in np.unique(labels).tolist()}
        for name, place in place_names(ax, names).items():
            write_halo(ax, place, name)
    return render(figure)


def place_names(ax: Axes, groups: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """For each class's name one of its points (N, 2): the densest where its name covers no other name.

    A name that finds no such point is left out.
    """
    places: dict[str, tuple[float, float]] = {}
    taken: list[tuple[float, float, float]] = []  # the middle of a name, and half its width
    for name, group in groups.items():
        half = measure_text(name, NAME_SIZE) / 2
        points = dense_points(group)
        for point, (x, y) in zip(points.tolist(), ax.transData.transform(points).tolist(), strict=True):
            if all(abs(x - i) > half + other or abs(y - j) > NAME_HEIGHT for i, j, other in taken):
                places[name] = (point[0], point[1])
                taken.append((x, y, half))
                break
    return places


def dense_points(points: np.ndarray) -> np.ndarray:
    """Up to 500 of the points (N, 2), first those with the nearest fifth of the others closest to them."""
    some = points[:: math.ceil(len(points) / 500)]
    distance = np.linalg.norm(some[:, None] - some[None], axis=2)
    return some[np.sort(distance, axis=1)[:, len(some) // 5].argsort(kind="stable")]


def curves(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    size: tuple[float, float] = (7, 4.5),
) -> Image.Image:
    """A line for each name, through its (x values, y values); `size` is in inches."""
    figure, ax = new_plot(title, size)
    for i, (name, (x, y)) in enumerate(series.items()):
        marker, dashes = "o" if len(x) <= 12 else "", ("-", "--", ":")[i // 10 % 3]
        label = "\n".join(wrap_text(name, LEGEND_WIDTH, LEGEND_SIZE))
        ax.plot(x, y, dashes, color=COLOURS[i % 10], label=label, marker=marker, markersize=4)
    scales = {"xscale": "log" if log_x else "linear", "yscale": "log" if log_y else "linear"}
    ax.set(xlabel=xlabel, ylabel=ylabel, **scales)
    if max((max(x) for x, _ in series.values() if len(x)), default=0) >= 10_000 and not log_x:
        ax.xaxis.set_major_formatter("{x:,.0f}")
    if len(series) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)  # never over a line
    if not log_x:
        ax.locator_params(axis="x", nbins=5)  # so that counts in the millions do not touch
    for axis, is_log in ((ax.xaxis, log_x), (ax.yaxis, log_y)):
        if is_log:
            write_plain_ticks(axis)
    return render(figure)


def write_plain_ticks(axis: Axis) -> None:
    """Numbers as 0.05, 20 and 5,000 on a logarithmic axis, at 1, 2 and 5 or, in a narrow range, evenly."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    narrow, wide = MaxNLocator(5), LogLocator(subs=(1.0,) if decades > 3 else (1.0, 2.0, 5.0))
    axis.set_major_locator(narrow if decades < 0.7 else wide)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1000 else f"{value:g}")


def new_plot(title: str, size: tuple[float, float] = (7, 4.5)) -> tuple[Figure, Axes]:
    """An empty figure, `size` in inches, with a title at the left, and its axes, without a frame."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    text = "\n".join(wrap_text(title, round(size[0] * 120 - 40), 19))
    figure.suptitle(text, fontsize=11, x=0.01, ha="left")
    return figure, ax


def render(figure: Figure) -> Image.Image:
    """A matplotlib figure as a picture."""
    figure.canvas.draw()
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")  # type: ignore[attr-defined]


def write_halo(ax: Axes, point: tuple[float, float], text: str) -> None:
    """Text above a point, with a white outline, legible on points of any colour."""
    from matplotlib.patheffects import withStroke

    edges = [withStroke(linewidth=3, foreground="white")]
    ax.annotate(
        text,
        point,
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=11,
        fontweight="bold",
        path_effects=edges,
    )
