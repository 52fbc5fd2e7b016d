"""Effects of switches: differences to base of the same seed, their t interval, Holm's correction.

Of differences d_1 ... d_k over k seeds, mean m and standard deviation s (Student 1908):

    t = m / (s / sqrt(k)),    interval m +- t_{k-1, 0.975} s / sqrt(k)

Where all differences are equal, as counts can be, s is 0 and t has no value: p is then that of the exact test
of their signs, 2 / 2^k (Fisher 1935), and there is no interval.

Holm 1979: the i-th smallest of M p-values becomes the largest of (M - j + 1) p_(j) over j <= i.
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
ROUNDING = 1e-12  # of the values: differences that differ by less are equal
NOISE = "not distinguishable from noise"
BASE = "base"

Results = Mapping[str, Mapping[int, Mapping[str, Measure]]]  # configuration -> seed -> name -> measure


class Effect(NamedTuple):
    """The effect of one switch on one measure: `differences` are switched minus base, one per seed.

    `base` is base's mean over these seeds, `deviation` the standard deviation of the differences, `interval`
    the 95 % interval of their mean, `p` the p-value of the paired t-test.  With one seed the last three are
    None; with equal differences there is no interval, and `p` is that of the sign test.
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
        """The text of the table's columns from 'switch' on."""
        interval = "" if self.interval is None else "{:+.3g} to {:+.3g}".format(*self.interval)
        difference = with_error(self.mean, self.deviation, sign="+")
        count = str(len(self.differences))
        return (self.switch, f"{self.base:.4g}", difference, interval, count, self.verdict)


def effect(
    switch: str, measure: str, better: str, switched: Sequence[float], base: Sequence[float]
) -> Effect:
    """The effect of a switch on a measure, from the values of both configurations with the same seeds."""
    d = np.subtract(switched, base)
    k, mean = len(d), float(d.mean())
    row = Effect(switch, measure, better, float(np.mean(base)), tuple(d.tolist()), mean)
    if k < 2:
        return row
    deviation = float(d.std(ddof=1))
    rounding = ROUNDING * float(np.abs([switched, base]).max())
    if deviation <= rounding:  # all differences are equal
        return row._replace(deviation=0.0, p=1.0 if abs(mean) <= rounding else 2 / 2**k)
    error = deviation / math.sqrt(k)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, k - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, k - 1))
    return row._replace(deviation=deviation, interval=(mean - reach, mean + reach), p=p)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order of p."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(np.argsort(p, kind="stable").tolist()):
        largest = max(largest, (len(p) - rank) * p[i])
        adjusted[i] = min(1.0, largest)
    return adjusted


def effects(results: Results) -> list[Effect]:
    """All effects with their verdicts, those on the primary measure first."""
    base = results[BASE]
    known = {
        name: measure
        for runs in results.values()
        for measures in runs.values()
        for name, measure in measures.items()
    }
    primary = primary_measure(list(known))
    rows = []
    for name in sorted(known, key=lambda name: name != primary):  # stable: the others stay in order
        for switch, runs in results.items():
            seeds = [seed for seed in runs if name in runs[seed] and name in base.get(seed, {})]
            if switch != BASE and seeds:
                switched, unchanged = ([side[seed][name].value for seed in seeds] for side in (runs, base))
                rows.append(effect(switch, name, known[name].better, switched, unchanged))
    tested = {i: row.p for i, row in enumerate(rows) if row.measure == primary and row.p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [row._replace(verdict=verdict(row, corrected.get(i, row.p))) for i, row in enumerate(rows)]


def primary_measure(names: Sequence[str]) -> str:
    """The measure that decides: the Frechet distance of samples, else the error of reconstructions.

    Where a run has neither it is the first measure; '' where there is none.
    """
    distances = [name for name in names if name.startswith("fd[") and name.endswith("]")]
    errors = [name for name in names if name == "mse"]
    return next(iter([*distances, *errors, *names]), "")


def verdict(row: Effect, p: float | None) -> str:
    """'better', 'worse' or NOISE, for an effect whose p-value, corrected or not, is p."""
    if p is None or p >= 1 - LEVEL:
        return NOISE
    return "better" if (row.mean < 0) == (row.better == "lower") else "worse"


def remarks(rows: Sequence[Effect]) -> list[str]:
    """What a reader of the table must know to read its verdicts."""
    if not rows:
        return ["nothing to compare yet: no measure exists of base and of a switch for the same seed"]
    lines = [
        "a difference is the run with the option changed minus base, with the same seed; ± is its standard "
        "deviation over seeds"
    ]
    if any(row.p is None for row in rows):
        lines.append("one seed has no spread, so every verdict is noise: use two or more seeds")
    if any(row.p is not None and row.interval is None and row.mean for row in rows):
        lines.append(
            "where the difference is the same for every seed there is no interval; the verdict is that of a "
            "sign test, which needs 6 seeds or more"
        )
    tested = [row for row in rows if row.p is not None]
    primary = [row for row in tested if row.measure == rows[0].measure]
    if primary:
        lines.append(
            f"verdicts on {rows[0].measure} are Holm-corrected over its {count_rows(len(primary))}: if no "
            "option had an effect, the chance of any 'better' or 'worse' would be 5 %; without the "
            f"correction, chance alone would give {len(primary) * (1 - LEVEL):.2g} of them"
        )
    if others := len(tested) - len(primary):
        lines.append(
            "verdicts on the other measures are not corrected: "
            f"chance alone would give {others * (1 - LEVEL):.2g} of these {count_rows(others)} a 'better' "
            "or 'worse'"
        )
    return lines


def count_rows(rows: int) -> str:
    """'1 row', '3 rows'."""
    return "1 row" if rows == 1 else f"{rows} rows"
