"""Effects of switched options: differences to base of the same seed, their t interval, Holm's correction.

Of differences d_1 ... d_k over k seeds, mean m and deviation s (Student 1908):

    t = m / (s / sqrt(k)),    interval m +- t_{k-1, 0.975} s / sqrt(k)

Holm 1979: the i-th smallest of M p-values counts as the largest of (M - j + 1) p_(j) over j <= i.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from limner.evaluation import Measure
from limner.evaluation.compare import with_error

LEVEL = 0.95
NOISE = "not distinguishable from noise"
BASE = "base"

Found = Mapping[str, Mapping[int, Mapping[str, Measure]]]  # configuration -> seed -> measure's name -> it


class Effect(NamedTuple):
    """What one switch does to one measure: `differences` are switched minus base, a seed each.

    `base` is base's mean over these seeds, `deviation` that of the differences, `interval` holds their mean
    with 95 %, `p` is of the paired t-test; None where one seed gives no spread.
    """

    switch: str
    measure: str
    better: str
    base: float
    differences: tuple[float, ...]
    mean: float
    deviation: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    verdict: str = NOISE

    def cells(self) -> tuple[str, ...]:
        """What stands in the table's columns."""
        between = "" if self.interval is None else "{:+.3g} to {:+.3g}".format(*self.interval)
        difference = with_error(self.mean, self.deviation, sign="+")
        count = str(len(self.differences))
        return (self.switch, f"{self.base:.4g}", difference, between, count, self.verdict)


def effect(switch: str, measure: str, better: str, ours: Sequence[float], base: Sequence[float]) -> Effect:
    """The effect on a measure of a switch, from its value of each seed and base's of the same seeds."""
    d = np.subtract(ours, base)
    k, mean = len(d), float(d.mean())
    about = Effect(switch, measure, better, float(np.mean(base)), tuple(d.tolist()), mean)
    if k < 2:
        return about
    deviation = float(d.std(ddof=1))
    error = deviation / math.sqrt(k)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, k - 1)) * error
    sure = 1.0 if mean == 0 else 0.0  # of differences that are all the same
    p = float(2 * stats.t.sf(abs(mean) / error, k - 1)) if error else sure
    return about._replace(deviation=deviation, interval=(mean - reach, mean + reach), p=p)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(np.argsort(p, kind="stable").tolist()):
        largest = max(largest, (len(p) - rank) * p[i])
        adjusted[i] = min(1.0, largest)
    return adjusted


def effects(found: Found) -> list[Effect]:
    """All effects with their verdicts, those on the primary measure first."""
    base = found[BASE]
    known = {
        name: measure for runs in found.values() for one in runs.values() for name, measure in one.items()
    }
    primary = primary_of(list(known))
    rows = []
    for name in sorted(known, key=lambda name: name != primary):  # stable: the others stay in order
        for switch, runs in found.items():
            seeds = [seed for seed, one in runs.items() if name in one and name in base.get(seed, {})]
            if switch != BASE and seeds:
                ours, theirs = ([of[seed][name].value for seed in seeds] for of in (runs, base))
                rows.append(effect(switch, name, known[name].better, ours, theirs))
    tested = {i: row.p for i, row in enumerate(rows) if row.measure == primary and row.p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [row._replace(verdict=verdict(row, corrected.get(i, row.p))) for i, row in enumerate(rows)]


def primary_of(names: Sequence[str]) -> str:
    """The measure that decides: the Frechet distance of samples, else the error of reconstructions.

    It is the first there is where a run has neither.
    """
    distances = [name for name in names if name.startswith("fd[") and name.endswith("]")]
    errors = [name for name in names if name == "mse"]
    return next(iter([*distances, *errors, *names]), "")


def verdict(row: Effect, p: float | None) -> str:
    """'better', 'worse' or that it cannot be told, for an effect whose p-value, corrected or not, is p."""
    if p is None or p >= 1 - LEVEL:
        return NOISE
    return "better" if (row.mean < 0) == (row.better == "lower") else "worse"


def remarks(rows: Sequence[Effect]) -> list[str]:
    """What a reader of the table must know of its verdicts."""
    if not rows:
        return ["nothing to compare yet: no measure is there of base and of a switch for the same seed"]
    told = [
        "a difference is with the option changed minus base, of the same seed; ± its deviation over seeds"
    ]
    if any(row.p is None for row in rows):
        told.append("one seed has no spread to judge by, so nothing is told from noise: two or more seeds do")
    tested = [row for row in rows if row.p is not None]
    primary = [row for row in tested if row.measure == rows[0].measure]
    if primary:
        told.append(
            f"verdicts on {rows[0].measure} are Holm-corrected over its {counted(len(primary))}: were no "
            f"option of effect, the chance of calling any of them different would be 5 %; by their intervals "
            f"alone {len(primary) * (1 - LEVEL):.2g} of them would be expected to be called so"
        )
    if others := len(tested) - len(primary):
        told.append(
            f"verdicts on other measures go by their intervals: of these {counted(others)} chance alone "
            f"would be expected to call {others * (1 - LEVEL):.2g} different"
        )
    return told


def counted(rows: int) -> str:
    """'1 row', '3 rows'."""
    return f"{rows} row{'s' * (rows != 1)}"
