"""Directions with names: what they are of, that they are stored whole, and that samples move along them."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from explore.fakes import NAMES, SHAPE, Coder, Conditional, Generator, codes, run_of
from explore.test_styles import train
from PIL import Image
from small import blobs, small
from torch import Tensor

import limner
from limner import explore
from limner.cli import run as cli
from limner.errors import LimnerError
from limner.explore import code_search, named_directions
from limner.explore.samples import draw_samples
from limner.explore.styles import seed_styles
from limner.figures import to_pil
from limner.inversion import Search
from limner.metrics import classifier
from limner.models.abilities import HasStyles
from limner.training import Run

FIXED = {True: {"noise": "fixed"}, False: {}}  # options of sampling of a model with styles, and of another


@pytest.fixture(scope="module")
def trained_style(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("runs"), "style")


@pytest.fixture
def styled(trained_style: Run, tmp_path: Path) -> Run:
    """A copy of the run without directions."""
    run = Run(shutil.copytree(trained_style.path, tmp_path / "style"))
    run.loaded, run.model = trained_style.loaded, trained_style.model
    return run


@pytest.fixture
def fresh(trained: Run) -> Run:
    (trained.path / named_directions.FILE).unlink(missing_ok=True)
    return trained


def test_seeds_name_a_direction_that_samples_move_along(styled: Run) -> None:
    assert isinstance(styled.model, HasStyles)
    a, b = ([1, 2, 3], [4, 5])
    named = explore.name_direction(styled, "smile", a, b, layers="1-2")
    w_a, w_b = (seed_styles(styled, styled.model, seeds)[0][:, 0] for seeds in (a, b))
    difference = w_b.mean(0) - w_a.mean(0)
    step = torch.tensor(named.step)
    assert float(torch.cosine_similarity(step, difference, 0)) == pytest.approx(1, abs=1e-5)
    assert explore.read_directions(styled) == {"smile": named}

    for noise in ("off", "fixed", "random"):
        plain = draw_samples(styled, 3, seed=7, noise=noise, truncation=0.8)
        still = draw_samples(styled, 3, seed=7, move={"smile": 0.0}, noise=noise, truncation=0.8)
        assert torch.equal(plain, still), "without a move they are the same images"
    moved = explore.sample(styled, 1, seed=7, move={"smile": 1.5}, noise="off").data
    w, _ = seed_styles(styled, styled.model, [7])
    w = w.clone()
    w[:, 1:3] += 1.5 * step
    expected = styled.model.synthesise(w, "off")
    assert torch.equal(moved["pixels"], limner.data.to_uint8(expected))
    assert moved["move"] == {"smile": 1.5}
    strip = explore.show_direction(styled, "smile", 2, 3, 2.0, seed=7).data
    assert strip["pixels"].shape == (2, 3, *SHAPE)
    assert torch.equal(strip["pixels"][0, 1], draw_samples(styled, 1, seed=7, noise="fixed")[0])


def test_a_step_is_a_deviation_of_the_codes(fresh: Run) -> None:
    class Light(Generator):
        def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            return (0.1 * z[:, 1])[:, None, None, None].expand(-1, *SHAPE)

    run = run_of(fresh, Light(3))
    values = {seed: float(explore.codes.draw_codes(run.model.latent, 1, seed)[0, 1]) for seed in range(60)}
    dark = [seed for seed, value in values.items() if value < 0]
    light = [seed for seed, value in values.items() if value > 0]
    named = explore.name_direction(run, "light", dark, light, method="probe")
    assert float(torch.tensor(named.step).norm()) == pytest.approx(1, abs=0.06)
    assert named.step[1] > 0.9
    assert "AUROC of 0.9" in named.description or "AUROC of 1.000" in named.description
    plain, moved = (draw_samples(run, 4, seed=1, move={"light": x}).float().mean() for x in (0.0, 3.0))
    assert float(moved - plain) == pytest.approx(0.3 * named.step[1] * 127.5, abs=1)


def test_classes_and_files_are_groups_of_an_encoder(fresh: Run, tmp_path: Path) -> None:
    run = run_of(fresh, Coder(codes(256)))
    train_images = run.data.train
    assert train_images.labels is not None
    named = explore.name_direction(run, "right", NAMES[0], NAMES[1])
    means = [train_images.pixels[train_images.labels == y].float().mean(0).flatten() for y in (0, 1)]
    direction = means[1] - means[0]
    assert float(torch.cosine_similarity(torch.tensor(named.step), direction, 0)) > 0.999
    for name, value in (("dark", 0), ("bright", 255)):
        (tmp_path / name).mkdir()
        Image.new("L", (16, 16), value).save(tmp_path / name / "x.png")
    light = explore.name_direction(run, "light", [tmp_path / "dark"], [tmp_path / "bright"])
    assert torch.tensor(light.step).std() < 1e-3 * light.step[0]


def test_classes_of_a_generator_are_those_of_a_classifier(
    fresh: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Placed(Generator):
        """The disc's quadrant by the sign of the first two numbers."""

        def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            images = blobs(100, SHAPE)
            assert images.labels is not None
            rows = [images.labels.tolist().index(label) for label in range(4)]
            return limner.data.to_float(images.pixels[rows])[(2 * (z[:, 0] > 0) + (z[:, 1] > 0)).long()]

    monkeypatch.setattr(classifier, "LEAST_IMAGES", 0)
    monkeypatch.setattr(named_directions, "DRAWN", 400)
    monkeypatch.setattr(
        named_directions,
        "extractor",
        lambda data: type("Exact", (), {"classify": lambda self, x: exact_classes(x)})(),
    )
    run = run_of(fresh, Placed(3))
    named = explore.name_direction(run, "right", NAMES[0], NAMES[1])
    assert named.step[1] > 0.95


