"""Whether samples are of the class asked for (Shmelkov et al. 2018, arXiv 1807.09499).

    GAN-test   accuracy, on samples with the labels asked for, of a classifier trained on real images:
               falls where samples are not of their class
    GAN-train  accuracy, on real test images, of a classifier trained on samples with those labels:
               falls also where a class lacks variety

and the Frechet distance within each class.  Compare GAN-test with the classifier's accuracy on real test
images and GAN-train with that of the same recipe trained on as many real images (`gan_train` of them).

Estimator: the small classifier of classifier.py, its recipe unchanged.  Others differ: the paper's is a
ResNet; both numbers hold for one classifier and one number of samples.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from limner.data import Dataset, Images
from limner.errors import LimnerError
from limner.metrics.classifier import train_classifier
from limner.metrics.features import accuracy
from limner.metrics.frechet import frechet


def gan_test(probabilities: Tensor, labels: Tensor) -> float:
    """Share of samples whose likeliest class, of probabilities (n, K), is the one asked for, labels (n,)."""
    if len(probabilities) == 0 or probabilities.shape[:1] != labels.shape:
        raise LimnerError(
            f"each sample needs its label: {tuple(probabilities.shape)} are not {tuple(labels.shape)}"
        )
    return float((probabilities.argmax(1) == labels).double().mean())


def gan_train(samples: Images, dataset: Dataset, seed: int = 0, device: str | torch.device = "cpu") -> float:
    """Accuracy on the real test images of `dataset` of a classifier trained on labelled samples."""
    if samples.labels is None or dataset.test.labels is None:
        raise LimnerError("a classifier learns from labelled samples and is tested on labelled images")
    if samples.pixels.dtype != torch.uint8 or tuple(samples.pixels.shape[1:]) != dataset.shape:
        found = f"{samples.pixels.dtype} of {tuple(samples.pixels.shape[1:])}"
        raise LimnerError(f"samples of {dataset.name} are uint8 images of {dataset.shape}, not {found}")
    network = train_classifier(replace(dataset, train=samples), seed, device)
    return accuracy(network, dataset)


def per_class_frechet(
    features: Tensor, labels: Tensor, real_features: Tensor, real_labels: Tensor
) -> dict[int, float]:
    """The Frechet distance within each class of features (n, d), labels (n,) from real ones (m, d), (m,).

    Classes with fewer than 2 d images on either side are left out; their distance would be mostly floor.
    """
    least = 2 * features.shape[1]
    found = {}
    for label in real_labels.unique().tolist():
        made, real = features[labels == label], real_features[real_labels == label]
        if min(len(made), len(real)) >= least:
            found[int(label)] = frechet(made, real)
    return found
