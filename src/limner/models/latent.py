"""Where codes live: a latent space, its shape, and the densities that codes are drawn from."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from limner.errors import LimnerError, nearest
from limner.random_state import set_seed


class Prior(Protocol):
    """A density of codes z (d,).

    A prior that is learnt after training, in a second stage, learns in `fit`: a run calls it with the codes
    of all training images when something first draws from it, and stores the weights.
    """

    title: str  # as a picture names it: "N(0, I)"
    description: str  # how codes come about, for a note: "codes drawn from ..."

    @property
    def fitted(self) -> bool:
        """Whether codes can be drawn; True for a density that needs no data."""
        ...

    def fit(self, codes: Tensor) -> None:
        """Learn from the codes (N, d) of all training images; a module keeps what it learns in buffers."""
        ...

    def draw(self, n: int, device: torch.device) -> Tensor:
        """n codes (n, d) on the device, by torch's default generator."""
        ...

    @property
    def mean(self) -> Tensor:
        """The mean of each variable (d,), on the CPU."""
        ...

    @property
    def std(self) -> Tensor:
        """The standard deviation of each variable (d,), on the CPU."""
        ...

    @property
    def reach(self) -> float:
        """How many standard deviations from the mean a variable can lie; infinity for a Gaussian."""
        ...

    def quantiles(self, p: Sequence[float]) -> Tensor:
        """The codes (len(p), d) below which a share p of each variable lies."""
        ...


class Normal:
    """z ~ N(0, I)."""

    title = "N(0,\u00a0I)"
    description = "codes drawn from N(0, I)"
    fitted = True
    reach = math.inf

    def __init__(self, dim: int) -> None:
        self.mean, self.std = torch.zeros(dim), torch.ones(dim)

    def fit(self, codes: Tensor) -> None:
        """Nothing: the density is known."""

    def draw(self, n: int, device: torch.device) -> Tensor:
        return torch.randn(n, len(self.mean), device=device)

    def quantiles(self, p: Sequence[float]) -> Tensor:
        return gaussian_quantiles(p, self.mean, self.std)


class Uniform:
    """z uniform on [-1, 1]."""

    title = "uniform on [-1, 1]"
    description = "codes drawn uniformly from [-1, 1]"
    fitted = True
    reach = math.sqrt(3)

    def __init__(self, dim: int) -> None:
        self.mean, self.std = torch.zeros(dim), torch.full((dim,), 1 / math.sqrt(3))

    def fit(self, codes: Tensor) -> None:
        """Nothing: the density is known."""

    def draw(self, n: int, device: torch.device) -> Tensor:
        return torch.empty(n, len(self.mean), device=device).uniform_(-1, 1)

    def quantiles(self, p: Sequence[float]) -> Tensor:
        return torch.tensor([2 * share - 1 for share in p])[:, None].expand(-1, len(self.mean))


def gaussian_quantiles(p: Sequence[float], mean: Tensor, std: Tensor) -> Tensor:
    """The quantiles (len(p), d) of independent Gaussians."""
    units = torch.tensor([NormalDist().inv_cdf(share) for share in p], dtype=mean.dtype)
    return mean + units[:, None] * std


