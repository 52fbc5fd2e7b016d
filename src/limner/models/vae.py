"""The variational autoencoder (Kingma & Welling 2014, arXiv 1312.6114; lecture, Lab 3).

    minimise  -E_q(z|x) log p(x|z) + beta KL(q(z|x) || N(0, I)),  q(z|x) = N(mu, sigma^2),  in nats per image

With beta = 1 this is the negative of a lower bound on log p(x), for x in [0, 1].  With k > 1 codes an image
the bound is the tighter one of the importance-weighted autoencoder (Burda et al. 2016, arXiv 1509.00519):

    minimise  -E log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x),  z_1 .. z_k ~ q(z|x)

Differs from the lecture in: signs and KL.  It prints the objective with both signs exchanged under
"minimise", and the KL term without the factor 1/2 and with log sigma in place of log sigma^2.  Here

    KL(q || N(0, I)) = 1/2 sum_i (sigma_i^2 + mu_i^2 - log sigma_i^2 - 1)

Differs from the paper in: ReLU units and Adam unless `--preset paper`; a Gaussian likelihood has one variance
for all pixels; no weight decay; torch's initial weights.  The default likelihood is a Gaussian with learned
variance (Rybkin et al. 2021), which is right for grey and colour images; `paper` is the Bernoulli on
binarised digits.
Image size: the MLP has C*H*W inputs; the convolutional network halves the sides until the smaller one is at
most 8.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.optim import Adagrad, Optimizer

from limner.losses import bernoulli_nll, gaussian_nll, kl_normal
from limner.models.base import Logs, Model, Presets, Shape, Values, adam
from limner.models.latent import FittedPriors, Latent, Normal
from limner.nn import mlp
from limner.settings import NonNegative, Positive, PositiveInt

BINARISATION_SEED = 1312  # static binarisation draws the same pixels in every run
HALF_A_GREY_LEVEL = 0.5 / 255  # 8-bit pixels have no finer steps: the learned deviation stays above it


class VAE(Model):
    """Variational autoencoder: codes with a known distribution, so that new images can be drawn (Lab 3)."""

    class Options(Model.Options):
        """Options of the VAE"""

        latent_dim: PositiveInt = 16
        """numbers in the code"""
        network: Literal["mlp", "conv"] = "mlp"
        """fully connected or convolutional"""
        hidden: tuple[PositiveInt, ...] = (400,)
        """widths of encoder layers (mlp) or of the layer before the code (conv); the decoder mirrors them"""
        activation: Literal["relu", "tanh"] = "relu"
        """between the layers"""
        likelihood: Literal["bernoulli", "gaussian"] = "gaussian"
        """p(x|z): bernoulli for black-and-white pixels, gaussian for grey and colour"""
        binarisation: Literal["none", "static", "dynamic"] = "none"
        """for bernoulli: keep greys, draw black or white once (static) or at each use (dynamic)"""
        variance: Literal["learned", "fixed"] = "learned"
        """for gaussian: one variance for all pixels, learned or fixed"""
        sigma: Annotated[float, Field(gt=HALF_A_GREY_LEVEL)] = 0.3
        """for gaussian: the standard deviation on the [0, 1] scale, fixed or at the start"""
        beta: NonNegative = 1.0
        """weight of the KL term; 1 is the bound"""
        k: Annotated[int, Field(ge=1, le=1000)] = 1
        """codes drawn per image, up to 1000; from 2 the objective is the importance-weighted bound (IWAE)"""
        optimizer: Literal["adam", "adagrad"] = "adam"
        """adam, or the paper's adagrad"""
        lr: Positive = 1e-3
        """learning rate"""

        @model_validator(mode="after")
        def check(self) -> Self:
            if self.k > 1 and self.beta != 1:
                raise ValueError(
                    f"the importance-weighted bound (k {self.k}) has no beta: leave one of them out"
                )
            if self.binarisation != "none" and self.likelihood == "gaussian":
                raise ValueError(f"binarisation {self.binarisation} needs --likelihood bernoulli")
            return self

    presets: ClassVar[Presets] = {
        # Kingma & Welling 2014, section 5: MNIST, 500 tanh units, Adagrad, minibatches of 100, Bernoulli.
        "paper": {
            "network": "mlp", "hidden": (500,), "activation": "tanh", "latent_dim": 20, "batch": 100,
            "likelihood": "bernoulli", "binarisation": "dynamic", "optimizer": "adagrad", "lr": 0.01,
        },
    }  # fmt: skip
    tiny: ClassVar[Values] = {"latent_dim": 8, "hidden": (32, 16)}
    stochastic_loss: ClassVar[bool] = True  # it draws codes

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        self.beta, self.k, self.lr, self.optimizer = options.beta, options.k, options.lr, options.optimizer
        self.likelihood, self.binarisation = options.likelihood, options.binarisation
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[options.activation]
        networks = {"mlp": mlp_networks, "conv": conv_networks}[options.network]
        self.bf16 = options.network == "mlp"
        self.encoder, self.decoder = networks(shape, options.latent_dim, options.hidden, activation)
        if self.likelihood == "gaussian":
            start = torch.tensor(0.5 * math.log(options.sigma**2 - HALF_A_GREY_LEVEL**2))
            self.log_sigma = nn.Parameter(start, requires_grad=options.variance == "learned")
        self.prior = FittedPriors(options.latent_dim)  # for samples from other densities than N(0, I)
        priors = {"normal": Normal(options.latent_dim), **self.prior.by_name()}
        self.latents = {"z": Latent((options.latent_dim,), priors)}

    def optimizers(self) -> dict[str, Optimizer]:
        if self.optimizer == "adagrad":
            return {"main": Adagrad(self.parameters(), self.lr, fused=self.device.type != "meta")}
        return {"main": adam(self.parameters(), self.lr)}

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """q(z|x) as (mu, logvar), each (B, latent_dim), of x on the [0, 1] scale."""
        if self.likelihood == "gaussian":
            x = 2 * x - 1  # greys are centred; black-and-white pixels are mostly 0 and stay so
        mu, logvar = self.encoder(x).float().chunk(2, 1)  # in full precision: the KL subtracts near equals
        return mu, logvar

    def encode(self, x: Tensor) -> Tensor:
        """The posterior's mean: (B, C, H, W) -> (B, latent_dim)."""
        return self.posterior(self.target(x))[0]

    def sample_posterior(self, x: Tensor) -> Tensor:
        """A draw from q(z|x): (B, C, H, W) -> (B, latent_dim)."""
        mu, logvar = self.posterior(self.target(x))
        return mu + (logvar / 2).exp() * torch.randn_like(mu)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean image E[x|z]: (B, latent_dim) -> (B, C, H, W)."""
        return self.decoder(z).sigmoid() * 2 - 1

    @property
    def protocol(self) -> str:
        """What the likelihood is of; it stands beside every number of nats."""
        if self.likelihood == "gaussian":
            return "Gaussian density of pixels in [0, 1]"
        if self.binarisation == "none":
            return "cross-entropy of pixels as they are"
        when = {"static": f"once, seed {BINARISATION_SEED}", "dynamic": "at each use"}
        return f"Bernoulli, pixels black or white, drawn {when[self.binarisation]}"

    @property
    def grey_levels(self) -> int:
        """256 for the Gaussian's density of pixels, 1 for the Bernoulli's probability."""
        return 256 if self.likelihood == "gaussian" else 1

    def variance(self) -> Tensor:
        """The Gaussian likelihood's variance on the [0, 1] scale."""
        return HALF_A_GREY_LEVEL**2 + (2 * self.log_sigma).exp()

    # ||x - y||^2 / (2 sigma^2) + beta KL  =  1 / (2 sigma^2) (||x - y||^2 + 2 sigma^2 beta KL)
    def effective_beta(self) -> float:
        """The KL's weight against nats of a Bernoulli, or against the squared error of a Gaussian."""
        return self.beta * (2 * self.variance().item() if self.likelihood == "gaussian" else 1.0)

    def target(self, x: Tensor) -> Tensor:
        """What the likelihood is of: x on the [0, 1] scale, or black and white where it is binarised."""
        x = (x + 1) / 2
        return torch.bernoulli(x) if self.binarisation == "dynamic" else x

    # -log p(x|z)
    def nll(self, z: Tensor, target: Tensor) -> Tensor:
        """Nats of `target` (B, C, H, W), on the [0, 1] scale, given codes z (k B, d), B after B: (k B,)."""
        logits = self.decoder(z).unflatten(0, (-1, len(target)))  # (k, B, C, H, W)
        if self.likelihood == "bernoulli":
            return bernoulli_nll(logits, target).flatten()
        return gaussian_nll(logits.sigmoid(), target, self.variance()).flatten()

    def loss(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Logs]:
        target = self.target(x)
        mu, logvar = self.posterior(target)
        if self.k > 1:
            log_w = self.log_weights(target, mu, logvar, self.k)
            bound = (log_w.logsumexp(0) - math.log(self.k)).mean()  # Burda et al. 2016, eq. 8
            return -bound, {"bound": bound, "elbo": log_w.mean(), "kl": kl_normal(mu, logvar).sum(1).mean()}
        z = mu + (logvar / 2).exp() * torch.randn_like(mu)  # the reparameterisation, eq. 4
        rec = self.nll(z, target).mean()  # -E log p(x|z)
        kl = kl_normal(mu, logvar).sum(1).mean()  # appendix B
        return rec + self.beta * kl, {"elbo": -(rec + kl), "rec": rec, "kl": kl}

    def sample(self, n: int, y: Tensor | None = None, *, prior: str | None = None) -> Tensor:
        """n new mean images (n, C, H, W), codes from N(0, I) or from a density fitted to training codes."""
        return self.decode(self.latent.draw(n, self.device, prior))

    # Burda et al. 2016, eq. 8:  log 1/k sum_i p(x, z_i) / q(z_i|x)
    def log_likelihood(self, x: Tensor, k: int = 1, chunk: int = 100) -> Tensor:
        """The importance-weighted bound on log p(x) with k samples: (B, C, H, W) -> nats per image (B,)."""
        target = self.target(x)
        mu, logvar = self.posterior(target)
        total = torch.full((len(x),), -torch.inf, device=x.device)
        for begin in range(0, k, chunk):
            log_w = self.log_weights(target, mu, logvar, min(chunk, k - begin))
            total = torch.logaddexp(total, log_w.logsumexp(0))
        return total - math.log(k)

    def log_weights(self, target: Tensor, mu: Tensor, logvar: Tensor, k: int) -> Tensor:
        """log p(x, z_i) - log q(z_i|x) of k codes drawn from each q(z|x): (k, B)."""
        eps = torch.randn(k, *mu.shape, device=mu.device)  # (k, B, d)
        z = mu + (logvar / 2).exp() * eps
        log_px = -self.nll(z.flatten(0, 1), target).unflatten(0, (k, len(mu)))
        return log_px + 0.5 * (eps.square() + logvar - z.square()).sum(2)  # the normalising constants cancel

    def score(self, x: Tensor) -> Tensor:
        """The loss of the posterior's mean with beta 1, nats: (B, C, H, W) -> (B,)."""
        target = self.target(x)
        mu, logvar = self.posterior(target)
        return self.nll(mu, target) + kl_normal(mu, logvar).sum(1)

    def validate(self, x: Tensor, y: Tensor | None) -> dict[str, Any]:
        """The bound, its terms, KL per dimension, and active units (Burda et al. 2016: Var_x mu > 0.01)."""
        mu, logvar = self.posterior(self.target(x))
        logs = super().validate(x, y)
        logs["active_units"] = int((mu.var(0) > 0.01).sum()) if len(x) > 1 else 0
        logs["kl_per_dim"] = [round(value, 4) for value in kl_normal(mu, logvar).mean(0).tolist()]
        logs["effective_beta"] = self.effective_beta()
        if self.likelihood == "gaussian":
            logs["sigma"] = self.variance().sqrt().item()
        return logs

    def preview(self, x: Tensor, y: Tensor | None, n: int) -> Tensor:
        return self.sample(n)

    def view(self, pixels: Tensor) -> Tensor:
        """Static binarisation: every pixel drawn black or white once, with a seed of its own."""
        if self.binarisation != "static":
            return pixels
        generator = torch.Generator().manual_seed(BINARISATION_SEED)
        binary = torch.empty_like(pixels, device="cpu")
        for part, grey in zip(binary.split(1000), pixels.cpu().split(1000), strict=True):
            part.copy_(255 * torch.bernoulli(grey / 255, generator=generator))
        return binary.to(pixels.device)

    def remarks(self, pixels: Tensor) -> list[str]:
        if self.likelihood != "bernoulli" or self.binarisation != "none":
            return []
        few = pixels[:: max(1, len(pixels) // 1000)]
        grey = ((few > 0) & (few < 255)).float().mean().item()
        if grey < 0.01:
            return []
        return [
            f"{grey:.0%} of the pixels are grey: a Bernoulli on them is a cross-entropy, not a likelihood, "
            "so its nats compare with no others; "
            "--binarisation dynamic or --likelihood gaussian gives a bound"
        ]


def mlp_networks(
    shape: Shape, latent_dim: int, hidden: tuple[int, ...], activation: type[nn.Module]
) -> tuple[nn.Module, nn.Module]:
    """784-400-2*40 and 40-400-784, say: an encoder to (mu, logvar) and a decoder to the mean's logits."""
    pixels = shape[0] * shape[1] * shape[2]
    encoder = nn.Sequential(nn.Flatten(), *mlp(pixels, *hidden, 2 * latent_dim, activation=activation))
    decoder = mlp(latent_dim, *reversed(hidden), pixels, activation=activation)
    return encoder, nn.Sequential(*decoder, nn.Unflatten(1, shape))


def conv_networks(
    shape: Shape, latent_dim: int, hidden: tuple[int, ...], activation: type[nn.Module]
) -> tuple[nn.Module, nn.Module]:
    """Strided convolutions until the smaller side is at most 8, then linear layers to the code.

    The decoder is the mirror image.
    """
    sizes, channels = [shape[1:]], [shape[0]]
    while min(sizes[-1]) > 8:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
        channels.append(min(32 * 2 ** (len(channels) - 1), 128))
    down: list[nn.Module] = []
    up: list[nn.Module] = []
    for i in range(1, len(sizes)):
        down += [nn.Conv2d(channels[i - 1], channels[i], 3, stride=2, padding=1), activation()]
        (h, w), (above, across) = sizes[i], sizes[i - 1]
        odd = (above - (2 * h - 1), across - (2 * w - 1))  # 2h - 1 or 2h rows, and columns alike
        back = nn.ConvTranspose2d(channels[i], channels[i - 1], 3, stride=2, padding=1, output_padding=odd)
        up = [activation(), back, *up]
    inner = (channels[-1], *sizes[-1])
    flat = inner[0] * inner[1] * inner[2]
    encoder = nn.Sequential(*down, nn.Flatten(), *mlp(flat, *hidden, 2 * latent_dim, activation=activation))
    to_code = mlp(latent_dim, *reversed(hidden), flat, activation=activation)
    return encoder, nn.Sequential(*to_code, nn.Unflatten(1, inner), *up)
