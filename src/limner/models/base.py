"""The contract: a model writes one iteration of its paper's algorithm, and only `update` changes weights."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from limner.errors import LimnerError
from limner.models.abilities import Decodes, Encodes, Samples
from limner.models.latent import Latent
from limner.settings import Settings

Shape = tuple[int, int, int]  # (C, H, W)
# x in [-1, 1] (B, C, H, W) with labels (B,) or None; of two domains, images of A with images of B
Batch = tuple[Tensor, Tensor | None]
Logs = dict[str, Tensor]  # scalars, read once per tick
Values = Mapping[str, Any]  # options by name
Presets = Mapping[str, Values]


class Clock(Protocol):
    """Where a run stands; schedules are functions of it."""

    @property
    def iteration(self) -> int:
        """Iterations done so far."""

    @property
    def images_seen(self) -> int:
        """Training images drawn so far."""

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1."""


class Update(Clock, Protocol):
    """Changes weights, and is the clock of the iteration."""

    def __call__(self, name: str, loss: Tensor, **terms: Tensor) -> None:
        """Step the optimiser `name` down the gradient of loss + sum of terms; each is logged by its name."""


class Model(nn.Module):
    """A generative model: its options, its networks, its objective, and one iteration of its algorithm."""

    class Options(Settings):
        """Options of the model; a subclass declares its own, each with type, default, bounds and help."""

    # -- what a model declares --------------------------------------------------------------------------
    presets: ClassVar[Presets] = {}  # name -> options; "paper" is the original's
    switches: ClassVar[Values] = {}  # option -> the value that `ablate` tries for it
    tiny: ClassVar[Values] = {}  # options of a small, quick network, for tests and quick recipes
    batch: ClassVar[int] = 128  # batch size unless the user or the preset says otherwise
    images: ClassVar[int] = 1_200_000  # images a run sees unless the user says otherwise
    settings: ClassVar[Values] = {}  # settings of training that differ from TrainConfig's defaults
    # one set of images, or two domains: then y, and the labels of `initialise`, are images of B
    trains_on: ClassVar[Literal["images", "domains"]] = "images"
    training_only: ClassVar[tuple[str, ...]] = ()  # submodules that inference does not need
    labels: Literal["ignored", "optional", "required"] = "ignored"  # fills the option `classes`
    stochastic_loss: ClassVar[bool] = False  # whether `loss` draws random numbers
    draft: Values = {}  # options of `sample` and `decode` for a quick look
    ema: tuple[str, ...] = ()  # networks of which inference uses a running average
    bf16: bool = False  # faster in bf16 on a CPU that has it, with results equal within noise
    channels_last: bool = True  # whether convolutions are faster with channels last

    classes: int | None = None  # how many classes the model knows
    latents: Mapping[str, Latent] = MappingProxyType({})  # where codes live, by name; the first is `latent`

    def __init__(self, shape: Shape, options: Settings) -> None:
        super().__init__()
        self.shape = shape

    # -- training ---------------------------------------------------------------------------------------
    def optimizers(self) -> dict[str, Optimizer]:
        """The optimisers by name; `update(name, loss)` steps one of them."""
        return {"main": adam(self.parameters(), 1e-3)}

    def schedule(self, name: str, clock: Clock) -> dict[str, float]:
        """Values of optimiser `name` at this point of the run, {"lr": ..., "momentum": ...}; {}: constant."""
        return {}

    def loss(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Logs]:
        """The objective of a model that has only one: (B, C, H, W) -> scalar, what to log."""
        raise NotImplementedError(f"{type(self).__name__} must define loss(x, y) or step(data, update)")

    def step(self, data: Iterator[Batch], update: Update) -> Logs:
        """One iteration of the paper's algorithm, top to bottom."""
        loss, logs = self.loss(*next(data))
        update("main", loss)
        return logs

    def initialise(self, pixels: Tensor, labels: Tensor | None = None) -> None:
        """Start new weights from the training images, output biases say; called once.

        pixels (N, C, H, W) uint8, labels (N,) int64 where the data have labels.
        """

    def view(self, pixels: Tensor) -> Tensor:
        """Pixels (N, C, H, W) uint8 as the model sees them, binarised say; view(view(p)) equals view(p)."""
        return pixels

    # -- what a user sees -------------------------------------------------------------------------------
    def remarks(self, pixels: Tensor) -> list[str]:
        """What a user should know of this model on these pixels (N, C, H, W) uint8, a line each."""
        return []

    def validate(self, x: Tensor, y: Tensor | None) -> dict[str, Any]:
        """What to log of held-out images (B, C, H, W), once per tick; nothing for a model without a loss."""
        if not self.has_loss():
            return {}
        return {name: value.item() for name, value in self.loss(x, y)[1].items()}

    def preview(self, x: Tensor, y: Tensor | None, n: int) -> Tensor:
        """n images to watch over training: reconstructions of x where the model encodes, else new ones."""
        if isinstance(self, Encodes) and isinstance(self, Decodes):
            return self.decode(self.encode(x), **self.draft_options("decode"))
        if isinstance(self, Samples):
            return self.sample(n, **self.draft_options("sample"))
        raise LimnerError(f"{type(self).__name__} neither samples nor decodes: define its preview(x, y, n)")

    def sample_cost(self, **options: Any) -> float:
        """Passes through the networks that one image takes, with these options of `sample` or `decode`."""
        return 1.0

    def forward(self, x: Tensor) -> Tensor:
        """One pass of images (B, C, H, W) through every network, which `limner summary` prints."""
        if isinstance(self, Encodes) and isinstance(self, Decodes):
            return self.decode(self.encode(x))
        if self.has_loss():
            y = torch.zeros(len(x), dtype=torch.int64, device=x.device) if self.classes else None
            return self.loss(x, y)[0]
        raise LimnerError(f"{type(self).__name__} has no forward(x), so its layers cannot be listed")

    # -- derived ----------------------------------------------------------------------------------------
    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def latent(self) -> Latent:
        """The latent space that codes are of unless another is named."""
        if not self.latents:
            # AttributeError, so that isinstance(model, Encodes) is False on Python 3.11, not an error
            raise AttributeError(f"a {type(self).__name__} has no codes")
        return next(iter(self.latents.values()))

    def inference_state(self) -> dict[str, Tensor]:
        """The weights and buffers that inference needs, by name."""
        prefixes = tuple(f"{name}." for name in self.training_only)
        return {name: value for name, value in self.state_dict().items() if not name.startswith(prefixes)}

    @classmethod
    def has_loss(cls) -> bool:
        """Whether the model has one objective, `loss`."""
        return cls.loss is not Model.loss

    @classmethod
    def sampling_options(cls) -> dict[str, inspect.Parameter]:
        """The options of sampling: keyword-only arguments of `sample`."""
        return _keyword_only(cls, "sample")

    @classmethod
    def decoding_options(cls) -> dict[str, inspect.Parameter]:
        """The options of decoding: keyword-only arguments of `decode`."""
        return _keyword_only(cls, "decode")

    def draft_options(self, method: Literal["sample", "decode"]) -> dict[str, Any]:
        """The options in `draft` that this method has."""
        known = _keyword_only(type(self), method)
        return {name: value for name, value in self.draft.items() if name in known}


def _keyword_only(cls: type[Model], method: Literal["sample", "decode"]) -> dict[str, inspect.Parameter]:
    """The keyword-only arguments of a method, by name; none where the class does not have the method."""
    function = getattr(cls, method, None)
    parameters = inspect.signature(function, eval_str=True).parameters if function else {}
    return {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}


def require_labels(y: Tensor | None) -> Tensor:
    """The labels; LimnerError where there are none."""
    if y is None:
        raise LimnerError("a conditional model needs the label of each image")
    return y


def check_labels(y: Tensor | None, n: int, classes: int) -> Tensor:
    """The labels (n,); LimnerError where they are missing, more or fewer than n, or out of range."""
    y = require_labels(y)
    if y.shape != (n,):
        raise LimnerError(f"{n} images need {n} labels, not {y.numel()}")
    if len(y) and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise LimnerError(f"labels are from 0 to {classes - 1}, not {int(y.min())} to {int(y.max())}")
    return y


def adam(
    parameters: Iterable[nn.Parameter], lr: float, betas: tuple[float, float] = (0.9, 0.999)
) -> Optimizer:
    """Adam, fused where the device can."""
    weights = list(parameters)
    return Adam(weights, lr, betas, fused=weights[0].device.type != "meta")
