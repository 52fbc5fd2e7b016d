"""Translations: the picture of rows, files into a folder, and how little of the model that needs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from small import blobs, small
from torch import Tensor

import limner
from limner import explore
from limner.data import Dataset, Domains, to_float, to_uint8
from limner.errors import LimnerError
from limner.explore.translations import MOST_PIXELS, draw_rows, load_translator
from limner.training import Run, checkpoint
from limner.training.checkpoint import read_weights, write_weights

Shape = tuple[int, int, int]


def trained(out: Path, a: Shape, b: Shape) -> Run:
    """A tiny CycleGAN after two iterations, and weights large enough to change an image."""
    sets = [
        Dataset(name, name, blobs(6, shape, i), blobs(12, shape, i + 2), None, (), f"{name}{i}")
        for i, (name, shape) in enumerate((("left", a), ("right", b)))
    ]
    settings = small("cyclegan") | {"images": 2, "quiet": True}
    run = limner.train("cyclegan", Domains("sides", *sets), out=out, **settings)
    path = run.path / "weights.safetensors"
    weights, images = read_weights(path)
    write_weights(path, {name: 5 * value for name, value in weights.items()}, images)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("runs") / "run", (3, 24, 20), (3, 24, 20))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """From grey to colour and back."""
    return trained(tmp_path_factory.mktemp("runs") / "mixed", (1, 16, 16), (3, 16, 16))


def paint(
    path: Path, size: tuple[int, int] = (24, 20), mode: str = "RGB", seed: int = 0, **options: Any
) -> Path:
    """A picture file of a size (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (5, 5, 4), dtype=np.uint8)
    channels = {"RGB": 3, "RGBA": 4, "CMYK": 4, "L": 1}[mode]
    array = noise[..., :channels] if channels > 1 else noise[..., 0]
    Image.fromarray(np.ascontiguousarray(array), mode).resize(size[::-1]).save(path, **options)
    return path


def read(path: Path) -> Tensor:
    """A picture file as pixels (C, H, W)."""
    with Image.open(path) as image:
        array = np.array(image)
    return torch.from_numpy(array if array.ndim == 3 else array[..., None]).movedim(2, 0)


def targets(*arguments: Any, **options: Any) -> list[Path]:
    """The files that `translate_files` writes."""
    files = list(explore.translate_files(*arguments, **options))
    assert all(file.target is not None and not file.note for file in files)
    return [file.target for file in files if file.target is not None]


# -- the picture ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("to", "source"), [("B", "A"), ("A", "B")])
def test_the_picture_has_images_translations_and_the_way_back(run: Run, to: str, source: str) -> None:
    picture = explore.translate(run, to=to, n=5, seed=3)
    x = picture.data["pixels"]
    test = run.domains.a.test.pixels if source == "A" else run.domains.b.test.pixels
    assert len(x) == 5
    assert all(any(torch.equal(image, other) for other in test) for image in x)
    translated = to_uint8(run.model.translate(to_float(x), to=to))
    back = run.model.translate(to_float(translated), to=source)
    assert torch.equal(picture.data["translations"], translated), "the way back begins at 8 bits"
    assert torch.equal(picture.data["back"], to_uint8(back))
    errors = (back - to_float(x)).abs().mean((1, 2, 3)) / 2
    assert picture.data["cycle"] == pytest.approx(errors.tolist(), rel=1e-4)
    again, other = explore.translate(run, to=to, n=5, seed=3), explore.translate(run, to=to, n=5, seed=4)
    assert torch.equal(again.data["pixels"], x)
    assert not torch.equal(other.data["pixels"], x)
    assert min(picture.image.size) > 3 * 20


def test_the_picture_shows_rows_labels_and_errors(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, Any]] = []
    original = explore.translations.sheet

    def record(rows: list[Tensor], **options: Any) -> Image.Image:
        drawn.append({"rows": rows, **options})
        return original(rows, **options)

    monkeypatch.setattr(explore.translations, "sheet", record)
    picture = explore.translate(run, n=10)
    (sheet,) = drawn
    parts = [picture.data[name] for name in ("pixels", "translations", "back")]
    expected = [part[columns] for columns in (slice(0, 8), slice(8, 10)) for part in parts]
    assert all(torch.equal(row, other) for row, other in zip(sheet["rows"], expected, strict=True))
    assert sheet["row_labels"] == ["A", "B", "back to A"] * 2
    texts = [f"{error:.4f}" for error in picture.data["cycle"]]
    assert sheet["captions"] == [[], [], texts[:8], [], [], texts[8:]]


def test_files_are_fitted_into_the_picture_with_a_note(run: Run, tmp_path: Path) -> None:
    files = [paint(tmp_path / "wide.png", (40, 100)), paint(tmp_path / "fit.png", seed=1)]
    picture = explore.translate(run, files)
    assert picture.data["pixels"].shape == (2, 3, 24, 20)
    assert torch.equal(picture.data["pixels"][1], read(files[1]))
    assert [Path(name).name for name in picture.data["names"]] == ["wide.png", "fit.png"]
    assert any("wide.png" in note and "cropped to the middle" in note for note in picture.notes)


