"""Measures of models with styles: what styles, noise and truncation change."""

from __future__ import annotations

import torch
from torch import Tensor

from limner.evaluation.evaluand import Evaluand
from limner.evaluation.images import enough_images
from limner.evaluation.measures import Measure, standard_error_of_share
from limner.evaluation.smoothness import measure_path
from limner.explore.samples import draw_samples
from limner.explore.styles import draw_styles, group_layers, repeat_styles, style_pixels
from limner.metrics import Extractor, frechet, variance_shares
from limner.models.abilities import HasStyles
from limner.models.style_layers import mix_styles

NOISES = 4  # of each style
STYLES, QUICK_STYLES = 1000, 200
TRUNCATIONS = (0.7, 0.5)


def styles(evaluand: Evaluand) -> list[Measure]:
    """Whether styles or noise vary the images, what truncation costs, and which styles carry the class."""
    model = evaluand.model
    assert isinstance(model, HasStyles)
    w = repeat_styles(model, draw_styles(model, count_styles(evaluand), evaluand.seed))
    measures = [noise_share(evaluand, model, w), *truncated_distances(evaluand)]
    if isinstance(evaluand.extractor, Extractor):
        measures.append(path_length_in_w(evaluand, model))
    else:
        evaluand.leave_out("path length in w", f"{evaluand.extractor.name} takes bytes only")
    return measures + class_shares(evaluand, model, w)


def count_styles(evaluand: Evaluand) -> int:
    """The number of styles that variances and shares of classes are measured on."""
    return min(evaluand.n, QUICK_STYLES if evaluand.quick else STYLES)


def noise_share(evaluand: Evaluand, model: HasStyles, w: Tensor) -> Measure:
    """The share of the variance of features by noise, over styles w (n, layers, dim)."""
    name = evaluand.extractor.name
    pixels = style_pixels(model, w.repeat_interleave(NOISES, 0), "random", evaluand.seed)
    features = evaluand.extractor.features(pixels).unflatten(0, (len(w), NOISES))
    shares = variance_shares(features)
    note = f"share of the variance of features, {NOISES} noises for each style; the rest is by styles"
    return Measure(f"variance by noise[{name}]", shares.within, len(w), shares.error, note=note, form=".4f")


def truncated_distances(evaluand: Evaluand) -> list[Measure]:
    """The Frechet distance of samples at each of TRUNCATIONS."""
    name = evaluand.extractor.name
    if "truncation" not in type(evaluand.model).sampling_options():
        return []
    if not enough_images(evaluand, f"fd[{name}], truncated"):
        return []
    floor = frechet(evaluand.training_features, evaluand.test_features)
    measures = []
    for psi in TRUNCATIONS:
        options = {**evaluand.sampling, "truncation": psi}
        pixels = draw_samples(evaluand.run, evaluand.n, seed=evaluand.seed, **options)
        distance = frechet(evaluand.extractor.features(pixels), evaluand.test_features)
        note = f"styles w as mean + {psi:g} (w - mean)"
        label = f"fd[{name}], truncation {psi:g}"
        measures.append(Measure(label, distance, evaluand.n, None, floor, "lower", note))
    return measures


def path_length_in_w(evaluand: Evaluand, model: HasStyles) -> Measure:
    """How far features move for a small step on a line between two styles."""

    def decode(w: Tensor) -> Tensor:
        return model.synthesise(repeat_styles(model, w.to(model.device)))

    def draw(n: int, generator: torch.Generator) -> Tensor:
        return draw_styles(model, n, int(torch.randint(2**31, (), generator=generator)))

    return measure_path(evaluand, "path length in w", decode, draw, "lerp")


def class_shares(evaluand: Evaluand, model: HasStyles, w: Tensor) -> list[Measure]:
    """Whether a mixed image has the class of its coarse styles, or that of its others.

    Each image's coarse styles meet the others of the next one, where a classifier finds that both are of
    different classes.
    """
    classifier = evaluand.extractor
    if not (isinstance(classifier, Extractor) and classifier.labelled):
        evaluand.leave_out("class by coarse styles", f"{classifier.name} knows no classes")
        return []
    coarse = group_layers(model.style_sizes)["coarse"]
    layers = torch.tensor([i in coarse for i in range(w.shape[1])])
    classes = classifier.classify(style_pixels(model, w)).argmax(1)
    other = classes.roll(1)
    mixed = classifier.classify(style_pixels(model, mix_styles(w.roll(1, 0), w, layers))).argmax(1)
    pairs = classes != other
    n = int(pairs.sum())
    if not n:
        evaluand.leave_out("class by coarse styles", "the images of all styles are of one class")
        return []
    measures = []
    for name, source in (("coarse", classes), ("other", other)):
        share = float((mixed == source)[pairs].double().mean())
        note = f"share of images, coarse: layers {coarse[0]} to {coarse[-1]}"
        label, error = f"class by {name} styles", standard_error_of_share(share, n)
        measures.append(Measure(label, share, n, error, note=note, form=".3f"))
    return measures
