"""`limner translate`: a picture, files and folders, mistakes in one line; and from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import small

import limner
from limner.cli import run as cli
from limner.data import Dataset, to_float, to_uint8
from limner.training import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    base = tmp_path_factory.mktemp("runs")
    for i, folder in enumerate(("trainA", "trainB", "testA", "testB")):
        for seed in range(4):
            paint(base / "sides" / folder / f"{seed}.png", seed=10 * i + seed)
    settings = small("cyclegan") | {"images": 2, "quiet": True}
    return limner.train("cyclegan", base / "sides", out=base / "run", **settings)


def paint(path: Path, size: tuple[int, int] = (24, 20), seed: int = 0) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size[::-1]).save(path)
    return str(path)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command says: exit code 2 and one line."""
    assert cli(["translate", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("limner: error: ")
    assert error.count("\n") == 1
    return error


def test_a_file_gets_the_trained_size_or_keeps_its_own(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = paint(tmp_path / "odd.png", (61, 47))
    for out, options, size in (("small", [], (24, 20)), ("large", ["--full-size"], (61, 47))):
        assert cli(["translate", str(run.path), file, "--to", "B", *options, "--out", out]) == 0
        assert capsys.readouterr().out == f"wrote {out}\n1 images\n"
        with Image.open(f"{out}/odd.png") as image:
            assert image.size == size[::-1]


def test_the_shell_gives_what_python_gives(run: Run, tmp_path: Path) -> None:
    file = paint(tmp_path / "a.png")
    with Image.open(file) as image:
        x = to_float(torch.from_numpy(np.array(image)).movedim(2, 0)[None])
    for to in "AB":
        assert cli(["translate", str(run.path), file, "--to", to, "--out", to, "--quiet"]) == 0
        expected = to_uint8(run.model.translate(x, to=to))[0].movedim(0, 2).numpy()
        with Image.open(f"{to}/a.png") as image:
            assert np.array_equal(np.array(image), expected)
    assert Path("A/a.png").read_bytes() != Path("B/a.png").read_bytes()


def test_a_folder_goes_into_a_folder(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["a.png", "deep/b.jpg"]
    for i, name in enumerate(names):
        paint(tmp_path / "in" / name, seed=i)
    (tmp_path / "in" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nbut no image")
    assert cli(["translate", str(run.path), "in", "--to", "A"]) == 0
    out = capsys.readouterr().out
    folder = run.path / "translate-A"
    assert out.splitlines()[1:] == [f"wrote {folder}", "2 images"]
    assert out.startswith("note: left out: in/bad.png cannot be read: ")
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.*")) == names
    assert cli(["translate", str(run.path), "in", "--to", "A"]) == 0
    assert f"wrote {folder}-2\n" in capsys.readouterr().out


def test_quiet_prints_nothing(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["translate", str(run.path), paint(tmp_path / "a.png"), "--out", "out", "--quiet"]) == 0
    assert cli(["translate", str(run.path), "--n", "2", "--out", "x.png", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("files", [[], ["a.png"]])
def test_a_picture_shows_the_way_back(
    run: Run, tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path / "a.png")
    assert cli(["translate", str(run.path), *files, "--to", "B", "--out", "rows.png"]) == 0
    assert "wrote rows.png" in capsys.readouterr().out
    with Image.open("rows.png") as image:
        assert min(image.size) > 3 * 20
    if not files:
        assert cli(["translate", str(run.path), "--n", "2"]) == 0
        assert (run.path / "translate.png").exists()


def test_mistakes_are_one_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, name = paint(tmp_path / "in" / "a.png"), str(run.path)
    before = Path(file).read_bytes()
    assert "--to" in refused(capsys, name, file, "--to", "C")
    assert "there is no gone.png" in refused(capsys, name, "gone.png", "--out", "out")
    assert "would be written over" in refused(capsys, name, file, "--out", "in")
    assert "lies in a folder that is translated" in refused(capsys, name, "in", "--out", "in/out")
    assert "--full-size is for image files" in refused(capsys, name, "--full-size")
    assert "--n is for a picture" in refused(capsys, name, file, "--n", "1", "--out", "out")
    Path("bad.png").write_bytes(b"not an image")
    assert "bad.png cannot be read" in refused(capsys, name, "bad.png", "--out", "out")
    paint(tmp_path / "tiny.png", (5, 9))
    assert "5x9 pixels are too few" in refused(capsys, name, "tiny.png", "--full-size", "--out", "out")
    assert Path(file).read_bytes() == before
    assert not Path("out").exists()


def test_a_model_that_does_not_translate_is_one_line(
    digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limner.train("autoencoder", digits, images=100, out=tmp_path / "other", quiet=True)
    message = "other is an Autoencoder: it does not translate between domains, so translate cannot use it"
    assert message in refused(capsys, "other")
    assert message in refused(capsys, "other", paint(tmp_path / "a.png"), "--out", "out")
    assert not Path("out").exists()
