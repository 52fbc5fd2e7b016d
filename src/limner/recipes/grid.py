"""The runs of an ablation: each configuration with each seed, trained and measured once, then stored."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ConfigDict

from limner.data import Dataset, Domains
from limner.errors import LimnerError
from limner.evaluation import Measure, evaluate
from limner.files import read_json, refuse_below_file, write_json
from limner.recipes.ablation import Ablation
from limner.recipes.effects import BASE, effects, primary_measure, remarks
from limner.recipes.report import train_or_resume, training_seconds
from limner.settings import NonNegative, NonNegativeInt, Settings
from limner.training import NotFinite

# the families of `evaluate` that are compared, and the first letters of their measures that are
MEASURES = {
    "reconstruction": ("mse", "ssim", "fd["),
    "samples": ("fd[", "precision", "recall"),
    "modes": ("classes of", "kl of classes"),
    "edits": ("asked label", "kept["),
    "translation": ("kid[", "fd[", "taken for", "cycle psnr, stored"),
}


class StoredMeasure(Settings):
    """A measure in measured.json."""

    model_config = ConfigDict(strict=True)

    name: str
    value: float
    n: NonNegativeInt
    error: NonNegative | None
    floor: float | None
    better: Literal["lower", "higher"]
    note: str
    family: str


class StoredResult(Settings):
    """A measured.json."""

    model_config = ConfigDict(strict=True)

    n: NonNegativeInt
    measures: list[StoredMeasure]
    remarks: list[str]


class Result(NamedTuple):
    """The measures of one run by name, none where its training diverged, and remarks on it."""

    measures: dict[str, Measure]
    remarks: list[str]


@dataclass(frozen=True)
class Grid:
    """Configurations by name, each with its changes of `settings`, to be trained with the same seeds.

    `settings` are passed to every run; `base` holds all settings of base, defaults included; `n` samples, and
    test images, are measured on.
    """

    model: str
    data: Dataset | Domains
    base: dict[str, Any]
    settings: dict[str, Any]
    configurations: dict[str, dict[str, Any]]
    n: int
    folder: Path
    quiet: bool

    def claim_folder(self) -> None:
        """Mark the folder as ours; LimnerError where it has other content, or has other settings."""
        path = self.folder / "ablation.json"
        ours = {"model": self.model, "data": self.data.name, "fingerprint": self.data.fingerprint} | self.base
        ours = json.loads(json.dumps(ours))  # tuples to lists, as in the file
        refuse_below_file(path.parent)
        if not path.exists():
            if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise LimnerError(f"{self.folder} exists and is no ablation: choose another --out")
            write_json(path, {"settings": ours})
        content = read_json(path)
        theirs = content.get("settings") if isinstance(content, dict) else None
        if not isinstance(theirs, dict):
            raise LimnerError(f"{path} is not of an ablation: choose another --out")
        for name in ours | theirs:
            if ours.get(name) != theirs.get(name):
                raise LimnerError(
                    f"the runs in {self.folder} have {name} {theirs.get(name)}, not {ours.get(name)}: "
                    "choose another --out, or the same settings"
                )

    def run(self, seeds: int) -> Ablation:
        """Train and measure everything, seed by seed, and write the effects after each seed."""
        start, seconds_before = time.monotonic(), training_seconds(self.folder)
        results: dict[str, dict[int, Result]] = {name: {} for name in self.configurations}
        total, done = seeds * len(results), 0
        for seed in range(seeds):
            for name in self.configurations:
                results[name][seed] = self.result(name, seed)
                done += 1
                if not self.quiet:
                    line = f"{name}, seed {seed}: {describe(results[name][seed])} ({done} of {total} runs)"
                    print(line, file=sys.stderr, flush=True)
            ablation = self.summary(results, round(seconds_before + time.monotonic() - start, 1))
            ablation.save()
        return ablation

    def result(self, name: str, seed: int) -> Result:
        """The measures of a run: read from its folder, or trained and measured now."""
        path = self.folder / f"{name}-{seed}"
        file = path / "measured.json"
        stored = read_result(file) if file.exists() else None
        if stored is None or stored.n != self.n:
            stored = StoredResult.parse({"n": self.n} | self.train_and_measure(path, name, seed))
            write_json(file, stored.json_values())
        return Result({m.name: Measure(**m.model_dump()) for m in stored.measures}, stored.remarks)

    def train_and_measure(self, path: Path, name: str, seed: int) -> dict[str, Any]:
        """Train a run, or resume it, and measure it: what measured.json stores."""
        has_progress = any((path / file).exists() for file in ("state.pt", "log.jsonl"))
        if (path / "run.json").exists() and not has_progress:
            shutil.rmtree(path)  # it was killed before its first checkpoint
        settings = self.settings | self.configurations[name]
        quiet = self.quiet or not sys.stderr.isatty()  # without a terminal, one line per run is enough
        try:
            run = train_or_resume(path, self.model, self.data, seed=seed, quiet=quiet, **settings)
        except NotFinite as error:
            return {"measures": [], "remarks": [f"{name}, seed {seed}, is in no row: {error}"]}
        evaluation = evaluate(run, n=self.n, k=1, images=20, quick=True, families=list(MEASURES))
        measures = [
            measure
            for measure in evaluation.json()["measures"]
            if measure["better"]
            and measure["value"] is not None
            and measure["name"].startswith(MEASURES[measure["family"]])
        ]
        return {"measures": measures, "remarks": [f"not measured: {line}" for line in evaluation.left_out]}

    def summary(self, results: dict[str, dict[int, Result]], seconds: float) -> Ablation:
        """The effects over the seeds that are complete."""
        measures = {
            name: {seed: result.measures for seed, result in runs.items()} for name, runs in results.items()
        }
        rows, seeds = effects(measures), list(results[BASE])
        lines = [line for runs in results.values() for result in runs.values() for line in result.remarks]
        count = "1 seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
        record = {
            "settings": read_json(self.folder / "ablation.json")["settings"],
            "n": self.n,
            "seeds": seeds,
            "switches": self.configurations,
            "runs": {
                f"{name}-{seed}": {m.name: m.value for m in by_name.values()}
                for name, runs in measures.items()
                for seed, by_name in runs.items()
            },
        }
        return Ablation(
            title=f"{self.model} on {self.data.name}, one option changed at a time: {count}, "
            f"{self.base['images']:,} images a run, measured on n {self.n:,}",
            rows=rows,
            notes=[*remarks(rows), *dict.fromkeys(lines)],
            folder=self.folder,
            seconds=seconds,
            record=record,
        )


def read_result(path: Path) -> StoredResult:
    """The content of a measured.json; LimnerError where it is damaged."""
    content = read_json(path)
    try:
        return StoredResult.parse(content if isinstance(content, dict) else {})
    except LimnerError as error:
        raise LimnerError(f"{path} is damaged ({error}): delete it, and the run is measured again") from None


def describe(result: Result) -> str:
    """The primary measure of a run in words."""
    primary = primary_measure(list(result.measures))
    if not primary:
        return "nothing to measure"
    return f"{primary.partition('[')[0]} {result.measures[primary].value:.4g}"
