"""Names and paths of sources, and single images fitted to a shape."""

import gzip
import os
import struct

import numpy as np
import pooch
import pytest
import torch
from sklearn.datasets import load_digits

from limner.data import NAMED, load, named, read_images
from limner.errors import LimnerError


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_digits_are_the_default():
    dataset = load()
    assert dataset.name == dataset.source == "digits"
    assert dataset.shape == (1, 28, 28)
    assert len(dataset.train) + len(dataset.test) == 1797
    assert dataset.classes == tuple("0123456789")
    assert set(dataset.train.labels.tolist()) == set(range(10))
    assert dataset.train.pixels.max() == 255
    assert load("digits", size=(20, 32), channels=3).shape == (3, 20, 32)


def test_the_digits_are_scikit_learns():
    raw, expected = named.read("digits"), load_digits()
    assert np.array_equal(raw.train.pixels[:, 0], np.rint(expected.images * (255 / 16)))
    assert np.array_equal(raw.train.labels, expected.target)


def test_a_dataset_is_returned_if_its_shape_agrees():
    dataset = load()
    assert load(dataset) is load(dataset, size=28, channels=1) is dataset
    with pytest.raises(LimnerError, match=r"\(1, 28, 28\)"):
        load(dataset, size=32)
    with pytest.raises(LimnerError, match="size must be one whole number, or height and width, not '28'"):
        load("digits", size="28")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mnits", "did you mean 'mnist'"),
        ("fasion-mnist", "did you mean 'fashion-mnist'"),
        ("/no/such/folder", "no set and no file"),
        ("", "no set and no file"),
        ("a\0b", "no set and no file"),
        ("a" * 5000, "too long"),
        ("~nobody-here/pets", "home"),
        ("pets.zip", "check the path"),
        ("hf:nielsr/faces", "Hugging Face"),
        ("cifar10", "choose from"),
    ],
)
def test_a_source_that_does_not_exist_is_an_error(source, message):
    with pytest.raises(LimnerError, match=message):
        load(source)


def test_files_of_other_types_are_errors(tmp_path):
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(LimnerError, match="is not a source"):
        load(tmp_path / "a.csv")


def test_home_and_relative_paths(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.chdir(folder.parent)
    absolute, home, relative, up = (load(path) for path in (folder, "~/pets", "pets", "pets/cats/.."))
    assert absolute.source == home.source == relative.source == up.source == str(folder)
    assert absolute.name == up.name == "pets"
    assert load(home.source).fingerprint == home.fingerprint


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_of_idx_files(tmp_path, packed):
    random = np.random.default_rng(0)
    for split, n in (("train", 20), ("t10k", 5)):
        for kind, array in (
            ("images-idx3", random.integers(0, 256, (n, 20, 16))),
            ("labels-idx1", np.arange(n) % 3),
        ):
            data = idx(array.astype(np.uint8))
            path = tmp_path / f"{split}-{kind}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(data) if packed else data)
    dataset = load(tmp_path)
    assert dataset.shape == (1, 20, 16)
    assert (len(dataset.train), len(dataset.test)) == (20, 5)
    assert dataset.test.labels.tolist() == [0, 1, 2, 0, 1]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LimnerError, match="get the file again"):
        load(tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\x0d\x03", idx(np.zeros((2, 20, 20), np.uint8)) + b"x", b"\0\0\x08\x03ab"]
)
def test_a_damaged_idx_file_is_an_error(tmp_path, data):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(LimnerError, match="train-images"):
        load(tmp_path)


