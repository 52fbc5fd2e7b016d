"""Measures of codes and scores: what they tell, what is used, what is strange, what varies alone."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor

from limner.data import shapes, to_float
from limner.evaluation.measures import Measure
from limner.evaluation.subject import BATCH, Subject
from limner.explore.codes import choice, encode, seeded
from limner.metrics import (
    auroc,
    disentanglement,
    effective_dimensions,
    knn_accuracy,
    linear_accuracy,
    mmd_to_normal,
    pca,
)

PROBED = (10_000, 5_000)  # training and test images of a probe
MOST_CLASSES = 200  # that a linear probe is fitted to in reasonable time
DEAD = 1e-3  # of the largest deviation


def codes(subject: Subject) -> list[Measure]:
    """How many directions codes use, and what they tell of the label beside pixels and PCA."""
    z = subject.codes
    deviation = z.double().std(0)
    size, n = z.shape[1], len(z)
    dead = float((deviation <= DEAD * deviation.max()).sum())
    found = [
        Measure(
            "effective dimensions",
            effective_dimensions(z),
            n,
            note=f"of {size}; participation ratio",
            form=".2f",
        ),
        Measure("dead dimensions", dead, n, note="deviation below a thousandth of the largest", form=".0f"),
    ]
    train, test = subject.data.train, subject.data.test
    if train.labels is not None and int(train.labels.max()) >= MOST_CLASSES:
        subject.left_out.append(f"what codes tell of labels: {subject.data.name} has too many classes")
        return found
    if train.labels is None or len(train.labels.unique()) < 2 or test.labels is None:
        subject.left_out.append(f"what codes tell of labels: {subject.data.name} has none")
        return found
    rows = [choice(len(part), most, subject.seed) for part, most in zip((train, test), PROBED, strict=True)]
    pixels = [part.pixels[index] for part, index in zip((train, test), rows, strict=True)]
    seen = [encode(subject.run, part) for part in pixels]
    flat = [to_float(part).flatten(1) for part in pixels]
    views = {"codes": seen, "pixels": flat}
    if size <= min(flat[0].shape):
        fitted = pca(to_float(pixels[0]), size)
        views["PCA"] = [(part - fitted.mean) @ fitted.axes.T for part in flat]
    y, y_test = train.labels[rows[0]], test.labels[rows[1]]
    for probe, measure in {"5 nearest": knn_accuracy, "linear": linear_accuracy}.items():
        for name, (one, two) in views.items():
            value = measure(one, y, two, y_test)
            error = (value * (1 - value) / len(two)) ** 0.5
            note = f"share of labels told, {len(one):,} training images" if name == "codes" else ""
            better = "higher" if name == "codes" else ""
            found.append(Measure(f"{probe}: {name}", value, len(two), error, None, better, note, ".4f"))
    return found


def prior(subject: Subject) -> list[Measure]:
    """How near the codes of all images together come to N(0, I), for a model that samples from it."""
    if "sample" not in inspect.signature(subject.model.encode).parameters:
        return []
    z = subject.each("drawing codes", subject.given, lambda x: subject.model.encode(x, sample=True))
    found = mmd_to_normal(z[:5000])
    return [
        Measure(
            "mmd of codes to N(0, I)",
            found.value,
            min(len(z), 5000),
            None,
            found.floor,
            "lower",
            "codes drawn from q(z|x); the floor is one deviation of a perfect match",
            ".2e",
        )
    ]


def anomalies(subject: Subject) -> list[Measure]:
    """How well the score tells strange images from test images: those of a class left out, another set's."""
    score = scores(subject, subject.given)
    normal, strange = score, dict[str, tuple[Tensor, str]]()
    left_out = subject.run.config["training"].get("leave_out")
    if left_out is not None:
        assert subject.labels is not None
        of_class = subject.labels == subject.data.label(left_out)
        normal = score[~of_class]
        strange["class left out"] = score[of_class], f"class {left_out}, not trained on"
    elif subject.labels is not None:
        subject.left_out.append("auroc of a class left out: train with --leave-out CLASS for it")
    if subject.other is not None:
        other = subject.other.test.pixels
        chosen = subject.model.prepare(other, fresh=False)[choice(len(other), subject.n, subject.seed)]
        strange["other images"] = scores(subject, chosen), f"test images of {subject.other.name}"
    return [
        Measure(
            f"auroc, {name}",
            auroc(normal, theirs),
            len(normal) + len(theirs),
            better="higher",
            note=f"{what}; chance is .5",
            form=".4f",
        )
        for name, (theirs, what) in strange.items()
    ]


def scores(subject: Subject, pixels: Tensor) -> Tensor:
    """The model's anomaly score of each image."""
    return subject.each("scoring", pixels, subject.model.score)


def factors(subject: Subject) -> list[Measure]:
    """How well single code variables stand for single factors, on images whose factors are known."""
    model, seed = subject.model, subject.seed
    if subject.data.source != "shapes":
        return []
    known = shapes.factors_of("test")[subject.chosen]
    some = slice(2000)

    def represent(drawn: Tensor) -> Tensor:
        parts = shapes.draw(drawn).split(BATCH)
        with seeded(seed):
            made = [
                model.encode(to_float(model.prepare(part, fresh=False)).to(model.device)).cpu()
                for part in parts
            ]
        return torch.cat(made)

    sizes = list(shapes.FACTORS.values())
    found = disentanglement(subject.codes[some], known[some], represent, sizes, seed)
    values = {
        "mig": found.mig,
        "sap": found.sap,
        "dci disentanglement": found.disentanglement,
        "dci completeness": found.completeness,
        "dci informativeness": found.informativeness,
        "factorvae score": found.factor_vae,
    }
    note = ", ".join(shapes.FACTORS)
    n = len(known[some])
    return [
        Measure(name, value, n, better="higher", note=note * (name == "mig"), form=".3f")
        for name, value in values.items()
    ]
