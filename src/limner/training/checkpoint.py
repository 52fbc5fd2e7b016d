"""Weights and training states on the disk: safetensors, and torch files without code."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from limner.errors import LimnerError
from limner.files import write_atomically
from limner.training.checks import are_usable

MISSING = "is missing: train the run again, or finish it with --resume"
# what a state holds, and of which type
STATE: dict[str, type] = {
    "images_seen": int,
    "iteration": int,
    "model": dict,
    "optimizers": dict,
    "averages": dict,
    "noted": dict,
    "first_losses": dict,
    "rng": Tensor,
    "rng_cuda": object,
}


def write_weights(path: Path, weights: dict[str, Tensor], images_seen: int) -> None:
    """Write tensors as safetensors, with the images seen in the header; equal tensors give equal bytes.

    The header has one key: safetensors writes several in an order that changes from process to process.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    content = save(tensors, metadata={"images_seen": str(images_seen)})
    write_atomically(path, lambda beside: beside.write_bytes(content))


def read_weights(path: Path) -> tuple[dict[str, Tensor], int]:
    """The tensors of a weights file, and the images they have seen.

    Raises LimnerError unless the file is a run's and whole.
    """
    try:
        with safe_open(path, framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise LimnerError(f"{path} {MISSING}") from None
    except (SafetensorError, OSError) as error:
        raise LimnerError(f"{path} is not a whole safetensors file, so it is not opened ({error})") from None
    if not are_usable(weights.values()):
        raise LimnerError(
            f"{path} holds weights that are not finite, or too large for a network: train the run again"
        )
    return weights, images_seen(path)


def read_part(path: Path, prefix: str) -> dict[str, Tensor]:
    """The tensors of a weights file whose names begin with a prefix, without it; the others are not read."""
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise LimnerError(f"{path} {MISSING}") from None
    except (SafetensorError, OSError) as error:
        raise LimnerError(f"{path} is not a whole safetensors file, so it is not opened ({error})") from None


def check_shapes(path: Path, expected: Mapping[str, Tensor]) -> None:
    """Raise LimnerError unless a weights file has the expected tensors by name and shape.

    The file's header alone is read; the expected tensors may be on torch's meta device.
    """
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise LimnerError(f"{path} {MISSING}") from None
    except (SafetensorError, OSError) as error:
        raise LimnerError(f"{path} is not a whole safetensors file, so it is not opened ({error})") from None
    wrong = sorted(set(expected) ^ set(shapes))
    wrong += sorted(name for name in set(expected) & set(shapes) if expected[name].shape != shapes[name])
    if wrong:
        raise LimnerError(f"{path} is not of this run: its tensor '{wrong[0]}' does not fit run.json")


def images_seen(path: Path) -> int:
    """The images that the weights in a file have seen, from its header alone."""
    try:
        with safe_open(path, framework="pt") as file:
            images = int((file.metadata() or {})["images_seen"])
    except FileNotFoundError:
        raise LimnerError(f"{path} {MISSING}") from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise LimnerError(f"{path} is not the weights of a run of ours ({error})") from None
    if images < 0:
        raise LimnerError(f"{path} is not the weights of a run of ours (images seen: {images})")
    return images


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write all that resuming needs."""
    content = io.BytesIO()  # a full disk then fails in Python's words, which we know
    torch.save(state, content)
    write_atomically(path, lambda beside: beside.write_bytes(content.getbuffer()))


def read_state(path: Path) -> dict[str, Any]:
    """Read what resuming needs, tensors and numbers only: a file that holds code is refused unopened."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of foreign pickles before it refuses them
            state = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise LimnerError(f"{path} is missing, so this run cannot be resumed") from None
    except Exception:  # of any type for damaged bytes; torch's words advise to run the code in the file
        raise LimnerError(f"{path} is damaged or not ours, so it is not opened") from None
    if not isinstance(state, dict) or set(STATE) - set(state):
        raise LimnerError(f"{path} is not the state of a run of ours")
    wrong = [name for name, kind in STATE.items() if not isinstance(state[name], kind)]
    wrong += [name for name in ("images_seen", "iteration") if name not in wrong and state[name] < 0]
    if wrong:
        raise LimnerError(f"{path} is damaged: its {wrong[0]} cannot be used")
    return state
