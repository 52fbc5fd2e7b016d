"""Spaces that are searched for the code of an image, by coordinates u of which most are about 1 in size.

z, Gaussian:  z = mean + std u,                 penalty |u|^2
z, bounded:   z = mean + reach std sin(u),      no penalty: the density is flat, and no u is out of bounds
w:            w = mean + A u, A A^T = cov w,    penalty |u|^2 = (w - mean)^T (cov w)^-1 (w - mean)
w+:           w_l = mean + A u_l for layer l,   penalty |m|^2 + sum_l |u_l - m|^2, m the mean of the u_l

A penalty is minus twice the log of a density.  That of w+ keeps its layers together: where they are
independent, most images are of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from limner.models.abilities import Decodes, HasStyles
from limner.random_state import set_seed
from limner.training.codes import draw_codes

STYLES = 10_000  # drawn for the mean and the covariance of w
LEAST_VARIANCE = 1e-4  # of w along an axis, as a share of the largest

Decode = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Space:
    """A space of codes, searched by coordinates.

    draw: number n, classes (n,) or None, seed -> coordinates (n, d).  code: coordinates -> codes (N, k).
    decode: codes, classes (N,) or None -> images (N, C, H, W) in [-1, 1].  penalty: coordinates -> (N,).
    """

    draw: Callable[[int, Tensor | None, int], Tensor]
    code: Callable[[Tensor], Tensor]
    decode: Decode
    penalty: Callable[[Tensor], Tensor]

    def image(self, u: Tensor, y: Tensor | None) -> Tensor:
        """The images (N, C, H, W) at coordinates u (N, d), of classes y (N,) or None."""
        return self.decode(self.code(u), y)


def latent_space(model: Decodes, options: Mapping[str, Any] | None = None) -> Space:
    """The codes z of a model with their default prior, decoded with these options of `decode`.

    Raises LimnerError where the codes have no prior.
    """
    prior = model.latent.prior()
    mean, std = prior.mean.to(model.device), prior.std.to(model.device)
    bounded, width = math.isfinite(prior.reach), prior.reach * std

    def draw(n: int, y: Tensor | None, seed: int) -> Tensor:
        offset = draw_codes(model.latent, n, seed).to(model.device) - mean
        return (offset / width).clamp(-1, 1).asin() if bounded else offset / std.clamp_min(1e-12)

    def code(u: Tensor) -> Tensor:
        return mean + (width * u.sin() if bounded else std * u)

    decode = fix_noise(partial(model.decode, **(options or {})))
    return Space(draw, code, decode, no_penalty if bounded else squared_norm)


def style_space(model: HasStyles, classes: Tensor | None = None) -> tuple[Space, int]:
    """The styles w (dim,) of a model, the same for all layers, of all its classes; the number of layers."""
    y = None if classes is None else classes[torch.arange(STYLES) % len(classes)].to(model.device)
    w, layers = draw_styles(model, STYLES, y, seed=0)
    mean, axes, variances = principal_axes(w)

    def draw(n: int, y: Tensor | None, seed: int) -> Tensor:
        return (draw_styles(model, n, y, seed)[0] - mean) @ axes / variances.sqrt()

    def code(u: Tensor) -> Tensor:
        return mean + u * variances.sqrt() @ axes.T

    def decode(w: Tensor, y: Tensor | None) -> Tensor:
        return model.synthesise(w[:, None].expand(-1, layers, -1))

    return Space(draw, code, fix_noise(decode), squared_norm), layers


def layer_space(model: HasStyles, styles: Space, layers: int) -> Space:
    """The styles w+ (layers * dim,) of a model, one for each layer; `styles` is its space of w."""

    def draw(n: int, y: Tensor | None, seed: int) -> Tensor:
        return styles.draw(n, y, seed).repeat(1, layers)

    def code(u: Tensor) -> Tensor:
        return (
            styles.code(u.unflatten(1, (layers, -1)).flatten(0, 1)).unflatten(0, (len(u), layers)).flatten(1)
        )

    def decode(w: Tensor, y: Tensor | None) -> Tensor:
        return model.synthesise(w.unflatten(1, (layers, -1)))

    def penalty(u: Tensor) -> Tensor:
        u = u.unflatten(1, (layers, -1))
        centre = u.mean(1, keepdim=True)
        return squared_norm(centre[:, 0]) + squared_norm((u - centre).flatten(1))

    return Space(draw, code, fix_noise(decode), penalty)


def squared_norm(u: Tensor) -> Tensor:
    """|u|^2 of each row: (N, d) -> (N,)."""
    return u.square().sum(1)


def no_penalty(u: Tensor) -> Tensor:
    """0 for each row: (N, d) -> (N,)."""
    return u.new_zeros(len(u))


@torch.no_grad()
def draw_styles(model: HasStyles, n: int, y: Tensor | None, seed: int) -> tuple[Tensor, int]:
    """The styles w (n, dim) of n random codes of classes y (n,), and the number of layers."""
    w = model.styles(draw_codes(model.latent, n, seed).to(model.device), y)
    return w[:, 0], w.shape[1]


def principal_axes(w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean (d,), the principal axes (d, d), a column each, and the variances (d,) of w (N, d)."""
    mean = w.double().mean(0)
    variances, axes = torch.linalg.eigh((w.double() - mean).T.cov())
    variances = variances.clamp_min(LEAST_VARIANCE * variances[-1])
    return mean.to(w.dtype), axes.to(w.dtype), variances.to(w.dtype)


def fix_noise(decode: Decode) -> Decode:
    """The same decoder, with the same random numbers in each call."""

    def decode_fixed(z: Tensor, y: Tensor | None) -> Tensor:
        with torch.random.fork_rng():
            set_seed(0)
            return decode(z, y)

    return decode_fixed
