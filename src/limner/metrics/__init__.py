"""Measurements: functions on arrays, one concern a file, each with its paper, estimator and who differs."""

from limner.metrics.codes import knn_accuracy
from limner.metrics.features import Extractor, extractor
from limner.metrics.frechet import frechet, frechet_floor
from limner.metrics.kernel import kid, kid_blocks
from limner.metrics.manifold import PRDC, prdc
from limner.metrics.modes import class_counts, class_kl, class_kl_floor, classes_present
from limner.metrics.reconstruction import PCA, mse, pca, pca_mse, psnr

__all__ = [
    "PCA",
    "PRDC",
    "Extractor",
    "class_counts",
    "class_kl",
    "class_kl_floor",
    "classes_present",
    "extractor",
    "frechet",
    "frechet_floor",
    "kid",
    "kid_blocks",
    "knn_accuracy",
    "mse",
    "pca",
    "pca_mse",
    "prdc",
    "psnr",
]
