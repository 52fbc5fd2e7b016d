"""One update in slow motion: what the next batch of a training does to a copy of the model, move by move."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from limner.data import to_uint8
from limner.data.examples import training_examples
from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.explore.abilities import describe_run
from limner.models.abilities import Decodes, Encodes, HasGaussianPosterior, HasStyles
from limner.models.adversarial import Adversarial
from limner.models.base import Model
from limner.training import Run
from limner.training.checkpoint import read_state
from limner.training.setup import split_validation
from limner.training.trainer import Trainer, Updater

MOST_SKIPPED = 50  # updates before the one that is shown


@dataclass(frozen=True)
class View:
    """What a model makes of one batch: images (B, C, H, W) uint8, and numbers (B,), (B, d) or scalars."""

    images: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """A step of one optimiser on a batch, with what the model makes of this batch before and after it.

    Before and after share the noise and the dropout, so they differ by the weights alone.  Norms are over all
    weights of the optimiser; that of the gradient is after clipping.
    """

    optimizer: str
    loss: float  # with `terms`, as training logs them
    terms: dict[str, float]
    rate: float  # the learning rate
    gradient_norm: float
    step_norm: float  # of the change of the weights
    weight_norm: float  # before the step
    before: View
    after: View


def record_update(run: Run, skip: int = 0) -> list[Move]:
    """The moves of the update that training would do next, or `skip` updates later; the run stays as it is.

    Of a GAN with codes as noise they are D's and G's; of a model with one objective there is one.  Raises
    LimnerError for another model, and where the run's last checkpoint is gone.
    """
    if not 0 <= skip <= MOST_SKIPPED:
        raise LimnerError(f"from 0 to {MOST_SKIPPED} updates can be skipped, not {skip}")
    with torch.random.fork_rng([]):
        trainer = restore_trainer(run)
        for _ in range(skip):
            next(trainer)
        return record_moves(trainer)


def restore_trainer(run: Run) -> Trainer:
    """A trainer of a new copy of the run's model at its last checkpoint, on the CPU.

    Torch's random state becomes the checkpoint's.
    """
    state = read_state(run.path / "state.pt")
    model = run.new_model()
    if not is_recordable(model):
        raise LimnerError(
            f"{describe_run(run)}: only the updates of an autoencoder, a VAE or a GAN are shown step by step"
        )
    config = run.config.training
    assert config.batch is not None
    data, _ = split_validation(run.data, config)
    trainer = Trainer(model, training_examples(data).stream(config.batch, config.seed, model.device), config)
    trainer.restore(state)
    trainer.rate_factor = float(state.get("rate_factor", 1))
    return trainer


def is_recordable(model: Model) -> bool:
    """Whether `record_update` knows what to show of a model."""
    game = isinstance(model, Adversarial) and not isinstance(model, HasStyles)
    return game or (model.has_loss() and isinstance(model, Encodes) and isinstance(model, Decodes))


def record_moves(trainer: Trainer) -> list[Move]:
    """The moves of the trainer's next iteration, which changes its weights as `next(trainer)` does."""
    twin, model = copy.deepcopy(trainer.model), trainer.model
    observer: Observer
    if isinstance(model, Adversarial):
        assert isinstance(twin, Adversarial)
        observer = GameObserver(model, twin)
        hook = model.G.register_forward_pre_hook(observer.note_noise)
    else:
        observer, hook = ObjectiveObserver(model, twin), None
    recorder, usual = Recorder(trainer, twin, observer), trainer.update
    trainer.update = recorder
    try:
        next(trainer)
    finally:
        trainer.update = usual
        if hook is not None:
            hook.remove()
    return recorder.moves


class Observer(Protocol):
    """Looks at a batch through the twin, in training mode, with the random numbers of the update."""

    buffers: dict[str, Tensor]  # of the model, as they were when the update looked at the batch

    def look(self, optimizer: str, x: Tensor, y: Tensor | None) -> View:
        """What the twin makes of a batch, for the move of that optimiser."""


