"""Two domains: folders, classes and pairs of sources, their channels and splits, and their batches."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limner.cli import run as cli
from limner.data import Dataset, Domains, Images, load, load_domains
from limner.data import examples as parts
from limner.data.domains import to_grey
from limner.data.stream import DomainStream
from limner.errors import LimnerError

Draw = Callable[..., Image.Image]
Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path, picture: Draw) -> Fill:
    """fill(folder=count or (count, mode), ...): a folder of different pictures, with these sub-folders."""

    def write(root: str = "pets", **folders: int | tuple[int, str]) -> Path:
        base, seed = tmp_path / root, 0
        for folder, content in folders.items():
            count, mode = content if isinstance(content, tuple) else (content, "RGB")
            (base / folder).mkdir(parents=True)
            for i in range(count):
                seed += 1
                picture(seed, mode=mode).save(base / folder / f"{i:02}.png")
        return base

    return write


def sizes(domains: Domains) -> list[int]:
    """Training and test images of A, then of B."""
    return [len(part) for domain in (domains.a, domains.b) for part in (domain.train, domain.test)]


def keys(images: Images) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.pixels}


# -- where they come from ---------------------------------------------------------------------------------
def test_four_folders_are_two_domains_with_their_tests(fill: Fill) -> None:
    folder = fill(trainA=6, trainB=9, testA=2, testB=3)
    domains = load_domains(folder)
    assert sizes(domains) == [6, 2, 9, 3]
    assert domains.name == "pets"
    assert domains.shape == domains.b.shape == (3, 24, 24)
    for domain, letter in ((domains.a, "A"), (domains.b, "B")):
        assert domain.train.labels is domain.classes is None
        for images, part in ((domain.train, "train"), (domain.test, "test")):
            assert images.names is not None
            for pixels, name in zip(images.pixels, images.names, strict=True):
                assert name.startswith(f"{part}{letter}/")
                with Image.open(folder / name) as picture:
                    assert np.array_equal(np.moveaxis(np.asarray(picture), 2, 0), pixels)


def test_two_classes_are_two_domains(folder: Path) -> None:
    domains = load_domains(folder)
    assert [domains.a.name, domains.b.name] == ["cats", "dogs"]
    assert sum(sizes(domains)[:2]) == sum(sizes(domains)[2:]) == 10
    assert min(sizes(domains)) > 0
    assert all(name.startswith("cats/") for name in domains.a.train.names or ())


def test_a_pair_of_sources_is_two_domains(folder: Path) -> None:
    domains = load_domains((folder / "cats", folder / "dogs"), size=16)
    assert domains.name == "cats-dogs"
    assert domains.shape == domains.b.shape == (3, 16, 16)
    assert sizes(domains) == [9, 1, 9, 1]
    mixed = load_domains(("digits", folder))
    assert (mixed.shape, mixed.b.shape) == ((1, 28, 28), (3, 28, 28)), "B gets the size of A"
    assert load_domains(mixed) is mixed
    assert mixed.fingerprint == f"{mixed.a.fingerprint}-{mixed.b.fingerprint}"


@pytest.mark.parametrize("size", [16, (20, 18)])
def test_both_domains_get_the_size_that_is_asked_for(fill: Fill, size: int | tuple[int, int]) -> None:
    domains = load_domains(fill(trainA=3, trainB=3), size=size, channels=1)
    sides = (size, size) if isinstance(size, int) else size
    assert domains.shape == domains.b.shape == (1, *sides)


@pytest.mark.parametrize(
    ("modes", "channels"),
    [
        (("L", "RGB"), (1, 3)),
        (("RGB", "L"), (3, 1)),
        (("L", "L"), (1, 1)),
        (("RGB", "RGB"), (3, 3)),
    ],
)
def test_a_grey_domain_has_one_channel(fill: Fill, modes: tuple[str, str], channels: tuple[int, int]) -> None:
    folder = fill(trainA=(4, modes[0]), trainB=(4, modes[1]), testA=(2, modes[0]), testB=(2, modes[1]))
    for source in (folder, (folder / "trainA", folder / "trainB")):
        domains = load_domains(source)
        assert (domains.shape[0], domains.b.shape[0]) == channels
        asked = load_domains(source, channels=channels)
        assert asked.fingerprint == domains.fingerprint, "as a run reads them again"
    assert load_domains(folder, channels=3).shape[0] == 3


def test_grey_files_among_colour_ones_become_colour(fill: Fill, picture: Draw) -> None:
    folder = fill(trainA=4, trainB=4, testA=2, testB=2)
    picture(99, mode="L").save(folder / "trainB" / "grey.png")
    domains = load_domains(folder)
    assert domains.b.shape == (3, 24, 24)
    assert "1 of 13 images: grey converted to RGB" in domains.notes
    names = domains.b.train.names or ()
    pixels = domains.b.train.pixels[names.index("trainB/grey.png")]
    assert torch.equal(pixels[0], pixels[1])


def test_colour_images_that_are_asked_for_in_grey_get_their_luminance(fill: Fill, picture: Draw) -> None:
    folder = fill(trainA=3, trainB=3, testA=1, testB=1)
    domains = load_domains(folder, channels=(1, 3))
    with Image.open(folder / "trainA" / "00.png") as image:
        expected = torch.from_numpy(np.array(image.convert("L")))
    assert torch.equal(domains.a.train.pixels[0, 0], expected)
    assert domains.b.shape[0] == 3
    grey = torch.arange(256, dtype=torch.uint8).expand(1, 3, 2, 256)
    assert torch.equal(to_grey(grey), grey[:, :1])


# -- mistakes ---------------------------------------------------------------------------------------------
MISTAKES: dict[str, tuple[dict[str, int], str]] = {
    "an empty B": ({"trainA": 5, "trainB": 0}, "has no images in trainB"),
    "no B": ({"trainA": 5}, "has no images in trainB"),
    "no B but test images": ({"trainA": 5, "testA": 2, "testB": 2}, "has no images in trainB"),
    "only test images": ({"testA": 2, "testB": 2}, "has no images in trainA and trainB"),
    "one image": ({"trainA": 5, "trainB": 1}, "domain B (B) of pets has one image: give two or more"),
    "three classes": ({"cats": 3, "dogs": 3, "eels": 3}, "is not two domains (it has 3 classes)"),
    "one class": ({"cats": 5}, "is not two domains (it has 0 classes)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_folder_is_one_line(fill: Fill, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    folders, message = MISTAKES[name]
    folder = fill(**folders)
    with pytest.raises(LimnerError) as error:
        load_domains(folder)
    assert message in str(error.value)
    check_refused(["--data", str(folder)], message, capsys)


PAIRS: dict[str, tuple[dict[str, int], str]] = {
    "an empty B": ({"a": 5, "b": 0}, "no images in "),
    "one image": ({"a": 5, "b": 1}, "domain B of a-b has one image: give two or more"),
    "no B": ({"a": 5}, "b' : check the path"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_wrong_pair_is_one_line(fill: Fill, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    folders, message = PAIRS[name]
    folder = fill(**folders)
    words = ["--data", f"A={folder / 'a'}", f"B={folder / 'b'}"]
    check_refused(words, message.replace("' :", "':"), capsys)


def test_equal_domains_are_one_line(fill: Fill, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fill(trainA=5)
    message = "are the same images: give two different sets"
    check_refused(["--data", f"A={folder / 'trainA'}", f"B={folder / 'trainA'}"], message, capsys)
    check_refused(["--data", "A=digits", "B=digits"], message, capsys)
    shutil.copytree(folder / "trainA", folder / "trainB")
    check_refused(["--data", str(folder)], message, capsys)


def check_refused(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Training says so in one line, with exit code 2, and leaves no run."""
    assert cli(["train", "cyclegan", *words, "--out", "run"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("run").exists()


# -- test images ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("folders", [{}, {"testB": 3}, {"testA": 2}, {"testA": 2, "testB": 3}])
def test_missing_test_images_are_held_out(fill: Fill, folders: dict[str, int]) -> None:
    folder = fill(trainA=20, trainB=30, **folders)
    domains = load_domains(folder)
    for domain, letter, count in ((domains.a, "A", 20), (domains.b, "B", 30)):
        held_out = f"test{letter}" not in folders
        assert len(domain.train) + len(domain.test) == count + folders.get(f"test{letter}", 0)
        assert len(domain.test) > 0
        assert (len(domain.train) < count) == held_out
        assert not keys(domain.train) & keys(domain.test), "no test image is trained on"
    again = load_domains(folder)
    assert keys(again.a.test) == keys(domains.a.test)
    assert again.fingerprint == domains.fingerprint


def test_what_is_held_out_of_one_domain_is_said(fill: Fill) -> None:
    domains = load_domains(fill(trainA=20, trainB=30, testB=3))
    assert domains.notes == ("A: no test images: 2 of 20 are held out",)


def test_notes_of_both_domains_stand_once() -> None:
    a, b = (
        Dataset(n, n, Images(torch.zeros(1, 1, 8, 8)), Images(torch.zeros(1, 1, 8, 8)), None, notes, n)
        for n, notes in (("a", ("both", "one")), ("b", ("both", "other")))
    )
    assert Domains("ab", a, b).notes == ("both", "A: one", "B: other")


# -- batches ----------------------------------------------------------------------------------------------
def numbered(n: int) -> Images:
    """Images whose pixels are their number."""
    return Images(torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 2, 2).contiguous())


def numbers(x: torch.Tensor) -> list[int]:
    return [round(value) for value in ((x[:, 0, 0, 0] + 1) * 127.5).tolist()]


def test_each_image_comes_once_per_epoch_of_its_domain() -> None:
    stream = DomainStream(numbered(6), numbered(10), batch=4, seed=1)
    a: list[int] = []
    b: list[int] = []
    for count in range(4, 64, 4):
        x, y = next(stream)
        assert stream.images_seen == count
        a, b = a + numbers(x), b + numbers(y)
    for drawn, n in ((a, 6), (b, 10)):
        epochs = [drawn[i : i + n] for i in range(0, 60, n)]
        assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) == 60 // n, "in a new order each time"


