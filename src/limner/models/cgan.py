"""The conditional GAN (Mirza & Osindero 2014, arXiv 1411.1784; lecture, "Types of GAN").

    min_G max_D  1/2 E_(x,y) log D(x | y) + 1/2 E_(z,y) log(1 - D(G(z | y) | y))

Both players are told the class y; G is asked for the labels of the real images that D has just seen.
Differs from the paper in (default preset): DCGAN's networks; a gain and a bias of the class after each batch
norm of G, from one vector of it (Brock et al. 2019, arXiv 1809.11096); a projection discriminator (Miyato &
Koyama 2018, arXiv 1802.05637),

    D's logit of x | y = psi(f(x)) + <embed(y), f(x)>

`--condition embedding` shows D the class beside the image, as the paper does.  `--preset paper` has the
paper's MNIST networks and its optimiser (section 4.1), but z is uniform on [-1, 1], not on [0, 1], weights
start as in the GAN's published code, and the last weights are kept, not those with the best Parzen
likelihood, which says little of images (Theis et al. 2016, arXiv 1511.01844).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.optim import Optimizer

from limner.errors import LimnerError
from limner.models.adversarial import Adversarial, Dropout, Pixels, Unit
from limner.models.base import Shape, require
from limner.models.dcgan import discriminator as conv_discriminator
from limner.models.dcgan import drawn_from_the_papers_normal, sizes
from limner.models.dcgan import generator as conv_generator
from limner.models.gan import FallingSGD, Maxout
from limner.models.gan import discriminator as mlp_discriminator
from limner.models.gan import generator as mlp_generator

EMBEDDED = 50  # numbers that tell a convolutional generator the class


class CGAN(Adversarial):
    """Conditional GAN: both players are told the class, so images can be asked for by label.

    Args:
        networks: conv: DCGAN's; mlp: the GAN's fully connected ones; maxout: the paper's.
        condition: how the discriminator learns the class: projection: its features times a vector of the
            class; embedding: beside the image, as a learnt plane (conv) or one-hot (mlp); maxout has its own.
        classes: how many classes there are; training takes it from the data.
        latent_dim: numbers of noise a new image is made from.
        width: channels next to the image; they double where the image's sides halve (conv).
        hidden: widths of the generator's layers; the discriminator mirrors them (mlp).
        batch_norm: in both networks, in the generator only, or in nothing; auto: in both, but not in a
            discriminator whose gradient is penalised image by image (conv).
        dropout: share of hidden units left out in training: of the discriminator (mlp), of both (maxout).
        optimizer: adam with beta1 0.5, or the paper's sgd with falling rate and rising momentum.
        lr: learning rate of both players.
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # Mirza & Osindero 2014, section 4.1; widths: `maxout_networks`
        "paper": {
            "latent_dim": 100, "noise": "uniform", "networks": "maxout", "dropout": 0.5, "inputs": "unit",
            "optimizer": "sgd", "lr": 0.1, "averaged": "nothing", "batch": 100,
        },
    }  # fmt: skip

    def __init__(
        self,
        shape: Shape,
        *,
        networks: Literal["conv", "mlp", "maxout"] = "conv",
        condition: Literal["projection", "embedding"] = "projection",
        classes: int = 10,
        latent_dim: int = 100,
        width: int = 64,
        hidden: tuple[int, ...] = (256, 512),
        batch_norm: Literal["auto", "both", "generator", "nothing"] = "auto",
        dropout: float = 0.3,
        optimizer: Literal["adam", "sgd"] = "adam",
        lr: float = 2e-4,
        **game: Any,
    ) -> None:
        super().__init__(shape, latent_dim=latent_dim, lr=lr, **game)
        require(classes >= 1, f"classes must be at least 1, not {classes}")
        require(width >= 1, f"width must be at least 1, not {width}")
        require(len(hidden) > 0 and min(hidden) >= 1, f"hidden needs widths of at least 1, not {hidden}")
        require(0 <= dropout < 1, f"dropout must be from 0 to below 1, not {dropout}")
        require(networks != "maxout" or self.inputs == "unit", "maxout networks see inputs unit, in [0, 1]")
        self.classes, self.condition, self.optimizer = classes, condition, optimizer
        self.bf16 = networks == "conv"
        if networks == "conv":
            self.players(*self.conv_networks(width, batch_norm))
        elif networks == "mlp":
            self.players(*self.mlp_networks(hidden, dropout))
        else:
            self.players(*self.maxout_networks(dropout))

    def conv_networks(self, width: int, batch_norm: str) -> tuple[nn.Module, nn.Module]:
        """DCGAN's pair: G learns the class after its batch norms, or beside z; D as `condition` says."""
        channels, height, side = self.shape
        require(min(height, side) >= 8, f"convolutions need images of 8x8 or more, not {height}x{side}")
        if batch_norm == "auto":
            batch_norm = "both" if self.penalty == "none" else "generator"
        norm = batch_norm != "nothing"
        inputs = self.latent_dim + (0 if norm else EMBEDDED)
        network = conv_generator(self.shape, inputs, width, 4, "leaky", norm, self.generator_dropout)
        if self.inputs == "unit":
            network[-1] = Pixels()
        embed = nn.Embedding(self.classes, EMBEDDED)
        G = ClassNormed(embed, network, sizes(self.shape, 4)[-1]) if norm else Beside(embed, network)
        planes = 1 if self.condition == "embedding" else 0
        D = conv_discriminator((channels + planes, height, side), width, 4, batch_norm == "both")
        plane = nn.Sequential(nn.Embedding(self.classes, height * side), nn.Unflatten(1, (1, height, side)))
        told = self.told(D, self.seen_pixels(), plane)
        return G.apply(drawn_from_the_papers_normal), told.apply(drawn_from_the_papers_normal)

    def mlp_networks(self, hidden: tuple[int, ...], dropout: float) -> tuple[nn.Module, nn.Module]:
        """The GAN's leaky pair: z beside the one-hot class; projection, or the class beside the pixels."""
        pixels = self.shape[0] * self.shape[1] * self.shape[2]
        more = self.classes if self.condition == "embedding" else 0
        G = mlp_generator(
            self.shape, self.latent_dim + self.classes, hidden, self.generator_dropout, self.inputs
        )
        D = mlp_discriminator((pixels + more, 1, 1), hidden, dropout)
        seen = nn.Sequential(self.seen_pixels(), nn.Flatten())
        return Beside(OneHot(self.classes), G), self.told(D, seen, OneHot(self.classes))

    # section 4.1: the generator's z -> 200 and y -> 1000 meet in 1200 ReLU units, the discriminator's
    # x -> 240 and y -> 50 maxout units of 5 pieces in 240 of 4
    def maxout_networks(self, dropout: float) -> tuple[nn.Module, nn.Module]:
        """The paper's pair, weights uniform in [-0.05, 0.05] (generator) and [-0.005, 0.005] (the other)."""
        n, pixels = self.classes, self.shape[0] * self.shape[1] * self.shape[2]
        some = Dropout(self.generator_dropout) if self.generator_dropout else nn.Dropout(dropout)
        G = Beside(
            nn.Sequential(OneHot(n), nn.Linear(n, 1000), nn.ReLU(), some),
            nn.Sequential(
                nn.Linear(1200, 1200), nn.ReLU(), some,
                nn.Linear(1200, pixels), Pixels(), nn.Unflatten(1, self.shape),
            ),
            nn.Sequential(nn.Linear(self.latent_dim, 200), nn.ReLU(), some),
        )  # fmt: skip
        some = nn.Dropout(dropout)
        D = Beside(
            nn.Sequential(OneHot(n), Maxout(n, 50, 5), some),
            nn.Sequential(Maxout(290, 240, 4), some, nn.Linear(240, 1)),
            nn.Sequential(Unit(), nn.Flatten(), Maxout(pixels, 240, 5), some),
        )
        for network, reach in ((G, 0.05), (D, 0.005)):
            for name, weight in network.named_parameters():
                nn.init.zeros_(weight) if name.endswith("bias") else nn.init.uniform_(weight, -reach, reach)
        return G, D

    def told(self, D: nn.Sequential, seen: nn.Module, embed: nn.Module) -> nn.Module:
        """A discriminator, `seen` before it, that is told the class as `condition` says."""
        if self.condition == "projection":
            return Projection(nn.Sequential(seen, *list(D)[:-1]), D[-1], self.classes)
        return Beside(embed, D, seen)

    def seen_pixels(self) -> nn.Module:
        """How a discriminator begins: with pixels as `inputs` says."""
        return Unit() if self.inputs == "unit" else nn.Identity()

    def optimizers(self) -> dict[str, Optimizer]:
        if self.optimizer == "adam":
            return super().optimizers()
        return {
            "D": FasterFallingSGD(self.D.parameters(), self.d_lr),
            "G": FasterFallingSGD(self.G.parameters(), self.lr),
        }

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images of noise (B, latent_dim) and classes (B,): (B, C, H, W); LimnerError without classes."""
        return self.G(z, labels(y))

    def judge(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits (B, 1) of images (B, C, H, W) as ones of classes (B,); LimnerError without classes."""
        return self.D(x, labels(y))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n new images (n, C, H, W) of classes y (n,) int64, or of classes drawn uniformly.

        Raises LimnerError for a label there is none of, and for another number of labels.
        """
        z = self.z(n)
        if y is None:
            y = torch.randint(self.classes, (n,), device=self.device)
        if y.shape != (n,):
            raise LimnerError(f"{n} images need {n} labels, not {y.numel()}")
        if n and not 0 <= int(y.min()) <= int(y.max()) < self.classes:
            raise LimnerError(
                f"labels are from 0 to {self.classes - 1}, not {int(y.min())} to {int(y.max())}"
            )
        return self.generate(z, y)

    def preview(self, x: Tensor, n: int) -> Tensor:
        """n new images (n, C, H, W), the classes in order, each as often as the others."""
        return self.sample(n, torch.arange(n, device=self.device) * self.classes // n)

    def forward(self, z: Tensor) -> Tensor:
        """The discriminator's logit of the image of a noise vector and class 0: (B, latent_dim) -> (B, 1)."""
        y = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        return self.judge(self.generate(z, y), y)


