"""The game of every GAN: a generator against a discriminator (Goodfellow et al. 2014, arXiv 1406.2661).

    min_G max_D  1/2 E_x log D(x) + 1/2 E_z log(1 - D(G(z)))

Algorithm 1: k discriminator steps, each on fresh data and noise, then one generator step on fresh noise.
`GAMES` has other losses for the same two networks; the options add the lecture's tricks and later remedies.
A GAN is this with a pair of networks: its constructor ends in `self.set_networks(G, D)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.optim import Optimizer

from limner import losses
from limner.augmentation import augment
from limner.models.abilities import Players, Scale
from limner.models.base import Batch, Clock, Logs, Model, Shape, Update, Values, adam
from limner.models.latent import Latent, Normal, Prior, Uniform
from limner.models.layers import normalise_spectrally_
from limner.settings import Fraction, Positive, PositiveInt


class Game(NamedTuple):
    """The losses of both networks, and what the discriminator's outputs mean.

    targets: D's loss takes target labels.  relative: G's loss needs D(x) too.  penalty: published with it.
    factor: of each expectation in D's loss; papers on penalties have 1.
    """

    discriminator: Callable[..., Tensor]
    generator: Callable[..., Tensor]
    scale: Scale
    targets: bool = False
    relative: bool = False
    penalty: Literal["none", "gp", "r1+r2"] = "none"
    factor: float = 1.0

    def output(self, logit: Tensor) -> Tensor:
        """D(x) as its paper has it: a probability where the loss is of logits, else the output as it is."""
        return logit.sigmoid() if self.scale == "logit" else logit


# A Wasserstein critic needs its gradient penalty, and the relativistic game R1 and R2 (Huang et al. 2024).
GAMES: dict[str, Game] = {
    "non-saturating": Game(
        losses.discriminator_loss, losses.non_saturating_generator_loss, "logit", targets=True, factor=0.5
    ),
    "minimax": Game(
        losses.discriminator_loss, losses.minimax_generator_loss, "logit", targets=True, factor=0.5
    ),
    "least-squares": Game(
        losses.least_squares_discriminator_loss, losses.least_squares_generator_loss, "regression",
        targets=True, factor=0.5,
    ),
    "hinge": Game(losses.hinge_discriminator_loss, losses.critic_generator_loss, "margin"),
    "wasserstein": Game(losses.wasserstein_critic_loss, losses.critic_generator_loss, "critic", penalty="gp"),
    "relativistic": Game(
        losses.relativistic_loss, losses.relativistic_loss, "critic", relative=True, penalty="r1+r2"
    ),
}  # fmt: skip


Loss = Literal["non-saturating", "minimax", "least-squares", "hinge", "wasserstein", "relativistic"]


class GameOptions(Model.Options):
    """Options of every GAN"""

    latent_dim: PositiveInt = 64
    """length of the noise vector that an image is made from"""
    noise: Literal["gaussian", "uniform"] = "gaussian"
    """distribution of the noise: gaussian, N(0, I), or uniform on [-1, 1]"""
    loss: Loss = "non-saturating"
    """losses of both networks; minimax saturates where the discriminator is sure, non-saturating does not;
    wasserstein comes with the penalty gp, but not with its paper's settings: add --critic-steps 5 --beta1 0
    --beta2 0.9; relativistic comes with r1+r2"""
    critic_steps: PositiveInt = 1
    """discriminator steps per generator step, each on new images and noise (k in Algorithm 1)"""
    penalty: Literal["auto", "none", "r1", "r2", "r1+r2", "gp"] = "auto"
    """penalty on the discriminator's gradient by the pixels: its squared norm at real images (r1), at
    generated ones (r2), or its norm's distance from 1 between both (gp); auto: the loss's own"""
    gamma: Positive | None = None
    """weight of the penalty, as its paper has it, beside a loss without the factor 1/2: the penalty has that
    factor where the loss has it (minimax, non-saturating, least-squares); default: 10 for gp, 1 for r1 and
    r2, twice that where the loss has the factor"""
    penalty_every: PositiveInt = 1
    """compute the penalty only in every N-th iteration, with N times its weight: faster"""
    augment: tuple[Literal["colour", "translation", "cutout"], ...] = ()
    """random changes to real and generated images before the discriminator, for small data sets"""
    soft_labels: bool = False
    """train the discriminator with labels in [0.7, 0.9] for real and [0, 0.3] for generated images"""
    flip_labels: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """share of pairs whose labels are exchanged when the discriminator is trained"""
    lr: Positive = 2e-4
    """learning rate of both networks"""
    d_lr: Positive | None = None
    """learning rate of the discriminator; default: that of both"""
    beta1: Fraction = 0.5
    """Adam's decay rate of the average gradient"""
    beta2: Fraction = 0.999
    """Adam's decay rate of the average squared gradient"""
    averaged: Literal["generator", "nothing"] = "generator"
    """which weights inference takes a running average of; nothing: the last weights, as in the papers"""

    @model_validator(mode="after")
    def check_targets(self) -> Self:
        if self.soft_labels and not GAMES[self.loss].targets:
            raise ValueError(
                f"the {self.loss} loss has no labels to soften: "
                "leave soft_labels out, or choose loss non-saturating"
            )
        return self


