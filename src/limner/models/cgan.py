"""The conditional GAN (Mirza & Osindero 2014, arXiv 1411.1784; lecture, "Types of GAN").

    min_G max_D  1/2 E_(x,y) log D(x | y) + 1/2 E_(z,y) log(1 - D(G(z | y) | y))

Both networks get the class y; G generates for the labels of the real images of D's last batch.
Differs from the lecture in: nothing; it shows pictures, and no formula.
Differs from the paper in (default preset): DCGAN's networks; a gain and a bias by class after each batch norm
of G (Brock et al. 2019, arXiv 1809.11096); a projection discriminator (Miyato & Koyama 2018, arXiv
1802.05637),

    D's logit of x | y = psi(f(x)) + <embed(y), f(x)>

`--condition embedding` gives D the class beside the image, as in the paper.  `--preset paper` has the paper's
MNIST networks and its optimiser (section 4.1), but z is uniform on [-1, 1], not on [0, 1], weights start as
in the GAN's published code, and the last weights are kept, not those with the best Parzen likelihood, which
says little about images (Theis et al. 2016, arXiv 1511.01844).
`Adversarial` has the game, its losses and its options; `networks` has the networks.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.optim import SGD, Optimizer

from limner.models.adversarial import Adversarial, NetworkOptions
from limner.models.base import Clock, Presets, Shape, Values, check_labels, require_labels
from limner.models.networks import Pair, conditional_maxout_pair, conv_pair, mlp_pair
from limner.settings import Fraction, PositiveInt


class CGAN(Adversarial):
    """Conditional GAN: both networks get the class, so that images can be drawn by label."""

    class Options(NetworkOptions):
        """Options of the conditional GAN"""

        networks: Literal["conv", "mlp", "maxout"] = "conv"
        """conv: DCGAN's; mlp: the GAN's fully connected ones; maxout: the paper's"""
        condition: Literal["projection", "embedding"] = "projection"
        """how the discriminator uses the class: projection: its features times a vector of the class;
        embedding: beside the image, as a learnt plane (conv) or one-hot (mlp); maxout has its own"""
        classes: PositiveInt | None = None
        """number of classes; default: that of the data, 10 without data"""
        latent_dim: PositiveInt = 100
        """length of the noise vector that an image is made from"""
        width: PositiveInt = 32
        """channels next to the image; they double where the image's sides halve (conv)"""
        hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (256, 512)
        """widths of the generator's layers; the discriminator mirrors them (mlp)"""
        batch_norm: Literal["auto", "both", "generator", "nothing"] = "auto"
        """in both networks, in the generator only, or in nothing; auto: in both, but not in a discriminator
        with a gradient penalty, which is defined image by image (conv)"""
        dropout: Fraction = 0.3
        """share of hidden units left out in training: the discriminator's (mlp), both networks' (maxout)"""
        optimizer: Literal["adam", "sgd"] = "adam"
        """adam, or the paper's sgd with falling rate and rising momentum"""

        @model_validator(mode="after")
        def check_networks(self) -> Self:
            if self.networks == "maxout" and self.inputs != "unit":
                raise ValueError("maxout networks need --inputs unit: their pixels are in [0, 1]")
            return self

    presets: ClassVar[Presets] = {
        # Mirza & Osindero 2014, section 4.1; widths: `conditional_maxout_pair`
        "paper": {
            "latent_dim": 100, "noise": "uniform", "networks": "maxout", "dropout": 0.5, "inputs": "unit",
            "optimizer": "sgd", "lr": 0.1, "averaged": "nothing", "batch": 100,
        },
    }  # fmt: skip
    settings: ClassVar[Values] = {"ema_half_life": 30_000}
    tiny: ClassVar[Values] = {"latent_dim": 8, "width": 8, "hidden": (32, 16)}
    labels = "required"

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        self.classes: int = options.classes or 10
        self.optimizer, self.bf16 = options.optimizer, options.networks == "conv"
        self.set_networks(*self.pair(options))
        self.class_shares: Tensor
        self.register_buffer("class_shares", torch.full((self.classes,), 1 / self.classes))

    def pair(self, options: Options) -> Pair:
        """The generator and the discriminator that the options choose."""
        if options.networks == "maxout":
            return conditional_maxout_pair(
                self.shape,
                options.latent_dim,
                classes=self.classes,
                dropout=options.dropout,
                generator_dropout=options.generator_dropout,
            )
        if options.networks == "mlp":
            return mlp_pair(
                self.shape,
                options.latent_dim,
                options.hidden,
                dropout=options.dropout,
                generator_dropout=options.generator_dropout,
                pixels=options.inputs,
                classes=self.classes,
                condition=options.condition,
            )
        batch_norm = options.batch_norm
        if batch_norm == "auto":
            batch_norm = "both" if self.penalty == "none" else "generator"
        return conv_pair(
            self.shape,
            options.latent_dim,
            options.width,
            batch_norm=batch_norm,
            generator_dropout=options.generator_dropout,
            pixels=options.inputs,
            classes=self.classes,
            condition=options.condition,
        )

    def optimizers(self) -> dict[str, Optimizer]:
        if self.optimizer == "adam":
            return super().optimizers()
        return {
            "D": SGD(self.D.parameters(), self.rates["D"], momentum=0.5),
            "G": SGD(self.G.parameters(), self.rates["G"], momentum=0.5),
        }

    # section 4.1; momentum as in the GAN's published code: over 125,000 iterations
    def schedule(self, name: str, clock: Clock) -> dict[str, float]:
        """The paper's SGD: the rate falls by 1.00004 an iteration down to 1e-6, momentum rises to 0.7."""
        if self.optimizer == "adam":
            return {}
        return {
            "lr": max(self.rates[name] / 1.00004**clock.iteration, 1e-6),
            "momentum": min(0.5 + 0.2 * clock.iteration / 125_000, 0.7),
        }

    def initialise(self, pixels: Tensor, labels: Tensor | None = None) -> None:
        """Keep how frequent each class is among the training images, for samples without chosen labels."""
        if labels is not None and len(labels):
            self.class_shares.copy_(labels.bincount(minlength=self.classes) / len(labels))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images of noise (B, latent_dim) and classes (B,): (B, C, H, W); LimnerError without classes."""
        return self.G(z, require_labels(y))

    def discriminate(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Outputs (B, 1) for images (B, C, H, W) of classes (B,); LimnerError without classes."""
        return self.D(x, require_labels(y))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The images of noise (B, latent_dim) and classes (B,): (B, C, H, W).

        Raises LimnerError for missing labels, a wrong number of them, or a label out of range.
        """
        return self.generate(z, check_labels(y, len(z), self.classes))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n new images (n, C, H, W) of classes y (n,) int64, or of classes as frequent as in training."""
        z = self.draw_z(n)
        if y is None:
            y = torch.multinomial(self.class_shares, max(n, 1), replacement=True)[:n]  # it refuses 0
        return self.decode(z, y)

    def preview(self, x: Tensor, y: Tensor | None, n: int) -> Tensor:
        """n new images (n, C, H, W), the classes trained on in order, each as often as the others."""
        trained = self.class_shares.nonzero()[:, 0]
        return self.sample(n, trained[torch.arange(n, device=self.device) * len(trained) // n])
