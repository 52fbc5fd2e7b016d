"""The deep convolutional GAN (Radford et al. 2015, arXiv 1511.06434; lecture, "Types of GAN").

    min_G max_D  1/2 E_x log D(x) + 1/2 E_z log(1 - D(G(z))),  both networks convolutional

The lecture's guidelines: batch norm everywhere but in G's last and D's first layer; D goes down by strided
convolutions, G up by transposed ones, no pooling; no fully connected layer but D's last; LeakyReLU everywhere
but at the outputs (G: Tanh, D: logistic); Adam with rate 2e-4 and beta1 0.5; weights from N(0, 0.02).
Differs from the paper in (default preset): LeakyReLU in G as the lecture says, where the paper has ReLU,
Gaussian noise, kernels of 4 as in its successors, half the width, an average of G's weights for inference.
Sides are halved while at least 3 remain; an odd side comes back by output padding.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from limner.models.adversarial import Adversarial, Dropout, Pixels, Unit
from limner.models.base import Shape, require


class DCGAN(Adversarial):
    """Deep convolutional GAN: strided and transposed convolutions with batch norm.

    Args:
        latent_dim: numbers of noise a new image is made from.
        width: channels next to the image; they double where the image's sides halve.
        kernel: side of the convolutions' kernels.
        activation: the generator's: leaky, as in the lecture, or relu, as in the paper.
        batch_norm: in both networks, in the generator only, or in nothing; auto: in both, but not in a
            discriminator whose gradient is penalised image by image.
        lr: learning rate of both players.
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # Radford et al. 2015, section 4: z uniform, 1024 channels at 4x4, batches of 128; kernels: figure 1
        "paper": {
            "latent_dim": 100, "noise": "uniform", "width": 128, "kernel": 5, "activation": "relu",
            "batch_norm": "both", "lr": 2e-4, "beta1": 0.5, "averaged": "nothing", "batch": 128,
        },
        # The remedy of Miyato et al. 2018 (arXiv 1802.05957): a discriminator kept smooth by spectral norm in
        # place of batch norm, with the hinge loss; the rest as by default.
        "spectral": {"loss": "hinge", "spectral_norm": True, "batch_norm": "generator"},
    }  # fmt: skip
    batch: ClassVar[int] = 64  # as in its successors: more steps for as many images
    bf16 = True

    def __init__(
        self,
        shape: Shape,
        *,
        latent_dim: int = 100,
        width: int = 64,
        kernel: Literal[4, 5] = 4,
        activation: Literal["leaky", "relu"] = "leaky",
        batch_norm: Literal["auto", "both", "generator", "nothing"] = "auto",
        lr: float = 2e-4,
        **game: Any,
    ) -> None:
        super().__init__(shape, latent_dim=latent_dim, lr=lr, **game)
        require(width >= 1, f"width must be at least 1, not {width}")
        require(min(shape[1:]) >= 8, f"convolutions need images of 8x8 or more, not {shape[1]}x{shape[2]}")
        if batch_norm == "auto":
            batch_norm = "both" if self.penalty == "none" else "generator"
        G = generator(
            shape, latent_dim, width, kernel, activation, batch_norm != "nothing", self.generator_dropout
        )
        D = discriminator(shape, width, kernel, batch_norm == "both")
        if self.inputs == "unit":
            G[-1], D = Pixels(), nn.Sequential(Unit(), *D)
        self.players(G.apply(drawn_from_the_papers_normal), D.apply(drawn_from_the_papers_normal))

    def decode(self, z: Tensor) -> Tensor:
        """The image of a noise vector: (B, latent_dim) -> (B, C, H, W)."""
        return self.generate(z)


def sizes(shape: Shape, kernel: int) -> list[tuple[int, int]]:
    """Heights and widths from the image's down: halved while at least 3 remain."""
    found = [shape[1:]]
    while True:
        height, width = ((side + 2 * ((kernel - 1) // 2) - kernel) // 2 + 1 for side in found[-1])
        if min(height, width) < 3:
            return found
        found.append((height, width))


def generator(
    shape: Shape, inputs: int, width: int, kernel: int, activation: str, norm: bool, dropout: float
) -> nn.Sequential:
    """Noise (B, inputs) as a 1x1 image, doubled by transposed convolutions: -> images in [-1, 1]."""
    up = sizes(shape, kernel)[::-1]
    channels = [width * 2**i for i in reversed(range(len(up) - 1))]
    layers: list[nn.Module] = [nn.Unflatten(1, (inputs, 1, 1))]
    layers += [nn.ConvTranspose2d(inputs, channels[0], up[0], bias=not norm)]
    for (small, large), (before, after) in zip(pairwise(up), pairwise([*channels, shape[0]]), strict=True):
        layers += [nn.BatchNorm2d(before)] if norm else []
        layers += [nn.LeakyReLU(0.2) if activation == "leaky" else nn.ReLU()]
        layers += [Dropout(dropout)] if dropout else []
        padding = (kernel - 1) // 2  # a side s becomes 2 s - 2 - 2 padding + kernel + more
        height, width = (b - (2 * a - 2 - 2 * padding + kernel) for a, b in zip(small, large, strict=True))
        last = large == up[-1]
        layers += [
            nn.ConvTranspose2d(before, after, kernel, 2, padding, (height, width), bias=last or not norm)
        ]
    return nn.Sequential(*layers, nn.Tanh())


def features(shape: Shape, width: int, kernel: int, norm: bool) -> nn.Sequential:
    """The discriminator below its last layer, halved by strided convolutions: -> (B, units)."""
    down = sizes(shape, kernel)
    channels = [shape[0], *(width * 2**i for i in range(len(down) - 1))]
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(channels)):
        inner = norm and i > 0
        layers += [nn.Conv2d(before, after, kernel, 2, (kernel - 1) // 2, bias=not inner)]
        layers += [nn.BatchNorm2d(after)] if inner else []
        layers += [nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten())


def discriminator(shape: Shape, width: int, kernel: int, norm: bool) -> nn.Sequential:
    """Strided convolutions and one linear layer: images -> logits (B, 1)."""
    down = sizes(shape, kernel)
    units = width * 2 ** (len(down) - 2) * down[-1][0] * down[-1][1]
    return nn.Sequential(*features(shape, width, kernel, norm), nn.Linear(units, 1))


# section 4: "All weights were initialized from a zero-centered Normal distribution with standard
# deviation 0.02"
def drawn_from_the_papers_normal(layer: nn.Module) -> None:
    """Draw a layer's weights from N(0, 0.02), a batch norm's from N(1, 0.02); biases are 0."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
    if (
        isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d))
        and layer.bias is not None
    ):
        nn.init.zeros_(layer.bias)
