"""Both players are told the class: by the formula, by the paper's widths, and in what is learnt."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from small import blobs
from torch import Tensor, nn

from limner.data import Images
from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models import create, model_class, resolve
from limner.models.cgan import ClassNorm
from limner.models.gan import Maxout
from limner.training import Trainer

SHAPE = (1, 16, 16)
QUICK = {"classes": 4, "latent_dim": 16, "width": 8, "hidden": (32, 32), "lr": 1e-3}
KINDS: dict[str, dict[str, Any]] = {
    f"{networks} {condition}": {"networks": networks, "condition": condition}
    for networks in ("conv", "mlp")
    for condition in ("projection", "embedding")
} | {"maxout": {"networks": "maxout", "inputs": "unit"}}
every_kind = pytest.mark.parametrize("kind", KINDS)


def built(kind: str, **given: Any) -> Any:
    torch.manual_seed(0)
    return create("cgan", SHAPE, **QUICK | KINDS[kind] | given)


def quadrant(x: Tensor) -> Tensor:
    """The quadrant (n,) in which the light of images (n, C, H, W) in [-1, 1] has its middle."""
    light = (x.mean(1) + 1) / 2
    height, width = light.shape[1:]
    y = (light.sum(2) @ torch.arange(height).float()) / light.sum((1, 2))
    x = (light.sum(1) @ torch.arange(width).float()) / light.sum((1, 2))
    return (y > height / 2) * 2 + (x > width / 2)


@every_kind
def test_both_players_are_told_the_class(kind: str) -> None:
    model = built(kind).eval()
    z, x = model.z(1).expand(4, -1), torch.rand(1, *SHAPE).expand(4, -1, -1, -1) * 2 - 1
    y = torch.arange(4)
    for made in (model.generate(z, y), model.judge(x, y)):
        assert made.shape[0] == 4
        for a, b in itertools.combinations(made, 2):
            assert not torch.equal(a, b)
    torch.testing.assert_close(model.generate(z, y)[2:3], model.generate(z[:1], y[2:3]))


def test_the_gradient_of_a_class_reaches_its_own_vectors_alone() -> None:
    model, y = built("conv projection").eval(), torch.tensor([1, 1, 3])
    model.judge(torch.rand(3, *SHAPE) * 2 - 1, y).sum().backward()
    model.generate(model.z(3), y).sum().backward()
    for layer in (model.D.embed, model.G.embed):
        assert (layer.weight.grad.abs().sum(1) > 0).tolist() == [False, True, False, True]


@pytest.mark.parametrize("networks", ["conv", "mlp"])
@pytest.mark.parametrize("inputs", ["centred", "unit"])
def test_projection_is_psi_plus_the_dot_product(networks: str, inputs: str) -> None:
    model = built(f"{networks} projection", inputs=inputs).eval()
    x, y = torch.rand(5, *SHAPE) * 2 - 1, torch.tensor([3, 0, 1, 3, 2])
    with torch.no_grad():
        f = model.D.f[1:]((x + 1) / 2 if inputs == "unit" else x)
        for i in range(5):
            psi = (model.D.psi.weight[0] * f[i]).sum() + model.D.psi.bias[0]
            torch.testing.assert_close(
                model.judge(x, y)[i, 0], psi + (model.D.embed.weight[y[i]] * f[i]).sum()
            )


def test_spectral_norm_bounds_the_class_vectors_too() -> None:
    model = built("conv projection", spectral_norm=True)
    for _ in range(30):
        model.judge(torch.rand(4, *SHAPE), torch.arange(4))
    assert torch.linalg.matrix_norm(model.D.embed.weight, 2).item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("networks", "more"), [("conv", SHAPE[1] * SHAPE[2]), ("mlp", 4)])
def test_embedding_stands_beside_the_image(networks: str, more: int) -> None:
    model = built(f"{networks} embedding").eval()
    seen: list[Tensor] = []
    model.D.network.register_forward_pre_hook(lambda layer, x: seen.append(x[0]))
    x, y = torch.rand(2, *SHAPE) * 2 - 1, torch.tensor([2, 0])
    model.judge(x, y)
    pixels = SHAPE[1] * SHAPE[2]
    assert torch.equal(seen[0].flatten(1)[:, :pixels], x.flatten(1))
    told = seen[0].flatten(1)[:, pixels:]
    assert told.shape == (2, more)
    if networks == "mlp":
        assert told.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0]]
    else:
        assert torch.equal(told, model.D.embed[0].weight[y])


@pytest.mark.parametrize("first", [None, (2, 2)])
def test_a_class_norm_is_batch_norm_with_what_the_class_adds(first: tuple[int, int] | None) -> None:
    layer, x, e = ClassNorm(nn.BatchNorm2d(3), first), torch.randn(8, 3, 2, 2), torch.randn(8, 50)
    made = layer(x, e)
    for i in range(8):
        bias = (layer.bias.weight @ e[i]).reshape(3, *(first or (1, 1)))
        for c in range(3):
            normal = (x[i, c] - x[:, c].mean()) / (x[:, c].var(correction=0) + 1e-5).sqrt()
            gain = 1 if first else 1 + (layer.gain.weight[c] * e[i]).sum()
            torch.testing.assert_close(made[i, c], normal * gain + bias[c])


def test_every_batch_norm_of_the_generator_is_told_the_class() -> None:
    model = built("conv projection")
    norms = [layer for layer in model.G.modules() if isinstance(layer, ClassNorm)]
    assert len(norms) == sum(isinstance(m, nn.BatchNorm2d) for m in model.G.modules()) == 2
    assert [norm.size for norm in norms] == [(16, 4, 4), (8, 1, 1)], "the first knows places"
    assert [norm.gain is None for norm in norms] == [True, False], "no class can shut out z"
    plain = built("conv projection", batch_norm="nothing")
    assert not any(isinstance(m, nn.BatchNorm2d) for m in plain.modules())
    z, y = plain.z(1), torch.arange(2)
    assert not torch.equal(*plain.generate(z.expand(2, -1), y)), "beside z where there is no batch norm"


def test_d_is_shown_generated_images_of_the_labels_it_has_just_seen() -> None:
    model, told = built("conv projection"), []
    stream = Stream(blobs(16, SHAPE), batch=8)
    labels = Stream(blobs(16, SHAPE), batch=8)
    for network in (model.G, model.D):
        network.register_forward_pre_hook(lambda layer, given: told.append(given[1]))
    model.step(stream, lambda name, loss: None)
    _, y = next(labels)
    assert len(told) == 5, "G, then D of real and of generated, then G and D of generated"
    assert all(torch.equal(one, y) for one in told)


def test_the_paper_preset_is_the_papers() -> None:
    cls = model_class("cgan")
    chosen = resolve(cls, "paper", {})
    torch.manual_seed(0)
    model: Any = cls((1, 28, 28), **chosen)

    def widths(network: nn.Module) -> list[tuple[int, int]]:
        return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]

    assert sorted(widths(model.G)) == [(10, 1000), (100, 200), (1200, 784), (1200, 1200)]
    layers = [m for m in model.D.modules() if isinstance(m, Maxout)]
    units = {(m.linear.in_features, m.linear.out_features // m.pieces, m.pieces) for m in layers}
    assert units == {(784, 240, 5), (10, 50, 5), (290, 240, 4)}
    assert (240, 1) in widths(model.D)
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.5}
    assert max(p.abs().max() for p in model.G.parameters()) <= 0.05
    assert max(p.abs().max() for p in model.D.parameters()) <= 0.005
    assert (model.ema, cls.presets["paper"]["batch"], model.noise) == ((), 100, "uniform")
    optimizer = model.optimizers()["G"]
    for _ in range(100):
        optimizer.step()
    (group,) = optimizer.param_groups
    assert group["lr"] == pytest.approx(0.1 / 1.00004**100, rel=1e-9)
    assert group["momentum"] == pytest.approx(0.5 + 0.2 * 100 / 125_000)
    group["lr"] = 1e-6
    optimizer.step()
    assert group["lr"] == 1e-6


def test_the_papers_generator_drops_units_in_training_only_unless_asked() -> None:
    y = torch.zeros(2, dtype=torch.int64)
    for more, same in (({}, True), ({"generator_dropout": 0.5}, False)):
        model = built("maxout", **more)
        z = model.z(2)
        assert not torch.equal(model.generate(z, y), model.generate(z, y))
        model.eval()
        assert torch.equal(model.generate(z, y), model.generate(z, y)) == same


def test_classes_are_drawn_uniformly_after_the_noise() -> None:
    model = built("mlp projection").eval()
    told: list[Tensor] = []
    model.G.register_forward_pre_hook(lambda layer, given: told.append(given[1]))
    torch.manual_seed(1)
    drawn = model.sample(4000)
    counts = told[0].bincount(minlength=4)
    assert counts.sub(1000).abs().max() < 5 * (4000 * 0.25 * 0.75) ** 0.5
    torch.manual_seed(1)
    assert torch.equal(drawn, model.sample(4000, told[0])), "the same noise with labels as without"


def test_a_preview_shows_every_class() -> None:
    model = built("mlp projection").eval()
    told: list[Tensor] = []
    model.G.register_forward_pre_hook(lambda layer, given: told.append(given[1]))
    for n in (64, 4, 2):
        model.preview(torch.zeros(1, *SHAPE), n)
    assert told[0].bincount().tolist() == [16, 16, 16, 16]
    assert [y.tolist() for y in told[1:]] == [[0, 1, 2, 3], [0, 2]]


@pytest.mark.parametrize("kind", ["conv projection", "conv embedding", "mlp projection"])
def test_the_label_asked_for_comes_out(kind: str) -> None:
    images = blobs(512, SHAPE)
    assert (quadrant(images.pixels / 127.5 - 1) == images.labels).float().mean() > 0.97
    trainer = Trainer(built(kind, hidden=(64, 64)), Stream(images, batch=32), ema_half_life=500)
    asked = torch.arange(400) % 4
    for _ in itertools.islice(trainer, 200):
        pass
    with trainer.inference() as shown:
        made = shown.sample(400, asked)
    assert (quadrant(made) == asked).float().mean() > 0.9
    real = images.pixels / 127.5 - 1
    of_class = [(made[asked == k], real[images.labels == k]) for k in range(4)]
    varied = [(ours.std(0).mean() / theirs.std(0).mean()).item() for ours, theirs in of_class]
    assert sum(varied) / 4 > 0.4, "z makes a difference within a class"


def test_shuffled_labels_do_not_come_out() -> None:
    images = blobs(512, SHAPE)
    assert images.labels is not None
    torch.manual_seed(0)
    shuffled = Images(images.pixels, images.labels[torch.randperm(512)])
    model = built("mlp projection", hidden=(64, 64))
    trainer = Trainer(model, Stream(shuffled, batch=32), ema_half_life=500)
    asked = torch.arange(400) % 4
    for _ in itertools.islice(trainer, 200):
        pass
    with trainer.inference() as shown:
        assert (quadrant(shown.sample(400, asked)) == asked).float().mean() < 0.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": 0}, "classes must be at least 1, not 0"),
        ({"hidden": ()}, "hidden needs widths of at least 1"),
        ({"width": 0}, "width must be at least 1, not 0"),
        ({"dropout": 1.0}, "dropout must be from 0 to below 1, not 1.0"),
        ({"networks": "maxout"}, "maxout networks see inputs unit"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        create("cgan", SHAPE, **wrong)


def test_labels_that_cannot_be_are_refused() -> None:
    model = built("mlp projection")
    for n, y, message in [
        (2, torch.tensor([0, 4]), "labels are from 0 to 3, not 0 to 4"),
        (2, torch.tensor([-1, 0]), "labels are from 0 to 3, not -1 to 0"),
        (3, torch.tensor([0, 1]), "3 images need 3 labels, not 2"),
    ]:
        with pytest.raises(LimnerError, match=message):
            model.sample(n, y)
    assert model.sample(0, torch.zeros(0, dtype=torch.int64)).shape == (0, *SHAPE)
    with pytest.raises(LimnerError, match="8x8 or more, not 6x9"):
        create("cgan", (1, 6, 9))
    with pytest.raises(LimnerError, match="needs the label of each image"):
        model.step(Stream(Images(blobs(8, SHAPE).pixels), batch=4), lambda name, loss: None)
