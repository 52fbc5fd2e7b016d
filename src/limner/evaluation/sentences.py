"""Three sentences on an evaluation, in plain words: how good, what is weak, what to look at.

Measures of samples are judged by their share of what real images reach, and a model by its worst share:
samples that all look real and are all alike are poor.  Of several seeds, the means are judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from limner.evaluation.measures import Evaluation, Measure

# every threshold of the sentences
GRADES = {0.8: "close to real images", 0.5: "fair", 0.2: "weak", 0.0: "poor"}  # least share of real images
FAIR = 0.5  # of the image, above chance, that edits have to keep to be that image
GOOD = 0.8  # share from which a measure is no weakness
COPIED = 0.65  # of samples nearer to a training than to a test image: 0.5 without copies
ERRORS = 3.0  # standard errors that the share of copies must lie above 0.5
BLURRED, NOISY = 0.7, 1.5  # sharpness of samples over that of real images
WORSE_THAN_PCA = 1.1  # error of reconstructions over that of a linear code
CHANCE = 0.5  # share of edits nearer to their own image

LIKENESS = ("precision", "density")  # whether samples look like real images
VARIETY = ("recall", "coverage", "classes")  # whether they show all that real images show


class Weakness(NamedTuple):
    """What is weak, and the verb that shows it, with what follows the run's name."""

    text: str
    verb: str
    rest: str = ""
    look: str = ""


class Judgement(NamedTuple):
    """How good a model is at its task, what is weak, most important first, and what to look at otherwise."""

    quality: str
    weaknesses: list[Weakness]
    otherwise: Weakness


def describe(evaluation: Evaluation) -> list[str]:
    """The three sentences; [] where nothing was measured that they are about."""
    measures = {re.sub(r"\[.*?\]", "", measure.name): measure for measure in evaluation.measures}
    judge = next((judge for judge in (edits, translation, samples, reconstruction) if judge(measures)), None)
    judgement = judge(measures) if judge else None
    if judgement is None:
        return []
    weak = judgement.weaknesses[:2]
    second = "; ".join(weakness.text for weakness in weak) or judgement.otherwise.text
    shown = weak[0] if weak else judgement.otherwise
    run = evaluation.provenance["run"]
    name = run if isinstance(run, str) else run[0]
    third = f"Look at limner {shown.verb} {name}{shown.rest} {shown.look}"
    return [f"{text[0].upper()}{text[1:].rstrip()}." for text in (judgement.quality, second, third)]


def samples(measures: Mapping[str, Measure]) -> Judgement | None:
    """Samples, by their worst share of what real images reach."""
    likeness, variety = (shares(measures, names) for names in (LIKENESS, VARIETY))
    if not likeness or not variety:
        return None
    weak = weak_samples(measures, likeness, variety)
    worst = min([*likeness.values(), *variety.values(), min(focus(measures), 1 / focus(measures))])
    word = "copies of training images" if is_copying(measures) else grade(worst)
    quality = f"samples are {word}: they reach {min(likeness.values()):.0%} of the likeness and "
    quality += f"{min(variety.values()):.0%} of the variety of real images"
    if (distance := measures.get("fd")) is not None:
        quality += f", at a Fréchet distance of {numbers(distance)}"
    name = min(likeness | variety, key=lambda name: (likeness | variety)[name])
    text = f"no measure is far below real images; the lowest is {name}, {numbers(find(measures, name))}"
    otherwise = Weakness(text, "sample", " --n 100", "and judge by eye")
    return Judgement(quality, weak, otherwise)


def weak_samples(
    measures: Mapping[str, Measure], likeness: Mapping[str, float], variety: Mapping[str, float]
) -> list[Weakness]:
    """Copies, blur or noise, few kinds, unlike images, bad reconstructions: those that there are."""
    weak = []
    if is_copying(measures):
        text = f"{measures['nearer to train'].value:.0%} of the samples are nearer to a training image than "
        text += "to a test image, half would be without copies: the model has memorised its training images"
        weak.append(
            Weakness(text, "sample", " --n 100", "beside the training images, and train on more of them")
        )
    if not BLURRED <= focus(measures) <= NOISY:
        fault = "blurred" if focus(measures) < BLURRED else "noisy"
        text = f"samples are {fault}: sharpness {numbers(measures['sharpness'])}"
        weak.append(Weakness(text, "sample", " --n 100", "for edges and grain"))
    name = min(variety, key=lambda name: variety[name])
    if variety[name] < GOOD:
        text = f"samples show little of what real images show: {name} {numbers(find(measures, name))}"
        weak.append(Weakness(text, "sample", " --n 100", "for images that repeat, then at limner doctor"))
    name = min(likeness, key=lambda name: likeness[name])
    if likeness[name] < GOOD:
        text = f"samples are unlike real images: {name} {numbers(find(measures, name))}"
        weak.append(Weakness(text, "sample", " --n 100", "for broken shapes"))
    return weak + weak_reconstructions(measures)


