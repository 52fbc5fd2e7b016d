"""One update in slow motion: training's own, bit for bit, and its numbers are those of the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small import IMAGE_MODELS, blobs, small

import limner
from limner.data import Dataset
from limner.errors import LimnerError
from limner.explore import record_update
from limner.explore.updates import MOST_SKIPPED, is_recordable, record_moves, restore_trainer
from limner.losses import kl_normal
from limner.models import model_class
from limner.training import Run

SHAPE = (1, 16, 16)
NAMES = ("0", "1", "2", "3")
REFUSED = ("caae", "stylegan")
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in IMAGE_MODELS if name not in REFUSED},
    "tricks": ("gan", {"soft_labels": True, "flip_labels": 0.3, "critic_steps": 2, "loss": "minimax"}),
    "penalty": ("dcgan", {"loss": "wasserstein", "augment": ("translation",), "generator_dropout": 0.3}),
    "relative": ("cgan", {"loss": "relativistic"}),
    "spectral": ("dcgan", {"loss": "hinge", "spectral_norm": True, "clip": 0.1}),
    "binary": ("vae", {"likelihood": "bernoulli", "binarisation": "dynamic"}),
    "validation": ("autoencoder", {"validation": 10}),
}


def train(folder: Path, model: str, options: dict[str, Any]) -> Run:
    train, test = blobs(60, SHAPE), blobs(20, SHAPE, seed=1)
    dataset = Dataset("discs", "discs", train, test, NAMES, (), "0")
    settings = small(model) | {"images": 64, "batch": 16, "on_trouble": "ignore", "quiet": True} | options
    limner.train(model, dataset, out=folder, **settings)
    run = Run(folder)
    run.loaded = dataset  # what cached_property keeps: these images have no source to be read from again
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    return {
        case: train(tmp_path_factory.mktemp("runs") / case, model, options)
        for case, (model, options) in CASES.items()
    }


def close(a: torch.Tensor, b: torch.Tensor, rtol: float = 1e-4) -> bool:
    """Whether two scalars are equal up to rounding."""
    return torch.isclose(a, b, rtol=rtol).item() is True


def equal(a: Any, b: Any) -> bool:
    """Whether two states hold the same values, bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_update_of_training(case: str, runs: dict[str, Run]) -> None:
    with torch.random.fork_rng():
        ordinary = restore_trainer(runs[case])
        next(ordinary)
        expected = ordinary.state()
    with torch.random.fork_rng():
        slow = restore_trainer(runs[case])
        moves = record_moves(slow)
        assert equal(slow.state(), expected)
    for move in moves:
        noted = [value.item() for _, value in ordinary._values[f"loss/{move.optimizer}"]]
        assert move.loss in noted
        assert move.before.values["loss"].item() == move.loss  # not a formula of its own
        assert move.before.values["loss"] != move.after.values["loss"]
        assert move.gradient_norm > 0
        assert move.step_norm > 0


