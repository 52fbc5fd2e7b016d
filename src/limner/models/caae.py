"""CAAE: the same face at every age, by a conditional adversarial autoencoder (Zhang et al. 2017,
arXiv 1702.08423; lecture, "Age progression and regression").

    min_(E, G) max_(D_z, D_x)  |x - G(E(x), l)| + TV(G(E(x), l))
        + E_z* log D_z(z*) + E_x log(1 - D_z(E(x)))
        + E_(x, l) log D_x(x, l) + E_(x, l) log(1 - D_x(G(E(x), l), l))

E encodes an image as z, G makes an image of z and a label l (y in the code), D_z tells codes from the uniform
prior, and D_x tells generated images of a label from real ones.  The label is an age in the paper; here it is
any class.  The paper trains G with an image's own label only.  Ours, each an option: G also makes each image
with a random label, which D_x judges, and E must find the same z in it (`random_labels`, `cycle`); D_x learns
that a real image with a wrong label is wrong (`wrong_labels`); a classifier C tries to read the label from z,
and E leaves it nothing to read (`confusion`).
Differs from the paper in (default preset): the networks of the DCGAN, which get the label at every layer, in
place of labels tiled beside z; codes normalised over the batch before their tanh; spectral norm in place of
batch norm in the discriminators; the hinge loss; an average of the weights of E and G.
Differs from the lecture in: nothing; it prints no formula.
Image size: any, from 8 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from limner.errors import LimnerError
from limner.models.abilities import Players
from limner.models.adversarial import GAMES
from limner.models.base import (
    Batch,
    Clock,
    Logs,
    Model,
    Presets,
    Shape,
    Update,
    Values,
    adam,
    check_labels,
    require_labels,
)  # fmt: skip
from limner.models.editors import (
    Encoder,
    PaperDiscriminator,
    PaperGenerator,
    init_paper_,
    paper_code_discriminator,
)  # fmt: skip
from limner.models.latent import Latent, Uniform
from limner.models.layers import normalise_spectrally_
from limner.models.networks import conv_pair
from limner.nn import mlp
from limner.settings import Fraction, NonNegative, Positive, PositiveInt


class CAAE(Model):
    """Conditional adversarial autoencoder: the same image with another label, a face at another age."""

    class Options(Model.Options):
        """Options of the CAAE"""

        classes: PositiveInt | None = None
        """number of labels; default: that of the data, 10 without data"""
        networks: Literal["dcgan", "paper"] = "dcgan"
        """dcgan: the DCGAN's, which get the label at every layer; paper: labels tiled beside the code"""
        latent_dim: PositiveInt = 64
        """numbers in the code"""
        width: PositiveInt = 64
        """channels of the generator next to the image; they double where the sides halve"""
        e_width: PositiveInt = 32
        """the same of the encoder"""
        d_width: PositiveInt = 48
        """the same of the discriminator of images"""
        loss: Literal["non-saturating", "least-squares", "hinge"] = "hinge"
        """losses of both discriminators and of their opponents"""
        image: NonNegative = 0.1
        """weight of the loss from the discriminator of images"""
        prior: NonNegative = 0.1
        """weight of the loss from the discriminator of codes, which makes them uniform"""
        total_variation: NonNegative = 0.0
        """weight of the total variation, which smooths"""
        random_labels: bool = True
        """also make each image with a random label, for the discriminator to judge"""
        cycle: NonNegative = 0.1
        """weight of the distance of an image's code to that of the same image with a random label"""
        wrong_labels: bool = True
        """show the discriminator real images with wrong labels, as examples of what is wrong"""
        confusion: NonNegative = 0.3
        """weight of what a classifier can read of the label from the code"""
        reconstruction_only: Fraction = 0.1
        """share of the run at its start in which encoder and generator learn the reconstruction only; the
        other weights rise in as long a time after it"""
        lr: Positive = 5e-4
        """learning rate"""
        lr_decay: bool = True
        """let the learning rate fall linearly to 0 over the last 40 % of the run"""
        beta1: Fraction = 0.5
        """Adam's decay rate of the average gradient"""
        averaged: Literal["both", "nothing"] = "both"
        """average the weights of encoder and generator for inference; nothing: the last weights"""

    presets: ClassVar[Presets] = {
        # section 4 and the published code, with the discriminator of codes on, which is off there
        "paper": {
            "networks": "paper", "latent_dim": 50, "width": 64, "e_width": 64, "d_width": 16,
            "loss": "non-saturating", "image": 1e-4, "prior": 1e-4, "total_variation": 1e-4,
            "random_labels": False, "wrong_labels": False, "cycle": 0.0, "confusion": 0.0,
            "reconstruction_only": 0.0, "lr": 2e-4, "lr_decay": False, "averaged": "nothing",
            "batch": 100,
        },
    }  # fmt: skip
    tiny: ClassVar[Values] = {
        "latent_dim": 8, "width": 8, "e_width": 4, "d_width": 4, "loss": "least-squares",
    }  # fmt: skip
    batch: ClassVar[int] = 64
    images: ClassVar[int] = 400_000
    settings: ClassVar[Values] = {"ema_half_life": 2000}
    labels = "required"
    bf16 = True

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        self.options, self.game = options, GAMES[options.loss]
        self.classes: int = options.classes or 10
        dim = options.latent_dim
        self.E, self.G, self.D_x, self.D_z = self.networks(options)
        self.C = mlp(dim, 64, self.classes) if options.confusion else None
        self.latents = {"z": Latent((dim,), {"uniform": Uniform(dim)})}
        self.ema = ("E", "G") if options.averaged == "both" else ()
        self.class_shares: Tensor
        self.register_buffer("class_shares", torch.full((self.classes,), 1 / self.classes))

    def networks(self, options: Options) -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
        """E, G, D_x and D_z."""
        shape, dim, classes = self.shape, options.latent_dim, self.classes
        if options.networks == "paper":
            return (
                Encoder(shape, options.e_width, dim, kernel=5, normalised=False).apply(init_paper_),
                PaperGenerator(shape, dim, options.width, classes).apply(init_paper_),
                PaperDiscriminator(shape, options.d_width, classes).apply(init_paper_),
                paper_code_discriminator(dim).apply(init_paper_),
            )
        G, _ = conv_pair(shape, dim, options.width, batch_norm="generator", classes=classes)
        _, D_x = conv_pair(shape, dim, options.d_width, batch_norm="generator", classes=classes)
        D_z = mlp(dim, 64, 32, 16, 1)
        for D in (D_x, D_z):
            normalise_spectrally_(D)
        return Encoder(shape, options.e_width, dim, kernel=4, normalised=True), G, D_x, D_z

    def optimizers(self) -> dict[str, Optimizer]:
        lr, betas = self.options.lr, (self.options.beta1, 0.999)
        return {
            "D_z": adam(self.D_z.parameters(), lr, betas),
            "D_x": adam(self.D_x.parameters(), lr, betas),
            **({"C": adam(self.C.parameters(), lr, betas)} if self.C is not None else {}),
            "EG": adam([*self.E.parameters(), *self.G.parameters()], lr, betas),
        }

    def schedule(self, name: str, clock: Clock) -> dict[str, float]:
        if not self.options.lr_decay:
            return {}
        return {"lr": self.options.lr * min(1.0, 2.5 * (1 - clock.progress))}

    def step(self, data: Iterator[Batch], update: Update) -> Logs:
        x, y = next(data)
        y = require_labels(y)
        if len(x) < 2:
            raise LimnerError("a CAAE normalises over the images of a batch: give --batch 2 or more")
        strength = self.strength(update)
        z = self.E(x)
        labels = torch.cat([y, self.draw_labels(len(x))]) if self.options.random_labels else y
        generated = self.G(z.repeat(len(labels) // len(x), 1), labels)
        game, o = self.game, self.options
        # eq. 2:  E_z* log D_z(z*) + E_x log(1 - D_z(E(x)))
        prior = self.latent.draw(len(x), x.device)
        update("D_z", game.discriminator(self.D_z(prior).float(), self.D_z(z.detach()).float()))
        # eq. 3:  E_(x, l) log D_x(x, l) + E_(x, l) log(1 - D_x(G(E(x), l), l))
        real, fake = self.D_x(x, y).float(), self.D_x(generated.detach(), labels).float()
        if o.wrong_labels:
            fake = torch.cat([fake, self.D_x(x, self.other_labels(y)).float()])
        update("D_x", game.discriminator(real, fake))
        if self.C is not None:
            update("C", F.cross_entropy(self.C(z.detach()).float(), y))
        # eq. 1:  |x - G(E(x), l)|, and the generator's side of both games
        terms = {
            "prior": o.prior * game.generator(self.D_z(z).float()),
            "image": o.image * game.generator(self.D_x(generated, labels).float()),
        }
        if o.total_variation:
            terms["total_variation"] = o.total_variation * total_variation(generated[: len(x)])
        if o.random_labels and o.cycle:
            terms["cycle"] = o.cycle * (self.E(generated[len(x) :]) - z).square().mean()
        if self.C is not None:
            terms["confusion"] = o.confusion * self.confusion_loss(self.C(z))
        terms = {name: strength * term for name, term in terms.items()}
        update("EG", l1(generated[: len(x)], x), **terms)
        return {"D_x(x)": real.mean(), "D_x(G(z))": fake.mean()}

    def strength(self, clock: Clock) -> float:
        """The factor of all weights but the reconstruction's: 0 at first, then rising to 1."""
        start = self.options.reconstruction_only
        return min(max(clock.progress / start - 1, 0.0), 1.0) if start else 1.0

    # after Tzeng et al. 2015 (arXiv 1510.02192), with the shares of the classes in place of equal ones
    def confusion_loss(self, logits: Tensor) -> Tensor:
        """KL(shares of the classes || C(z)), 0 where C reads nothing: its logits (B, classes) -> scalar."""
        log_probabilities = logits.float().log_softmax(1).mean(0)
        return F.kl_div(log_probabilities, self.class_shares, reduction="sum")

    def draw_labels(self, n: int) -> Tensor:
        """Random labels (n,), each of those trained on as often as the others."""
        trained = (self.class_shares > 0).float()
        return torch.multinomial(trained, n, replacement=True)

    def other_labels(self, y: Tensor) -> Tensor:
        """For each label (B,) another one of those trained on; the same where there is none."""
        others = (self.class_shares > 0).float().repeat(len(y), 1).scatter(1, y[:, None], 1e-9)
        return torch.multinomial(others, 1)[:, 0]

    def initialise(self, pixels: Tensor, labels: Tensor | None = None) -> None:
        """Keep how frequent each class is among the training images."""
        if labels is not None and len(labels):
            self.class_shares.copy_(labels.bincount(minlength=self.classes) / len(labels))

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> codes (B, latent_dim)."""
        return self.E(x)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The images of codes (B, latent_dim) with labels (B,): (B, C, H, W).

        Raises LimnerError for missing labels, a wrong number of them, or a label out of range.
        """
        return self.G(z, check_labels(y, len(z), self.classes))

    def edit(self, x: Tensor, y: Tensor) -> Tensor:
        """Images (B, C, H, W) with other labels (B,)."""
        return self.decode(self.encode(x), y)

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n new images (n, C, H, W) of labels y (n,), or of labels as frequent as in training."""
        z = self.latent.draw(n, self.device)
        if y is None:
            y = torch.multinomial(self.class_shares, max(n, 1), replacement=True)[:n]  # it refuses 0
        return self.decode(z, y)

    def players(self, x: Tensor, y: Tensor | None) -> dict[str, Players]:
        """What both discriminators say of x and of its codes, of the prior and of x with random labels."""
        y = require_labels(y)
        z, labels = self.E(x), self.draw_labels(len(x))
        outputs = {
            "D_x": (self.D_x(x, y), self.D_x(self.G(z, labels), labels)),
            "D_z": (self.D_z(self.latent.draw(len(x), x.device)), self.D_z(z)),
        }
        return {
            name: Players(
                real.float(), fake.float(), self.game.scale, lambda fake, real: self.game.generator(fake)
            )
            for name, (real, fake) in outputs.items()
        }

    def preview(self, x: Tensor, y: Tensor | None, n: int) -> Tensor:
        """n / 8 rows: an image, and the same with seven labels in order, from the first to the last."""
        trained = self.class_shares.nonzero()[:, 0]
        labels = trained[torch.linspace(0, len(trained) - 1, 7, device=x.device).round().long()]
        x = x[: n // 8]
        edited = [self.edit(x, label.repeat(len(x))) for label in labels]
        return torch.stack([x, *edited], 1).flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Through every network with label 0: (B, C, H, W) -> D_x's outputs (B, 1)."""
        z, y = self.E(x), torch.zeros(len(x), dtype=torch.int64, device=x.device)
        self.D_z(z)
        if self.C is not None:
            self.C(z)
        return self.D_x(self.G(z, y), y)

    def validate(self, x: Tensor, y: Tensor | None) -> dict[str, float]:
        """On held-out images: the mean absolute error on the [0, 1] scale, and how much a label changes."""
        y = require_labels(y)
        z = self.E(x)
        own, other = self.G(z, y), self.G(z, self.other_labels(y))
        return {"l1": float(l1(own, x)) / 2, "label_change": float(l1(own, other)) / 2}


def l1(x: Tensor, y: Tensor) -> Tensor:
    """The mean absolute difference, a scalar."""
    return (x - y).abs().mean()


def total_variation(x: Tensor) -> Tensor:
    """The mean absolute difference of neighbouring pixels: (B, C, H, W) -> scalar."""
    return l1(x[..., 1:, :], x[..., :-1, :]) + l1(x[..., 1:], x[..., :-1])