def labels(y: Tensor | None) -> Tensor:
    """The labels; LimnerError where there are none."""
    if y is None:
        raise LimnerError("a conditional GAN needs the label of each image")
    return y


class OneHot(nn.Module):
    """Labels (B,) -> (B, classes), 1 at the label and 0 elsewhere."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, y: Tensor) -> Tensor:
        return one_hot(y, self.classes).float()


class Beside(nn.Module):
    """A network that sees what `ready` makes of its input, and beside it what `embed` makes of the class."""

    def __init__(self, embed: nn.Module, network: nn.Module, ready: nn.Module | None = None) -> None:
        super().__init__()
        self.embed, self.network, self.ready = embed, network, ready or nn.Identity()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.network(torch.cat([self.ready(x), self.embed(y)], 1))


class ClassNormed(nn.Module):
    """A convolutional generator that learns the class after each batch norm, from one vector of it.

    With the class beside z instead, batch norm takes its variance from the class, and z comes to be ignored;
    so it does for a class whose gain after the first norm falls to 0, which therefore has a bias alone.
    """

    def __init__(self, embed: nn.Embedding, network: nn.Sequential, size: tuple[int, int]) -> None:
        super().__init__()
        first: tuple[int, int] | None = size
        self.embed, self.layers = embed, nn.ModuleList()
        for layer in network:
            if isinstance(layer, nn.BatchNorm2d):
                layer, first = ClassNorm(layer, first), None
            self.layers.append(layer)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        e = self.embed(y)
        for layer in self.layers:
            z = layer(z, e) if isinstance(layer, ClassNorm) else layer(z)
        return z


class ClassNorm(nn.Module):
    """norm(x) (1 + gain(e)) + bias(e) of a class's vector e; at the `first`, of that size, without gain."""

    def __init__(self, norm: nn.BatchNorm2d, first: tuple[int, int] | None) -> None:
        super().__init__()
        channels, (height, width) = norm.num_features, first or (1, 1)
        self.norm, self.size = norm, (channels, height, width)
        self.gain = None if first else nn.Linear(EMBEDDED, channels, bias=False)
        self.bias = nn.Linear(EMBEDDED, channels * height * width, bias=False)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        x = self.norm(x)
        if self.gain is not None:
            x = x * (1 + self.gain(e)[:, :, None, None])
        return x + self.bias(e).unflatten(1, self.size)


class Projection(nn.Module):
    """psi(f(x)) + <embed(y), f(x)>; embed(y) is row y of a linear layer's weight, so that norms know it."""

    def __init__(self, f: nn.Module, psi: nn.Module, classes: int) -> None:
        super().__init__()
        assert isinstance(psi, nn.Linear)
        self.f, self.psi, self.embed = f, psi, nn.Linear(psi.in_features, classes, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        features = self.f(x)
        return self.psi(features) + self.embed(features).gather(1, y[:, None])


class FasterFallingSGD(FallingSGD):
    """FallingSGD whose rate falls by 1.00004 a step."""

    def step(self, closure: Any = None) -> Any:
        result = super().step(closure)
        for group in self.param_groups:
            group["lr"] = max(group["lr"] * 1.000004 / 1.00004, 1e-6)
        return result
