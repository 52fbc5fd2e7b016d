"""Measures of edited images: whether they have the asked label, and whether they are still the same image."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from limner.data import Dataset, to_float
from limner.data.ages import GROUPS
from limner.evaluation.classes import trained_classes
from limner.evaluation.evaluand import Evaluand
from limner.evaluation.measures import Measure, mean_measure
from limner.explore.edits import edit_images
from limner.metrics import Extractor, extractor
from limner.models.abilities import Edits

MOST = 1000  # images that are edited, each with every label


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
    pixels, labels = evaluand.test[:MOST], labels[:MOST]
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
    images as they are.  Age groups also count within one group.
    """
    assert isinstance(evaluand.extractor, Extractor)
    assert known.test.labels is not None
    answers, labels = evaluand.extractor.classify(known.test.pixels).argmax(1), known.test.labels
    real = {label: answers[labels == label] for label in predicted}
    measures = []
    for name, within in (
        ("asked label", 0),
        *((("asked age within one group", 1),) if has_ages(known) else ()),
    ):
        hits = [((answers - label).abs() <= within).double() for label, answers in predicted.items()]
        nothing = [((untouched - label).abs() <= within).double().mean() for label in predicted]
        floor = [((answers - label).abs() <= within).double().mean() for label, answers in real.items()]
        constant = max(sum(abs(a - b) <= within for b in predicted) for a in predicted) / len(predicted)
        note = f"mean over {len(predicted)} labels; one and the same answer would get {constant:.3f}"
        per_image = torch.stack(hits).mean(0)  # of each image, over the labels
        measure = mean_measure(name, per_image, form=".4f", better="higher", note=note)
        measures.append(replace(measure, floor=float(torch.stack(floor).mean())))
        value = float(torch.stack(nothing).mean())
        measures.append(
            Measure(f"{name}, untouched", value, len(untouched), form=".4f", note="doing nothing")
        )
    if has_ages(known) and len(predicted) > 1:
        measures.append(slope(predicted, real))
    return measures


def has_ages(dataset: Dataset) -> bool:
    """Whether the labels are the age groups."""
    return dataset.classes == GROUPS


def slope(predicted: dict[int, Tensor], real: dict[int, Tensor]) -> Measure:
    """How much older the edited faces look for each group that is asked for: 0 for none, 1 is right."""

    def fit(answers: dict[int, Tensor]) -> float:
        asked = torch.tensor(list(answers), dtype=torch.float64)
        means = torch.stack([part.double().mean() for part in answers.values()])
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
