"""Measures of likelihood: the bound, its terms, how it rises with k, and which code variables it uses."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from limner.data import to_float
from limner.evaluation.evaluand import Evaluand
from limner.evaluation.measures import Measure, mean_measure
from limner.metrics import active_units, bits_per_dim, dequantise, importance_bound
from limner.models.abilities import Encodes, HasLikelihood
from limner.random_state import seeded

CURVE = (50,)  # values of k between 1 and the largest
BITS_CODES = 500  # for the bits of a density; more change the third decimal at most


def likelihood(evaluand: Evaluand) -> list[Measure]:
    """log p(x) of test images in nats, as bounds that rise with k; the protocol stands in the note."""
    model, pixels = evaluand.model, evaluand.viewed_test
    assert isinstance(model, HasLikelihood)
    elbo = importance_bound(model, to_float(pixels).to(model.device), (1,), evaluand.seed)[1]
    terms = validation_terms(evaluand)
    mean, kl = float(elbo.mean()), terms.get("kl")
    parts = f" = {mean + kl:.1f} - KL {kl:.1f}" if kl is not None else ""
    note = f"nats{parts}; {model.protocol}"
    measures = [mean_measure("elbo (k 1)", elbo, form=".2f", better="higher", note=note)]
    ks = [*(k for k in CURVE if k < evaluand.k), evaluand.k]
    x = to_float(pixels[: evaluand.images]).to(model.device)
    bounds = importance_bound(model, x, ks, evaluand.seed)
    for k, nats in bounds.items():
        measures.append(mean_measure(f"log p(x) (k {k:,})", nats, form=".2f", better="higher", note="nats"))
    measures.append(bits(evaluand, x, bounds[evaluand.k]))
    return measures + (used_variables(evaluand, terms) if isinstance(model, Encodes) else [])


def bits(evaluand: Evaluand, x: Tensor, nats: Tensor) -> Measure:
    """Bits per dimension of images x with log p(x) = nats (N,); those of a density are of dequantised x."""
    model, note = evaluand.model, ""
    assert isinstance(model, HasLikelihood)
    levels = model.grey_levels
    if levels > 1:
        k = min(evaluand.k, BITS_CODES)
        nats = importance_bound(model, dequantise(x, evaluand.seed, levels), (k,), evaluand.seed)[k]
        note = f"of {levels} grey levels, pixels dequantised by uniform noise, k {k:,}"
    values = bits_per_dim(nats, math.prod(evaluand.run.shape), levels)
    return mean_measure("bits per dim", values, better="lower", note=note, form=".4f")


def validation_terms(evaluand: Evaluand) -> dict[str, Any]:
    """The terms of the model's own validation on the n test images: numbers and lists, averaged."""
    model, totals = evaluand.model, dict[str, Tensor]()
    with seeded(evaluand.seed):
        for rows in torch.arange(evaluand.n).split(1000):
            weight = len(rows) / evaluand.n
            y = None if evaluand.labels is None else evaluand.labels[rows].to(model.device)
            terms = model.validate(to_float(evaluand.viewed_test[rows]).to(model.device), y)
            for name, value in terms.items():
                values = torch.tensor(value, dtype=torch.float64) * weight
                totals[name] = totals[name] + values if name in totals else values
    return {name: total.tolist() for name, total in totals.items()}


def used_variables(evaluand: Evaluand, terms: dict[str, Any]) -> list[Measure]:
    """How many code variables are used, by the variance of their means, and their KL."""
    active, size = float(active_units(evaluand.codes)), evaluand.model.latent.dim
    note = f"of {size}; Var_x E[z|x] > 0.01"
    measures = [Measure("active units", active, evaluand.n, note=note, form=".0f")]
    if "kl_per_dim" in terms:
        kl = sorted(terms["kl_per_dim"], reverse=True)
        largest = " ".join(f"{value:.2f}" for value in kl[:8]) + (" ..." if len(kl) > 8 else "")
        note = f"nats, sorted: {largest}"
        measures.append(Measure("largest kl of a dim", kl[0], evaluand.n, note=note, form=".2f"))
    return measures
