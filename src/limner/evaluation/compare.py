"""`compare`: runs side by side: what was set differently, what was measured, what they make."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from limner.errors import LimnerError
from limner.evaluation.evaluate import evaluate, most, stored
from limner.evaluation.measures import columned, each_of
from limner.evaluation.pictures import histories, labels, picture
from limner.training import Run, load
from limner.training.checkpoint import write_atomically, write_json

# evaluations that differ in these are not of the same things
HOW = ("n", "k", "images", "seed", "extractor", "against")


@dataclass(frozen=True)
class Difference:
    """A measure of several runs: `values` and their standard `errors`, None where a run has it not.

    `differences` to the first run, with their standard errors, are of the second run and on; `paired` where
    they were taken image by image.
    """

    family: str
    name: str
    values: Sequence[float | None]
    errors: Sequence[float | None]
    differences: Sequence[tuple[float, float | None] | None]
    paired: bool


@dataclass(frozen=True)
class Comparison:
    """Runs by name, the `settings` that differ, `measures`, and `pictures` of images and curves."""

    runs: Sequence[str]
    settings: Mapping[str, Sequence[Any]]
    measures: Sequence[Difference]
    pictures: Mapping[str, Image.Image]
    notes: Sequence[str]

    def table(self) -> str:
        """Settings and measures as text."""
        names, blank = list(self.runs), [""] * len(self.runs)
        settings = [("settings that differ", *names)]
        settings += [(name, *map(str, values)) for name, values in self.settings.items()] or [
            ("none", *blank)
        ]
        lines: list[tuple[str, ...]] = [
            ("", "measure", *names, *(f"{n} - {names[0]}" for n in names[1:]), "")
        ]
        before = ""
        for one in self.measures:
            cells = [with_error(v, e) for v, e in zip(one.values, one.errors, strict=True)]
            cells += ["" if d is None else with_error(*d, sign="+") for d in one.differences]
            family = "" if one.family == before else one.family
            lines.append((family, one.name, *cells, "paired" if one.paired else ""))
            before = one.family
        return f"{columned(settings)}\n\n{columned(lines, right=range(2, len(lines[0]) - 1))}"

    def save(self, folder: Path) -> list[Path]:
        """Write comparison.json and the pictures into a folder."""
        content = {"runs": self.runs, "settings": self.settings, "notes": self.notes}
        path = folder / "comparison.json"
        write_json(path, content | {"measures": [asdict(one) for one in self.measures]})
        for name, image in self.pictures.items():
            write_atomically(folder / f"{name}.png", image.save)
        return [path, *(folder / f"{name}.png" for name in self.pictures)]


def with_error(value: float | None, error: float | None, sign: str = "") -> str:
    """'12.3 ± 0.4', as many digits as the error warrants; nothing for no value."""
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
    """Line up two runs or more on the same data: settings, measures, the same images and noise, curves.

    A run's evaluation.json is used where it was made with these settings and of the weights as they are now;
    else the run is evaluated, as the first such evaluation was where settings are not given.  Differences are
    to the first run, of the same test images where there are values of single images.  Raises LimnerError
    for fewer than two runs, or runs on different data.
    """
    opened = [run if isinstance(run, Run) else load(run) for run in runs]
    if len(opened) < 2:
        raise LimnerError(f"compare needs two runs or more, not {len(opened)}")
    for run in opened[1:]:
        if run.config["data"]["fingerprint"] != opened[0].config["data"]["fingerprint"]:
            one, other = (r.config["data"]["name"] for r in (opened[0], run))
            raise LimnerError(
                f"{opened[0].name} is of {one} and {run.name} of {other}: "
                "numbers on different images do not compare"
            )
    settings: dict[str, Any] = {"n": n, "k": k, "images": images, "seed": seed, "quick": quick}
    measures, notes = lined_up(*evaluations(opened, settings))
    pictures = picture(opened, seed) | histories(opened)
    return Comparison(labels(opened), setting_differences(opened), measures, pictures, notes)


def evaluations(
    runs: Sequence[Run], settings: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What evaluation.json says of each run, and the values of single images; runs without are evaluated."""
    kept = [usable(run, settings) for run in runs]
    like: dict[str, Any] = next((one for one in kept if one is not None), {})
    settings = {name: like.get(name) if value is None else value for name, value in settings.items()}
    found, each = [], []
    for run, one in zip(runs, kept, strict=True):
        if one is not None:
            found.append(one)
            each.append(single_values(run))
        else:
            new = evaluate(run, **settings)
            found.append(new.json())
            each.append({name: values.numpy() for name, values in each_of(new.measures).items()})
    return found, each