def test_domains_are_drawn_in_different_orders() -> None:
    stream = DomainStream(numbered(50), numbered(50), batch=50, seed=3)
    pairs = []
    for _ in range(2):
        a, b = map(numbers, next(stream))
        assert a != b
        pairs += [set(zip(a, b, strict=True))]
    assert len(pairs[0] & pairs[1]) < 10, "no image keeps its partner"
    other = DomainStream(numbered(50), numbered(50), batch=50, seed=4)
    assert [numbers(x) for x in next(other)] != [numbers(x) for x in next(DomainStream(
        numbered(50), numbered(50), batch=50, seed=3))]  # fmt: skip


def test_images_seen_set_back_gives_the_same_batches() -> None:
    stream = DomainStream(numbered(7), numbered(5), batch=3, seed=2)
    batches = [tuple(map(numbers, next(stream))) for _ in range(12)]
    stream.images_seen = 15
    assert [tuple(map(numbers, next(stream))) for _ in range(7)] == batches[5:]
    new = DomainStream(numbered(7), numbered(5), batch=3, seed=2)
    new.images_seen = 6
    assert tuple(map(numbers, next(new))) == batches[2]


def test_examples_of_two_domains() -> None:
    def dataset(n: int) -> Dataset:
        return Dataset("n", "n", numbered(n), numbered(n // 2), None, (), str(n))

    domains = Domains("two", dataset(8), dataset(20))
    train, test = parts.training_examples(domains), parts.test_examples(domains)
    assert (len(train), len(test)) == (20, 10), "an epoch is one of the larger domain"
    assert [len(images) for images in test.parts()] == [4, 10]
    few = train.draw(50, seed=0)
    assert [len(images) for images in few.parts()] == [8, 8]
    x, y = few.batch(torch.device("cpu"))
    assert y is not None
    assert (x.shape, y.shape) == ((8, 1, 2, 2), (8, 1, 2, 2))
    assert len(set(numbers(y))) == 8
    assert torch.equal(train.targets, domains.b.train.pixels)  # type: ignore[arg-type]  # not None
    assert isinstance(train.stream(2, 0, torch.device("cpu")), DomainStream)
    labelled = parts.Examples(load("digits").test)
    assert labelled.targets is labelled.images.labels
