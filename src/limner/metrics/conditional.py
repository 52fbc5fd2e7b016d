"""Whether samples are of the requested class (Shmelkov et al. 2018, arXiv 1807.09499).

    GAN-test   accuracy of a classifier, trained on real images, on samples with their requested labels:
               low where samples are not of their class
    GAN-train  accuracy of a classifier, trained on samples with their requested labels, on real test images:
               low also where a class lacks variety

and the Frechet distance within each class.  Compare GAN-test with the classifier's accuracy on real test
images, and GAN-train with `gan_train` of as many real training images.

Estimator: the small classifier of classifier.py and its recipe.  Others differ: the paper uses a ResNet.
Both numbers depend on the classifier and on the number of samples.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from limner.data import Dataset, Images
from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays
from limner.metrics.classifier import train_classifier
from limner.metrics.features import accuracy
from limner.metrics.frechet import frechet


@accepts_arrays
def gan_test(probabilities: Tensor, labels: Tensor) -> float:
    """Share of samples whose most probable class, of probabilities (n, K), is their label, of labels (n,)."""
    if len(probabilities) == 0 or probabilities.shape[:1] != labels.shape:
        raise LimnerError(
            f"each sample needs its label: probabilities {tuple(probabilities.shape)} "
            f"do not fit labels {tuple(labels.shape)}"
        )
    return float((probabilities.argmax(1) == labels).double().mean())


def gan_train(samples: Images, dataset: Dataset, seed: int = 0, device: str | torch.device = "cpu") -> float:
    """Accuracy, on the real test images of `dataset`, of a classifier trained on labelled samples."""
    if samples.labels is None or dataset.test.labels is None:
        raise LimnerError("GAN-train needs labelled samples and labelled test images")
    if samples.pixels.dtype != torch.uint8 or tuple(samples.pixels.shape[1:]) != dataset.shape:
        kind = f"{samples.pixels.dtype} of {tuple(samples.pixels.shape[1:])}"
        raise LimnerError(f"samples of {dataset.name} must be uint8 images of {dataset.shape}, not {kind}")
    network = train_classifier(replace(dataset, train=samples), seed, device)
    return accuracy(network, dataset)


@accepts_arrays
def per_class_frechet(
    features: Tensor, labels: Tensor, real_features: Tensor, real_labels: Tensor
) -> dict[int, float]:
    """The Frechet distance within each class: features (n, d), labels (n,) and real ones (m, d), (m,).

    Classes with fewer than 2 d images on either side are left out: the floor would dominate their distance.
    """
    least = 2 * features.shape[1]
    distances = {}
    for label in real_labels.unique().tolist():
        fake, real = features[labels == label], real_features[real_labels == label]
        if min(len(fake), len(real)) >= least:
            distances[int(label)] = frechet(fake, real)
    return distances
