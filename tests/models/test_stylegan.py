"""The StyleGAN: styles and their mixing, truncation, noise, its penalties, adaptive augmentation."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from small import blobs, small, words
from torch import Tensor, nn
from updates import RecordingUpdate

import limner
from limner.cli import run as cli
from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models import create, stylegan
from limner.models.abilities import Decodes, HasPlayers, HasStyles, Samples, abilities
from limner.models.style_layers import Noise, mix_styles, path_lengths
from limner.models.stylegan import StyleGAN
from limner.training import TrainConfig, Trainer

SHAPE = (1, 16, 16)
VARIANTS = [1, 2]
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def build(shape: tuple[int, int, int] = SHAPE, **options: Any) -> StyleGAN:
    """A small model whose noise is strong enough to be seen."""
    torch.manual_seed(0)
    model = create("stylegan", shape, **small("stylegan") | {"pixel_noise": "all"} | options)
    assert isinstance(model, StyleGAN)
    for layer in noise_layers(model):
        nn.init.constant_(layer.strength, 0.1)
    return model


def noise_layers(model: StyleGAN) -> list[Noise]:
    return [layer for layer in model.G.modules() if isinstance(layer, Noise)]


def stream(batch: int = 8) -> Stream:
    return Stream(blobs(32, SHAPE), batch)


def images(n: int = 8) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(n, *SHAPE) * 2 - 1


def test_what_it_can_do_and_its_options_of_sampling() -> None:
    model = build()
    for ability in (Samples, Decodes, HasPlayers, HasStyles):
        assert isinstance(model, ability)
    assert abilities(model) == ["sample", "decode", "styles"]
    assert list(model.sampling_options()) == list(model.decoding_options()) == ["truncation", "noise"]


# Styles


@every_variant
def test_there_are_two_styles_for_each_size(variant: int) -> None:
    model = create("stylegan", (1, 32, 32), variant=variant)
    assert isinstance(model, StyleGAN)
    w = model.styles(torch.randn(3, 128))
    assert w.shape == (3, 8, 128)
    assert torch.equal(w, w[:, :1].expand(-1, 8, -1))


@every_variant
def test_a_style_changes_its_layer_and_those_after_it_only(variant: int) -> None:
    model = build(variant=variant).eval()
    outputs: list[Tensor] = []
    kinds = ("ModulatedLayer", "AdaINLayer")
    layers = [layer for layer in model.G.synthesis.modules() if type(layer).__name__ in kinds]
    for layer in layers:
        layer.register_forward_hook(lambda layer, inputs, output: outputs.append(output))
    w, other = model.styles(torch.randn(2, 8)), model.styles(torch.randn(2, 8))
    model.synthesise(w)
    before = outputs[:]
    for style in range(len(before)):  # of the second variant, toRGB has the style of the layer after it
        outputs.clear()
        image = model.synthesise(mix_styles(w, other, torch.arange(w.shape[1]) == style))
        same = [torch.equal(a, b) for a, b in zip(before, outputs, strict=True)]
        assert same == [layer < style for layer in range(len(before))]
        assert not torch.equal(image, model.synthesise(w))
        del outputs[len(before) :]


def test_mixing_swaps_exactly_the_layers_it_says() -> None:
    w, other = torch.zeros(3, 6, 4), torch.ones(3, 6, 4)
    layers = torch.tensor([False, False, True, True, False, False])
    mixed = mix_styles(w, other, layers)
    assert mixed[0, :, 0].tolist() == [0, 0, 1, 1, 0, 0]
    each = torch.tensor([[True] * 6, [False] * 6, [False] * 5 + [True]])
    assert mix_styles(w, other, each).sum((1, 2)).tolist() == [24, 0, 4]


def test_training_mixes_two_codes_from_a_random_layer_on() -> None:
    model = build(mixing=0.75)
    w = model.draw_styles(4000, None).detach()
    changes = (w[:, 1:] != w[:, :-1]).any(2)  # (n, styles - 1)
    counts = changes.sum(1)
    assert counts.max() == 1, "one layer from which the second code holds"
    assert (counts == 1).float().mean().item() == pytest.approx(0.75, abs=0.03)
    shares = changes.float().mean(0) / 0.75
    torch.testing.assert_close(shares, torch.full_like(shares, 1 / len(shares)), atol=0.03, rtol=0)
    alone = build(mixing=0.0).draw_styles(50, None)
    assert torch.equal(alone, alone[:, :1].expand_as(alone))


# Truncation and noise


@every_variant
def test_truncation_moves_styles_towards_their_mean(variant: int) -> None:
    model = build(variant=variant).eval()
    for _ in range(400):
        model.draw_styles(16, None)
    torch.manual_seed(0)
    with torch.no_grad():
        w = model.G.mapping(model.draw_z(20_000))
        torch.testing.assert_close(model.G.mapping.mean, w.mean(0), atol=0.2, rtol=0)
        z = model.draw_z(4)
        half = model.styles(z, truncation=0.5)[:, 0]
        torch.testing.assert_close(half, (model.styles(z)[:, 0] + model.G.mapping.mean) / 2)
        assert torch.equal(model.decode(z, truncation=1.0), model.decode(z))
        one = model.decode(z, truncation=0.0)
        torch.testing.assert_close(one, one[:1].expand_as(one))
        assert model.decode(z).std(0).mean() > 0.01
        spread = [model.decode(z, truncation=psi).var(0).mean().item() for psi in (1.0, 0.6, 0.3)]
    assert spread == sorted(spread, reverse=True)


@every_variant
def test_noise_off_or_fixed_is_deterministic(variant: int) -> None:
    model = build(variant=variant).eval()
    z = model.draw_z(4)
    with torch.no_grad():
        pictures = {
            mode: [model.decode(z, noise=mode) for _ in range(2)] for mode in ("off", "fixed", "random")
        }
        assert torch.equal(model.decode(z), pictures["fixed"][0])
    assert torch.equal(*pictures["off"])
    assert torch.equal(*pictures["fixed"])
    assert not torch.equal(*pictures["random"])
    assert not torch.equal(pictures["off"][0], pictures["fixed"][0])


@pytest.mark.parametrize(
    ("pixel_noise", "sides"), [("all", [4, 8, 8, 16, 16]), ("fine", [16, 16]), ("nothing", [])]
)
def test_noise_is_in_the_layers_that_are_asked_for(pixel_noise: str, sides: list[int]) -> None:
    model = build(pixel_noise=pixel_noise)
    assert sorted(layer.fixed.shape[1] for layer in noise_layers(model)) == sides


# Penalties


def test_r1_is_the_squared_gradient_with_gamma_by_size_and_batch() -> None:
    paper = {"loss": "non-saturating", "penalty": "r1", "penalty_every": 16}
    model, x = build(**paper), images()
    term = model.gradient_penalty(x, x, None, RecordingUpdate(16))["penalty"]
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.discriminate(leaf).sum(), leaf)
    squares = gradient.square().sum((1, 2, 3)).mean()
    gamma = 2e-4 * 16 * 16 / 8
    torch.testing.assert_close(term, 16 * 0.5 * gamma / 2 * squares)  # 0.5: the factor of this loss
    fixed = build(**paper, gamma=3.0)
    torch.testing.assert_close(
        fixed.gradient_penalty(x, x, None, RecordingUpdate(0))["penalty"], 16 * 0.5 * 3 / 2 * squares
    )


@pytest.mark.parametrize("term", ["penalty", "path_length"])
def test_a_lazy_term_is_in_sum_that_of_every_step(term: str) -> None:
    lazy = build(penalty_every=4, path_length=2.0, path_length_every=4)
    steady = build(penalty_every=1, path_length=2.0, path_length_every=1)
    x, sums, counts = images(), [], []
    for model in (lazy, steady):
        values = []
        for iteration in range(8):
            torch.manual_seed(2)
            model.path_mean.zero_()
            update = RecordingUpdate(iteration)
            terms = (
                model.gradient_penalty(x, x, None, update)
                if term == "penalty"
                else model.path_length_penalty(8, None, update)
            )
            values += [value.item() for value in terms.values()]
        sums.append(sum(values))
        counts.append(len(values))
    assert counts == [2, 8]
    assert sums[0] == pytest.approx(sums[1], rel=1e-4)


def test_path_lengths_of_a_linear_generator_have_a_closed_form() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(2, 3, 64)  # of two layers with styles of 3 numbers, to 8x8 pixels

    def synthesis(w: Tensor) -> Tensor:
        return torch.einsum("bld,ldp->bp", w, matrix).view(-1, 1, 8, 8)

    w = torch.randn(5, 2, 3, requires_grad=True)
    torch.manual_seed(3)
    lengths = path_lengths(synthesis, w)
    torch.manual_seed(3)
    y = torch.randn(5, 64) / 8
    expected = torch.einsum("ldp,bp->bld", matrix, y).square().sum(2).mean(1).sqrt()
    torch.testing.assert_close(lengths, expected)


@every_variant
def test_the_penalty_on_path_lengths_has_the_gradient_of_finite_differences(
    variant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(variant=variant, path_length=2.0, path_length_every=1).double()
    monkeypatch.setattr(model, "draw_z", lambda n: torch.randn(n, 8, dtype=torch.double))
    monkeypatch.setattr(stylegan, "PATH_RATE", 0.0)  # the running mean is a constant of the gradient
    weights = [*model.G.parameters()]

    def penalty() -> Tensor:
        torch.manual_seed(4)
        model.path_mean.fill_(0.3)
        return model.path_length_penalty(4, None, RecordingUpdate())["path_length"]

    gradients = torch.autograd.grad(penalty(), weights, allow_unused=True)
    for weight, gradient in zip(weights, gradients, strict=True):
        direction = torch.randn_like(weight)
        direction = direction / direction.norm()
        step, values = 1e-6 * max(1.0, weight.detach().norm().item() / 10), []
        for sign in (1, -1):
            with torch.no_grad():
                weight.add_(sign * step * direction)
            values.append(penalty().item())
            with torch.no_grad():
                weight.sub_(sign * step * direction)
        slope = (values[0] - values[1]) / (2 * step)
        exact = 0.0 if gradient is None else float((gradient * direction).sum())
        assert slope == pytest.approx(exact, rel=2e-3, abs=1e-5)


def test_path_lengths_train_the_generator_only_and_keep_a_running_mean() -> None:
    model, update = build(path_length=2.0), RecordingUpdate()
    model.step(stream(), update)
    assert set(update.terms["G"]) == {"path_length"}
    assert set(update.terms["D"]) == {"penalty"}
    assert model.path_mean > 0
    later = RecordingUpdate(1)
    model.step(stream(), later)
    assert later.terms == {"D": {}, "G": {}}


def test_path_lengths_are_on_from_64_pixels() -> None:
    assert [build((1, side, side)).path_weight for side in (32, 63, 64)] == [0, 0, 2]
    assert build((1, 64, 64), path_length=0.0).path_weight == 0


# Adaptive augmentation


def test_p_rises_while_real_images_are_recognised_and_falls_else() -> None:
    model = build(adaptive=("flip",), adaptive_images=100)
    logit = torch.ones(10, 1)
    for _ in range(4):
        model.adapt(logit)
    assert model.p.item() == pytest.approx(0.1), "the mean sign of four batches is the first above 0.6"
    for _ in range(20):
        model.adapt(logit)
    assert model.p == 1
    for _ in range(20):
        model.adapt(torch.cat([logit[:5], -logit[:5]]))
    assert model.p == 0


def test_both_kinds_of_images_are_changed_with_probability_p(monkeypatch: pytest.MonkeyPatch) -> None:
    model, judged = build(adaptive=("flip", "turn", "shift")), []
    monkeypatch.setattr(
        model, "discriminate", lambda x, y=None: judged.append(x) or x.mean((1, 2, 3))[:, None]
    )
    x = images()
    model.logits(x, None)
    model.p.fill_(1.0)
    model.logits(x, None)
    assert torch.equal(judged[0], x)
    assert not torch.equal(judged[1], x)
    torch.manual_seed(0)
    assert torch.equal(build(adaptive=()).logits(x, None), build(adaptive=()).discriminate(x))


def test_a_critic_has_no_sign_to_adapt_by() -> None:
    with pytest.raises(LimnerError, match="the wasserstein loss gives the sign of an output no meaning"):
        build(loss="wasserstein", adaptive=("flip",))


# Labels


def test_labels_are_ignored_unless_it_is_conditional() -> None:
    model = build(classes=4)
    assert model.classes is None
    z = model.draw_z(3)
    assert torch.equal(model.decode(z, torch.tensor([0, 1, 2])), model.decode(z))


def test_a_conditional_model_draws_by_label() -> None:
    model = build(classes=4, conditional=True).eval()
    z, x, y = model.draw_z(4), images(4), torch.tensor([0, 1, 2, 3])
    with torch.no_grad():
        assert not torch.equal(model.decode(z, y), model.decode(z, y.flip(0)))
        assert not torch.equal(model.discriminate(x, y), model.discriminate(x, y.flip(0)))
    model.initialise(torch.zeros(4, *SHAPE), torch.tensor([2, 2, 2, 2]))
    torch.manual_seed(5)
    some = model.sample(5, noise="off")
    torch.manual_seed(5)
    torch.testing.assert_close(model.sample(5, torch.full((5,), 2), noise="off"), some)
    for labels, message in [(None, "needs the label"), (torch.tensor([4] * 4), "labels are from 0 to 3")]:
        with pytest.raises(LimnerError, match=message):
            model.decode(z, labels)


# Training


@every_variant
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_all_options_at_once_train_and_come_back_bit_for_bit(variant: int, precision: str) -> None:
    options: dict[str, Any] = {
        "variant": variant, "conditional": True, "classes": 4, "path_length": 2.0, "path_length_every": 2,
        "penalty": "r1+r2", "penalty_every": 2, "augment": ("translation",),
        "adaptive": ("flip", "turn", "shift", "colour"), "adaptive_images": 20, "adaptive_target": 0.01,
    }  # fmt: skip

    def new() -> Trainer:
        return Trainer(build(**options), stream(), TrainConfig(precision=precision))

    straight, first = new(), new()
    for trainer, steps in ((straight, 5), (first, 3)):
        torch.manual_seed(9)
        for _ in itertools.islice(trainer, steps):
            pass
    state = first.state()  # with that of random numbers, before another model draws some
    second = new()
    second.restore(state)
    for _ in itertools.islice(second, 2):
        pass
    assert all(torch.tensor(list(straight.tick().values())).isfinite())
    for key, value in straight.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key
    for name, weight in straight.model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name


def test_small_images_are_one_line() -> None:
    with pytest.raises(LimnerError, match="a StyleGAN needs images of 8x8 or more, not 7x16"):
        build((1, 7, 16))


def test_the_paper_has_the_published_networks() -> None:
    model = create("stylegan", (3, 64, 64), "paper")
    assert isinstance(model, StyleGAN)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in model.G.named_children()}
    assert count["mapping"] == 8 * (512 * 512 + 512)
    synthesis = 512 * 16 + 3  # the constant, the bias of the image
    widths = [512, 512, 512, 512, 256, 256, 128, 128, 64, 64]
    for inputs, outputs in itertools.pairwise(widths):
        synthesis += inputs * outputs * 9 + outputs + 1 + 513 * inputs  # weights, bias, noise, style
    synthesis += sum(width * 3 + 513 * width for width in (512, 512, 256, 128, 64))  # toRGB
    assert count["synthesis"] == synthesis


def test_the_command_line_truncates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "stylegan", "--data", "digits", "--images", "100", "--batch", "50", "--quiet"]
    assert cli([*line, *words(small("stylegan"))]) == 0, capsys.readouterr().err
    name = "stylegan-digits-0001"
    for option in (["--truncation", "0"], ["--set", "truncation=0,noise=off"]):
        assert cli(["sample", name, *option, "--out", "one.png", "--quiet"]) == 0
    from limner.explore import sample

    run = limner.load(name)
    pixels = sample(run, 4, truncation=0.0, noise="off").data["pixels"]
    assert torch.equal(pixels, pixels[:1].expand_as(pixels))
    limner.train("vae", "digits", images=100, quiet=True, **small("vae"))
    assert cli(["sample", "vae-digits-0001", "--truncation", "0.7"]) == 2
    assert "its sampling has no option 'truncation'" in capsys.readouterr().err
