"""The diagnosis of a run: the troubles at its end, those that passed, and the values of its signals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from limner.data.examples import test_examples, training_examples
from limner.doctor.rules import MEASURED_ONCE
from limner.doctor.signals import measure_signals
from limner.doctor.state import State, run_state
from limner.doctor.troubles import TROUBLES
from limner.doctor.verdicts import Verdict, verdicts
from limner.doctor.watch import FEWEST, new_probe
from limner.plots import curves
from limner.tables import format_table
from limner.training import Run, load


class Signal(NamedTuple):
    """What a signal is, and its value in a healthy run."""

    meaning: str
    healthy: str


SIGNALS: dict[str, Signal] = {
    "overlap": Signal("real images ranked above generated ones (AUC)", "0.5 at the equilibrium, below 1"),
    "separation": Signal("mean of D(x) above mean of D(G(z)), in deviations", "0 at the equilibrium"),
    "d_real": Signal("mean D(x), a probability", "0.5 at the equilibrium"),
    "d_fake": Signal("mean D(G(z)), a probability", "0.5 at the equilibrium"),
    "held_out_gap": Signal("D on held-out images: 0 as on training images, 1 as on generated ones", "0"),
    "g_slope": Signal("gradient that reaches G, as a share of a full one", "well above 0"),
    "distance": Signal("distance of samples to training images", "falling"),
    "distance_ratio": Signal("the same, divided by the distance of real images", "near 1"),
    "diversity": Signal("distance of two samples, divided by that of two real images", "near 1"),
    "within": Signal("the same for two samples of one class", "near 1"),
    "evenness": Signal("entropy of the samples' classes, divided by the data's", "near 1"),
    "agreement": Signal("share of samples of the requested class, divided by that of real images", "near 1"),
    "movement": Signal("change of the samples of the same noise in a tick", "falling"),
    "reconstruction": Signal("distance of reconstructions to training images", "falling"),
    "sensitivity": Signal("change of a decoded image with another image's code", "near 1"),
    "change": Signal("mean change of an image by its translation", "over 0.05"),
    "luminance": Signal("correlation of light areas before and after translation", "above 0"),
    "cycle": Signal("error after translation and back", "falling"),
    "hidden": Signal(
        "the same after noise on the translation, over the larger of it and the noise", "below 3"
    ),
    "untranslated": Signal("distance of untranslated images to training images", "larger than translated"),
    "effective_beta": Signal("weight of the KL, relative to the reconstruction", "steady, or falling"),
}
OTHERS = {"accuracy": "share of images on the right side of D's middle", "grad": "norm of the gradient"}
PANELS: dict[str, tuple[tuple[str, ...], bool]] = {  # title -> its signals, and whether on a log scale
    "the discriminator: 0.5 is the equilibrium": (("overlap", "d_real", "d_fake", "accuracy"), False),
    "samples, relative to real images": (("diversity", "within", "evenness", "agreement", "movement"), False),
    "distance to training images": (("distance", "reconstruction"), True),
    "translations": (("change", "luminance", "cycle"), False),
    "gradients": (("grad",), True),
}
PREFIXES = ("doctor/", "held_out/")  # of signals in the log; held_out/ are those that a model measures itself
HELD_OUT = 1000  # held-out images, as in training
Line = dict[str, Any]


@dataclass(frozen=True)
class Diagnosis:
    """The troubles of a run, those that passed (name, first and last images), and its signals."""

    run: str
    verdicts: Sequence[Verdict]
    passed: Sequence[tuple[str, int, int]]
    signals: dict[str, float]
    lines: Sequence[Line]
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def state(self) -> State:
        """Whether the run is healthy at its end, in trouble, or too short to tell, and why."""
        return run_state(self.lines, self.verdicts)

    @property
    def healthy(self) -> bool:
        """Whether no trouble holds at the run's end, and it is long enough to tell."""
        return self.state.name == "healthy"

    def text(self) -> str:
        """The diagnosis as text."""
        lines = [f"{self.run}: {self.state}"]
        if not self.signals:
            lines += [f"  {note}" for note in self.notes]
        for verdict in self.verdicts:
            lines += ["", f"{verdict.name}, since {verdict.since:,} images"]
            lines += [f"  evidence  {verdict.evidence}", f"  means     {verdict.meaning}"]
            lines += [f"  try       {verdict.advice}"] if verdict.remedies else []
        if self.passed:
            lines += ["", "passed"]
            lines += [f"  {name}, {first:,} to {last:,} images" for name, first, last in self.passed]
        if self.signals:
            header = ("signal", "value", "in a healthy run")
            lines += ["", format_table([header, *self.rows()], right=(1,))]
        return "\n".join(lines)

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """The rows of the table of signals: what each is, its value, and that of a healthy run."""
        for name, value in self.signals.items():
            yield describe_signal(name), f"{value:.3g}", SIGNALS[name.partition("/")[0]].healthy

    def json(self) -> dict[str, Any]:
        """All of it, as JSON holds it."""
        return {
            "run": self.run,
            "state": self.state.name,
            "reason": self.state.reason,
            "healthy": self.healthy,
            "verdicts": [verdict.json() for verdict in self.verdicts],
            "passed": [{"name": name, "first": first, "last": last} for name, first, last in self.passed],
            "signals": self.signals,
            "notes": list(self.notes),
        }

    def picture(self) -> Image.Image | None:
        """The signals over the run in four panels; None where the log has none."""
        panels = []
        for title, (names, log) in PANELS.items():
            series = {
                describe_signal(name): self.series(name) for prefix in names for name in self.names(prefix)
            }
            if series:
                panels.append(curves(series, xlabel="images seen", ylabel="", title=title, log_y=log))
        if not panels:
            return None
        width, height = max(panel.width for panel in panels), max(panel.height for panel in panels)
        size = (width * min(2, len(panels)), height * ((len(panels) + 1) // 2))
        picture = Image.new("RGB", size, "white")
        for i, panel in enumerate(panels):
            picture.paste(panel, (width * (i % 2), height * (i // 2)))
        return picture

    def names(self, signal: str) -> list[str]:
        """The names in the log of a signal: its own, and one per network where a model has several."""
        return signal_names(self.lines, signal)

    def series(self, name: str) -> tuple[list[float], list[float]]:
        """A signal over the run: images seen, and its values there."""
        pairs = [(line["images"], signal_value(line, name)) for line in self.lines]
        known = [(images, value) for images, value in pairs if value is not None]
        return [images for images, _ in known], [value for _, value in known]


def describe_signal(name: str) -> str:
    """What a signal is, in words, and of which network: 'D_A: mean D(x), a probability'."""
    signal, _, network = name.partition("/")
    meaning = SIGNALS[signal].meaning if signal in SIGNALS else OTHERS[signal]
    return f"{network}: {meaning}" if network else meaning


def diagnose(run: str | Path | Run) -> Diagnosis:
    """The troubles of a run, by its log; of a run trained without the doctor, by its stored weights alone."""
    run = run if isinstance(run, Run) else load(run)
    lines, notes = run.log, []
    if not any(name.startswith("doctor/") or name == "not_finite" for line in lines for name in line):
        lines, note = measure_weights(run, lines)
        notes.append(note)
    holding = verdicts(lines, run.model_class)
    return Diagnosis(run.name, holding, passed(lines, holding), last_signals(lines), lines, notes)


def passed(lines: Sequence[Line], holding: Sequence[Verdict]) -> list[tuple[str, int, int]]:
    """The troubles in the log that hold no longer: name, images seen at the first and at the last tick."""
    ticks: dict[str, list[int]] = {}
    for line in lines:
        for name in line.get("troubles", []):
            ticks.setdefault(name, []).append(line["images"])
    now = {verdict.name for verdict in holding}
    return [(name, at[0], at[-1]) for name, at in ticks.items() if name in TROUBLES and name not in now]


def last_signals(lines: Sequence[Line]) -> dict[str, float]:
    """The signals at the last tick that has any of the doctor's."""
    measured = [line for line in lines if any(name.startswith("doctor/") for name in line)]
    if not measured:
        return {}
    names = [name for signal in SIGNALS for name in signal_names(measured[-1:], signal)]
    values = {name: signal_value(measured[-1], name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def signal_names(lines: Sequence[Line], signal: str) -> list[str]:
    """The names in the log of a signal: 'overlap', or 'overlap/D_A' and 'overlap/D_B'."""
    names = {
        key.removeprefix(prefix): None
        for line in lines
        for key in line
        for prefix in PREFIXES
        if key.removeprefix(prefix) == signal or key.startswith(f"{prefix}{signal}/")
    }
    return list(names)


def signal_value(line: Line, name: str) -> float | None:
    """A signal's value in a line of the log, whoever measured it."""
    return next((line[prefix + name] for prefix in PREFIXES if prefix + name in line), None)


def measure_weights(run: Run, lines: list[Line]) -> tuple[list[Line], str]:
    """The log with the signals of the stored weights, and a note.

    Rules need some ticks, so the signals stand at half of the images seen, and twice at the end.
    """
    data = run.viewed
    held_out = test_examples(data).draw(HELD_OUT, seed=0)
    if min(training_examples(data).fewest(), held_out.fewest()) < FEWEST:
        return lines, f"{data.name} is too small: the doctor needs {FEWEST} training and test images"
    signals = measure_signals(new_probe(run.model, data, held_out), run.model)
    values = {f"doctor/{name}": value for name, value in signals.items() if isfinite(value)}
    own = {key: value for key, value in lines[-1].items() if key.startswith("held_out/")} if lines else {}
    images = run.images_seen
    note = "trained without the doctor: these are the signals of the stored weights, not of the training"
    measured = {**own, **values, MEASURED_ONCE: True}
    return [*lines, *({"images": at, **measured} for at in (images // 2, images, images))], note
