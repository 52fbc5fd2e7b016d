"""Folders and zips: classes, splits, order, sizes, and the cache of decoded images."""

import os
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from limner.data import Dataset, Images, cache, image_files, load
from limner.errors import LimnerError


def assert_same(first, second):
    assert first.fingerprint == second.fingerprint
    assert torch.equal(first.train.pixels, second.train.pixels)
    assert torch.equal(first.test.pixels, second.test.pixels)
    assert first.train.names == second.train.names


def test_sub_folders_are_classes_and_a_tenth_is_held_out(folder):
    dataset = load(folder)
    assert (dataset.name, dataset.source) == ("pets", str(folder))
    assert dataset.classes == ("cats", "dogs")
    assert (len(dataset.train), len(dataset.test)) == (18, 2)
    assert dataset.train.pixels.is_contiguous()
    assert dataset.train.pixels.dtype == torch.uint8
    for split in (dataset.train, dataset.test):
        assert split.labels.dtype == torch.int64
        for pixels, label, name in zip(split.pixels, split.labels, split.names, strict=True):
            assert name.split("/")[0] == dataset.classes[label]
            assert torch.equal(pixels, torch.from_numpy(np.array(Image.open(folder / name))).permute(2, 0, 1))


def test_a_flat_folder_has_no_labels(folder):
    dataset = load(folder / "cats")
    assert dataset.classes is None
    assert dataset.train.labels is None


def test_a_zip_is_read_as_the_folder_it_holds(folder, tmp_path):
    archive = tmp_path / "my pets.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*.png"), reverse=True):
            file.write(path, path.relative_to(folder))
        file.writestr("__MACOSX/cats/._00.png", b"junk")
        file.writestr("notes.txt", "junk")
    dataset = load(archive)
    assert_same(load(folder), dataset)
    assert dataset.name == "my-pets"
    assert not any("skipped" in note for note in dataset.notes)


def test_a_damaged_zip_is_an_error(folder, tmp_path):
    archive = tmp_path / "a.zip"
    archive.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(LimnerError, match=r"cannot open .*a\.zip"):
        load(archive)


def test_the_order_of_the_listing_and_the_size_do_not_change_the_split(folder, monkeypatch, cache):
    names = load(folder).test.names
    assert load(folder, size=32).test.names == names
    shutil.rmtree(cache)
    listed = os.scandir

    class Backwards:
        def __init__(self, path):
            self.items = list(listed(path))[::-1]

        def __enter__(self):
            return iter(self.items)

        def __exit__(self, *_):
            pass

    before = load(folder)
    shutil.rmtree(cache)
    monkeypatch.setattr(os, "scandir", Backwards)
    assert_same(before, load(folder))


@pytest.mark.parametrize("wrapped", [False, True])
def test_train_and_test_folders_are_the_split_and_duplicates_are_removed_from_test(folder, tmp_path, wrapped):
    root = tmp_path / "divided"
    inner = root / "wrapper" if wrapped else root
    for i, path in enumerate(sorted(folder.rglob("*.png"))):
        target = inner / ("test" if i % 5 == 0 else "train") / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    shutil.copy(inner / "train" / "cats" / "01.png", inner / "test" / "cats" / "again.png")
    dataset = load(root)
    assert (len(dataset.train), len(dataset.test)) == (16, 4)
    assert dataset.classes == ("cats", "dogs")
    assert any("removed from test" in note and "again.png" in note for note in dataset.notes)


def test_if_all_test_images_are_duplicates_a_part_of_train_is_held_out(folder, tmp_path):
    for part in ("train", "test"):
        shutil.copytree(folder / "cats", tmp_path / "twice" / part)
    dataset = load(tmp_path / "twice")
    assert (len(dataset.train), len(dataset.test)) == (9, 1)
    assert {name.split("/")[0] for name in dataset.train.names + dataset.test.names} == {"train"}


def test_files_outside_the_split_are_left_out(folder, tmp_path):
    root = tmp_path / "divided"
    shutil.copytree(folder / "cats", root / "train")
    shutil.copytree(folder / "dogs", root / "test")
    shutil.copytree(folder / "dogs", root / "val")
    dataset = load(root)
    assert (len(dataset.train), len(dataset.test), dataset.classes) == (10, 10, None)
    assert "10 files outside test and train left out, such as val/10.png" in dataset.notes
    for part, message in (("train", "training folder holds no image"), ("test", "neither the training nor")):
        for path in (root / part).iterdir():
            path.write_text("no")
        with pytest.raises(LimnerError, match=message):
            load(root)


def test_images_outside_class_folders_mean_no_labels(folder, picture):
    picture(99).save(folder / "stray.png")
    dataset = load(folder)
    assert dataset.train.labels is None
    assert any("no labels: 1 images" in note for note in dataset.notes)


def test_two_domains_are_two_classes(folder, tmp_path):
    for side, pets in (("A", "cats"), ("B", "dogs")):
        for i, path in enumerate(sorted((folder / pets).iterdir())):
            target = tmp_path / "pairs" / f"{'test' if i < 2 else 'train'}{side}" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    dataset = load(tmp_path / "pairs")
    assert dataset.classes == ("A", "B")
    assert (len(dataset.train), len(dataset.test)) == (16, 4)
    assert dataset.test.labels.bincount().tolist() == [2, 2]


def test_equal_images_are_in_one_split(folder):
    for path in list((folder / "cats").iterdir())[:5]:
        Image.open(path).save(path.with_suffix(".bmp"))
    dataset = load(folder)
    rows = [{row.numpy().tobytes() for row in split.pixels} for split in (dataset.train, dataset.test)]
    assert not rows[0] & rows[1]
    assert any("5 exact repeats" in note for note in dataset.notes)


