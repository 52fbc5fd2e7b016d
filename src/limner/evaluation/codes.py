"""Measures of codes and scores: which variables vary, what predicts labels, factors, anomalies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limner.data import Images, shapes, to_float
from limner.data.decode import fit
from limner.evaluation.evaluand import Evaluand, pca_size
from limner.evaluation.measures import Measure, standard_error_of_share
from limner.explore.codes import choose_indices
from limner.metrics import (
    auroc,
    disentanglement,
    distance_to_quantiles,
    effective_dimensions,
    knn_accuracy,
    linear_accuracy,
    mean_correlation,
    mmd_to_normal,
    pca,
)
from limner.models.abilities import Encodes, HasPosterior, Scores
from limner.models.latent import Normal
from limner.random_state import seeded
from limner.training.codes import encode_images

PROBED, QUICK_PROBED = (10_000, 5_000), (2_000, 1_000)  # training and test images of a probe
MOST_CLASSES = 200  # of a linear probe, which would take long to fit
DEAD = 1e-3  # of the largest deviation
MMD_CODES = 5_000  # the cost is quadratic
FACTOR_CODES = 2_000

Split = tuple[Tensor, Tensor]  # of training and of test images


def codes(evaluand: Evaluand) -> list[Measure]:
    """How many directions codes vary along, and how well codes, pixels and PCA predict labels."""
    z = evaluand.codes
    n, size = z.shape
    deviation = z.double().std(0)
    dead = float((deviation <= DEAD * deviation.max()).sum())
    note = f"of {size}; participation ratio"
    return [
        Measure("effective dimensions", effective_dimensions(z), n, note=note, form=".2f"),
        Measure("dead dimensions", dead, n, note="deviation below a thousandth of the largest", form=".0f"),
        *probes(evaluand),
    ]


def probes(evaluand: Evaluand) -> list[Measure]:
    """How well codes predict labels, beside pixels and PCA of the same size."""
    original, name = evaluand.original, "labels predicted from codes"
    if original.train.labels is not None and int(original.train.labels.max()) >= MOST_CLASSES:
        evaluand.leave_out(name, f"{original.name} has {MOST_CLASSES} classes or more")
        return []
    if (
        original.train.labels is None
        or len(original.train.labels.unique()) < 2
        or original.test.labels is None
    ):
        evaluand.leave_out(name, f"{original.name} has no labels")
        return []
    sizes = map(min, PROBED, QUICK_PROBED) if evaluand.quick else PROBED
    train, test = (
        split.subset(choose_indices(len(split), most, evaluand.seed))
        for split, most in zip((original.train, original.test), sizes, strict=True)
    )
    assert train.labels is not None
    assert test.labels is not None
    views, note = (
        code_views(evaluand, train, test),
        f"share of labels predicted, {len(train):,} training images",
    )
    measures = []
    for probe, accuracy in {"5 nearest": knn_accuracy, "linear": linear_accuracy}.items():
        for view, (z, z_test) in views.items():
            value = accuracy(z, train.labels, z_test, test.labels)
            error = standard_error_of_share(value, len(test))
            measure = Measure(f"{probe}: {view}", value, len(test), error, form=".4f")
            measures.append(replace(measure, better="higher", note=note) if view == "codes" else measure)
    return measures


def code_views(evaluand: Evaluand, train: Images, test: Images) -> dict[str, Split]:
    """Codes, pixels and PCA codes of training and of test images."""
    assert isinstance(evaluand.model, Encodes)
    model = evaluand.model
    x, x_test = to_float(train.pixels).flatten(1), to_float(test.pixels).flatten(1)
    views = {
        "codes": (encode_images(model, train.pixels), encode_images(model, test.pixels)),
        "pixels": (x, x_test),
    }
    if (size := pca_size(evaluand, len(x))) is not None:
        fit = pca(x, size)
        views["PCA"] = ((x - fit.mean) @ fit.axes.T, (x_test - fit.mean) @ fit.axes.T)
    return views


def prior_match(evaluand: Evaluand) -> list[Measure]:
    """How near the codes of all images together are to N(0, I), for a model with that prior."""
    model = evaluand.model
    assert isinstance(model, HasPosterior)
    if not isinstance(next(iter(model.latent.priors.values()), None), Normal):
        return []
    z = evaluand.map(model.sample_posterior, evaluand.viewed_test, "drawing codes")[:MMD_CODES]
    value, floor = mmd_to_normal(z)
    note = "codes drawn from q(z|x); the floor is one deviation of codes from the prior"
    return [
        Measure("mmd of codes to N(0, I)", value, len(z), floor=floor, better="lower", note=note, form=".2e")
    ]


def uniformity(evaluand: Evaluand) -> list[Measure]:
    """How far codes are from the prior that a discriminator of codes holds them to, variable by variable."""
    model, z = evaluand.model, evaluand.codes
    assert isinstance(model, Encodes)
    prior, shares = model.latent.prior(), torch.linspace(0.01, 0.99, 99)
    quantiles = prior.quantiles(shares.tolist())
    with seeded(evaluand.seed):
        drawn = prior.draw(len(z), torch.device("cpu"))  # what codes of the prior itself would have
    distance, floor = (distance_to_quantiles(codes, quantiles, shares) for codes in (z, drawn))
    correlation, independent = (mean_correlation(codes) for codes in (z, drawn))
    note = f"Kolmogorov-Smirnov, mean over variables; {prior.title}"
    return [
        Measure("codes from the prior", distance, len(z), None, floor, "lower", note, ".4f"),
        Measure(
            "correlation of codes", correlation, len(z), None, independent, "lower",
            "mean absolute value, of two variables; the prior's are independent", ".4f",
        ),
    ]  # fmt: skip


def anomalies(evaluand: Evaluand) -> list[Measure]:
    """How well the score separates a class left out, and images of another data set, from test images."""
    normal = scores(evaluand, evaluand.viewed_test)
    anomalous = dict[str, tuple[Tensor, str]]()
    left_out = evaluand.run.config.training.leave_out
    if left_out is not None:
        assert evaluand.labels is not None
        of_class = evaluand.labels == evaluand.original.label(left_out)
        anomalous["class left out"] = normal[of_class], f"class {left_out}, not trained on"
        normal = normal[~of_class]
    elif evaluand.labels is not None:
        evaluand.leave_out("auroc of a class left out", "train with --leave-out CLASS for it")
    if evaluand.other is not None:
        pixels = evaluand.model.view(evaluand.other.test.pixels)
        some = pixels[choose_indices(len(pixels), evaluand.n, evaluand.seed)]
        anomalous["other images"] = scores(evaluand, some), f"test images of {evaluand.other.name}"
    return [
        Measure(
            f"auroc, {name}",
            auroc(normal, score),
            len(normal) + len(score),
            better="higher",
            note=f"{what}; chance is .5",
            form=".4f",
        )
        for name, (score, what) in anomalous.items()
    ]


def scores(evaluand: Evaluand, pixels: Tensor) -> Tensor:
    """The model's anomaly score of each image (n,)."""
    assert isinstance(evaluand.model, Scores)
    return evaluand.map(evaluand.model.score, pixels, "scoring")