def reconstruction(measures: Mapping[str, Measure]) -> Judgement | None:
    """Reconstructions, beside those of PCA of the same size."""
    if "mse" not in measures:
        return None
    mse, pca = measures["mse"], measures.get("mse of PCA")
    beside = f", of PCA of the same size {pca.format(pca.value)}" if pca else ""
    quality = f"reconstructions have a mean squared error of {mse.format(mse.value)}{beside}"
    text = "no measure of reconstructions is worse than that of PCA"
    otherwise = Weakness(text, "reconstruct", look="for lost detail")
    return Judgement(quality, weak_reconstructions(measures), otherwise)


def weak_reconstructions(measures: Mapping[str, Measure]) -> list[Weakness]:
    """Reconstructions that are worse than those of a linear code of the same size."""
    mse, pca = measures.get("mse"), measures.get("mse of PCA")
    if not mse or not pca or mse.value <= WORSE_THAN_PCA * pca.value:
        return []
    text = f"reconstructions are worse than those of PCA: mean squared error {mse.format(mse.value)}, "
    return [Weakness(f"{text}PCA {pca.format(pca.value)}", "reconstruct", look="for lost detail")]


def edits(measures: Mapping[str, Measure]) -> Judgement | None:
    """Edited images: whether they have the asked label, and are still the same image."""
    asked, nothing, kept = (measures.get(key) for key in ("asked label", "asked label, untouched", "kept"))
    if not asked or not nothing or not kept or not asked.floor:
        return None
    share = (asked.value - nothing.value) / max(asked.floor - nothing.value, 1e-9)
    same = (kept.value - CHANCE) / (1 - CHANCE)
    quality = f"edits are {grade(min(share, same))}: {asked.value:.0%} have the asked label, "
    quality += f"{nothing.value:.0%} would untouched and {asked.floor:.0%} of real images do"
    weak = []
    if share < GOOD:
        weak.append(Weakness("many edits miss the asked label", "edit", " IMAGE", "for labels that fail"))
    if same < GOOD:
        lost = "lose the image" if same < FAIR else "change more than the label"
        text = f"edits {lost}: {kept.value:.0%} are nearer to their own than to another, half by chance"
        weak.append(Weakness(text, "edit", " IMAGE", "for what changes besides the label"))
    return Judgement(
        quality, weak, Weakness("edits get the label and keep the image", "edit", " IMAGE", "by eye")
    )


def translation(measures: Mapping[str, Measure]) -> Judgement | None:
    """Translations in the worse direction, and whether they are nearer to the target than the source is."""
    taken = {name: m for name, m in measures.items() if name.startswith("taken for the target") and m.floor}
    if not taken:
        return None
    name = min(taken, key=lambda name: taken[name].value / (taken[name].floor or 1))
    worst, direction = taken[name], name.rpartition(", ")[2]
    share = worst.value / (worst.floor or 1)
    quality = f"translations are {grade(share)}: {worst.value:.0%} of {direction} are taken for the target, "
    quality += f"{worst.floor:.0%} of real images are"
    text, rest = f"no direction is far below real images; the lower is {direction}", " IMAGES"
    weak = []
    if share < GOOD:
        weak.append(
            Weakness(f"{direction} is the weaker direction", "translate", rest, "for images unchanged")
        )
    return Judgement(quality, weak, Weakness(text, "translate", rest, "and judge by eye"))


def is_copying(measures: Mapping[str, Measure]) -> bool:
    """Whether more samples are nearer to a training image than chance explains."""
    copied = measures.get("nearer to train")
    return copied is not None and copied.value >= max(COPIED, 0.5 + ERRORS * (copied.error or 0))


def focus(measures: Mapping[str, Measure]) -> float:
    """The sharpness of samples over that of real images; 1 where it is not known, and never 0."""
    sharp = measures.get("sharpness")
    return max(sharp.value / sharp.floor, 1e-9) if sharp and sharp.floor else 1.0


def shares(measures: Mapping[str, Measure], names: tuple[str, ...]) -> dict[str, float]:
    """By name, what each of the measures that there are reaches of real images' value, 0 to 1."""
    reached = {}
    for name in names:
        measure = find(measures, name)
        if measure is not None and measure.floor:
            reached[name] = min(measure.value / measure.floor, 1.0)
    return reached


def find(measures: Mapping[str, Measure], name: str) -> Measure | None:
    """The measure of that name; of 'classes of 10' by its first word."""
    return next((m for key, m in measures.items() if key == name or key.startswith(f"{name} of ")), None)


def grade(share: float) -> str:
    """A share of real images in a word."""
    return next((word for least, word in GRADES.items() if share >= least), "poor")


def numbers(measure: Measure | None) -> str:
    """The value of a measure and that of real images."""
    return (
        ""
        if measure is None
        else f"{measure.format(measure.value)} (real images {measure.format(measure.floor)})"
    )
