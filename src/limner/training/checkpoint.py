"""Weights and training states on the disk: safetensors, and torch files without code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from limner.errors import LimnerError
from limner.files import WriteError, write_atomically


def write_weights(path: Path, weights: dict[str, Tensor], images_seen: int) -> None:
    """Write tensors as safetensors, with the images seen in the header."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    header = {"images_seen": str(images_seen), "format": "pt"}

    def save(beside: Path) -> None:
        try:
            save_file(tensors, beside, metadata=header)
        except SafetensorError as error:
            raise WriteError(str(error)) from None

    write_atomically(path, save)


def read_weights(path: Path) -> tuple[dict[str, Tensor], int]:
    """The tensors of a weights file, and the images they have seen.

    Raises LimnerError unless the file is a run's and whole.
    """
    try:
        with safe_open(path, framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise LimnerError(f"{path} is missing: train the run again, or finish it with --resume") from None
    except (SafetensorError, OSError) as error:
        raise LimnerError(f"{path} is not a whole safetensors file, so it is not opened ({error})") from None
    return weights, images_seen(path)


def images_seen(path: Path) -> int:
    """The images that the weights in a file have seen, from its header alone."""
    try:
        with safe_open(path, framework="pt") as file:
            return int((file.metadata() or {})["images_seen"])
    except FileNotFoundError:
        raise LimnerError(f"{path} is missing: train the run again, or finish it with --resume") from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise LimnerError(f"{path} is not the weights of a run of ours ({error})") from None


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write all that resuming needs."""
    write_atomically(path, lambda beside: torch.save(state, beside))


def read_state(path: Path) -> dict[str, Any]:
    """Read what resuming needs, tensors and numbers only: a file that holds code is refused unopened."""
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise LimnerError(f"{path} is missing, so this run cannot be resumed") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise LimnerError(f"{path} is damaged or not ours, so it is not opened ({reason})") from None
    keys = {"images_seen", "iteration", "model", "optimizers", "averages", "noted", "rng", "rng_cuda"}
    if not isinstance(state, dict) or keys - set(state):
        raise LimnerError(f"{path} is not the state of a run of ours")
    return state
