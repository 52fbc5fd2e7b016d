"""A NumPy .npz of images -> arrays."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from limner.data.arrays import RawDataset, RawImages
from limner.data.decode import MAX_PIXELS
from limner.data.memory import check_memory, check_unpacked, format_bytes, read_exactly
from limner.errors import LimnerError

IMAGES = ("images", "x", "X", "data", "imgs")
LABELS = ("labels", "label", "y", "Y", "targets")
TRAIN = ("x_train", "train_images", "X_train", "train_x", "images_train", "train")
TRAIN_LABELS = ("y_train", "train_labels", "Y_train", "train_y", "labels_train")
TEST = ("x_test", "test_images", "X_test", "test_x", "images_test", "test")
TEST_LABELS = ("y_test", "test_labels", "Y_test", "test_y", "labels_test")
GROUPS = (TRAIN, IMAGES, TEST, TRAIN_LABELS, LABELS, TEST_LABELS)  # at most one array of each is read
READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
LARGEST_LABEL = 2**53  # up to here every whole number is a float
CHUNK = 2**24  # pixels converted at a time


def read(path: Path, name: str) -> RawDataset:
    """The images, labels and split of an .npz; raises LimnerError that names the wrong array.

    Images are uint8 or floats in [0, 1] or [-1, 1], of shape (N, H, W), (N, H, W, C) or (N, C, H, W).
    """
    arrays = _read_arrays(path)
    train_key, test_key = _first_key(arrays, TRAIN) or _first_key(arrays, IMAGES), _first_key(arrays, TEST)
    assert train_key is not None
    image_keys = [train_key, test_key] if test_key else [train_key]
    images = {key: _to_nchw(arrays[key], f"'{key}' in {path}") for key in image_keys}
    shapes = {array.shape[1:] for array in images.values()}
    if len(shapes) > 1:
        raise LimnerError(
            f"{path}: '{train_key}' and '{test_key}' hold images of different shapes: make them one"
        )
    scale, shift, notes = _scaling(images, path)
    images = {key: _to_uint8(array, scale, shift) for key, array in images.items()}
    labels = {}
    label_key = _first_key(arrays, TRAIN_LABELS) or _first_key(arrays, LABELS)
    if label_key:
        labels[train_key] = _check_labels(arrays[label_key], len(images[train_key]), path)
    test_label_key = _first_key(arrays, TEST_LABELS)
    if test_key and test_label_key:
        labels[test_key] = _check_labels(arrays[test_label_key], len(images[test_key]), path)
    numbers, classes = _number_labels(labels)
    train = RawImages(images[train_key], numbers.get(train_key))
    test = RawImages(images[test_key], numbers.get(test_key)) if test_key else None
    return RawDataset(name, str(path), train, test, classes, notes)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays with a known name, the first of each group; raises LimnerError if there are no images."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            keys = [key for key in (_first_key(members, group) for group in GROUPS) if key is not None]
            if not {*keys} & {*TRAIN, *IMAGES}:
                raise LimnerError(
                    f"{path} has {', '.join(members) or 'no array'}: "
                    "name images 'images', or 'x_train' and 'x_test'"
                )
            _check_members([members[key] for key in keys], path)
            return {key: _read_array(archive, members[key], f"'{key}' in {path}") for key in keys}
    except ValueError as error:
        raise LimnerError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    except (OSError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise LimnerError(f"cannot read {path}: {error}; save it again with numpy.savez") from error


def _check_members(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Raise LimnerError if the sizes that the zip declares are not possible, or do not fit in memory."""
    packed, unpacked = sum(info.compress_size for info in members), sum(info.file_size for info in members)
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in members):
        raise LimnerError(f"{path} has an unusual compression: save it again with numpy.savez_compressed")
    if packed > path.stat().st_size:
        raise LimnerError(f"{path} declares more data than it holds; save it again with numpy.savez")
    check_unpacked(str(path), unpacked, packed)
    check_memory(str(path), unpacked, "save fewer images")


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> np.ndarray:
    """One array, allocated only if its header agrees with the size of the member of the zip."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version not in READERS:
            raise LimnerError(f"{label} has the .npy format {version}: save plain arrays with numpy.savez")
        shape, fortran_order, dtype = READERS[version](file)
        if dtype.hasobject:
            raise LimnerError(
                f"{label} holds pickled objects, which could run code: "
                "save plain arrays of one shape and type"
            )
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size != info.file_size - file.tell():
            raise LimnerError(
                f"{label} declares shape {shape} of {dtype}, {format_bytes(size)}, and holds "
                f"{format_bytes(info.file_size - file.tell())}; save it again with numpy.savez"
            )
        if not size:
            raise LimnerError(f"{label} has shape {shape}: there is no image or label in it")
        content = read_exactly(file, size)
    if content is None:
        raise LimnerError(f"{label} is cut off; save it again with numpy.savez")
    return content.view(dtype).reshape(shape, order="F" if fortran_order else "C")


def _first_key(arrays: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in arrays), None)


def _to_nchw(images: np.ndarray, label: str) -> np.ndarray:
    """Images as (N, C, H, W); `label` names the array in errors."""
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4:
        channels_first, channels_last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if channels_last and not (channels_first and images.shape[2] > 3):
            images = images.transpose(0, 3, 1, 2)
        elif not channels_first:
            raise LimnerError(f"{label} has shape {images.shape}: 1 or 3 channels must come second or last")
    else:
        raise LimnerError(
            f"{label} has shape {images.shape}: expected (N, H, W), (N, H, W, C) or (N, C, H, W)"
        )
    if 0 in images.shape:
        raise LimnerError(f"{label} has shape {images.shape}: there is no image in it")
    if images[0, 0].size > MAX_PIXELS:
        raise LimnerError(
            f"{label} has images of more than {MAX_PIXELS / 1e6:.0f} megapixels: make them smaller"
        )
    return images


def _scaling(images: dict[str, np.ndarray], path: Path) -> tuple[float, float, tuple[str, ...]]:
    """The scale and shift that bring all arrays to 0..255, and a note that describes them."""
    if all(array.dtype == np.uint8 for array in images.values()):
        return 1.0, 0.0, ()
    kinds = {array.dtype.kind for array in images.values()}
    if kinds == {"b"}:
        return 255.0, 0.0, ("truth values: false taken as 0, true as 255",)
    if not kinds <= {"i", "u", "f"}:
        types = ", ".join(sorted({str(array.dtype) for array in images.values()}))
        raise LimnerError(f"{path} has images of type {types}: save uint8, or floats in [0, 1] or [-1, 1]")
    low, high = _value_range(images, path)
    if kinds == {"f"} and low >= 0 and high <= 1:
        return 255.0, 0.0, ("floats in [0, 1] scaled to 0..255",)
    if kinds == {"f"} and low >= -1 and high <= 1:
        return 127.5, 127.5, ("floats in [-1, 1] scaled to 0..255",)
    if kinds == {"f"} or low < 0 or high > 255:
        raise LimnerError(
            f"{path} has values from {low:g} to {high:g}: save uint8, or floats in [0, 1] or [-1, 1]"
        )
    return 1.0, 0.0, ("whole numbers in 0..255 taken as they are",)


def _value_range(images: dict[str, np.ndarray], path: Path) -> tuple[float, float]:
    low = min(float(array.min()) for array in images.values())
    high = max(float(array.max()) for array in images.values())
    if not np.isfinite([low, high]).all():
        raise LimnerError(f"{path} has values that are not finite: correct or remove those images")
    return low, high


def _to_uint8(array: np.ndarray, scale: float, shift: float) -> np.ndarray:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    scaled = np.empty(array.shape, np.uint8)
    count = max(1, CHUNK // array[0].size)  # images converted at a time
    for start in range(0, len(array), count):
        chunk = array[start : start + count].astype(np.float32)
        scaled[start : start + count] = np.rint(chunk * scale + shift)
    return scaled


def _check_labels(labels: np.ndarray, count: int, path: Path) -> np.ndarray:
    """Labels (count,) as integers or words; raises LimnerError for another shape or type."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise LimnerError(
            f"{path} has labels of shape {labels.shape} for {count} images: expected one label for each"
        )
    if labels.dtype.kind == "f":
        return _whole_numbers(labels, path)
    if labels.dtype.kind not in "biuU":
        raise LimnerError(f"{path} has labels of type {labels.dtype}: save whole numbers or words")
    if labels.dtype.kind == "u" and labels.max() > LARGEST_LABEL:
        raise LimnerError(f"{path} has the label {labels.max()}: save whole numbers up to {LARGEST_LABEL:,}")
    return labels if labels.dtype.kind == "U" else labels.astype(np.int64)


def _whole_numbers(labels: np.ndarray, path: Path) -> np.ndarray:
    """Float labels as int64; raises LimnerError that names the first that is not a whole number."""
    values = labels.astype(np.float64)
    is_whole = (values == np.rint(values)) & (np.abs(values) <= LARGEST_LABEL)  # False for nan
    if not is_whole.all():
        index = int(np.argmin(is_whole))
        raise LimnerError(
            f"{path} has the label {values[index]:g} for image {index}: save whole numbers or words"
        )
    return values.astype(np.int64)


def _number_labels(
    labels: dict[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None]:
    """Labels as 0..K-1, int64, and the K values that they stand for, in order."""
    if not labels:
        return {}, None
    values, inverse = np.unique(np.concatenate(list(labels.values())), return_inverse=True)
    ends = np.cumsum([len(array) for array in labels.values()])[:-1]
    numbers = np.split(inverse.astype(np.int64), ends)
    return dict(zip(labels, numbers, strict=True)), tuple(str(value) for value in values)