def test_one_image_is_both_train_and_test(tmp_path, picture):
    picture(1).save(tmp_path / "alone.png")
    dataset = load(tmp_path / "alone.png")
    assert torch.equal(dataset.train.pixels, dataset.test.pixels)
    assert any("one image only" in note for note in dataset.notes)


def test_equal_images_load_with_a_note(tmp_path, picture):
    (tmp_path / "equal").mkdir()
    for i in range(12):
        picture(1).save(tmp_path / "equal" / f"{i}.png")
    dataset = load(tmp_path / "equal")
    assert (len(dataset.train), len(dataset.test)) == (11, 1)
    assert any("all 12 images are equal" in note for note in dataset.notes)


def test_a_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LimnerError, match="no images in"):
        load(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").touch()
    (tmp_path / "empty" / ".DS_Store").touch()
    with pytest.raises(LimnerError, match="2 other files"):
        load(tmp_path / "empty")


def test_a_circle_of_links_does_not_hang(folder):
    (folder / "cats" / "up").symlink_to(folder)
    (folder / "aaa").symlink_to(folder / "dogs")
    dataset = load(folder)
    assert len(dataset.train) + len(dataset.test) == 20
    assert dataset.classes == ("cats", "dogs")


def test_unicode_spaces_and_line_breaks_in_names(tmp_path, picture):
    root = tmp_path / "Bilder für 北京 \n"
    root.mkdir()
    for i, name in enumerate(["ein bild.png", "猫.png", "new\nline.png"]):
        picture(i).save(root / name)
    (root / "bad\nline.png").touch()
    dataset = load(root)
    assert sorted(dataset.train.names + dataset.test.names) == ["ein bild.png", "new\nline.png", "猫.png"]
    assert not any("\n" in note for note in dataset.notes)
    assert dataset.name == "Bilder-für-北京"


def test_images_of_different_sizes_become_64x64(tmp_path, picture):
    for i, side in enumerate([100, 40, 90]):
        picture(i, side, side + 10 * i).save(tmp_path / f"{i}.jpg")
    dataset = load(tmp_path)
    assert dataset.shape == (3, 64, 64)
    assert "images of 50 high x 40 wide to 100x100 cropped to the middle and resized to 64x64" in (
        dataset.notes
    )


@pytest.mark.parametrize(("size", "shape"), [((200, 30), (64, 64)), ((8, 8), (64, 64)), ((20, 28), (28, 20))])
def test_a_common_size_is_kept_if_it_is_allowed(tmp_path, picture, size, shape):
    for i in range(3):
        picture(i, *size).save(tmp_path / f"{i}.png")
    assert load(tmp_path).shape == (3, *shape)


def test_size_and_channels_can_be_set(folder):
    assert load(folder, size=32).shape == (3, 32, 32)
    assert load(folder, size=(28, 20), channels=1).shape == (1, 28, 20)
    for size in (8, 257, (64, 300)):
        with pytest.raises(LimnerError, match="16 to 256"):
            load(folder, size=size)
    with pytest.raises(LimnerError, match="channels 2"):
        load(folder, channels=2)


def test_the_cache_returns_the_same_without_decoding(folder, monkeypatch):
    first = load(folder)

    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(image_files, "decode", refuse)
    again = load(folder)
    assert_same(first, again)
    assert again.notes == first.notes
    assert torch.equal(first.train.labels, again.train.labels)
    again.train.pixels.zero_()  # a private copy: the stored file does not change
    assert_same(first, load(folder))
    (folder / "cats" / "00.png").touch()
    with pytest.raises(AssertionError, match="decoded again"):
        load(folder)


@pytest.mark.parametrize("file", ["about.json", "train.npy", "test.npy"])
def test_a_damaged_cache_entry_is_built_again(folder, cache, file):
    first = load(folder)
    pixels = first.train.pixels.clone()
    (entry,) = (cache / "decoded").iterdir()
    content = (entry / file).read_bytes()
    (entry / file).write_bytes(content[: len(content) // 2])
    again = load(folder)
    assert again.fingerprint == first.fingerprint
    assert torch.equal(again.train.pixels, pixels)
    assert [path.name for path in (cache / "decoded").iterdir()] == [entry.name]


def test_a_cache_that_cannot_be_written_is_not_needed(folder, tmp_path, monkeypatch):
    first = load(folder)
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "file"))
    dataset = load(folder)
    assert_same(first, dataset)
    assert any("cannot be written" in note for note in dataset.notes)


def test_a_full_disk_leaves_the_images_in_memory(folder, monkeypatch, cache):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_files.cache, "save_pixels", full)
    dataset = load(folder)
    assert len(dataset.train) == 18
    assert any("No space left" in note for note in dataset.notes)
    assert list((cache / "decoded").iterdir()) == []


def test_the_cache_stores_attributes():
    folder = cache.new_entry_folder()
    for part in ("train", "test"):
        cache.save_pixels(folder / f"{part}.npy", np.zeros((3, 1, 16, 16), np.uint8), np.arange(3), 1)
    attributes = {"age": torch.tensor([0.1, 2.0, 31.5]), "gender": torch.tensor([0, 1, 1])}
    images = Images(cache.open_pixels(folder / "train.npy"), attributes=attributes)
    cache.commit_entry(folder, "key", Dataset("people", "people", images, images, None, (), ""))
    stored = cache.read_entry("key")
    for name, values in attributes.items():
        assert stored.test.attributes[name].dtype == values.dtype
        assert torch.equal(stored.test.attributes[name], values)
