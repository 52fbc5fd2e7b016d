"""CycleGAN: the paper's sizes and equations, the pool, the schedule, every shape, and resuming."""

from __future__ import annotations

import copy
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small import blobs, small
from torch import Tensor, nn
from torch.nn.functional import pad
from updates import RecordingUpdate

import limner
from limner.data import Dataset, Domains
from limner.data.stream import DomainStream
from limner.errors import LimnerError
from limner.models import create
from limner.models.base import Batch
from limner.models.cyclegan import CycleGAN
from limner.models.translators import ImagePool, PatchDiscriminator, ResNetGenerator
from limner.training import Run, TrainConfig, Trainer
from limner.training.checkpoint import read_state, read_weights

Shape = tuple[int, int, int]
PLAIN: dict[str, Any] = {"flip": False, "shift": 0.0}  # images as they are


def build(shape: Shape = (3, 16, 16), **options: Any) -> CycleGAN:
    torch.manual_seed(0)
    model = create("cyclegan", shape, **small("cyclegan") | {"channels_b": shape[0]} | options)
    assert isinstance(model, CycleGAN)
    return model


def images(n: int, shape: Shape, seed: int = 0) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def domains(shape: Shape = (1, 16, 16), channels_b: int | None = None, n: int = 12) -> Domains:
    """Bright discs, and discs in other places."""

    def dataset(name: str, shape: Shape, n: int, seed: int) -> Dataset:
        train, test = blobs(n, shape, seed), blobs(4, shape, seed + 100)
        return Dataset(name, name, train, test, None, (), f"{name}-{seed}")

    b = (channels_b or shape[0], *shape[1:])
    return Domains("discs", dataset("a", shape, n, 0), dataset("b", b, n - 3, 1))


def train(data: Domains, out: Path, **settings: Any) -> Run:
    settings = small("cyclegan") | {"quiet": True, "images": 12, "tick": 4} | settings
    return limner.train("cyclegan", data, out=out, **settings)


def parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


# -- the paper's networks ---------------------------------------------------------------------------------
def test_the_paper_preset_has_the_papers_sizes() -> None:
    with torch.device("meta"):
        large, medium = (create("cyclegan", (3, side, side), "paper") for side in (256, 128))
    for network in (large.G_A, large.G_B):
        assert parameters(network) == 11_378_179
        assert sum(type(layer).__name__ == "ResidualBlock" for layer in network) == 9
    for network in (large.D_A, large.D_B, medium.D_A, medium.D_B):
        assert parameters(network) == 2_764_737
    assert parameters(medium.G_B) == 11_378_179 - 3 * (2 * (256 * 256 * 9 + 256))
    assert large.D_A.patch == 70


def test_the_paper_preset_has_the_papers_settings() -> None:
    options = create("cyclegan", (3, 32, 32), "paper", channels_b=3).options
    assert (options.cycle, options.identity, options.pool, options.identity_every) == (10, 0.5, 50, 1)
    assert (options.lr, options.beta1, options.beta2) == (2e-4, 0.5, 0.999)
    assert options.averaged == "nothing"
    assert CycleGAN.presets["paper"]["batch"] == CycleGAN.batch == 1
    model = build()
    for name, optimizer in model.optimizers().items():
        assert name in ("G", "D_A", "D_B")
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)


def test_weights_begin_as_the_papers_and_biases_at_zero() -> None:
    model = build(width=16, d_width=32, d_norm="instance")
    for network in (model.G_A, model.D_B):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                n = layer.weight.numel()
                assert layer.weight.std().item() == pytest.approx(0.02, rel=4 / n**0.5)
                assert layer.bias is not None
                assert not layer.bias.any()


