"""Seeds that name images, mixing of styles, and noise: what the pictures show is what they say."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from small import blobs, small, words
from torch import Tensor, nn

import limner
from limner import explore
from limner.cli import run as cli
from limner.data import Dataset
from limner.errors import LimnerError
from limner.explore import code_search
from limner.explore.abilities import require_ability
from limner.explore.samples import draw_samples
from limner.explore.styles import choose_layers, group_layers, seed_styles, style_pixels
from limner.figures import to_pil
from limner.inversion import Search
from limner.models.abilities import HasStyles, NoiseMode
from limner.models.style_layers import Noise
from limner.training import Run

SHAPE = (1, 16, 16)


def train(folder: Path, name: str, **options: object) -> Run:
    dataset = Dataset(
        "discs", "discs", blobs(60, SHAPE), blobs(20, SHAPE, 1), ("a", "b", "c", "d"), (), "discs"
    )
    settings = {
        "images": 60,
        "batch": 20,
        "quiet": True,
        "pixel_noise": "all",
        **small("stylegan"),
        **options,
    }
    run = limner.train("stylegan", dataset, out=folder / name, **settings)
    for layer in run.model.modules():
        if isinstance(layer, Noise):
            nn.init.constant_(layer.strength, 0.1)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("runs"), "style")


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("runs"), "conditional", conditional=True, variant=1)


def styled(run: Run) -> HasStyles:
    return require_ability(run, HasStyles, "mix")


# Seeds


def test_a_seed_names_an_image(run: Run, conditional: Run) -> None:
    for of in (run, conditional):
        several = explore.sample(of, seed=[3, 8, 5], noise="fixed")
        for i, seed in enumerate([3, 8, 5]):
            alone = draw_samples(of, 1, seed=seed, noise="fixed")
            assert torch.equal(several.data["pixels"][i : i + 1], alone)
            w, _ = seed_styles(of, styled(of), [seed])
            assert torch.equal(style_pixels(styled(of), w), alone), "mix and noise show the same image"
    assert explore.sample(run, seed=range(2, 7)).data["seed"] == range(2, 7)


def test_seeds_with_labels_are_rows(conditional: Run) -> None:
    picture = explore.sample(conditional, seed=[4, 9], labels=["b", "d"], noise="off")
    assert picture.data["labels"].tolist() == [1, 3, 1, 3]
    one = draw_samples(conditional, 1, seed=9, y=3, noise="off")
    assert torch.equal(picture.data["pixels"][3:], one)
    w, names = seed_styles(conditional, styled(conditional), [9], "d")
    assert names == ["9 (d)"]
    assert torch.equal(style_pixels(styled(conditional), w, "off"), one)


def test_several_seeds_leave_no_number_of_images(run: Run) -> None:
    for settings in ({"n": 3, "seed": [1, 2, 3]}, {"seed": []}):
        with pytest.raises(LimnerError, match="leave n out, and name a seed"):
            explore.sample(run, **settings)


# Groups of layers


@pytest.mark.parametrize(
    ("sides", "groups"),
    [
        ((4, 8, 8, 16, 16, 32, 32, 32), ([0, 1, 2], [3, 4], [5, 6, 7])),
        ((4, 4, 8, 8, 16, 16, 32, 32), ([0, 1, 2, 3], [4, 5], [6, 7])),
        ((4, 8, 8, 16, 16, 16), ([0], [1, 2], [3, 4, 5])),
        ((4, 8, 8, 8), ([0], [], [1, 2, 3])),
        ((4, 8, 16, 32, 64, 128), ([0, 1], [2, 3], [4, 5])),
        ((4, 8, 16, 32, 64, 128, 256, 512, 1024), ([0, 1], [2, 3], [4, 5, 6, 7, 8])),
    ],
)
def test_groups_of_layers_are_those_of_the_paper(
    sides: tuple[int, ...], groups: tuple[list[int], ...]
) -> None:
    sizes = [(side, side) for side in sides]
    assert group_layers(sizes) == dict(zip(("coarse", "middle", "fine"), groups, strict=True))


@pytest.mark.parametrize("variant", [1, 2])
def test_each_style_has_the_size_and_the_matrix_of_its_layer(variant: int) -> None:
    from limner.models import create

    model = create("stylegan", (1, 28, 20), variant=variant, **small("stylegan"))
    assert isinstance(model, HasStyles)
    weights = model.style_weights()
    assert len(weights) == len(model.style_sizes) == model.styles(torch.randn(1, 8)).shape[1]
    assert list(dict.fromkeys(model.style_sizes)) == [(7, 5), (14, 10), (28, 20)]
    outputs: list[Tensor] = []
    for i, weight in enumerate(weights):
        outputs.clear()
        hook = model.G.synthesis.affine_layers()[i].register_forward_hook(
            lambda layer, inputs, output: outputs.append(output)
        )
        w = torch.zeros(1, len(weights), 8)
        model.synthesise(w)
        w[0, i] = torch.randn(8)
        model.synthesise(w)
        hook.remove()
        change = outputs[1] - outputs[0]
        torch.testing.assert_close(change[0], weight @ w[0, i], rtol=1e-4, atol=1e-5)


def test_layers_are_chosen_by_name_or_number(run: Run) -> None:
    model = styled(run)
    assert choose_layers(run, model, "coarse").indices == (0,)
    assert choose_layers(run, model, "all").indices == (0, 1, 2, 3, 4, 5)
    assert choose_layers(run, model, "2-4").indices == (2, 3, 4)
    assert choose_layers(run, model, "5").title == "layer 5 (16x16 pixels)"
    assert choose_layers(run, model, "middle").title == "middle layers 1 to 2 (8x8 pixels)"
    for name, message in [
        ("corse", "no layers called 'corse': did you mean 'coarse'"),
        ("3-9", "style has layers 0 to 5, so there are no layers 3-9"),
        ("4-2", "there are no layers 4-2"),
    ]:
        with pytest.raises(LimnerError, match=message):
            choose_layers(run, model, name)


# Mixing


def test_all_layers_give_the_column_and_the_rest_of_them_the_row(run: Run) -> None:
    columns = explore.mix(run, [1, 2], [7, 8, 9], "all").data
    for pixels in columns["pixels"]:
        assert torch.equal(pixels, columns["column_pixels"])
    same = explore.mix(run, [1, 2], [1, 2], "fine").data
    for i in range(2):
        assert torch.equal(same["pixels"][i, i], same["row_pixels"][i])
        assert not torch.equal(same["pixels"][i, 1 - i], same["row_pixels"][i])


def test_files_are_mixed_as_seeds_are(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_search, "Search", partial(Search, starts=2, polished=1, steps=60))
    own = draw_samples(run, 2, seed=[5, 6], noise="fixed")
    for image, name in zip(own, "ab", strict=True):
        to_pil(image).save(tmp_path / f"{name}.png")
    data = explore.mix(run, [1, tmp_path / "a.png"], [tmp_path / "b.png", 7], "coarse").data
    seeds = explore.mix(run, [1, 5], [6, 7], "coarse").data
    assert torch.equal(data["pixels"][0, 1], seeds["pixels"][0, 1]), "seeds keep their places"
    difference = (data["pixels"].int() - seeds["pixels"].int()).abs().float().mean()
    assert difference < 6, "the styles of a generator's own image are those that the search gives back"
    assert data["notes"][0].startswith("styles searched without an encoder, as by invert: PSNR ")


@pytest.mark.parametrize("layers", ["coarse", "middle", "fine", "1-3", "0"])
def test_exactly_the_chosen_layers_have_the_styles_of_the_column(
    run: Run, layers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, calls = styled(run), []

    def synthesise(w: Tensor, noise: NoiseMode = "fixed") -> Tensor:
        calls.append((w, noise))
        return torch.zeros(len(w), *SHAPE)

    monkeypatch.setattr(run.model, "synthesise", synthesise)
    explore.mix(run, [1, 2], [7, 8, 9], layers)
    (w, noise), *_ = calls
    rows, columns = (seed_styles(run, model, seeds)[0] for seeds in ([1, 2], [7, 8, 9]))
    chosen = choose_layers(run, model, layers).indices
    assert 0 < len(chosen) < 6
    assert noise == "fixed"
    for r in range(2):
        for c in range(3):
            for i in range(6):
                source = columns[c] if i in chosen else rows[r]
                assert torch.equal(w[3 * r + c, i], source[i])


def test_truncation_and_labels_reach_the_styles(conditional: Run) -> None:
    one = explore.mix(conditional, [1, 2], [3], truncation=0.0, label="c").data
    assert torch.equal(one["row_pixels"][0], one["row_pixels"][1])
    with pytest.raises(LimnerError, match="knows no class 'e'"):
        explore.mix(conditional, [1], [2], label="e")
    with pytest.raises(LimnerError, match="truncation must be a number such as"):
        explore.mix(conditional, [1], [2], truncation=float("nan"))
    with pytest.raises(LimnerError, match="a seed or a file at least for the rows"):
        explore.mix(conditional, [], [2])


def test_a_line_in_w_goes_from_seed_to_seed(run: Run, conditional: Run) -> None:
    data = explore.interpolate_styles(run, 2, 3, 5, decoding={"truncation": 0.5}).data
    w, _ = seed_styles(run, styled(run), [5, 6, 7, 8], None, 0.5)
    assert torch.equal(data["pixels"][:, 0], style_pixels(styled(run), w[[0, 2]]))
    assert torch.equal(data["pixels"][:, 2], style_pixels(styled(run), w[[1, 3]]))
    middle = torch.tensor(data["styles"][1, 1])
    torch.testing.assert_close(middle, (w[2] + w[3]) / 2)
    of_class = explore.interpolate_styles(conditional, 1, 2, 3, "b").data
    w, _ = seed_styles(conditional, styled(conditional), [3], "b")
    assert torch.equal(of_class["pixels"][0, :1], style_pixels(styled(conditional), w))
    with pytest.raises(LimnerError, match="a pair and two steps at least"):
        explore.interpolate_styles(run, 1, 1)


# Noise


def test_noise_shows_what_it_changes(run: Run) -> None:
    picture = explore.noise(run, [1, 2, 3], noises=4)
    data = picture.data
    assert data["pixels"].shape == (3, 4, *SHAPE)
    assert (data["deviation"] > 0).any()
    assert 0 < data["share"] < 1
    w, _ = seed_styles(run, styled(run), [1, 2, 3])
    assert torch.equal(data["plain"], style_pixels(styled(run), w, "off"))
    assert not torch.equal(data["pixels"][0, 0], data["pixels"][0, 1])
    assert torch.equal(explore.noise(run, [1, 2, 3], noises=4).data["pixels"], data["pixels"])
    with pytest.raises(LimnerError, match="two seeds and one noise at least"):
        explore.noise(run, [1])


def test_a_model_without_noise_has_a_note(tmp_path: Path) -> None:
    picture = explore.noise(train(tmp_path, "still", pixel_noise="nothing"), [1, 2])
    assert picture.data["share"] == 0
    assert picture.data["deviation"].max() == 0
    assert picture.notes == ["noise changes no pixel: its layers have none, or have not learned to use it"]


# The command line


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("cli") / "digits"
    line = ["train", "stylegan", "--data", "digits", "--images", "100", "--batch", "50", "--quiet"]
    assert cli([*line, "--conditional", "--out", str(folder), *words(small("stylegan"))]) == 0
    return str(folder)


def test_pictures_from_the_shell(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words_ in (
        ["sample", "--seed", "1-4,9"],
        ["sample", "--seed", "1-3", "--label", "3,8"],
        ["mix", "--rows", "1-2", "--columns", "5,7,9", "--layers", "middle", "--truncation", ".7"],
        ["mix", "--rows", "1", "--columns", "5", "--layers", "2-3", "--label", "3"],
        ["noise", "--seed", "1-2", "--noises", "3"],
        ["interpolate", "--space", "w", "--pairs", "1", "--steps", "3", "--set", "truncation=.7"],
    ):
        verb, *rest = words_
        assert cli([verb, trained, *rest, "--out", "x.png"]) == 0
        assert capsys.readouterr().out == "wrote x.png\n" or verb == "noise"
        with Image.open("x.png") as image:
            assert min(image.size) > 100


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["sample", "--seed", "x"], "--seed must be whole numbers such as 3, 1-64 or 1,5,7-9, not 'x'"),
        (["sample", "--seed", "9-1"], "--seed 9-1 has no seeds"),
        (["sample", "--seed", "1-9", "--n", "3"], "leave n out"),
        (["mix", "--rows", "1,", "--layers", "fine"], "--rows must be whole numbers"),
        (
            ["mix", "--columns", "1,a.png"],
            "--columns takes seeds such as 1,5,7-9 and image files; there is no",
        ),
        (["mix", "--layers", "corse"], "did you mean 'coarse'"),
        (["mix", "--label", "x"], "knows no class 'x'"),
        (["interpolate", "1", "2", "--space", "w"], "--space w goes from seed to seed"),
        (["noise", "--seed", "4"], "two seeds and one noise at least are needed, not 1 and 6"),
    ],
)
def test_mistakes_are_one_line(
    trained: str, argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *rest = argv
    assert cli([verb, trained, *rest]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
