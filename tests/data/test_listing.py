"""Which files of a folder are opened: images by name or by first bytes, and a bounded number of others."""

import contextlib
import os
import shutil
import socket
from pathlib import Path

import pytest
from PIL import Image, features

from limner.data import decode, files, image_files, listing, load, read_images
from limner.data.files import FileList
from limner.errors import LimnerError


@pytest.fixture
def opened(monkeypatch):
    """The names of all files that are opened."""
    names = []
    original = FileList._open

    def record(self, entry):
        names.append(entry.name)
        return original(self, entry)

    monkeypatch.setattr(FileList, "_open", record)
    return names


def add_files(root: Path, count: int, suffix: str = ".txt") -> None:
    for i in range(count):
        (root / f"other{i:03}{suffix}").write_text("not an image")


@pytest.mark.parametrize("folder", [path for path in listing.SYSTEM if os.path.ismount(path)])
def test_a_folder_of_the_system_is_an_error(folder):
    with pytest.raises(LimnerError, match=f"{folder} is a folder of the system: give a folder of images"):
        load(folder)
    with pytest.raises(LimnerError, match="folder of the system"):
        read_images([folder], (3, 24, 24))


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="needs /proc")
def test_a_link_to_a_folder_of_the_system_is_not_followed(folder):
    (folder / "cats" / "link").symlink_to("/proc")
    dataset = load(folder)
    assert len(dataset.train) + len(dataset.test) == 20
    assert "skipped cats/link/: a folder of the system" in dataset.notes


def test_only_regular_files_are_opened(folder, opened, monkeypatch):
    os.mkfifo(folder / "cats" / "pipe.png")
    os.mkfifo(folder / "cats" / "pipe")
    monkeypatch.chdir(folder / "cats")  # the path of a socket must be short
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind("socket.png")
        dataset = load(folder)
    assert len(dataset.train) + len(dataset.test) == 20
    assert set(opened) == set(dataset.train.names + dataset.test.names)


def test_files_of_other_types_are_not_opened(folder, opened):
    add_files(folder / "cats", 30)
    (folder / "cats" / "empty").touch()
    dataset = load(folder)
    assert set(opened) == set(dataset.train.names + dataset.test.names)


def test_a_file_of_unknown_type_is_an_image_if_its_first_bytes_say_so(folder, opened):
    expected = load(folder)
    for i, path in enumerate(sorted((folder / "cats").iterdir())):
        path.rename(path.with_suffix(["", ".happy", ".2024.v1", ".PNG"][i % 4]))
    (folder / "dogs" / "letter").write_text("dear reader, " * 100)
    (folder / "dogs" / "data.bin").write_bytes(bytes(1000))
    opened.clear()
    dataset = load(folder)
    assert (len(dataset.train), len(dataset.test)) == (18, 2)
    assert dataset.fingerprint == expected.fingerprint
    assert not any("skipped" in note for note in dataset.notes)
    assert opened.count("dogs/letter") == 1  # for its first bytes


@pytest.mark.parametrize(
    "kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "JPEG2000", "AVIF"]
)
def test_the_first_bytes_tell_every_format_but_tga(tmp_path, picture, kind):
    Image.init()
    if kind not in Image.SAVE or (kind == "AVIF" and not features.check("avif")):
        pytest.skip(f"Pillow cannot write {kind}")
    picture(0).save(tmp_path / "image", kind)
    assert len(load(tmp_path).train) == 1


def test_a_bounded_number_of_files_is_opened_for_its_first_bytes(folder, opened, monkeypatch):
    monkeypatch.setattr(files, "MAX_SNIFFED", 5)
    add_files(folder, 12, ".unknown")
    dataset = load(folder)
    assert sum(name.endswith(".unknown") for name in opened) == 5
    (note,) = [note for note in dataset.notes if "not opened" in note]
    assert note.startswith("7 files were not opened")


def test_few_images_among_many_files_are_a_note_then_an_error(folder, monkeypatch):
    monkeypatch.setattr(files, "MANY_OTHERS", 100)
    monkeypatch.setattr(listing, "TOO_MANY_OTHERS", 300)
    add_files(folder, 200)
    assert not any("only" in note for note in load(folder).notes)  # ten for each image are usual
    add_files(folder, 250)
    assert "only 20 of 270 files are images: is this the folder?" in load(folder).notes
    add_files(folder, 300)
    with pytest.raises(
        LimnerError, match=r"20 images among 320 files: give the folder that .*pets/(cats|dogs)$"
    ):
        load(folder)
    with pytest.raises(LimnerError, match="20 images among 320 files"):
        read_images([folder], (3, 24, 24))


def test_a_walk_through_too_many_files_ends(folder, monkeypatch):
    for i in range(50):
        (folder / f"zone{i}").mkdir()
        add_files(folder / f"zone{i}", 10)
    monkeypatch.setattr(listing, "MAX_OTHERS", 250)
    with pytest.raises(LimnerError, match=r"images among \d+ files"):
        load(folder)
    monkeypatch.setattr(listing, "MAX_WALKED", 100)
    with pytest.raises(LimnerError, match="holds more than 100 files: give the folder that holds the images"):
        load(folder)
    archive = Path(shutil.make_archive(str(folder), "zip", folder))
    with pytest.raises(LimnerError, match="holds more than 100 files"):
        load(archive)


def damage_tiff(path: Path, image: Image.Image) -> None:
    image.save(path, compression="tiff_lzw")
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(range(56, 256))
    path.write_bytes(content)


@pytest.mark.skipif(not features.check("libtiff"), reason="Pillow lacks libtiff")
def test_libtiff_prints_nothing(folder, picture, capfd, monkeypatch, tmp_path):
    for i in range(4):
        damage_tiff(folder / "cats" / f"damaged{i}.tif", picture(i, 60, 60))
    shutil.copytree(folder, tmp_path / "again")
    dataset = load(folder)
    assert any("skipped cats/damaged0.tif" in note for note in dataset.notes)
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(decode, "silent_libtiff", contextlib.nullcontext)
    load(tmp_path / "again")
    assert capfd.readouterr().err != ""  # otherwise this test tests nothing


def test_only_some_images_wait_to_be_used(folder, monkeypatch):
    started = []
    original = image_files.decode
    monkeypatch.setattr(image_files, "MAX_PENDING", 3)
    monkeypatch.setattr(image_files, "decode", lambda *args: started.append(1) or original(*args))
    outcomes = image_files.decode_files(listing.list_folder(folder), (24, 24), 3)
    for used in range(1, 21):
        next(outcomes)
        assert len(started) <= used + 3
    assert next(outcomes, None) is None
