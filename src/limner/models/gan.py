"""The generative adversarial network (Goodfellow et al. 2014, arXiv 1406.2661; lecture, Lab 4).

    min_G max_D  1/2 E_x log D(x) + 1/2 E_z log(1 - D(G(z)))

Algorithm 1: k discriminator steps, each on fresh data and noise, then one generator step on fresh noise.
Differs from the lecture in: no formula; of its two losses of the generator the improved one, non-saturating,
is the default, and `--loss minimax` the other.
Differs from the paper in (default preset): LeakyReLU networks with a layer-normalised generator, Adam, pixels
in [-1, 1] from a tanh, an average of the generator's weights for inference.  `--preset paper`: a maxout
discriminator with dropout, SGD with falling rate and rising momentum, sigmoid pixels, as in the paper's
published code, which however updates both networks at once, on the same noise, where Algorithm 1 and this
file update them in turn.
`Adversarial` has the game, its losses and its options; `networks` has the networks.
At another image size the generator's last and the discriminator's first layer have C*H*W units.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.optim import SGD, Optimizer

from limner.models.adversarial import Adversarial, NetworkOptions
from limner.models.base import Clock, Presets, Shape, Values
from limner.models.layers import SigmoidGenerator
from limner.models.networks import maxout_pair, mlp_pair
from limner.settings import Fraction, Positive, PositiveInt


class GAN(Adversarial):
    """Generative adversarial network: a generator against a discriminator, both fully connected (Lab 4)."""

    class Options(NetworkOptions):
        """Options of the GAN"""

        networks: Literal["leaky", "maxout"] = "leaky"
        """leaky: LeakyReLU; maxout: the paper's, a ReLU generator against a maxout discriminator"""
        hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (256, 512)
        """widths of the generator's layers; the discriminator of leaky mirrors them"""
        dropout: Fraction = 0.3
        """share of the discriminator's hidden units left out in training"""
        optimizer: Literal["adam", "sgd"] = "adam"
        """adam, or the paper's sgd with falling rate and rising momentum"""
        lr: Positive = 5e-4
        """learning rate of both networks"""

        @model_validator(mode="after")
        def check_networks(self) -> Self:
            if self.networks == "maxout" and self.inputs != "unit":
                raise ValueError("maxout networks need --inputs unit: their pixels are in [0, 1]")
            if self.networks == "maxout" and self.generator_dropout:
                raise ValueError(
                    "the maxout networks have no generator_dropout: leave it out, or choose networks leaky"
                )
            return self

    presets: ClassVar[Presets] = {
        # Goodfellow et al. 2014 with mnist.yaml of the published code: see `maxout_pair` and `schedule`.
        "paper": {
            "latent_dim": 100, "noise": "gaussian", "loss": "non-saturating", "critic_steps": 1,
            "networks": "maxout", "hidden": (1200, 1200), "dropout": 0.5, "inputs": "unit",
            "optimizer": "sgd", "lr": 0.1, "averaged": "nothing", "batch": 100,
        },
    }  # fmt: skip
    tiny: ClassVar[Values] = {"latent_dim": 8, "hidden": (32, 16)}
    images: ClassVar[int] = 2_000_000

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        self.optimizer = options.optimizer
        if options.networks == "maxout":
            G, D = maxout_pair(shape, options.latent_dim, options.hidden, dropout=options.dropout)
        else:
            G, D = mlp_pair(
                shape,
                options.latent_dim,
                options.hidden,
                dropout=options.dropout,
                generator_dropout=options.generator_dropout,
                pixels=options.inputs,
            )
        self.set_networks(G, D)

    def optimizers(self) -> dict[str, Optimizer]:
        if self.optimizer == "adam":
            return super().optimizers()
        return {
            "D": SGD(self.D.parameters(), self.rates["D"], momentum=0.5),
            "G": SGD(self.G.parameters(), self.rates["G"], momentum=0.5),
        }

    # mnist.yaml of the published code; its momentum rises over 250 epochs of 50,000 images in batches of 100
    def schedule(self, name: str, clock: Clock) -> dict[str, float]:
        """The paper's SGD: the rate falls by 1.000004 an iteration down to 1e-6, momentum rises to 0.7."""
        if self.optimizer == "adam":
            return {}
        return {
            "lr": max(self.rates[name] / 1.000004**clock.iteration, 1e-6),
            "momentum": min(0.5 + 0.2 * clock.iteration / 125_000, 0.7),
        }

    # as the published code does: "output bias from pixel marginals"
    def initialise(self, pixels: Tensor, labels: Tensor | None = None) -> None:
        """Start the paper's generator from the mean image, in the bias of its output."""
        if isinstance(self.G, SigmoidGenerator):
            mean = pixels[:: max(1, len(pixels) // 50_000)].float().mean(0).flatten() / 255
            with torch.no_grad():
                self.G.output.bias.copy_(mean.clamp(1e-3, 1 - 1e-3).logit())
