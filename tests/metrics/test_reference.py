"""Distances agree with pytorch-fid, torch-fidelity, torchmetrics and prdc on the same features."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from limner.metrics import frechet, kid, prdc

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("make_reference", HERE / "make_reference.py")
assert SPEC is not None
assert SPEC.loader is not None
reference = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(reference)
REFERENCE = json.loads((HERE / "reference.json").read_text())


@pytest.mark.parametrize("name", REFERENCE)
def test_distances_are_those_of_the_reference_tools(name: str) -> None:
    x, y = (torch.from_numpy(z) for z in reference.case(name))
    expected = REFERENCE[name]
    assert frechet(x, y) == pytest.approx(expected["frechet"], rel=1e-6)
    assert kid(x, y) == pytest.approx(expected["kid"], rel=1e-9)
    for measure, value in prdc(x, y)._asdict().items():
        assert value == pytest.approx(expected[measure], abs=1e-9), measure


def test_the_tolerance_tells_the_1_over_n_covariance_apart() -> None:
    x, y = (torch.from_numpy(z) for z in reference.case("mixed"))
    biased = frechet(x * (599 / 600) ** 0.5 + x.mean(0) * (1 - (599 / 600) ** 0.5), y)
    assert biased != pytest.approx(REFERENCE["mixed"]["frechet"], rel=1e-4)


class Unchanged(nn.Module):
    """An 'extractor' for torchmetrics that returns its argument."""

    num_features = 16

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.filterwarnings("ignore::UserWarning:torchmetrics")
@pytest.mark.parametrize("name", REFERENCE)
def test_distances_are_those_of_torchmetrics(name: str) -> None:
    x, y = (torch.from_numpy(z) for z in reference.case(name))
    theirs = (
        FrechetInceptionDistance(feature=Unchanged()),
        KernelInceptionDistance(feature=Unchanged(), subsets=1, subset_size=len(x)),
    )
    for metric, ours in zip(theirs, (frechet(x, y), kid(x, y)), strict=True):
        metric.set_dtype(torch.float64)
        metric.update(x, real=True)
        metric.update(y, real=False)
        found = metric.compute()
        value = found[0] if isinstance(found, tuple) else found
        assert ours == pytest.approx(value.item(), rel=1e-6)
