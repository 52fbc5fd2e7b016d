"""A NumPy .npz of images -> arrays."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from limner.data.arrays import Arrays, Raw
from limner.errors import LimnerError

IMAGES = ("images", "x", "X", "data", "imgs")
LABELS = ("labels", "label", "y", "Y", "targets")
TRAIN = ("x_train", "train_images", "X_train", "train_x", "images_train", "train")
TRAIN_LABELS = ("y_train", "train_labels", "Y_train", "train_y", "labels_train")
TEST = ("x_test", "test_images", "X_test", "test_x", "images_test", "test")
TEST_LABELS = ("y_test", "test_labels", "Y_test", "test_y", "labels_test")
CHUNK = 1024  # images converted at a time


def read(path: Path, name: str) -> Raw:
    """The images, labels and split of an .npz; raises LimnerError naming the array at fault.

    Images are uint8 or floats in [0, 1] or [-1, 1], of shape (N, H, W), (N, H, W, C) or (N, C, H, W).
    """
    found = _arrays(path)
    key, test_key = _first(found, TRAIN) or _first(found, IMAGES), _first(found, TEST)
    if key is None:
        raise LimnerError(
            f"{path} has {', '.join(found) or 'no array'}: name images 'images', or 'x_train' and 'x_test'"
        )
    label_key = _first(found, TRAIN_LABELS) or _first(found, LABELS)
    test_label_key = _first(found, TEST_LABELS) if test_key else None
    keys = [k for k in (key, test_key) if k]
    images = {k: _laid_out(found[k], f"'{k}' in {path}") for k in keys}
    shapes = {array.shape[1:] for array in images.values()}
    if len(shapes) > 1:
        raise LimnerError(f"{path}: '{key}' and '{test_key}' hold images of different shapes: make them one")
    notes = _to_bytes(images, path)
    pairs = ((key, label_key), (test_key, test_label_key))
    labels = {k: found[of] for k, of in pairs if k and of}
    numbers, classes = _numbered(labels, images, path)
    splits = [Arrays(images[k], numbers.get(k)) for k in keys]
    return Raw(name, str(path), splits[0], splits[1] if test_key else None, classes, notes)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            known = {*IMAGES, *LABELS, *TRAIN, *TRAIN_LABELS, *TEST, *TEST_LABELS}
            return {key: file[key] for key in file.files if key in known or len(file.files) == 1}
    except ValueError as error:
        if "pickle" not in str(error):
            raise LimnerError(f"cannot read {path}: {error}") from error
        raise LimnerError(
            f"{path} holds pickled objects, which could run code: save plain arrays of one shape and type"
        ) from error
    except (OSError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise LimnerError(f"cannot read {path}: {error}; save it again with numpy.savez") from error


def _first(found: dict[str, np.ndarray], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in found), None)


def _laid_out(images: np.ndarray, what: str) -> np.ndarray:
    """Images as (N, C, H, W)."""
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4:
        first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if last and not (first and images.shape[2] > 3):
            images = images.transpose(0, 3, 1, 2)
        elif not first:
            raise LimnerError(f"{what} has shape {images.shape}: 1 or 3 channels must come second or last")
    else:
        raise LimnerError(
            f"{what} has shape {images.shape}: expected (N, H, W), (N, H, W, C) or (N, C, H, W)"
        )
    if 0 in images.shape:
        raise LimnerError(f"{what} has shape {images.shape}: there is no image in it")
    return images


def _to_bytes(images: dict[str, np.ndarray], path: Path) -> tuple[str, ...]:
    """Turn every array into uint8 in place, by one rule for all; gives the note that says which."""
    kinds = {array.dtype.kind for array in images.values()}
    if all(array.dtype == np.uint8 for array in images.values()):
        scale, shift, note = 1.0, 0.0, ""
    elif kinds == {"b"}:
        scale, shift, note = 255.0, 0.0, "truth values: false taken as 0, true as 255"
    elif kinds <= set("iuf"):
        low, high = _range(images, path)
        if kinds == {"f"} and low >= 0 and high <= 1:
            scale, shift, note = 255.0, 0.0, "floats in [0, 1] scaled to 0..255"
        elif kinds == {"f"} and low >= -1 and high <= 1:
            scale, shift, note = 127.5, 127.5, "floats in [-1, 1] scaled to 0..255"
        elif kinds == {"f"} or low < 0 or high > 255:
            raise LimnerError(
                f"{path} has values from {low:g} to {high:g}: save uint8, or floats in [0, 1] or [-1, 1]"
            )
        else:
            scale, shift, note = 1.0, 0.0, "whole numbers in 0..255 taken as they are"
    else:
        types = ", ".join(sorted({str(array.dtype) for array in images.values()}))
        raise LimnerError(f"{path} has images of type {types}: save uint8, or floats in [0, 1] or [-1, 1]")
    for key, array in images.items():
        images[key] = np.ascontiguousarray(array) if array.dtype == np.uint8 else _scaled(array, scale, shift)
    return (note,) if note else ()


def _range(images: dict[str, np.ndarray], path: Path) -> tuple[float, float]:
    low = min(float(array.min()) for array in images.values())
    high = max(float(array.max()) for array in images.values())
    if not np.isfinite([low, high]).all():
        raise LimnerError(f"{path} has values that are not finite: mend or remove those images")
    return low, high


def _scaled(array: np.ndarray, scale: float, shift: float) -> np.ndarray:
    out = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), CHUNK):
        part = array[start : start + CHUNK].astype(np.float32)
        out[start : start + CHUNK] = np.rint(part * scale + shift)
    return out


def _numbered(
    labels: dict[str, np.ndarray], images: dict[str, np.ndarray], path: Path
) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None]:
    """Labels as 0..K-1 and the K values they stand for, in order."""
    flat = {}
    for key, array in labels.items():
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.shape != (len(images[key]),):
            raise LimnerError(
                f"{path} has labels of shape {array.shape} for {len(images[key])} images: expected one each"
            )
        whole = array.dtype.kind in "biuU" or (array.dtype.kind == "f" and (array == np.rint(array)).all())
        if not whole:
            raise LimnerError(f"{path} has labels of type {array.dtype}: save whole numbers or words")
        flat[key] = array.astype(np.int64) if array.dtype.kind in "bf" else array
    if not flat:
        return {}, None
    values, inverse = np.unique(np.concatenate(list(flat.values())), return_inverse=True)
    parts = np.split(inverse.astype(np.int64), np.cumsum([len(a) for a in flat.values()])[:-1])
    return dict(zip(flat, parts, strict=True)), tuple(str(value) for value in values)