def exact_classes(pixels: Tensor) -> Tensor:
    """The quadrant of the disc, one-hot."""
    light = pixels.float().mean(1)
    place = torch.arange(16.0) - 7.5
    y = (light.sum(2) @ place > 0) * 2 + (light.sum(1) @ place > 0)
    return torch.nn.functional.one_hot(y.long(), 4).float()


def test_a_direction_without_labels_can_be_kept(styled: Run) -> None:
    ranked = explore.directions(styled, 2, 3, layers="fine").data["directions"]
    kept = explore.keep_direction(styled, "slant", ranked, 2)
    torch.testing.assert_close(torch.tensor(kept.step), ranked.steps[1])
    assert kept.layers == ranked.layers
    with pytest.raises(LimnerError, match="there are directions 1 to 8, and no direction 9"):
        explore.keep_direction(styled, "more", ranked, 9)


def test_mistakes_are_one_line(styled: Run, fresh: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 6_000)
    explore.name_direction(styled, "smile", [1], [2])
    before = (styled.path / named_directions.FILE).read_bytes()
    for settings, message in [
        (("smile", [1], [3]), "has a direction 'smile': take another name, or remove it there"),
        (("a b", [1], [3]), "'a b' is no name for a direction"),
        (("x", [1], []), "a group of images is empty"),
        (("x", [1], [1]), "do not differ"),
        (("x", "a", "e"), "has no class 'e'"),
        (("x", ["a.png"], ["b.png"]), "a.png"),
        (("x", [1], [2], "median"), "no method called 'median': choose from: centroid, probe"),
    ]:
        with pytest.raises(LimnerError, match=message):
            explore.name_direction(styled, *settings)
    assert (styled.path / named_directions.FILE).read_bytes() == before
    for move, message in [
        ({"smle": 1.0}, "has no direction 'smle': did you mean 'smile'"),
        ({"smile": float("nan")}, "smile must be a number such as 1.5, not nan"),
    ]:
        with pytest.raises(LimnerError, match=message):
            draw_samples(styled, 2, move=move)
    with pytest.raises(LimnerError, match="limner directions --name stores one"):
        draw_samples(run_of(fresh, Generator(3)), 2, move={"smile": 1.0})


def test_a_direction_of_other_weights_or_a_damaged_file_is_refused(styled: Run) -> None:
    explore.name_direction(styled, "smile", [1], [2])
    path = styled.path / named_directions.FILE
    content = json.loads(path.read_text())
    content["smile"]["images_seen"] += 100
    path.write_text(json.dumps(content))
    with pytest.raises(LimnerError, match="of weights that had seen 160 images, and style has seen 60"):
        draw_samples(styled, 2, move={"smile": 1.0})
    for text in ("[]", '{"smile": 3}', '{"smile": {"step": "x", "images_seen": 60}}', "{"):
        path.write_text(text)
        with pytest.raises(LimnerError, match=r"directions.json (is damaged|cannot be read)"):
            draw_samples(styled, 2, move={"smile": 1.0})


