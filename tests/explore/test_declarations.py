"""What a model declares decides what can be done with it: its codes, its cost, its options of sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from explore.fakes import (
    NAMES,
    PICTURES,
    SHAPE,
    Coder,
    Conditional,
    Generator,
    Plain,
    codes,
    run_of,
)
from torch import Tensor

from limner import explore
from limner.data import to_float
from limner.errors import LimnerError
from limner.explore.abilities import require_ability, usable_verbs
from limner.explore.codes import MAX_VARIABLES, code_importance
from limner.explore.samples import draw_samples, fitted_priors
from limner.models.abilities import Decodes, Encodes, Samples
from limner.models.latent import FittedPriors, Latent, Normal
from limner.training import Run


def test_a_model_without_codes_has_a_message_for_every_verb(trained: Run) -> None:
    class Sampler(Plain):
        def sample(self, n: int, y: Tensor | None = None) -> Tensor:
            return torch.zeros(n, *SHAPE)

    run = run_of(trained, Sampler())
    assert usable_verbs(run) == ["sample"]
    assert explore.sample(run, 3).data["pixels"].shape == (3, *SHAPE)
    for look, lack in [
        (explore.embed, "no encoder, so embed"),
        (explore.reconstruct, "no encoder, so reconstruct"),
        (explore.traverse, "no decoder, so traverse"),
        (explore.anomalies, "no anomaly score, so anomalies"),
    ]:
        with pytest.raises(LimnerError, match=f"run is a Sampler: it has {lack} cannot use it; sample can$"):
            look(run)
    with pytest.raises(LimnerError, match=r"is a Plain: it draws no new images, so sample cannot use it$"):
        explore.sample(run_of(trained, Plain()))


def test_an_ability_is_required_by_its_protocol(trained: Run) -> None:
    run = run_of(trained, Coder(codes()))
    assert require_ability(run, Encodes, "map") is run.model
    assert require_ability(run, Decodes, "map") is run.model
    with pytest.raises(LimnerError, match="so sample cannot use it; reconstruct, interpolate"):
        require_ability(run, Samples, "sample")


@pytest.mark.parametrize("verb", PICTURES)
def test_discrete_codes_have_no_codes_in_between(trained: Run, verb: str) -> None:
    latent = Latent((9,), {}, kind="discrete", positions=9, levels=16)
    run = run_of(trained, Coder(latent))
    message = f"its codes are discrete, and no code lies between two of them, so {verb} cannot use it; "
    with pytest.raises(LimnerError, match=f"{message}reconstruct, map, embed and similar can"):
        PICTURES[verb](run)
    assert explore.embed(run).codes.shape == (80, 9)
    assert len(explore.reconstruct(run, n=3).data["mse"]) == 3


def test_interpolation_needs_no_prior_between_images(trained: Run) -> None:
    run = run_of(trained, Coder(Latent((5,), {})))
    assert explore.interpolate(run, pairs=2, steps=3).data["codes"].shape == (4, 3, 5)
    with pytest.raises(LimnerError, match="codes have no prior"):
        explore.traverse(run)


def test_views_of_codes_come_from_their_shape(trained: Run) -> None:
    run = run_of(trained, Coder(Latent((2, 3, 4), {"normal": Normal(24)})))
    flat, means = explore.embed(run), explore.embed(run, codes="channels")
    assert flat.notes[-1].endswith("codes of 24 numbers (2x3x4, flattened)")
    assert means.notes[-1].endswith("the 2 channel means of codes of 2x3x4")
    assert np.allclose(flat.codes.reshape(-1, 2, 12).mean(2), means.codes, atol=1e-6)
    sequence = run_of(trained, Coder(Latent((6, 4), {"normal": Normal(24)})))
    assert explore.embed(sequence).notes[-1].endswith("codes of 24 numbers (6x4, flattened)")
    with pytest.raises(LimnerError, match="its code has no channels"):
        explore.embed(sequence, codes="channels")


@pytest.mark.parametrize(("dim", "cost"), [(MAX_VARIABLES + 1, 1.0), (784, 50.0)])
def test_wide_or_costly_codes_are_refused_before_anything_is_decoded(
    trained: Run, dim: int, cost: float
) -> None:
    model = Generator(dim, cost)
    run = run_of(trained, model)
    limit = f"the limit is {int(MAX_VARIABLES / cost):,}"
    at = "" if cost == 1 else " at 50 passes for each image"
    for look in (explore.traverse, code_importance):
        with pytest.raises(
            LimnerError, match=f"its code has {dim:,} variables, and .* every one{at}; {limit}$"
        ):
            look(run)
    with pytest.raises(
        LimnerError, match=f"manifold decodes images .*; {limit}; give the two to show as dims$"
    ):
        explore.manifold(run)
    assert model.passes == 0
    data = explore.manifold(run, dims=(3, 700), steps=2).data
    assert data["dims"] == (3, 700)
    assert model.passes == 4


@pytest.mark.parametrize(("dim", "cost"), [(1600, 1.0), (6400, 1.0), (64, 20.0)])
def test_what_can_be_ranked_takes_a_bounded_number_of_passes(trained: Run, dim: int, cost: float) -> None:
    model = Generator(dim, cost)
    order = explore.traverse(run_of(trained, model), dims=1, steps=2).data["order"]
    assert order[0] == 0, "only the first variable changes the image"
    assert model.passes * cost <= 2.1 * MAX_VARIABLES


def test_options_of_sampling_reach_the_model(trained: Run) -> None:
    run = run_of(trained, Conditional(codes()), list(NAMES))
    default = explore.sample(run, 4)
    chosen = explore.sample(run, 4, steps=60, guidance=0.2, prior="uniform")
    assert (default.data["prior"], chosen.data["prior"]) == ("normal", "uniform")
    assert default.notes == ["codes drawn from N(0, I), the prior the model was trained for"]
    assert chosen.notes == ["codes drawn uniformly from [-1, 1]"]
    mark = to_float(chosen.data["pixels"])[:, 0, 15, 14]
    assert torch.allclose(mark, torch.full((4,), 0.8), atol=0.01)
    assert torch.equal(chosen.data["pixels"], draw_samples(run, 4, steps=60, guidance=0.2, prior="uniform"))
    columns = explore.sample(run, 2, labels=["upper left"], steps=60, prior="uniform").data
    assert columns["prior"] == "uniform"
    assert torch.equal(columns["pixels"], draw_samples(run, 2, y=0, steps=60, prior="uniform"))
    assert fitted_priors(run) == ["uniform"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stepz": 3}, "run is a Conditional: its sampling has no option 'stepz': did you mean 'steps'"),
        ({"truncation": 3}, "no option 'truncation': choose from: prior, steps, guidance"),
        ({"prior": "uniforms"}, "no prior called 'uniforms': did you mean 'uniform'"),
        ({"prior": 3}, "no prior called '3': choose from: normal, uniform"),
    ],
)
def test_an_option_that_a_model_does_not_have_is_refused(
    trained: Run, options: dict[str, Any], message: str
) -> None:
    run = run_of(trained, Conditional(codes()), list(NAMES))
    for draw in (explore.sample, draw_samples):
        with pytest.raises(LimnerError, match=message):
            draw(run, 2, **options)
    with pytest.raises(LimnerError, match=message):
        explore.sample(run, labels="all", **options)


def test_a_model_without_options_refuses_all_and_accepts_none(trained: Run) -> None:
    run = run_of(trained, Generator(3))
    with pytest.raises(LimnerError, match="images are made from noise, so there is no prior to choose"):
        explore.sample(run, prior="normal")
    with pytest.raises(LimnerError, match="its sampling has no option 'steps': it has no options"):
        draw_samples(run, 2, steps=3)
    assert torch.equal(draw_samples(run, 2, prior=None, steps=None), draw_samples(run, 2))
    assert fitted_priors(run) == []


def test_a_prior_is_fitted_before_the_seed_is_set(trained: Run) -> None:
    latent = Latent((3,), FittedPriors(3).by_name())
    fits = []

    def fit(prior: Any) -> None:
        fits.append(torch.rand(5))  # a prior trained in a second stage draws random numbers
        prior.fit(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)))

    latent.fit_prior = fit
    run = run_of(trained, Conditional(latent))
    first, again = draw_samples(run, 3, seed=1), draw_samples(run, 3, seed=1)
    assert torch.equal(first, again)
    assert len(fits) == 1
    assert "expect worse images than reconstructions" in explore.sample(run, 3).notes[0]
