"""The game of every GAN: a generator against a discriminator (Goodfellow et al. 2014, arXiv 1406.2661).

    min_G max_D  1/2 E_x log D(x) + 1/2 E_z log(1 - D(G(z)))

Algorithm 1: k discriminator steps, each on fresh data and noise, then one generator step on fresh noise.
`GAMES` has other losses for the same two players; the options have the lecture's tricks and today's remedies.
A GAN is this with two networks: its constructor ends in `self.players(G, D)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as spectrally_normalised
from torch.optim import Adam, Optimizer

from limner import losses
from limner.augmentation import augment
from limner.models.base import Batch, Logs, Model, Shape, Update, require


class Game(NamedTuple):
    """The two players' losses; `labels`: D is told the labels; `relative`: G's loss needs D(x) too."""

    discriminator: Callable[..., Tensor]
    generator: Callable[..., Tensor]
    labels: bool = False
    relative: bool = False
    penalty: str = "none"


# A Wasserstein critic needs its gradient penalty, and the relativistic game R1 and R2 (Huang et al. 2024).
GAMES: dict[str, Game] = {
    "minimax": Game(losses.discriminator_loss, losses.minimax_generator_loss, labels=True),
    "non-saturating": Game(losses.discriminator_loss, losses.non_saturating_generator_loss, labels=True),
    "least-squares": Game(
        losses.least_squares_discriminator_loss, losses.least_squares_generator_loss, labels=True
    ),
    "hinge": Game(losses.hinge_discriminator_loss, losses.critic_generator_loss),
    "wasserstein": Game(losses.wasserstein_critic_loss, losses.critic_generator_loss, penalty="gp"),
    "relativistic": Game(losses.relativistic_loss, losses.relativistic_loss, relative=True, penalty="r1+r2"),
}


class Adversarial(Model):
    """A generator G and a discriminator D, trained in turn.

    Args:
        latent_dim: numbers of noise a new image is made from.
        noise: distribution of z: gaussian, N(0, I), or uniform on [-1, 1].
        loss: what the players play for. minimax saturates where the discriminator is sure, non-saturating
            does not; wasserstein comes with a gradient penalty, relativistic with R1 and R2.
        critic_steps: discriminator steps per generator step, each on fresh data and noise (k in Algorithm 1).
        penalty: of the discriminator's gradient at real images (r1), at generated ones (r2), or of its norm's
            distance from 1 between the two (gp); auto: the one its loss was published with.
        gamma: the penalty's weight; none: 10 for gp, 1 for r1 and r2.
        penalty_every: the penalty is taken at one step in so many, at random, and as many times heavier.
        spectral_norm: divide every weight of the discriminator by its largest singular value.
        augment: random changes to real and generated images before they are judged, for small data sets.
        soft_labels: tell the discriminator 0.7 to 0.9 for real images and 0 to 0.3 for generated ones.
        flip_labels: share of pairs of which the discriminator is told the wrong way round.
        generator_dropout: share of the generator's hidden units left out, in training and in sampling.
        inputs: pixels as the networks see them: centred, in [-1, 1] from a tanh, or unit, in [0, 1] from a
            sigmoid.
        lr: learning rate of both players.
        d_lr: learning rate of the discriminator where it has its own.
        beta1: Adam's average of gradients: share that is kept.
        beta2: Adam's average of squared gradients: share that is kept.
        averaged: what inference uses a running average of; nothing: the last weights, as in the paper.
    """

    images: ClassVar[int] = 800_000
    # the lecture's tricks and today's remedies, as `limner ablate` turns them on
    switches: ClassVar[dict[str, Any]] = {
        "flip_labels": 0.05, "generator_dropout": 0.3, "penalty": "r1", "augment": ("translation",),
    }  # fmt: skip

    def __init__(
        self,
        shape: Shape,
        *,
        latent_dim: int = 64,
        noise: Literal["gaussian", "uniform"] = "gaussian",
        loss: Literal[
            "non-saturating", "minimax", "least-squares", "hinge", "wasserstein", "relativistic"
        ] = "non-saturating",
        critic_steps: int = 1,
        penalty: Literal["auto", "none", "r1", "r2", "r1+r2", "gp"] = "auto",
        gamma: float | None = None,
        penalty_every: int = 1,
        spectral_norm: bool = False,
        augment: tuple[Literal["colour", "translation", "cutout"], ...] = (),
        soft_labels: bool = False,
        flip_labels: float = 0.0,
        generator_dropout: float = 0.0,
        inputs: Literal["centred", "unit"] = "centred",
        lr: float = 2e-4,
        d_lr: float | None = None,
        beta1: float = 0.5,
        beta2: float = 0.999,
        averaged: Literal["generator", "nothing"] = "generator",
    ) -> None:
        super().__init__(shape)
        require(latent_dim >= 1, f"latent_dim must be at least 1, not {latent_dim}")
        require(critic_steps >= 1, f"critic_steps must be at least 1, not {critic_steps}")
        require(penalty_every >= 1, f"penalty_every must be at least 1, not {penalty_every}")
        require(gamma is None or gamma > 0, f"gamma must be above 0, not {gamma}: --penalty none has none")
        require(lr > 0, f"lr must be above 0, not {lr}")
        require(d_lr is None or d_lr > 0, f"d_lr must be above 0, not {d_lr}")
        require(0 <= flip_labels < 0.5, f"flip_labels must be from 0 to below 0.5, not {flip_labels}")
        require(
            0 <= generator_dropout < 1,
            f"generator_dropout must be from 0 to below 1, not {generator_dropout}",
        )
        for name, beta in {"beta1": beta1, "beta2": beta2}.items():
            require(0 <= beta < 1, f"{name} must be from 0 to below 1, not {beta}")
        require(loss in GAMES, f"loss must be one of {', '.join(GAMES)}, not {loss}")
        self.game = GAMES[loss]
        require(
            self.game.labels or not soft_labels,
            f"the {loss} loss has no labels to soften: leave soft_labels out, or choose loss non-saturating",
        )
        self.latent_dim, self.noise, self.critic_steps = latent_dim, noise, critic_steps
        self.penalty = self.game.penalty if penalty == "auto" else penalty
        self.gamma = gamma or (10.0 if self.penalty == "gp" else 1.0)
        self.penalty_every, self.spectral_norm, self.augment = penalty_every, spectral_norm, augment
        self.soft_labels, self.flip_labels = soft_labels, flip_labels
        self.generator_dropout, self.inputs = generator_dropout, inputs
        self.lr, self.d_lr, self.betas = lr, d_lr or lr, (beta1, beta2)
        self.ema = ("G",) if averaged == "generator" else ()

    def players(self, G: nn.Module, D: nn.Module) -> None:
        """Take the two networks: G gives images in [-1, 1], D logits (B, 1), larger for real images."""
        self.G, self.D = G, D
        if self.spectral_norm:
            for layer in D.modules():
                if isinstance(layer, (nn.Linear, nn.Conv2d)):
                    spectrally_normalised(layer)

    def optimizers(self) -> dict[str, Optimizer]:
        return {
            "D": Adam(self.D.parameters(), self.d_lr, self.betas, fused=True),
            "G": Adam(self.G.parameters(), self.lr, self.betas, fused=True),
        }

    def z(self, n: int) -> Tensor:
        """Noise (n, latent_dim)."""
        z = torch.empty(n, self.latent_dim, device=self.device)
        return z.uniform_(-1, 1) if self.noise == "uniform" else z.normal_()

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images of noise (B, latent_dim), of the classes y where the model knows classes: (B, C, H, W)."""
        return self.G(z)

    def judge(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's logits of images: (B, C, H, W) -> (B, 1), larger where they look real."""
        return self.D(x)

    def step(self, data: Iterator[Batch], update: Update) -> Logs:
        for _ in range(self.critic_steps):
            x, y = next(data)
            with torch.no_grad():
                fake = self.generate(self.z(len(x)), y)
            real_logit, fake_logit = self.seen(x, y), self.seen(fake, y)
            update("D", self.discriminator_loss(real_logit, fake_logit) + self.gradient_penalty(x, fake, y))
        fake = self.generate(self.z(len(x)), y)
        update("G", self.generator_loss(self.seen(fake, y), self.seen(x, y) if self.game.relative else None))
        return {"D(x)": real_logit.sigmoid().mean(), "D(G(z))": fake_logit.sigmoid().mean()}

    def seen(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Logits in training, of augmented images; in full precision, since losses subtract like numbers."""
        return self.judge(augment(x, self.augment), y).float()

    def discriminator_loss(self, real_logit: Tensor, fake_logit: Tensor) -> Tensor:
        """D's loss with the labels it is told, from logits: two (B, 1) -> scalar."""
        if self.flip_labels:
            flip = torch.rand_like(real_logit) < self.flip_labels
            real_logit, fake_logit = (
                torch.where(flip, fake_logit, real_logit),
                torch.where(flip, real_logit, fake_logit),
            )
        if not self.soft_labels:
            return self.game.discriminator(real_logit, fake_logit)
        # the lecture: real in [0.7, 0.9], generated in [0, 0.3]
        real_label = torch.empty_like(real_logit).uniform_(0.7, 0.9)
        fake_label = torch.empty_like(fake_logit).uniform_(0.0, 0.3)
        return self.game.discriminator(real_logit, fake_logit, real_label, fake_label)

    def generator_loss(self, fake_logit: Tensor, real_logit: Tensor | None = None) -> Tensor:
        """G's loss from logits (B, 1), those of real images too where the game compares: a scalar."""
        if self.game.relative:
            return self.game.generator(fake_logit, real_logit)
        return self.game.generator(fake_logit)

    def gradient_penalty(self, x: Tensor, fake: Tensor, y: Tensor | None) -> Tensor | float:
        """gamma times the penalty of D's gradient, at the steps that have one: a scalar."""
        if self.penalty == "none" or (self.penalty_every > 1 and torch.rand(()) * self.penalty_every >= 1):
            return 0.0
        weight, each = self.gamma * self.penalty_every, losses.zero_centred_penalty
        places = {"r1": [x], "r2": [fake], "r1+r2": [x, fake]}
        if self.penalty == "gp":
            share, each = torch.rand(len(x), 1, 1, 1, device=x.device), losses.one_centred_penalty
            places["gp"] = [fake + share * (x - fake)]
        return weight * sum(each(self.slope(at, y)).mean() for at in places[self.penalty])

    def slope(self, x: Tensor, y: Tensor | None) -> Tensor:
        """The gradient of D's logits by the pixels, itself differentiable: (B, C, H, W) -> (B, C, H, W)."""
        with torch.autocast(x.device.type, enabled=False), torch.enable_grad():
            x = x.detach().float().requires_grad_()
            (slope,) = torch.autograd.grad(self.seen(x, y).sum(), x, create_graph=True)
        return slope

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n new images (n, C, H, W) from noise."""
        return self.generate(self.z(n), y)

    def forward(self, z: Tensor) -> Tensor:
        """The discriminator's logit of the image of a noise vector: (B, latent_dim) -> (B, 1)."""
        return self.judge(self.generate(z))


class Pixels(nn.Module):
    """The end of a generator, numbers to pixels in [-1, 1]: a sigmoid's [0, 1], handed on in [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sigmoid() * 2 - 1


class Unit(nn.Module):
    """The beginning of a discriminator that sees pixels in [0, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) / 2


class Dropout(nn.Dropout):
    """Dropout that stays on when samples are drawn: the lecture's noise in several layers of G."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, self.p, training=True)
