"""Both networks get the class: by the formula, by the paper's widths, and in what they learn."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small import blobs, small
from torch import Tensor, nn
from torch.optim import SGD
from updates import RecordingUpdate

import limner
from limner.data import Dataset, Images
from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.metrics import frechet
from limner.models import create
from limner.models.abilities import Decodes, HasPlayers, Samples, abilities
from limner.models.cgan import CGAN
from limner.models.layers import ConditionalBatchNorm, Maxout
from limner.training import Run, TrainConfig, Trainer

SHAPE = (1, 16, 16)
QUICK: dict[str, Any] = {"classes": 4, "latent_dim": 16, "width": 8, "hidden": (32, 32), "lr": 1e-3}
KINDS: dict[str, dict[str, Any]] = {
    f"{networks} {condition}": {"networks": networks, "condition": condition}
    for networks in ("conv", "mlp")
    for condition in ("projection", "embedding")
} | {"maxout": {"networks": "maxout", "inputs": "unit"}}
every_kind = pytest.mark.parametrize("kind", KINDS)


def build(kind: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return create("cgan", SHAPE, **QUICK | KINDS[kind] | options)


def record_labels(network: nn.Module) -> list[Tensor]:
    """The labels that the network gets from now on."""
    labels: list[Tensor] = []
    network.register_forward_pre_hook(lambda layer, inputs: labels.append(inputs[1]))
    return labels


def quadrant(x: Tensor) -> Tensor:
    """The quadrant (n,) in which the light of images (n, C, H, W) in [-1, 1] has its middle."""
    light = (x.mean(1) + 1) / 2
    height, width = light.shape[1:]
    y = (light.sum(2) @ torch.arange(height).float()) / light.sum((1, 2))
    x = (light.sum(1) @ torch.arange(width).float()) / light.sum((1, 2))
    return (y > height / 2) * 2 + (x > width / 2)


def unbalanced(images: Images) -> Images:
    """All images of quadrant 0, and a tenth of the others."""
    assert images.labels is not None
    kept = (images.labels == 0) | (torch.arange(len(images)) % 10 == 0)
    return images.subset(kept.nonzero()[:, 0])


@every_kind
def test_both_networks_use_the_class(kind: str) -> None:
    model = build(kind).eval()
    z, x = model.draw_z(1).expand(4, -1), torch.rand(1, *SHAPE).expand(4, -1, -1, -1) * 2 - 1
    y = torch.arange(4)
    for outputs in (model.decode(z, y), model.discriminate(x, y)):
        assert outputs.shape[0] == 4
        for a, b in itertools.combinations(outputs, 2):
            assert not torch.equal(a, b)
    torch.testing.assert_close(model.decode(z, y)[2:3], model.decode(z[:1], y[2:3]))


@every_kind
def test_what_it_can_do(kind: str) -> None:
    model, y = build(kind).eval(), torch.arange(4)
    assert (model.labels, model.classes) == ("required", 4)
    assert all(isinstance(model, ability) for ability in (Samples, Decodes, HasPlayers))
    assert abilities(model) == ["sample", "decode"]
    x = torch.rand(4, *SHAPE) * 2 - 1
    torch.manual_seed(3)
    (players,) = model.players(x, y).values()
    torch.manual_seed(3)
    assert torch.equal(players.fake, model.discriminate(model.sample(4, y), y))
    assert torch.equal(players.real, model.discriminate(x, y))
    assert model(x).shape == (4, 1)


def test_the_gradient_of_a_class_reaches_its_own_vectors_alone() -> None:
    model, y = build("conv projection").eval(), torch.tensor([1, 1, 3])
    model.discriminate(torch.rand(3, *SHAPE) * 2 - 1, y).sum().backward()
    model.decode(model.draw_z(3), y).sum().backward()
    for layer in (model.D.embed, model.G.embed):
        assert (layer.weight.grad.abs().sum(1) > 0).tolist() == [False, True, False, True]


@pytest.mark.parametrize("networks", ["conv", "mlp"])
@pytest.mark.parametrize("inputs", ["centred", "unit"])
def test_projection_is_psi_plus_the_dot_product(networks: str, inputs: str) -> None:
    model = build(f"{networks} projection", inputs=inputs).eval()
    x, y = torch.rand(5, *SHAPE) * 2 - 1, torch.tensor([3, 0, 1, 3, 2])
    with torch.no_grad():
        f = model.D.f[1:]((x + 1) / 2) if inputs == "unit" else model.D.f(x)
        for i in range(5):
            psi = (model.D.psi.weight[0] * f[i]).sum() + model.D.psi.bias[0]
            logit = psi + (model.D.embed.weight[y[i]] * f[i]).sum()
            torch.testing.assert_close(model.discriminate(x, y)[i, 0], logit)


def test_spectral_norm_bounds_the_class_vectors_too() -> None:
    model = build("conv projection", spectral_norm=True)
    for _ in range(30):
        model.discriminate(torch.rand(4, *SHAPE), torch.arange(4))
    assert torch.linalg.matrix_norm(model.D.embed.weight, 2).item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("networks", "more"), [("conv", SHAPE[1] * SHAPE[2]), ("mlp", 4)])
def test_embedding_stands_beside_the_image(networks: str, more: int) -> None:
    model = build(f"{networks} embedding").eval()
    inputs: list[Tensor] = []
    model.D.network.register_forward_pre_hook(lambda layer, x: inputs.append(x[0].flatten(1)))
    x, y = torch.rand(2, *SHAPE) * 2 - 1, torch.tensor([2, 0])
    model.discriminate(x, y)
    pixels = SHAPE[1] * SHAPE[2]
    assert torch.equal(inputs[0][:, :pixels], x.flatten(1))
    label = inputs[0][:, pixels:]
    assert label.shape == (2, more)
    if networks == "mlp":
        assert label.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0]]
    else:
        assert torch.equal(label, model.D.embed[0].weight[y])


@pytest.mark.parametrize("size", [None, (2, 2)])
def test_conditional_batch_norm_is_batch_norm_with_gain_and_bias_of_the_class(
    size: tuple[int, int] | None,
) -> None:
    layer, x, e = ConditionalBatchNorm(3, size), torch.randn(8, 3, 2, 2), torch.randn(8, 50)
    output = layer(x, e)
    for i in range(8):
        bias = (layer.bias.weight @ e[i]).reshape(3, *(size or (1, 1)))
        for c in range(3):
            normal = (x[i, c] - x[:, c].mean()) / (x[:, c].var(correction=0) + 1e-5).sqrt()
            gain = 1 + (layer.gain.weight[c] * e[i]).sum() if layer.gain is not None else 1
            torch.testing.assert_close(output[i, c], normal * gain + bias[c])
    assert (layer.gain is None) == (size is not None)


def test_every_batch_norm_of_the_generator_gets_the_class() -> None:
    model = build("conv projection")
    norms = [layer for layer in model.G.modules() if isinstance(layer, ConditionalBatchNorm)]
    assert len(norms) == sum(isinstance(m, nn.BatchNorm2d) for m in model.G.modules()) == 2
    assert [norm.size for norm in norms] == [(16, 4, 4), (8, 1, 1)], "the first has a bias for every place"
    assert [norm.gain is None for norm in norms] == [True, False], "so that images depend on z"
    plain = build("conv projection", batch_norm="nothing")
    assert not any(isinstance(m, nn.BatchNorm2d) for m in plain.modules())
    z, y = plain.draw_z(1), torch.arange(2)
    assert not torch.equal(*plain.decode(z.expand(2, -1), y)), "beside z where there is no batch norm"


def test_generated_images_are_of_the_labels_of_the_last_real_batch() -> None:
    model = build("conv projection")
    labels = [record_labels(network) for network in (model.G, model.D)]
    model.step(Stream(blobs(16, SHAPE), batch=8), RecordingUpdate())
    _, y = next(Stream(blobs(16, SHAPE), batch=8))
    assert y is not None
    assert [len(network) for network in labels] == [2, 3], "G for each network, D of real and twice generated"
    assert all(torch.equal(batch, y) for network in labels for batch in network)


def test_the_paper_preset_is_the_papers() -> None:
    torch.manual_seed(0)
    model = create("cgan", (1, 28, 28), "paper")
    assert isinstance(model, CGAN)

    def widths(network: nn.Module) -> list[tuple[int, int]]:
        return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]

    assert sorted(widths(model.G)) == [(10, 1000), (100, 200), (1200, 784), (1200, 1200)]
    layers = [m for m in model.D.modules() if isinstance(m, Maxout)]
    units = {(m.linear.in_features, m.linear.out_features // m.pieces, m.pieces) for m in layers}
    assert units == {(784, 240, 5), (10, 50, 5), (290, 240, 4)}
    assert (240, 1) in widths(model.D)
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.5}
    assert max(p.abs().max().item() for p in model.G.parameters()) <= 0.05
    assert max(p.abs().max().item() for p in model.D.parameters()) <= 0.005
    assert (model.ema, CGAN.presets["paper"]["batch"], model.latent.default_prior) == ((), 100, "uniform")
    assert all(isinstance(optimizer, SGD) for optimizer in model.optimizers().values())
    later = model.schedule("G", RecordingUpdate(100))
    assert later["lr"] == pytest.approx(0.1 / 1.00004**100, rel=1e-9)
    assert later["momentum"] == pytest.approx(0.5 + 0.2 * 100 / 125_000)
    assert model.schedule("D", RecordingUpdate(10**6)) == {"lr": 1e-6, "momentum": 0.7}
    assert build("mlp projection").schedule("G", RecordingUpdate(100)) == {}


def test_the_papers_generator_drops_units_in_training_only_unless_the_option_says_so() -> None:
    y = torch.zeros(2, dtype=torch.int64)
    for options, same in (({}, True), ({"generator_dropout": 0.5}, False)):
        model = build("maxout", **options)
        z = model.draw_z(2)
        assert not torch.equal(model.decode(z, y), model.decode(z, y))
        model.eval()
        assert torch.equal(model.decode(z, y), model.decode(z, y)) == same


def test_without_data_classes_are_drawn_uniformly_after_the_noise() -> None:
    model = build("mlp projection").eval()
    labels = record_labels(model.G)
    torch.manual_seed(1)
    samples = model.sample(4000)
    counts = labels[0].bincount(minlength=4)
    assert counts.sub(1000).abs().max() < 5 * (4000 * 0.25 * 0.75) ** 0.5
    torch.manual_seed(1)
    assert torch.equal(samples, model.sample(4000, labels[0])), "the same noise with labels as without"


def test_classes_are_drawn_as_frequent_as_in_the_data() -> None:
    shares = torch.tensor([0.7, 0.0, 0.25, 0.05])
    images = replace(
        blobs(200, SHAPE), labels=torch.tensor([0, 2, 3]).repeat_interleave(torch.tensor([140, 50, 10]))
    )
    model = build("mlp projection").eval()
    model.initialise(images.pixels, images.labels)
    torch.testing.assert_close(model.class_shares, shares)
    labels = record_labels(model.G)
    torch.manual_seed(1)
    samples = model.sample(4000)
    counts = labels[0].bincount(minlength=4)
    assert counts[1] == 0, "a class that was not trained on is never drawn"
    assert (counts - 4000 * shares).abs().max() < 5 * (4000 * 0.25) ** 0.5
    torch.manual_seed(1)
    assert torch.equal(samples, model.sample(4000, labels[0])), "the same noise with labels as without"
    model.sample(2, torch.tensor([1, 1]))
    assert labels[-1].tolist() == [1, 1], "a class that is asked for is drawn"
    assert model.sample(0).shape == (0, *SHAPE)
    model.preview(torch.zeros(1, *SHAPE), None, 6)
    assert labels[-1].tolist() == [0, 0, 2, 2, 3, 3]


def test_a_run_keeps_the_frequencies_of_what_it_was_trained_on(digits: Dataset, tmp_path: Path) -> None:
    train_labels = digits.train.labels
    assert train_labels is not None
    few = (train_labels != 3) | (torch.arange(len(train_labels)) % 10 == 0)
    unbalanced = replace(digits, train=digits.train.subset(few.nonzero()[:, 0]))
    run = limner.train(
        "cgan",
        unbalanced,
        leave_out="7",
        images=100,
        batch=50,
        out=tmp_path / "a",
        quiet=True,
        **small("cgan"),
    )
    labels = unbalanced.train.labels
    assert labels is not None
    counts = labels[labels != 7].bincount(minlength=10)
    shares = Run(run.path).model.class_shares
    torch.testing.assert_close(shares, counts / counts.sum())
    assert shares[7] == 0
    assert shares[3] < 0.02
    limner.train("cgan", unbalanced, resume=True, out=run.path, images=200, quiet=True)
    torch.testing.assert_close(Run(run.path).model.class_shares, shares)


def test_a_perfect_sampler_of_unbalanced_data_is_as_near_as_real_images() -> None:
    """The distance of samples to the data, where samples of a class are real images of it."""
    train, test = (unbalanced(blobs(2000, SHAPE, seed)) for seed in (0, 1))
    model = build("mlp projection").eval()
    model.initialise(train.pixels, train.labels)
    drawn = record_labels(model.G)
    model.sample(len(test))
    generator = torch.Generator().manual_seed(0)

    def images_of(labels: Tensor) -> Tensor:
        rows = [(train.labels == label).nonzero()[:, 0] for label in range(4)]
        return train.pixels[
            [int(rows[y][torch.randint(len(rows[y]), (), generator=generator)]) for y in labels]
        ]

    def distance(pixels: Tensor) -> float:
        small_images = torch.nn.functional.avg_pool2d(pixels.float() / 255, 4).flatten(1)
        real = torch.nn.functional.avg_pool2d(test.pixels.float() / 255, 4).flatten(1)
        return frechet(small_images, real)

    perfect = distance(images_of(drawn[0]))
    assert perfect < 3 * distance(train.pixels)
    assert distance(images_of(torch.arange(len(test)) % 4)) > 10 * perfect, "uniform labels are far"


def test_a_preview_shows_every_class() -> None:
    model = build("mlp projection").eval()
    labels = record_labels(model.G)
    for n in (64, 4, 2):
        model.preview(torch.zeros(1, *SHAPE), None, n)
    assert labels[0].bincount().tolist() == [16, 16, 16, 16]
    assert [y.tolist() for y in labels[1:]] == [[0, 1, 2, 3], [0, 2]]


@pytest.mark.parametrize("kind", ["conv projection", "conv embedding", "mlp projection"])
def test_samples_are_of_the_chosen_class(kind: str) -> None:
    images = blobs(512, SHAPE)
    real = images.pixels / 127.5 - 1
    assert images.labels is not None
    assert (quadrant(real) == images.labels).float().mean() > 0.97
    model = build(kind, hidden=(64, 64))
    trainer = Trainer(model, Stream(images, batch=32), TrainConfig(ema_half_life=500))
    y = torch.arange(400) % 4
    for _ in itertools.islice(trainer, 200):
        pass
    with trainer.inference():
        samples = model.sample(400, y)
    assert (quadrant(samples) == y).float().mean() > 0.9
    ratios = [
        (samples[y == k].std(0).mean() / real[images.labels == k].std(0).mean()).item() for k in range(4)
    ]
    assert sum(ratios) / 4 > 0.4, "z makes a difference within a class"


def test_shuffled_labels_are_not_learnt() -> None:
    images = blobs(512, SHAPE)
    assert images.labels is not None
    torch.manual_seed(0)
    shuffled = replace(images, labels=images.labels[torch.randperm(512)])
    model = build("mlp projection", hidden=(64, 64))
    trainer = Trainer(model, Stream(shuffled, batch=32), TrainConfig(ema_half_life=500))
    y = torch.arange(400) % 4
    for _ in itertools.islice(trainer, 200):
        pass
    with trainer.inference():
        assert (quadrant(model.sample(400, y)) == y).float().mean() < 0.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": 0}, "classes must be at least 1, not 0"),
        ({"hidden": ()}, "hidden needs at least 1 value"),
        ({"width": 0}, "width must be at least 1, not 0"),
        ({"dropout": 1.0}, "dropout must be from 0 to below 1, not 1"),
        ({"networks": "maxout"}, "maxout networks need --inputs unit"),
    ],
    ids=str,
)
def test_mistakes_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        create("cgan", SHAPE, **wrong)


def test_wrong_labels_are_refused() -> None:
    model = build("mlp projection")
    for n, y, message in [
        (2, torch.tensor([0, 4]), "labels are from 0 to 3, not 0 to 4"),
        (2, torch.tensor([-1, 0]), "labels are from 0 to 3, not -1 to 0"),
        (3, torch.tensor([0, 1]), "3 images need 3 labels, not 2"),
    ]:
        with pytest.raises(LimnerError, match=message):
            model.sample(n, y)
        with pytest.raises(LimnerError, match=message):
            model.decode(model.draw_z(n), y)
    assert model.sample(0, torch.zeros(0, dtype=torch.int64)).shape == (0, *SHAPE)
    with pytest.raises(LimnerError, match="8x8 or more, not 6x9"):
        create("cgan", (1, 6, 9))
    unlabelled = replace(blobs(8, SHAPE), labels=None)
    with pytest.raises(LimnerError, match="needs the label of each image"):
        model.step(Stream(unlabelled, batch=4), RecordingUpdate())
    with pytest.raises(LimnerError, match="needs the label of each image"):
        model.decode(model.draw_z(2))


def test_without_data_there_are_ten_classes() -> None:
    model = create("cgan", SHAPE, width=8)
    assert model.classes == 10
