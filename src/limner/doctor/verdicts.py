"""Verdicts: rules on a run's log, each a named trouble with its evidence, its meaning and what to change.

A rule sees the log up to a tick and gives its evidence where the trouble holds there.  Rules were chosen on
some seeds and failures and tried on others: docs/doctor.md has hits and false alarms.  What the discriminator
sees is a warning, never a reason to stop: its loss may be near nothing while the samples still improve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean
from typing import Any

Line = dict[str, Any]
BEGUN = 20_000  # images before which an output that has not left the middle grey means nothing
EARLY = 50_000  # images before which samples that are alike, or not what was asked for, mean nothing


@dataclass(frozen=True)
class Trouble:
    """What can go wrong: `rule` gives evidence or None; `grave` where going on as it is cannot help."""

    rule: Callable[[History], str | None]
    means: str
    change: str
    grave: bool = False


@dataclass(frozen=True)
class Verdict:
    """A trouble that holds: its evidence, and the images seen since when it has held without a break."""

    name: str
    evidence: str
    since: int
    means: str
    change: str
    grave: bool

    def __str__(self) -> str:
        means = self.means[0].upper() + self.means[1:]
        return f"{self.name} since {self.since:,} images: {self.evidence}. {means}. Try {self.change}."


class History:
    """A log up to a tick, asked by a signal's name."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines

    def last(self, name: str, n: int) -> list[float]:
        """The signal's values at the last n ticks; fewer where it was measured at fewer of them."""
        found = [line.get(f"doctor/{name}", line.get(name)) for line in self.lines[-n:]]
        return [value for value in found if isinstance(value, (int, float))]

    def all(self, name: str) -> list[float]:
        """The signal's values at all ticks so far."""
        return self.last(name, len(self.lines))

    def now(self, name: str) -> float:
        """The signal's value at the last tick."""
        return (self.last(name, 1) or [float("nan")])[0]

    def grows(self, name: str) -> bool:
        """Whether a signal is an eighth above what it was at half of the images seen, or nothing was."""
        whole = self.lines[-1]["images"]
        half = [line for line in self.lines if line["images"] <= whole / 2]
        before = History(half).now(name) if half else float("nan")
        return not before * 1.125 >= self.now(name)  # with nothing to compare it may yet grow

    def held(self, name: str, holds: Callable[[float], bool], n: int) -> bool:
        """Whether the signal was measured, and so, at each of the last n ticks."""
        values = self.last(name, n)
        return len(values) == n and all(holds(value) for value in values)


def overpowers(h: History) -> str | None:
    if not (h.held("overlap", lambda v: v > 0.995, 3) and h.held("d_fake", lambda v: v < 0.02, 3)):
        return None
    return (
        f"D ranks {h.now('overlap'):.1%} of real above generated images, mean D(G(z)) {h.now('d_fake'):.3f}"
    )


def too_weak(h: History) -> str | None:
    if not (h.held("overlap", lambda v: v < 0.6, 3) and h.held("floors", lambda v: v > 20, 3)):
        return None
    return (
        f"D ranks {h.now('overlap'):.1%} of real above generated images, like a coin, though samples are "
        f"{h.now('floors'):.0f} times as far from the data as real images are"
    )


