"""Images, labels and splits in .npz files."""

import numpy as np
import pytest
import torch

import limner
from limner.cli import run as cli
from limner.data import load
from limner.errors import LimnerError


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 24, 20, 3), dtype=np.uint8)


def save(tmp_path, **arrays):
    np.savez(tmp_path / "my set.npz", **arrays)
    return tmp_path / "my set.npz"


def image_bytes(dataset):
    """The bytes of all images of both splits, sorted."""
    both = [*dataset.train.pixels, *dataset.test.pixels]
    return sorted(row.numpy().tobytes() for row in both)


def test_layouts_agree(tmp_path, images):
    last = load(save(tmp_path, images=images))
    first = load(save(tmp_path, x=images.transpose(0, 3, 1, 2)))
    assert last.shape == first.shape == (3, 24, 20)
    assert last.fingerprint == first.fingerprint
    assert (last.name, len(last.train), len(last.test)) == ("my-set", 18, 2)
    assert load(save(tmp_path, x=images[..., 0])).shape == (1, 24, 20)
    assert load(save(tmp_path, x=np.repeat(images[..., :1], 3, 3))).shape == (1, 24, 20)


def test_floats_are_scaled_with_a_note(tmp_path, images):
    whole = load(save(tmp_path, images=images))
    unit = load(save(tmp_path, images=(images / 255).astype(np.float32)))
    signed = load(save(tmp_path, images=images / 127.5 - 1))
    assert image_bytes(whole) == image_bytes(unit) == image_bytes(signed)
    assert any("[0, 1]" in note for note in unit.notes)
    assert any("[-1, 1]" in note for note in signed.notes)
    assert image_bytes(load(save(tmp_path, images=images.astype(np.int64)))) == image_bytes(whole)


def test_labels_and_split(tmp_path, images):
    y = np.arange(20) % 2 * 5 + 1
    dataset = load(save(tmp_path, x_train=images[:15], x_test=images[15:], y_train=y[:15], y_test=y[15:]))
    assert (len(dataset.train), len(dataset.test)) == (15, 5)
    assert dataset.classes == ("1", "6")
    assert dataset.train.labels.tolist() == [0, 1] * 7 + [0]
    assert torch.equal(dataset.train.pixels, torch.from_numpy(images[:15]).permute(0, 3, 1, 2))
    words = load(save(tmp_path, images=images, labels=np.where(y == 1, "cat", "dog")))
    assert words.classes == ("cat", "dog")


def test_duplicates_are_removed_from_test(tmp_path, images):
    dataset = load(save(tmp_path, train_images=images[:15], test_images=images[10:]))
    assert (len(dataset.train), len(dataset.test)) == (15, 5)
    assert any("5 test images are also in train" in note for note in dataset.notes)
    alone = load(save(tmp_path, train_images=images[:15], test_images=images[:3]))
    assert (len(alone.train), len(alone.test)) == (14, 1)


def test_one_image(tmp_path, images):
    dataset = load(save(tmp_path, images=images[:1]))
    assert torch.equal(dataset.train.pixels, dataset.test.pixels)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.array([{"a": 1}], dtype=object)}, "pickled objects"),
        ({"pictures": np.zeros((2, 20, 20)), "more": np.zeros(1)}, "name images 'images'"),
        ({"images": np.full((2, 20, 20), 300.0)}, "from 300 to 300"),
        ({"images": np.full((2, 20, 20), np.nan)}, "not finite"),
        ({"images": np.zeros((2, 20), np.uint8)}, r"\(2, 20\)"),
        ({"images": np.zeros((2, 20, 20, 4), np.uint8)}, "1 or 3 channels"),
        ({"images": np.zeros((0, 20, 20), np.uint8)}, "no image"),
        ({"images": np.full((2, 20, 20), "a")}, "type"),
        ({"images": np.zeros((2, 20, 20), np.uint8), "labels": np.zeros(3, int)}, "labels of shape"),
        ({"images": np.zeros((2, 20, 20), np.uint8), "labels": np.array([0.5, 1])}, "whole numbers"),
        ({"x_train": np.zeros((2, 20, 20)), "x_test": np.zeros((2, 20, 24))}, "different shapes"),
    ],
)
def test_wrong_arrays_are_errors(tmp_path, arrays, message):
    with pytest.raises(LimnerError, match=message):
        load(save(tmp_path, **arrays))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_whole_floats_are_labels(tmp_path, images, dtype):
    labels = np.array([3, -1] * 10, dtype)
    dataset = load(save(tmp_path, images=images, labels=labels))
    assert dataset.classes == ("-1", "3")
    assert sorted(dataset.train.labels.tolist() + dataset.test.labels.tolist()) == [0] * 10 + [1] * 10


