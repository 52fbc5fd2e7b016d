"""The only place where weights change: an iterator over iterations of a model's own algorithm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.models.base import Logs, Model

Precision = Literal["fp32", "bf16"]


class NotFinite(LimnerError):
    """A loss, or the weights after it, are no longer numbers."""


class Trainer:
    """Runs `model.step(data, update)` again and again; `for logs in trainer` yields after each iteration.

    Nothing here reads a value back from the device; `tick()` does, for all iterations since the last one.
    Gradients reach one optimiser's weights only, so no network needs freezing.
    """

    def __init__(
        self,
        model: Model,
        data: Stream,
        *,
        precision: Precision = "fp32",
        clip: float | None = None,
        ema_half_life: float = 10_000,
        lr_drops: Sequence[int] = (),
        lr_drop: float = 0.1,
    ) -> None:
        self.model = model.train()
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch has it
        self.data = data
        self.precision, self.clip, self.ema_half_life = precision, clip, ema_half_life
        self.lr_drops, self.lr_drop = lr_drops, lr_drop
        self.optimizers = model.optimizers()
        self.weights = {
            name: [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
            for name, optimizer in self.optimizers.items()
        }
        self.averages = {
            f"{name}.{key}": value.detach().clone()
            for name in model.ema
            for key, value in getattr(model, name).state_dict().items()
        }
        self._live = [dict(model.state_dict(keep_vars=True))[key] for key in self.averages]
        self.forward_precision: AbstractContextManager[object] = nullcontext()
        self.full_precision: AbstractContextManager[object] = nullcontext()
        if precision == "bf16":
            self.forward_precision = torch.autocast(model.device.type, torch.bfloat16)
            self.full_precision = torch.autocast(model.device.type, enabled=False)
        self._since_tick: dict[str, list[tuple[int, Tensor]]] = {}  # with the iteration
        self.iterations = 0

    @property
    def images_seen(self) -> int:
        """The clock: training images drawn so far."""
        return self.data.images_seen

    @property
    def on_cuda(self) -> bool:
        """Whether the model is on a GPU, which draws random numbers of its own."""
        return self.model.device.type == "cuda"

    def update(self, name: str, loss: Tensor) -> None:
        """Step the optimiser of that name down the gradient of `loss` with respect to its own weights."""
        optimizer, weights = self.optimizers[name], self.weights[name]
        for weight in weights:
            weight.grad = None  # what zero_grad does, without its bookkeeping
        with self.full_precision:
            loss.backward(inputs=weights)
        if self.clip is not None:
            nn.utils.clip_grad_norm_(weights, self.clip)
        optimizer.step()
        if self.precision == "bf16":
            torch.clear_autocast_cache()  # it holds the weights as they were before the step
        self._note(f"loss/{name}", loss)

    def __iter__(self) -> Iterator[Logs]:
        return self

    def __next__(self) -> Logs:
        before = self.data.images_seen
        with self.forward_precision:
            logs = self.model.step(self.data, self.update)
        if self.averages:
            self._average(self.data.images_seen - before)
        for images in self.lr_drops:
            if before < images <= self.data.images_seen:
                self._drop_rates()
        for name, value in logs.items():
            self._note(name, value)
        self.iterations += 1
        return logs

    def _drop_rates(self) -> None:
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] *= self.lr_drop

    def _note(self, name: str, value: Tensor) -> None:
        self._since_tick.setdefault(name, []).append((self.iterations + 1, value.detach()))

    # EMA with a half-life in images:  average += (1 - 2^(-images / half-life)) (weights - average)
    @torch.no_grad()
    def _average(self, images: int) -> None:
        share = 1 - 0.5 ** (images / self.ema_half_life)
        averages = list(self.averages.values())
        floating = [i for i, value in enumerate(averages) if value.is_floating_point()]
        torch._foreach_lerp_(
            [averages[i] for i in floating], [self._live[i].detach() for i in floating], share
        )
        for i in set(range(len(averages))) - set(floating):
            averages[i].copy_(self._live[i])

    def tick(self) -> dict[str, float]:
        """Means of what was logged since the last tick; raises NotFinite with the loss and the iteration."""
        means, bad = {}, []
        for name, noted in self._since_tick.items():
            values = torch.stack([value for _, value in noted]).float().cpu()
            means[name] = values.mean().item()
            if not values.isfinite().all():
                first = int(values.isfinite().int().argmin())
                bad.append((noted[first][0], f"{name} became {values[first].item()}"))
        self._since_tick.clear()
        if bad:
            step, what = min(bad, key=lambda one: one[0])
            raise NotFinite(self._not_finite(what, step))
        if not bool(torch.stack(torch._foreach_norm(list(self.model.parameters()))).isfinite().all()):
            raise NotFinite(self._not_finite("the weights became infinite", self.iterations))
        return means

    def _not_finite(self, what: str, step: int) -> str:
        tries = ["a lower --lr"]
        tries += ["--clip 1"] if self.clip is None else []
        tries += ["--precision fp32"] if self.precision != "fp32" else []
        return f"{what} at step {step}; try {' or '.join(tries)}"

    @contextmanager
    def inference(self) -> Iterator[Model]:
        """The model as inference sees it: in eval mode, averaged weights in place, its own random numbers."""
        live = [(p, p.data) for p in self._live]
        cuda = [self.model.device] if self.on_cuda else []
        try:
            for p, average in zip(self._live, self.averages.values(), strict=True):
                p.data = average
            self.model.eval()
            with torch.random.fork_rng(cuda), torch.no_grad():
                torch.manual_seed(0)
                yield self.model
        finally:
            for p, data in live:
                p.data = data
            self.model.train()

    def state(self) -> dict[str, Any]:
        """All that the next iteration depends on."""
        return {
            "images_seen": self.data.images_seen,
            "iterations": self.iterations,
            "model": self.model.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "averages": self.averages,
            "rng": torch.get_rng_state(),
            "rng_cuda": torch.cuda.get_rng_state(self.model.device) if self.on_cuda else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state` as if training had never stopped."""
        self.data.images_seen = state["images_seen"]
        self.iterations = state["iterations"]
        self.model.load_state_dict(state["model"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        for name, value in state["averages"].items():
            self.averages[name].copy_(value)
        torch.set_rng_state(state["rng"])
        if self.on_cuda and state["rng_cuda"] is not None:
            torch.cuda.set_rng_state(state["rng_cuda"], self.model.device)
