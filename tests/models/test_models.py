"""What every model in the table must do; a new model is tested by being in it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import torch
from small import DOMAIN_MODELS, blobs, small, small_examples
from updates import RecordingUpdate

from limner.errors import LimnerError
from limner.models import MODELS, create, model_class
from limner.models.abilities import (
    Decodes,
    Encodes,
    HasLikelihood,
    HasPlayers,
    HasPosterior,
    Samples,
    Scores,
    Translates,
    abilities,
)
from limner.models.base import Model
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


def options_of(name: str) -> dict[str, Any]:
    """The default options; small ones where the default network is slow on a CPU."""
    return small(name) if name in DOMAIN_MODELS else {}


@every_model
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_takes_any_size(name: str, shape: tuple[int, int, int]) -> None:
    model = build(name, shape, **small(name))
    before = [p.clone() for p in model.parameters()]
    trainer = Trainer(model, small_examples(name, shape, 8).stream(4, 0, model.device))
    for _ in itertools.islice(trainer, 2):
        pass
    assert all(torch.isfinite(torch.tensor(value)) for value in trainer.tick().values())
    changed = [
        not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True) if b.requires_grad
    ]
    assert sum(changed) >= len(changed) - 1, "every weight learns (a dead bias may not)"


@every_model
def test_weights_change_only_through_update(name: str) -> None:
    model = build(name, **options_of(name))
    before = [p.clone() for p in model.parameters()]  # a batch norm's running statistics are no weights
    update = RecordingUpdate()
    model.step(small_examples(name, (1, 28, 28), 8).stream(4, 0, model.device), update)
    assert set(update.names) == set(model.optimizers())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def check_translations(model: Translates, a: torch.Tensor, b: torch.Tensor | None) -> None:
    """Images of every size from 8 pixels, in both directions: the same size, in [-1, 1], deterministic."""
    assert b is not None
    for to, x, other in (("B", a, b), ("A", b, a)):
        for height, width in (x.shape[2:], (8, 8), (9, 30), (33, 10)):
            image = torch.nn.functional.interpolate(x, (height, width))
            one, again = model.translate(image, to), model.translate(image, to)
            assert one.shape == (len(x), other.shape[1], height, width)
            assert one.abs().max() <= 1
            assert torch.equal(one, again)
        assert isinstance(model, Model)
        assert isinstance(model.get_submodule(model.translator(to)), torch.nn.Module)
        with pytest.raises(LimnerError, match="7x9 pixels are too few"):
            model.translate(x[..., :7, :9], to)
    with pytest.raises(LimnerError, match="the domains are A and B, not 'C'"):
        model.translator("C")


@every_model
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=str)
def test_what_it_can_do_it_does(name: str, shape: tuple[int, int, int]) -> None:
    model = build(name, shape, **small(name)).eval()
    examples = small_examples(name, shape, 8)
    x, y = examples.batch(model.device)
    n = len(x)
    with torch.no_grad():
        if isinstance(model, Samples):
            pictures = []
            for _ in range(2):
                torch.manual_seed(3)
                pictures.append(model.sample(n, **model.draft_options("sample")))
            assert pictures[0].shape == x.shape
            assert pictures[0].abs().max() <= 1
            assert torch.equal(*pictures)
        if isinstance(model, Encodes):
            assert model.encode(x).shape == (n, model.latent.dim)
            assert torch.equal(model.encode(x), model.encode(x)), "codes are means, not draws"
        if isinstance(model, HasPosterior):
            assert model.sample_posterior(x).shape == (n, model.latent.dim)
        if isinstance(model, Decodes):
            z = model.latent.draw(n, model.device)
            assert model.decode(z, labels_of(model, n)).shape == x.shape
        if isinstance(model, Scores):
            assert model.score(x).shape == (n,)
        if isinstance(model, HasLikelihood):
            assert model.log_likelihood(x, k=3).shape == (n,)
            assert model.protocol
            assert model.grey_levels in (1, 256)
        if isinstance(model, HasPlayers):
            for players in model.players(x, y).values():
                assert players.real.shape == players.fake.shape == (n, 1)
                assert players.generator_loss(players.fake, players.real).ndim == 0
        if isinstance(model, Translates):
            check_translations(model, x, y)
        assert model.preview(x, y, n).shape == x.shape
        model(x)  # what `limner summary` prints
        assert model.sample_cost(**model.draft_options("sample")) > 0
        assert set(model.draft) <= {*model.sampling_options(), *model.decoding_options()}
        assert torch.equal(model.view(model.view(examples.images.pixels)), model.view(examples.images.pixels))
    assert abilities(model)


@every_model
def test_it_comes_back_from_its_weights(name: str) -> None:
    model, other = (build(name, **small(name)).eval() for _ in range(2))
    other.load_state_dict(model.state_dict())
    images = []
    for one in (model, other):
        torch.manual_seed(5)
        if isinstance(one, Samples):
            images.append(one.sample(4, **one.draft_options("sample")))
        elif isinstance(one, Translates):
            images.append(one.translate(torch.rand(4, *one.shape), "B"))
        else:
            pytest.skip("it draws no images")
    assert torch.equal(*images)


@every_model
def test_it_learns(name: str) -> None:
    model = build(name)
    if not model.has_loss():
        pytest.skip("an adversarial loss need not fall; test_gan.py and test_cyclegan.py judge the images")
    trainer = Trainer(model, small_examples(name, (1, 28, 28), 64).stream(32, 0, model.device))
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
