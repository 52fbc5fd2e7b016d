"""Signals: what the doctor measures on a model in training, once per tick; each is a number in the log.

Measuring does not change the training: weights, buffers and random state are afterwards as they were.

Of each discriminator D, on a batch each of training, held-out and generated images, in training mode: with
its dropout and batch statistics.  Overlap, separation, accuracy and held-out gap do not depend on the scale
of D's outputs.  Where a model has several, the network's name follows the signal's: overlap/D_A.
    overlap         P(D(x) > D(G(z))), the AUC of D's outputs: 0.5 at the equilibrium, 1 without any error
    separation      how far the means of D(x) and D(G(z)) are apart, in standard deviations of either: 0 at
                    the equilibrium, below 0 where D takes generated images for real
    accuracy        share of images on the right side of the middle between both means: 0.5 at the equilibrium
    d_real, d_fake  mean D(x) and D(G(z)) as probabilities, both 0.5 at the equilibrium; only of logits
    held_out_gap    where held-out real images lie for D: 0 at the training images, 1 at the generated ones; 0
                    where D separates too little to tell
    g_slope         mean |dJ_G / dD(G(z))| of one generated image: how much G learns from D's output
    g_saturated     share of generated images at which that slope is below a hundredth of a full one
Of every optimiser:
    grad/NAME       the norm of the loss's gradient by its weights, mean over some iterations
Of a model that samples, on the same noise at every tick, with the weights that inference uses:
    distance        Frechet distance to training images in the features of doctor/features.py
    distance_ratio  the same, divided by the distance of as many other real images: held-out ones, and where
                    those are too few, training images that are not among the compared ones
    diversity       mean distance of two samples in these features, divided by that of two real images
    pixel_diversity the same in pixels
    within          the same of two samples of one class, where samples have a requested class
    movement        how far a sample has moved in these features since the last tick, in the same unit
    classes         share of the data's classes that occur, by the classifier, where there is one
    evenness        entropy of the classes, divided by that of real images
    agreement       share of samples that the classifier assigns to their requested class, divided by that of
                    real held-out images, the mean over classes
    low, high       how far the darkest and brightest hundredth of pixels are from the data's; 2 is the range
Of a model that encodes and decodes:
    sensitivity     how much a decoded image changes when its code is exchanged for another image's, divided
                    by the difference of the two images: 0 where the decoder ignores the code (squared pixels)
    reconstruction  Frechet distance of reconstructions to training images
Of the iterations since the last tick:
    rhythm          autocorrelation, at lag 1, of the first number that the model logs, such as D(x)
`edits` and `translations` list those of models that edit or translate.
A VAE's own `validate` logs KL per dimension, active units and effective beta, as held_out/NAME.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from limner.data import Images, to_float, to_uint8
from limner.doctor.discriminators import discriminator_signals
from limner.doctor.edits import edit_signals
from limner.doctor.features import ProbeFeatures
from limner.metrics import distance_of_moments, moments
from limner.models.abilities import Decodes, Encodes, HasPlayers, Samples
from limner.models.base import Batch, Model
from limner.random_state import seeded

IMAGES = 256  # of each kind: training, held out, generated
REFERENCE = 1000  # training images that features are compared with
PASSES = 1024  # through the networks, that the samples of one tick may take
FEWEST_SAMPLES = 32
SEED = 2_718_281_828  # of the noise: not the default of `evaluate`, so no weights are chosen on its noise


class Probe:
    """The same images and the same noise at every tick, and the values that real images have."""

    def __init__(
        self, model: Model, train: Images, held_out: Images, features: ProbeFeatures, seed: int = 0
    ) -> None:
        self.features, device = features, model.device
        self.n = sample_count(model)
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
        reference, others = divide_training(order, max(0, self.n - len(held_out)))
        indices = order[:REFERENCE]  # the reference, and of few images all
        pixels = train.pixels[indices]
        real = features.features(pixels)
        self.moments = moments(real[: len(reference)])
        compared = torch.cat([held_out.pixels[: self.n], train.pixels[others]])
        self.compared = len(compared)  # samples are compared with as many real images
        self.real_distance = self.distance(features.features(compared)) + 1e-12
        self.real_diversity = mean_distance(real[:IMAGES])
        self.real_pixel_diversity = mean_distance(pixels[:IMAGES].float())
        self.real_range = pixel_range(pixels[:IMAGES])
        self.real_classes = features.classes(real) if features.labelled else None
        self.x = to_float(pixels[:IMAGES]).to(device)
        self.y = train.labels[indices[:IMAGES]].to(device) if train.labels is not None else None
        self.real_within = mean_distance_within(real[:IMAGES], self.y.cpu()) if self.y is not None else 1.0
        self.held_x = to_float(held_out.pixels[:IMAGES]).to(device)
        self.held_y = held_out.labels[:IMAGES].to(device) if held_out.labels is not None else None
        self.real_agreement = self.agreement_of(held_out)
        self.before: Tensor | None = None  # features of the samples at the last tick

    def distance(self, features: Tensor) -> float:
        """The Frechet distance of features (n, d) to those of the training images."""
        return distance_of_moments(moments(features), self.moments)

    def agreement_of(self, images: Images) -> float:
        """The share of images that the classifier assigns to their class, a mean over classes; 1 without."""
        y, features = images.labels, self.features
        if not (features.labelled and y is not None and len(y)):
            return 1.0
        right = (features.classes(features.features(images.pixels)) == y).double()
        return float(torch.stack([right[y == label].mean() for label in y.unique()]).mean())

    def players(self, model: Model) -> dict[str, float]:
        """How each discriminator separates real from generated images, and what the generator learns."""
        known = model.labels == "ignored" or self.y is None or self.held_y is not None
        return player_signals(model, (self.x, self.y), (self.held_x, self.held_y) if known else None)

    def measure(self, model: Model) -> dict[str, float]:
        """The signals of samples, of codes and of edits."""
        edits = edit_signals(model, (self.x[: self.n], self.y[: self.n] if self.y is not None else None))
        return self.samples(model) | self.codes(model) | edits

    def samples(self, model: Model) -> dict[str, float]:
        """Whether samples are varied, close to the data, and still changing; {} where none can be drawn."""
        if not isinstance(model, Samples) or needs_fitting(model):
            return {}
        classes = model.classes or 0
        y = torch.arange(self.n, device=model.device) % classes if classes else None
        pixels = to_uint8(model.sample(self.n, y, **model.draft_options("sample"))).cpu()
        features = self.features.features(pixels)
        low, high = pixel_range(pixels)
        signals = {
            "distance": self.distance(features),
            "distance_ratio": self.distance(features[: self.compared]) / self.real_distance,
            "diversity": mean_distance(features) / self.real_diversity,
            "pixel_diversity": mean_distance(pixels.float()) / self.real_pixel_diversity,
            "low": abs(low - self.real_range[0]),
            "high": abs(high - self.real_range[1]),
        }
        if y is not None and self.y is not None and 2 * classes <= self.n:
            signals["within"] = mean_distance_within(features, y.cpu()) / self.real_within
        if self.before is not None and self.before.shape == features.shape:
            signals["movement"] = float((features - self.before).norm(dim=1).mean()) / self.real_diversity
        self.before = features
        return signals | self.class_signals(features, y)

    def class_signals(self, features: Tensor, y: Tensor | None) -> dict[str, float]:
        """Which classes samples have, by the classifier, where there is one; `y`: those requested."""
        if self.real_classes is None:
            return {}
        predicted = self.features.classes(features)
        signals = {
            "classes": len(predicted.unique()) / min(len(self.real_classes.unique()), self.n),
            "evenness": evenness(predicted, self.real_classes),
        }
        if y is not None:
            share = float((predicted == y.cpu()).float().mean())
            signals["agreement"] = share / (self.real_agreement + 1e-12)
        return signals

    def codes(self, model: Model) -> dict[str, float]:
        """Whether the decoder uses the code, and how good reconstructions are; {} without codes."""
        if not (isinstance(model, Encodes) and isinstance(model, Decodes)):
            return {}
        x = self.x[: self.n]
        y = self.y[: self.n] if model.classes and self.y is not None else None
        z, draft = model.encode(x), model.draft_options("decode")
        decoded, exchanged = model.decode(z, y, **draft), model.decode(z.roll(1, 0), y, **draft)
        difference = (x - x.roll(1, 0)).square().mean()
        features = self.features.features(to_uint8(decoded).cpu())
        return {
            "sensitivity": float((decoded - exchanged).square().mean() / difference),
            "reconstruction": self.distance(features),
        }


def player_signals(model: Model, train: Batch, held_out: Batch | None) -> dict[str, float]:
    """The signals of each discriminator for a batch of training and of held-out images; {} without one."""
    if not isinstance(model, HasPlayers):
        return {}
    with keep_state(model):
        players = model.players(*train)
    others: dict[str, Tensor] = {}
    if held_out is not None:
        with keep_state(model):  # the same random numbers again
            others = {name: output.real.float() for name, output in model.players(*held_out).items()}
    signals: dict[str, float] = {}
    for name, output in players.items():
        suffix = f"/{name}" if len(players) > 1 else ""
        values = discriminator_signals(output, others.get(name))
        signals |= {f"{signal}{suffix}": value for signal, value in values.items()}
    return signals


class Measures(Protocol):
    """What the doctor measures a model with."""

    features: ProbeFeatures
    before: Tensor | None

    def players(self, model: Model) -> dict[str, float]:
        """The signals of the discriminators."""
        ...

    def measure(self, model: Model) -> dict[str, float]:
        """The signals of what the model makes."""
        ...


def measure_signals(probe: Measures, model: Model) -> dict[str, float]:
    """All signals of a model with the weights that it has; its players are read in training mode."""
    training = model.training
    try:
        signals = probe.players(model.train())
    finally:
        model.train(training)
    with keep_state(model):
        return signals | probe.measure(model)


def divide_training(order: Tensor, missing: int) -> tuple[Tensor, Tensor]:
    """Indices of the training images to compare with, and of those that stand in for missing held-out ones.

    No image is among both.  The stand-ins are at most half of the training images.
    """
    stand_ins = min(missing, len(order) // 2)
    rest, others = order[: len(order) - stand_ins], order[len(order) - stand_ins :]
    return rest[:REFERENCE], others


def sample_count(model: Model) -> int:
    """Samples per tick: 1024 / (passes through the networks per sample), but 32 at least and 256 at most.

    The passes are those that sampling takes with the model's `draft` options.
    """
    cost = max(model.sample_cost(**model.draft_options("sample")), 1.0)
    return max(FEWEST_SAMPLES, min(IMAGES, int(PASSES / cost)))


def needs_fitting(model: Model) -> bool:
    """Whether samples come from a prior that is not fitted yet, as an autoencoder's during training."""
    if not model.latents or not model.latent.priors:
        return False
    return not model.latent.priors[model.latent.default_prior].fitted