def test_grey_and_colour_share_a_picture(mixed: Run) -> None:
    for to, channels in (("B", 3), ("A", 1)):
        picture = explore.translate(mixed, to=to, n=2)
        assert picture.data["translations"].shape[1] == channels
        assert picture.image.mode == "RGB"
    rows = draw_rows([torch.zeros(1, 1, 8, 8, dtype=torch.uint8)] * 3, ["0"], ["A", "B", "C"], "grey")
    assert rows.size[1] > 24


@pytest.mark.parametrize("n", [0, -1])
def test_no_images_are_a_mistake(run: Run, n: int) -> None:
    with pytest.raises(LimnerError, match=f"n must be at least 1, not {n}"):
        explore.translate(run, n=n)


def test_a_wrong_domain_is_one_line(run: Run, tmp_path: Path) -> None:
    for call in (
        lambda: explore.translate(run, to="C"),
        lambda: list(explore.translate_files(run, [paint(tmp_path / "a.png")], tmp_path / "out", "C")),
        lambda: run.model.translate(torch.zeros(1, 3, 8, 8), to="C"),
    ):
        with pytest.raises(LimnerError, match="the domains are A and B, not 'C'"):
            call()


def test_a_model_that_does_not_translate_is_named(digits: Dataset, tmp_path: Path) -> None:
    other = limner.train("autoencoder", digits, images=100, out=tmp_path / "other", quiet=True)
    message = "other is an Autoencoder: it does not translate between domains, so translate cannot use it"
    with pytest.raises(LimnerError, match=message):
        explore.translate(other)
    with pytest.raises(LimnerError, match=message):
        list(explore.translate_files(other, [paint(tmp_path / "a.png")], tmp_path / "out"))
    assert not (tmp_path / "out").exists()


# -- files ------------------------------------------------------------------------------------------------
KINDS = {
    "odd.png": ((61, 47), "RGB"),
    "wide.png": ((40, 100), "RGB"),
    "clear.png": ((30, 30), "RGBA"),
    "grey.png": ((33, 21), "L"),
    "print.jpg": ((41, 29), "CMYK"),
    "photo.webp": ((24, 20), "RGB"),
}


@pytest.mark.parametrize("full_size", [True, False])
def test_files_keep_their_size_or_get_the_trained_one(run: Run, tmp_path: Path, full_size: bool) -> None:
    files = [paint(tmp_path / "in" / name, *kind, seed=i) for i, (name, kind) in enumerate(KINDS.items())]
    written = targets(run, files, tmp_path / "out", full_size=full_size)
    assert [path.name for path in written] == list(KINDS)
    for path, (size, _) in zip(written, KINDS.values(), strict=True):
        assert read(path).shape == (3, *(size if full_size else (24, 20)))
    x = to_float(read(files[0]))[None]
    if full_size:
        assert torch.equal(read(written[0]), to_uint8(run.model.translate(x, to="B"))[0])


def test_colour_is_made_grey_and_grey_coloured(mixed: Run, tmp_path: Path) -> None:
    grey, colour = paint(tmp_path / "grey.png", mode="L"), paint(tmp_path / "colour.png")
    for to, channels in (("B", 3), ("A", 1)):
        for path in targets(mixed, [grey, colour], tmp_path / to, to=to, full_size=True):
            assert read(path).shape == (channels, 24, 20)


