"""The path length: how evenly images change between codes."""

from __future__ import annotations

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
    network, prior = extractor.network, model.latent.prior(prior_name(evaluand))
    pairs = QUICK_PAIRS if evaluand.quick else PAIRS

    def decode(z: Tensor, y: Tensor | None = None) -> Tensor:
        return model.decode(z.to(model.device), None if y is None else y.to(model.device))

    def draw(n: int, generator: torch.Generator) -> Tensor:
        with seeded(int(torch.randint(2**31, (), generator=generator))):
            return prior.draw(n, torch.device("cpu")).cpu()

    def features(x: Tensor) -> Tensor:
        return network.features(x.to(network.device))

    path = "slerp" if isinstance(prior, Normal) else "lerp"
    labels, distance = path_labels(evaluand, pairs), feature_distance(features)
    length = path_length(decode, draw, distance, pairs, interpolation=path, seed=evaluand.seed, labels=labels)
    kept = length.values.sort().values[pairs // 100 : pairs - pairs // 100]
    error = float(kept.std() / len(kept) ** 0.5)
    note = f"{path}, squared distance of features, 1 % tails left out"
    return [Measure(f"path length[{extractor.name}]", length.mean, pairs, error, better="lower", note=note)]


def path_labels(evaluand: Evaluand, pairs: int) -> Tensor | None:
    """A label of the data for each path (pairs,), at random, for a model that decodes with labels only."""
    labels = evaluand.run.data.train.labels  # without a class that was left out
    if evaluand.model.labels != "required":
        return None
    if labels is None:
        raise LimnerError(f"a {type(evaluand.model).__name__} decodes with labels, and the data have none")
    generator = torch.Generator().manual_seed(evaluand.seed)
    return labels[torch.randint(len(labels), (pairs,), generator=generator)]