def test_without_a_network_the_error_says_what_to_do(monkeypatch, cache, tmp_path):
    def offline(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setenv("LIMNER_DATA", str(tmp_path))
    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(LimnerError, match=r"train-images-idx3-ubyte.gz.*LIMNER_DATA") as caught:
        load("mnist")
    assert str(cache / "mnist") in str(caught.value)


def test_wrong_files_under_the_name_of_a_set_are_an_error(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    for split in ("train", "t10k"):
        (tmp_path / "mnist" / f"{split}-images-idx3-ubyte").write_bytes(idx(np.zeros((9, 28, 28), np.uint8)))
        (tmp_path / "mnist" / f"{split}-labels-idx1-ubyte").write_bytes(idx(np.zeros(9, np.uint8)))
    monkeypatch.setenv("LIMNER_DATA", str(tmp_path))
    with pytest.raises(LimnerError, match="are not 'mnist'"):
        load("mnist")
    assert load(tmp_path / "mnist").shape == (1, 28, 28)


@pytest.mark.parametrize(
    ("name", "mean", "std"), [("mnist", 0.1307, 0.3081), ("fashion-mnist", 0.2860, 0.3530)]
)
def test_the_real_idx_sets(real, name, mean, std):
    dataset = load(name)
    assert (len(dataset.train), len(dataset.test), dataset.shape) == (60_000, 10_000, (1, 28, 28))
    counts = np.bincount(dataset.train.pixels.numpy().ravel(), minlength=256) / (60_000 * 784)
    values = np.arange(256) / 255
    average = (counts * values).sum()
    assert average == pytest.approx(mean, abs=5e-5)
    assert np.sqrt((counts * (values - average) ** 2).sum()) == pytest.approx(std, abs=5e-5)
    if name == "fashion-mnist":
        assert dataset.classes[9] == "Ankle boot"
        assert dataset.train.labels.bincount().tolist() == [6000] * 10
    else:
        assert dataset.train.labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_the_real_frey_faces(real):
    dataset = load("frey")
    assert dataset.shape == (1, 28, 20)
    both = torch.cat([dataset.train.pixels, dataset.test.pixels])
    assert (len(both), both.min(), both.max()) == (1965, 8, 238)


def test_the_real_horses_and_zebras(real):
    dataset = load(real / "horse2zebra", size=32)
    assert dataset.classes == ("A", "B")
    assert dataset.train.labels.bincount().tolist() == [1067, 1334]
    assert any("1 test image is also in train" in note for note in dataset.notes)


def test_the_table_describes_every_set():
    for name, known in NAMED.items():
        assert all((known.description, known.count, known.size, known.licence, known.origin)), name


def test_read_images_fits_images_to_a_shape(folder, tmp_path, picture):
    picture(5, 90, 60).save(tmp_path / "photo.jpg")
    picture(6, 28, 28, "L").save(tmp_path / "plain.png")
    paths = [tmp_path / "plain.png", str(tmp_path / "photo.jpg"), folder / "cats"]
    images, notes = read_images(paths, (1, 28, 28))
    assert images.pixels.shape == (12, 1, 28, 28)
    assert images.labels is None
    assert images.names[:3] == (str(paths[0]), paths[1], str(folder / "cats" / "00.png"))
    assert (
        notes[0]
        == f"{paths[1]}: 60 high x 90 wide cropped to the middle and resized to 28x28; converted to grey"
    )
    assert notes[-1] == "1 more images fitted"
    colour, notes = read_images(tmp_path / "plain.png", (3, 28, 28))
    assert torch.equal(colour.pixels[:, :1].expand(-1, 3, -1, -1), colour.pixels)
    assert notes == (f"{tmp_path / 'plain.png'}: grey converted to RGB",)


def test_read_images_names_bad_files(tmp_path, picture):
    picture(0).save(tmp_path / "good.png")
    (tmp_path / "bad.png").touch()
    images, notes = read_images([tmp_path], (3, 24, 24))
    assert len(images) == 1
    assert notes == (f"skipped {tmp_path / 'bad.png'}: empty file, 0 bytes",)
    with pytest.raises(LimnerError, match=r"^\S+/bad.png cannot be read: empty file, 0 bytes$"):
        read_images([tmp_path / "bad.png"], (3, 24, 24))
    with pytest.raises(LimnerError, match="no set and no file"):
        read_images([tmp_path / "none.png"], (3, 24, 24))
    with pytest.raises(LimnerError, match=r"^no images in nothing: give PNG or JPEG files"):
        read_images([], (3, 24, 24))


def test_read_images_says_why_a_folder_has_none(tmp_path):
    give = "give PNG or JPEG files, or a folder of them$"
    with pytest.raises(LimnerError, match=f"^no images in {tmp_path}: {give}"):
        read_images([tmp_path], (3, 24, 24))
    (tmp_path / "letter.txt").write_text("dear reader")
    with pytest.raises(LimnerError, match=rf"\(1 other files, such as \S*letter.txt\): {give}"):
        read_images([tmp_path], (3, 24, 24))
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("not an image")
    with pytest.raises(
        LimnerError, match=r"^no image could be read from .*: skipped .*a\.png: not an image;"
    ):
        read_images([tmp_path], (3, 24, 24))


def test_pipes_are_not_read(tmp_path, folder):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LimnerError, match="neither a file nor a folder"):
        load(tmp_path / "pipe")
    os.mkfifo(folder / "cats" / "pipe.png")
    assert len(load(folder).train) == 18
