"""The search for the code of an image: random starts, Adam on all of them, LBFGS on the best.

    u* = argmin_u  log(mse(g(u), x) + e) + penalty(u) / P          P pixels, mse on the [0, 1] scale

This is the most probable u where x is g(u) with Gaussian noise of unknown variance s, and the penalty is
minus twice the log of u's density: -log p(x, u) = P/2 log s + P/2 mse / s + penalty / 2 is least at
s = mse.  So the density counts little where an image can be reached, and more where it cannot.  e = 1/12
1/255^2 is the variance of rounding to 8 bits.  The log is concave: mse / s + penalty / P with s = mse + e
fixed lies above it, touches it, and is a sum of squares for a linear g, so LBFGS lowers that instead, in
rounds, and with it the sum above.

Starts: Bora et al. 2017 (arXiv 1703.03208).  Adam in place of gradient descent, with warm-up and cosine:
the projector of Karras et al. 2020.  torch's LBFGS has one line search for all rows, so it gets one image at
a time; Adam acts on each number by itself.  No image's result depends on the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from limner.data.progress import track
from limner.errors import LimnerError
from limner.inversion.spaces import Space

ROUNDING = 1 / 12 / 255**2
GROUP = 4  # images that are searched together
POOL = 250  # images decoded at a time
WARM_UP = 0.05  # share of the steps
ROUNDS = 3  # of LBFGS
HISTORY = 10


@dataclass(frozen=True)
class Search:
    """How much work a search is.

    samples: random codes that are decoded.  The best `starts` of them for each image take `steps` of Adam
    with rate `lr`.  LBFGS polishes the best `polished` of these, with about `evaluations` decoded images
    in each of three rounds.
    """

    samples: int = 1024
    starts: int = 8
    steps: int = 150
    lr: float = 0.1
    polished: int = 2
    evaluations: int = 30


@dataclass(frozen=True)
class Inversion:
    """What was found for N images, on the CPU: codes (N, k), classes (N,) or None, images (N, C, H, W).

    `u` are the coordinates (N, d), `penalty` is theirs (N,).
    """

    u: Tensor
    codes: Tensor
    y: Tensor | None
    images: Tensor
    penalty: Tensor


@dataclass(frozen=True)
class Starts:
    """Starts for N images, the best first: coordinates u (N, S, d), classes (N, S) or None.

    `nearest` are the images of the best (N, C, H, W), before any search.
    """

    u: Tensor
    y: Tensor | None
    nearest: Tensor


def choose_starts(
    space: Space,
    x: Tensor,
    y: Tensor | None = None,
    classes: Tensor | None = None,
    search: Search | None = None,
    seed: int = 0,
) -> Starts:
    """The random codes whose images are nearest to images x (N, C, H, W) of classes y (N,).

    `classes` (K,) are those of a conditional decoder, for images of unknown class.  Then each class has
    one start, the nearest classes first, and there are twice as many starts as usual at most.
    """
    search = search or Search()
    if y is not None:
        parts = [
            draw_starts(space, x[y == label], y.new_full((search.samples,), int(label)), search, seed)
            for label in y.unique()
        ]
        order = torch.cat([(y == label).nonzero()[:, 0] for label in y.unique()]).argsort()
        u, nearest = (torch.cat([getattr(part, name) for part in parts])[order] for name in ("u", "nearest"))
        return Starts(u, y[:, None].expand(-1, u.shape[1]), nearest)
    if classes is None:
        return draw_starts(space, x, None, search, seed)
    labels = classes.to(x.device)[torch.arange(search.samples, device=x.device) % len(classes)]
    return draw_starts(space, x, labels, search, seed)


@torch.no_grad()
def draw_starts(space: Space, x: Tensor, labels: Tensor | None, search: Search, seed: int) -> Starts:
    """The nearest of the random codes of classes `labels` (samples,) to each image; one for each class."""
    u = space.draw(search.samples, labels, seed)
    images = torch.cat([space.image(u[rows], pick(labels, rows)) for rows in row_groups(len(u), POOL)])
    distance = torch.cdist(x.flatten(1), images.flatten(1))  # (N, samples)
    if labels is None or len(labels.unique()) == 1:
        best = distance.topk(min(search.starts, len(u)), largest=False).indices
    else:
        of_class = [(labels == label).nonzero()[:, 0] for label in labels.unique()]
        first = torch.stack([rows[distance[:, rows].argmin(1)] for rows in of_class], 1)  # (N, classes)
        nearest = distance.gather(1, first).topk(min(2 * search.starts, len(of_class)), largest=False).indices
        best = first.gather(1, nearest)
    return Starts(u[best], pick(labels, best), images[best[:, 0]])


def refine(space: Space, x: Tensor, starts: Starts, search: Search | None = None) -> Inversion:
    """The codes of images x (N, C, H, W) in [-1, 1], from given starts.

    Raises LimnerError for a decoder without gradients.
    """
    search = search or Search()
    require_gradient(space, starts)
    groups = row_groups(len(x), GROUP)
    parts = []
    for rows in track(groups, len(groups), "inverting"):
        u, y = descend(space, x[rows], starts.u[rows], pick(starts.y, rows), search)
        parts += [polish_best(space, x[i], u[k], pick(y, k), search) for k, i in enumerate(rows.tolist())]
    u = torch.stack([u for u, _ in parts])
    y = None if starts.y is None else torch.stack([label for _, label in parts if label is not None])
    with torch.no_grad():
        codes, penalty = space.code(u), space.penalty(u)
        images = torch.cat([space.decode(codes[rows], pick(y, rows)) for rows in row_groups(len(u), POOL)])
    return Inversion(u.cpu(), codes.cpu(), None if y is None else y.cpu(), images.cpu(), penalty.cpu())


def require_gradient(space: Space, starts: Starts) -> None:
    """LimnerError where images do not depend on their coordinates in a way that torch can follow."""
    with torch.enable_grad():
        images = space.image(starts.u[0, :1].clone().requires_grad_(), pick(starts.y, (0, slice(1))))
    if not images.requires_grad:
        raise LimnerError("its decoder has no gradient with respect to the code, so no code can be searched")


def descend(
    space: Space, x: Tensor, u: Tensor, y: Tensor | None, search: Search
) -> tuple[Tensor, Tensor | None]:
    """Adam from all starts u (N, S, d) for images x (N, C, H, W): (N, S, d), classes (N, S), best first."""
    shape, target = u.shape[:2], x.repeat_interleave(u.shape[1], 0)
    u, labels = u.flatten(0, 1).clone().requires_grad_(), None if y is None else y.flatten()
    optimizer = torch.optim.Adam([u], search.lr)
    for step in range(search.steps):
        optimizer.param_groups[0]["lr"] = search.lr * ramp((step + 0.5) / search.steps)
        minimise(lambda: objective(space, u, labels, target).sum(), u)
        optimizer.step()
    u = u.detach()
    with torch.no_grad():
        order = objective(space, u, labels, target).unflatten(0, shape).argsort(1)
    u = u.unflatten(0, shape)
    return u.take_along_dim(order[..., None], 1), None if y is None else y.take_along_dim(order, 1)


def polish_best(
    space: Space, x: Tensor, u: Tensor, y: Tensor | None, search: Search
) -> tuple[Tensor, Tensor | None]:
    """The best coordinates (d,) after LBFGS on the first of u (S, d), and its class (), for one image x."""
    candidates = []
    for k in range(min(search.polished, len(u))):
        label = pick(y, slice(k, k + 1))
        candidates.append(polish(space, x[None], u[k : k + 1], label, search))
    with torch.no_grad():
        values = [
            float(objective(space, v, pick(y, slice(k, k + 1)), x[None])) for k, v in enumerate(candidates)
        ]
    best = min(range(len(values)), key=values.__getitem__)
    return candidates[best][0], pick(y, best)


def polish(space: Space, x: Tensor, u: Tensor, y: Tensor | None, search: Search) -> Tensor:
    """LBFGS from u (1, d), as the text at the top says; u itself where that lowers nothing."""
    for _ in range(ROUNDS):
        v = u.clone().requires_grad_()
        with torch.no_grad():
            before = objective(space, u, y, x)
            variance = mse(space.image(u, y), x) + ROUNDING
        optimizer = torch.optim.LBFGS(
            [v],
            max_iter=search.evaluations,
            max_eval=search.evaluations,
            history_size=HISTORY,
            line_search_fn="strong_wolfe",
        )

        def surrogate(v: Tensor = v, variance: Tensor = variance) -> Tensor:
            error = mse(space.image(v, y), x) / variance
            return (error + space.penalty(v) / x[0].numel()).sum()

        optimizer.step(lambda v=v, surrogate=surrogate: minimise(surrogate, v))
        with torch.no_grad():
            if not objective(space, v, y, x) < before:
                break
        u = v.detach()
    return u


def minimise(loss: Callable[[], Tensor], u: Tensor) -> Tensor:
    """The loss, its gradient in u.grad; LimnerError where there is none."""
    with torch.enable_grad():
        value = loss()
    (u.grad,) = torch.autograd.grad(value, [u])
    return value.detach()


def objective(space: Space, u: Tensor, y: Tensor | None, x: Tensor) -> Tensor:
    """log(mse + e) + penalty / P of each row: u (N, d), classes (N,), images (N, C, H, W) -> (N,)."""
    return (mse(space.image(u, y), x) + ROUNDING).log() + space.penalty(u) / x[0].numel()


def mse(x: Tensor, y: Tensor) -> Tensor:
    """The mean squared error of images (N, C, H, W) in [-1, 1], on the [0, 1] scale: (N,)."""
    return ((x - y) / 2).square().flatten(1).mean(1)


def ramp(progress: float) -> float:
    """The factor of the rate: up over WARM_UP, then down as a half cosine."""
    return min(1.0, progress / WARM_UP) * (1 + math.cos(math.pi * progress)) / 2


def pick(y: Tensor | None, rows: Any) -> Tensor | None:
    """Some rows of classes, where there are any."""
    return None if y is None else y[rows]


def row_groups(n: int, size: int) -> list[Tensor]:
    """0 to n - 1 in groups."""
    return list(torch.arange(n).split(size))
