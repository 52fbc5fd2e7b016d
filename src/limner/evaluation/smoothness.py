"""The path length: how evenly images change between codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.evaluation.evaluand import Evaluand, prior_name
from limner.evaluation.measures import Measure
from limner.metrics import Extractor, feature_distance, path_length
from limner.models.abilities import Decodes
from limner.models.latent import Normal
from limner.random_state import seeded

PAIRS, QUICK_PAIRS = 1000, 200


def smoothness(evaluand: Evaluand) -> list[Measure]:
    """How far features move for a small step on a path between codes, which are drawn from the prior."""
    model, extractor = evaluand.model, evaluand.extractor
    assert isinstance(model, Decodes)
    if not isinstance(extractor, Extractor):
        evaluand.leave_out("path length", f"{extractor.name} takes bytes only")
        return []
    if model.latent.kind == "discrete":
        evaluand.leave_out("path length", "the codes are discrete, so there are none between two of them")
        return []
    prior, pairs = model.latent.prior(prior_name(evaluand)), count_pairs(evaluand)

    def decode(z: Tensor, y: Tensor | None = None) -> Tensor:
        return model.decode(z.to(model.device), None if y is None else y.to(model.device))

    def draw(n: int, generator: torch.Generator) -> Tensor:
        with seeded(int(torch.randint(2**31, (), generator=generator))):
            return prior.draw(n, torch.device("cpu")).cpu()

    path: Literal["lerp", "slerp"] = "slerp" if isinstance(prior, Normal) else "lerp"
    return [measure_path(evaluand, "path length", decode, draw, path, path_labels(evaluand, pairs))]


def measure_path(
    evaluand: Evaluand,
    name: str,
    decode: Callable[..., Tensor],
    draw: Callable[[int, torch.Generator], Tensor],
    path: Literal["lerp", "slerp"],
    labels: Tensor | None = None,
) -> Measure:
    """The path length between codes that `draw` gives, in the features of the evaluand's extractor."""
    extractor, pairs = evaluand.extractor, count_pairs(evaluand)
    assert isinstance(extractor, Extractor)
    network = extractor.network
    distance = feature_distance(lambda x: network.features(x.to(network.device)))
    length = path_length(decode, draw, distance, pairs, interpolation=path, seed=evaluand.seed, labels=labels)
    kept = length.values.sort().values[pairs // 100 : pairs - pairs // 100]
    error = float(kept.std() / len(kept) ** 0.5)
    note = f"{path}, squared distance of features, 1 % tails left out"
    return Measure(f"{name}[{extractor.name}]", length.mean, pairs, error, better="lower", note=note)


def count_pairs(evaluand: Evaluand) -> int:
    """The number of paths."""
    return QUICK_PAIRS if evaluand.quick else PAIRS


def path_labels(evaluand: Evaluand, pairs: int) -> Tensor | None:
    """A label of the data for each path (pairs,), at random, for a model that decodes with labels only."""
    labels = evaluand.run.data.train.labels  # without a class that was left out
    if evaluand.model.labels != "required":
        return None
    if labels is None:
        raise LimnerError(f"a {type(evaluand.model).__name__} decodes with labels, and the data have none")
    generator = torch.Generator().manual_seed(evaluand.seed)
    return labels[torch.randint(len(labels), (pairs,), generator=generator)]
