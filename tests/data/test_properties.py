"""Any mixture of image files: each readable image once, with its own pixels and label, whatever the order.

LIMNER_EXAMPLES sets the number of examples; the default keeps the suite quick.
"""

import os
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from limner.data import Dataset, decode, load, read_images
from limner.data.kinds import is_ignored
from limner.errors import LimnerError

EXAMPLES = int(os.environ.get("LIMNER_EXAMPLES", "20"))
settings.register_profile(
    "data",
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="LIMNER_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
data_profile = settings.get_profile("data")

FORMATS = {  # format: its modes; all can be read but F, and I where it has more than 16 bits
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
    "JPEG": ("L", "RGB", "CMYK", "YCbCr"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "GIF": ("1", "L", "P", "RGB", "RGBA"),
    "WEBP": ("L", "RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "TGA": ("L", "LA", "P", "RGB", "RGBA"),
    "ICO": ("L", "RGB", "RGBA"),
}
SUFFIXES = (".png", ".jpg", ".JPEG", ".Tif", ".gif", ".bmp", ".webp", ".ppm", ".tga", ".PNG")
LETTERS = "ab9 .-_%'\"(üÉ猫😀\n\\\udcff"  # the last stands for a byte that is no UTF-8


@dataclass(frozen=True)
class File:
    """A file by its place in the source, and whether an image can be read from it."""

    name: str
    content: bytes
    readable: bool


def draw_image(mode: str, width: int, height: int, seed: int, grey: bool) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    if grey:
        noise[:] = noise[..., :1]
    if mode in ("I;16", "I"):
        return Image.fromarray(noise[..., 0].astype(np.uint16) * 257).convert(mode)
    if mode == "RGBA":
        return Image.fromarray(noise)
    if mode == "LA":
        return Image.fromarray(noise[..., :2], "LA")
    if mode == "CMYK":
        return Image.fromarray(noise, "CMYK")
    if mode == "LAB":
        return Image.fromarray(noise[..., :3], "LAB")
    return Image.fromarray(noise[..., :3].copy()).convert(mode)


def can_be_read(content: bytes) -> bool:
    """What Pillow alone says of a file."""
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(BytesIO(content), formats=decode.FORMATS) as image,
        ):
            if image.width * image.height > decode.MAX_PIXELS or image.mode == "F":
                return False
            image.load()
            image.getexif()
            return (
                not image.mode.startswith("I")
                or 0 <= min(image.getextrema()) <= max(image.getextrema()) < 2**16
            )
    except Exception:
        return False


@st.composite
def contents(draw: st.DrawFn, side: st.SearchStrategy[int]) -> tuple[bytes, bool, bool]:
    """The bytes of a file, whether they are an image, and whether only the suffix tells that they are."""
    kind = draw(st.sampled_from(["image"] * 6 + ["cut", "changed", "text", "empty"]))
    if kind == "text":
        return draw(st.binary(min_size=1, max_size=40)), False, True
    if kind == "empty":
        return b"", False, True
    format = draw(st.sampled_from(list(FORMATS)))
    mode = draw(st.sampled_from(FORMATS[format]))
    image = draw_image(mode, draw(side), draw(side), draw(st.integers(0, 5)), draw(st.booleans()))
    file = BytesIO()
    options = {}
    if draw(st.booleans()) and format in ("PNG", "JPEG", "WEBP", "TIFF"):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = draw(st.integers(0, 9))
    image.save(file, format, **options)
    content = bytearray(file.getvalue())
    if kind == "cut":
        del content[draw(st.integers(0, len(content) - 1)) :]
    if kind == "changed":
        for _ in range(draw(st.integers(1, 8))):
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content), can_be_read(bytes(content)), format == "TGA" or kind != "image"


@st.composite
def trees(draw: st.DrawFn, folders: list[str]) -> list[File]:
    """Files in some of these folders, with unusual names and contents, one side or many."""
    common = draw(st.integers(1, 40))
    side = st.just(common) if draw(st.booleans()) else st.integers(1, 40)
    files: dict[str, File] = {}
    previous: list[tuple[bytes, bool, bool]] = []
    for _ in range(draw(st.integers(1, 9))):
        copied = previous and draw(st.integers(0, 4)) == 0  # an exact repeat
        content, readable, needs_suffix = draw(st.sampled_from(previous) if copied else contents(side))
        previous.append((content, readable, needs_suffix))
        stem = draw(st.text(LETTERS, min_size=1, max_size=draw(st.sampled_from([3, 60]))))
        suffix = draw(st.sampled_from(SUFFIXES if needs_suffix else (*SUFFIXES, "", ".happy", ".01")))
        base = f"i{stem}{suffix}"
        name = draw(st.sampled_from(folders)) + base
        if len(os.fsencode(base)) < 250 and not is_ignored(name):
            files[name] = File(name, content, readable)
    assume(files)
    return list(files.values())


@contextmanager
def new_folder() -> Iterator[Path]:
    """An empty folder, and an empty cache beside it."""
    with tempfile.TemporaryDirectory() as place:
        before = os.environ.get("LIMNER_CACHE")
        os.environ["LIMNER_CACHE"] = f"{place}/cache"
        try:
            root = Path(place) / "set"
            root.mkdir()
            yield root
        finally:
            os.environ.pop("LIMNER_CACHE")
            if before is not None:
                os.environ["LIMNER_CACHE"] = before


def write(files: list[File], root: Path) -> Path:
    for file in files:
        path = root / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    return root


def write_zip(files: list[File], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for i, file in enumerate(files):
            archive.writestr(file.name, file.content, zipfile.ZIP_DEFLATED if i % 2 else zipfile.ZIP_STORED)
    return path


def rows(images) -> list[tuple[str, bytes, int | None]]:
    """(name, pixels, label) of every image, in order."""
    labels = [None] * len(images) if images.labels is None else images.labels.tolist()
    pixels = [row.numpy().tobytes() for row in images.pixels]
    return list(zip(images.names, pixels, labels, strict=True))


def content_of(dataset: Dataset) -> tuple[object, ...]:
    """All of a data set but its name and source."""
    splits = rows(dataset.train), rows(dataset.test)
    return (dataset.shape, *splits, dataset.classes, dataset.notes, dataset.fingerprint)


def check_rows(dataset: Dataset, root: Path, expected: set[str]) -> None:
    """Every expected image is there once, with its own pixels; no pixels are in train and in test."""
    train, test = rows(dataset.train), rows(dataset.test)
    names = [name for name, _, _ in train + test]
    if len(expected) == 1:
        assert names == [*expected] * 2
    else:
        assert sorted(names) == sorted(expected)
        pixels = [{content for _, content, _ in split} for split in (train, test)]
        assert not pixels[0] & pixels[1] or len(pixels[0] | pixels[1]) == 1
    for name, content, _ in train + test:
        alone, _ = read_images([root / name], dataset.shape)
        assert alone.pixels.numpy().tobytes() == content, name


def load_or_none(root: Path, files: list[File], **options) -> Dataset | None:
    """The data set, or None after the error that is right if no file can be read."""
    if any(file.readable for file in files):
        return load(root, **options)
    with pytest.raises(LimnerError, match="image"):
        load(root, **options)
    return None


SHAPES = st.fixed_dictionaries(
    {}, optional={"size": st.sampled_from([16, 33, (20, 28)]), "channels": st.sampled_from([1, 3])}
)


@data_profile
@given(trees([""]), SHAPES)
def test_every_readable_image_of_a_folder_is_there_once(files, options):
    with new_folder() as root:
        dataset = load_or_none(write(files, root), files, **options)
        if dataset is not None:
            check_rows(dataset, root, {file.name for file in files if file.readable})
            assert dataset.train.labels is None


@data_profile
@given(trees(["cats/", "dogs/", "Große Tiere/", "dogs/old/"]), st.booleans(), st.booleans())
def test_the_label_of_an_image_is_its_folder(files, wrapped, stray):
    outer = "outer/inner/" if wrapped else ""
    files = [File(outer + file.name, file.content, file.readable) for file in files]
    if stray:
        files.append(File("stray.png", b"not an image", False))
    with new_folder() as root:
        dataset = load_or_none(write(files, root), files)
        if dataset is None:
            return
        check_rows(dataset, root, {file.name for file in files if file.readable})
        folders = {file.name: file.name.removeprefix(outer).split("/")[0] for file in files if file.readable}
        if dataset.classes is None:
            assert len({*folders.values()}) == 1
        else:
            assert dataset.classes == tuple(sorted({*folders.values()}))
            for name, _, label in rows(dataset.train) + rows(dataset.test):
                assert dataset.classes[label] == folders[name]


@data_profile
@given(trees(["train/a/", "train/b/", "test/a/", "test/b/"]))
def test_train_and_test_folders_are_the_split(files):
    assume(any(file.readable and file.name.startswith("train") for file in files))
    assume(any(file.name.startswith("test") for file in files))
    with new_folder() as root:
        dataset = load(write(files, root))
        train, test = rows(dataset.train), rows(dataset.test)
        names = [name for name, _, _ in train + test]
        assert len({*names}) == len(names) or len({content for _, content, _ in train + test}) == 1
        readable = {file.name for file in files if file.readable}
        in_train = {name for name in readable if name.startswith("train")}
        assert in_train <= {*names} <= readable
        pixels = {content for _, content, _ in train}
        if any(name.startswith("test") for name, _, _ in test):
            assert {name for name, _, _ in train} == in_train
            assert not pixels & {content for _, content, _ in test}
            missing = readable - {*names}
            for name in missing:
                alone, _ = read_images([root / name], dataset.shape)
                assert alone.pixels.numpy().tobytes() in pixels
        if dataset.classes is not None:
            assert all(dataset.classes[label] == name.split("/")[1] for name, _, label in train + test)


@data_profile
@given(trees(["", "a/", "b/", "train/", "test/"]), st.randoms(use_true_random=False), SHAPES)
def test_order_cache_and_zip_change_nothing(files, random, options):
    with new_folder() as root:
        try:
            first = content_of(load(write(files, root), **options))
        except LimnerError:
            return
        assert content_of(load(root, **options)) == first  # from the cache
        shutil.rmtree(os.environ["LIMNER_CACHE"])
        assert content_of(load(root, **options)) == first
        random.shuffle(files)
        again = write(files, root.parent / "again")
        assert content_of(load(again, **options)) == first
        try:
            archive = write_zip(files, root.parent / "again.zip")
        except UnicodeEncodeError:  # a zip cannot hold this name
            return
        assert content_of(load(archive, **options)) == first


@data_profile
@given(st.lists(st.integers(0, 7), min_size=1, max_size=30), st.booleans(), st.booleans())
def test_rows_of_an_npz(seeds, colour, divided):
    images = np.stack([np.full((16, 16, 3), (seed, 9, 9), np.uint8) for seed in seeds])
    images = images if colour else images[..., 0]
    labels = np.array(seeds) % 3
    with new_folder() as root:
        arrays = {"images": images, "labels": labels}
        if divided and len(seeds) > 1:
            arrays = {
                "x_train": images[1:],
                "y_train": labels[1:],
                "x_test": images[:1],
                "y_test": labels[:1],
            }
        np.savez(root / "a.npz", **arrays)
        dataset = load(root / "a.npz")
    both = torch.cat([dataset.train.pixels, dataset.test.pixels])
    values = both[:, 0, 0, 0].tolist()
    if len(seeds) > 1 and not divided:
        assert sorted(values) == sorted(seeds)
    if len({*seeds}) > 1:
        pixels = [{row.numpy().tobytes() for row in split.pixels} for split in (dataset.train, dataset.test)]
        assert not pixels[0] & pixels[1]
    numbers = torch.cat([dataset.train.labels, dataset.test.labels]).tolist()
    assert [int(dataset.classes[number]) for number in numbers] == [value % 3 for value in values]
