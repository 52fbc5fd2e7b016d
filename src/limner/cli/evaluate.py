"""limner evaluate"""

from __future__ import annotations

import json as jsons
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from limner.cli.arguments import (
    Against,
    Features,
    Json,
    LikelihoodCodes,
    LikelihoodImages,
    MeasuredImages,
    Quick,
    Quiet,
    RunNames,
    SamplingOptions,
    Seed,
    Weights,
)
from limner.cli.output import report_file
from limner.cli.parsing import call
from limner.errors import LimnerError

if TYPE_CHECKING:
    from limner.evaluation import Evaluation
    from limner.training import Run


def main(argv: Sequence[str]) -> None:
    call(evaluate, argv)


def evaluate(
    runs: RunNames,
    /,
    *,
    n: MeasuredImages = None,
    k: LikelihoodCodes = None,
    images: LikelihoodImages = None,
    seed: Seed = 0,
    quick: Quick = False,
    sampling: SamplingOptions = "",
    features: Features = None,
    weights: Weights = None,
    against: Against = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure everything that a run's model can do, on test images; several seeds give mean and spread."""
    from limner.cli.sampling import parse_sampling_options
    from limner.data import progress
    from limner.evaluation import evaluate as measure
    from limner.training import load

    if not runs:
        raise LimnerError("evaluate needs a run: limner runs lists those under runs/")
    opened = [load(name) for name in runs]  # so that a wrong name is reported before any work
    evaluations = []
    for run in opened:
        options = parse_sampling_options(type(run.model), sampling)
        with progress.silent(json or quiet):
            evaluation = measure(
                run, n=n, k=k, images=images, seed=seed, quick=quick,
                sampling=options, features=features, weights=weights, against=against,
            )  # fmt: skip
        evaluations.append(evaluation)
        if not (json or quiet):
            print_evaluation(evaluations[-1])
            print()
    print_result(opened, evaluations, json, quiet)


def print_result(runs: list[Run], evaluations: list[Evaluation], json: bool, quiet: bool) -> None:
    """Print the mean over the runs and what was written, or everything as one JSON object."""
    from limner.evaluation import mean_over_seeds

    mean = mean_over_seeds(evaluations)
    if json:
        content = [evaluation.json() for evaluation in evaluations]
        print(jsons.dumps({"runs": content, "mean": mean.json() if mean else None}))
    elif not quiet:
        if mean:
            print_evaluation(mean)
        elif len(evaluations) > 1:
            print("note: no mean, the runs differ in more than their training seed: see limner compare")
        for run, evaluation in zip(runs, evaluations, strict=True):
            report_written(run, quick=evaluation.provenance["quick"])


def print_evaluation(evaluation: Evaluation) -> None:
    """Print an evaluation: its header, three sentences, its table, what could not be measured."""
    from limner.evaluation.sentences import describe

    for line in evaluation.header:
        print(line)
    print()
    if sentences := describe(evaluation):
        print(*sentences, "", sep="\n")
    print(evaluation.table())
    for line in evaluation.left_out:
        print(f"not measured: {line}")


def report_written(run: Run, *, quick: bool) -> None:
    """Print what was written into a run's folder, or why nothing was."""
    from limner.evaluation.record import has_full_evaluation

    if quick and has_full_evaluation(run):
        print(
            f"note: {run.path / 'evaluation.json'} holds a full evaluation, so this quick one is not stored"
        )
    elif os.access(run.path, os.W_OK):
        report_file(run.path / "evaluation.json")
        report_file(run.path / "evaluation.npz")
    else:
        print(f"note: nothing was stored, because {run.path} is not writable")