class NetworkOptions(GameOptions):
    """Options of networks that several GANs share"""

    spectral_norm: bool = False
    """divide the weights of each layer of the discriminator by their largest singular value"""
    generator_dropout: Fraction = 0.0
    """share of the generator's hidden units left out, in training and in sampling"""
    inputs: Literal["centred", "unit"] = "centred"
    """range of pixels in the networks: centred, [-1, 1] from a tanh, or unit, [0, 1] from a sigmoid"""


class Adversarial(Model):
    """A generator G and a discriminator D, trained in turn."""

    Options = NetworkOptions

    images: ClassVar[int] = 800_000
    # the lecture's tricks and later remedies, as `limner ablate` switches them on
    switches: ClassVar[Values] = {
        "flip_labels": 0.05, "generator_dropout": 0.3, "penalty": "r1", "augment": ("translation",),
    }  # fmt: skip

    def __init__(self, shape: Shape, options: GameOptions) -> None:
        super().__init__(shape, options)
        self.options, self.game = options, GAMES[options.loss]
        self.penalty = self.game.penalty if options.penalty == "auto" else options.penalty
        # the weight beside the loss as it is: the default is the same for every loss
        default = 10.0 if self.penalty == "gp" else 1.0
        self.penalty_weight = default if options.gamma is None else self.game.factor * options.gamma
        self.rates = {"D": options.d_lr or options.lr, "G": options.lr}
        prior: dict[str, Prior] = (
            {"uniform": Uniform(options.latent_dim)}
            if options.noise == "uniform"
            else {"normal": Normal(options.latent_dim)}
        )
        self.latents = {"z": Latent((options.latent_dim,), prior)}
        self.ema = ("G",) if options.averaged == "generator" else ()

    def set_networks(self, G: nn.Module, D: nn.Module) -> None:
        """Take both networks: G gives images in [-1, 1], D outputs (B, 1), larger for real images."""
        self.G, self.D = G, D
        if isinstance(self.options, NetworkOptions) and self.options.spectral_norm:
            normalise_spectrally_(D)

    def optimizers(self) -> dict[str, Optimizer]:
        betas = (self.options.beta1, self.options.beta2)
        return {
            "D": adam(self.D.parameters(), self.rates["D"], betas),
            "G": adam(self.G.parameters(), self.rates["G"], betas),
        }

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) of noise (B, latent_dim), of classes y (B,) where the model has classes."""
        return self.G(z)

    def discriminate(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's outputs for images: (B, C, H, W) -> (B, 1), larger where they look real."""
        return self.D(x)

    def step(self, data: Iterator[Batch], update: Update) -> Logs:
        for _ in range(self.options.critic_steps):
            x, y = next(data)
            with torch.no_grad():
                fake = self.generate(self.draw_z(len(x)), y)
            real_logit, fake_logit = self.logits(x, y), self.logits(fake, y)
            loss = self.discriminator_loss(real_logit, fake_logit)
            update("D", loss, **self.gradient_penalty(x, fake, y, update))
        logs = {"D(x)": self.game.output(real_logit).mean(), "D(G(z))": self.game.output(fake_logit).mean()}
        fake_logit = self.logits(self.generate(self.draw_z(len(x)), y), y)
        if self.game.relative:
            real_logit = self.logits(x, y)  # of the D that the last update changed
        update("G", self.generator_loss(fake_logit, real_logit))
        return logs

    def draw_z(self, n: int) -> Tensor:
        """Noise z (n, latent_dim) from the prior."""
        return self.latent.draw(n, self.device)

    def logits(self, x: Tensor, y: Tensor | None) -> Tensor:
        """D's outputs in training: of augmented images, in full precision: losses subtract near equals."""
        return self.discriminate(augment(x, self.options.augment), y).float()

    def discriminator_loss(self, real_logit: Tensor, fake_logit: Tensor) -> Tensor:
        """D's loss from its outputs, with flipped and soft labels: two (B, 1) -> scalar."""
        if self.options.flip_labels:
            flip = torch.rand_like(real_logit) < self.options.flip_labels
            real_logit, fake_logit = (
                torch.where(flip, fake_logit, real_logit),
                torch.where(flip, real_logit, fake_logit),
            )
        if not self.options.soft_labels:
            return self.game.discriminator(real_logit, fake_logit)
        # the lecture: real in [0.7, 0.9], generated in [0, 0.3]
        real_label = torch.empty_like(real_logit).uniform_(0.7, 0.9)
        fake_label = torch.empty_like(fake_logit).uniform_(0.0, 0.3)
        return self.game.discriminator(real_logit, fake_logit, real_label, fake_label)

    def generator_loss(self, fake_logit: Tensor, real_logit: Tensor) -> Tensor:
        """G's loss from D's outputs: two (B, 1) -> scalar; only a relative game uses those of real images."""
        if self.game.relative:
            return self.game.generator(fake_logit, real_logit)
        return self.game.generator(fake_logit)

    def gradient_penalty(self, x: Tensor, fake: Tensor, y: Tensor | None, clock: Clock) -> Logs:
        """The weighted penalty as the term `penalty`, a scalar; {} in an iteration without one."""
        every = self.options.penalty_every
        if self.penalty == "none" or clock.iteration % every != 0:
            return {}
        penalty = losses.gradient_penalty(self.penalty, partial(self.logits, y=y), x, fake)
        return {"penalty": self.penalty_weight * every * penalty}

    def players(self, x: Tensor, y: Tensor | None) -> dict[str, Players]:
        """D's outputs for x and for as many generated images, of classes y where the model has classes."""
        fake = self.generate(self.draw_z(len(x)), y)
        real_logit, fake_logit = self.discriminate(x, y).float(), self.discriminate(fake, y).float()
        return {"D": Players(real_logit, fake_logit, self.game.scale, self.generator_loss)}

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The images of noise: (B, latent_dim) -> (B, C, H, W)."""
        return self.generate(z, y)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n new images (n, C, H, W) from noise."""
        return self.decode(self.draw_z(n), y)

    def forward(self, x: Tensor) -> Tensor:
        """D(G(z)) for as many z as x (B, C, H, W) has images, of class 0 where there are classes: (B, 1)."""
        y = torch.zeros(len(x), dtype=torch.int64, device=x.device) if self.classes else None
        return self.discriminate(self.generate(self.draw_z(len(x)), y), y)