def test_from_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"images": 100, "batch": 50, "quiet": True, **small("stylegan")}
    run = str(limner.train("stylegan", "digits", out=tmp_path / "run", **settings).path)
    few = ["--k", "2", "--steps", "3"]
    for words in (
        ["directions", run, "--layers", "coarse", *few],
        ["directions", run, "--name", "slant", "--number", "1", *few],
        ["directions", run, "--name", "smile", "--seeds", "1-3", "4,6", "--method", "probe", *few],
        ["directions", run, "--name", "smile", *few],
        ["sample", run, "--move", "smile=1.5,slant=-2", "--n", "2"],
    ):
        assert cli([*words, "--out", "x.png"]) == 0, capsys.readouterr().err
        assert capsys.readouterr().out == "wrote x.png\n"
    assert list(json.loads(Path(run, named_directions.FILE).read_text())) == ["slant", "smile"]
    for words, message in (
        (["directions", run, "--seeds", "1", "2"], "--seeds stores a direction, which needs a name"),
        (["directions", run, "--name", "x", "--number", "1", "--seeds", "1", "2"], "give one of them"),
        (["directions", run, "--name", "smile", "--seeds", "1", "2"], "has a direction 'smile'"),
        (["directions", run, "--name", "smle"], "did you mean 'smile'"),
        (["sample", run, "--move", "smile"], "'smile' sets nothing"),
        (["sample", run, "--move", "smile=x"], "--move smile must be a number such as 1.5, not 'x'"),
        (["sample", run, "--move", "smle=1"], "did you mean 'smile'"),
    ):
        assert cli(words) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_images_move_too(fresh: Run, tmp_path: Path) -> None:
    for model in (Coder(codes(256)), Conditional(codes(256))):
        run = run_of(fresh, model, list(NAMES))
        name = type(model).__name__
        named = explore.name_direction(run, name, NAMES[0], NAMES[1])
        data = explore.move_images(run, None, {name: 2.0}, n=3).data
        step = 2 * torch.tensor(named.step)
        x = limner.data.to_float(data["pixels"]).flatten(1)
        labels = (limner.data.to_float(data["reconstructions"]).flatten(1) != x).sum(1)
        assert (labels <= (1 if name == "Conditional" else 0)).all(), "only the pixel of the class differs"
        expected = limner.data.to_uint8((x + step).clamp(-1, 1)).unflatten(1, SHAPE)
        difference = (data["moved"].int() - expected.int()).abs().flatten(1)[:, :255]
        assert difference.max() <= 1
    Image.new("L", (16, 16), 90).save(tmp_path / "x.png")
    assert len(explore.move_images(run, [tmp_path / "x.png"], {"Coder": 1.0}).data["moved"]) == 1
    for settings, message in [
        ({"move": {}}, "a direction and an image at least"),
        ({"move": {"Codr": 1.0}}, "did you mean 'Coder'"),
    ]:
        with pytest.raises(LimnerError, match=message):
            explore.move_images(run, **settings)


def test_images_of_a_generator_move_too(
    styled: Run, fresh: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The codes of a generator's own images are those that the search gives back."""
    monkeypatch.setattr(code_search, "Search", partial(Search, starts=2, polished=1, steps=60))
    for run in (styled, run_of(fresh, Generator(1))):
        explore.name_direction(run, "x", [1, 2, 3], [4, 5])
        seeds, files = range(20, 22), [tmp_path / f"{i}.png" for i in range(2)]
        own = draw_samples(run, 2, seed=seeds, **FIXED[run is styled])
        for image, file in zip(own, files, strict=True):
            to_pil(image).save(file)
        data = explore.move_images(run, files, {"x": 1.5}).data
        assert torch.equal(data["pixels"], own)
        assert (data["reconstructions"].int() - own.int()).abs().float().mean() < 6
        expected = explore.sample(run, seed=seeds, move={"x": 1.5}, **FIXED[run is styled]).data["pixels"]
        moved, away = ((data["moved"].int() - x.int()).abs().float().mean() for x in (expected, own))
        assert moved < away / 2, "it moves as far and in the same direction as the seeds' images"
        of_files = explore.name_direction(run, "y", files[:1], files[1:])
        of_seeds = explore.name_direction(run, "z", list(seeds)[:1], list(seeds)[1:])
        a, b = torch.tensor(of_files.step), torch.tensor(of_seeds.step)
        assert torch.cosine_similarity(a, b, 0) > 0.9, "files have the codes of their seeds"


def test_edit_moves_from_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(
        limner.train("vae", "digits", images=100, quiet=True, out=tmp_path / "run", **small("vae")).path
    )
    line = ["directions", run, "--name", "eight", "--classes", "1", "8", "--k", "2", "--out", "x.png"]
    assert cli(line) == 0, capsys.readouterr().err
    assert cli(["edit", run, "--move", "eight=2", "--n", "3", "--out", "x.png"]) == 0
    assert capsys.readouterr().out == "wrote x.png\n" * 2
    assert cli(["edit", run, "--move", "eight=2", "--to", "3"]) == 2
    assert "--move changes the code and --to the label" in capsys.readouterr().err
