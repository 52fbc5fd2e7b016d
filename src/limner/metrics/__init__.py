"""Measures: functions on tensors, one topic a file, each with its paper, its estimator and who differs.

They take numpy arrays as well as tensors.
"""

from limner.metrics.anomaly import auroc, average_precision
from limner.metrics.codes import (
    MMD,
    active_units,
    distance_to_quantiles,
    effective_dimensions,
    knn_accuracy,
    knn_accuracy_leave_one_out,
    linear_accuracy,
    mean_correlation,
    mmd_to_normal,
)
from limner.metrics.conditional import gan_test, gan_train, per_class_frechet
from limner.metrics.disentanglement import (
    DCI,
    Disentanglement,
    FactorVAE,
    dci,
    disentanglement,
    factor_vae_score,
    mig,
    sap,
)
from limner.metrics.features import Extractor, Extracts, extractor
from limner.metrics.frechet import (
    FrechetLimit,
    distance_of_moments,
    frechet,
    frechet_floor,
    frechet_limit,
    moments,
)
from limner.metrics.inception import inception_extractor
from limner.metrics.kernel import kid, kid_blocks
from limner.metrics.likelihood import Likelihood, bits_per_dim, dequantise, importance_bound, likelihood
from limner.metrics.memorisation import Memorisation, authentic, memorisation, nearest
from limner.metrics.modes import (
    class_counts,
    class_kl,
    class_kl_floor,
    classes_present,
    mode_counts,
    stack,
    stacked_counts,
    stacked_modes,
)
from limner.metrics.paths import lerp, slerp
from limner.metrics.prdc import PRDC, prdc
from limner.metrics.reconstruction import PCA, mse, pca, pca_mse, psnr, ssim
from limner.metrics.resampling import bootstrap, standard_error
from limner.metrics.score import classifier_score, classifier_score_error
from limner.metrics.sharpness import sharpness
from limner.metrics.smoothness import PathLength, feature_distance, path_length
from limner.metrics.translation import Cycle, cycle_error, identity_baseline
from limner.metrics.variance import VarianceShares, variance_shares

__all__ = [
    "DCI",
    "MMD",
    "PCA",
    "PRDC",
    "Cycle",
    "Disentanglement",
    "Extractor",
    "Extracts",
    "FactorVAE",
    "FrechetLimit",
    "Likelihood",
    "Memorisation",
    "PathLength",
    "VarianceShares",
    "active_units",
    "auroc",
    "authentic",
    "average_precision",
    "bits_per_dim",
    "bootstrap",
    "class_counts",
    "class_kl",
    "class_kl_floor",
    "classes_present",
    "classifier_score",
    "classifier_score_error",
    "cycle_error",
    "dci",
    "dequantise",
    "disentanglement",
    "distance_of_moments",
    "distance_to_quantiles",
    "effective_dimensions",
    "extractor",
    "factor_vae_score",
    "feature_distance",
    "frechet",
    "frechet_floor",
    "frechet_limit",
    "gan_test",
    "gan_train",
    "identity_baseline",
    "importance_bound",
    "inception_extractor",
    "kid",
    "kid_blocks",
    "knn_accuracy",
    "knn_accuracy_leave_one_out",
    "lerp",
    "likelihood",
    "linear_accuracy",
    "mean_correlation",
    "memorisation",
    "mig",
    "mmd_to_normal",
    "mode_counts",
    "moments",
    "mse",
    "nearest",
    "path_length",
    "pca",
    "pca_mse",
    "per_class_frechet",
    "prdc",
    "psnr",
    "sap",
    "sharpness",
    "slerp",
    "ssim",
    "stack",
    "stacked_counts",
    "stacked_modes",
    "standard_error",
    "variance_shares",
]
