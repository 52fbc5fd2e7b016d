"""Every picture of every model that allows it: shapes, order, messages, and no random state changed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from small import DOMAIN_MODELS, blobs, negatives, small

import limner
from limner import explore
from limner.errors import LimnerError
from limner.explore import manifolds, samples
from limner.explore.abilities import NEEDS
from limner.explore.ranking import save_ranking
from limner.explore.samples import draw_samples, fitted_priors
from limner.metrics.codes import knn_accuracy_leave_one_out
from limner.models import MODELS
from limner.models.abilities import abilities
from limner.training import Run, load

SHAPES = {"28x20x1": (1, 28, 20), "28x20x3": (3, 28, 20)}
COLOURED = ("vae", "caae", "cyclegan", "stylegan")  # every ability in colour; in grey: test_picture_verbs
RUNS = [(model, "28x20x3" if model in COLOURED else "28x20x1") for model in MODELS]
LOOKS: dict[str, Callable[[Run], Any]] = {
    "sample": lambda run: explore.sample(run, 5),
    "reconstruct": lambda run: explore.reconstruct(run, n=5),
    "interpolate": lambda run: explore.interpolate(run, pairs=2, steps=4),
    "traverse": lambda run: explore.traverse(run, dims=3, steps=4),
    "manifold": lambda run: explore.manifold(run, steps=3),
    "map": lambda run: explore.map_codes(run, "pca", n=30),
    "similar": lambda run: explore.similar(run, 0, n=3),
    "anomalies": lambda run: explore.anomalies(run, n=9),
    "embed": lambda run: explore.embed(run),
    "translate": lambda run: explore.translate(run, n=3),
    "mix": lambda run: explore.mix(run, [1], [2, 3]),
    "noise": lambda run: explore.noise(run, [1, 2], 2),
    "directions": lambda run: explore.directions(run, 2, 3),
}


@pytest.fixture(scope="module", params=RUNS, ids="-".join)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a model on discs, trained for a moment."""
    model, size = request.param
    folder = tmp_path_factory.mktemp("explore")
    train, test = blobs(200, SHAPES[size]), blobs(40, SHAPES[size], seed=1)
    arrays = {"x_train": train.pixels, "y_train": train.labels, "x_test": test.pixels, "y_test": test.labels}
    np.savez(folder / "discs.npz", **{name: np.asarray(array) for name, array in arrays.items()})
    data: Any = folder / "discs.npz"
    if model in DOMAIN_MODELS:
        np.savez(folder / "negatives.npz", images=negatives(blobs(60, SHAPES[size], seed=2)).pixels)
        data = (data, folder / "negatives.npz")
    trained = limner.train(
        model,
        data,
        images=100,
        batch=50,
        channels=SHAPES[size][0],
        quiet=True,
        out=folder / "run",
        **small(model),
    )
    assert trained.shape == SHAPES[size]
    return trained


