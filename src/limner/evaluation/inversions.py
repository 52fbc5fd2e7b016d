"""Measures of a decoder without its encoder: what the search for codes finds, and what the decoder lacks."""

from __future__ import annotations

import torch
from torch import Tensor

from limner.errors import LimnerError
from limner.evaluation.evaluand import Evaluand
from limner.evaluation.measures import Measure, mean_measure, standard_error_of_share
from limner.explore.code_search import RECOVERED, baselines, decibels, recover_codes, search_codes
from limner.explore.labels import trained_classes
from limner.inversion import Search

KNOWN, QUICK_KNOWN = 10, 3  # known codes that are searched for
IMAGES, QUICK_IMAGES = 32, 3  # test images: each takes a second or more
SEARCH = Search()


def inversion(evaluand: Evaluand) -> list[Measure]:
    """How many known codes the search recovers, and how near the decoder comes to test images."""
    run, model, seed = evaluand.run, evaluand.model, evaluand.seed
    if model.latent.kind == "discrete":
        evaluand.leave_out("inversion", "the codes are discrete, and the search follows a gradient")
        return []
    known = QUICK_KNOWN if evaluand.quick else KNOWN
    pixels, labels = measured_images(evaluand, QUICK_IMAGES if evaluand.quick else IMAGES)
    recovered = recover_codes(run, known, search=SEARCH, seed=seed)
    result, nearest = search_codes(run, pixels, labels, search=SEARCH, seed=seed)
    share = float((recovered >= RECOVERED).double().mean())
    error = standard_error_of_share(share, known)
    note = f"share at {RECOVERED:.0f} dB or more, median {float(recovered.median()):.1f}: the search's errors"
    return [
        Measure("known codes recovered", share, known, error, None, "higher", note, ".3f"),
        mean_measure(
            "inverted psnr", decibels(result.images, pixels), better="higher", form=".2f",
            note="dB, test images by the best code: the decoder's errors",
        ),
        mean_measure(
            "inverted psnr, best sample", decibels(nearest, pixels), form=".2f",
            note=f"of {SEARCH.samples:,} samples, without a search",
        ),
        *(
            mean_measure(f"inverted psnr, {name}", decibels(image, pixels), form=".2f")
            for name, image in baselines(run, pixels, model.latent.dim).items()
        ),
    ]  # fmt: skip


def measured_images(evaluand: Evaluand, n: int) -> tuple[Tensor, Tensor | None]:
    """n test images, uint8, and the labels to decode as; only classes that the model was trained with."""
    classes, labels = trained_classes(evaluand.run), evaluand.labels
    if classes is None:
        return evaluand.viewed_test[:n], None
    if labels is None:
        raise LimnerError(f"a {type(evaluand.model).__name__} decodes with labels, and the data have none")
    rows = torch.isin(labels, classes).nonzero()[:n, 0]
    return evaluand.viewed_test[rows], labels[rows]
