"""`evaluate`: measure everything that a run's model can do, as one table that is stored with the run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limner import data as datasets
from limner.data import Dataset, Domains
from limner.data.named import is_available
from limner.errors import LimnerError, check_whole
from limner.evaluation import (
    classes,
    codes,
    edits,
    images,
    inversions,
    likelihood,
    smoothness,
    styles,
    translation,
)  # fmt: skip
from limner.evaluation.evaluand import Evaluand, knows_classes
from limner.evaluation.measures import Evaluation, Measure
from limner.evaluation.record import has_full_evaluation, header, provenance, write_evaluation
from limner.explore.samples import check_options, prepare_prior
from limner.metrics.features import Extracts, extractor
from limner.metrics.inception import inception_extractor
from limner.models.abilities import (
    ABILITIES,
    Decodes,
    Edits,
    Encodes,
    HasLikelihood,
    HasPlayers,
    HasPosterior,
    HasStyles,
    Samples,
    Scores,
    Translates,
    abilities,
)
from limner.models.base import Model
from limner.training import Run, load

FEWEST = 20  # images that can be measured on
DEFAULTS = {"n": (10_000, 1000), "k": (5000, 100), "images": (1000, 100)}  # of an evaluation, of a quick one
# images of another data set: the first of these that is available and not the run's own
OTHERS = ("fashion-mnist", "mnist", "digits", "shapes")


@dataclass(frozen=True)
class Family:
    """A family of measures: the protocols that it needs of a model, and whether it needs known classes."""

    needs: tuple[type, ...]
    measure: Callable[[Evaluand], list[Measure]]
    classes: bool = False

    def suits(self, model: Model) -> bool:
        """Whether the model can be measured."""
        return all(isinstance(model, need) for need in self.needs) and (
            knows_classes(model) or not self.classes
        )


FAMILIES: dict[str, Family] = {
    "reconstruction": Family((Encodes, Decodes), images.reconstruction),
    "likelihood": Family((HasLikelihood,), likelihood.likelihood),
    "prior": Family((HasPosterior,), codes.prior_match),
    "uniformity": Family((Encodes, HasPlayers), codes.uniformity),
    "samples": Family((Samples,), images.samples),
    "modes": Family((Samples,), classes.modes),
    "memorisation": Family((Samples,), images.memory),
    "conditional": Family((Samples,), classes.conditional, classes=True),
    "codes": Family((Encodes,), codes.codes),
    "factors": Family((Encodes,), codes.factors),
    "anomalies": Family((Scores,), codes.anomalies),
    "smoothness": Family((Samples, Decodes), smoothness.smoothness),
    "styles": Family((HasStyles,), styles.styles),
    "inversion": Family((Decodes,), inversions.inversion),
    "edits": Family((Edits,), edits.edits, classes=True),
    "translation": Family((Translates,), translation.translation),
}


def evaluate(
    run: str | Path | Run,
    *,
    n: int | None = None,
    k: int | None = None,
    images: int | None = None,
    seed: int = 0,
    quick: bool = False,
    features: str | None = None,
    weights: str | Path | None = None,
    against: str | None = None,
    families: Collection[str] | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Measure everything that a run's model can do, on test images, and write evaluation.json into the run.

    n: test images, and samples; 10,000 (quick: 1,000) or all there are.  k: codes that a likelihood is
    estimated with; 5,000 (100).  images: test images that it is estimated on; 1,000 (100).  `features` is
    'inception', with its `weights` file, or None for the data set's own extractor.  `against`: a data set
    whose images the anomaly score separates from test images.  `sampling`: options of the model's `sample`,
    for all samples.  evaluation.npz holds the values of single images.  A quick evaluation replaces no full
    one of the same weights.  With `families`, some of FAMILIES, only those are measured, nothing is written.
    """
    start = time.monotonic()
    opened = run if isinstance(run, Run) else load(run)
    sizes = resolve_sizes({"n": n, "k": k, "images": images}, quick, seed, opened)
    options = resolve_sampling(opened, sampling or {})
    chosen = choose_extractor(measured_dataset(opened), features, weights)
    names = [name for name in FAMILIES if families is None or name in families]
    scored = "anomalies" in names and isinstance(opened.model, Scores)
    other, left_out = load_other(opened, against) if scored or against is not None else (None, [])
    evaluand = Evaluand(opened, chosen, sizes["n"], sizes["k"], sizes["images"], seed, quick, other, options)
    evaluand.left_out += left_out
    list_incomplete(evaluand)
    measures = [measure for name in names for measure in measure_family(name, evaluand)]
    record = provenance(evaluand, time.monotonic() - start)
    evaluation = Evaluation(header(evaluand, record), measures, evaluand.left_out, record)
    if families is None and os.access(opened.path, os.W_OK) and not (quick and has_full_evaluation(opened)):
        write_evaluation(evaluation, opened.path)
    return evaluation


