"""The diagnosis of a run afterwards: troubles at its end, those that passed, where its signals stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from PIL import Image

from limner.data import Images
from limner.doctor.features import Small
from limner.doctor.signals import Probe, examined
from limner.doctor.verdicts import TROUBLES, Verdict, verdicts
from limner.evaluation.measures import columned
from limner.figures import curves
from limner.training import Run, load
from limner.training.session import FEWEST

# signal -> (what it is, what it is in health)
SHOWN: dict[str, tuple[str, str]] = {
    "overlap": ("real images ranked above generated ones (AUC)", "0.5 at the equilibrium, below 1"),
    "d_real": ("mean D(x)", "0.5 at the equilibrium"),
    "d_fake": ("mean D(G(z))", "0.5 at the equilibrium"),
    "held_out_gap": ("how far D puts held-out images towards generated ones", "0"),
    "g_slope": ("gradient that reaches G, share of a full one", "well above 0"),
    "distance": ("distance of samples to training images", "falling"),
    "floors": ("the same as a multiple of real images'", "near 1"),
    "diversity": ("distance of two samples, relative to two real images", "near 1"),
    "within": ("the same of two samples of one class", "near 1"),
    "evenness": ("entropy of the samples' classes, relative to the data's", "near 1"),
    "agreement": ("samples that are of the class asked for", "near 1"),
    "movement": ("change of the samples of the same noise in a tick", "falling"),
    "reconstruction": ("distance of reconstructions to training images", "falling"),
    "sensitivity": ("change of a decoded image with another's code", "near 1"),
}
PANELS: dict[str, tuple[tuple[str, ...], bool]] = {  # title -> its signals, on a log scale
    "the discriminator: 0.5 is the equilibrium": (("overlap", "d_real", "d_fake", "accuracy"), False),
    "samples, relative to real images": (("diversity", "within", "evenness", "agreement", "movement"), False),
    "distance to training images": (("distance", "reconstruction"), True),
    "gradients": (("grad/D", "grad/G", "grad/main"), True),
}


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a run, what was and is no longer (name, first and last images), its signals."""

    run: str
    verdicts: Sequence[Verdict]
    passed: Sequence[tuple[str, int, int]]
    signals: dict[str, float]
    lines: Sequence[dict[str, Any]]
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def healthy(self) -> bool:
        """Whether no trouble holds at the run's end."""
        return not self.verdicts

    def told(self) -> str:
        """The diagnosis as text."""
        lines = [f"{self.run}: {'healthy' if self.healthy else ', '.join(v.name for v in self.verdicts)}"]
        for verdict in self.verdicts:
            lines += ["", f"{verdict.name}, since {verdict.since:,} images"]
            lines += [f"  evidence  {verdict.evidence}", f"  means     {verdict.means}"]
            lines += [f"  try       {verdict.change}"]
        if self.passed:
            lines += ["", "passed"]
            lines += [f"  {name}, {first:,} to {last:,} images" for name, first, last in self.passed]
        rows = [
            (what, f"{self.signals[name]:.3g}", health)
            for name, (what, health) in SHOWN.items()
            if name in self.signals
        ]
        table = columned([("signal", "value", "in health"), *rows], right=(1,)) if rows else ""
        return "\n".join([*lines, "", table]).rstrip()

    def json(self) -> dict[str, Any]:
        """All of it, as JSON holds it."""
        return {
            "run": self.run,
            "healthy": self.healthy,
            "verdicts": [vars(verdict) for verdict in self.verdicts],
            "passed": [{"name": name, "first": a, "last": b} for name, a, b in self.passed],
            "signals": self.signals,
            "notes": list(self.notes),
        }

    def picture(self) -> Image.Image | None:
        """The signals over the run, four panels; None where the log has none."""
        shown = []
        for title, (names, log) in PANELS.items():
            series = {name: self.series(name) for name in names if self.series(name)[0]}
            if series:
                shown.append(curves(series, xlabel="images seen", ylabel="", title=title, log_y=log))
        if not shown:
            return None
        width, height = max(one.width for one in shown), max(one.height for one in shown)
        whole = Image.new("RGB", (width * min(2, len(shown)), height * ((len(shown) + 1) // 2)), "white")
        for i, one in enumerate(shown):
            whole.paste(one, (width * (i % 2), height * (i // 2)))
        return whole

    def series(self, name: str) -> tuple[list[float], list[float]]:
        """A signal over the run: images seen, and its values there."""
        key = f"doctor/{name}"
        pairs = [(line["images"], line[key]) for line in self.lines if key in line]
        return [at for at, _ in pairs], [value for _, value in pairs]


def diagnose(run: str | Path | Run) -> Diagnosis:
    """The troubles of a run, by its log; of one that the doctor did not watch, by its last weights alone."""
    made = run if isinstance(run, Run) else load(run)
    lines, notes = made.log, []
    if not any(name.startswith("doctor/") or name == "not_finite" for line in lines for name in line):
        lines, note = unwatched(made, lines)
        notes.append(note)
    hold = verdicts(lines)
    now = {verdict.name for verdict in hold}
    was: dict[str, list[int]] = {}
    for line in lines:
        for name in line.get("troubles", []):
            was.setdefault(name, []).append(line["images"])
    passed = [(name, at[0], at[-1]) for name, at in was.items() if name not in now and name in TROUBLES]
    last: dict[str, Any] = next(
        (line for line in reversed(lines) if any(n.startswith("doctor/") for n in line)), {}
    )
    signals = {name: last[f"doctor/{name}"] for name in SHOWN if f"doctor/{name}" in last}
    return Diagnosis(made.name, hold, passed, signals, lines, notes)


def unwatched(run: Run, lines: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """The log with the signals of the stored weights, as if so since half of the images seen; a note."""
    left_out = run.config["training"].get("leave_out")
    data = run.data if left_out is None else run.data.without(left_out)
    if min(len(data.train), len(data.test)) < FEWEST:
        return lines, f"{data.name} has too few images for the doctor, who needs {FEWEST} seen and held out"
    train, test = (
        Images(run.model.prepare(part.pixels, fresh=False), part.labels) for part in (data.train, data.test)
    )
    signals = examined(Probe(run.model, train, test, Small(data)), run.model)
    found = {f"doctor/{name}": value for name, value in signals.items() if isfinite(value)}
    note = "trained without the doctor: only what its last weights show, nothing of how it came about"
    seen = run.images_seen
    return [*lines, *({"images": at, **found} for at in (seen // 2, seen, seen))], note