def gradient_vanishes(h: History) -> str | None:
    if h.held("g_slope", lambda v: v < 0.05, 2):
        return (
            f"{h.now('g_slope'):.1%} of a full gradient reaches G, and under a hundredth of one from "
            f"{h.now('g_saturated'):.0%} of the generated images"
        )
    norms = h.all("grad/G")
    if len(norms) >= 5 and max(norms[-2:]) < 0.01 * sorted(norms[:-2])[len(norms[:-2]) // 2]:
        return f"the norm of G's gradient fell to {norms[-1]:.2g}, under a hundredth of its median so far"
    return None


def collapse(h: History) -> str | None:
    if h.last("sensitivity", 1):
        return None  # it encodes: a collapse of its posterior has a name of its own
    if h.lines[-1]["images"] < EARLY or gradient_vanishes(h):
        return None  # every generator begins with one image, and stays with it where it learns nothing
    if h.held("diversity", lambda v: v < 0.5, 2) and not h.grows("diversity"):
        return f"samples differ from each other {h.now('diversity'):.0%} as much as real images do"
    if h.held("within", lambda v: v < 0.3, 2) and not h.grows("within"):
        return f"samples of one class differ {h.now('within'):.0%} as much as real images of one class do"
    if h.held("evenness", lambda v: v < 0.7, 2) and not h.grows("evenness"):
        return (
            f"{h.now('classes'):.0%} of the classes are there, "
            f"with {h.now('evenness'):.0%} of the entropy they have in the data"
        )
    return None


def oscillates(h: History) -> str | None:
    far = h.all("distance")
    if len(far) < 8 or min(far[-4:]) < 0.95 * min(far[:-4]):
        return None  # there is progress
    ranks = h.last("overlap", 8)
    turns = sum((a < 0.5) != (b < 0.5) for a, b in pairwise(ranks))
    if turns >= 3 and max(ranks) - min(ranks) > 0.5:
        return (
            f"D ranked {min(ranks):.0%} to {max(ranks):.0%} of real above generated images in the last eight "
            f"ticks, and changed sides {turns} times, while samples came no nearer to the data"
        )
    moves = h.last("movement", 6)
    if len(moves) == 6 and min(moves) > 0.6 and h.now("floors") > 10:
        return (
            f"samples of the same noise still change by {moves[-1]:.0%} of the distance of two real images "
            "in a tick, and come no nearer to the data"
        )
    return None


def overfits(h: History) -> str | None:
    gaps = h.last("held_out_gap", 5)
    if len(gaps) < 5 or mean(gaps) < 0.25 or min(gaps[-2:]) < 0.1:
        return None
    return f"D puts held-out real images {mean(gaps):.0%} of the way towards the generated ones (five ticks)"


def labels_ignored(h: History) -> str | None:
    told = h.last("agreement", 3)
    if h.lines[-1]["images"] < EARLY or len(told) < 3 or max(told) > 0.5 or told[-1] > told[0] + 0.05:
        return None
    return f"the classifier sees the class that was asked for in {told[-1]:.0%} of the samples"


def posterior_collapses(h: History) -> str | None:
    nothing = h.now("sensitivity") < 0.001 and h.lines[-1]["images"] >= BEGUN
    if not h.held("sensitivity", lambda v: v < 0.05, 2) or (h.grows("sensitivity") and not nothing):
        return None
    active = h.last("held_out/active_units", 1)
    units = f", {active[0]:.0f} of its numbers vary with the image" if active else ""
    changed = h.now("sensitivity")
    return f"another image's code changes the decoded image by {changed:.1%} of the difference{units}"


def prior_mismatch(h: History) -> str | None:
    if not (h.last("reconstruction", 1) and h.last("distance", 1)):
        return None
    ratios = [
        d / max(r, 1e-9) for d, r in zip(h.last("distance", 3), h.last("reconstruction", 3), strict=False)
    ]
    if len(ratios) < 3 or min(ratios) < 10 or h.now("floors") < 20:
        return None
    return f"samples are {ratios[-1]:.1f} times as far from the data as reconstructions are"


def not_finite(h: History) -> str | None:
    return h.lines[-1].get("not_finite")


def dead(h: History) -> str | None:
    for name, end in (("low", "dark"), ("high", "bright")):
        off = h.last(name, 5)
        if h.lines[-1]["images"] >= BEGUN and len(off) == 5 and min(off) > 0.6 and max(off) - min(off) < 0.02:
            return (
                f"the output's range does not match the data's: off by {off[-1] / 2:.0%} at its {end} end, "
                "and not moving"
            )
    for name in (name for name in h.lines[0] if name.startswith("loss/")):
        values = h.all(name)
        if len(values) >= 3 and max(values) - min(values) <= 1e-6 * max(1e-6, abs(values[0])):
            return f"{name} has been {values[0]:.6g} since the first tick"
    return None


def getting_worse(h: History) -> str | None:
    far = h.all("distance")
    if len(far) < 3 or min(far[-2:]) < 1.5 * min(far) or h.now("floors") < 5:
        return None
    best = min(far)
    at = next(line["images"] for line in h.lines if line.get("doctor/distance") == best)
    times = far[-1] / max(best, 1e-6)
    return f"distance to the data {far[-1]:.1f}, {times:.1f} times its best, {best:.1f} at {at:,} images"


TROUBLES: dict[str, Trouble] = {
    "discriminator overpowers": Trouble(
        overpowers,
        "D too good: it tells all real from generated images, so the generator learns little from it",
        "a lower --d-lr, --spectral-norm, --penalty r1, or --augment translation",
    ),
    "discriminator too weak": Trouble(
        too_weak,
        "D too bad: it cannot tell real from generated, so what it tells the generator is wrong",
        "a higher --d-lr, --critic-steps 2, a lower --dropout, or no --flip-labels",
    ),
    "generator gradient vanishes": Trouble(
        gradient_vanishes,
        "the generator's loss saturates: D won early, and where D is sure the gradient is next to nothing",
        "--loss non-saturating, hinge or relativistic; a lower --d-lr",
    ),
    "mode collapse": Trouble(
        collapse,
        "the generator makes few kinds of images, each of which fools D for a while",
        "--loss relativistic (with its R1 and R2), a lower --lr, batch norm in G, a larger --latent-dim",
        grave=True,
    ),
    "oscillation without progress": Trouble(
        oscillates,
        "gradient descent seeks a minimum, not an equilibrium: the players run in circles",
        "--ema-half-life 100000 with --averaged generator, a lower --beta1, --penalty r1, or --lr-drops",
    ),
    "discriminator overfits": Trouble(
        overfits,
        "D knows the training images by heart: real ones it has not seen look generated to it",
        "--augment colour translation cutout, more data, or a smaller D",
    ),
    "labels ignored": Trouble(
        labels_ignored,
        "what is asked for by label is not what comes: the class has no say in the image",
        "labels that belong to the images (limner data D shows some), --condition projection",
        grave=True,
    ),
    "posterior collapse": Trouble(
        posterior_collapses,
        "the decoder ignores the code: q(z|x) has become the prior, and every code gives the same image",
        "a lower --beta, a smaller --sigma with --variance fixed, or a weaker decoder",
        grave=True,
    ),
    "prior mismatch": Trouble(
        prior_mismatch,
        "good reconstructions, bad samples: codes of images lie elsewhere than the codes that are drawn",
        "limner sample --prior gmm or full, a larger --beta, or a smaller --latent-dim",
    ),
    "not finite": Trouble(
        not_finite,
        "a loss or a weight is no number any more, and nothing after that can be",
        "a lower --lr, --clip 1, or --precision fp32",
        grave=True,
    ),
    "dead configuration": Trouble(
        dead,
        "nothing is being learnt: a loss that never moved, or an output that cannot be the data",
        "--inputs centred with a tanh (unit with a sigmoid), a lower --lr, another --seed",
        grave=True,
    ),
    "getting worse": Trouble(
        getting_worse,
        "training is past its best: going on makes the samples worse",
        "--on-trouble restore, which keeps the best weights; a lower --lr, --lr-drops, or --penalty r1",
        grave=True,
    ),
}


def verdicts(lines: Sequence[Line]) -> list[Verdict]:
    """The troubles that hold at the end of a log, each with the images seen when it set in."""
    found = []
    for name, trouble in TROUBLES.items():
        evidence = trouble.rule(History(lines)) if lines else None
        if evidence is None:
            continue
        begin = len(lines)
        while begin > 1 and trouble.rule(History(lines[: begin - 1])) is not None:
            begin -= 1
        since = lines[begin - 1]["images"]
        found.append(Verdict(name, evidence, since, trouble.means, trouble.change, trouble.grave))
    return found
