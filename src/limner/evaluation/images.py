"""Measures of images: reconstructions, samples, memorisation."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from limner.data import to_float, to_uint8
from limner.errors import LimnerError
from limner.evaluation.evaluand import Evaluand, pca_size, prior_name
from limner.evaluation.measures import Measure, mean_measure, standard_error_of_share
from limner.explore.codes import choose_images
from limner.explore.samples import draw_samples
from limner.metrics import (
    authentic,
    bootstrap,
    distance_of_moments,
    frechet,
    frechet_limit,
    kid,
    kid_blocks,
    memorisation,
    moments,
    mse,
    pca_mse,
    prdc,
    psnr,
    sharpness,
    ssim,
)

BOOTSTRAPS = 200
BLOCK = 1000  # features in a block of the kernel distance
QUICK_TRAINED = 10_000  # training images that PCA is fitted to


def reconstruction(evaluand: Evaluand) -> list[Measure]:
    """How near reconstructions are to test images, beside PCA of the same size."""
    x, y = to_float(evaluand.viewed_test), evaluand.reconstructions
    measures = [mean_measure("mse", mse(x, y), form=".5f", better="lower", note="pixels in [0, 1]")]
    measures += pca_reconstruction(evaluand, x)
    measures.append(mean_measure("psnr", psnr(x, y), form=".2f", better="higher", note="dB, mean of images"))
    try:
        measures.append(mean_measure("ssim", ssim(x, y), form=".4f", better="higher"))
    except LimnerError as error:  # torchmetrics is not installed, or the images are too small
        evaluand.leave_out("ssim", str(error))
    name = f"fd[{evaluand.extractor.name}], reconstructed"
    if enough_images(evaluand, name):
        distance = frechet(evaluand.extractor.features(to_uint8(y)), evaluand.test_features)
        note = "caused by the decoder alone; reconstructions against their own images"
        measures.append(Measure(name, distance, evaluand.n, better="lower", note=note))
    return measures


def pca_reconstruction(evaluand: Evaluand, x: Tensor) -> list[Measure]:
    """The error of PCA with as many components as the code has numbers."""
    train = evaluand.run.data.train.pixels
    if evaluand.quick:
        train = choose_images(train, QUICK_TRAINED, evaluand.seed)
    if (size := pca_size(evaluand, len(train))) is None:
        return []
    error = pca_mse(to_float(train), x, [size])[size]
    return [
        Measure(
            "mse of PCA", error, len(x), note=f"{size} components, {len(train):,} training images", form=".5f"
        )
    ]


def enough_images(evaluand: Evaluand, name: str) -> bool:
    """Whether there are enough images for a Frechet distance; where not, the distance is left out."""
    n, d = evaluand.n, evaluand.test_features.shape[1]
    if n < 2 * d:
        evaluand.leave_out(name, f"{n} images are too few for {d} features, {2 * d} are needed")
    return n >= 2 * d


def samples(evaluand: Evaluand) -> list[Measure]:
    """How far samples are from test images, how faithful and how varied they are."""
    real, fake, train = evaluand.test_features, evaluand.sample_features, evaluand.training_features
    name, n, seed = evaluand.extractor.name, evaluand.n, evaluand.seed
    measures = frechet_distances(evaluand)
    error = kid_blocks(fake, real, min(BLOCK, n // 2), seed)[1]
    measures.append(
        Measure(f"kid[{name}]", kid(fake, real), n, error, kid(train, real), "lower", form="#.3g")
    )
    floors = prdc(real, train)._asdict()
    for measure, value in prdc(real, fake)._asdict().items():
        share_error = standard_error_of_share(value, n) if measure != "density" else None
        measures.append(Measure(measure, value, n, share_error, floors[measure], "higher", "k 5", ".3f"))
    note = "of pixels: as real images have it; lower is blurred, higher is noisy"
    sharp, real = (sharpness(pixels).double() for pixels in (evaluand.samples, evaluand.test))
    measures.append(
        replace(
            mean_measure("sharpness", sharp, form=".3f", note=note, floor=float(real.mean())), per_image=None
        )
    )
    return measures


def frechet_distances(evaluand: Evaluand) -> list[Measure]:
    """The Frechet distance of samples, its limit for infinitely many, and that of other priors."""
    real, fake, train = evaluand.test_features, evaluand.sample_features, evaluand.training_features
    name, n, d = f"fd[{evaluand.extractor.name}]", evaluand.n, real.shape[1]
    measures = []
    if enough_images(evaluand, name):
        note = f"n is below 10 times {d} features: the floor is high" if n < 10 * d else ""
        error = None if evaluand.quick else frechet_error(fake, real, evaluand.seed)
        measures.append(Measure(name, frechet(fake, real), n, error, frechet(train, real), "lower", note))
    if n > 5 * d + 5:
        limit, floor = (frechet_limit(x, real, seed=evaluand.seed).value for x in (fake, train))
        name, note = f"fd_inf[{evaluand.extractor.name}]", "for infinitely many samples"
        measures.append(Measure(name, limit, n, None, floor, "lower", note))
    if n >= 2 * d and not evaluand.quick:
        measures += other_priors(evaluand, floor=frechet(train, real))
    return measures


def frechet_error(x: Tensor, y: Tensor, seed: int) -> float:
    """The standard error of the Frechet distance between features, by the bootstrap."""

    def distance(x: Tensor, y: Tensor) -> float:
        return distance_of_moments(moments(x), moments(y))

    return bootstrap(distance, x, y, times=BOOTSTRAPS, seed=seed)


def other_priors(evaluand: Evaluand, floor: float) -> list[Measure]:
    """The Frechet distance of samples from the model's other priors, beside that of training images."""
    model, name, measures = evaluand.model, evaluand.extractor.name, []
    if "prior" not in type(model).sampling_options():
        return []
    for prior in model.latent.priors:
        if prior == prior_name(evaluand):
            continue
        options = {**evaluand.sampling, "prior": prior}
        pixels = draw_samples(evaluand.run, evaluand.n, seed=evaluand.seed, **options)
        distance = frechet(evaluand.extractor.features(pixels), evaluand.test_features)
        note = model.latent.priors[prior].description
        measures.append(Measure(f"fd[{name}], {prior}", distance, evaluand.n, None, floor, "lower", note))
    return measures


def memory(evaluand: Evaluand) -> list[Measure]:
    """Whether samples are nearer to training images than to test images, by features."""
    train, fake, real = evaluand.training_features, evaluand.sample_features, evaluand.test_features
    result, n = memorisation(fake, train, real, evaluand.seed), evaluand.n
    note = f"by features; {result.n:,} training and as many test images"
    copied_error, error = (standard_error_of_share(share, n) for share in (result.copied, result.authentic))
    held_out = float(authentic(real, train).double().mean())
    return [
        Measure("nearest train / test", result.ratio, n, None, 1.0, "", note, ".3f"),
        Measure("nearer to train", result.copied, n, copied_error, 0.5, "", "share of samples", ".3f"),
        Measure("authentic", result.authentic, n, error, held_out, "", "share of samples", ".3f"),
    ]
