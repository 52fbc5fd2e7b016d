"""Measures of classes: which ones samples have, and whether they are of the requested class."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from limner.data import Dataset, Images
from limner.errors import LimnerError
from limner.evaluation.evaluand import Evaluand
from limner.evaluation.measures import Measure, mean_measure
from limner.explore.samples import draw_samples
from limner.metrics import (
    Extractor,
    bootstrap,
    class_counts,
    class_kl,
    class_kl_floor,
    classes_present,
    classifier_score,
    classifier_score_error,
    gan_train,
    per_class_frechet,
)

BOOTSTRAPS = 200
TRAINED = 10_000  # samples that a classifier is trained on


def modes(evaluand: Evaluand) -> list[Measure]:
    """Which classes samples have, how evenly, and how sure a classifier of real images is of them."""
    classifier, n = evaluand.extractor, evaluand.n
    if not (isinstance(classifier, Extractor) and classifier.labelled):
        evaluand.leave_out("classes of samples", f"{classifier.name} knows no classes")
        return []
    fake = classifier.classify(evaluand.samples)
    real, classes = classifier.classify(evaluand.test), fake.shape[1]
    reference = real if evaluand.quick else classifier.classify(evaluand.original.test.pixels)
    least = max(1, round(n / classes / 10))
    present, real_present = (float(classes_present(class_counts(p), least)) for p in (fake, real))
    score, real_score, error = classifier_score(fake), classifier_score(real), classifier_score_error(fake)
    note, form = "classes with a tenth of an even share or more", ".0f"
    return [
        Measure(f"classes of {classes}", present, n, None, real_present, "higher", note, form),
        Measure(f"score[{classifier.name}]", score, n, error, real_score, "higher", f"1 to {classes}", ".3f"),
        *divergence(evaluand, fake, reference),
    ]


def divergence(evaluand: Evaluand, fake: Tensor, reference: Tensor) -> list[Measure]:
    """How far the classes of samples are from those of test images, by class probabilities of both."""
    counts, classes = class_counts(reference), reference.shape[1]

    def distance(classes_of_samples: Tensor) -> float:
        return class_kl(torch.bincount(classes_of_samples, minlength=classes), counts)

    predicted = fake.argmax(1)
    try:
        value = distance(predicted)
    except LimnerError as reason:
        evaluand.leave_out("kl of classes", str(reason))
        return []
    error = None if evaluand.quick else bootstrap(distance, predicted, times=BOOTSTRAPS, seed=evaluand.seed)
    floor = class_kl_floor(classes_present(counts), len(fake), len(reference))
    note = f"nats, classes of samples against those of {len(reference):,} test images"
    return [Measure("kl of classes", value, len(fake), error, floor, "lower", note, ".4f")]


def conditional(evaluand: Evaluand) -> list[Measure]:
    """Whether samples are of the requested class, and how well a classifier trained on them does."""
    classifier, labels = evaluand.extractor, evaluand.labels
    if not (isinstance(classifier, Extractor) and classifier.labelled) or labels is None:
        evaluand.leave_out("requested labels", f"{classifier.name} knows no classes")
        return []
    known, generator = trained_classes(evaluand), torch.Generator().manual_seed(evaluand.seed)
    assert known.test.labels is not None
    requested = labels[torch.isin(labels, known.test.labels)]  # as frequent as in the data
    requested = requested[torch.randperm(len(requested), generator=generator)]
    pixels = draw_samples(evaluand.run, len(requested), seed=evaluand.seed, y=requested, **evaluand.sampling)
    correct = (classifier.classify(pixels).argmax(1) == requested).double()  # its mean is metrics.gan_test
    note, floor = "share of samples of the requested class", classifier.accuracy
    measures = [mean_measure("gan-test", correct, form=".4f", better="higher", floor=floor, note=note)]
    real = classifier.features(known.test.pixels)
    measures += class_distances(evaluand, known, classifier.features(pixels), requested, real)
    if not evaluand.quick:
        measures.append(gan_train_measure(evaluand, known, Images(pixels, requested), generator))
    return measures


def class_distances(
    evaluand: Evaluand, known: Dataset, fake: Tensor, requested: Tensor, real: Tensor
) -> list[Measure]:
    """The Frechet distance within each class, beside that of as many training images of the class or fewer.

    fake, real: features of samples of the requested labels, and of the test images.
    """
    labels, train_labels = known.test.labels, known.train.labels
    assert labels is not None
    assert train_labels is not None
    distances = per_class_frechet(fake, requested, real, labels)
    chosen = torch.cat(
        [(train_labels == y).nonzero()[: int((requested == y).sum()), 0] for y in distances]
        or [torch.zeros(0, dtype=torch.int64)]
    )
    train = evaluand.extractor.features(known.train.pixels[chosen])
    floors = per_class_frechet(train, train_labels[chosen], real, labels)
    names = {y: known.classes[y] if known.classes else str(y) for y in labels.unique().tolist()}
    if missing := [name for y, name in names.items() if y not in distances]:
        few = f"fewer than {2 * real.shape[1]} test images or samples"
        evaluand.leave_out("fd of classes " + ", ".join(missing), few)
    return [
        Measure(f"fd, class {names[y]}", value, int((requested == y).sum()), None, floors.get(y), "lower")
        for y, value in distances.items()
    ]


def trained_classes(evaluand: Evaluand) -> Dataset:
    """The real images, both splits without the class that was left out of training.

    Of a quick evaluation, the n test images that are measured.
    """
    left_out, original = evaluand.run.config.training.leave_out, evaluand.original
    if evaluand.quick:
        original = replace(original, test=original.test.subset(evaluand.indices))
    if left_out is None:
        return original
    assert original.test.labels is not None
    rest = (original.test.labels != original.label(left_out)).nonzero()[:, 0]
    return replace(original.without(left_out), test=original.test.subset(rest))


def gan_train_measure(
    evaluand: Evaluand, known: Dataset, fake: Images, generator: torch.Generator
) -> Measure:
    """The accuracy on real test images of a classifier trained on samples, beside one of real images."""
    n = min(TRAINED, len(fake), len(known.train))
    some = known.train.subset(torch.randperm(len(known.train), generator=generator)[:n])
    value = gan_train(fake.subset(torch.arange(n)), known, evaluand.seed)
    floor = gan_train(some, known, evaluand.seed)
    note = f"accuracy on real test images of a classifier trained on {n:,} samples"
    return Measure("gan-train", value, n, None, floor, "higher", note, ".4f")
