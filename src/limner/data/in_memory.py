"""Arrays, tensors and torch Datasets as a source; the cache keeps a copy, so that runs can be opened."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset

from limner.data.arrays import RawDataset
from limner.data.cache import root
from limner.data.raw_arrays import assemble
from limner.data.split import digest
from limner.errors import LimnerError
from limner.files import write_atomically

NAME = "arrays"
PREFIX = "arrays:"  # of a source: the digest of the arrays follows
Arrays = np.ndarray | torch.Tensor | TorchDataset[Any] | tuple[Any, Any]


def is_arrays(source: object) -> TypeGuard[Arrays]:
    """Whether a source is an array, a tensor, a pair of these (images, labels), or a torch Dataset."""
    if isinstance(source, tuple) and len(source) == 2:
        return isinstance(source[0], np.ndarray | torch.Tensor)
    return isinstance(source, np.ndarray | torch.Tensor | TorchDataset)


def read(source: Arrays) -> RawDataset:
    """The images and labels of arrays, with the place of the copy in the cache as their source."""
    x, y = collect(source) if isinstance(source, TorchDataset) else split_pair(source)
    labels = {} if y is None else {"labels": y}
    raw = assemble({"images": x} | labels, "data", NAME, "")
    stored = {"images": raw.train.pixels} | labels
    key = digest(b"".join(digest(np.ascontiguousarray(array)) for array in stored.values())).hex()
    notes = [*raw.notes, *keep(copy_path(key), stored)]
    return RawDataset(NAME, f"{PREFIX}{key}", raw.train, classes=raw.classes, notes=tuple(notes))


def copy_path(key: str) -> Path:
    """Where the cache keeps the arrays of this digest."""
    return root() / "arrays" / f"{key}.npz"


def stored_path(source: str) -> Path:
    """The copy of the arrays of a source; LimnerError where the cache has it no longer."""
    path = copy_path(source.removeprefix(PREFIX))
    if not path.is_file():
        raise LimnerError(
            f"the data were arrays, and their copy {path} is gone: limner.load_data(x) with the same arrays "
            "puts it back"
        )
    return path


def keep(path: Path, arrays: dict[str, np.ndarray]) -> tuple[str, ...]:
    """Write the copy, unless it is there; a note where that fails."""
    if path.is_file():
        return ()
    try:
        write_atomically(path, partial(np.savez, **arrays))  # type: ignore[arg-type]
    except LimnerError as error:
        return (f"later, the data must be given again with limner.load_data(x): {error}",)
    return ()


def split_pair(source: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """The arrays of images, or of (images, labels)."""
    x, y = source if isinstance(source, tuple) else (source, None)
    return to_array(x), None if y is None else to_array(y)


def to_array(values: Any) -> np.ndarray:
    """An array, a tensor of any device, or a list of labels, as an array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    array = np.asarray(values)
    if array.dtype.hasobject:
        raise LimnerError("data hold objects, not numbers: give arrays of one shape and type")
    return array


def collect(dataset: TorchDataset[Any]) -> tuple[np.ndarray, np.ndarray | None]:
    """All images and labels of a torch Dataset; its items are images or (image, label)."""
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__") or not len(dataset):
        raise LimnerError(f"{type(dataset).__name__} is empty or has no length: give images as an array")
    items = [dataset[i] for i in range(len(dataset))]
    labelled = isinstance(items[0], tuple | list) and len(items[0]) > 1
    images = [to_array(open_image(item[0] if isinstance(item, tuple | list) else item)) for item in items]
    other = next((i for i, image in enumerate(images) if image.shape != images[0].shape), None)
    if other is not None:
        raise LimnerError(
            f"image {other} of {type(dataset).__name__} has shape {images[other].shape} and image 0 has "
            f"{images[0].shape}: resize them to one"
        )
    return np.stack(images), stack_labels([item[1] for item in items]) if labelled else None


def open_image(image: Any) -> Any:
    """A Pillow image in grey or in colour; anything else as it is."""
    is_other = isinstance(image, Image.Image) and image.mode not in ("L", "RGB")
    return image.convert("RGB") if is_other else image


def stack_labels(labels: Sequence[Any]) -> np.ndarray:
    """Labels, numbers or tensors of one number, as an array (N,)."""
    return to_array([label.item() if isinstance(label, torch.Tensor) else label for label in labels])
