"""Signals: what the doctor reads off a model in training, once per tick, each a number in the log.

None of it changes the training: weights, buffers and random numbers are afterwards as they were.

Of two players, on a batch each of training, held-out and generated images, as the players see them in
training:
    overlap         P(D(x) > D(G(z))), the AUC of D's logits: 0.5 at the equilibrium, 1 where none is mistaken
    accuracy        share of images D tells right, 0.5 at the equilibrium
    d_real, d_fake  mean D(x) and D(G(z)), both 0.5 at the equilibrium
    held_out_gap    how far D puts held-out real images towards the generated ones: 0 not at all, 1 there
    g_slope         mean |dJ_G / d logit| of a generated image: what reaches G of D's judgement
    g_saturated     share of generated images of which less than a hundredth of its largest value reaches G
Of every optimiser:
    grad/NAME       the norm of the loss's gradient by its weights, mean of some iterations
Of whatever samples, on images of the same noise at every tick, as inference sees the model:
    distance        Frechet distance to training images in small features (doctor/features.py)
    floors          the same as a multiple of the distance of as many held-out real images
    diversity       mean distance of two samples in these features, relative to two real images
    pixel_diversity the same in pixels
    within          the same of two samples of one class, where a class is asked for, of each class twice
    movement        how far a sample went in these features since the last tick, relative to two real images
    classes         share of the data's classes that are there, by the classifier, where there is one
    evenness        entropy of the classes, relative to that of real images
    agreement       share of samples that are of the class asked for
    low, high       how far the darkest and brightest hundredth of pixels are from the data's; 2: all
Of whatever encodes and decodes:
    sensitivity     how far an image's decoding goes when it gets another image's code, relative to how far
                    the two images are apart: 0 where the decoder ignores the code (squared, in pixels)
    reconstruction  Frechet distance of reconstructions to training images
    effective_beta  the KL's weight against the squared error, where the model knows one
And from the iterations since the last tick:
    rhythm          autocorrelation, at a lag of one, of the first number that the model logs: D(x), say
A VAE's KL per dimension and active units stand beside these in the log, by its own `validate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from limner.data import Images, to_float, to_uint8
from limner.doctor.features import Small
from limner.explore.codes import default_prior
from limner.metrics import apart, moments
from limner.models.base import Decodes, Encodes, Model, Plays, Samples

N = 256  # images of each kind
REAL = 1000  # real images that features are compared with
SATURATED = 0.01  # of the largest slope


class Probe:
    """The same images and the same noise at every tick, and what real images give in these measures."""

    def __init__(self, model: Model, train: Images, held_out: Images, small: Small, seed: int = 0) -> None:
        self.small, place = small, model.device
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(train), generator=generator)[:REAL]
        real = train.pixels[chosen]
        features = small.features(real)
        self.moments = moments(features)
        self.floor = apart(moments(small.features(held_out.pixels[:N])), self.moments) + 1e-12
        self.features_apart, self.pixels_apart = apart_in(features[:N]), apart_in(real[:N].float())
        self.range = ends(real[:N])
        self.classes = small.classes(features) if small.labelled else None
        self.x = to_float(real[:N]).to(place)
        self.y = train.labels[chosen[:N]].to(place) if train.labels is not None else None
        self.within = within(features[: len(self.x)], self.y.cpu()) if self.y is not None else 1.0
        self.held_x = to_float(held_out.pixels[:N]).to(place)
        self.held_y = held_out.labels[:N].to(place) if held_out.labels is not None else None
        self.before: Tensor | None = None  # features of the samples at the last tick

    def players(self, model: Plays) -> dict[str, float]:
        """How the discriminator tells real from generated, and what the generator learns of it."""
        with torch.no_grad():
            fake = model.generate(model.z(len(self.x)), self.y)
            real, generated = model.judge(self.x, self.y).float(), model.judge(fake, self.y).float()
            told = self.held_y is not None or not getattr(model, "classes", 0)  # who needs labels has them
            unseen = model.judge(self.held_x, self.held_y).float() if told else real
        with torch.enable_grad():
            logit = generated.clone().requires_grad_()
            (slope,) = torch.autograd.grad(model.generator_loss(logit, real), logit)
        slope = slope.abs() * len(slope)
        gap = real.mean() - generated.mean()
        return {
            "overlap": float(
                (real > generated.T).float().mean() + 0.5 * (real == generated.T).float().mean()
            ),
            "accuracy": float(0.5 * (real > 0).float().mean() + 0.5 * (generated < 0).float().mean()),
            "d_real": float(real.sigmoid().mean()),
            "d_fake": float(generated.sigmoid().mean()),
            "held_out_gap": float((real.mean() - unseen.mean()) / gap) if gap > 0.1 else 0.0,
            "g_slope": float(slope.mean()),
            "g_saturated": float((slope < SATURATED).float().mean()),
        }

    def samples(self, model: Any) -> dict[str, float]:
        """Whether what the model draws is varied, near to the data, and still on the move."""
        asked = torch.arange(N, device=model.device) % model.classes if getattr(model, "classes", 0) else None
        pixels = to_uint8(model.sample(N, asked)).cpu()
        features = self.small.features(pixels)
        distance, (low, high) = apart(moments(features), self.moments), ends(pixels)
        found = {
            "distance": distance,
            "floors": distance / self.floor,
            "diversity": apart_in(features) / self.features_apart,
            "pixel_diversity": apart_in(pixels.float()) / self.pixels_apart,
            "low": abs(low - self.range[0]),
            "high": abs(high - self.range[1]),
        }
        if asked is not None and self.y is not None and 2 * model.classes <= N:
            found["within"] = within(features, asked.cpu()) / self.within
        if self.before is not None:
            found["movement"] = float((features - self.before).norm(dim=1).mean()) / self.features_apart
        self.before = features
        if self.classes is not None:
            told = self.small.classes(features)
            present = self.classes.unique()
            found["classes"] = len(told.unique()) / min(len(present), N)
            found["evenness"] = evenness(told, self.classes)
            if asked is not None:
                found["agreement"] = float((told == asked.cpu()).float().mean())
        return found

    def codes(self, model: Any) -> dict[str, float]:
        """Whether the decoder listens to the code, and how good reconstructions are."""
        z = model.encode(self.x)
        decoded, swapped = model.decode(z), model.decode(z.roll(1, 0))
        apart_by = (self.x - self.x.roll(1, 0)).square().mean()
        features = self.small.features(to_uint8(decoded).cpu())
        told = {"effective_beta": model.effective_beta()} if hasattr(model, "effective_beta") else {}
        return told | {
            "sensitivity": float((decoded - swapped).square().mean() / apart_by),
            "reconstruction": apart(moments(features), self.moments),
        }


def examined(probe: Probe, model: Model) -> dict[str, float]:
    """What can be seen of a model as it is used for inference."""
    found: dict[str, float] = {}
    if isinstance(model, Plays):
        with untouched(model):
            found |= probe.players(model)
    samples, codes = inferred(model)
    with untouched(model), torch.no_grad():
        found |= probe.samples(model) if samples else {}
        found |= probe.codes(model) if codes else {}
    return found


def inferred(model: Model) -> tuple[bool, bool]:
    """Whether `Probe.samples` and `Probe.codes` apply; not where a prior is fitted after training."""
    samples = isinstance(model, Samples) and default_prior(model) in (None, "normal")
    return samples, isinstance(model, Encodes) and isinstance(model, Decodes)


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """The model's buffers and torch's random state are put back afterwards; what is drawn goes by seed 0."""
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
    place = next(model.parameters()).device
    try:
        with torch.random.fork_rng([place] if place.type == "cuda" else []):
            torch.manual_seed(0)
            yield
    finally:
        for buffer, value in kept:
            buffer.copy_(value)


def apart_in(x: Tensor) -> float:
    """The mean distance of two different rows: (n, ...) -> a number."""
    flat = x.flatten(1).float()
    return float(torch.cdist(flat, flat).sum() / (len(flat) * (len(flat) - 1))) + 1e-12


def within(x: Tensor, labels: Tensor) -> float:
    """The mean of `apart_in` over the classes that have two or more of the rows (n, ...)."""
    each = [apart_in(x[labels == k]) for k in labels.unique() if int((labels == k).sum()) > 1]
    return sum(each) / max(len(each), 1) + 1e-12


def ends(pixels: Tensor) -> tuple[float, float]:
    """The darkest and the brightest hundredth of uint8 images, from -1 to 1."""
    share = torch.bincount(pixels.flatten(), minlength=256).cumsum(0) / pixels.numel()
    low, high = (int((share < part).sum()) for part in (0.01, 0.99))
    return low / 127.5 - 1, high / 127.5 - 1


def evenness(told: Tensor, real: Tensor) -> float:
    """The entropy of class labels (n,), relative to that of as many real images' labels; 1 if that is 0."""

    def entropy(labels: Tensor) -> float:
        share = labels.unique(return_counts=True)[1].double() / len(labels)
        return float((share * share.reciprocal().log()).sum())

    whole = entropy(real[: len(told)])
    return entropy(told) / whole if whole > 0 else 1.0


def rhythm(series: Tensor) -> float:
    """The autocorrelation at a lag of one of a series (n,); 0 where it does not vary or is short."""
    if len(series) < 8:
        return 0.0
    away = series.double() - series.double().mean()
    total = away.square().sum()
    return float((away[1:] * away[:-1]).sum() / total) if total > 0 else 0.0
