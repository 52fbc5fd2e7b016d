"""Signals of a model that translates between two domains, on the same held-out images at every tick.

The domain that is translated to follows the signal's name: change/B is of translations from A to B.
    change          mean absolute change of an image by its translation, on the [0, 1] scale
    luminance       correlation of light and dark areas before and after, mean over images: below 0 they
                    are exchanged
    cycle           mean absolute error after translation to this domain and back, on the [0, 1] scale
    hidden          that error after noise of deviation 0.02 on the translation, divided by `cycle`, or by
                    the noise itself where that is larger: large where the way back needs a faint pattern
                    (Chu et al. 2017, arXiv 1712.02950)
    distance        Frechet distance of translations to training images, in the features of features.py
    untranslated    that of the images as they were
The discriminators' signals are those of `signals`.
"""

from __future__ import annotations

from itertools import permutations
from math import pi, sqrt

from torch import Tensor

from limner.data import Domains, to_uint8
from limner.data.examples import Examples, permutation
from limner.doctor.features import ProbeFeatures
from limner.doctor.signals import player_signals
from limner.metrics.frechet import distance_of_moments, moments
from limner.metrics.translation import add_noise, in_channels, luminance_correlation
from limner.models.abilities import Translates
from limner.models.base import Model

IMAGES = 64  # of each domain
REFERENCE = 1000  # training images that features are compared with
NOISE = 0.02  # deviation on the [0, 1] scale
MEAN_NOISE = NOISE * sqrt(2 / pi)  # mean absolute value of the noise


class TranslationProbe:
    """The same images of both domains at every tick, and what no translation would score."""

    def __init__(self, model: Model, domains: Domains, held_out: Examples) -> None:
        self.before: Tensor | None = None  # no samples whose movement is measured
        self.held_out = draw_batch(held_out, IMAGES, model)
        self.train = draw_batch(Examples(domains.a.train, domains.b.train), IMAGES, model)
        self.x = dict(zip("AB", self.held_out, strict=True))
        sides = {"A": domains.a, "B": domains.b}
        self.spaces = {name: ProbeFeatures(domain, principal=True) for name, domain in sides.items()}
        self.features = self.spaces["B"]
        self.moments = {
            name: moments(self.spaces[name].features(chosen(domain.train.pixels)))
            for name, domain in sides.items()
        }
        self.untranslated = {
            to: self.distance(to, in_channels(self.x[source], self.x[to].shape[1]))
            for source, to in permutations("AB", 2)
        }

    def distance(self, domain: str, x: Tensor) -> float:
        """The Frechet distance of images (n, C, H, W) to the training images of a domain."""
        features = self.spaces[domain].features(to_uint8(x).cpu())
        return distance_of_moments(moments(features), self.moments[domain])

    def players(self, model: Model) -> dict[str, float]:
        """How each discriminator separates real images from translations."""
        return player_signals(model, self.train, self.held_out)

    def measure(self, model: Model) -> dict[str, float]:
        """The signals of both directions."""
        assert isinstance(model, Translates)
        signals: dict[str, float] = {}
        for source, to in permutations("AB", 2):
            x, translated = self.x[source], model.translate(self.x[source], to)
            values = change_signals(x, translated) | cycle_signals(model, x, translated, source)
            values |= {"distance": self.distance(to, translated), "untranslated": self.untranslated[to]}
            signals |= {f"{name}/{to}": value for name, value in values.items()}
        return signals


def draw_batch(examples: Examples, n: int, model: Model) -> tuple[Tensor, Tensor]:
    """At most n images of A and as many of B, on the model's device."""
    a, b = examples.draw(n, seed=0).batch(model.device)
    assert b is not None
    return a, b


def chosen(pixels: Tensor) -> Tensor:
    """At most REFERENCE images, drawn at random."""
    return pixels[permutation(len(pixels), seed=0)[:REFERENCE]]


def change_signals(x: Tensor, translated: Tensor) -> dict[str, float]:
    """How translation changes images: two (n, C, H, W) in [-1, 1]."""
    return {
        "change": absolute_difference(in_channels(x, translated.shape[1]), translated),
        "luminance": float(luminance_correlation(x, translated).mean()),
    }


def cycle_signals(model: Translates, x: Tensor, translated: Tensor, source: str) -> dict[str, float]:
    """What is left of images (n, C, H, W) of domain `source` after translation and back."""
    noisy = add_noise(translated, NOISE)
    cycle, noisy_cycle = (absolute_difference(model.translate(t, source), x) for t in (translated, noisy))
    return {"cycle": cycle, "hidden": noisy_cycle / max(cycle, MEAN_NOISE)}


def absolute_difference(x: Tensor, y: Tensor) -> float:
    """The mean absolute difference of images in [-1, 1], on the [0, 1] scale."""
    return float((x - y).abs().mean()) / 2
