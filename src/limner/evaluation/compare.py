"""`compare`: runs side by side: the settings that differ, differences of measures, pictures, curves."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from limner.data import progress
from limner.errors import LimnerError
from limner.evaluation.evaluate import evaluate, limit_to_data, resolve_sizes
from limner.evaluation.measures import Evaluation, per_image_values
from limner.evaluation.pictures import compare_images, compare_logs, run_labels
from limner.evaluation.record import read_evaluation, read_per_image
from limner.files import refuse_existing, write_atomically, write_json
from limner.tables import format_table
from limner.training import Run, load

# evaluations that differ in one of these do not measure the same thing
CONDITIONS = ("n", "k", "images", "seed", "quick", "sampling", "extractor", "against")
# settings of training that do not change what a run learns; the length is compared in images seen
IRRELEVANT = {"images", "epochs", "tick", "save_seconds"}

Record = Mapping[str, Any]  # the content of an evaluation.json
PerImage = Mapping[str, np.ndarray]  # the values of single images by 'family: measure'
NO_EVALUATION: Record = {"measures": []}


@dataclass(frozen=True)
class Difference:
    """A measure of several runs: `values` and their standard `errors`, None where a run lacks it.

    `differences` to the first run, each with its standard error, are those of the other runs; `paired` says
    whether they were computed image by image.
    """

    family: str
    name: str
    values: Sequence[float | None]
    errors: Sequence[float | None]
    differences: Sequence[tuple[float, float | None] | None]
    paired: bool

    def cells(self) -> tuple[str, ...]:
        """The row of the table, without the family."""
        values = [with_error(v, e) for v, e in zip(self.values, self.errors, strict=True)]
        differences = ["" if d is None else with_error(*d, sign="+") for d in self.differences]
        return (self.name, *values, *differences, "paired" if self.paired else "")


@dataclass(frozen=True)
class Comparison:
    """The names of `runs`, the `settings` that differ, `measures`, and `pictures` of images and curves."""

    runs: Sequence[str]
    settings: Mapping[str, Sequence[Any]]
    measures: Sequence[Difference]
    pictures: Mapping[str, Image.Image]
    notes: Sequence[str]

    def table(self) -> str:
        """Settings and measures as text."""
        settings = [("settings that differ", *self.runs)]
        settings += [(name, *map(str, values)) for name, values in self.settings.items()]
        if not self.settings:
            settings.append(("none", *[""] * len(self.runs)))
        rows = [("", "measure", *self.runs, *(f"{name} - {self.runs[0]}" for name in self.runs[1:]), "")]
        family = ""
        for measure in self.measures:
            rows.append(("" if measure.family == family else measure.family, *measure.cells()))
            family = measure.family
        return f"{format_table(settings)}\n\n{format_table(rows, right=range(2, len(rows[0]) - 1))}"

    def save(self, folder: Path) -> list[Path]:
        """Write comparison.json and the pictures into a folder; LimnerError where one is there already."""
        content = {"runs": self.runs, "settings": self.settings, "notes": self.notes}
        paths = [folder / "comparison.json", *(folder / f"{name}.png" for name in self.pictures)]
        refuse_existing(paths)
        write_json(paths[0], content | {"measures": [asdict(measure) for measure in self.measures]})
        for path, image in zip(paths[1:], self.pictures.values(), strict=True):
            write_atomically(path, image.save)
        return paths


def with_error(value: float | None, error: float | None, sign: str = "") -> str:
    """'12.3 ± 0.4', rounded to two digits of the error; '' for None."""
    if value is None:
        return ""
    if not error or not math.isfinite(error):
        return f"{value:{sign}.4g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:{sign}.{digits}f} ± {error:.{digits}f}"


def compare(
    runs: Sequence[str | Path | Run],
    *,
    n: int | None = None,
    k: int | None = None,
    images: int | None = None,
    seed: int = 0,
    quick: bool = False,
) -> Comparison:
    """Compare two runs or more on the same data: settings, measures, the same images and noise, curves.

    A run's evaluation.json is used where its weights, these settings and the model's default sampling fit;
    else the run is evaluated, with the settings of the first stored evaluation where none are given.  All are
    quick or all are full evaluations: full ones unless `quick`, or unless the only stored ones are quick.
    Differences are to the first run, and of the same test images where there are values of single images.
    Raises LimnerError for fewer than two runs, or runs on different data.
    """
    opened = [run if isinstance(run, Run) else load(run) for run in runs]
    check_comparable(opened)
    resolve_sizes({"n": n, "k": k, "images": images}, quick, seed, opened[0])  # before any work
    settings: dict[str, Any] = {"n": n, "k": k, "images": images, "seed": seed, "quick": quick}
    measures, notes = compare_measures(*evaluations(opened, settings))
    pictures = compare_images(opened, seed) | compare_logs(opened)
    return Comparison(run_labels(opened), setting_differences(opened), measures, pictures, notes)


def compare_stored(runs: Sequence[Run]) -> Comparison:
    """Compare what is stored with runs: settings and measures, without pictures; nothing is evaluated.

    A run without an evaluation of its weights has no values, and a note says which command makes one.  Nor
    has a run on other data than the first one's.  Raises LimnerError for fewer than two runs.
    """
    check_number(runs)
    records, notes = [], []
    for run in runs:
        difference = data_difference(runs[0], run)
        record = None if difference else read_evaluation(run)
        if difference:
            notes.append(difference)
        elif record is None:
            command = f"limner evaluate {shlex.quote(str(run.path))} --quick"
            notes.append(f"{run.name} has no evaluation of its weights; this makes one: {command}")
        records.append(record)
    arrays = [read_per_image(run) if record else {} for run, record in zip(runs, records, strict=True)]
    measures, remarks = compare_measures([record or NO_EVALUATION for record in records], arrays)
    return Comparison(run_labels(runs), setting_differences(runs), measures, {}, [*notes, *remarks])


def check_comparable(runs: Sequence[Run]) -> None:
    """Raise LimnerError for fewer than two runs, or runs on different data."""
    check_number(runs)
    for run in runs[1:]:
        if (difference := data_difference(runs[0], run)) is not None:
            raise LimnerError(difference)


def check_number(runs: Sequence[Run]) -> None:
    """Raise LimnerError for fewer than two runs."""
    if len(runs) < 2:
        raise LimnerError(f"compare needs two runs or more, not {len(runs)}")


def data_difference(first: Run, run: Run) -> str | None:
    """Why the numbers of two runs do not compare; None where they are on the same data."""
    if fingerprints(run) == fingerprints(first):
        return None
    return (
        f"{first.name} is of {first.config.data.name} and {run.name} of {run.config.data.name}: "
        "numbers on different images do not compare"
    )


def fingerprints(run: Run) -> list[str]:
    """The fingerprint of the run's data, or of both domains."""
    return [record.fingerprint for record in (run.config.data, run.config.data.second) if record is not None]


