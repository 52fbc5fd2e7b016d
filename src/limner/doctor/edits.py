"""Signals of a model that gives images other labels: whether the label matters, and whether the image does.

Of a model that edits and knows its codes, on training images with labels in random order:
    label_effect    mean absolute difference that another label makes to a decoded image, on the [0, 1] scale:
                    0 where the label is ignored
    identity        how much an image with another label changes when its code is exchanged for another
                    image's, divided by the difference of the two images: 0 where every image becomes the same
Of a game between an encoder and a discriminator of codes, which makes codes like those of the prior:
    prior_distance  Kolmogorov-Smirnov distance of the codes to the prior, mean over their variables
"""

from __future__ import annotations

import torch
from torch import Tensor

from limner.metrics import distance_to_quantiles
from limner.models.abilities import Decodes, Edits, Encodes, HasPlayers, HasPosterior
from limner.models.base import Batch, Model

SHARES = torch.linspace(0.01, 0.99, 99)


def edit_signals(model: Model, batch: Batch) -> dict[str, float]:
    """The signals for a batch of training images; {} where the model has none of them."""
    x, y = batch
    signals: dict[str, float] = {}
    if not isinstance(model, Encodes):
        return signals
    z = model.encode(x)
    if isinstance(model, Edits) and isinstance(model, Decodes) and y is not None and len(x) > 1:
        own, other = model.decode(z, y), model.decode(z, y.roll(1, 0))
        exchanged = model.decode(z.roll(1, 0), y.roll(1, 0))
        difference = (x - x.roll(1, 0)).square().mean()
        signals["label_effect"] = float((own - other).abs()[y != y.roll(1, 0)].mean().nan_to_num()) / 2
        signals["identity"] = float((other - exchanged).square().mean() / difference)
    if isinstance(model, HasPlayers) and not isinstance(model, HasPosterior):
        signals["prior_distance"] = prior_distance(model, z)
    return signals


def prior_distance(model: Encodes, z: Tensor) -> float:
    """How far codes z (n, d) are from the model's default prior, mean over variables, from 0 to 1."""
    return distance_to_quantiles(z, model.latent.prior().quantiles(SHARES.tolist()), SHARES)
