"""`ablate`: switch a model's options one at a time and measure the effect of each, over seeds.

Every configuration is trained with the same seeds, on the same data, for as long; a switched run is compared
with base's of the same seed (see effects.py).
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from limner import data as datasets
from limner.data import Dataset
from limner.errors import LimnerError
from limner.evaluation import FAMILIES, Measure, evaluate
from limner.evaluation.evaluate import most
from limner.evaluation.measures import columned
from limner.models import create, model_class, preset_batch, resolve
from limner.models.base import Model, abilities
from limner.recipes.effects import BASE, Effect, Found, effects, primary_of, remarks
from limner.recipes.report import spent, trained
from limner.recipes.switches import TRAINING, switched, typed
from limner.training.checkpoint import read_json, write_atomically, write_json
from limner.training.fit import built, check, default_precision, place
from limner.training.run import stem
from limner.training.trainer import NotFinite

MEASURED = ("reconstruction", "samples", "modes")  # families, and of their measures what begins so:
SHOWN = ("fd[", "precision", "recall", "classes of", "kl of classes", "mse", "ssim")
COLUMNS = ("measure", "switch", "base", "difference", "95 % interval", "seeds", "verdict")


@dataclass(frozen=True)
class Ablation:
    """What `ablate` found: a row for each measure and switch, those of the primary measure first.

    `about` holds the settings and each run's values; `seconds` counts training in earlier, stopped attempts.
    """

    title: str
    rows: Sequence[Effect]
    notes: Sequence[str]
    folder: Path
    seconds: float
    about: Mapping[str, Any]

    def cells(self) -> list[tuple[str, ...]]:
        """The table's lines, its heads first; a measure is named once."""
        lines: list[tuple[str, ...]] = [COLUMNS]
        for before, row in zip([None, *self.rows], self.rows, strict=False):
            again = before is not None and before.measure == row.measure
            lines.append(("" if again else f"{row.measure}, {row.better} is better", *row.cells()))
        return lines

    def table(self) -> str:
        """The rows as text in columns."""
        return columned(self.cells(), right=(2, 3, 4, 5))

    def markdown(self) -> str:
        """Title, table and notes as Markdown."""
        first, *lines = (f"| {' | '.join(line)} |" for line in self.cells())
        table = [first, "|---" * len(COLUMNS) + "|", *lines]
        return "\n".join([f"# {self.title}", "", *table, "", *(f"- {note}" for note in self.notes), ""])

    def json(self) -> dict[str, Any]:
        """What ablation.json holds."""
        found = {"title": self.title, "rows": [row._asdict() for row in self.rows], "notes": list(self.notes)}
        return {**self.about, **found, "seconds": self.seconds}

    @property
    def written(self) -> tuple[Path, Path]:
        """The files it is kept in: the table, and all the numbers."""
        return self.folder / "ablation.md", self.folder / "ablation.json"

    def save(self) -> None:
        """Write ablation.md and ablation.json into the folder."""
        told, numbers = self.written
        write_json(numbers, self.json())
        write_atomically(told, lambda beside: beside.write_text(self.markdown()))


class Result(NamedTuple):
    """What was measured of one run: by name, nothing where it diverged, and what to say of it."""

    measures: dict[str, Measure]
    remarks: list[str]


@dataclass(frozen=True)
class Grid:
    """All that is trained: `configurations` by name, each with what it changes of `settings`, base's own."""

    model: str
    data: Dataset
    images: int
    n: int
    settings: dict[str, Any]
    configurations: dict[str, dict[str, Any]]
    folder: Path
    quiet: bool

    def claim(self, base: dict[str, Any]) -> None:
        """Take the folder; LimnerError where it holds something else, or an ablation with other settings."""
        path, about = self.folder / "ablation.json", self.data
        ours = {"model": self.model, "data": about.name, "fingerprint": about.fingerprint}
        ours = json.loads(json.dumps(ours | {"images": self.images} | base))
        if not path.exists():
            if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise LimnerError(f"{self.folder} exists and is no ablation: choose another --out")
            write_json(path, {"settings": ours})
        found = read_json(path)
        if not isinstance(found, dict) or not isinstance(theirs := found.get("settings"), dict):
            raise LimnerError(f"{path} is not of an ablation: choose another --out")
        for name in ours | theirs:
            if ours.get(name) != theirs.get(name):
                raise LimnerError(
                    f"the runs in {self.folder} have {name} {theirs.get(name)}, not {ours.get(name)}: "
                    "choose another --out, or the same settings"
                )

    def result(self, name: str, seed: int) -> Result:
        """What was measured of a run: kept, or trained and measured now."""
        path = self.folder / f"{name}-{seed}"
        kept = path / "measured.json"
        about = read_json(kept) if kept.exists() else {}
        if about.get("n") != self.n:
            about = {"n": self.n} | self.measure(path, name, seed)
            write_json(kept, about)
        return Result({one["name"]: Measure(**one) for one in about["measures"]}, about["remarks"])

    def measure(self, path: Path, name: str, seed: int) -> dict[str, Any]:
        """Train a run, or go on with it, and measure it."""
        begun = [(path / name).exists() for name in ("state.pt", "log.jsonl")]
        if (path / "run.json").exists() and not any(begun):
            shutil.rmtree(path)  # it was killed before anything was trained
        settings = self.settings | self.configurations[name]
        silent = self.quiet or not sys.stderr.isatty()  # where there is no bar, a line a run is enough
        try:
            run = trained(
                path, self.model, self.data, seed=seed, images=self.images, quiet=silent, **settings
            )
        except LimnerError as error:
            if not isinstance(error.__context__, NotFinite):
                raise
            return {"measures": [], "remarks": [f"{name}, seed {seed}, is in no row: {error}"]}
        found = evaluate(run, n=self.n, k=1, images=20, quick=True, families=MEASURED)
        measures = [
            one
            for one in found.json()["measures"]
            if one["better"] and one["value"] is not None and one["name"].startswith(SHOWN)
        ]
        return {"measures": measures, "remarks": [f"not measured: {line}" for line in found.left_out]}