def evaluations(runs: Sequence[Run], settings: dict[str, Any]) -> tuple[list[Record], list[PerImage]]:
    """The evaluation of each run, and the values of single images; runs without one are evaluated."""
    stored = [find_evaluation(run, settings) for run in runs]
    quick = choose_quick(stored, settings["quick"])
    stored = [record if record and record["quick"] == quick else None for record in stored]
    first: Record = next((record for record in stored if record), {})
    settings = {name: first.get(name) if value is None else value for name, value in settings.items()}
    settings["quick"] = quick
    effort = "quickly" if quick else "in full, which takes minutes (--quick: seconds)"
    new: dict[Path, Evaluation] = {}  # a run that is named twice is measured once
    pairs: list[tuple[Record, PerImage]] = []
    for run, record in zip(runs, stored, strict=True):
        path = run.path.resolve()
        if record is not None:
            pairs.append((record, read_per_image(run)))
            continue
        if path not in new:
            progress.say(f"measuring {run.name} {effort}", everywhere=True)
            new[path] = evaluate(run, **settings)
        values = per_image_values(new[path].measures)
        pairs.append((new[path].json(), {name: value.numpy() for name, value in values.items()}))
    return [record for record, _ in pairs], [values for _, values in pairs]


def choose_quick(stored: Sequence[Record | None], required: bool) -> bool:
    """Whether all runs are compared by quick evaluations; quick and full ones do not measure the same."""
    kinds = {record["quick"] for record in stored if record}
    # full ones of all runs cost nothing, so they serve where quick ones would do
    return None in stored or True in kinds if required else kinds == {True}


