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
from limner.metrics import Extractor, frechet, linear_accuracy, prdc, variance_shares
from limner.models.abilities import HasStyles
from limner.models.style_layers import mix_styles
from limner.random_state import seeded

NOISES = 4  # of each style
STYLES, QUICK_STYLES = 1000, 200
TRUNCATIONS = (0.7, 0.5)


def styles(evaluand: Evaluand) -> list[Measure]:
    """Whether styles or noise vary the images, what truncation costs, and which styles carry the class."""
    model = evaluand.model
    assert isinstance(model, HasStyles)
    w = repeat_styles(model, draw_styles(model, count_styles(evaluand), evaluand.seed))
    measures = [noise_share(evaluand, model, w), *truncated_samples(evaluand)]
    if isinstance(evaluand.extractor, Extractor):
        measures.append(path_length_in_w(evaluand, model))
    else:
        evaluand.leave_out("path length in w", f"{evaluand.extractor.name} takes bytes only")
    return measures + class_shares(evaluand, model, w) + linear_separability(evaluand, model)


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


def truncated_samples(evaluand: Evaluand) -> list[Measure]:
    """The Frechet distance, the precision and the recall of samples at each of TRUNCATIONS."""
    name = evaluand.extractor.name
    if "truncation" not in type(evaluand.model).sampling_options():
        return []
    if not enough_images(evaluand, f"fd[{name}], truncated"):
        return []
    real, train, n = evaluand.test_features, evaluand.training_features, evaluand.n
    floor, floors = frechet(train, real), prdc(real, train)
    measures = []
    for psi in TRUNCATIONS:
        options = {**evaluand.sampling, "truncation": psi}
        features = evaluand.extractor.features(draw_samples(evaluand.run, n, seed=evaluand.seed, **options))
        note, label = f"styles w as mean + {psi:g} (w - mean)", f"truncation {psi:g}"
        measures.append(
            Measure(f"fd[{name}], {label}", frechet(features, real), n, None, floor, "lower", note)
        )
        shares = prdc(real, features)
        for what, share, best in (
            ("precision", shares.precision, floors.precision),
            ("recall", shares.recall, floors.recall),
        ):
            error = standard_error_of_share(share, n)
            measures.append(Measure(f"{what}, {label}", share, n, error, best, "higher", "k 5", ".3f"))
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


# after Karras et al. 2019, section 4.2, which measures forty attributes by support vector machines
def linear_separability(evaluand: Evaluand, model: HasStyles) -> list[Measure]:
    """How well a linear probe reads the class of an image, as a classifier has it, from its w and its z."""
    classifier = evaluand.extractor
    if not (isinstance(classifier, Extractor) and classifier.labelled):
        evaluand.leave_out("class read from w", f"{classifier.name} knows no classes")
        return []
    n = count_styles(evaluand)
    with seeded(evaluand.seed):
        z, y = model.draw_codes(n)
        w = model.styles(z, y)
    classes = classifier.classify(style_pixels(model, w)).argmax(1)
    fit, test = slice(0, n // 2), slice(n // 2, n)
    if len(classes[fit].unique()) < 2:
        evaluand.leave_out("class read from w", "the images of all styles are of one class")
        return []
    frequent = float((classes[test] == classes[fit].mode().values).double().mean())
    note = f"share by a linear probe, tested on half of {n:,} images; the most frequent class: {frequent:.2f}"
    measures = []
    for name, codes in (("w", w[:, 0].cpu()), ("z", z.cpu())):
        share = linear_accuracy(codes[fit], classes[fit], codes[test], classes[test])
        error = standard_error_of_share(share, n - n // 2)
        label = f"class read from {name}"
        measures.append(Measure(label, share, n - n // 2, error, None, "higher", note, ".3f"))
    return measures
