"""The only place where weights change: an iterator over iterations of a model's own algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from limner.data.stream import DomainStream, Stream
from limner.errors import LimnerError
from limner.models.base import Logs, Model
from limner.random_state import seeded
from limner.training.checks import LARGEST_GROWTH, are_usable, check_same_shapes, restore_optimizer
from limner.training.config import TrainConfig

RECENT = 20  # iterations that a loss on the screen is averaged over
EMA_START, EMA_RAMP = 10_000, 0.05  # half-life of averaged weights at first, and as a share of images seen


def half_life(longest: float, images_seen: int) -> float:
    """The half-life of averaged weights; a long one grows with the run, as in Karras et al. 2020 (ADA)."""
    return min(longest, max(EMA_START, EMA_RAMP * images_seen))


class NotFinite(LimnerError):
    """A loss, or the weights after it, are no longer finite, or are absurd."""


class Trainer:
    """Runs `model.step(data, update)` again and again; `for logs in trainer` yields after each iteration.

    Nothing here reads a value back from the device; `tick()` does, for all iterations since the last one.
    Gradients reach the weights of one optimiser only, so no network needs freezing.
    """

    def __init__(self, model: Model, data: Stream | DomainStream, config: TrainConfig | None = None) -> None:
        self.model, self.data, self.config = model.train(), data, config or TrainConfig()
        if model.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch accepts it
        self.optimizers = model.optimizers()
        self.weights = {
            name: [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
            for name, optimizer in self.optimizers.items()
        }
        self.base_rates = {
            name: [group["lr"] for group in optimizer.param_groups]
            for name, optimizer in self.optimizers.items()
        }
        self.averages = {
            f"{name}.{key}": value.detach().clone()
            for name in model.ema
            for key, value in model.get_submodule(name).state_dict().items()
        }
        self._averaged_weights = [dict(model.state_dict(keep_vars=True))[key] for key in self.averages]
        self.forward_precision: AbstractContextManager[object] = nullcontext()
        self.full_precision: AbstractContextManager[object] = nullcontext()
        if self.config.precision == "bf16":
            self.forward_precision = torch.autocast(model.device.type, torch.bfloat16)
            self.full_precision = torch.autocast(model.device.type, enabled=False)
        self.update = Updater(self)
        self.rate_factor = 1.0  # what every learning rate is multiplied by, on request
        self.iteration = 0
        self.iteration_start = 0  # images seen before the current iteration
        self._values: dict[str, list[tuple[int, Tensor]]] = {}  # since the last tick, with the iteration
        self.first_losses: dict[str, float] = {}  # magnitude of each loss at the first iteration

    @property
    def images_seen(self) -> int:
        """The clock: training images drawn so far."""
        return self.data.images_seen

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1; 0 where its length is not set."""
        return min(1.0, self.images_seen / self.config.images) if self.config.images else 0.0

    def __iter__(self) -> Iterator[Logs]:
        return self

    def __next__(self) -> Logs:
        self.iteration_start = self.images_seen
        with self.forward_precision:
            logs = self.model.step(self.data, self.update)
        if self.averages:
            self._average(self.images_seen - self.iteration_start)
        for name, value in logs.items():
            self.note(name, value)
        self.iteration += 1
        return logs

    def note(self, name: str, value: Tensor) -> None:
        """Keep a scalar on the device for the next tick."""
        self._values.setdefault(name, []).append((self.iteration + 1, value.detach()))

    def leading_loss(self) -> tuple[str, float] | None:
        """The first loss by its name, its mean over the last RECENT iterations since the last tick, if any.

        Waits for the device.
        """
        for name, noted in self._values.items():
            if name.startswith("loss/"):
                recent = [value for _, value in noted[-RECENT:]]
                return name, float(torch.stack(recent).float().mean())
        return None

    # EMA with a half-life in images:  average += (1 - 2^(-images / half-life)) (weights - average)
    @torch.no_grad()
    def _average(self, images: int) -> None:
        share = 1 - 0.5 ** (images / half_life(self.config.ema_half_life, self.images_seen))
        pairs = list(zip(self.averages.values(), self._averaged_weights, strict=True))
        floats = [(average, weight.detach()) for average, weight in pairs if average.is_floating_point()]
        torch._foreach_lerp_([average for average, _ in floats], [weight for _, weight in floats], share)
        for average, weight in pairs:
            if not average.is_floating_point():
                average.copy_(weight)

    def tick(self) -> dict[str, float]:
        """Means of what was noted since the last tick; raises NotFinite with the loss and the iteration.

        A term that only some updates have, a lazy penalty say, is averaged over all of them.
        """
        means: dict[str, float] = {}
        first_bad: tuple[int, str] | None = None
        for name, noted in self._values.items():
            values = torch.stack([value for _, value in noted]).float().cpu()
            means[name] = float(values.sum()) / self._updates(name, len(noted))
            sane = values.isfinite()
            if name.startswith("loss/"):  # absurd where it has grown by a factor that no training explains
                first = self.first_losses.setdefault(name, abs(float(values[0])))
                sane &= values.abs() <= LARGEST_GROWTH * max(first, 1.0)
            if not sane.all():
                index = int(sane.int().argmin())
                iteration = noted[index][0]
                if first_bad is None or iteration < first_bad[0]:
                    first_bad = (iteration, f"{name} became {values[index].item():.3g}")
        self._values.clear()
        if first_bad is not None:
            raise NotFinite(self._advice(first_bad[1], first_bad[0]))
        self.check_finite()
        return means

    def check_finite(self) -> None:
        """Raise NotFinite where anything that would be stored is not a finite number, or is absurd."""
        if not are_usable([*self.model.parameters(), *self.model.buffers(), *self.averages.values()]):
            raise NotFinite(self._advice("the weights became infinite or absurd", self.iteration))
        states = [state for optimizer in self.optimizers.values() for state in optimizer.state.values()]
        moments = [value for state in states for value in state.values() if isinstance(value, Tensor)]
        if not are_usable(moments, inf):
            raise NotFinite(self._advice("the optimiser's moments became infinite", self.iteration))

    def _updates(self, name: str, count: int) -> int:
        """Over how many updates a value is averaged: its own, or all of its optimiser's for a term."""
        term, _, optimizer = name.rpartition("/")
        is_term = term != "loss" and optimizer in self.optimizers
        return len(self._values[f"loss/{optimizer}"]) if is_term else count

    def _advice(self, problem: str, iteration: int) -> str:
        remedies = ["a lower --lr"]
        remedies += ["--clip 1"] if self.config.clip is None else []
        remedies += ["--precision fp32"] if self.config.precision == "bf16" else []
        return f"{problem} at step {iteration}; try {' or '.join(remedies)}"

    @contextmanager
    def inference(self) -> Iterator[Model]:
        """The model as inference uses it: in eval mode, with averaged weights and its own random numbers."""
        live = [(p, p.data) for p in self._averaged_weights]
        try:
            for p, average in zip(self._averaged_weights, self.averages.values(), strict=True):
                p.data = average
            self.model.eval()
            with seeded(0):
                yield self.model
        finally:
            for p, data in live:
                p.data = data
            self.model.train()

    def inference_weights(self) -> dict[str, Tensor]:
        """The weights and buffers that inference uses, averages in place of the weights they average."""
        return self.model.inference_state() | self.averages

    def state(self) -> dict[str, Any]:
        """All that the next iteration, and the next tick, depend on."""
        cuda = self.model.device.type == "cuda"
        noted = {
            name: {"iterations": [i for i, _ in values], "values": torch.stack([v for _, v in values]).cpu()}
            for name, values in self._values.items()
        }
        return {
            "images_seen": self.images_seen,
            "iteration": self.iteration,
            "model": self.model.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "averages": self.averages,
            "noted": noted,
            "first_losses": self.first_losses,
            "rng": torch.get_rng_state(),
            "rng_cuda": torch.cuda.get_rng_state(self.model.device) if cuda else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state` as if training had never stopped.

        Raises an error of some type, NotFinite among them, where the state is damaged or of another model.
        """
        self.data.images_seen = state["images_seen"]
        self.iteration = state["iteration"]
        self.first_losses = {name: float(value) for name, value in state["first_losses"].items()}
        self.model.load_state_dict(state["model"])
        for name, optimizer in self.optimizers.items():
            restore_optimizer(optimizer, state["optimizers"][name])
        check_same_shapes(state["averages"], self.averages)
        for name, value in state["averages"].items():
            self.averages[name].copy_(value)
        self.check_finite()
        self._values = {
            name: list(zip(noted["iterations"], noted["values"].to(self.model.device), strict=True))
            for name, noted in state["noted"].items()
        }
        torch.set_rng_state(state["rng"])
        if self.model.device.type == "cuda" and state["rng_cuda"] is not None:
            torch.cuda.set_rng_state(state["rng_cuda"], self.model.device)


class Updater:
    """What a model's step calls to change weights, `update(name, loss, **terms)`, and its clock."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    @property
    def iteration(self) -> int:
        """Iterations done before this one."""
        return self.trainer.iteration

    @property
    def images_seen(self) -> int:
        """Training images drawn so far, those of this iteration included once drawn."""
        return self.trainer.images_seen

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1."""
        return self.trainer.progress

    def __call__(self, name: str, loss: Tensor, **terms: Tensor) -> None:
        """Step the optimiser `name` down the gradient of loss + sum of terms by its own weights.

        The loss is logged as loss/NAME, a term as TERM/NAME.
        """
        trainer = self.trainer
        optimizer, weights = trainer.optimizers[name], trainer.weights[name]
        self.set_rates(name)
        for weight in weights:
            weight.grad = None  # what zero_grad does, without its bookkeeping
        with trainer.full_precision:
            sum(terms.values(), loss).backward(inputs=weights)
        if trainer.config.clip is not None:
            nn.utils.clip_grad_norm_(weights, trainer.config.clip)
        optimizer.step()
        if trainer.config.precision == "bf16":
            torch.clear_autocast_cache()  # it holds the weights as they were before the step
        trainer.note(f"loss/{name}", loss)
        for term, value in terms.items():
            trainer.note(f"{term}/{name}", value)

    # a rate is a function of the clock:  lr = model's lr * warm-up * lr_drop^(drops so far)
    def set_rates(self, name: str) -> None:
        """Give an optimiser its learning rate and momentum at this point of the run."""
        config, trainer = self.trainer.config, self.trainer
        values = trainer.model.schedule(name, self)
        factor = rate_factor(config, trainer.iteration_start) * trainer.rate_factor
        for group, rate in zip(trainer.optimizers[name].param_groups, trainer.base_rates[name], strict=True):
            group.update(values)
            group["lr"] = values.get("lr", rate) * factor


def rate_factor(config: TrainConfig, images_seen: int) -> float:
    """What learning rates are multiplied by after so many images: the warm-up's share times the drops."""
    drops = sum(images_seen >= images for images in config.lr_drops)
    warmup = min(1.0, (images_seen + 1) / config.warmup) if config.warmup else 1.0
    return warmup * config.lr_drop**drops