@pytest.mark.parametrize("verb", LOOKS)
def test_a_look_gives_a_picture_or_says_why_not(run: Run, verb: str, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    if not set(NEEDS[verb]) <= set(abilities(run.model)):
        with pytest.raises(LimnerError, match=f"so {verb} cannot use it; (sample|translate).* can$"):
            LOOKS[verb](run)
        return
    picture, again = LOOKS[verb](run), LOOKS[verb](run)
    assert torch.equal(torch.get_rng_state(), state)
    if verb == "embed":
        assert np.array_equal(picture.codes, again.codes)
        return
    assert picture.image.tobytes() == again.image.tobytes()
    coloured = run.shape[0] == 3 or verb in ("traverse", "map", "mix", "noise")
    assert picture.image.mode == ("RGB" if coloured else "L")
    path = picture.save(tmp_path / "new" / "picture.png")
    with Image.open(path) as image:
        assert image.size == picture.image.size
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_traversals_are_sorted_and_move_one_variable(run: Run) -> None:
    if "decode" not in abilities(run.model):
        return  # test_picture_verbs tests the message
    data = explore.traverse(run, dims=4, steps=3).data
    shown = data["order"][: len(data["codes"])]
    assert (np.diff(data["importance"][data["order"]]) <= 0).all()
    for row, i in enumerate(shown):
        moved = np.delete(data["codes"][row] - data["base"], i, axis=1)
        assert np.abs(moved).max(initial=0) == 0
        assert (np.diff(data["codes"][row][:, i]) >= 0).all()


def test_interpolations_end_at_the_codes(run: Run) -> None:
    if "decode" not in abilities(run.model):
        return  # test_picture_verbs tests the message
    data = explore.interpolate(run, pairs=2, steps=5).data
    assert data["paths"] == ["linear", "spherical"]
    assert data["codes"].shape[:2] == (4, 5)
    assert np.allclose(data["codes"][0::2][:, [0, -1]], data["codes"][1::2][:, [0, -1]], atol=1e-4)


def test_every_prior_can_be_sampled_and_is_stored(run: Run) -> None:
    if "sample" not in abilities(run.model):
        return  # test_picture_verbs tests the message
    if "prior" not in type(run.model).sampling_options():
        with pytest.raises(LimnerError, match="made from noise, so there is no prior to choose"):
            explore.sample(run, prior="full")
        assert explore.sample(run, 3).data["prior"] is None
        return
    for name in ("gaussian", "full", "gmm"):
        picture = explore.sample(run, 300, prior=name)
        assert picture.data["pixels"].shape == (300, *run.shape)
        assert picture.data["prior"] == name
        assert name in picture.notes[0]
    assert all(prior.fitted for prior in load(run.path).model.latent.priors.values())
    other = explore.sample(run, 4, prior="full", seed=1).data["pixels"]
    assert not torch.equal(other, explore.sample(run, 4, prior="full", seed=2).data["pixels"])


def test_fitting_a_prior_does_not_change_the_samples(run: Run) -> None:
    if "sample" not in abilities(run.model):
        return
    fresh = load(run.path)  # fits where the weights do not have it yet
    for name in [None, *fitted_priors(fresh)]:
        first, again = (draw_samples(fresh, 3, seed=4, prior=name) for _ in range(2))
        assert torch.equal(first, again)


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("vae") / "run"
    return limner.train("vae", "digits", latent_dim=2, images=2000, batch=50, quiet=True, out=out)


@pytest.fixture
def pictures(vae: Run, tmp_path: Path) -> Path:
    """A folder with a training image as it is, a large colour photograph and a broken file."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(vae.data.train.pixels[7, 0].numpy()).save(folder / "seven.png")
    noise = np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)
    Image.fromarray(noise).save(folder / "wide.jpg")
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    return folder


def test_a_training_image_is_nearest_to_itself(vae: Run, pictures: Path) -> None:
    data = explore.similar(vae, pictures / "seven.png", n=5).data
    for by in ("by_code", "by_pixels"):
        first, distances = data[by][0], [one["distance"] for one in data[by]]
        assert (first["index"], first["name"], first["distance"]) == (
            7,
            vae.data.train.names[7],
            pytest.approx(0, abs=1e-5),
        )
        assert first["label"] == str(int(vae.data.train.labels[7]))  # type: ignore[index]
        assert distances == sorted(distances)
    exact = (vae.data.train.pixels.float() - vae.data.train.pixels[7]).div(255).flatten(1).norm(dim=1)
    assert [one["distance"] for one in data["by_pixels"]] == pytest.approx(
        exact.sort().values[:5].tolist(), abs=1e-4
    )


def test_files_of_a_user_are_fitted_with_a_note(vae: Run, pictures: Path) -> None:
    picture = explore.reconstruct(vae, [pictures])
    assert [Path(name).name for name in picture.data["names"]] == ["seven.png", "wide.jpg"]
    assert torch.equal(picture.data["pixels"][0], vae.data.train.pixels[7])
    notes = " ".join(picture.notes)
    for word in ("wide.jpg", "28x28", "skipped", "broken.png"):
        assert word in notes
    error = (picture.data["reconstructions"].float() - picture.data["pixels"].float()) / 255
    assert np.allclose(picture.data["mse"], error.square().flatten(1).mean(1), atol=2e-3)
    one = explore.reconstruct(vae, [pictures], n=1)
    assert "first 1 of 2" in one.notes[-1]


def test_the_strangest_come_first_and_all_are_listed(vae: Run, pictures: Path, tmp_path: Path) -> None:
    files = [str(pictures / "seven.png"), str(pictures / "wide.jpg")]
    own = explore.anomalies(vae, files).data["ranking"]
    assert sorted(one["name"] for one in own) == files
    assert own[0]["score"] >= own[1]["score"]
    ranking = explore.anomalies(vae, n=3).data["ranking"]
    path = save_ranking(ranking, tmp_path / "ranking.csv")
    rows = list(csv.DictReader(path.open()))
    assert [int(row["rank"]) for row in rows] == list(range(1, len(vae.data.test) + 1))
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert sorted(int(row["index"]) for row in rows) == list(range(len(rows)))
    labels = vae.data.test.labels
    assert all(row["label"] == str(int(labels[int(row["index"])])) for row in rows)  # type: ignore[index]


def test_codes_are_written_with_names_and_labels(vae: Run, pictures: Path, tmp_path: Path) -> None:
    picture = explore.embed(vae)
    with np.load(picture.save(tmp_path / "codes.npz")) as file:
        assert np.array_equal(file["codes"], picture.codes)
        assert file["names"].tolist() == picture.names
        assert file["names"].tolist() == [f"row {i}" for i in range(1797)]
        assert file["labels"].tolist() == load_digits().target.tolist()
    rows = list(csv.reader(picture.save(tmp_path / "codes.csv").open()))
    assert rows[0] == ["name", "label", "z0", "z1"]
    assert np.array_equal(np.array([row[2:] for row in rows[1:]], np.float32), picture.codes)
    own = explore.embed(vae, [pictures / "seven.png"])
    assert [Path(name).name for name in own.names] == ["seven.png"]
    assert np.allclose(own.codes[0], picture.codes[7], atol=1e-5)
    assert any("broken.png" in note for note in explore.embed(vae, str(pictures)).notes)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "npz"])
def test_codes_are_in_the_order_of_the_files(vae: Run, packed: bool, tmp_path: Path) -> None:
    pixels = vae.data.train.pixels[:30]
    (tmp_path / "photos").mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image[0].numpy()).save(tmp_path / f"photos/photo {i:02d}.png")
    np.savez(tmp_path / "photos.npz", images=pixels)
    source = tmp_path / ("photos.npz" if packed else "photos")
    one_by_one = explore.embed(vae, [tmp_path / f"photos/photo {i:02d}.png" for i in range(30)])
    for embedding in (explore.embed(vae, source), explore.embed(vae, source)):  # decoded, and from the cache
        assert embedding.names == [f"row {i}" if packed else f"photo {i:02d}.png" for i in range(30)]
        assert np.allclose(embedding.codes, one_by_one.codes, atol=1e-5)
    ranking = explore.anomalies(vae, source).data["ranking"]
    assert all(embedding.names[row["index"]] == row["name"] for row in ranking)


def test_the_only_image_of_a_folder_is_embedded_once(vae: Run, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    Image.new("L", (28, 28), 90).save(tmp_path / "one/grey.png")
    assert explore.embed(vae, tmp_path / "one").names == ["grey.png"]


def test_a_picture_of_samples_says_what_it_is(vae: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr(samples, "sheet", lambda rows, title, **_: titles.append(title))
    explore.sample(vae, 5, seed=3)
    assert titles == [f"{vae.name}: 5 new images, codes from N(0,\N{NO-BREAK SPACE}I), seed 3"]


def test_a_manifold_of_a_larger_code_is_around_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = limner.train("vae", "digits", latent_dim=5, images=500, quiet=True, out=tmp_path / "run")
    titles: list[str] = []
    monkeypatch.setattr(manifolds, "sheet", lambda rows, title, **_: titles.append(title))
    data = explore.manifold(run, steps=3).data
    others = [i for i in range(5) if i not in data["dims"]]
    base = explore.traverse(run, 0).data["base"]
    assert np.allclose(data["codes"][..., others], base[others], atol=1e-6)
    assert set(data["dims"]) == set(explore.traverse(run).data["order"][:2].tolist())
    assert "the two of 5 variables that change the image most; the other 3 as in test image 0" in titles[0]


def test_channel_means_are_offered_where_there_are_channels(vae: Run, tmp_path: Path) -> None:
    lab2 = limner.train("conv-autoencoder", "digits", images=500, quiet=True, out=tmp_path / "lab2")
    flat, means = explore.embed(lab2).codes, explore.embed(lab2, codes="channels").codes
    assert (flat.shape[1], means.shape[1]) == (256, 64)
    assert np.allclose(flat.reshape(-1, 64, 4).mean(2), means, atol=1e-5)
    assert explore.map_codes(lab2, "pca", n=20, codes="channels").data["codes"].shape == (20, 64)
    with pytest.raises(LimnerError, match="no channels"):
        explore.embed(vae, codes="channels")


def test_a_map_counts_neighbours_on_codes_and_pixels(vae: Run) -> None:
    data = explore.map_codes(vae, "pca", n=60).data
    for by, x in (("codes", torch.from_numpy(data["codes"])), ("pixels", None)):
        assert 0 <= data["accuracy"][by] <= 1
        if x is not None:
            assert data["accuracy"][by] == knn_accuracy_leave_one_out(x, torch.from_numpy(data["labels"]))
    centred = data["codes"] - data["codes"].mean(0)  # two dimensions: a rotation
    assert np.allclose(np.linalg.norm(centred, axis=1), np.linalg.norm(data["points"], axis=1), atol=1e-4)


def test_the_manifold_of_a_vae_is_decoded_from_normal_quantiles(vae: Run) -> None:
    data = explore.manifold(vae, steps=3).data
    assert data["dims"] == (0, 1)
    assert np.allclose(data["values"][0], [-0.96742, 0, 0.96742], atol=1e-4)
    with torch.no_grad():
        corner = vae.model.decode(torch.tensor([[-0.96742, 0.96742]]))  # type: ignore[operator]
    assert (data["pixels"][0, 0] - limner.data.to_uint8(corner)[0].float()).abs().max() <= 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (lambda run: explore.sample(run, 0), "n must be at least 1"),
        (lambda run: explore.sample(run, 10**12), "a picture holds at most"),
        (lambda run: explore.interpolate(run, steps=10**7), "a picture holds at most"),
        (lambda run: explore.traverse(run, steps=10**8), "a picture holds at most"),
        (lambda run: explore.manifold(run, steps=2000), "a picture holds at most"),
        (lambda run: explore.sample(run, prior="gauss"), "no prior called 'gauss': did you mean 'gaussian'"),
        (lambda run: explore.interpolate(run, path="round"), "no path called 'round'"),
        (lambda run: explore.interpolate(run, [1]), "give two, not 1"),
        (lambda run: explore.traverse(run, 10**6), "no test image 1000000: digits has 0 to"),
        (lambda run: explore.traverse(run, span=0), "span above 0 are needed"),
        (lambda run: explore.manifold(run, (0, 2)), "from 0 to 1, not 0, 2"),
        (lambda run: explore.map_codes(run, "umap"), "no map called 'umap'"),
        (lambda run: explore.map_codes(run, n=3), "at least 10 images, not 3"),
        (lambda run: explore.similar(run, "nowhere.png"), "nowhere.png"),
        (lambda run: explore.sample(run).save("x.txt"), r"x.txt ends in '.txt': it must end in .png"),
        (lambda run: explore.sample(run).save("/"), "/ is a folder"),
    ],
)
def test_a_mistake_has_its_message(vae: Run, look: Callable[[Run], Any], message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        look(vae)
