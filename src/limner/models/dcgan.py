"""The deep convolutional GAN (Radford et al. 2015, arXiv 1511.06434; lecture, "Types of GAN").

    min_G max_D  1/2 E_x log D(x) + 1/2 E_z log(1 - D(G(z))),  both networks convolutional

The lecture's five guidelines (`--preset lecture`): batch norm in all but G's last and D's first layer; D goes
down by strided convolutions, G up by transposed ones, without pooling, and only D's last layer is fully
connected; LeakyReLU in all but the last layers (G: tanh, D: logistic); Adam with rate 2e-4 and beta1 0.5;
weights from N(0, 0.02).
Differs from the lecture in: an average of G's weights for inference (`--averaged nothing` is without).  The
default preset has half its width, and a sigmoid in place of the tanh: nearer to digits, as near to faces,
farther from clothes (docs/results.md).
Differs from the paper in (default preset), beside that: LeakyReLU in G as in the lecture, where the paper has
ReLU, pixels in [0, 1] from a sigmoid, Gaussian noise, kernels of 4 as in its successors, a quarter of the
width, smaller batches.
`--inputs centred --spectral-norm --loss hinge` (Miyato et al. 2018, arXiv 1802.05957) learns more slowly, and
in long runs on digits comes as near to the data, with more even classes: docs/results.md.
Sides are halved while at least 3 remain; an odd side comes back by output padding.
`Adversarial` has the game, its losses and its options; `networks` has the networks.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from limner.models.adversarial import Adversarial, NetworkOptions
from limner.models.base import Presets, Shape, Values
from limner.models.networks import conv_pair
from limner.settings import PositiveInt


class DCGAN(Adversarial):
    """Deep convolutional GAN: strided and transposed convolutions with batch norm."""

    class Options(NetworkOptions):
        """Options of the DCGAN"""

        latent_dim: PositiveInt = 100
        """length of the noise vector that an image is made from"""
        width: PositiveInt = 32
        """channels next to the image; they double where the image's sides halve"""
        kernel: Literal[4, 5] = 4
        """side of the convolutions' kernels"""
        activation: Literal["leaky", "relu"] = "leaky"
        """the generator's: leaky, as in the lecture, or relu, as in the paper"""
        batch_norm: Literal["auto", "both", "generator", "nothing"] = "auto"
        """in both networks, in the generator only, or in nothing; auto: in both, but not in a discriminator
        with spectral norm or a gradient penalty"""
        inputs: Literal["centred", "unit"] = "unit"
        """range of pixels in the networks: unit, [0, 1] from a sigmoid, or centred, [-1, 1] from a tanh, as
        in the lecture and the paper; in unit, black is 0, as is the padding of the convolutions"""

    presets: ClassVar[Presets] = {
        # Radford et al. 2015, section 4: z uniform, 1024 channels at 4x4, batches of 128; kernels: figure 1
        "paper": {
            "latent_dim": 100, "noise": "uniform", "width": 128, "kernel": 5, "activation": "relu",
            "batch_norm": "both", "inputs": "centred", "lr": 2e-4, "beta1": 0.5, "averaged": "nothing",
            "batch": 128,
        },
        # The lecture's five guidelines
        "lecture": {
            "width": 64, "activation": "leaky", "batch_norm": "both", "inputs": "centred", "lr": 2e-4,
            "beta1": 0.5,
        },
    }  # fmt: skip
    settings: ClassVar[Values] = {"ema_half_life": 30_000}
    tiny: ClassVar[Values] = {"latent_dim": 8, "width": 8}
    batch: ClassVar[int] = 64  # as in its successors: more steps for as many images
    bf16 = True

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        batch_norm = options.batch_norm
        if batch_norm == "auto":
            batch_norm = "generator" if options.spectral_norm or self.penalty != "none" else "both"
        G, D = conv_pair(
            shape,
            options.latent_dim,
            options.width,
            kernel=options.kernel,
            activation=options.activation,
            batch_norm=batch_norm,
            generator_dropout=options.generator_dropout,
            pixels=options.inputs,
        )
        self.set_networks(G, D)
