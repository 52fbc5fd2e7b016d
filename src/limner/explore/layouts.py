"""Points of a map in two dimensions, the way back to codes, and where the data lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limner.explore.maps import fit_pca, name_axes
from limner.tsne import shorten_codes, tsne

SIDE = 96  # cells of a density along each axis
MARGIN = 0.25  # of the points' range that a density reaches beyond them, to each side
SHARE = 0.01  # of the points lie where the density is lower than at the edge of the data
SOME = 1000  # points at most that the edge is measured at
NEIGHBOURS = 10
DISTANCES = "t-SNE keeps neighbourhoods, not distances, sizes or shapes of groups."
NO_INVERSE = "No place between points has a code (there is no inverse): the pointer shows the nearest image."
DECODED = "Between points the pointer shows what the decoder makes of the code there."
SHADED = (
    "Shaded: off the data, where a Gaussian kernel density of the points (one bandwidth for each axis, "
    "Scott's rule) is lower than at 99 % of them."
)
PLANE = (
    "The map is a plane through the mean code: a decoded place has the other {} directions at their mean, so "
    "it may be off the data where nothing is shaded."
)


@dataclass(frozen=True, eq=False)
class Density:
    """A density (SIDE, SIDE) of points over `low` (2,) to `high` (2,), row 0 at the least y.

    Below `edge` a place is off the data: it is lower there than at 99 % of the points.
    """

    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    edge: float


@dataclass(frozen=True, eq=False)
class Inverse:
    """From a point p (2,) to its code: mean (d,) + p @ components (2, d)."""

    mean: np.ndarray
    components: np.ndarray

    def code(self, point: np.ndarray) -> np.ndarray:
        """The code (d,) of a point (2,)."""
        code: np.ndarray = self.mean + point @ self.components
        return code


@dataclass(frozen=True, eq=False)
class Layout:
    """Points (N, 2) of features (N, d), and the axes' names where these mean something.

    `kept` is the share of each point's 10 nearest by features that are among its 10 nearest on the map.
    `notes` say how to read it.
    """

    points: np.ndarray
    axes: tuple[str, str] | None
    kept: float
    inverse: Inverse | None = None
    density: Density | None = None
    notes: tuple[str, ...] = ()


def lay_out(z: np.ndarray, method: str, decodes: bool, points: np.ndarray | None = None) -> Layout:
    """Features (N, d) in two dimensions: 'codes' as they are, by 'pca' or by 'tsne'.

    Features of more than 50 numbers reach t-SNE as 50 principal components.  The way back to a code, and the
    density, are there where `decodes` and the method has an inverse.
    """
    if method == "tsne":
        points = tsne(shorten_codes(z)) if points is None else points
        return Layout(points, None, neighbours_kept(z, points), notes=(DISTANCES, NO_INVERSE))
    d = z.shape[1]
    if method == "codes":
        points, axes, inverse = z, ("variable 1", "variable 2"), Inverse(np.zeros(2), np.eye(2))
    else:
        wide = np.concatenate([z, np.zeros_like(z)], axis=1) if d == 1 else z
        pca = fit_pca(wide)
        points, axes = pca.transform(wide), name_axes(pca)
        inverse = Inverse(pca.mean_[:d], pca.components_[:, :d])
    kept = neighbours_kept(z, points)
    if not decodes:
        return Layout(points, axes, kept, notes=(NO_INVERSE,))
    notes = (DECODED, SHADED) if d <= 2 else (DECODED, SHADED, PLANE.format(d - 2))
    return Layout(points, axes, kept, inverse, density(points), notes)


def density(points: np.ndarray) -> Density:
    """A Gaussian kernel density of points (N, 2), one bandwidth for each axis by Scott's rule.

    The kernel is a product of two, so the sum over points is a matrix product (Scott 1992, eq. 6.40 f.).
    """
    points = points.astype(np.float64)
    spread = points.max(0) - points.min(0)
    spread = np.where(spread > 0, spread, max(float(spread.max()), 1e-9))
    low, high = points.min(0) - MARGIN * spread, points.max(0) + MARGIN * spread
    std = np.where(points.std(0, ddof=1) > 0, points.std(0, ddof=1), 1e-3 * spread)
    width = std * len(points) ** (-1 / 6)  # Scott's rule: n ** (-1 / (d + 4))
    cells = (np.arange(SIDE) + 0.5) / SIDE
    across, up = (kernel(low[i] + cells * (high[i] - low[i]), points[:, i], width[i]) for i in (0, 1))
    some = points[:SOME]  # the points of a map are in random order
    near = [kernel(some[:, i], points[:, i], width[i]) for i in (0, 1)]
    at_points = (near[0] * near[1]).mean(1)
    edge = float(np.quantile(at_points, SHARE))
    return Density(up @ across.T / len(points), low, high, edge)


def kernel(x: np.ndarray, centres: np.ndarray, width: float) -> np.ndarray:
    """Normal densities (n, m) at x (n,) about centres (m,)."""
    units = (x[:, None] - centres) / width
    values: np.ndarray = np.exp(-(units**2) / 2) / (width * np.sqrt(2 * np.pi))
    return values


def neighbours_kept(z: np.ndarray, points: np.ndarray) -> float:
    """The share of nearest neighbours among features (N, d) that are nearest among points (N, 2) too."""
    from sklearn.neighbors import NearestNeighbors

    some, k = min(SOME, len(z)), min(NEIGHBOURS, len(z) - 1)

    def nearest(x: np.ndarray) -> np.ndarray:
        index: np.ndarray = NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x[:some])[1]
        return index

    pairs = zip(nearest(z), nearest(points), strict=True)
    return float(np.mean([len((set(a) & set(b)) - {i}) / k for i, (a, b) in enumerate(pairs)]))
