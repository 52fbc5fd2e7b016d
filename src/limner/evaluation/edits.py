"""Measures of edited images: whether they have the asked label, and whether they are still the same image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from limner.data import Dataset, to_float
from limner.data.ages import GROUPS, has_ages, has_genders
from limner.evaluation.classes import trained_classes
from limner.evaluation.evaluand import Evaluand
from limner.evaluation.measures import Measure, mean_measure
from limner.explore.edits import edit_images
from limner.metrics import Extractor, extractor
from limner.models.abilities import Edits

MOST, QUICK_MOST = 1000, 200  # images that are edited, each with every label


def edits(evaluand: Evaluand) -> list[Measure]:
    """Every test image with every label: the label obtained, beside doing nothing, and what is kept."""
    model, classifier, labels = evaluand.model, evaluand.extractor, evaluand.labels
    assert isinstance(model, Edits)
    if not (isinstance(classifier, Extractor) and classifier.labelled) or labels is None:
        evaluand.leave_out("asked labels", f"{classifier.name} knows no classes")
        return []
    known = trained_classes(evaluand)
    assert known.test.labels is not None
    asked = known.test.labels.unique().tolist()
    most = QUICK_MOST if evaluand.quick else MOST
    pixels, labels = evaluand.test[:most], labels[:most]
    edited = {label: edit_images(model, pixels, label) for label in asked}
    predicted = {label: classifier.classify(images).argmax(1) for label, images in edited.items()}
    return [
        *label_measures(evaluand, predicted, classifier.classify(pixels).argmax(1), known),
        *identity_measures(evaluand, pixels, labels, edited),
    ]


def label_measures(
    evaluand: Evaluand, predicted: dict[int, Tensor], untouched: Tensor, known: Dataset
) -> list[Measure]:
    """The share of edited images whose label a classifier finds, the mean over all asked labels.

    predicted: asked label -> the labels that the classifier finds in the edited images; untouched: in the
    images as they are.  Age groups also count within one group, and genders alone.
    """
    assert isinstance(evaluand.extractor, Extractor)
    assert known.test.labels is not None
    answers, labels = evaluand.extractor.classify(known.test.pixels).argmax(1), known.test.labels
    real = {label: answers[labels == label] for label in predicted}
    asked = torch.tensor(list(predicted))
    measures = []
    for name, is_hit in hits(known).items():
        shares = torch.stack([is_hit(predicted[int(label)], label).double() for label in asked])
        nothing = torch.stack([is_hit(untouched, label).double().mean() for label in asked])
        floor = torch.stack([is_hit(real[int(label)], label).double().mean() for label in asked])
        constant = max(float(is_hit(asked, label).double().mean()) for label in asked)
        note = f"mean over {len(asked)} labels; one and the same answer would get {constant:.3f}"
        measure = mean_measure(name, shares.mean(0), form=".4f", better="higher", note=note)
        measures.append(replace(measure, floor=float(floor.mean())))
        name, value = f"{name}, untouched", float(nothing.mean())
        measures.append(Measure(name, value, len(untouched), form=".4f", note="doing nothing"))
    if has_ages(known) and len(group(asked).unique()) > 1:
        measures.append(slope(predicted, real))
    return measures


def hits(dataset: Dataset) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """What counts as the asked label, by name: the labels predicted, those asked for -> booleans."""
    counted: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "asked label": lambda predicted, asked: predicted == asked
    }
    if has_ages(dataset):
        counted["asked age within one group"] = lambda predicted, asked: (
            (group(predicted) - group(asked)).abs() <= 1
        )
    if has_genders(dataset):
        counted["asked gender"] = lambda predicted, asked: predicted // len(GROUPS) == asked // len(GROUPS)
    return counted


def group(labels: Tensor) -> Tensor:
    """The age groups of labels, which may have genders."""
    return labels % len(GROUPS)


def slope(predicted: dict[int, Tensor], real: dict[int, Tensor]) -> Measure:
    """How much older the edited faces look for each group that is asked for: 0 for none, 1 is right."""

    def fit(answers: dict[int, Tensor]) -> float:
        asked = group(torch.tensor(list(answers))).double()
        means = torch.stack([group(part).double().mean() for part in answers.values()])
        centred = asked - asked.mean()
        return float((centred * means).sum() / centred.square().sum())

    n = len(next(iter(predicted.values())))
    note = "of the recognised group over the asked group; doing nothing has 0"
    return Measure("slope of ages", fit(predicted), n, None, fit(real), "higher", note, ".3f")


def identity_measures(
    evaluand: Evaluand, pixels: Tensor, labels: Tensor, edited: dict[int, Tensor]
) -> list[Measure]:
    """How much is changed, and whether an edited image is still nearer to its own than to another image."""
    unlabelled = replace(
        evaluand.original, train=replace(evaluand.original.train, labels=None), classes=None,
        test=replace(evaluand.original.test, labels=None),
    )  # fmt: skip
    turns = extractor(unlabelled)  # of a network that knows nothing of the labels
    source = normalise(turns.features(pixels))
    generator = torch.Generator().manual_seed(evaluand.seed)
    nearer, changes = [], []
    for label, images in edited.items():
        changes.append((to_float(images) - to_float(pixels)).abs().flatten(1).mean(1) / 2)
        of_label = (labels == label).nonzero()[:, 0]
        if not len(of_label):
            continue
        other = of_label[torch.randint(len(of_label), (len(pixels),), generator=generator)]
        features = normalise(turns.features(images))
        difference = (features * source).sum(1) - (features * source[other]).sum(1)
        nearer.append((difference.sign() + 1) / 2)  # one half where the other image is the image itself
    name = f"kept[{turns.name}]"
    note = "share of edits nearer to their image than to another one of the asked label; 0.5 is chance"
    share = mean_measure(name, torch.stack(nearer).mean(0), form=".4f", better="higher", note=note)
    change = mean_measure("change by edits", torch.stack(changes).mean(0).double(), form=".4f")
    return [share, replace(change, note="mean absolute difference, pixels in [0, 1]")]


def normalise(features: Tensor) -> Tensor:
    """Features (N, d) of length 1, without their mean, so that what all edits share does not count."""
    centred = features.double() - features.double().mean(0)
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-12)
