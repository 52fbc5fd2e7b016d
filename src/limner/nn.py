"""Building blocks that three or more models share."""

from __future__ import annotations

import warnings
from itertools import pairwise

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from limner.errors import LimnerError, nearest


def mlp(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of the given widths with an activation between them, none after the last."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers[:-1])


class CodePrior(nn.Module):
    """A density over codes, fitted after training, from which a model without a prior of its own is sampled.

    `gaussian`: one mean and standard deviation per column, as in the lecture.  `full`: the covariance too.
    `gmm`: a mixture of Gaussians.  `full` lives on the leading principal axes (at most 256), the columns'
    remaining variance is added as noise; with up to 256 columns that is exact.  `gmm` is a mixture along the
    first 64 of these axes and like `full` along the others, so that fitting it takes seconds.
    """

    KINDS = ("gaussian", "full", "gmm")
    fitted: Tensor
    mean: Tensor
    std: Tensor
    axes: Tensor
    rest: Tensor
    gmm_weights: Tensor
    gmm_means: Tensor
    gmm_factors: Tensor

    def __init__(self, dim: int, components: int = 10, max_rank: int = 256, gmm_rank: int = 64) -> None:
        super().__init__()
        rank, mixed = min(dim, max_rank), min(dim, max_rank, gmm_rank)
        self.register_buffer("fitted", torch.tensor(False))
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))
        self.register_buffer("axes", torch.zeros(rank, dim))  # rows: principal axes times their deviation
        self.register_buffer("rest", torch.zeros(dim))  # deviation the axes leave out
        self.register_buffer("gmm_weights", torch.ones(components) / components)
        self.register_buffer("gmm_means", torch.zeros(components, mixed))  # in whitened coordinates
        self.register_buffer("gmm_factors", torch.zeros(components, mixed, mixed))  # Cholesky factors

    @torch.no_grad()
    def fit(self, z: Tensor, seed: int = 0, gmm_codes: int = 10_000) -> None:
        """Fit all three to training codes z (N, d); the mixture sees `gmm_codes` of them, at random."""
        dtype, device = self.mean.dtype, self.mean.device
        z = z.cpu()
        mean, std = z.mean(0, dtype=torch.double), z.std(0, correction=0).double()
        some = z[torch.randperm(len(z), generator=torch.Generator().manual_seed(seed))[:gmm_codes]].double()
        deviation, vectors = self._principal(z, some, mean)
        axes = vectors * deviation[:, None]  # (rank, d)
        rest = (std.square() - axes.square().sum(0)).clamp_min(0).sqrt()

        alive = deviation > 1e-6 * deviation[0]
        whitened = (some - mean) @ vectors.T / torch.where(alive, deviation, torch.inf)
        weights, means, factors = self._mixture(whitened, seed)
        fitted = {"mean": mean, "std": std, "axes": axes, "rest": rest, "fitted": torch.tensor(True)}
        fitted |= {"gmm_weights": weights, "gmm_means": means, "gmm_factors": factors}
        for name, value in fitted.items():
            buffer = self.get_buffer(name)
            buffer.copy_(value.to(device, buffer.dtype if name == "fitted" else dtype))

    def _principal(self, z: Tensor, some: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Deviations (rank,) along the leading principal axes and the axes (rank, d), unit vectors."""
        rank, dim = self.axes.shape
        if dim <= 1024:
            centred = (part.double() - mean for part in z.split(4096))  # no second copy of all codes
            covariance = sum((part.T @ part for part in centred), torch.zeros(dim, dim).double()) / len(z)
            variances, vectors = torch.linalg.eigh(covariance)
            return variances.clamp_min(0).flip(0)[:rank].sqrt(), vectors.flip(1).T[:rank]
        with torch.random.fork_rng([]):  # wide codes: a randomised decomposition of some of them
            torch.manual_seed(0)
            _, singular, vectors = torch.svd_lowrank(some - mean, q=min(rank, len(some)))
        deviation, axes = torch.zeros(rank).double(), torch.zeros(rank, dim).double()
        deviation[: len(singular)] = singular / len(some) ** 0.5
        axes[: len(singular)] = vectors.T
        return deviation, axes

    def _mixture(self, whitened: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        components, rank = self.gmm_means.shape
        whitened = whitened[:, :rank]
        used = min(components, max(1, len(whitened) // (2 * rank)))  # a component wants more codes than axes
        if len(whitened) < 2:  # sklearn wants two; one code is its own mixture
            whitened = whitened.expand(2, -1)
        mixture = GaussianMixture(used, reg_covar=1e-4, max_iter=50, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # still improving, and a density all the same
            mixture.fit(whitened.numpy())
        weights, means = torch.zeros(components), torch.zeros(components, rank)
        factors = torch.zeros(components, rank, rank)
        weights[:used] = torch.from_numpy(mixture.weights_)
        means[:used] = torch.from_numpy(mixture.means_)
        factors[:used] = torch.linalg.cholesky(torch.from_numpy(mixture.covariances_)).float()
        return weights, means, factors

    def sample(self, n: int, kind: str = "gaussian") -> Tensor:
        """n codes (n, d) from the fitted density of that kind; raises LimnerError before `fit`."""
        if kind not in self.KINDS:
            raise LimnerError(f"no prior called '{kind}': {nearest(kind, self.KINDS)}")
        if not self.fitted:
            raise LimnerError(
                "this model's codes have no fitted prior yet: finish its training with --resume"
            )
        noise = torch.randn(n, len(self.mean), device=self.mean.device)
        if kind == "gaussian":
            return self.mean + self.std * noise
        w = torch.randn(n, len(self.axes), device=self.mean.device)  # whitened coordinates
        if kind == "gmm":
            k = torch.multinomial(self.gmm_weights, n, replacement=True)
            mixed = self.gmm_means.shape[1]
            w[:, :mixed] = self.gmm_means[k] + torch.einsum("nij,nj->ni", self.gmm_factors[k], w[:, :mixed])
        return self.mean + w @ self.axes + self.rest * noise
