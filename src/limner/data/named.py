"""The sets known by name, and where their files are: $LIMNER_DATA, the user's cache, else the network."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch

from limner.data import idx, shapes
from limner.data.arrays import Arrays, Raw
from limner.data.cache import root
from limner.data.progress import Download
from limner.errors import LimnerError


@dataclass(frozen=True)
class NamedSet:
    """What there is to know of a set before it is loaded; `files` are (name, md5 or None)."""

    description: str
    count: str
    size: str
    licence: str
    origin: str
    read: Callable[[str], Raw]
    files: tuple[tuple[str, str | None], ...] = ()
    mirrors: tuple[str, ...] = ()
    mean: float = 0.0  # of the training pixels on the [0, 1] scale, to four digits


def read(name: str) -> Raw:
    """The named set, from the first place that has its files; raises LimnerError where none can be had."""
    return NAMED[name].read(name)


def folder_of(name: str) -> Path:
    """The folder that holds a named set's files, downloading them into the cache if need be."""
    for place in _places():
        if not _missing(place / name, name):
            return place / name
    _download(name, root() / name)
    return root() / name


def at_hand(name: str) -> bool:
    """Whether a named set can be read without a download."""
    return any(not _missing(place / name, name) for place in _places())


def _places() -> list[Path]:
    here = os.environ.get("LIMNER_DATA")
    return ([Path(here).expanduser()] if here else []) + [root()]


def _missing(folder: Path, name: str) -> list[str]:
    files = [file for file, _ in NAMED[name].files]
    return [f for f in files if not (folder / f).is_file() and not (folder / f.removesuffix(".gz")).is_file()]


def _download(name: str, folder: Path) -> None:
    """Fetch what is missing from the first mirror that has it whole."""
    pooch.get_logger().setLevel("WARNING")
    checksums = dict(NAMED[name].files)
    for file in _missing(folder, name):
        failures = []
        for mirror in NAMED[name].mirrors:
            try:
                known = checksums[file] and f"md5:{checksums[file]}"
                fetch = pooch.HTTPDownloader(progressbar=Download(file), timeout=30)
                pooch.retrieve(mirror + file, known_hash=known, fname=file, path=folder, downloader=fetch)
                break
            except (
                OSError,
                ValueError,
            ) as error:  # requests' errors are OSErrors; ValueError: wrong checksum
                failures.append(f"{mirror}: {type(error).__name__}")
        else:
            raise LimnerError(
                f"cannot download {file} of '{name}' ({'; '.join(failures)}): put {', '.join(checksums)} in "
                f"{folder}, or set LIMNER_DATA to a folder with a '{name}' folder that holds them"
            )


def _idx(name: str) -> Raw:
    raw = idx_folder(folder_of(name), name, name)
    assert raw.test is not None
    counts = tuple(len(split.pixels) for split in (raw.train, raw.test))
    if counts != (60_000, 10_000) or raw.train.pixels.shape[2:] != (28, 28):
        raise _not_it(name, f"{counts[0]:,} + {counts[1]:,} images of {raw.train.pixels.shape[2:]}")
    _check_mean(name, raw.train.pixels)
    classes = FASHION if name == "fashion-mnist" else DIGITS
    return Raw(name, name, raw.train, raw.test, classes, official=True)


def idx_folder(folder: Path, name: str, source: str) -> Raw:
    """A folder of idx files; labels where there are label files, test where there are test images."""
    files = idx.find(folder)
    if ("train", "images") not in files:
        raise LimnerError(f"{folder} has idx files but none named like train-images-idx3-ubyte.gz: rename it")
    train = _idx_split(files, "train")
    test = _idx_split(files, "test") if ("test", "images") in files else None
    if test is not None and test.pixels.shape[2:] != train.pixels.shape[2:]:
        raise LimnerError(f"{folder}: train and test images differ in size; make them one size")
    found = [s.labels for s in (train, test) if s is not None and s.labels is not None]
    classes = tuple(str(k) for k in range(max(int(labels.max()) for labels in found) + 1)) if found else None
    return Raw(name, source, train, test, classes)


def _idx_split(files: dict[tuple[str, str], Path], split: str) -> Arrays:
    path = files[split, "images"]
    pixels = idx.read(path)
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise LimnerError(f"{path} has shape {pixels.shape}: images must be (N, height, width), N > 0")
    labels = idx.read(files[split, "labels"]) if (split, "labels") in files else None
    if labels is not None and labels.shape != (len(pixels),):
        raise LimnerError(f"{files[split, 'labels']} has shape {labels.shape}: expected ({len(pixels)},)")
    return Arrays(pixels[:, None], labels)


