"""Arrays of images and labels, by name, in any usual layout and type -> a RawDataset."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from limner.data.arrays import RawDataset, RawImages
from limner.data.decode import MAX_PIXELS
from limner.errors import LimnerError

IMAGES = ("images", "x", "X", "data", "imgs")
LABELS = ("labels", "label", "y", "Y", "targets")
TRAIN = ("x_train", "train_images", "X_train", "train_x", "images_train", "train")
TRAIN_LABELS = ("y_train", "train_labels", "Y_train", "train_y", "labels_train")
TEST = ("x_test", "test_images", "X_test", "test_x", "images_test", "test")
TEST_LABELS = ("y_test", "test_labels", "Y_test", "test_y", "labels_test")
IMAGE_GROUPS = (TRAIN, IMAGES, TEST)  # at most one array of each is read
LABEL_GROUPS = (TRAIN_LABELS, LABELS, TEST_LABELS)
LARGEST_LABEL = 2**53  # up to here every whole number is a float
CHUNK = 2**24  # pixels converted at a time


def assemble(arrays: Mapping[str, np.ndarray], place: str, name: str, source: str) -> RawDataset:
    """The images, labels and split in arrays with known names; LimnerError that names the wrong array.

    Images are uint8 or floats in [0, 1] or [-1, 1], of shape (N, H, W), (N, H, W, C) or (N, C, H, W).
    `place` says in errors where the arrays are.
    """
    train_key, test_key = first_key(arrays, TRAIN) or first_key(arrays, IMAGES), first_key(arrays, TEST)
    assert train_key is not None
    image_keys = [train_key, test_key] if test_key else [train_key]
    images = {key: _to_nchw(arrays[key], f"'{key}' in {place}") for key in image_keys}
    shapes = {array.shape[1:] for array in images.values()}
    if len(shapes) > 1:
        raise LimnerError(
            f"{place}: '{train_key}' and '{test_key}' hold images of different shapes: make them one"
        )
    scale, shift, notes = _scaling(images, place)
    images = {key: _to_uint8(array, scale, shift) for key, array in images.items()}
    labels = {}
    label_key = first_key(arrays, TRAIN_LABELS) or first_key(arrays, LABELS)
    if label_key:
        labels[train_key] = _check_labels(arrays[label_key], len(images[train_key]), place)
    test_label_key = first_key(arrays, TEST_LABELS)
    if test_key and test_label_key:
        labels[test_key] = _check_labels(arrays[test_label_key], len(images[test_key]), place)
    numbers, classes = _number_labels(labels)
    train = RawImages(images[train_key], numbers.get(train_key))
    test = RawImages(images[test_key], numbers.get(test_key)) if test_key else None
    return RawDataset(name, source, train, test, classes, notes)


def first_key(arrays: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    """The first of the names that an array has."""
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


def _scaling(images: dict[str, np.ndarray], place: str) -> tuple[float, float, tuple[str, ...]]:
    """The scale and shift that bring all arrays to 0..255, and a note that describes them."""
    if all(array.dtype == np.uint8 for array in images.values()):
        return 1.0, 0.0, ()
    kinds = {array.dtype.kind for array in images.values()}
    if kinds == {"b"}:
        return 255.0, 0.0, ("truth values: false taken as 0, true as 255",)
    if not kinds <= {"i", "u", "f"}:
        types = ", ".join(sorted({str(array.dtype) for array in images.values()}))
        raise LimnerError(f"{place} has images of type {types}: save uint8, or floats in [0, 1] or [-1, 1]")
    low, high = _value_range(images, place)
    if kinds == {"f"} and low >= 0 and high <= 1:
        return 255.0, 0.0, ("floats in [0, 1] scaled to 0..255",)
    if kinds == {"f"} and low >= -1 and high <= 1:
        return 127.5, 127.5, ("floats in [-1, 1] scaled to 0..255",)
    if kinds == {"f"} or low < 0 or high > 255:
        raise LimnerError(
            f"{place} has values from {low:g} to {high:g}: save uint8, or floats in [0, 1] or [-1, 1]"
        )
    return 1.0, 0.0, ("whole numbers in 0..255 taken as they are",)


def _value_range(images: dict[str, np.ndarray], place: str) -> tuple[float, float]:
    low = min(float(array.min()) for array in images.values())
    high = max(float(array.max()) for array in images.values())
    if not np.isfinite([low, high]).all():
        raise LimnerError(f"{place} has values that are not finite: correct or remove those images")
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


def _check_labels(labels: np.ndarray, count: int, place: str) -> np.ndarray:
    """Labels (count,) as integers or words; raises LimnerError for another shape or type."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise LimnerError(
            f"{place} has labels of shape {labels.shape} for {count} images: expected one label for each"
        )
    if labels.dtype.kind == "f":
        return _whole_numbers(labels, place)
    if labels.dtype.kind not in "biuU":
        raise LimnerError(f"{place} has labels of type {labels.dtype}: save whole numbers or words")
    if labels.dtype.kind == "u" and labels.max() > LARGEST_LABEL:
        raise LimnerError(f"{place} has the label {labels.max()}: save whole numbers up to {LARGEST_LABEL:,}")
    return labels if labels.dtype.kind == "U" else labels.astype(np.int64)


def _whole_numbers(labels: np.ndarray, place: str) -> np.ndarray:
    """Float labels as int64; raises LimnerError that names the first that is not a whole number."""
    values = labels.astype(np.float64)
    is_whole = (values == np.rint(values)) & (np.abs(values) <= LARGEST_LABEL)  # False for nan
    if not is_whole.all():
        index = int(np.argmin(is_whole))
        raise LimnerError(
            f"{place} has the label {values[index]:g} for image {index}: save whole numbers or words"
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