@contextmanager
def keep_state(model: nn.Module) -> Iterator[None]:
    """Random numbers by SEED, no gradients; buffers and random state are put back afterwards."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with seeded(SEED):
            yield
    finally:
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


def mean_distance(x: Tensor) -> float:
    """The mean distance of two different rows: (n, ...) -> a number above 0."""
    flat = x.flatten(1).float()
    return float(torch.cdist(flat, flat).sum() / (len(flat) * (len(flat) - 1))) + 1e-12


def mean_distance_within(x: Tensor, labels: Tensor) -> float:
    """`mean_distance` of rows (n, ...) with the same label, averaged over labels with two or more rows."""
    parts = [x[labels == label] for label in labels.unique()]
    distances = [mean_distance(part) for part in parts if len(part) > 1]
    return sum(distances) / max(len(distances), 1) + 1e-12


def pixel_range(pixels: Tensor) -> tuple[float, float]:
    """The darkest and the brightest hundredth of uint8 images, from -1 to 1."""
    share = torch.bincount(pixels.flatten(), minlength=256).cumsum(0) / pixels.numel()
    low, high = (int((share < part).sum()) for part in (0.01, 0.99))
    return low / 127.5 - 1, high / 127.5 - 1


def entropy(labels: Tensor) -> float:
    """The entropy of the frequencies of labels (n,), in nats."""
    share = labels.unique(return_counts=True)[1].double() / len(labels)
    return float((share * share.reciprocal().log()).sum())


def evenness(labels: Tensor, real_labels: Tensor) -> float:
    """The entropy of labels (n,), divided by that of as many real images' labels; 1 where that is 0."""
    real_entropy = entropy(real_labels[: len(labels)])
    return entropy(labels) / real_entropy if real_entropy > 0 else 1.0


def rhythm(series: Tensor) -> float:
    """The autocorrelation at lag 1 of a series (n,); 0 where it does not vary or has fewer than 8 values."""
    if len(series) < 8:
        return 0.0
    deviation = series.double() - series.double().mean()
    total = deviation.square().sum()
    return float((deviation[1:] * deviation[:-1]).sum() / total) if total > 0 else 0.0
