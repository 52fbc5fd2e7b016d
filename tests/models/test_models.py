"""What every model in the table must do; a new model is tested by being in it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from small import blobs, small

from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models import MODELS, constructors, create, model_class, options, resolve
from limner.models.base import Decodes, Encodes, HasLikelihood, Model, Samples, Scores, abilities
from limner.training import Trainer

SHAPES = [(1, 28, 28), (1, 28, 20), (1, 16, 16), (3, 32, 32), (3, 64, 64), (1, 17, 23), (3, 128, 128)]
every_model = pytest.mark.parametrize("name", MODELS)


def built(
    name: str, shape: tuple[int, int, int] = (1, 28, 28), preset: str | None = None, **given: Any
) -> Model:
    torch.manual_seed(0)
    chosen = resolve(model_class(name), preset, given)
    model = create(name, shape, **chosen)
    if hasattr(model, "prior"):
        model.prior.fit(torch.randn(300, model.latent_dim))
    return model


@every_model
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_takes_any_size(name: str, shape: tuple[int, int, int]) -> None:
    model = built(name, shape, **small(name))
    before = [p.clone() for p in model.parameters()]
    trainer = Trainer(model, Stream(blobs(8, shape), batch=4))
    for _ in itertools.islice(trainer, 2):
        pass
    assert all(torch.isfinite(torch.tensor(value)) for value in trainer.tick().values())
    changed = [
        not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True) if b.requires_grad
    ]
    assert sum(changed) >= len(changed) - 1, "every weight learns (a dead bias may not)"


@every_model
def test_weights_change_only_through_update(name: str) -> None:
    model = built(name)
    before = [p.clone() for p in model.parameters()]  # a batch norm's running statistics are no weights
    asked: list[str] = []
    model.step(Stream(blobs(8, (1, 28, 28)), batch=4), lambda optimiser, loss: asked.append(optimiser))
    assert set(asked) == set(model.optimizers())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@every_model
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=str)
def test_what_it_can_do_it_does(name: str, shape: tuple[int, int, int]) -> None:
    model = built(name, shape).eval()
    x = blobs(5, shape).pixels.float() / 127.5 - 1
    with torch.no_grad():
        if isinstance(model, Samples):
            pictures = []
            for _ in range(2):
                torch.manual_seed(3)
                pictures.append(model.sample(5))
            assert pictures[0].shape == x.shape
            assert pictures[0].abs().max() <= 1
            assert torch.equal(*pictures)
        if isinstance(model, Encodes):
            assert model.encode(x).shape == (5, model.latent_dim)
            assert torch.equal(model.encode(x), model.encode(x)), "codes are means, not draws"
        if isinstance(model, Decodes):
            assert model.decode(torch.randn(5, model.latent_dim)).shape == x.shape
        if isinstance(model, Scores):
            assert model.score(x).shape == (5,)
        if isinstance(model, HasLikelihood):
            assert model.log_likelihood(x, k=3).shape == (5,)
        assert model.preview(x, 5).shape == x.shape
    assert abilities(model)


@every_model
def test_it_comes_back_from_its_weights(name: str) -> None:
    model, other = built(name).eval(), create(name, (1, 28, 28)).eval()
    other.load_state_dict(model.state_dict())
    drawn = []
    for one in (model, other):
        torch.manual_seed(5)
        drawn.append(one.sample(4))  # type: ignore[attr-defined]
    assert torch.equal(*drawn)


@every_model
def test_it_learns(name: str) -> None:
    model = built(name)
    if type(model).loss is Model.loss:
        pytest.skip("an adversarial loss need not fall; tests/models/test_gan.py judges the images")
    trainer = Trainer(model, Stream(blobs(64, (1, 28, 28)), batch=32))
    losses = []
    for _ in range(2):
        for _ in itertools.islice(trainer, 100):
            pass
        losses.append(trainer.tick()["loss/main"])
    assert losses[1] < losses[0]


@every_model
def test_its_loss_does_not_depend_on_the_batch(name: str) -> None:
    model = built(name).eval()
    if type(model).loss is Model.loss:
        pytest.skip("more than one objective")
    if hasattr(model, "posterior"):
        pytest.skip("draws noise; tests/test_losses.py checks its terms")
    x = blobs(6, (1, 28, 28)).pixels.float() / 127.5 - 1
    each = torch.stack([model.loss(x[i : i + 1], None)[0] for i in range(6)])
    torch.testing.assert_close(model.loss(x, None)[0], each.mean())


@every_model
def test_every_option_has_a_line_of_help_and_every_preset_fits(name: str) -> None:
    cls = model_class(name)
    told = "".join(one.__doc__ or "" for one in constructors(cls))
    for option in options(cls):
        assert f"        {option}: " in told, f"{name} does not explain {option}"
    assert "paper" in cls.presets
    for preset in cls.presets:
        built(name, preset=preset)


def test_mistakes_are_named() -> None:
    with pytest.raises(LimnerError, match="no model called 'vea': did you mean 'vae'"):
        create("vea", (1, 28, 28))
    with pytest.raises(LimnerError, match="no option 'latent_dims': did you mean 'latent_dim'"):
        create("vae", (1, 28, 28), latent_dims=3)
    with pytest.raises(LimnerError, match="no preset 'papr': did you mean 'paper'"):
        create("vae", (1, 28, 28), preset="papr")
    with pytest.raises(LimnerError, match="no model at 'nowhere:Model'"):
        create("nowhere:Model", (1, 28, 28))
    for name, wrong in [
        ("autoencoder", {"latent_dim": 0}),
        ("vae", {"beta": -1}),
        ("gan", {"critic_steps": 0}),
    ]:
        with pytest.raises(LimnerError, match=next(iter(wrong))):
            create(name, (1, 28, 28), **wrong)
