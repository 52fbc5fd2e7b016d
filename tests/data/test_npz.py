import numpy as np
import pytest
import torch

from limner.data import load
from limner.errors import LimnerError


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 24, 20, 3), dtype=np.uint8)


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "my set.npz", **arrays)
    return tmp_path / "my set.npz"


def rows(dataset):
    """All images, whatever the split, in one order."""
    both = [*dataset.train.pixels, *dataset.test.pixels]
    return sorted(row.numpy().tobytes() for row in both)


def test_layouts_agree(tmp_path, images):
    last = load(saved(tmp_path, images=images))
    first = load(saved(tmp_path, x=images.transpose(0, 3, 1, 2)))
    assert last.shape == first.shape == (3, 24, 20)
    assert last.fingerprint == first.fingerprint
    assert (last.name, len(last.train), len(last.test)) == ("my-set", 18, 2)
    assert load(saved(tmp_path, x=images[..., 0])).shape == (1, 24, 20)
    assert load(saved(tmp_path, x=np.repeat(images[..., :1], 3, 3))).shape == (1, 24, 20)


def test_floats_are_scaled_and_said_to_be(tmp_path, images):
    whole = load(saved(tmp_path, images=images))
    unit = load(saved(tmp_path, images=(images / 255).astype(np.float32)))
    signed = load(saved(tmp_path, images=images / 127.5 - 1))
    assert rows(whole) == rows(unit) == rows(signed)
    assert any("[0, 1]" in note for note in unit.notes)
    assert any("[-1, 1]" in note for note in signed.notes)
    assert rows(load(saved(tmp_path, images=images.astype(np.int64)))) == rows(whole)


def test_labels_and_split(tmp_path, images):
    y = np.arange(20) % 2 * 5 + 1
    dataset = load(saved(tmp_path, x_train=images[:15], x_test=images[15:], y_train=y[:15], y_test=y[15:]))
    assert (len(dataset.train), len(dataset.test)) == (15, 5)
    assert dataset.classes == ("1", "6")
    assert dataset.train.labels.tolist() == [0, 1] * 7 + [0]
    assert torch.equal(dataset.train.pixels, torch.from_numpy(images[:15]).permute(0, 3, 1, 2))
    words = load(saved(tmp_path, images=images, labels=np.where(y == 1, "cat", "dog")))
    assert words.classes == ("cat", "dog")


def test_a_repeat_leaves_test(tmp_path, images):
    dataset = load(saved(tmp_path, train_images=images[:15], test_images=images[10:]))
    assert (len(dataset.train), len(dataset.test)) == (15, 5)
    assert any("5 test images are also in train" in note for note in dataset.notes)
    alone = load(saved(tmp_path, train_images=images[:15], test_images=images[:3]))
    assert (len(alone.train), len(alone.test)) == (14, 1)


def test_one_image(tmp_path, images):
    dataset = load(saved(tmp_path, images=images[:1]))
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
def test_what_will_not_do_is_refused(tmp_path, arrays, message):
    with pytest.raises(LimnerError, match=message):
        load(saved(tmp_path, **arrays))


def test_a_damaged_file_is_refused(tmp_path, images):
    path = saved(tmp_path, images=images)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(LimnerError, match="cannot read"):
        load(path)
    path.write_text("nothing of the kind")
    with pytest.raises(LimnerError, match="my set"):
        load(path)