@pytest.mark.parametrize("case", CASES)
def test_the_run_and_the_random_numbers_stay(case: str, runs: dict[str, Run]) -> None:
    run = runs[case]
    files = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    state = torch.get_rng_state()
    first, second = record_update(run), record_update(run)
    assert torch.equal(torch.get_rng_state(), state)
    assert [move.loss for move in first] == [move.loss for move in second]
    assert files == {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def test_a_later_update_is_the_one_after(runs: dict[str, Run]) -> None:
    with torch.random.fork_rng():
        trainer = restore_trainer(runs["gan"])
        record_moves(trainer)
        later = record_moves(trainer)
    assert [move.loss for move in record_update(runs["gan"], skip=1)] == [move.loss for move in later]


def test_the_moves_of_a_game(runs: dict[str, Run]) -> None:
    d, g = record_update(runs["gan"])
    assert (d.optimizer, g.optimizer) == ("D", "G")
    for view in (d.before, d.after):  # J_D = -1/2 E log D(x) - 1/2 E log(1 - D(G(z)))
        real, fake = view.values["D(x)"], view.values["D(G(z))"]
        assert close(view.values["loss"], -(real.log() + (1 - fake).log()).mean() / 2)
    for view in (g.before, g.after):  # J_G = -E log D(G(z))
        assert close(view.values["loss"], -view.values["D(G(z))"].log().mean())
    assert torch.equal(d.before.images["G(z)"], d.after.images["G(z)"])  # D's step leaves G alone
    assert not torch.equal(d.before.images["G(z)"], g.before.images["G(z)"])  # fresh noise
    assert d.before.images["x"].shape == d.before.images["G(z)"].shape == (16, *SHAPE)
    assert g.after.values["D(G(z))"].mean() > g.before.values["D(G(z))"].mean()


def test_every_step_of_the_discriminator_is_a_move(runs: dict[str, Run]) -> None:
    moves = record_update(runs["tricks"])
    assert [move.optimizer for move in moves] == ["D", "D", "G"]
    assert not torch.equal(moves[0].before.images["x"], moves[1].before.images["x"])
    penalty, _ = record_update(runs["penalty"])
    assert penalty.terms["penalty"] > 0


def test_clipping_limits_the_gradient(runs: dict[str, Run]) -> None:
    assert all(move.gradient_norm < 0.1001 for move in record_update(runs["spectral"]))


def test_the_codes_of_a_vae(runs: dict[str, Run]) -> None:
    for case in ("vae", "binary"):
        (move,) = record_update(runs[case])
        for view in (move.before, move.after):
            mu, sigma, z = (view.values[name] for name in ("mu", "sigma", "z"))
            assert close(view.values["kl"], kl_normal(mu, 2 * sigma.log()).sum(1).mean(), rtol=1e-3)
            assert close(view.values["loss"], view.values["rec"] + view.values["kl"])
            eps = (z - mu) / sigma
            assert 0.5 < eps.std() < 1.5
        before, after = ((v["z"] - v["mu"]) / v["sigma"] for v in (move.before.values, move.after.values))
        assert torch.allclose(before, after, atol=1e-3)  # the same noise


def test_the_drawn_code_is_that_of_the_loss(runs: dict[str, Run]) -> None:
    (move,) = record_update(runs["vae"])
    with torch.random.fork_rng():
        model: Any = restore_trainer(runs["vae"]).model
    target = (move.before.images["x"].float() / 255).clamp(0, 1)
    assert close(model.nll(move.before.values["z"], target).mean(), move.before.values["rec"])


def test_the_reconstructions_of_an_autoencoder(runs: dict[str, Run]) -> None:
    (move,) = record_update(runs["autoencoder"])
    for view in (move.before, move.after):
        assert close(view.values["error"].mean(), view.values["mse"])
        errors = (view.images["x"].float() - view.images["reconstruction"].float()).div(255).square()
        assert errors.flatten(1).mean(1).tolist() == pytest.approx(view.values["error"].tolist(), rel=2e-2)
    assert move.after.values["loss"] < move.before.values["loss"]


@pytest.mark.parametrize("model", REFUSED)
def test_other_models_are_refused(model: str, tmp_path: Path) -> None:
    run = train(tmp_path / model, model, {})
    with pytest.raises(LimnerError, match="only the updates of an autoencoder, a VAE or a GAN"):
        record_update(run)


def test_every_model_is_recorded_or_refused() -> None:
    for name in IMAGE_MODELS:
        cls = model_class(name)
        assert is_recordable(cls(SHAPE, cls.Options.parse(small(name)))) is (name not in REFUSED)


@pytest.mark.parametrize("skip", [-1, MOST_SKIPPED + 1])
def test_so_many_updates_cannot_be_skipped(skip: int, runs: dict[str, Run]) -> None:
    with pytest.raises(LimnerError, match=f"from 0 to {MOST_SKIPPED} updates can be skipped, not {skip}"):
        record_update(runs["gan"], skip)


def test_a_run_without_its_checkpoint(tmp_path: Path) -> None:
    run = train(tmp_path / "run", "autoencoder", {})
    (run.path / "state.pt").unlink()
    with pytest.raises(LimnerError, match=r"state\.pt is missing"):
        record_update(run)
