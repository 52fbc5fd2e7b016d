"""A NumPy .npz of images -> arrays."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from limner.data.arrays import RawDataset, RawImages
from limner.errors import LimnerError

IMAGES = ("images", "x", "X", "data", "imgs")
LABELS = ("labels", "label", "y", "Y", "targets")
TRAIN = ("x_train", "train_images", "X_train", "train_x", "images_train", "train")
TRAIN_LABELS = ("y_train", "train_labels", "Y_train", "train_y", "labels_train")
TEST = ("x_test", "test_images", "X_test", "test_x", "images_test", "test")
TEST_LABELS = ("y_test", "test_labels", "Y_test", "test_y", "labels_test")
KNOWN = {*IMAGES, *LABELS, *TRAIN, *TRAIN_LABELS, *TEST, *TEST_LABELS}
CHUNK = 1024  # images converted at a time


def read(path: Path, name: str) -> RawDataset:
    """The images, labels and split of an .npz; raises LimnerError that names the wrong array.

    Images are uint8 or floats in [0, 1] or [-1, 1], of shape (N, H, W), (N, H, W, C) or (N, C, H, W).
    """
    arrays = _read_arrays(path)
    train_key, test_key = _first_key(arrays, TRAIN) or _first_key(arrays, IMAGES), _first_key(arrays, TEST)
    if train_key is None:
        raise LimnerError(
            f"{path} has {', '.join(arrays) or 'no array'}: name images 'images', or 'x_train' and 'x_test'"
        )
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
    """The arrays with a known name, or the only array."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files if key in KNOWN or len(file.files) == 1}
    except ValueError as error:
        if "pickle" not in str(error):
            raise LimnerError(f"cannot read {path}: {error}") from error
        raise LimnerError(
            f"{path} holds pickled objects, which could run code: save plain arrays of one shape and type"
        ) from error
    except (OSError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise LimnerError(f"cannot read {path}: {error}; save it again with numpy.savez") from error


def _first_key(arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> str | None:
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
    for start in range(0, len(array), CHUNK):
        chunk = array[start : start + CHUNK].astype(np.float32)
        scaled[start : start + CHUNK] = np.rint(chunk * scale + shift)
    return scaled


def _check_labels(labels: np.ndarray, count: int, path: Path) -> np.ndarray:
    """Labels (count,) as integers or words; raises LimnerError for another shape or type."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise LimnerError(
            f"{path} has labels of shape {labels.shape} for {count} images: expected one label for each"
        )
    is_whole = labels.dtype.kind == "f" and (labels == np.rint(labels)).all()
    if labels.dtype.kind not in "biuU" and not is_whole:
        raise LimnerError(f"{path} has labels of type {labels.dtype}: save whole numbers or words")
    return labels.astype(np.int64) if labels.dtype.kind in "bf" else labels


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
