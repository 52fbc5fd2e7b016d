"""What every model in the table must do; a new model is tested by being in it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import torch
from small import blobs, small
from updates import RecordingUpdate

from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models import MODELS, create, model_class
from limner.models.base import (
    Decodes,
    Encodes,
    HasLikelihood,
    HasPlayers,
    HasPosterior,
    Model,
    Samples,
    Scores,
    abilities,
)
from limner.training import TrainConfig, Trainer

SHAPES = [(1, 28, 28), (1, 28, 20), (1, 16, 16), (3, 32, 32), (3, 64, 64), (1, 17, 23), (3, 128, 128)]
every_model = pytest.mark.parametrize("name", MODELS)


def build(
    name: str, shape: tuple[int, int, int] = (1, 28, 28), preset: str | None = None, **options: Any
) -> Model:
    """A model as a run gives it: with its classes, and its priors fitted."""
    torch.manual_seed(0)
    if model_class(name).labels != "ignored":
        options.setdefault("classes", 4)
    model = create(name, shape, preset, **options)
    for latent in model.latents.values():
        codes = torch.randn(300, latent.dim)
        latent.fit_prior = lambda prior, codes=codes: prior.fit(codes)
    return model


def labels_of(model: Model, n: int) -> torch.Tensor | None:
    """Labels for n images where the model needs them."""
    return torch.arange(n) % model.classes if model.labels == "required" and model.classes else None


@every_model
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_takes_any_size(name: str, shape: tuple[int, int, int]) -> None:
    model = build(name, shape, **small(name))
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
    model = build(name)
    before = [p.clone() for p in model.parameters()]  # a batch norm's running statistics are no weights
    update = RecordingUpdate()
    model.step(Stream(blobs(8, (1, 28, 28)), batch=4), update)
    assert set(update.names) == set(model.optimizers())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@every_model
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=str)
def test_what_it_can_do_it_does(name: str, shape: tuple[int, int, int]) -> None:
    model = build(name, shape, **small(name)).eval()
    x = blobs(5, shape).pixels.float() / 127.5 - 1
    with torch.no_grad():
        if isinstance(model, Samples):
            pictures = []
            for _ in range(2):
                torch.manual_seed(3)
                pictures.append(model.sample(5, **model.draft_options("sample")))
            assert pictures[0].shape == x.shape
            assert pictures[0].abs().max() <= 1
            assert torch.equal(*pictures)
        if isinstance(model, Encodes):
            assert model.encode(x).shape == (5, model.latent.dim)
            assert torch.equal(model.encode(x), model.encode(x)), "codes are means, not draws"
        if isinstance(model, HasPosterior):
            assert model.sample_posterior(x).shape == (5, model.latent.dim)
        if isinstance(model, Decodes):
            z = model.latent.draw(5, model.device)
            assert model.decode(z, labels_of(model, 5)).shape == x.shape
        if isinstance(model, Scores):
            assert model.score(x).shape == (5,)
        if isinstance(model, HasLikelihood):
            assert model.log_likelihood(x, k=3).shape == (5,)
            assert model.protocol
            assert model.grey_levels in (1, 256)
        if isinstance(model, HasPlayers):
            for players in model.players(x, labels_of(model, 5)).values():
                assert players.real.shape == players.fake.shape == (5, 1)
                assert players.generator_loss(players.fake, players.real).ndim == 0
        assert model.preview(x, 5).shape == x.shape
        model(x)  # what `limner summary` prints
        assert model.sample_cost(**model.draft_options("sample")) > 0
        assert set(model.draft) <= {*model.sampling_options(), *model.decoding_options()}
        pixels = blobs(5, shape).pixels
        assert torch.equal(model.view(model.view(pixels)), model.view(pixels))
    assert abilities(model)


@every_model
def test_it_comes_back_from_its_weights(name: str) -> None:
    model, other = (build(name, **small(name)).eval() for _ in range(2))
    other.load_state_dict(model.state_dict())
    if not isinstance(model, Samples):
        pytest.skip("it draws no images")
    drawn = []
    for one in (model, other):
        torch.manual_seed(5)
        drawn.append(one.sample(4, **one.draft_options("sample")))
    assert torch.equal(*drawn)


@every_model
def test_it_learns(name: str) -> None:
    model = build(name)
    if not model.has_loss():
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
    model = build(name).eval()
    if not model.has_loss():
        pytest.skip("more than one objective")
    if model.stochastic_loss:
        pytest.skip("it draws random numbers")
    x = blobs(6, (1, 28, 28)).pixels.float() / 127.5 - 1
    each = torch.stack([model.loss(x[i : i + 1], None)[0] for i in range(6)])
    torch.testing.assert_close(model.loss(x, None)[0], each.mean())


@every_model
def test_a_stochastic_loss_is_declared(name: str) -> None:
    model = build(name).eval()
    if not model.has_loss():
        pytest.skip("more than one objective")
    x = blobs(6, (1, 28, 28)).pixels.float() / 127.5 - 1
    values = [model.loss(x, labels_of(model, 6))[0].item() for _ in range(2)]
    assert (values[0] != values[1]) == model.stochastic_loss


@every_model
def test_every_option_has_help_and_every_preset_fits(name: str) -> None:
    cls = model_class(name)
    for option, field in cls.Options.model_fields.items():
        assert field.description, f"{name} does not explain {option}"
    assert "paper" in cls.presets
    known = {*cls.Options.model_fields, *TrainConfig.model_fields}
    for preset, values in cls.presets.items():
        assert set(values) <= known
        build(name, preset=preset)
    assert set(cls.switches) | set(cls.tiny) <= set(cls.Options.model_fields)
    build(name, **cls.tiny)


@every_model
def test_options_survive_json(name: str) -> None:
    options = build(name, **model_class(name).tiny).Options.parse(model_class(name).tiny)
    again = type(options).parse(json.loads(json.dumps(options.json_values())))
    assert again == options
    assert set(type(options).model_json_schema()["properties"]) == set(type(options).model_fields)


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
