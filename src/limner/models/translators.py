"""Networks that translate images, and networks that judge their patches.

Johnson et al. 2016, arXiv 1603.08155; Isola et al. 2017, arXiv 1611.07004; Zhu et al. 2017, arXiv 1703.10593.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limner.errors import LimnerError
from limner.models.base import Shape
from limner.models.layers import normalise_spectrally_

Upsampling = Literal["transposed4", "transposed3", "resize"]
Normalisation = Literal["spectral", "instance", "none"]
LEAST_SIDE = 8  # pixels: the residual blocks work at a quarter of it, and reflect a border of 1


class ResidualBlock(nn.Sequential):
    """x + two convolutions of x, with borders by reflection."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class ResNetGenerator(nn.Sequential):
    """c7s1-k, d2k, d4k, R4k x blocks, u2k, uk, c7s1-C: (B, inputs, H, W) -> (B, outputs, H, W) in [-1, 1].

    H and W are 8 or more; they are padded to a multiple of 4 by reflection, and cropped back.
    """

    def __init__(
        self, inputs: int, outputs: int, width: int, blocks: int, upsampling: Upsampling = "transposed4"
    ) -> None:
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(inputs, width, 7),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
        ]
        for k in (width, 2 * width):
            layers += [nn.Conv2d(k, 2 * k, 3, stride=2, padding=1), nn.InstanceNorm2d(2 * k), nn.ReLU()]
        layers += [ResidualBlock(4 * width) for _ in range(blocks)]
        for k in (2 * width, width):
            layers += [*enlarge(2 * k, k, upsampling), nn.InstanceNorm2d(k), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh()]
        super().__init__(*layers)
        self.apply(init_normal_)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if min(height, width) < LEAST_SIDE:
            raise LimnerError(
                f"{height}x{width} pixels are too few to translate: {LEAST_SIDE}x{LEAST_SIDE} are needed"
            )
        padded = F.pad(x, (0, -width % 4, 0, -height % 4), mode="reflect")
        return super().forward(padded)[..., :height, :width]


def enlarge(inputs: int, outputs: int, upsampling: Upsampling) -> list[nn.Module]:
    """Layers that double the sides.  Kernels of 3 overlap unevenly, which can show as a checkerboard."""
    if upsampling == "transposed4":
        return [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)]
    if upsampling == "transposed3":
        return [nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)]
    resize = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return [resize, nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3)]


class PatchDiscriminator(nn.Sequential):
    """One output for each patch: (B, C, H, W) -> (B, 1, h, w), larger where the patch looks real.

    C64-C128-C256-C512 of the paper for width 64 and 3 layers; `patch` is the side that one output depends on.
    """

    def __init__(self, channels: int, width: int, layers: int, norm: Normalisation) -> None:
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        before = width
        for i in range(1, layers + 1):
            after, stride = min(2**i, 8) * width, 2 if i < layers else 1
            parts.append(nn.Conv2d(before, after, 4, stride, padding=1))
            parts += [nn.InstanceNorm2d(after)] if norm == "instance" else []
            parts.append(nn.LeakyReLU(0.2))
            before = after
        super().__init__(*parts, nn.Conv2d(before, 1, 4, padding=1))
        self.apply(init_normal_)
        if norm == "spectral":
            normalise_spectrally_(self)

    @property
    def patch(self) -> int:
        """The receptive field of one output: its side in pixels."""
        field = 1
        for layer in reversed([layer for layer in self if isinstance(layer, nn.Conv2d)]):
            field = (field - 1) * layer.stride[0] + layer.kernel_size[0]
        return field


# Shrivastava et al. 2017, arXiv 1612.07828
class ImagePool(nn.Module):
    """Earlier translations, shown to a discriminator again so that it does not forget them."""

    images: Tensor

    def __init__(self, size: int, shape: Shape) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))

    def exchange(self, x: Tensor, earlier: int) -> Tensor:
        """For each new image either itself or an earlier one that it replaces: (B, C, H, W) -> (B, C, H, W).

        `earlier` images were exchanged before.  Until the pool is full it takes in each new image.
        """
        size = len(self.images)
        if not size:
            return x
        chosen = []
        for i, image in enumerate(x):
            if earlier + i < size:
                self.images[earlier + i] = image
            elif torch.rand(()) < 0.5:
                place = int(torch.randint(size, ()))
                image, self.images[place] = self.images[place].clone(), image
            chosen.append(image)
        return torch.stack(chosen)


def init_normal_(layer: nn.Module) -> None:
    """Draw the weights of convolutions from N(0, 0.02); biases are 0."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