def find_evaluation(run: Run, settings: Mapping[str, Any]) -> Record | None:
    """The run's stored evaluation, quick or full, if it has these settings and the default sampling."""
    stored = read_evaluation(run)
    if stored is None or stored.get("sampling") != {}:
        return None
    required = {name: value for name, value in settings.items() if name != "quick" and value is not None}
    if "n" in required:
        required["n"] = limit_to_data(run.loaded, required["n"])
    if "images" in required:
        required["images"] = min(required["images"], stored["n"])
    return stored if all(stored.get(name) == value for name, value in required.items()) else None


def setting_differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Every option and training setting that is not the same in all runs; '-' where a run lacks it."""
    flat = []
    for run in runs:
        config = run.config
        own = {"model": config.model, "preset": config.preset, "images seen": run.images_seen}
        flat.append(own | config.options | config.training.model_dump(mode="json", exclude=IRRELEVANT))
    table = {name: [settings.get(name, "-") for settings in flat] for settings in flat for name in settings}
    return {name: values for name, values in table.items() if any(value != values[0] for value in values)}


def compare_measures(
    records: Sequence[Record], per_image: Sequence[PerImage]
) -> tuple[list[Difference], list[str]]:
    """Every measure of the runs that have it, and notes on what does not compare."""
    tables = [
        {(m["family"], m["name"]): m for m in record["measures"] if m["value"] is not None}
        for record in records
    ]
    stored = [record for record in records if record is not NO_EVALUATION]
    differing = [name for name in CONDITIONS if len({str(record[name]) for record in stored}) > 1]
    notes = [f"the evaluations differ in {', '.join(differing)}: compare with care"] if differing else []
    if any(record["quick"] for record in stored):
        notes.append("quick evaluations: few images, so large errors; limner evaluate RUN measures in full")
    protocols = {str(record["protocol"]) for record in stored if record.get("protocol")}
    if len(protocols) > 1:
        notes.append(f"likelihoods of different things, so no differences: {'; '.join(sorted(protocols))}")
    rows = []
    for family, name in dict.fromkeys(key for table in tables for key in table):
        measures = [table.get((family, name)) for table in tables]
        values = [None if differing else arrays.get(f"{family}: {name}") for arrays in per_image]
        comparable = family != "likelihood" or len(protocols) < 2
        rows.append(compare_measure(family, name, measures, values, comparable))
    return rows, notes


def compare_measure(
    family: str,
    name: str,
    measures: Sequence[Record | None],
    per_image: Sequence[np.ndarray | None],
    comparable: bool,
) -> Difference:
    """A measure's values and differences to the first run, image by image where there are such values."""
    changes = [image_changes(per_image[0], values) for values in per_image[1:]]
    differences: list[tuple[float, float | None] | None] = []
    for measure, change in zip(measures[1:], changes, strict=True):
        if measure is None or measures[0] is None or not comparable:
            differences.append(None)
        elif change is not None:
            differences.append((float(change.mean()), float(change.std(ddof=1) / len(change) ** 0.5)))
        else:
            differences.append(separate_difference(measures[0], measure))
    return Difference(
        family,
        name,
        values=[measure["value"] if measure else None for measure in measures],
        errors=[measure["error"] if measure else None for measure in measures],
        differences=differences,
        paired=any(
            change is not None and difference is not None
            for change, difference in zip(changes, differences, strict=True)
        ),
    )


def image_changes(first: np.ndarray | None, values: np.ndarray | None) -> np.ndarray | None:
    """The differences image by image (n,); None where a run has no such values, or for other images."""
    if first is None or values is None or len(first) != len(values):
        return None
    return values - first


def separate_difference(first: Record, measure: Record) -> tuple[float, float | None]:
    """The difference of two measures, and its standard error where both have one."""
    error = None
    if measure["error"] is not None and first["error"] is not None:
        error = math.hypot(measure["error"], first["error"])
    return measure["value"] - first["value"], error
