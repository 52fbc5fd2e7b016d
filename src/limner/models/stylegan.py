"""StyleGAN: images whose aspects are controlled layer by layer (Karras et al. 2019, arXiv 1812.04948; 2020,
arXiv 1912.04958; lecture, "StyleGAN").

    w = f(z),  x = g(w_1, ..., w_L),    min_(f, g) max_D  1/2 E_x log D(x) + 1/2 E_z log(1 - D(g(f(z))))
        with  gamma/2 E_x |grad D(x)|^2  for D  and  E_(w, y) (|J_w^T y| - a)^2  for f and g

f maps a code z to a style w, g makes an image of a learned constant, a style for each layer, and noise.
`--variant 1`, the first paper: a style sets the mean and the deviation of each channel (AdaIN).
`--variant 2`, the second: it scales the weights of the convolutions, which demodulation brings back to unit
variance; the image is a sum over all sizes, and D has residual connections.  Styles of two codes are mixed in
training, so that layers do not rely on each other; truncation moves w towards its mean.  With `adaptive` D
sees changed images while it memorises the real ones (Karras et al. 2020, arXiv 2006.06676).
Differs from the paper in: the relativistic loss with R1 and R2 (Huang et al. 2024, arXiv 2501.05441) and a
learning rate four times as large, because with the paper's loss and R1 a training of minutes ends in one
digit; widths that follow the resolution, so that two cores train it; z and w of 128 numbers, f of 4 layers;
path length only from 64 pixels on; no noise in layers of 8 pixels or less; penalties are terms of the same
Adam step, so that Adam's settings need no correction; a class has learned vectors in f and in D, without
layers of their own.  `variant 1` is without progressive growing, and has the second paper's filter.
Differs from the lecture in: nothing; it shows pictures, and no formula.
Image size: any, from 8 pixels; sides are halved, rounded up, while at least 4 remain.
`Adversarial` has the game and its options; `style_networks` and `style_layers` have the networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from limner.augmentation import augment_adaptively
from limner.losses import full_precision
from limner.models.adversarial import GAMES, Adversarial, GameOptions, Loss
from limner.models.base import (
    Batch,
    Clock,
    Logs,
    Presets,
    Shape,
    Update,
    Values,
    check_labels,
    require_labels,
)  # fmt: skip
from limner.models.style_layers import NoiseMode, mix_styles, path_lengths
from limner.models.style_networks import StyleDiscriminator, StyleGenerator, style_pair
from limner.settings import Fraction, NonNegative, Positive, PositiveInt

NOISE_SIDES = {"all": 1, "fine": 9, "nothing": None}  # the least side of a layer with noise
MEAN_RATE = 0.005  # of the running mean of w, for each batch
PATH_RATE = 0.01  # of the running mean of path lengths


class StyleGAN(Adversarial):
    """StyleGAN: a style for every layer, so that coarse and fine aspects of an image are set apart."""

    G: StyleGenerator
    D: StyleDiscriminator

    class Options(GameOptions):
        """Options of the StyleGAN"""

        variant: Literal[1, 2] = 2
        """1: styles by AdaIN, as in the paper of 2019, without progressive growing; 2: by modulated weights,
        with skip and residual connections, as in that of 2020"""
        classes: PositiveInt | None = None
        """number of classes; default: that of the data, 10 without data"""
        conditional: bool = False
        """give both networks the class, so that images can be drawn by label"""
        latent_dim: PositiveInt = 128
        """numbers in the code z, and in the style w"""
        mapping_layers: PositiveInt = 4
        """layers of the network from z to w"""
        width: PositiveInt = 16
        """channels next to the image; they double where the image's sides halve"""
        max_width: PositiveInt = 128
        """most channels of a layer"""
        pixel_noise: Literal["all", "fine", "nothing"] = "fine"
        """layers that add noise to every pixel: all, as in the papers; fine, those of more than 8 pixels a
        side; or nothing"""
        mixing: Annotated[float, Field(ge=0, le=1)] = 0.9
        """share of images that are trained with the styles of two codes"""
        loss: Loss = "relativistic"
        """losses of both networks; relativistic comes with the penalty r1+r2; the papers' is non-saturating,
        with r1"""
        gamma: Positive | None = None
        """weight of the penalty, as its paper has it; default: 1 for r1+r2, 10 for gp, and for r1 or r2 alone
        0.0002 height width / batch"""
        penalty_every: PositiveInt = 4
        """compute the penalty only in every N-th iteration, with N times its weight: faster"""
        path_length: NonNegative | None = None
        """weight of the penalty on path lengths: a step in w shall change the image equally everywhere;
        default: 2 from 64 pixels on, else 0"""
        path_length_every: PositiveInt = 8
        """compute it only in every N-th iteration, for half of the batch, with N times its weight"""
        adaptive: tuple[Literal["flip", "turn", "shift", "colour"], ...] = ()
        """changes to real and generated images, each with a probability that rises while the discriminator
        memorises the real ones, for small data sets"""
        adaptive_target: Annotated[float, Field(gt=0, lt=1)] = 0.6
        """mean sign of the discriminator's outputs for real images, above which that probability rises"""
        adaptive_images: PositiveInt = 500_000
        """images over which it can rise from 0 to 1"""
        lr: Positive = 1e-2
        """learning rate of both networks; the mapping network has a hundredth of it"""
        beta1: Fraction = 0.0
        """Adam's decay rate of the average gradient"""
        beta2: Fraction = 0.99
        """Adam's decay rate of the average squared gradient"""

        @model_validator(mode="after")
        def check_adaptive(self) -> Self:
            game = GAMES[self.loss]
            if self.adaptive and not (game.relative or game.scale in ("logit", "margin")):
                raise ValueError(
                    f"the {self.loss} loss gives the sign of an output no meaning, which adaptive needs: "
                    "leave adaptive out, or choose loss non-saturating"
                )
            return self

    options: Options
    presets: ClassVar[Presets] = {
        # Karras et al. 2020, configuration F and appendix B; width: at 256 pixels, that of its published code
        "paper": {
            "variant": 2, "latent_dim": 512, "mapping_layers": 8, "width": 64, "max_width": 512,
            "pixel_noise": "all", "mixing": 0.9, "loss": "non-saturating", "penalty": "r1", "gamma": 10.0,
            "penalty_every": 16, "path_length": 2.0, "path_length_every": 4, "lr": 2e-3, "batch": 32,
            "ema_half_life": 10_000,
        },
        # Karras et al. 2019, section 2.1 and appendix C, with the R1 penalty that FFHQ had
        "paper-2019": {
            "variant": 1, "latent_dim": 512, "mapping_layers": 8, "width": 64, "max_width": 512,
            "pixel_noise": "all", "mixing": 0.9, "loss": "non-saturating", "penalty": "r1", "gamma": 10.0,
            "penalty_every": 1, "path_length": 0.0, "lr": 1e-3, "batch": 32, "ema_half_life": 10_000,
        },
    }  # fmt: skip
    tiny: ClassVar[Values] = {"latent_dim": 8, "mapping_layers": 2, "width": 4, "max_width": 8}
    # what the papers leave out in turn, and the remedy for small sets
    switches: ClassVar[Values] = {
        "variant": 1, "mixing": 0.0, "pixel_noise": "nothing", "penalty": "none", "path_length": 2.0,
        "adaptive": ("shift", "colour"),
    }  # fmt: skip
    batch: ClassVar[int] = 32
    labels: Literal["ignored", "optional", "required"] = "optional"

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        self.classes = (options.classes or 10) if options.conditional else None
        self.labels = "required" if options.conditional else "ignored"
        default = 2.0 if min(shape[1:]) >= 64 else 0.0
        self.path_weight = default if options.path_length is None else options.path_length
        self.set_networks(
            *style_pair(
                shape,
                options.latent_dim,
                variant=options.variant,
                width=options.width,
                max_width=options.max_width,
                mapping_layers=options.mapping_layers,
                noise_side=NOISE_SIDES[options.pixel_noise],
                classes=self.classes,
            )
        )
        self.style_sizes = self.G.synthesis.style_sizes
        self.class_shares: Tensor
        self.path_mean: Tensor
        self.p: Tensor
        self.sign: Tensor
        self.register_buffer("class_shares", torch.full((self.classes or 1,), 1 / (self.classes or 1)))
        self.register_buffer("path_mean", torch.zeros(()))
        self.register_buffer("p", torch.zeros(()))  # of a change of adaptive augmentation
        self.register_buffer("sign", torch.zeros(()))  # mean sign of D(x) over the last batches

    def step(self, data: Iterator[Batch], update: Update) -> Logs:
        for _ in range(self.options.critic_steps):
            x, y = next(data)
            with torch.no_grad():
                fake = self.G.synthesis(self.draw_styles(len(x), y))
            real_logit, fake_logit = self.logits(x, y), self.logits(fake, y)
            loss = self.discriminator_loss(real_logit, fake_logit)
            update("D", loss, **self.gradient_penalty(x, fake, y, update))
            self.adapt(real_logit - fake_logit if self.game.relative else real_logit)
        logs = {"D(x)": self.game.output(real_logit).mean(), "D(G(z))": self.game.output(fake_logit).mean()}
        fake_logit = self.logits(self.G.synthesis(self.draw_styles(len(x), y)), y)
        if self.game.relative:
            real_logit = self.logits(x, y)  # of the D that the last update changed
        loss = self.generator_loss(fake_logit, real_logit)
        update("G", loss, **self.path_length_penalty(len(x), y, update))
        return logs | ({"p": self.p.clone()} if self.options.adaptive else {})

    # -- styles -----------------------------------------------------------------------------------------
    def draw_styles(self, n: int, y: Tensor | None) -> Tensor:
        """Styles for training (n, styles, dim): of one code, or of two from a random layer on."""
        w = self.G.styles(self.draw_z(n), self.label(y))
        mean = self.G.mapping.mean
        mean.lerp_(w.detach()[:, 0].mean(0).to(mean.dtype), MEAN_RATE)
        if not self.options.mixing:
            return w
        other = self.G.styles(self.draw_z(n), self.label(y))
        start = torch.randint(1, w.shape[1], (n,), device=w.device)
        mixed = torch.rand(n, device=w.device) < self.options.mixing
        layers = torch.arange(w.shape[1], device=w.device) >= start[:, None]
        return mix_styles(w, other, layers & mixed[:, None])

    # Karras et al. 2019, section B:  w' = mean w + psi (w - mean w)
    def styles(self, z: Tensor, y: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """The styles of codes (B, latent_dim) of classes (B,): (B, styles, dim), the same for every layer."""
        w, mean = self.G.styles(z, self.label(y)), self.G.mapping.mean
        return w if truncation == 1 else mean + truncation * (w - mean)

    def synthesise(self, w: Tensor, noise: NoiseMode = "fixed") -> Tensor:
        """The images of styles (B, styles, dim): (B, C, H, W) in [-1, 1]."""
        return self.G.synthesis(w, noise).clamp(-1, 1)

    def style_weights(self) -> list[Tensor]:
        """For each style the matrix (outputs, dim) that its layer multiplies it with."""
        return [layer.weight * layer.scale for layer in self.G.synthesis.affine_layers()]

    # -- terms ------------------------------------------------------------------------------------------
    # Karras et al. 2020, eq. 4:  E_(w, y) (|J_w^T y| - a)^2,  y ~ N(0, I), a the running mean
    def path_length_penalty(self, n: int, y: Tensor | None, clock: Clock) -> Logs:
        """The weighted penalty as the term `path_length`; {} in an iteration without it."""
        every = self.options.path_length_every
        if not self.path_weight or clock.iteration % every != 0:
            return {}
        half = max(1, n // 2)
        with full_precision(self.device):
            w = self.G.styles(self.draw_z(half), self.label(None if y is None else y[:half]))
            lengths = path_lengths(self.G.synthesis, w)
        self.path_mean.lerp_(lengths.detach().mean(), PATH_RATE)
        return {"path_length": self.path_weight * every * (lengths - self.path_mean).square().mean()}

    def gradient_penalty(self, x: Tensor, fake: Tensor, y: Tensor | None, clock: Clock) -> Logs:
        if self.options.gamma is None and self.penalty in ("r1", "r2"):
            gamma = 2e-4 * x.shape[2] * x.shape[3] / len(x)
            self.penalty_weight = self.game.factor * gamma
        return super().gradient_penalty(x, fake, y, clock)

    # Karras et al. 2020 (arXiv 2006.06676), eq. 1:  r_t = E sign D(x);  p rises while r_t is above the target
    @torch.no_grad()
    def adapt(self, real_logit: Tensor) -> None:
        """Move p, the probability of a change, by D(x) (B, 1), or D(x) - D(G(z)) of a relativistic game."""
        self.sign.lerp_(real_logit.sign().mean(), 0.25)
        direction = (self.sign - self.options.adaptive_target).sign()
        self.p.add_(direction * (len(real_logit) / self.options.adaptive_images)).clamp_(0, 1)

    # -- both networks ----------------------------------------------------------------------------------
    def label(self, y: Tensor | None) -> Tensor | None:
        """The classes (B,) where the model is conditional; LimnerError where they are missing then."""
        return require_labels(y) if self.classes else None

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) of noise (B, latent_dim), as the discriminator gets them."""
        return self.G(z, self.label(y))

    def discriminate(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.D(x, self.label(y))

    def logits(self, x: Tensor, y: Tensor | None) -> Tensor:
        """D's outputs in training: of images that both kinds of augmentation changed."""
        return super().logits(augment_adaptively(x, self.options.adaptive, self.p), y)

    # -- what a user asks for ---------------------------------------------------------------------------
    def initialise(self, pixels: Tensor, labels: Tensor | None = None) -> None:
        """Keep how frequent each class is among the training images, for samples without chosen labels."""
        if self.classes and labels is not None and len(labels):
            self.class_shares.copy_(labels.bincount(minlength=self.classes) / len(labels))

    def decode(
        self, z: Tensor, y: Tensor | None = None, *, truncation: float = 1.0, noise: NoiseMode = "fixed"
    ) -> Tensor:
        """The images of codes (B, latent_dim): (B, C, H, W).

        truncation: psi, how far w keeps from its mean: 1 as trained, 0 one image.  noise: random, fixed or
        off.  Raises LimnerError for labels that a conditional model needs, or that are out of range.
        """
        y = check_labels(y, len(z), self.classes) if self.classes else None
        return self.synthesise(self.styles(z, y, truncation), noise)

    def sample(
        self, n: int, y: Tensor | None = None, *, truncation: float = 1.0, noise: NoiseMode = "random"
    ) -> Tensor:
        """n new images (n, C, H, W), of classes y (n,) or as in training; options are those of `decode`."""
        z, y = self.draw_codes(n, y)
        return self.decode(z, y, truncation=truncation, noise=noise)

    def draw_codes(self, n: int, y: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Codes (n, latent_dim), and classes: y (n,), or as frequent as in training; None without classes."""
        z = self.draw_z(n)
        if not self.classes:
            return z, None
        if y is None:
            y = torch.multinomial(self.class_shares, max(n, 1), replacement=True)[:n]  # it refuses 0
        return z, y

    def preview(self, x: Tensor, y: Tensor | None, n: int) -> Tensor:
        """n new images (n, C, H, W); of a conditional model the classes in order, each as often."""
        trained = self.class_shares.nonzero()[:, 0]
        return self.sample(n, trained[torch.arange(n, device=self.device) * len(trained) // n])
