"""Images with other labels: the picture, files in a folder, notes on unusual files, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import blobs, small
from torch import Tensor

import limner
from limner import explore
from limner.cli import run as cli
from limner.data import Dataset, to_uint8
from limner.errors import LimnerError
from limner.explore import edits
from limner.models.caae import CAAE
from limner.training import Run

SHAPE = (1, 20, 16)
NAMES = ("up left", "up right", "down/left", "down")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    dataset = Dataset("discs", "discs", blobs(60, SHAPE), blobs(40, SHAPE, seed=1), NAMES, (), "0")
    out = tmp_path_factory.mktemp("runs") / "run"
    return limner.train("caae", dataset, images=40, batch=20, quiet=True, out=out, **small("caae"))


@pytest.fixture
def run(trained: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run whose model adds a hundredth of the label's number, and makes grey of what is dark on white."""

    def change(model: CAAE, x: Tensor, y: Tensor) -> Tensor:
        strange = (x.mean((1, 2, 3)) > 0)[:, None, None, None]
        return torch.where(strange, torch.zeros_like(x), x) + 0.1 * y[:, None, None, None].float()

    monkeypatch.setattr(CAAE, "edit", change)
    return trained


def paint(path: Path, level: int, size: tuple[int, int] = (20, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, level, np.uint8)).save(path)
    return path


def test_a_row_has_the_image_its_reconstruction_and_every_label(run: Run) -> None:
    picture = explore.edit(run, n=3)
    data = picture.data
    labels = data["labels"]
    x = data["pixels"].float() / 127.5 - 1
    assert data["edited"].shape == (3, 4, *SHAPE)
    for label in range(4):
        assert torch.equal(data["edited"][:, label], to_uint8(x + 0.1 * label))
    assert torch.equal(data["reconstructions"], to_uint8(x + 0.1 * labels[:, None, None, None]))
    assert data["classes"] == list(NAMES)
    assert data["error"][labels == 0] == pytest.approx(0)
    some = explore.edit(run, n=2, to=["down", "up left"])
    assert some.data["edited"].shape == (2, 2, *SHAPE)
    assert torch.equal(some.data["edited"][:, 1], some.data["pixels"])


def test_a_file_is_reconstructed_with_the_label_of_least_error(run: Run, tmp_path: Path) -> None:
    data = explore.edit(run, [paint(tmp_path / "dark.png", 20, (61, 47))]).data
    assert data["labels"].tolist() == [0]
    assert data["error"] == pytest.approx(0)
    assert not any("worse" in note for note in data["notes"])


def test_a_file_unlike_the_training_images_is_noted(run: Run, tmp_path: Path) -> None:
    files = [paint(tmp_path / "dark.png", 20), paint(tmp_path / "white.png", 255)]
    notes = [note for note in explore.edit(run, files).data["notes"] if "worse" in note]
    assert len(notes) == 1
    assert "white.png: its reconstruction is worse than that of 99% of the test images" in notes[0]
    assert "crop it" in notes[0]


def test_labels_go_with_their_images_over_many_batches(run: Run) -> None:
    pixels = torch.zeros(600, *SHAPE, dtype=torch.uint8)
    y = torch.arange(600) % 4
    assert isinstance(run.model, CAAE)
    edited = edits.edit_images(run.model, pixels, y)
    assert torch.equal(edited[:, 0, 0, 0], to_uint8(-1 + 0.1 * y.float()))


def test_the_verb_writes_a_picture_or_files(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.training.load", lambda name: run)
    file = str(paint(tmp_path / "me.png", 20))
    for verb in ("edit", "age"):
        assert cli([verb, str(run.path), file]) == 0
        assert (run.path / "edit.png").exists()
        (run.path / "edit.png").unlink()
    assert cli(["edit", str(run.path), file, "--to", "up right,down/left", "--out", "out"]) == 0
    assert "2 images" in capsys.readouterr().out
    assert sorted(path.name for path in Path("out").iterdir()) == ["me-down_left.png", "me-up_right.png"]
    expected = to_uint8(torch.tensor(20 / 127.5 - 1 + 0.2)).item()
    assert np.unique(np.asarray(Image.open("out/me-down_left.png"))).tolist() == [expected]


def test_mistakes_are_one_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.training.load", lambda name: run)
    a, b = (str(paint(tmp_path / folder / "me.png", 20)) for folder in "ab")
    for words, said in (
        ([a, "--to", "donw"], "knows no class 'donw': did you mean 'down'"),
        ([a, "--n", "0"], "n must be at least 1"),
        ([a, b, "--out", "out"], "two edited images would become out/me-up_left.png"),
        (["--out", "out"], "a folder is for image files that you name"),
        (["nowhere.png"], "nowhere.png"),
    ):
        assert cli(["edit", str(run.path), *words]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not Path("out").exists()
    one, other = paint(tmp_path / "mine" / "me.png", 20), paint(tmp_path / "mine" / "me-down.png", 30)
    before = other.read_bytes()
    assert (
        cli(["edit", str(run.path), str(one), str(other), "--to", "down", "--out", str(tmp_path / "mine")])
        == 2
    )
    assert "me-down.png would be written over" in capsys.readouterr().err
    assert other.read_bytes() == before
    with pytest.raises(LimnerError, match="name 1 to 30 labels, not 0"):
        explore.edit(run, to=[])


def test_no_file_in_a_folder_is_written_over(run: Run, tmp_path: Path) -> None:
    image = paint(tmp_path / "me.png", 20)
    files, _ = explore.edit_files(run, [image], tmp_path / "out", to="down")
    before = files[0].read_bytes()
    with pytest.raises(LimnerError, match=r"out/me-down\.png would be written over: give another --out"):
        explore.edit_files(run, [paint(image, 90)], tmp_path / "out", to="down")
    assert files[0].read_bytes() == before


def test_other_models_say_what_they_lack(tmp_path: Path) -> None:
    run = limner.train("autoencoder", "digits", images=50, quiet=True, out=tmp_path / "run")
    with pytest.raises(LimnerError, match="cannot give an image another label, so edit cannot use it"):
        explore.edit(run)