@pytest.mark.parametrize(
    ("value", "dtype", "label"),
    [
        (np.inf, "f8", "inf"),
        (-np.inf, "f4", "-inf"),
        (np.inf, "f2", "inf"),
        (np.nan, "f2", "nan"),
        (1e300, "f8", r"1e\+300"),
        (0.5, "f4", "0.5"),
        (2**64 - 1, "u8", "18446744073709551615"),
    ],
)
def test_a_number_that_is_no_class_is_an_error(tmp_path, images, value, dtype, label):
    labels = np.arange(20).astype(dtype)
    labels[7] = value
    with pytest.raises(LimnerError, match=rf"has the label {label}.*: save whole numbers"):
        load(save(tmp_path, images=images, labels=labels))
    with pytest.raises(LimnerError, match=rf"has the label {label}.*: save whole numbers"):
        load(save(tmp_path, x_train=images, x_test=images, y_train=np.arange(20), y_test=labels))


def test_array_orders_types_and_versions(tmp_path, images):
    expected = load(save(tmp_path, images=images)).fingerprint
    for array in (np.asfortranarray(images), images.astype(">i4"), images.astype("<u8")):
        assert load(save(tmp_path, images=array)).fingerprint == expected
    np.savez_compressed(tmp_path / "small.npz", images=images)
    assert load(tmp_path / "small.npz").fingerprint == expected


def test_a_damaged_file_is_an_error(tmp_path, images):
    path = save(tmp_path, images=images)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(LimnerError, match="cannot read"):
        load(path)
    path.write_text("not an npz")
    with pytest.raises(LimnerError, match="my set"):
        load(path)


def test_a_single_array_needs_no_name(tmp_path, images):
    expected = load(save(tmp_path, images=images)).fingerprint
    assert load(save(tmp_path, arr_0=images)).fingerprint == expected
    np.save(tmp_path / "x.npy", images)
    assert load(tmp_path / "x.npy").fingerprint == expected
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:500])
    with pytest.raises(LimnerError, match=r"x\.npy declares shape .* save it again"):
        load(tmp_path / "x.npy")
    with pytest.raises(LimnerError, match="has a, b: name images 'images' and labels 'labels', or 'x_train'"):
        load(save(tmp_path, a=images, b=images))


def test_labels_in_a_file_of_their_own(tmp_path, images, monkeypatch, capsys):
    y = np.arange(20) % 3
    expected = load(save(tmp_path, images=images, labels=y))
    folder = tmp_path / "both"
    folder.mkdir()
    np.savez(folder / "images.npz", images)
    np.save(folder / "labels.npy", y)
    pair = load(f"{folder}/images.npz+{folder}/labels.npy")
    assert pair.fingerprint == load(folder).fingerprint == expected.fingerprint
    assert load(pair.source).fingerprint == load(load(folder).source).fingerprint == expected.fingerprint
    monkeypatch.chdir(folder)
    assert cli(["data", "images.npz", "--labels", "labels.npy"]) == 0
    assert "training images of each class: 0 " in capsys.readouterr().out
    words = ["train", "cgan", "--data", "images.npz", "--images", "20", "--batch", "5", "--quiet"]
    assert cli([*words, "--labels", "labels.npy"]) == 0
    assert limner.load("cgan-images-0001").data.classes == ("0", "1", "2")
    assert cli(words) == 2
    assert "CGAN needs labels and images has none: give --labels FILE" in capsys.readouterr().err
    assert cli(["data", "digits", "--labels", "labels.npy"]) == 2
    assert "--labels is for an .npz or .npy of images" in capsys.readouterr().err


def test_a_folder_of_four_files(tmp_path, images):
    y = np.arange(20) % 3
    for split, rows in (("train", slice(15)), ("test", slice(15, 20))):
        np.savez(tmp_path / f"kmnist-{split}-imgs.npz", images[rows])
        np.savez(tmp_path / f"kmnist-{split}-labels.npz", y[rows])
    (tmp_path / "kmnist_classmap.csv").write_text("index,codepoint")
    dataset = load(tmp_path)
    assert (len(dataset.train), len(dataset.test), dataset.classes) == (15, 5, ("0", "1", "2"))
    assert dataset.test.labels.tolist() == y[15:].tolist()
    np.savez(tmp_path / "more.npz", images)
    with pytest.raises(LimnerError, match=r"holds kmnist-train-imgs\.npz and more\.npz"):
        load(tmp_path)
