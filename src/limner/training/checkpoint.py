"""Files that are whole or not there: written beside their place, flushed, then moved in."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from limner.errors import LimnerError


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` make a file beside `path`, flush it to the disk and move it there.

    On failure `path` is left as it was.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")  # the same suffix: writers go by it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        with open(beside, "rb+") as file:  # Windows flushes only what may be written
            os.fsync(file.fileno())
        beside.chmod(0o644)  # safetensors writes what only its owner may read
        os.replace(beside, path)
    except (
        OSError,
        RuntimeError,
        SafetensorError,
    ) as error:  # torch and safetensors have errors of their own
        reason = (
            error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        )
        raise LimnerError(f"cannot write {path}: {reason}; what was there before is untouched") from None
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as readable JSON."""
    write_atomically(path, lambda beside: beside.write_text(json.dumps(content, indent=2) + "\n"))


def read_json(path: Path) -> Any:
    """Read a JSON file of ours; LimnerError where it is missing, cut short or something else."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise LimnerError(f"{path} is missing") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise LimnerError(f"{path} cannot be read: it is damaged or not ours ({error})") from None


def write_weights(path: Path, weights: dict[str, Tensor], images_seen: int) -> None:
    """Write tensors as safetensors, with the images seen in the header."""
    whole = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    about = {"images_seen": str(images_seen), "format": "pt"}
    write_atomically(path, lambda beside: save_file(whole, beside, metadata=about))


def read_weights(path: Path) -> tuple[dict[str, Tensor], int]:
    """The tensors of a weights file and the images they saw; LimnerError unless it is ours and whole."""
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
    wanted = {"images_seen", "iterations", "model", "optimizers", "averages", "rng", "rng_cuda"}
    if not isinstance(state, dict) or wanted - set(state):
        raise LimnerError(f"{path} is not the state of a run of ours")
    return state


def sweep(folder: Path) -> None:
    """Remove the unfinished files that a writer killed at its work left in a run's folder."""
    for path in [*folder.glob(".*"), *(folder / "samples").glob(".*")]:
        if re.fullmatch(r"\.[^.]+\.\d+\.(json|jsonl|safetensors|pt|png|npz)", path.name):
            path.unlink(missing_ok=True)