def test_a_folder_keeps_its_sub_folders_and_names(run: Run, tmp_path: Path) -> None:
    names = ["a.png", "deep/er/b.jpg", "deep/a.png", "no suffix", "old.pgm"]
    for i, name in enumerate(names):
        paint(tmp_path / "in" / name, seed=i, format="PNG" if i == 3 else None)
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    written = targets(run, [tmp_path / "in"], tmp_path / "out")
    expected = {"a.png", "deep/er/b.jpg", "deep/a.png", "no suffix.png", "old.pgm.png"}
    assert {str(path.relative_to(tmp_path / "out")) for path in written} == expected
    assert {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")} == expected
    whole = targets(run, [tmp_path / "in" / "deep" / "a.png"], tmp_path / "one")
    assert torch.equal(read(whole[0]), read(tmp_path / "out" / "deep" / "a.png"))


def test_a_file_that_cannot_be_read_is_left_out_with_a_note(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for i, name in enumerate(("a.png", "c.png", "tiny.png")):
        paint(folder / name, (5, 9) if i == 2 else (24, 20), seed=i)
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:60])
    files = list(explore.translate_files(run, [folder], tmp_path / "out", full_size=True))
    assert [file.source.name for file in files] == ["a.png", "b.png", "c.png", "tiny.png"]
    assert [file.target is not None for file in files] == [True, False, True, False]
    assert f"left out: {folder / 'b.png'} cannot be read" in files[1].note
    assert files[3].note == (
        f"left out: {folder / 'tiny.png'}: 5x9 pixels are too few to translate: 8x8 are needed"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_it_is_a_mistake_where_no_file_can_be_read(run: Run, tmp_path: Path) -> None:
    bad = [tmp_path / "in" / f"{i}.png" for i in range(3)]
    for path in bad:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\x89PNG\r\n\x1a\nbut no image")
    with pytest.raises(LimnerError, match=r"0\.png cannot be read: .*, and 2 others neither$"):
        list(explore.translate_files(run, [tmp_path / "in"], tmp_path / "out"))
    with pytest.raises(LimnerError, match=r"0\.png cannot be read") as error:
        list(explore.translate_files(run, bad[:1], tmp_path / "out"))
    assert "neither" not in str(error.value)


def test_a_very_large_file_needs_the_trained_size(run: Run, tmp_path: Path) -> None:
    side = int(MOST_PIXELS**0.5) + 8
    path = tmp_path / "large.png"
    Image.new("L", (side, side)).save(path)
    with pytest.raises(LimnerError, match="more than 4 million pixels: leave --full-size out"):
        list(explore.translate_files(run, [path], tmp_path / "out", full_size=True))
    assert read(targets(run, [path], tmp_path / "out")[0]).shape == (3, 24, 20)


def test_no_image_is_written_over(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    a, b = paint(folder / "a.png"), paint(folder / "b.png", seed=1)
    other = paint(tmp_path / "other" / "a.png", seed=2)
    before = {path: path.read_bytes() for path in (a, b, other)}
    (tmp_path / "link").symlink_to(folder)
    cases: list[tuple[list[Path], Path, str]] = [
        ([a], folder, "would be written over: give another --out"),
        ([b, a], tmp_path / "link", "would be written over: give another --out"),
        ([folder], folder, "lies in a folder that is translated: give another --out"),
        ([folder], folder / "out", "lies in a folder that is translated"),
        ([tmp_path / "link"], folder / "out", "lies in a folder that is translated"),
        ([a, other], tmp_path / "out", "two images would become"),
        ([folder, tmp_path / "other"], tmp_path / "out", "two images would become"),
    ]
    for sources, out, message in cases:
        with pytest.raises(LimnerError, match=message):
            list(explore.translate_files(run, sources, out))
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "out").exists(), "nothing is written before that is known"
    assert len(targets(run, [a, a], tmp_path / "out")) == 1, "the same file twice is one"
    translation = (tmp_path / "out" / "a.png").read_bytes()
    with pytest.raises(LimnerError, match=r"a\.png would be written over"):
        targets(run, [folder], tmp_path / "out")
    assert (tmp_path / "out" / "a.png").read_bytes() == translation


def test_sources_that_are_not_there_or_empty_are_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, message in (("gone.png", "there is no "), ("empty", "no images in .*: give .png, .jpg")):
        with pytest.raises(LimnerError, match=message):
            list(explore.translate_files(run, [tmp_path / source], tmp_path / "out"))


# -- what is loaded ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("to", ["A", "B"])
def test_only_the_network_that_translates_is_read(
    run: Run, tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors: list[str] = []

    class Recorded:
        """The file, which notes the tensors that are read."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.context = safe_open(*arguments, **options)

        def __enter__(self) -> Recorded:
            self.file = self.context.__enter__()
            return self

        def __exit__(self, *arguments: Any) -> None:
            self.context.__exit__(*arguments)

        def keys(self) -> list[str]:
            return list(self.file.keys())

        def get_tensor(self, name: str) -> Tensor:
            tensors.append(name)
            return self.file.get_tensor(name)  # type: ignore[no-any-return]

    monkeypatch.setattr(checkpoint, "safe_open", Recorded)
    fresh = Run(run.path, trust=True)
    targets(fresh, [paint(tmp_path / "a.png")], tmp_path / "out", to)
    assert {name.split(".")[0] for name in tensors} == {f"G_{to}"}
    assert "model" not in vars(fresh), "the whole model is never made"


def test_a_weights_file_without_the_other_networks_is_enough(run: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run.path, tmp_path / "copy"))
    weights, images = read_weights(copy / "weights.safetensors")
    kept = {name: value for name, value in weights.items() if name.startswith("G_B.")}
    assert 0 < len(kept) < len(weights) / 2
    os.remove(copy / "weights.safetensors")
    os.remove(copy / "state.pt")
    write_weights(copy / "weights.safetensors", kept, images)
    fresh = Run(copy, trust=True)
    written = targets(fresh, [paint(tmp_path / "a.png")], tmp_path / "out", "B")
    x = to_float(read(tmp_path / "a.png"))[None]
    assert torch.equal(read(written[0]), to_uint8(run.model.translate(x, to="B"))[0])


def test_the_network_is_that_of_the_model(run: Run) -> None:
    x = to_float(run.domains.b.test.pixels[:2])
    network = load_translator(run, "A")
    assert not network.training
    torch.testing.assert_close(network(x), run.model.translate(x, to="A"))
