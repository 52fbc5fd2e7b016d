"""Codes: where they lie, how images are made of them, and which of their variables matter."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import torch
from torch import Tensor

from limner.data import to_float, to_uint8
from limner.data.progress import track
from limner.errors import LimnerError
from limner.explore.able import described, encodes
from limner.models.base import Decodes
from limner.training.run import Run

BATCH = 250  # images at a time: 128x128 ones through 32 channels take half a gigabyte
DECODED = 8_192  # images decoded at most to see which variables matter


@dataclass(frozen=True)
class Marginals:
    """The distribution of each code variable on its own: `mean` and `std` (d,), on the CPU."""

    mean: Tensor
    std: Tensor
    kind: Literal["normal", "uniform"] = "normal"
    name: str = "N(0,\u00a0I)"

    def quantiles(self, p: Sequence[float]) -> Tensor:
        """The codes (len(p), d) below which a share p of each variable lies."""
        if self.kind == "uniform":
            units = [math.sqrt(3) * (2 * share - 1) for share in p]
        else:
            units = [NormalDist().inv_cdf(share) for share in p]
        return self.mean + torch.tensor(units, dtype=self.mean.dtype)[:, None] * self.std

    def draw(self, n: int, seed: int) -> Tensor:
        """n codes (n, d), every variable drawn on its own."""
        generator = torch.Generator().manual_seed(seed)
        shape = (n, len(self.mean))
        if self.kind == "uniform":
            units = math.sqrt(3) * (2 * torch.rand(shape, generator=generator) - 1)
        else:
            units = torch.randn(shape, generator=generator)
        return self.mean + units * self.std

    @property
    def reach(self) -> float:
        """How many standard deviations from the mean codes can lie."""
        return math.sqrt(3) if self.kind == "uniform" else math.inf


def code_marginals(run: Run) -> Marginals:
    """What a run's codes are drawn from by default: its model's own prior, or the fitted one, per column."""
    model: Any = run.model
    d = model.latent_dim
    if default_prior(model) not in (None, "normal"):
        run.ensure_prior()
        return Marginals(model.prior.mean.cpu(), model.prior.std.cpu(), "normal", "the training codes")
    if getattr(model, "noise", "gaussian") == "uniform":
        return Marginals(torch.zeros(d), torch.full((d,), 1 / math.sqrt(3)), "uniform", "uniform on [-1, 1]")
    return Marginals(torch.zeros(d), torch.ones(d))


def default_prior(model: Any) -> str | None:
    """The density that `model.sample` draws codes from unless told otherwise; None where it has no choice."""
    prior = inspect.signature(model.sample).parameters.get("prior") if hasattr(model, "sample") else None
    return prior.default if prior else None


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's generators as with that seed, without gradients; the caller's state is kept."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        yield


def encode(run: Run, pixels: Tensor) -> Tensor:
    """Codes (N, d), on the CPU, of pixels (N, C, H, W) uint8, binarised with seed 0 where training did so."""
    model: Any = run.model
    if len(pixels) == 0:
        return torch.empty(0, model.latent_dim)
    parts = model.prepare(pixels, fresh=False).split(BATCH)
    with seeded(0):
        found = [
            model.encode(to_float(part.to(model.device))).cpu()
            for part in track(parts, len(parts), "encoding")
        ]
    return torch.cat(found)


@torch.no_grad()
def decode(model: Decodes, z: Tensor) -> Tensor:
    """Images (N, C, H, W) in [-1, 1], on the CPU, of codes (N, d) anywhere."""
    device = getattr(model, "device", z.device)
    return torch.cat([model.decode(part.to(device)).cpu() for part in z.split(BATCH)])


def pictured(model: Decodes, z: Tensor) -> Tensor:
    """Images (N, C, H, W) uint8 of codes (N, d)."""
    return to_uint8(decode(model, z))


def importance(model: Decodes, base: Tensor, std: Tensor) -> Tensor:
    """How much each code variable matters: codes `base` (n, d), deviations `std` (d,) -> (d,).

    It is the mean squared change of the image, on the [0, 1] scale, when that variable alone moves by plus or
    minus its deviation.
    """
    here = decode(model, base).repeat(2, 1, 1, 1)
    matters = torch.zeros(base.shape[1])
    for i in range(base.shape[1]):
        moved = base.repeat(2, 1)
        moved[: len(base), i] += std[i]
        moved[len(base) :, i] -= std[i]
        matters[i] = ((decode(model, moved) - here) / 2).square().mean()
    return matters


def run_importance(run: Run, seed: int = 0, n: int = 64) -> Tensor:
    """`importance` over codes of test images, or over drawn ones where the model does not encode.

    Of a wide code fewer than n are looked at: about DECODED images are made at most.
    """
    model: Any = run.model
    n = min(n, max(1, DECODED // (2 * model.latent_dim)))
    marginals = code_marginals(run)
    base = encode(run, chosen(run.data.test.pixels, n, seed)) if encodes(run) else marginals.draw(n, seed)
    return importance(model, base, marginals.std)


def chosen(pixels: Tensor, n: int, seed: int) -> Tensor:
    """n of the pixels (N, C, H, W), or all where there are fewer, drawn without replacement."""
    return pixels[choice(len(pixels), n, seed)]


def choice(total: int, n: int, seed: int) -> Tensor:
    """n indices below `total`, or all where there are fewer, drawn without replacement."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:n]


def viewed(run: Run, z: Tensor, codes: str) -> tuple[Tensor, str]:
    """Codes as asked for, with what to call them: 'flat' (N, d) or 'channels', each channel's mean (N, c)."""
    shape = getattr(run.model, "code_shape", None)
    sizes = "x".join(map(str, shape)) if shape else ""
    if codes == "flat":
        return z, f"codes of {z.shape[1]} numbers" + (f" ({sizes}, flattened)" if shape else "")
    if codes != "channels":
        raise LimnerError(f"codes must be 'flat' or 'channels', not '{codes}'")
    if shape is None or len(shape) != 3:
        raise LimnerError(f"{described(run)}: its code has no channels, so only the flat codes can be had")
    return z.unflatten(1, shape).mean((2, 3)), f"the {shape[0]} channel means of codes of {sizes}"
