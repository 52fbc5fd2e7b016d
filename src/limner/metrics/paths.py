"""Paths from one code to another: a straight line, or an arc of a great circle."""

from __future__ import annotations

import torch
from torch import Tensor

from limner.metrics.arrays import accepts_arrays

FLAT = 1e-6  # radians: a smaller angle, or one so near to pi, has no great circle of its own


@accepts_arrays
def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) a + t b: codes a, b (d,), or a pair for each share (n, d), and shares t (n,) -> (n, d)."""
    return (1 - t)[:, None] * a + t[:, None] * b


@accepts_arrays
def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Along a great circle (Shoemake 1985; White 2016, arXiv 1609.04468): the shapes are those of `lerp`.

    sin((1 - t) w) / sin w  a  +  sin(t w) / sin w  b,  w the angle between a and b.

    Where a and b are parallel, or one is zero, that is the straight line.  Where they are opposite, every
    great circle is as short: the one towards the coordinate axis nearest to a right angle with them is taken.
    """
    dtype, (a, b, t) = a.dtype, (x.double() for x in (a, b, t))
    straight = lerp(a, b, t)
    if a.shape[-1] == 1:  # on a line there is no other path
        return straight.to(dtype)
    u, v = (x / x.norm(dim=-1, keepdim=True) for x in (a, b))  # of a zero code: NaN, and so is the angle
    difference, total = ((u + sign * v).norm(dim=-1, keepdim=True) for sign in (-1, 1))
    w = 2 * torch.atan2(difference, total)  # exact near 0 and near pi, where acos is not
    share = t[:, None]
    arc = (((1 - share) * w).sin() * a + (share * w).sin() * b) / w.sin()
    arc = torch.where(torch.pi - w < FLAT, _half_circle(a, b, t), arc)
    return torch.where(w > FLAT, arc, straight).to(dtype)


def _half_circle(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """From a to b on its far side, turning evenly, the length changing evenly: the shapes of `lerp`."""
    u = a / a.norm(dim=-1, keepdim=True)
    axis = torch.zeros_like(u).scatter_(-1, u.abs().argmin(-1, keepdim=True), 1.0)
    across = axis - (axis * u).sum(-1, keepdim=True) * u
    angle = torch.pi * t[:, None]
    direction = angle.cos() * u + angle.sin() * across / across.norm(dim=-1, keepdim=True)
    return lerp(a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True), t) * direction