def _frey(name: str) -> Raw:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    path = folder_of(name) / "frey_rawface.mat"
    try:
        faces = loadmat(path, variable_names=["ff"]).get("ff")
    except (OSError, ValueError, TypeError, MatReadError) as error:
        raise LimnerError(f"cannot read {path}: {error}; get the file again") from error
    if faces is None or faces.shape != (560, 1965) or faces.dtype != np.uint8:
        raise _not_it(name, f"no uint8 array 'ff' of shape (560, 1965) in {path}")
    pixels = np.ascontiguousarray(faces.T).reshape(1965, 1, 28, 20)
    _check_mean(name, pixels)
    return Raw(name, name, Arrays(pixels))


def _digits(name: str) -> Raw:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    return Raw(name, name, Arrays(pixels, bunch.target), classes=DIGITS)


def _shapes(name: str) -> Raw:
    train, test = (
        Arrays(shapes.draw(factors).numpy(), factors[:, 0].numpy())
        for factors in (shapes.factors_of("train"), shapes.factors_of("test"))
    )
    return Raw(name, name, train, test, shapes.CLASSES, official=True)  # official: as factors_of has it


def _stacked(name: str) -> Raw:
    digits = read("mnist")
    assert digits.test is not None
    random = np.random.RandomState(1000)  # its stream is the same in every version of numpy
    train, test = (
        _stack(split, n, random) for split, n in ((digits.train, 60_000), (digits.test, STACKED_TEST))
    )
    classes = tuple(f"{mode:03d}" for mode in range(1000))
    return Raw(name, name, train, test, classes, official=True)


def _stack(split: Arrays, n: int, random: np.random.RandomState) -> Arrays:
    """n images of three channels, each a digit drawn on its own; labels 0..999, the first digit first."""
    assert split.labels is not None
    drawn = random.randint(len(split.pixels), size=(n, 3))
    return Arrays(split.pixels[drawn, 0], split.labels[drawn].astype(np.int64) @ (100, 10, 1))


def _check_mean(name: str, pixels: np.ndarray) -> None:
    mean = float(pixels.mean()) / 255
    if abs(mean - NAMED[name].mean) > 1e-4:
        raise _not_it(name, f"a mean pixel of {mean:.4f}")


def _not_it(name: str, found: str) -> LimnerError:
    files = ", ".join(file for file, _ in NAMED[name].files)
    return LimnerError(
        f"the files in {folder_of(name)} are not '{name}' ({NAMED[name].count} images, {NAMED[name].size}, "
        f"mean {NAMED[name].mean}): found {found}; replace {files}, or give that folder by its path"
    )


STACKED_TEST = 26_000  # as many samples as PacGAN counts modes in
DIGITS = tuple("0123456789")
FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
NAMED: dict[str, NamedSet] = {
    "digits": NamedSet(
        description="scikit-learn's handwritten digits, comes with limner",
        count="1,797",
        size="8x8 grey, enlarged to 28x28",
        licence="CC BY 4.0 (UCI)",
        origin="https://archive.ics.uci.edu/dataset/80",
        read=_digits,
    ),
    "shapes": NamedSet(
        description="white squares, ellipses and hearts with known factors, comes with limner",
        count="5,120 + 1,024",
        size="32x32 grey",
        licence="drawn by limner",
        origin="after https://github.com/google-deepmind/dsprites-dataset",
        read=_shapes,
    ),
    "mnist": NamedSet(
        description="handwritten digits",
        count="60,000 + 10,000",
        size="28x28 grey",
        licence="usually given as CC BY-SA 3.0",
        origin="http://yann.lecun.com/exdb/mnist/",
        read=_idx,
        files=(
            ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        mean=0.1307,
    ),
    "fashion-mnist": NamedSet(
        description="photographs of clothes, Zalando",
        count="60,000 + 10,000",
        size="28x28 grey",
        licence="MIT",
        origin="https://github.com/zalandoresearch/fashion-mnist",
        read=_idx,
        files=(
            ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
            ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
            ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        ),
        mirrors=(
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        mean=0.2860,
    ),
    "stacked-mnist": NamedSet(
        description="three digits of mnist as the channels of one image: 1,000 modes to cover",
        count="60,000 + 26,000",
        size="28x28 RGB",
        licence="as mnist",
        origin="made of mnist, after https://arxiv.org/abs/1611.02163",
        read=_stacked,
    ),
    "frey": NamedSet(
        description="one man's face in a film, with many expressions",
        count="1,965",
        size="28 high x 20 wide grey",
        licence="none stated; used in research",
        origin="https://cs.nyu.edu/~roweis/data.html",
        read=_frey,
        files=(("frey_rawface.mat", None),),
        mirrors=("https://cs.nyu.edu/~roweis/data/", "http://www.cs.nyu.edu/~roweis/data/"),
        mean=0.6057,
    ),
}
