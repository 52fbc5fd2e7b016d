"""Means over runs that differ only in their training seed."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from limner.evaluation.measures import Evaluation, Measure

# entries of the provenance that must be equal in all runs
SAME = (
    "model", "options", "training", "images_seen", "data", "extractor", "against",
    "n", "k", "images", "seed", "quick", "sampling",
)  # fmt: skip


def mean_over_seeds(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """The mean over runs that differ in their training seed only; None where they differ in more."""
    first = evaluations[0]
    seeds = [evaluation.provenance["training_seed"] for evaluation in evaluations]
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        return None
    if any(e.provenance[key] != first.provenance[key] for e in evaluations for key in SAME):
        return None
    header = [
        f"mean of {len(seeds)} runs, training seeds {', '.join(map(str, seeds))}",
        *first.header[1:-1],
        "±: standard deviation between the runs; real: the same measure of real images in the model's place",
    ]
    left_out = list(dict.fromkeys(line for evaluation in evaluations for line in evaluation.left_out))
    names = [evaluation.provenance["run"] for evaluation in evaluations]
    provenance = {**first.provenance, "run": names, "training_seed": seeds}
    return Evaluation(header, average_measures(evaluations), left_out, provenance)


def average_measures(evaluations: Sequence[Evaluation]) -> list[Measure]:
    """The mean of each measure over two runs or more; its error is the deviation between the runs.

    A measure that a run lacks is left out, and so is a note that is not the same for all runs.
    """
    averages = []
    for first in evaluations[0].measures:
        same = [
            m for e in evaluations for m in e.measures if (m.family, m.name) == (first.family, first.name)
        ]
        if len(same) < len(evaluations):
            continue
        values = torch.tensor([m.value for m in same], dtype=torch.float64)
        floors = [m.floor for m in same if m.floor is not None]
        averages.append(
            Measure(
                name=first.name,
                value=float(values.mean()),
                n=first.n,
                error=float(values.std()),
                floor=sum(floors) / len(floors) if floors else None,
                better=first.better,
                note=first.note if len({m.note for m in same}) == 1 else "",
                form=first.form,
                family=first.family,
            )
        )
    return averages