@pytest.mark.parametrize(("layers", "side"), [(1, 16), (2, 34), (3, 70)])
def test_an_output_of_the_discriminator_depends_on_a_patch(layers: int, side: int) -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(1, 2, layers, "none")
    assert discriminator.patch == side
    x = images(1, (1, 128, 128)).requires_grad_()
    output = discriminator(x)
    output[0, 0, output.shape[2] // 2, output.shape[3] // 2].backward()
    assert x.grad is not None
    rows, columns = x.grad[0, 0].nonzero().T
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == side


@pytest.mark.parametrize("upsampling", ["transposed4", "transposed3", "resize"])
@pytest.mark.parametrize("size", [(8, 8), (9, 10), (61, 47)], ids=str)
def test_generators_keep_every_size(upsampling: Any, size: tuple[int, int]) -> None:
    generator = ResNetGenerator(3, 1, 2, 1, upsampling)
    assert generator(images(1, (3, *size))).shape == (1, 1, *size)


# -- one iteration ----------------------------------------------------------------------------------------
def step(model: CycleGAN, a: Tensor, b: Tensor, iteration: int = 0, progress: float = 0.0) -> RecordingUpdate:
    update = RecordingUpdate(iteration)
    update.progress = progress
    model.train().step(iter([(a, b)]), update)
    return update


@pytest.mark.parametrize("n", [1, 3])
def test_a_step_minimises_equations_1_to_3(n: int) -> None:
    model = build(d_norm="instance", **PLAIN)
    a, b = images(n, model.shape), images(n, model.shape, seed=1)
    update = step(model, a, b)
    G, F, D_X, D_Y = model.G_B, model.G_A, model.D_A, model.D_B  # the paper's names
    adversarial = (D_Y(G(a)) - 1).square().mean() + (D_X(F(b)) - 1).square().mean()
    cycle = (F(G(a)) - a).abs().mean() + (G(F(b)) - b).abs().mean()
    identity = (G(b) - b).abs().mean() + (F(a) - a).abs().mean()
    assert update.names == ["G", "D_A", "D_B"]
    torch.testing.assert_close(update.losses["G"], adversarial)
    torch.testing.assert_close(update.terms["G"]["cycle"], 10 * cycle)
    torch.testing.assert_close(update.terms["G"]["identity"], 5 * identity)
    for name, D, real, fake in (("D_A", D_X, a, F(b)), ("D_B", D_Y, b, G(a))):
        halved = ((D(real) - 1).square().mean() + D(fake.detach()).square().mean()) / 2
        torch.testing.assert_close(update.losses[name], halved)
        assert update.terms[name] == {}


def test_discriminators_do_not_move_generators_nor_generators_discriminators() -> None:
    model = build(**PLAIN)
    a, b = images(1, model.shape), images(1, model.shape, seed=1)
    update = step(model, a, b)
    gradients = torch.autograd.grad(update.losses["D_A"], list(model.G_A.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


@pytest.mark.parametrize(("progress", "every"), [(0.0, 1), (0.29, 1), (0.31, 4), (0.99, 4)])
def test_the_identity_term_becomes_rare_and_heavy(progress: float, every: int) -> None:
    model = build(**PLAIN)
    a, b = images(1, model.shape), images(1, model.shape, seed=1)
    values = []
    for iteration in range(8):
        terms = step(model, a, b, iteration, progress).terms["G"]
        assert ("identity" in terms) == (iteration % every == 0)
        values.append(terms["identity"].item() if "identity" in terms else 0.0)
    expected = step(model, a, b).terms["G"]["identity"].item()
    assert sum(values) / 8 == pytest.approx(expected, rel=1e-5), "the same on average"
    assert step(build(identity=0.0, **PLAIN), a, b).terms["G"].keys() == {"cycle"}
    assert step(build(identity_every=1, **PLAIN), a, b, 3, 0.9).terms["G"].keys() == {"cycle", "identity"}


def test_one_pass_of_both_gives_what_two_passes_give() -> None:
    model = build((3, 20, 16))
    a, b = images(2, model.shape), images(3, model.shape, seed=1)
    torch.testing.assert_close(model.G_B(torch.cat([a, b])), torch.cat([model.G_B(a), model.G_B(b)]))
    for norm in ("instance", "spectral", "none"):
        D = build((3, 20, 16), d_norm=norm).eval().D_A
        torch.testing.assert_close(D(torch.cat([a, b])), torch.cat([D(a), D(b)]))


@pytest.mark.parametrize("batch", [3, 50])
def test_any_batch_trains(batch: int, tmp_path: Path) -> None:
    run = train(domains(n=60), tmp_path / "run", batch=batch, images=100, pool=7)
    assert run.images_seen >= 100


# -- the pool ---------------------------------------------------------------------------------------------
def numbered(start: int, n: int = 1) -> Tensor:
    """Images (n, 1, 1, 1) that hold the numbers from `start` on, from 1."""
    return torch.arange(start + 1.0, start + n + 1)[:, None, None, None]


def test_the_pool_fills_and_then_returns_earlier_images_half_of_the_time() -> None:
    torch.manual_seed(0)
    pool, ages, n = ImagePool(20, (1, 1, 1)), [], 4000
    for i in range(n):
        given = numbered(i)
        returned = pool.exchange(given, i)
        held = {int(value) for value in pool.images.flatten()} - {0}
        if i < 20:
            assert torch.equal(returned, given)
            assert held == set(range(1, i + 2))
            continue
        assert len(held) == 20
        age = int(given.item() - returned.item())
        assert (int(given.item()) in held) == (age > 0), "either the new image is returned or it enters"
        assert int(returned.item()) not in held
        ages.append(age)
    old = [age for age in ages if age]
    assert len(old) / len(ages) == pytest.approx(0.5, abs=0.03)
    # an image is replaced with probability 1/2 * 1/20 an iteration, so it stays for 40 on average
    assert sum(old) / len(old) == pytest.approx(40, rel=0.1)


def test_no_image_is_lost() -> None:
    torch.manual_seed(1)
    pool = ImagePool(5, (1, 1, 1))
    returned = [int(v) for i in range(0, 60, 3) for v in pool.exchange(numbered(i, 3), i).flatten()]
    in_pool = [int(value) for value in pool.images.flatten()]
    later = returned[5:]  # the first five are returned and kept
    assert sorted([*later, *in_pool]) == list(range(1, 61)), "each is returned once, or is still there"


def test_an_empty_pool_returns_the_newest() -> None:
    pool, x = ImagePool(0, (1, 1, 1)), numbered(3, 2)
    assert pool.exchange(x, 100) is x


def test_discriminators_see_the_pool() -> None:
    model = build(pool=1, **PLAIN)
    a, b = images(1, model.shape), images(1, model.shape, seed=1)
    step(model, a, b)
    torch.testing.assert_close(model.pool_A.images[0], model.G_A(b)[0])
    torch.testing.assert_close(model.pool_B.images[0], model.G_B(a)[0])


# -- a run ------------------------------------------------------------------------------------------------
def equal(a: Any, b: Any) -> bool:
    """Whether two nested states hold the same bits."""
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def test_the_pool_is_in_the_state_and_not_in_the_weights(tmp_path: Path) -> None:
    run = train(domains(), tmp_path / "run")
    assert {name.split(".")[0] for name in read_weights(run.path / "weights.safetensors")[0]} == {
        "G_A", "G_B", "D_A", "D_B",
    }  # fmt: skip
    pools = [read_state(run.path / "state.pt")["model"][f"pool_{name}.images"] for name in "AB"]
    assert all(bool(pool.flatten(1).any(1).all()) for pool in pools), "full of translations"
    assert pools[0].shape == (4, 1, 16, 16)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"images": 24, "tick": 8, "ema_half_life": 10}
    whole = train(domains(), tmp_path / "whole", **settings)
    original, count = CycleGAN.step, itertools.count(1)

    def stop_once(self: CycleGAN, data: Iterator[Batch], update: Any) -> Any:
        if next(count) == 13:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, data, update)

    monkeypatch.setattr(CycleGAN, "step", stop_once)
    with pytest.raises(KeyboardInterrupt):
        train(domains(), tmp_path / "stopped", **settings)
    assert 0 < Run(tmp_path / "stopped").images_seen < 24
    resumed = limner.train("cyclegan", domains(), out=tmp_path / "stopped", resume=True, quiet=True)
    states = [read_state(run.path / "state.pt") for run in (whole, resumed)]
    for state in states:
        state.pop("session")  # seconds
    assert equal(*states), "networks, pools, averages, optimisers and random numbers"
    weights = [(run.path / "weights.safetensors").read_bytes() for run in (whole, resumed)]
    assert weights[0] == weights[1]
    logs = [
        [{key: value for key, value in line.items() if "second" not in key} for line in run.log]
        for run in (whole, resumed)
    ]
    assert logs[0] == logs[1]


def test_a_restored_trainer_goes_on_as_if_there_had_been_no_break() -> None:
    data = domains()
    config = TrainConfig(images=20, ema_half_life=10)

    def trainer() -> Trainer:
        model = build((1, 16, 16))
        return Trainer(model, DomainStream(data.a.train, data.b.train, 1, seed=3), config)

    torch.manual_seed(5)
    one, two = trainer(), trainer()
    for _ in itertools.islice(one, 9):
        pass
    two.restore(copy.deepcopy(one.state()))  # as a file holds it
    saved = torch.get_rng_state()
    for _ in itertools.islice(one, 8):
        pass
    torch.set_rng_state(saved)
    for _ in itertools.islice(two, 8):
        pass
    assert equal(one.state(), two.state())


def test_the_rate_is_constant_for_half_and_then_falls_to_nothing() -> None:
    data, rates = domains(), []
    trainer = Trainer(build((1, 16, 16)), DomainStream(data.a.train, data.b.train, 1), TrainConfig(images=20))
    for _ in itertools.islice(trainer, 20):
        rates.append({name: o.param_groups[0]["lr"] for name, o in trainer.optimizers.items()})
    for name in ("G", "D_A", "D_B"):
        expected = [2e-4] * 10 + [2e-4 * (1 - i / 10) for i in range(1, 11)]
        assert [rate[name] for rate in rates] == pytest.approx(expected, abs=1e-12)


# -- images of every kind ---------------------------------------------------------------------------------
@pytest.mark.parametrize("channels", [(1, 3), (3, 1)], ids=str)
def test_one_grey_and_one_colour_domain_have_no_identity_term(
    channels: tuple[int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = channels
    run = train(domains((a, 16, 16), channels_b=b), tmp_path / "run", quiet=False)
    assert "one domain is grey and the other in colour: there is no identity term" in capsys.readouterr().err
    assert not any("identity/G" in line for line in run.log)
    assert run.model.translate(images(2, (a, 16, 16)), to="B").shape == (2, b, 16, 16)
    assert run.model.translate(images(2, (b, 16, 16)), to="A").shape == (2, a, 16, 16)


def test_equal_channels_have_an_identity_term_and_no_remark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(domains(), tmp_path / "run", quiet=False)
    assert "identity" not in capsys.readouterr().err
    assert all("identity/G" in line for line in run.log)


@pytest.mark.parametrize("size", [(28, 28), (61, 47), (30, 22)], ids=str)
def test_every_size_trains_and_translates(size: tuple[int, int], tmp_path: Path) -> None:
    run = train(domains((3, *size)), tmp_path / "run", images=3, batch=3, tick=3)
    for to in "AB":
        x = run.model.translate(images(2, (3, *size)), to=to)
        assert x.shape == (2, 3, *size)
        assert x.abs().max() <= 1
    assert run.model.translate(images(1, (3, 40, 101))).shape == (1, 3, 40, 101), "of another size too"


@pytest.mark.parametrize("size", [(61, 47), (9, 30), (16, 16)], ids=str)
def test_borders_are_padded_by_reflection_and_cropped(size: tuple[int, int]) -> None:
    model = build((1, 16, 16)).eval()
    x = images(1, (1, *size))
    height, width = (side + -side % 4 for side in size)
    by_hand = pad(x, (0, width - size[1], 0, height - size[0]), mode="reflect")
    assert by_hand[0, 0, 0, -1] == x[0, 0, 0, size[1] - 1 - (width - size[1])]
    expected = model.G_B(by_hand)[..., : size[0], : size[1]]
    torch.testing.assert_close(model.translate(x, to="B"), expected)
    zeros = nn.functional.pad(x, (0, width - size[1], 0, height - size[0]))
    if zeros.shape != x.shape:
        assert not torch.allclose(model.G_B(zeros)[..., : size[0], : size[1]], expected)


def test_a_constant_image_stays_constant_where_it_is_padded() -> None:
    model = build((1, 16, 16)).eval()
    padded = model.translate(torch.full((1, 1, 64, 48), 0.3), to="B")
    torch.testing.assert_close(
        model.translate(torch.full((1, 1, 61, 47), 0.3), to="B"), padded[..., :61, :47]
    )
    x = torch.full((1, 1, 61, 47), 0.3)
    for layer in list(model.G_B)[:2]:  # the layers of full size reflect too
        x = layer(x)
    assert x.shape == (1, 4, 61, 47)
    torch.testing.assert_close(x, x[..., :1, :1].expand_as(x))


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((3, 7, 16), {}, "needs sides of 8 pixels or more, not 7x16"),
        ((3, 16, 11), {"d_layers": 2}, "needs sides of 12 pixels or more, not 16x11"),
        ((3, 22, 30), {"d_layers": 3}, "needs sides of 24 pixels or more, not 22x30"),
    ],
)
def test_images_that_are_too_small_are_named(shape: Shape, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LimnerError, match=message) as error:
        build(shape, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("layers", "side"), [(1, 8), (2, 12), (3, 24)])
def test_the_least_size_trains(layers: int, side: int) -> None:
    model = build((1, side, side), d_layers=layers, d_norm="instance", **PLAIN)
    update = step(model, images(1, model.shape), images(1, model.shape, seed=1))
    assert all(loss.isfinite() for loss in update.losses.values())


def test_an_image_that_is_too_small_to_translate_is_named() -> None:
    with pytest.raises(LimnerError, match="7x20 pixels are too few to translate"):
        build().translate(images(1, (3, 7, 20)))


def test_the_domains_are_called_a_and_b() -> None:
    model = build()
    with pytest.raises(LimnerError, match="the domains are A and B, not 'C'"):
        model.translate(images(1, (3, 16, 16)), to="C")
    assert model.translator("A") == "G_A"


# -- augmentation -----------------------------------------------------------------------------------------
def variants(x: Tensor, rows: int, columns: int, mirrored: bool) -> list[Tensor]:
    """The image (1, C, H, W) shifted by up to so many rows and columns, with reflected borders."""
    found = []
    for image in [x, x.flip(3)] if mirrored else [x]:
        padded = pad(image, (columns, columns, rows, rows), mode="reflect")
        for top, left in itertools.product(range(2 * rows + 1), range(2 * columns + 1)):
            found.append(padded[..., top : top + x.shape[2], left : left + x.shape[3]])
    return found


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"flip": True, "shift": 0.0}, 2),
        ({"flip": False, "shift": 1 / 16}, 3 * 5),
        ({"flip": True, "shift": 1 / 16}, 2 * 3 * 5),
        ({"flip": False, "shift": 0.0}, 1),
    ],
)
def test_only_mirrored_and_shifted_images_come_out(options: dict[str, Any], count: int) -> None:
    model, x = build((1, 16, 32), **options), images(1, (1, 16, 32))
    rows, columns = (1, 2) if options["shift"] else (0, 0)
    possible = variants(x, rows, columns, options["flip"])
    assert len(possible) == count
    torch.manual_seed(0)
    reached = set()
    for _ in range(400):
        y = model.vary(x)
        reached |= {i for i, image in enumerate(possible) if torch.equal(image, y)}
        assert any(torch.equal(image, y) for image in possible)
    assert len(reached) == count, "and each of them does"