class Recorder(Updater):
    """Steps as the trainer does, and records what each step does.

    All that is shown is computed by a twin with the model's weights, so neither running statistics nor random
    numbers of the model change.
    """

    def __init__(self, trainer: Trainer, twin: Model, observer: Observer) -> None:
        super().__init__(trainer)
        self.twin, self.observer = twin.train(), observer
        self.moves: list[Move] = []

    def __call__(self, name: str, loss: Tensor, **terms: Tensor) -> None:
        trainer, weights = self.trainer, self.trainer.weights[name]
        x, y = self.last_batch()
        before, old = self.look(name, x, y), [weight.detach().clone() for weight in weights]
        super().__call__(name, loss, **terms)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        self.moves.append(
            Move(
                optimizer=name,
                loss=loss.item(),
                terms={term: value.item() for term, value in terms.items()},
                rate=trainer.optimizers[name].param_groups[0]["lr"],
                gradient_norm=norm(gradients),
                step_norm=norm([new.detach() - weight for new, weight in zip(weights, old, strict=True)]),
                weight_norm=norm(old),
                before=before,
                after=self.look(name, x, y),
            )
        )

    def last_batch(self) -> tuple[Tensor, Tensor | None]:
        """The batch that was drawn last, drawn again."""
        data = self.trainer.data
        assert isinstance(data, Stream)
        again = copy.copy(data)
        again.images_seen -= data.batch
        return next(again)

    def look(self, name: str, x: Tensor, y: Tensor | None) -> View:
        self.twin.load_state_dict(self.trainer.model.state_dict() | self.observer.buffers)
        with torch.no_grad():
            return self.observer.look(name, x, y)


class GameObserver:
    """Looks at a game as its step does: images of noise, then D's outputs for real and generated images."""

    def __init__(self, model: Adversarial, twin: Adversarial) -> None:
        self.model, self.twin = model, twin
        self.buffers: dict[str, Tensor] = {}

    def note_noise(self, _: Any, arguments: tuple[Any, ...]) -> None:
        """Keep the noise that G gets, and the state of random numbers and buffers then."""
        self.noise: Tensor = arguments[0].detach().clone()
        self.random_state, self.buffers = torch.get_rng_state(), copy_buffers(self.model)

    def look(self, optimizer: str, x: Tensor, y: Tensor | None) -> View:
        model, game = self.twin, self.twin.game
        images, outputs = {}, {}
        with random_state(self.random_state):
            fake = model.generate(self.noise, y)
            if optimizer == "D":
                real_logit, fake_logit = model.logits(x, y), model.logits(fake, y)
                loss = model.discriminator_loss(real_logit, fake_logit)
            else:
                fake_logit = model.logits(fake, y)
                real_logit = model.logits(x, y) if game.relative else fake_logit
                loss = model.generator_loss(fake_logit, real_logit)
        if optimizer == "D" or game.relative:
            images["x"], outputs["D(x)"] = to_uint8(x), game.output(real_logit)[:, 0]
        images["G(z)"], outputs["D(G(z))"] = to_uint8(fake), game.output(fake_logit)[:, 0]
        return View(images, outputs | {"loss": loss})


class ObjectiveObserver:
    """Looks at a model with one objective: code, reconstruction, and the terms of the loss."""

    def __init__(self, model: Model, twin: Model) -> None:
        self.twin = twin
        # a step changes nothing before its loss
        self.random_state, self.buffers = torch.get_rng_state(), copy_buffers(model)

    def look(self, optimizer: str, x: Tensor, y: Tensor | None) -> View:
        model, values = self.twin, dict[str, Tensor]()
        with random_state(self.random_state):
            loss, terms = model.loss(x, y)
        assert isinstance(model, Encodes)
        assert isinstance(model, Decodes)
        if isinstance(model, HasGaussianPosterior):
            with random_state(self.random_state):
                values["mu"], logvar = model.posterior(model.target(x))
            with random_state(self.random_state):
                z = model.sample_posterior(x)
            values["sigma"] = (logvar / 2).exp()
        else:
            z = model.encode(x)
        reconstruction = model.decode(z, y).float()
        values |= {"z": z, "loss": loss, "error": ((reconstruction - x) / 2).square().flatten(1).mean(1)}
        images = {"x": to_uint8(x), "reconstruction": to_uint8(reconstruction)}
        return View(images, values | {name: value for name, value in terms.items() if name != "loss"})


def copy_buffers(model: Model) -> dict[str, Tensor]:
    """The buffers that a checkpoint holds, by name."""
    weights = {name for name, _ in model.named_parameters()}
    return {name: value.clone() for name, value in model.state_dict().items() if name not in weights}


@contextmanager
def random_state(state: Tensor) -> Iterator[None]:
    """Draw random numbers from a state of torch's generator on; the caller's state comes back."""
    with torch.random.fork_rng([]):
        torch.set_rng_state(state)
        yield


def norm(tensors: list[Tensor]) -> float:
    """The Euclidean norm of all numbers of all tensors."""
    return sum(tensor.double().square().sum().item() for tensor in tensors) ** 0.5
