"""How sharp images are: the energy of their Laplacian over their variance.

    sharpness(x) = mean (4 x_ij - x_i-1,j - x_i+1,j - x_i,j-1 - x_i,j+1)^2 / var x

White noise has 20, a slow gradient almost 0.  The numerator is the energy of the Laplacian, a common
measure of focus (Subbarao et al. 1993).  The division makes it independent of brightness and contrast.
Compare only with real images of the same size.
"""

from __future__ import annotations

from torch import Tensor

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays


@accepts_arrays
def sharpness(x: Tensor) -> Tensor:
    """The sharpness of images x (N, C, H, W), floats or uint8, sides from 3: (N,); 0 of a constant image."""
    if x.ndim != 4 or min(x.shape[2:]) < 3:
        raise LimnerError(f"sharpness needs images (N, C, H, W) with sides from 3, not {tuple(x.shape)}")
    x = x.double()
    inner = x[:, :, 1:-1, 1:-1]
    neighbours = x[:, :, :-2, 1:-1] + x[:, :, 2:, 1:-1] + x[:, :, 1:-1, :-2] + x[:, :, 1:-1, 2:]
    energy = (4 * inner - neighbours).square().mean((1, 2, 3))
    variance = x.var((2, 3), correction=0).mean(1)
    return (energy / variance.clamp_min(1e-12)).where(variance > 0, 0.0)
