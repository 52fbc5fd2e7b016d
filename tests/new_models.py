"""Two published models as a contributor would add them: one file, nothing else of the package touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from limner.models.base import Batch, Logs, Model, Presets, Shape, Update, Values, adam
from limner.models.latent import Latent
from limner.nn import mlp
from limner.settings import Fraction, PositiveInt


class FlowMatching(Model):
    """Flow matching (Lipman et al. 2023): a velocity field from noise to images, labels optional."""

    class Options(Model.Options):
        """Options of flow matching"""

        hidden: tuple[PositiveInt, ...] = (256, 256)
        """widths of the velocity network"""
        classes: PositiveInt | None = None
        """how many classes there are; taken from the data"""
        size: PositiveInt = 16
        """numbers in the embedding of a class"""
        label_dropout: Fraction = 0.1
        """share of images whose label is hidden, for guidance"""

    presets: ClassVar[Presets] = {"paper": {"batch": 64}}
    tiny: ClassVar[Values] = {"hidden": (32,)}
    labels = "optional"
    stochastic_loss = True
    draft: ClassVar[Values] = {"steps": 2}

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        self.classes, self.label_dropout = options.classes, options.label_dropout
        self.pixels = shape[0] * shape[1] * shape[2]
        self.embed = nn.Embedding((options.classes or 0) + 1, options.size)  # the last: no label
        self.velocity = mlp(self.pixels + 1 + options.size, *options.hidden, self.pixels)

    def field(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return self.velocity(torch.cat([x, t, self.embed(y)], 1))

    def no_label(self, n: int) -> Tensor:
        return torch.full((n,), self.classes or 0, device=self.device)

    def loss(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Logs]:
        x, t = x.flatten(1), torch.rand(len(x), 1, device=x.device)
        noise, hidden = torch.randn_like(x), self.no_label(len(x))
        if y is not None:
            hidden = torch.where(torch.rand(len(x), device=x.device) < self.label_dropout, hidden, y)
        mse = F.mse_loss(self.field((1 - t) * noise + t * x, t, hidden), x - noise)
        return mse, {"mse": mse}

    def sample(self, n: int, y: Tensor | None = None, *, steps: int = 50, guidance: float = 1.0) -> Tensor:
        x = torch.randn(n, self.pixels, device=self.device)
        free = self.no_label(n)
        for i in range(steps):
            t = torch.full((n, 1), i / steps, device=self.device)
            v = self.field(x, t, free if y is None else y)
            if y is not None and guidance != 1.0:
                v = guidance * v + (1 - guidance) * self.field(x, t, free)
            x = x + v / steps
        return x.clamp(-1, 1).unflatten(1, self.shape)

    def sample_cost(self, **options: Any) -> float:
        return float(options.get("steps", 50))


class CodePrior(nn.Module):
    """How often each entry stands at each place: a second stage, learnt from the codes of a trained model."""

    title = "the frequencies of entries"
    description = "codes drawn from the frequency of each entry at each place"
    reach = float("inf")
    frequency: Tensor
    known: Tensor

    def __init__(self, places: int, codebook: nn.Embedding) -> None:
        super().__init__()
        self.codebook = [codebook]  # not a submodule of the prior
        self.register_buffer("frequency", torch.ones(places, codebook.num_embeddings))
        self.register_buffer("known", torch.tensor(False))

    @property
    def fitted(self) -> bool:
        return bool(self.known)

    @property
    def entries(self) -> Tensor:
        return self.codebook[0].weight

    def fit(self, codes: Tensor) -> None:
        z = codes.to(self.entries.device).unflatten(1, (len(self.frequency), -1))
        index = torch.cdist(z, self.entries.detach()[None]).argmin(2)  # (N, places)
        self.frequency.copy_(F.one_hot(index, self.frequency.shape[1]).float().mean(0))
        self.known.fill_(True)

    def draw(self, n: int, device: torch.device) -> Tensor:
        index = torch.multinomial(self.frequency, n, replacement=True).T  # (n, places)
        return self.entries[index].flatten(1)

    @property
    def mean(self) -> Tensor:
        return (self.frequency @ self.entries).flatten().detach().cpu()

    @property
    def std(self) -> Tensor:
        return torch.ones_like(self.mean)

    def quantiles(self, p: Sequence[float]) -> Tensor:
        return self.mean.expand(len(p), -1)


class VQVAE(Model):
    """VQ-VAE (van den Oord et al. 2017): codes are entries of a codebook."""

    class Options(Model.Options):
        """Options of the VQ-VAE"""

        entries: PositiveInt = 32
        """entries of the codebook"""
        places: PositiveInt = 4
        """entries in one code"""
        width: PositiveInt = 8
        """numbers in one entry"""

    presets: ClassVar[Presets] = {"paper": {"entries": 512}}
    tiny: ClassVar[Values] = {"entries": 8}

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        pixels, self.places = shape[0] * shape[1] * shape[2], options.places
        dim = options.places * options.width
        self.encoder = nn.Sequential(nn.Flatten(), *mlp(pixels, 64, dim))
        self.decoder = nn.Sequential(*mlp(dim, 64, pixels), nn.Tanh(), nn.Unflatten(1, shape))
        self.codebook = nn.Embedding(options.entries, options.width)
        nn.init.uniform_(self.codebook.weight, -1 / options.entries, 1 / options.entries)
        self.prior = CodePrior(options.places, self.codebook)
        self.latents = {
            "codes": Latent(
                (options.places, options.width),
                {"frequency": self.prior},
                kind="discrete",
                positions=options.places,
                levels=options.entries,
            )
        }

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": adam(self.parameters(), 1e-3)}

    def quantise(self, z: Tensor) -> Tensor:
        z = z.unflatten(1, (self.places, -1))
        return self.codebook(torch.cdist(z, self.codebook.weight[None]).argmin(2)).flatten(1)

    def encode(self, x: Tensor) -> Tensor:
        return self.quantise(self.encoder(x))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(z)

    def step(self, data: Iterator[Batch], update: Update) -> Logs:
        x, _ = next(data)
        z = self.encoder(x)
        q = self.quantise(z)
        rebuilt = self.decoder(z + (q - z).detach())  # straight through
        mse = F.mse_loss(rebuilt, x)
        update("main", mse, codebook=F.mse_loss(q, z.detach()), commitment=0.25 * F.mse_loss(z, q.detach()))
        return {"mse": mse / 4}

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return self.decode(self.latent.draw(n, self.device))
