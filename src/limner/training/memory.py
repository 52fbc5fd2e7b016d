"""Whether a batch fits: the training images that there are, and the memory that a step takes."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from limner.data.examples import Examples
from limner.data.memory import available_memory, format_bytes
from limner.errors import LimnerError
from limner.models.base import Model
from limner.training.config import TrainConfig

SMALL_BATCH = 256  # a set with fewer images is repeated inside a batch of this size
TRIAL = 16  # images in the step that is measured
OVERHEAD = (
    2.0  # memory of a step per byte that it keeps for the gradients: these too, and intermediate results
)


def check_batch(network: Model, examples: Examples, train_images: int, config: TrainConfig) -> None:
    """Raise LimnerError if a batch is larger than the training set, or if a step does not fit in memory.

    examples: training images, of which a few are used; train_images: how many a run trains on.  The memory is
    measured only for batches larger than the model's default.
    """
    batch = config.batch
    assert batch is not None
    if batch > max(train_images, SMALL_BATCH):
        most = max(train_images, SMALL_BATCH)
        raise LimnerError(
            f"a batch of {batch:,} is larger than the {train_images:,} training images: give at most {most:,}"
        )
    free = free_memory(network.device)
    if batch <= network.batch or free is None:
        return
    each = OVERHEAD * step_bytes(network, examples, config.precision == "bf16")
    if batch * each > free:
        raise LimnerError(
            f"a batch of {batch:,} needs about {format_bytes(round(batch * each))} of memory and "
            f"{format_bytes(free)} are free: give at most {max(1, int(free / each)):,}"
        )


def free_memory(device: torch.device) -> int | None:
    """The bytes that are free on a device; None if the system does not report them."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_memory()


def peak_memory() -> int | None:
    """The most bytes of memory that this process has used; None if the system does not report them."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):  # no Linux
        pass
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def step_bytes(network: Model, examples: Examples, bf16: bool = False) -> float:
    """The bytes per image that a step keeps for gradients, measured on a copy of the network."""
    few = Examples(*(images.subset(torch.arange(TRIAL) % len(images)) for images in examples.parts()))
    few = Examples(*(replace(images, pixels=network.view(images.pixels)) for images in few.parts()))
    with torch.random.fork_rng():
        model = copy.deepcopy(network).train()
        model.initialise(few.images.pixels, few.targets)
        count = SavedBytes(model)
        autocast = torch.autocast(network.device.type, torch.bfloat16, enabled=bf16)
        with saved_tensors_hooks(count.save, lambda tensor: tensor), autocast:
            model.step(repeat(few.batch(network.device)), count)
    return count.most / TRIAL


class SavedBytes:
    """Counts the bytes that a step keeps for gradients; an `Update` that changes no weights."""

    iteration, images_seen, progress = 0, 0, 0.0

    def __init__(self, model: Model) -> None:
        self.weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
        self.storages: set[int] = set()  # storages since the last update
        self.bytes = self.most = 0

    def save(self, tensor: Tensor) -> Tensor:
        """Count a tensor that is kept, unless it is a weight or counted already."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.weights and storage.data_ptr() not in self.storages:
            self.storages.add(storage.data_ptr())
            self.bytes += storage.nbytes()
            self.most = max(self.most, self.bytes)
        return tensor

    def __call__(self, name: str, loss: Tensor, **terms: Tensor) -> None:
        """Forget what was kept for this loss."""
        self.storages.clear()
        self.bytes = 0
