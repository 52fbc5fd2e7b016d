"""The images of a run as its model sees them, without a class left out, and the previews of its training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from explore.fakes import (
    NAMES,
    SHAPE,
    Coder,
    Plain,
    codes,
    run_of,
)
from PIL import Image
from small import blobs
from torch import Tensor

import limner
from limner import explore
from limner.data import Dataset
from limner.errors import LimnerError
from limner.explore.timeline import preview_history, read_previews
from limner.figures import grid
from limner.training import Run


def test_pictures_show_images_as_the_model_sees_them(trained: Run, tmp_path: Path) -> None:
    class Binary(Coder):
        def view(self, pixels: Tensor) -> Tensor:
            return (pixels > 127).to(torch.uint8) * 255

        def score(self, x: Tensor) -> Tensor:
            return x.flatten(1).mean(1)

    run = run_of(trained, Binary(codes(256)))
    grid(trained.original.test.pixels[3:4], scale=1).crop((2, 2, 18, 18)).save(tmp_path / "three.png")
    file, test = explore.reconstruct(run, [tmp_path / "three.png"]), explore.reconstruct(run, n=20)
    for data in (file.data, test.data):
        assert set(data["pixels"].unique().tolist()) == {0, 255}
        assert data["mse"].max() == 0
    assert len(explore.similar(run, tmp_path / "three.png").data["by_pixels"]) == 8
    assert set(explore.anomalies(run).data["pixels"].unique().tolist()) == {0, 255}


def test_a_class_that_was_left_out_is_not_among_the_training_images(tmp_path: Path) -> None:
    train, test = blobs(60, SHAPE), blobs(20, SHAPE, seed=1)
    dataset = Dataset("discs", "discs", train, test, NAMES, (), "0")
    out = tmp_path / "run"
    run = limner.train("autoencoder", dataset, leave_out="upper left", images=60, quiet=True, out=out)
    left_out = int((train.labels == 0).sum())  # type: ignore[union-attr]
    assert left_out > 0
    assert len(explore.embed(run).codes) == 80 - left_out
    labels = [near["label"] for near in explore.similar(run, 0, n=60).data["by_code"]]
    assert len(labels) == 60 - left_out
    assert "upper left" not in labels


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 28, 20), (3, 64, 64)])
def test_previews_are_read_back_as_they_were_written(trained: Run, shape: tuple[int, int, int]) -> None:
    run = run_of(trained, Plain())
    record = run.config.data.model_copy(update={"shape": shape})
    run.config = run.config.model_copy(update={"data": record})
    images = {count: blobs(10, shape, seed=count).pixels for count in (100, 2000)}
    folder = run.path / "samples"
    for path in folder.glob("*.png"):
        path.unlink()
    with pytest.raises(LimnerError, match="run has no pictures in samples/"):
        preview_history(run)
    for count, pixels in images.items():
        grid(pixels).save(folder / f"{count:09d}.png")
    previews = read_previews(run, 10)
    assert list(previews) == [100, 2000]
    assert all(torch.equal(previews[count], images[count]) for count in images)
    assert [len(row) for row in preview_history(run, 4).data["pixels"].values()] == [4, 4]
    assert read_previews(run, 50)[100].shape == (12, *shape), "a grid of 3 rows has two empty cells"


def test_a_gif_of_training_has_a_frame_for_each_preview(trained: Run, tmp_path: Path) -> None:
    run = run_of(trained, Plain())
    folder = run.path / "samples"
    for path in folder.glob("*.png"):
        path.unlink()
    for count in (0, 100, 2000, 123_456):
        grid(blobs(12, run.shape, seed=count).pixels).save(folder / f"{count:09d}.png")
    with Image.open(preview_history(run).save(tmp_path / "x.gif")) as gif:
        assert gif.n_frames == 4  # type: ignore[attr-defined]
        gif.seek(3)
        assert gif.info["duration"] > 1000, "the last frame stays"
    with pytest.raises(LimnerError, match="n must be at least 1, not 0"):
        preview_history(run, 0)