class Latent:
    """A latent space: the shape of one code, what its values mean, and its priors by name, the default first.

    Codes travel flat, as (N, dim) floats.  kind: 'continuous' where every code between two codes is one;
    'discrete' where it is not, as of a codebook with `levels` entries for each of `positions`.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        priors: Mapping[str, Prior],
        *,
        kind: Literal["continuous", "discrete"] = "continuous",
        positions: int | None = None,
        levels: int | None = None,
    ) -> None:
        self.shape, self.priors, self.kind = shape, dict(priors), kind
        self.positions, self.levels = positions, levels
        # set by the run that owns the model: fits a prior to the training codes and stores it
        self.fit_prior: Callable[[Prior], None] | None = None

    @property
    def dim(self) -> int:
        """Numbers in a flat code."""
        return math.prod(self.shape)

    @property
    def bits(self) -> float:
        """Bits of one code: of its float32 numbers, or of its codebook entries."""
        if self.positions is not None and self.levels is not None:
            return self.positions * math.log2(self.levels)
        return 32.0 * self.dim

    @property
    def default_prior(self) -> str:
        """The name of the prior that samples come from unless another is asked for."""
        if not self.priors:
            raise LimnerError("this model's codes have no prior, so none can be drawn")
        return next(iter(self.priors))

    def prior(self, name: str | None = None) -> Prior:
        """The prior of that name, or the default one, fitted; LimnerError for an unknown name."""
        name = self.default_prior if name is None else name
        if name not in self.priors:
            raise LimnerError(f"no prior called '{name}': {nearest(name, self.priors)}")
        prior = self.priors[name]
        if not prior.fitted:
            if self.fit_prior is None:
                raise LimnerError(f"the prior '{name}' is not fitted: call its fit(codes) first")
            self.fit_prior(prior)
        return prior

    def draw(self, n: int, device: torch.device, prior: str | None = None) -> Tensor:
        """n codes (n, dim) of a prior; the default one where none is named."""
        return self.prior(prior).draw(n, device)


class FittedPriors(nn.Module):
    """Three densities fitted to the training codes of a model without a prior of its own.

    `gaussian`: one mean and standard deviation per column, as in the lecture.  `full`: the covariance too.
    `gmm`: a mixture of Gaussians.  `full` lives on the leading principal axes (at most 256); the columns'
    remaining variance is added as noise; with up to 256 columns that is exact.  `gmm` is a mixture along the
    first 64 of these axes and like `full` along the others, so that a fit takes seconds.
    """

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
        self.register_buffer("gmm_weights", torch.full((components,), 1 / components))
        self.register_buffer("gmm_means", torch.zeros(components, mixed))  # in whitened coordinates
        self.register_buffer("gmm_factors", torch.zeros(components, mixed, mixed))  # Cholesky factors

    def by_name(self) -> dict[str, Prior]:
        """The three as priors: gaussian, full, gmm."""
        return {kind: FittedPrior(self, kind) for kind in ("gaussian", "full", "gmm")}

    @torch.no_grad()
    def fit(self, z: Tensor, seed: int = 0, gmm_codes: int = 10_000) -> None:
        """Fit all three to training codes z (N, d); the mixture gets `gmm_codes` of them, at random."""
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
        values = {"mean": mean, "std": std, "axes": axes, "rest": rest, "fitted": torch.tensor(True)}
        values |= {"gmm_weights": weights, "gmm_means": means, "gmm_factors": factors}
        for name, value in values.items():
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
            set_seed(0)
            _, singular, vectors = torch.svd_lowrank(some - mean, q=min(rank, len(some)))
        deviation, axes = torch.zeros(rank).double(), torch.zeros(rank, dim).double()
        deviation[: len(singular)] = singular / len(some) ** 0.5
        axes[: len(singular)] = vectors.T
        return deviation, axes

    def _mixture(self, whitened: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (k,), means (k, rank) and Cholesky factors (k, rank, rank) of the mixture."""
        from sklearn.exceptions import ConvergenceWarning  # its import takes longer than limner's own
        from sklearn.mixture import GaussianMixture

        components, rank = self.gmm_means.shape
        whitened = whitened[:, :rank]
        used = min(components, max(1, len(whitened) // (2 * rank)))  # a component needs more codes than axes
        if len(whitened) < 2:  # sklearn needs two; one code is its own mixture
            whitened = whitened.expand(2, -1)
        mixture = GaussianMixture(used, reg_covar=1e-4, max_iter=50, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # not converged, but a density all the same
            mixture.fit(whitened.numpy())
        weights, means = torch.zeros(components), torch.zeros(components, rank)
        factors = torch.zeros(components, rank, rank)
        weights[:used] = torch.from_numpy(mixture.weights_)
        means[:used] = torch.from_numpy(mixture.means_)
        factors[:used] = torch.linalg.cholesky(torch.from_numpy(mixture.covariances_)).float()
        return weights, means, factors

    def draw(self, n: int, kind: str) -> Tensor:
        """n codes (n, d) of the density 'gaussian', 'full' or 'gmm'."""
        noise = torch.randn(n, len(self.mean), device=self.mean.device)
        if kind == "gaussian":
            return self.mean + self.std * noise
        w = torch.randn(n, len(self.axes), device=self.mean.device)  # whitened coordinates
        if kind == "gmm":
            k = torch.multinomial(self.gmm_weights, n, replacement=True)
            mixed = self.gmm_means.shape[1]
            w[:, :mixed] = self.gmm_means[k] + torch.einsum("nij,nj->ni", self.gmm_factors[k], w[:, :mixed])
        return self.mean + w @ self.axes + self.rest * noise


class FittedPrior:
    """One of the densities of `FittedPriors`."""

    title = "the training codes"
    reach = math.inf

    def __init__(self, densities: FittedPriors, kind: str) -> None:
        self.densities, self.kind = densities, kind
        self.description = f"codes drawn from '{kind}', fitted to the training codes"

    @property
    def fitted(self) -> bool:
        return bool(self.densities.fitted)

    @property
    def mean(self) -> Tensor:
        return self.densities.mean.cpu()

    @property
    def std(self) -> Tensor:
        return self.densities.std.cpu()

    def fit(self, codes: Tensor) -> None:
        self.densities.fit(codes)

    def draw(self, n: int, device: torch.device) -> Tensor:
        return self.densities.draw(n, self.kind)

    def quantiles(self, p: Sequence[float]) -> Tensor:
        return gaussian_quantiles(p, self.mean, self.std)