def ablate(
    model: str,
    data: str | Path | Dataset,
    vary: str | Sequence[str] | Mapping[str, Any],
    *,
    seeds: int = 5,
    images: int | None = None,
    n: int = 2000,
    out: str | Path | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Ablation:
    """Train a model as it is, and once more with each of some options changed, and compare them over seeds.

    vary: texts 'name=value' or 'name' (see switches.py), or values by name: options of the model, or clip,
    ema_half_life, batch and precision of training.  `settings` are such options for all runs.  images: seen
    by each run, the model's default if None.  n: samples, and test images, measured on.  Everything is kept
    in `out`, ablations/MODEL-DATA by default: what is there already is used again, what was stopped goes on.
    Raises LimnerError, before anything is trained, for what cannot be varied, built or compared.
    """
    cls = model_class(model)  # a wrong name is told before the data are read
    if not any(set(FAMILIES[name][0]) <= set(abilities(cls)) for name in MEASURED):
        raise LimnerError(f"a {cls.__name__} neither samples nor reconstructs, so nothing could be measured")
    settings = typed(cls, settings)
    whole = datasets.load(data)
    if seeds < 1:
        raise LimnerError(f"seeds must be at least 1, not {seeds}")
    if (n := most(whole, n)) < 20:
        raise LimnerError(f"n must be at least 20, and {whole.name} have so many test images; not {n}")
    length = cls.images if images is None else images
    base = base_of(model, whole, settings, length)
    settings["precision"] = base["precision"]  # of all runs, whatever an option would make of it
    configurations = {BASE: dict[str, Any]()} | switched(cls, vary, base)
    for name, changed in configurations.items():
        try:
            tried(model, whole, settings | changed, length)
        except LimnerError as error:
            raise LimnerError(f"{name}: {error}") from None
    folder = Path("ablations") / stem(model, whole.name) if out is None else Path(out).expanduser()
    grid = Grid(model, whole, length, n, settings, configurations, folder, quiet)
    grid.claim(base)
    return gone_through(grid, seeds)


def base_of(model: str, data: Dataset, settings: dict[str, Any], images: int) -> dict[str, Any]:
    """What base has: every option of the model, and those of training that may be varied."""
    cls = model_class(model)
    network = tried(model, data, settings, images)
    own = {name: value for name, value in settings.items() if name not in TRAINING}
    base = resolve(cls, None, own) | {"batch": preset_batch(cls, None), "clip": None}
    base |= {"ema_half_life": 10_000, "precision": default_precision(network)}
    return base | settings


def tried(model: str, data: Dataset, settings: dict[str, Any], images: int) -> Model:
    """The model of a configuration, untrained; LimnerError where it or its training cannot be so."""
    check(defaultdict(lambda: None, settings), None, images)  # what is not set breaks no rule
    own, where = {name: value for name, value in settings.items() if name not in TRAINING}, place(None)
    with torch.random.fork_rng([where] if where.type == "cuda" else []):
        return built(lambda: create(model, data.shape, None, **own), 0, where)


def gone_through(grid: Grid, seeds: int) -> Ablation:
    """Train and measure everything, seed by seed, and write what is known after each."""
    began, before = time.monotonic(), spent(grid.folder)
    results: dict[str, dict[int, Result]] = {name: {} for name in grid.configurations}
    total = seeds * len(results)
    for seed in range(seeds):
        for done, name in enumerate(grid.configurations, seed * len(results) + 1):
            results[name][seed] = grid.result(name, seed)
            if not grid.quiet:
                tell(f"{name}, seed {seed}", results[name][seed], f"{done} of {total} runs")
        found = summed_up(grid, results, round(before + time.monotonic() - began, 1))
        found.save()
    return found


def tell(run: str, result: Result, progress: str) -> None:
    """A line for a run that is done: its primary measure."""
    primary = primary_of(list(result.measures))
    reached = "nothing to measure"
    if primary:
        reached = f"{primary.partition('[')[0]} {result.measures[primary].value:.4g}"
    print(f"{run}: {reached} ({progress})", file=sys.stderr, flush=True)


def summed_up(grid: Grid, results: dict[str, dict[int, Result]], seconds: float) -> Ablation:
    """The effects over the seeds that there are."""
    measured: Found = {
        name: {seed: one.measures for seed, one in runs.items()} for name, runs in results.items()
    }
    rows, count = effects(measured), len(results[BASE])
    said = dict.fromkeys(line for runs in results.values() for one in runs.values() for line in one.remarks)
    title = f"{grid.model} on {grid.data.name}, one option changed at a time"
    told = f"{count} seed{'s' * (count != 1)}, {grid.images:,} images a run, measured on n {grid.n:,}"
    about = {"settings": read_json(grid.folder / "ablation.json")["settings"]}
    about |= {"n": grid.n, "seeds": list(results[BASE]), "switches": grid.configurations}
    about["runs"] = {
        f"{name}-{seed}": {measure: one.value for measure, one in by_name.items()}
        for name, runs in measured.items()
        for seed, by_name in runs.items()
    }
    return Ablation(f"{title}: {told}", rows, [*remarks(rows), *said], grid.folder, seconds, about)
