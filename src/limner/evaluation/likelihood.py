"""The likelihood family: the bound, its terms, how it tightens with k, and which code variables it uses."""

from __future__ import annotations

import math
from typing import Any

import torch

from limner.data import to_float
from limner.evaluation.measures import Measure, mean_of
from limner.evaluation.subject import Subject
from limner.metrics import active_units, bits_per_dim, importance_bound
from limner.models.base import abilities

CURVE = (1, 50)  # k beside the largest


def likelihood(subject: Subject) -> list[Measure]:
    """log p(x) of test images in nats, as bounds that tighten with k; the protocol stands in the note."""
    model, given = subject.model, subject.given
    protocol = getattr(model, "protocol", "by the model's own log_likelihood")
    elbo = importance_bound(model, to_float(given).to(model.device), (1,), subject.seed)[1]
    terms = terms_of(subject)
    mean, kl = float(elbo.mean()), terms.get("kl")
    shown = f" = {mean + kl:.1f} - KL {kl:.1f}" if kl is not None else ""
    found = [mean_of("elbo (k 1)", elbo, form=".2f", better="higher", note=f"nats{shown}; {protocol}")]
    ks = [k for k in CURVE[1:] if k < subject.k] + [subject.k]
    x = to_float(given[: subject.images]).to(model.device)
    bounds = importance_bound(model, x, ks, subject.seed)
    for k, nats in bounds.items():
        found.append(mean_of(f"log p(x) (k {k:,})", nats, form=".2f", better="higher", note="nats"))
    dims = math.prod(subject.run.shape)
    levels = 256 if getattr(model, "likelihood", "bernoulli") == "gaussian" else 1
    bits = bits_per_dim(found[-1].value, dims, levels)
    note = "of the density at 256 grey levels" if levels > 1 else ""
    found.append(Measure("bits per dim", bits, len(x), better="lower", note=note, form=".4f"))
    return found + (used(terms, subject) if "encode" in abilities(model) else [])


def terms_of(subject: Subject) -> dict[str, Any]:
    """What the model's own validation says of the n test images: numbers averaged, lists too."""
    model, total = subject.model, dict[str, Any]()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(subject.seed)
        for rows in torch.arange(subject.n).split(1000):
            weight = len(rows) / subject.n
            y = None if subject.labels is None else subject.labels[rows].to(model.device)
            for name, value in model.validate(to_float(subject.given[rows]).to(model.device), y).items():
                values = torch.tensor(value, dtype=torch.float64) * weight
                total[name] = total[name] + values if name in total else values
    return {name: value.tolist() for name, value in total.items()}


def used(terms: dict[str, Any], subject: Subject) -> list[Measure]:
    """How many code variables carry anything, by the spread of their means and by their KL."""
    found = []
    size, n = subject.model.latent_dim, subject.n
    active = float(active_units(subject.codes))
    found.append(Measure("active units", active, n, note=f"of {size}; Var_x E[z|x] > 0.01", form=".0f"))
    if "kl_per_dim" in terms:
        kl = sorted(terms["kl_per_dim"], reverse=True)
        shown = " ".join(f"{value:.2f}" for value in kl[:8]) + (" ..." if len(kl) > 8 else "")
        found.append(Measure("largest kl of a dim", kl[0], n, note=f"nats, sorted: {shown}", form=".2f"))
    return found
