"""Rules: each looks at a run's log up to a tick, and returns its evidence where its trouble holds there.

What a rule asks of a discriminator does not depend on the scale of its outputs, so it means the same for
every loss: how D ranks images, how much gradient it lets through, whether samples come closer to the data.

Rules were chosen on some seeds and failures and tested on others: docs/doctor.md counts hits and false
alarms.  A rule is silent where the model does not have its signal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import mean, median_high
from typing import Any

Line = dict[str, Any]
MIN_IMAGES_RANGE = 20_000  # images before which an output that is still a middle grey means nothing
MIN_IMAGES_VARIETY = 50_000  # images before which samples that are alike, or of a wrong class, mean nothing
FAR = 20.0  # times as far from the data as real images are: samples that make no sense yet
MEASURED_ONCE = "measured_once"  # in lines that hold one measurement, of which no change is known


class History:
    """The signals of a log up to a tick, those of one discriminator where a model has several."""

    def __init__(self, lines: Sequence[Line], discriminator: str = "") -> None:
        self.lines, self.discriminator = lines, discriminator
        self.D = discriminator or "D"

    def value(self, line: Line, name: str) -> float | None:
        """A signal's value in a line of the log, or that of a number that the model logs itself."""
        keys = [f"doctor/{name}/{self.discriminator}"] if self.discriminator else []
        for key in [*keys, f"doctor/{name}", name]:
            if isinstance(line.get(key), int | float):
                return float(line[key])
        return None

    def last(self, name: str, n: int) -> list[float]:
        """The signal's values at the last n ticks; fewer where it was measured at fewer of them."""
        values = [self.value(line, name) for line in self.lines[-n:]]
        return [value for value in values if value is not None]

    def all(self, name: str) -> list[float]:
        """The signal's values at all ticks so far."""
        return self.last(name, len(self.lines))

    def now(self, name: str) -> float:
        """The signal's value at the last tick; nan where it was not measured."""
        return (self.last(name, 1) or [float("nan")])[0]

    def grows(self, name: str) -> bool:
        """Whether a signal is an eighth above its value at half of the images seen, or that is unknown."""
        images = self.lines[-1]["images"]
        half = [line for line in self.lines if line["images"] <= images / 2]
        before = History(half, self.discriminator).now(name) if half else float("nan")
        return not before * 1.125 >= self.now(name)  # True for nan

    def comes_closer(self) -> bool:
        """Whether samples came closer to the data in the last four ticks; in half of fewer than eight."""
        distances = self.all("distance")
        recent = min(4, len(distances) // 2)
        return recent > 0 and min(distances[-recent:]) < 0.95 * min(distances[:-recent])

    def stalls(self) -> bool:
        """Whether samples are known to come no closer to the data: for four ticks, of six or more."""
        known = len(self.all("distance")) >= 6 and not self.lines[-1].get(MEASURED_ONCE)
        return known and not self.comes_closer()

    def holds(self, name: str, condition: Callable[[float], bool], n: int) -> bool:
        """Whether the signal was measured at each of the last n ticks, and met the condition at each."""
        values = self.last(name, n)
        return len(values) == n and all(condition(value) for value in values)

    def signals(self, prefix: str) -> list[str]:
        """The signals of the last tick whose name begins with `prefix`."""
        names = [key.removeprefix("doctor/") for key in self.lines[-1] if key.startswith("doctor/")]
        return [name for name in names if name.startswith(prefix)]


Rule = Callable[[History], str | None]


def each_discriminator(rule: Rule) -> Rule:
    """The rule, applied to each discriminator where a model has several; their evidence together."""

    def apply(h: History) -> str | None:
        names = [name.removeprefix("overlap/") for name in h.signals("overlap/")]
        parts = [History(h.lines, name) for name in names] or [h]
        evidence = [text for part in parts if (text := rule(part)) is not None]
        return "; ".join(dict.fromkeys(evidence)) or None

    return apply


@each_discriminator
def overpowers(h: History) -> str | None:
    """D ranks nearly all images right, while samples are far from the data and come no closer.

    The ranking alone is no trouble: a critic that is trained well ranks nearly all images right too.
    """
    if h.lines[-1]["images"] < MIN_IMAGES_RANGE or not h.stalls():
        return None
    if not (h.holds("overlap", lambda v: v > 0.995, 3) and h.holds("distance_ratio", lambda v: v > FAR, 3)):
        return None
    return (
        f"{h.D} ranks {h.now('overlap'):.1%} of real above generated images, while samples are "
        f"{h.now('distance_ratio'):.0f} times as far from the data as real images are, and came no closer in "
        "the last four ticks"
    )


@each_discriminator
def too_weak(h: History) -> str | None:
    """D separates nothing, or takes generated images for real, while samples are far and come no closer."""
    if not (h.holds("overlap", lambda v: v < 0.6, 3) and h.holds("distance_ratio", lambda v: v > FAR, 3)):
        return None
    if h.comes_closer():
        return None
    overlap = h.now("overlap")
    side = "close to chance" if overlap > 0.4 else "inverted: it takes generated images for real"
    return (
        f"{h.D} ranks {overlap:.1%} of real above generated images, {side}, but "
        f"samples are {h.now('distance_ratio'):.0f} times as far from the data as real images are"
    )


def lost_gradient(h: History) -> str | None:
    """G's loss is flat at D's outputs, or the gradient of G's weights fell to a hundredth of its median."""
    if h.holds("g_slope", lambda v: v < 0.05, 2):
        return (
            f"G gets {h.now('g_slope'):.1%} of a full gradient from {h.D}, and under a hundredth of one from "
            f"{h.now('g_saturated'):.0%} of the generated images"
        )
    for name in h.signals("grad/G"):
        norms = h.all(name)
        if len(norms) >= 5 and max(norms[-2:]) < 0.01 * median_high(norms[:-2]):
            return (
                f"the norm of {name.removeprefix('grad/')}'s gradient fell to {norms[-1]:.2g}, "
                "under a hundredth of its median so far"
            )
    return None


@each_discriminator
def gradient_vanishes(h: History) -> str | None:
    """G gets no gradient because D is sure of generated images; where G fools D, D is too weak instead."""
    if not h.holds("overlap", lambda v: v > 0.75, 2):
        return None
    return lost_gradient(h)


learns_nothing = each_discriminator(lost_gradient)


def few_kinds(h: History, n: int) -> dict[str, str]:
    """The signals by which samples were of too few kinds at each of the last n ticks, with their evidence."""
    evidence = {}
    if h.holds("diversity", lambda v: v < 0.5, n):
        diversity = h.now("diversity")
        evidence["diversity"] = f"samples differ from each other {diversity:.0%} as much as real images do"
    if h.holds("within", lambda v: v < 0.3, n):
        within = h.now("within")
        evidence["within"] = f"samples of one class differ {within:.0%} as much as real ones of one class do"
    if h.holds("evenness", lambda v: v < 0.7, n):
        evidence["evenness"] = (
            f"samples have {h.now('classes'):.0%} of the data's classes, "
            f"with {h.now('evenness'):.0%} of the data's entropy"
        )
    return evidence


def collapses(h: History) -> str | None:
    """Samples are alike, those of one class are, or few classes occur; and that does not improve."""
    if h.last("sensitivity", 1):
        return None  # the model encodes: the collapse of its posterior has its own name
    if h.lines[-1]["images"] < MIN_IMAGES_VARIETY or learns_nothing(h):
        return None  # every generator begins with one image, and keeps it where it learns nothing
    stuck = [text for name, text in few_kinds(h, 2).items() if not h.grows(name)]
    return stuck[0] if stuck else None


@each_discriminator
def oscillates(h: History) -> str | None:
    """D's ranking changes sides, or samples keep moving, while the distance to the data does not fall."""
    if len(h.all("distance")) < 8 or not h.stalls():
        return None  # there is progress
    ranks = h.last("overlap", 8)
    turns = sum((a < 0.5) != (b < 0.5) for a, b in pairwise(ranks))
    if turns >= 3 and max(ranks) - min(ranks) > 0.5:
        return (
            f"{h.D} ranked {min(ranks):.0%} to {max(ranks):.0%} of real above generated images in the last "
            f"eight ticks, and changed sides {turns} times, while samples came no closer to the data"
        )
    moves = h.last("movement", 6)
    if len(moves) == 6 and min(moves) > 0.6 and h.now("distance_ratio") > 10:
        return (
            f"samples of the same noise still change by {moves[-1]:.0%} of the distance of two real images "
            "in a tick, and come no closer to the data"
        )
    return None


@each_discriminator
def overfits(h: History) -> str | None:
    """D places held-out real images towards the generated ones."""
    gaps = h.last("held_out_gap", 5)
    if len(gaps) < 5 or mean(gaps) < 0.25 or min(gaps[-2:]) < 0.1:
        return None
    return (
        f"{h.D} places held-out real images {mean(gaps):.0%} of the way from the training images to the "
        "generated ones (five ticks)"
    )


def labels_ignored(h: History) -> str | None:
    """The classifier finds the requested class in few samples, or a label changes nothing; as before."""
    shares = h.last("agreement", 3)
    if h.lines[-1]["images"] < MIN_IMAGES_VARIETY:
        return None
    if h.holds("label_effect", lambda v: v < 0.01, 3) and not h.grows("label_effect"):
        return f"another label changes an image by {h.now('label_effect'):.1%} of the range"
    if len(shares) < 3:
        return None
    if max(shares) > 0.5 or shares[-1] > shares[0] + 0.05:
        return None
    return f"the classifier finds the requested class in {shares[-1]:.0%} as many samples as real images"


def posterior_collapses(h: History) -> str | None:
    """Exchanging the codes of two images hardly changes the decoded images, and no more than before."""
    nothing = h.now("sensitivity") < 0.001 and h.lines[-1]["images"] >= MIN_IMAGES_RANGE
    if not h.holds("sensitivity", lambda v: v < 0.05, 2) or (h.grows("sensitivity") and not nothing):
        return None
    active = h.last("held_out/active_units", 1)
    units = f", {active[0]:.0f} of its variables change with the image" if active else ""
    change = h.now("sensitivity")
    return f"another image's code changes the decoded image by {change:.1%} of the difference{units}"


def prior_mismatch(h: History) -> str | None:
    """Samples are much farther from the data than reconstructions are."""
    if not (h.last("reconstruction", 1) and h.last("distance", 1)):
        return None
    pairs = zip(h.last("distance", 3), h.last("reconstruction", 3), strict=False)
    ratios = [distance / max(reconstruction, 1e-9) for distance, reconstruction in pairs]
    if len(ratios) < 3 or min(ratios) < 10 or h.now("distance_ratio") < FAR:
        return None
    return f"samples are {ratios[-1]:.1f} times as far from the data as reconstructions are"


def not_finite(h: History) -> str | None:
    """The session has noted a loss or weights that are not finite."""
    return h.lines[-1].get("not_finite")


def dead(h: History) -> str | None:
    """The output's range stays away from the data's, or a loss stays the same.

    An end that stays is no trouble while the other one leaves the middle grey: the output is opening.
    """
    for name, end, other in (("low", "dark", "high"), ("high", "bright", "low")):
        off, opposite = h.last(name, 5), h.last(other, 5)
        if h.lines[-1]["images"] < MIN_IMAGES_RANGE or len(off) < 5 or len(opposite) < 5:
            continue
        opens = opposite[0] > 0.6 and opposite[0] - opposite[-1] > 0.05
        if min(off) > 0.6 and max(off) - min(off) < 0.02 and not opens:
            return (
                f"the output's range does not match the data's: its {end} end is {off[-1] / 2:.0%} of the "
                "range away, and does not move"
            )
    for name in (name for name in h.lines[0] if name.startswith("loss/")):
        values = h.all(name)
        if len(values) >= 3 and max(values) - min(values) <= 1e-6 * max(1e-6, abs(values[0])):
            return f"{name} has been {values[0]:.6g} since the first tick"
    return None


def gets_worse(h: History) -> str | None:
    """The distance to the data has grown since its best."""
    distances = h.all("distance")
    if len(distances) < 3 or min(distances[-2:]) < 1.5 * min(distances) or h.now("distance_ratio") < 5:
        return None
    best = min(distances)
    images = next(line["images"] for line in h.lines if line.get("doctor/distance") == best)
    now, factor = distances[-1], distances[-1] / max(best, 1e-6)
    return f"distance to the data {now:.1f}, {factor:.1f} times its best, {best:.1f} at {images:,} images"