def usable(run: Run, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The run's stored evaluation, if it is one by these settings."""
    found, asked = stored(run), {name: value for name, value in settings.items() if value is not None}
    if asked.get("quick"):
        del asked["quick"]  # a thorough one will do too
    if "n" in asked:
        asked["n"] = most(run.data, asked["n"])
    if found is not None and "images" in asked:
        asked["images"] = min(asked["images"], found["n"])
    return found if found is not None and all(found.get(k) == value for k, value in asked.items()) else None


def setting_differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Every option and training setting that is not the same in all runs; '-' where a run has it not."""
    flat = []
    for run in runs:
        training = {k: v for k, v in run.config["training"].items() if k not in ("images", "tick")}
        about = {"model": run.config["model"], "preset": run.config["preset"], "images seen": run.images_seen}
        flat.append(about | run.config["options"] | training)
    table = {name: [one.get(name, "-") for one in flat] for one in flat for name in one}
    return {name: values for name, values in table.items() if any(value != values[0] for value in values)}


def lined_up(
    found: Sequence[dict[str, Any]], each: Sequence[dict[str, Any]]
) -> tuple[list[Difference], list[str]]:
    """Each measure of all runs that have it, and what cannot be compared."""
    tables = [
        {(m["family"], m["name"]): m for m in one["measures"] if m["value"] is not None} for one in found
    ]
    differing = [what for what in HOW if len({str(one[what]) for one in found}) > 1]
    notes = [f"the evaluations differ in {', '.join(differing)}: read with care"] if differing else []
    protocols = {str(one["protocol"]) for one in found if one.get("protocol")}
    if len(protocols) > 1:
        notes.append(f"likelihoods of different things, so no differences: {'; '.join(sorted(protocols))}")
    rows = []
    for family, name in dict.fromkeys(key for table in tables for key in table):
        row = [table.get((family, name)) for table in tables]
        values = [None if differing else one.get(f"{family}: {name}") for one in each]
        comparable = family != "likelihood" or len(protocols) < 2
        rows.append(difference(family, name, row, values, comparable))
    return rows, notes


def single_values(run: Run) -> dict[str, Any]:
    """The values of single images that `evaluate` kept."""
    path = run.path / "evaluation.npz"
    if not path.exists():
        return {}
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def difference(
    family: str, name: str, row: Sequence[dict[str, Any] | None], each: Sequence[Any], comparable: bool
) -> Difference:
    """A measure's values and differences to the first run, image by image where there are such values."""
    first, paired = row[0], False
    found: list[tuple[float, float | None] | None] = []
    for one, values in zip(row[1:], each[1:], strict=True):
        if one is None or first is None or not comparable:
            found.append(None)
        elif each[0] is not None and values is not None and len(each[0]) == len(values):
            apart, paired = values - each[0], True
            found.append((float(apart.mean()), float(apart.std(ddof=1) / len(apart) ** 0.5)))
        else:
            known = one["error"] is not None and first["error"] is not None
            error = math.hypot(one["error"], first["error"]) if known else None
            found.append((one["value"] - first["value"], error))
    values = [one["value"] if one else None for one in row]
    errors = [one["error"] if one else None for one in row]
    return Difference(family, name, values, errors, found, paired)