def measured_dataset(run: Run) -> Dataset:
    """The data set that features are learned from: the run's, or both of its domains as two classes."""
    loaded = run.loaded
    return translation.join_domains(loaded) if isinstance(loaded, Domains) else loaded


def resolve_sizes(sizes: Mapping[str, int | None], quick: bool, seed: int, run: Run) -> dict[str, int]:
    """The numbers of images and codes, defaults filled in, at most as many images as the data have."""
    resolved = {}
    for name, size in sizes.items():
        least = 1 if name == "k" else FEWEST
        resolved[name] = DEFAULTS[name][quick] if size is None else size
        check_whole(name, resolved[name], least)
    if not 0 <= seed < 2**32:
        raise LimnerError(f"seed must be from 0 to 4294967295, not {seed}")
    n = limit_to_data(run.loaded, resolved["n"])
    return resolved | {"n": n, "images": min(resolved["images"], n)}


def limit_to_data(loaded: Dataset | Domains, n: int) -> int:
    """n, at most as many as there are test images, and training images, whose measures are the floors.

    Of two domains, n of each.  LimnerError where there are fewer than FEWEST.
    """
    for dataset in (loaded.a, loaded.b) if isinstance(loaded, Domains) else (loaded,):
        n = min(n, len(dataset.test), len(dataset.train))
        if n < FEWEST:
            raise LimnerError(
                f"{dataset.name} has {len(dataset.train)} training and {len(dataset.test)} test images: "
                f"too few to measure on, {FEWEST} of each are needed"
            )
    return n


def resolve_sampling(run: Run, sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The options of sampling that are not the model's defaults; LimnerError for one that it ignores."""
    options = check_options(run, sampling)
    if "prior" in options and prepare_prior(run, options) == run.model.latent.default_prior:
        del options["prior"]
    defaults = type(run.model).sampling_options()
    return {name: value for name, value in options.items() if value != defaults[name].default}


def choose_extractor(dataset: Dataset, features: str | None, weights: str | Path | None) -> Extracts:
    """The data set's own extractor, or Inception; LimnerError for an unknown name."""
    if features == "inception":
        return inception_extractor(Path(weights).expanduser() if weights is not None else None)
    if features is not None:
        raise LimnerError(
            f"no features called '{features}': 'inception', or leave it out for {dataset.name}'s own"
        )
    if weights is not None:
        raise LimnerError("weights belong to --features inception: give both, or neither")
    return extractor(dataset)


def load_other(run: Run, against: str | None) -> tuple[Dataset | None, list[str]]:
    """The data set called `against`, or the first available one of OTHERS, at the run's size.

    Where one that the user did not name cannot be loaded there is none, and a line says why.
    """
    channels, height, width = run.shape
    names = [name for name in OTHERS if name != run.config.data.name and is_available(name)]
    chosen = against or next(iter(names), None)
    if chosen is None:
        return None, []
    try:
        return datasets.load(chosen, size=(height, width), channels=channels), []
    except LimnerError as error:
        if against is not None:
            raise
        return None, [f"auroc, other images: {error}"]


def list_incomplete(evaluand: Evaluand) -> None:
    """List the abilities whose method the model defines without all of the ability's protocol."""
    for name in abilities(evaluand.model):
        if not isinstance(evaluand.model, ABILITIES[name]):
            protocol = f"limner.models.abilities.{ABILITIES[name].__name__}"
            kind = type(evaluand.model).__name__
            evaluand.leave_out(name, f"{kind} defines it, but not all members of {protocol}")


def measure_family(name: str, evaluand: Evaluand) -> list[Measure]:
    """The measures of a family; none where it does not suit the model, or cannot be measured (listed).

    Torch and scikit-learn raise RuntimeError and ValueError for sizes and numbers that they cannot work with;
    any other error is one of the program, and ends the evaluation.
    """
    family = FAMILIES[name]
    if not family.suits(evaluand.model):
        return []
    try:
        return [replace(measure, family=name) for measure in family.measure(evaluand)]
    except (NotImplementedError, RecursionError):  # kinds of RuntimeError
        raise
    except (LimnerError, RuntimeError, ValueError) as error:  # the other families are measured all the same
        lines = str(error).splitlines() or [type(error).__name__]
        evaluand.leave_out(name, lines[0])
        return []