def factors(evaluand: Evaluand) -> list[Measure]:
    """How well single code variables encode single factors, on images whose factors are known."""
    model = evaluand.model
    assert isinstance(model, Encodes)
    if evaluand.original.source != "shapes":
        return []
    known = shapes.factors_of("test")[evaluand.indices][:FACTOR_CODES]

    def represent(drawn: Tensor) -> Tensor:
        return evaluand.map(model.encode, shapes_at(drawn, evaluand.run.shape), "encoding shapes")

    z, sizes = evaluand.codes[:FACTOR_CODES], list(shapes.FACTORS.values())
    result = disentanglement(z, known, represent, sizes, evaluand.seed)
    values = {
        "mig": result.mig,
        "sap": result.sap,
        "dci disentanglement": result.disentanglement,
        "dci completeness": result.completeness,
        "dci informativeness": result.informativeness,
        "factorvae score": result.factor_vae,
    }
    notes = {"mig": ", ".join(shapes.FACTORS)}
    return [
        Measure(name, value, len(known), better="higher", note=notes.get(name, ""), form=".3f")
        for name, value in values.items()
    ]


def shapes_at(factors: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The images of factors (n, 5), resized to (C, H, W) as the data set was: uint8 (n, C, H, W)."""
    pixels = shapes.draw(factors)
    if pixels.shape[1:] == shape:
        return pixels
    channels, *size = shape
    images = [fit(Image.fromarray(image[0].numpy()), (size[0], size[1]), channels) for image in pixels]
    return torch.from_numpy(np.stack(images))