def test_images_of_a_batch_are_mirrored_apart() -> None:
    model, x = build((1, 8, 8), flip=True, shift=0.0), images(64, (1, 8, 8))
    torch.manual_seed(0)
    y = model.vary(x)
    mirrored = [not torch.equal(image, other) for image, other in zip(x, y, strict=True)]
    assert 20 < sum(mirrored) < 44
    assert torch.equal(x, images(64, (1, 8, 8))), "the images themselves stay"


def test_the_largest_shift_is_narrower_than_the_image() -> None:
    model, x = build((1, 8, 8), flip=False, shift=0.99), images(2, (1, 8, 8))
    assert model.vary(x).shape == x.shape


# -- what the run shows -----------------------------------------------------------------------------------
def test_validation_measures_the_cycle_of_both_domains() -> None:
    model = build((1, 16, 16)).eval()
    a, b = images(40, (1, 16, 16)), images(5, (1, 16, 16), seed=1)
    with torch.no_grad():
        values = model.validate(a, b)
        expected = (model.G_A(model.G_B(a[:32])) - a[:32]).abs().mean() / 2
    assert values["cycle_A"] == pytest.approx(expected.item(), rel=1e-4)
    assert values.keys() == {"cycle_A", "cycle_B"}


def test_a_preview_has_pairs_of_image_and_translation() -> None:
    model = build((1, 16, 16), channels_b=3).eval()
    a, b = images(8, (1, 16, 16)), images(8, (3, 16, 16), seed=1)
    with torch.no_grad():
        pictures = model.preview(a, b, 16)
        torch.testing.assert_close(pictures[1:8:2], model.G_B(a[:4]))
        torch.testing.assert_close(pictures[8::2], b[:4])
        torch.testing.assert_close(pictures[9::2], model.G_A(b[:4]).expand(-1, 3, -1, -1))
    assert pictures.shape == (16, 3, 16, 16)


def test_players_are_means_over_patches() -> None:
    model = build(d_norm="instance").eval()
    a, b = images(2, model.shape), images(2, model.shape, seed=1)
    players = model.players(a, b)
    assert players.keys() == {"D_A", "D_B"}
    torch.testing.assert_close(players["D_A"].real[:, 0], model.D_A(a).mean((1, 2, 3)))
    torch.testing.assert_close(players["D_B"].fake[:, 0], model.D_B(model.G_B(a)).mean((1, 2, 3)))


averages: list[tuple[dict[str, Any], tuple[str, ...]]] = [({}, ("G_A", "G_B")), ({"averaged": "nothing"}, ())]


@pytest.mark.parametrize(("options", "names"), averages)
def test_both_generators_are_averaged(options: dict[str, Any], names: tuple[str, ...]) -> None:
    assert build(**options).ema == names


def test_summary_passes_every_network() -> None:
    model = build()
    called: list[str] = []
    for name, network in model.named_children():
        hook: Callable[..., None] = lambda *_, name=name: called.append(name)  # noqa: E731
        network.register_forward_hook(hook)
    model(images(1, model.shape))
    assert set(called) == {"G_A", "G_B", "D_A", "D_B"}
