"""CycleGAN: unpaired image translation (Zhu et al. 2017, arXiv 1703.10593; lecture, "Types of GAN").

    min_(G_A, G_B) max_(D_A, D_B)  L_GAN(G_B, D_B) + L_GAN(G_A, D_A) + cycle (L_cyc + identity L_identity)

    L_cyc = E_a |G_A(G_B(a)) - a| + E_b |G_B(G_A(b)) - b|
    L_identity = E_b |G_B(b) - b| + E_a |G_A(a) - a|

G_B translates an image a of domain A into one of B, and D_B tells translations from images b of B; G_A and
D_A go the other way.  The paper calls them G, D_Y, F and D_X.  L_GAN is least squares, as in the paper's
experiments.  `--preset paper` has the paper's networks and settings.
Differs from the paper in (default preset): narrower networks, and discriminators of patches of 34 pixels, for
images of 64, in place of 70 for 256; spectral norm in place of instance norm in the discriminators; kernels
of 4 where the generators enlarge; an average of the generators' weights for inference; after 30 % of the run
the identity loss only in every fourth iteration, four times as heavy; random shifts in place of random crops
of enlarged images.
Differs from the lecture in: nothing; it prints no formula.
Image size: any, from 8 pixels; the generators pad to a multiple of 4 by reflection, and crop back.
`translators` has the networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

from limner import losses
from limner.errors import LimnerError
from limner.models.abilities import Players
from limner.models.base import Batch, Clock, Logs, Model, Presets, Shape, Update, Values, adam
from limner.models.translators import LEAST_SIDE, ImagePool, PatchDiscriminator, ResNetGenerator
from limner.settings import Fraction, NonNegative, NonNegativeInt, Positive, PositiveInt

DOMAINS = ("A", "B")
HELD_OUT = 32  # images of which `validate` measures the cycle
LAZY_AFTER = 0.3  # share of the run in which the identity term is computed in every iteration


class CycleGAN(Model):
    """CycleGAN: translation between two sets of images without pairs, in both directions."""

    class Options(Model.Options):
        """Options of the CycleGAN"""

        channels_b: Annotated[int, Field(ge=1, le=4)] | None = None
        """channels of the images of domain B; the data determine them"""
        width: PositiveInt = 24
        """channels of the generators' first layer (ngf)"""
        blocks: NonNegativeInt | None = None
        """residual blocks of a generator; default: 6, or 9 where a side is over 128 pixels"""
        upsampling: Literal["transposed4", "transposed3", "resize"] = "transposed4"
        """how generators enlarge: transposed convolutions with kernels of 4 or of 3, or bilinear resizing"""
        d_width: PositiveInt = 48
        """channels of the discriminators' first layer (ndf)"""
        d_layers: Annotated[int, Field(ge=1, le=5)] = 2
        """layers that halve the sides in a discriminator: 1, 2, 3 judge patches of 16, 34, 70 pixels"""
        d_norm: Literal["spectral", "instance", "none"] = "spectral"
        """normalisation in the discriminators: of their weights (spectral) or of their features (instance)"""
        cycle: NonNegative = 10.0
        """weight of the cycle loss"""
        identity: NonNegative = 0.5
        """weight of the identity loss, as a share of that of the cycle loss; it keeps colours"""
        identity_every: PositiveInt = 4
        """after 30 % of the run, compute the identity loss in every N-th iteration only, N times as heavy"""
        pool: NonNegativeInt = 50
        """earlier translations that each discriminator is also shown; 0: only the newest"""
        flip: bool = True
        """mirror images at random in training; not for digits or text"""
        shift: Fraction = 1 / 16
        """largest random shift of images in training, as a share of their side"""
        lr: Positive = 2e-4
        """learning rate, constant for half of the run, then falling linearly to 0"""
        beta1: Fraction = 0.5
        """Adam's decay rate of the average gradient"""
        beta2: Fraction = 0.999
        """Adam's decay rate of the average squared gradient"""
        averaged: Literal["generators", "nothing"] = "generators"
        """which weights inference takes a running average of; nothing: the last weights, as in the paper"""

    presets: ClassVar[Presets] = {
        # section 4 and the appendix, and the published code
        "paper": {
            "width": 64, "d_width": 64, "d_layers": 3, "upsampling": "transposed3", "d_norm": "instance",
            "identity_every": 1, "averaged": "nothing", "batch": 1,
        },
    }  # fmt: skip
    tiny: ClassVar[Values] = {"width": 4, "blocks": 1, "d_width": 4, "d_layers": 1, "pool": 4}
    batch: ClassVar[int] = 1
    images: ClassVar[int] = 60_000
    settings: ClassVar[Values] = {"ema_half_life": 1000, "tick": 2000}
    trains_on: ClassVar[Literal["images", "domains"]] = "domains"
    training_only: ClassVar[tuple[str, ...]] = ("pool_A", "pool_B")
    channels_last: bool = False  # instance norm gives it up at every layer; measured equal in time

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        self.options = options
        channels_a, height, width = shape
        channels_b = options.channels_b or channels_a
        least = max(LEAST_SIDE, 3 * 2**options.d_layers)  # the last two layers of D take a pixel each
        if min(height, width) < least:
            raise LimnerError(
                f"this CycleGAN needs sides of {least} pixels or more, not {height}x{width}: "
                "give a larger --size, or fewer --d-layers"
            )
        blocks = (9 if max(height, width) > 128 else 6) if options.blocks is None else options.blocks

        def generator(inputs: int, outputs: int) -> ResNetGenerator:
            return ResNetGenerator(inputs, outputs, options.width, blocks, options.upsampling)

        def discriminator(channels: int) -> PatchDiscriminator:
            return PatchDiscriminator(channels, options.d_width, options.d_layers, options.d_norm)

        self.G_A, self.G_B = generator(channels_b, channels_a), generator(channels_a, channels_b)
        self.D_A, self.D_B = discriminator(channels_a), discriminator(channels_b)
        self.pool_A = ImagePool(options.pool, (channels_a, height, width))
        self.pool_B = ImagePool(options.pool, (channels_b, height, width))
        self.has_identity = channels_a == channels_b and options.identity > 0
        self.ema = ("G_A", "G_B") if options.averaged == "generators" else ()

    def optimizers(self) -> dict[str, Optimizer]:
        betas, lr = (self.options.beta1, self.options.beta2), self.options.lr
        return {
            "G": adam([*self.G_A.parameters(), *self.G_B.parameters()], lr, betas),
            "D_A": adam(self.D_A.parameters(), lr, betas),
            "D_B": adam(self.D_B.parameters(), lr, betas),
        }

    # "the same learning rate for the first 100 epochs and linearly decay the rate to zero over the next 100"
    def schedule(self, name: str, clock: Clock) -> dict[str, float]:
        return {"lr": self.options.lr * min(1.0, 2 * (1 - clock.progress))}

    def step(self, data: Iterator[Batch], update: Update) -> Logs:
        a, b = map(self.vary, unpack(next(data)))
        every = self.identity_interval(update)
        if every and update.iteration % every == 0:
            # each image is normalised alone, so one pass gives translations and images of the own domain
            fake_b, same_b = self.G_B(torch.cat([a, b])).split([len(a), len(b)])
            fake_a, same_a = self.G_A(torch.cat([b, a])).split([len(b), len(a)])
            # section 5.2:  L_identity = E_b |G_B(b) - b| + E_a |G_A(a) - a|
            identity = l1(same_b, b) + l1(same_a, a)
            terms = {"identity": self.options.cycle * self.options.identity * every * identity}
        else:
            fake_b, fake_a, terms = self.G_B(a), self.G_A(b), {}
        # eq. 2:  L_cyc = E_a |G_A(G_B(a)) - a| + E_b |G_B(G_A(b)) - b|
        cycle = l1(self.G_A(fake_b), a) + l1(self.G_B(fake_a), b)
        # eq. 1 with least squares:  E_a (D_B(G_B(a)) - 1)^2 + E_b (D_A(G_A(b)) - 1)^2
        adversarial = generator_loss(self.D_B(fake_b)) + generator_loss(self.D_A(fake_a))
        # eq. 3
        update("G", adversarial, cycle=self.options.cycle * cycle, **terms)
        earlier = update.iteration * len(a)
        self.judge("D_A", self.D_A, a, self.pool_A.exchange(fake_a.detach(), earlier), update)
        self.judge("D_B", self.D_B, b, self.pool_B.exchange(fake_b.detach(), earlier), update)
        return {"cycle": cycle.detach() / 4}  # on the [0, 1] scale, mean of both directions

    # 1/2 E_b (D_B(b) - 1)^2 + 1/2 E_a D_B(G_B(a))^2: "we divide the objective by 2 while optimizing D"
    def judge(self, name: str, D: PatchDiscriminator, real: Tensor, fake: Tensor, update: Update) -> None:
        """Update a discriminator with images of its domain and translations, both (B, C, H, W)."""
        real_output, fake_output = D(torch.cat([real, fake])).float().split([len(real), len(fake)])
        update(name, losses.least_squares_discriminator_loss(real_output, fake_output))

    def identity_interval(self, clock: Clock) -> int:
        """The identity term comes in every so many iterations; 0: never."""
        if not self.has_identity:
            return 0
        return 1 if clock.progress < LAZY_AFTER else self.options.identity_every

    def vary(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W), mirrored and shifted at random, as training shows them."""
        if self.options.flip:
            mirror = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
            x = torch.where(mirror, x.flip(3), x)
        height, width = x.shape[2:]
        # a border by reflection is narrower than the image
        rows, columns = (min(round(self.options.shift * side), side - 1) for side in (height, width))
        if not rows and not columns:
            return x
        padded = F.pad(x, (columns, columns, rows, rows), mode="reflect")
        top, left = (int(torch.randint(2 * n + 1, ())) for n in (rows, columns))
        return padded[..., top : top + height, left : left + width]

    def translate(self, x: Tensor, to: str = "B") -> Tensor:
        """Images (B, C, H, W) of the other domain as images of domain `to`, of any size from 8 pixels."""
        return getattr(self, self.translator(to))(x)

    def translator(self, to: str) -> str:
        """The name of the network that `translate` uses; LimnerError unless `to` is A or B."""
        if to not in DOMAINS:
            raise LimnerError(f"the domains are A and B, not '{to}'")
        return f"G_{to}"

    def players(self, x: Tensor, y: Tensor | None) -> dict[str, Players]:
        """Both discriminators' outputs, means over patches, for x of A, y of B and their translations."""
        a, b = unpack((x, y))
        outputs = {"D_A": (self.D_A(a), self.D_A(self.G_A(b))), "D_B": (self.D_B(b), self.D_B(self.G_B(a)))}
        return {
            name: Players(
                real.float().mean((1, 2, 3))[:, None],
                fake.float().mean((1, 2, 3))[:, None],
                "regression",
                lambda fake, real: generator_loss(fake),
            )
            for name, (real, fake) in outputs.items()
        }

    def validate(self, x: Tensor, y: Tensor | None) -> dict[str, float]:
        """The cycle error of held-out images, mean absolute on the [0, 1] scale, from A and from B."""
        a, b = unpack((x, y))
        few_a, few_b = a[:HELD_OUT], b[:HELD_OUT]
        return {
            "cycle_A": float(l1(self.G_A(self.G_B(few_a)), few_a)) / 2,
            "cycle_B": float(l1(self.G_B(self.G_A(few_b)), few_b)) / 2,
        }

    def preview(self, x: Tensor, y: Tensor | None, n: int) -> Tensor:
        """Pairs of image and translation: n / 4 from A, then n / 4 from B."""
        a, b = (images[: n // 4] for images in unpack((x, y)))
        rows = [(a, self.G_B(a)), (b, self.G_A(b))]
        channels = max(image.shape[1] for pair in rows for image in pair)
        pairs = [torch.stack([image.expand(-1, channels, -1, -1) for image in pair], 1) for pair in rows]
        return torch.cat(pairs).flatten(0, 1)

    def remarks(self, pixels: Tensor) -> list[str]:
        if self.has_identity or not self.options.identity:
            return []
        return [
            "one domain is grey and the other in colour: there is no identity term, so colours may change"
        ]

    def forward(self, x: Tensor) -> Tensor:
        """From A to B and back, judged in both domains: (B, C, H, W) -> D_A's outputs (B, 1, h, w)."""
        fake_b = self.G_B(x)
        self.D_B(fake_b)
        return self.D_A(self.G_A(fake_b))


def unpack(batch: Batch) -> tuple[Tensor, Tensor]:
    """The images of A and of B."""
    a, b = batch
    assert b is not None
    return a, b


def l1(x: Tensor, y: Tensor) -> Tensor:
    """The mean absolute difference, a scalar."""
    return (x - y).abs().mean()


def generator_loss(output: Tensor) -> Tensor:
    """E (D(G(x)) - 1)^2, without the factor 1/2 that it has in `losses`: (B, 1, h, w) -> scalar."""
    return 2 * losses.least_squares_generator_loss(output.float())
