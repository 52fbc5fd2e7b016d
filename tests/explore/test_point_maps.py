"""Images as points: features, layouts, the way back to codes, densities, neighbours, and copies."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde
from small import DOMAIN_MODELS, IMAGE_MODELS, blobs, small, small_source

import limner
from limner.data import Dataset
from limner.errors import LimnerError
from limner.explore import Place, Plane, PointMap, Selection, map_points, nearest_training
from limner.explore.layouts import SIDE, density, lay_out, neighbours_kept
from limner.explore.maps import project
from limner.explore.point_maps import finish, map_spaces, map_steps
from limner.explore.samples import draw_samples
from limner.metrics.features import extractor
from limner.models.abilities import Encodes, Samples
from limner.training import Run
from limner.training.codes import decode_codes, encode_images
from limner.tsne import MARK, MOST_COMPONENTS, shorten_codes, tsne


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")
    settings = {"images": 20, "batch": 20, "quiet": True, "on_trouble": "ignore"}
    return {
        model: limner.train(model, "digits", out=folder / model, **small(model) | settings)
        for model in IMAGE_MODELS
    }


def test_every_model_has_the_maps_it_can_have(runs: dict[str, Run]) -> None:
    for run in runs.values():
        spaces = map_spaces(run)
        assert ("codes" in spaces) == isinstance(run.model, Encodes)
        assert ("features" in spaces) == isinstance(run.model, Samples)
        for space in spaces:
            chosen = map_points(run, Selection(space=space, n=20))
            assert len(chosen) == len(chosen.features) == len(chosen.index) == 20
            assert chosen.real == (20 if space == "codes" else 10)
            for method in chosen.methods[:-1]:
                assert chosen.lay_out(method).points.shape == (20, 2)


def test_a_model_that_translates_has_no_map(tmp_path: Path) -> None:
    model = DOMAIN_MODELS[0]
    source = small_source(model, tmp_path)
    settings = {"images": 4, "batch": 2, "quiet": True, "on_trouble": "ignore"}
    run = limner.train(model, source, out=tmp_path / "run", **small(model) | settings)
    with pytest.raises(LimnerError, match="has no map"):
        map_points(run)


def test_codes_are_those_of_the_images(runs: dict[str, Run]) -> None:
    run = runs["vae"]
    chosen = map_points(run, Selection(split="train", n=300))
    pixels = run.data.train.pixels[chosen.index]
    assert torch.equal(chosen.pixels, pixels)
    assert torch.equal(chosen.features, torch.cat([encode_images(run.model, p) for p in pixels.split(250)]))
    assert run.data.train.labels is not None
    assert chosen.labels is not None
    assert torch.equal(chosen.labels, run.data.train.labels[chosen.index])
    assert len(chosen.index.unique()) == 300
    assert chosen.class_names == [str(k) for k in range(10)]


def test_features_are_of_real_images_and_of_samples_by_seed(runs: dict[str, Run]) -> None:
    run = runs["dcgan"]
    steps = map_steps(run, Selection(space="features", n=60))
    shares = [next(steps)]
    chosen = finish(steps)
    assert 0 < shares[0] < 1
    assert chosen.real == 30
    assert chosen.index[30:].tolist() == list(range(30))
    assert torch.equal(chosen.pixels[37], draw_samples(run, 1, seed=[7])[0])
    network = extractor(run.data)
    assert torch.allclose(chosen.features, network.features(chosen.pixels), atol=1e-4)
    assert chosen.labels is not None
    assert torch.equal(chosen.labels[30:], network.classify(chosen.pixels[30:]).argmax(1))
    assert chosen.methods == ["pca", "tsne"]
    assert chosen.lay_out("pca").inverse is None


def test_without_a_feature_network_pixels_lay_out(tmp_path: Path) -> None:
    shape = (1, 16, 16)
    dataset = Dataset("discs", "discs", blobs(60, shape), blobs(20, shape, seed=1), None, (), "0")
    settings = {"images": 20, "batch": 10, "quiet": True, "on_trouble": "ignore"}
    run = limner.train("dcgan", dataset, out=tmp_path / "run", **small("dcgan") | settings)
    chosen = map_points(run, Selection(space="features", n=20))
    assert chosen.title.startswith("pixels; ")
    assert "limner evaluate" in chosen.notes[-1]
    assert torch.equal(chosen.features, chosen.pixels.flatten(1) / 255)
    with pytest.raises(LimnerError, match="limner evaluate trains one"):
        nearest_training(run, by="features")


def test_pca_has_a_way_back_to_codes(runs: dict[str, Run]) -> None:
    torch.manual_seed(0)
    z = torch.randn(40, 2).numpy() @ np.array([[3.0, 1.0, 0.0], [0.0, 1.0, 2.0]]) + 5  # on a plane
    layout = lay_out(z, "pca", decodes=True)
    assert layout.inverse is not None
    for point, code in zip(layout.points, z, strict=True):
        assert np.allclose(layout.inverse.code(point), code, atol=1e-6)
    assert np.allclose(layout.points, project(z, "pca")[0])
    line = lay_out(z[:, :1], "pca", decodes=True)
    assert line.inverse is not None
    assert np.allclose(line.inverse.code(line.points[3]), z[3, :1])
    assert "other 1 directions" in layout.notes[-1]
    assert not any("directions" in note for note in line.notes)
    assert "no inverse" in lay_out(z, "pca", decodes=False).notes[0]
    run = runs["vae"]
    plane, code = Plane(run), (0.5, -1.0) if run.model.latent.dim == 2 else (0.5,) * run.model.latent.dim
    pixels = plane.pixels([Place(base="code", code=code)])
    decoded = decode_codes(run.model, torch.tensor([code]))
    assert torch.equal(pixels, ((decoded + 1) * 127.5).round().clamp(0, 255).byte())
    with pytest.raises(LimnerError, match="numbers"):
        plane.pixels([Place(base="code", code=(1.0,) * 7)])


def test_two_numbers_are_a_map_as_they_are() -> None:
    z = torch.randn(30, 2)
    chosen = PointMap(torch.zeros(30, 1, 4, 4).byte(), z, torch.arange(30), None, None, 30, "", decodes=True)
    assert chosen.methods == ["codes", "pca", "tsne"]
    layout = chosen.lay_out("codes")
    assert np.array_equal(layout.points, z.numpy())
    assert layout.kept == 1
    assert layout.inverse is not None
    assert np.array_equal(layout.inverse.code(layout.points[4]), z[4].double().numpy())
    with pytest.raises(LimnerError, match="no map called 'umap'"):
        chosen.lay_out("umap")


def test_density_is_a_kernel_density() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(400, 2)) @ np.array([[1.0, 0.4], [0.0, 0.7]])
    points -= points.mean(0)
    points = points @ np.linalg.inv(np.linalg.cholesky(np.cov(points.T))).T  # covariance 1: scipy's kernel
    mine, reference = density(points), gaussian_kde(points.T)  # Scott's rule too
    cells = [mine.low[i] + (np.arange(SIDE) + 0.5) / SIDE * (mine.high[i] - mine.low[i]) for i in (0, 1)]
    x, y = np.meshgrid(*cells)
    assert np.allclose(mine.values, reference(np.stack([x.ravel(), y.ravel()])).reshape(SIDE, SIDE))
    assert np.isclose((reference(points.T) < mine.edge).mean(), 0.01, atol=0.003)
    assert density(np.zeros((5, 2))).edge > 0  # all points the same


def test_neighbours_are_kept_or_lost() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 2))
    assert neighbours_kept(z, 3 * z) == 1
    assert neighbours_kept(z, rng.normal(size=(200, 2))) < 0.15


def test_nearest_points_are_nearest() -> None:
    pixels = torch.randint(0, 256, (300, 1, 4, 4)).byte()
    z = torch.randn(300, 3)
    near = PointMap(pixels, z, torch.arange(300), None, None, 300, "").nearest(7, 5)
    for key, x in (("features", z), ("pixels", pixels.flatten(1) / 255)):
        order = (x - x[7]).norm(dim=1).argsort().tolist()
        assert [i for i, _ in near[key]] == order[1:6]
        assert near[key][2][1] == pytest.approx(float((x[order[3]] - x[7]).norm()), abs=1e-5)
    assert [i for i, _ in near["pixels"]] != [i for i, _ in near["features"]]


def test_mean_image_is_the_mean() -> None:
    pixels = torch.randint(0, 256, (600, 3, 4, 4)).byte()
    chosen = PointMap(pixels, torch.zeros(600, 3), torch.arange(600), None, None, 600, "")
    assert torch.equal(chosen.mean_image(range(600)), pixels.double().mean(0).round().byte())
    for points in ([], [600], [-1]):
        with pytest.raises(LimnerError, match="point"):
            chosen.mean_image(points)


# -- t-SNE ------------------------------------------------------------------------------------------------
def test_tsne_in_a_process_of_its_own_is_the_same() -> None:
    z = np.random.default_rng(0).normal(size=(30, 60)).astype(np.float32)
    file = io.BytesIO()
    np.save(file, z)
    command = [sys.executable, "-m", "limner.tsne"]
    done = subprocess.run(command, input=file.getvalue(), capture_output=True)
    lines = done.stdout.decode().splitlines()
    assert any("Iteration 50" in line for line in lines)  # what a bar follows
    assert lines[-1].startswith(MARK)
    points = np.frombuffer(base64.b64decode(lines[-1].removeprefix(MARK)), "<f4")
    assert np.allclose(points.reshape(-1, 2), tsne(shorten_codes(z)), atol=1e-3)
    file = io.BytesIO()
    np.save(file, np.ones((20, 3)))
    done = subprocess.run(command, input=file.getvalue(), capture_output=True)
    assert done.returncode == 1
    assert b"limner: all 20 codes are the same" in done.stderr
    assert b"Traceback" not in done.stderr


def test_long_codes_are_shortened_and_short_ones_are_not() -> None:
    z = np.random.default_rng(0).normal(size=(80, 70))
    assert shorten_codes(z).shape == (80, MOST_COMPONENTS)
    assert shorten_codes(z[:, :9]) is not None
    assert np.array_equal(shorten_codes(z[:, :9]), z[:, :9])


# -- copies -----------------------------------------------------------------------------------------------
def test_the_nearest_training_image_is_the_nearest(runs: dict[str, Run], digits: Dataset) -> None:
    run = runs["dcgan"]
    result = nearest_training(run, n=5)
    train = digits.train.pixels.flatten(1).double() / 255
    distance = torch.cdist(result.samples.flatten(1).double() / 255, train)
    assert torch.equal(result.position, distance.argmin(1))
    assert torch.allclose(result.distance, distance.min(1).values, atol=1e-5)
    assert torch.equal(result.images, digits.train.pixels[result.position])
    tests = result.test_distance
    assert result.nearer.tolist() == [float((tests < d).double().mean()) for d in result.distance]
    assert result.total == len(digits.train)
    by_features = nearest_training(run, n=5, by="features")
    assert by_features.measure == "features of digits-cnn-v1"
    assert (by_features.distance != result.distance).all()


def test_copies_are_nearer_than_all_test_images(
    runs: dict[str, Run], digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = digits.train.pixels[40:44]
    monkeypatch.setattr("limner.explore.copies.draw_samples", lambda *_, **__: copies)
    result = nearest_training(runs["vae"], n=4)
    assert result.position.tolist() == [40, 41, 42, 43]
    assert result.distance.tolist() == result.nearer.tolist() == [0, 0, 0, 0]
    assert "0.00 for the median sample" in result.summary
    assert "4 of 4 samples are nearer than 95% of test images are; about 0 would be" in result.summary
