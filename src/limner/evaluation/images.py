"""Measures of images: reconstructions, samples, their classes, memorisation, labels asked for, smoothness."""

from __future__ import annotations

import torch
from torch import Tensor

from limner.data import Images, to_float, to_uint8
from limner.errors import LimnerError
from limner.evaluation.measures import Measure, mean_of
from limner.evaluation.subject import Subject
from limner.explore.codes import code_marginals, seeded
from limner.explore.samples import drawn, fitted_priors
from limner.metrics import (
    Extractor,
    apart,
    authentic,
    bootstrap,
    class_counts,
    class_kl,
    class_kl_floor,
    classes_present,
    classifier_score,
    feature_distance,
    frechet,
    frechet_limit,
    gan_train,
    kid,
    kid_blocks,
    memorisation,
    moments,
    mse,
    path_length,
    pca_mse,
    per_class_frechet,
    prdc,
    psnr,
    ssim,
)

BOOTSTRAPS = 200
BLOCK = 1000  # features in a block of the kernel distance
PATHS = 1000
TRAINED = 10_000  # samples that a classifier learns from


def reconstruction(subject: Subject) -> list[Measure]:
    """How near reconstructions of test images are, beside PCA with as many numbers."""
    x, y = to_float(subject.given), subject.reconstructions
    scale = "pixels in [0, 1]"
    found = [mean_of("mse", mse(x, y), form=".5f", better="lower", note=scale)]
    found += linear_codes(subject, x)
    found.append(mean_of("psnr", psnr(x, y), form=".2f", better="higher", note="dB, mean of images"))
    try:
        found.append(mean_of("ssim", ssim(x, y), form=".4f", better="higher"))
    except LimnerError as error:  # torchmetrics is not installed
        subject.left_out.append(str(error))
    if too_few(subject, name := f"fd[{subject.measured.name}], reconstructed"):
        return found
    made = subject.measured.features(to_uint8(y))
    what = "what the decoder alone costs; images against those they reconstruct"
    distance = frechet(made, subject.test_features)
    return [*found, Measure(name, distance, subject.n, better="lower", note=what)]


def too_few(subject: Subject, name: str) -> bool:
    """Whether there are too few images for a Frechet distance in these features, which is then said."""
    n, d = subject.n, subject.test_features.shape[1]
    if n < 2 * d:
        subject.left_out.append(f"{name} of {n} images: {d} features want {2 * d} or more")
    return n < 2 * d


def linear_codes(subject: Subject, x: Tensor) -> list[Measure]:
    """The error of PCA with as many numbers as the code has, where there are so many."""
    train, size = subject.model.prepare(subject.data.train.pixels, fresh=False), subject.model.latent_dim
    if size > min(len(train), train[0].numel()):
        return []
    error = pca_mse(to_float(train), x, [size])[size]
    return [Measure("mse of PCA", error, len(x), note=f"{size} numbers too", form=".5f")]


def samples(subject: Subject) -> list[Measure]:
    """How far new images are from test images, how faithful and how varied."""
    real, made, train = subject.test_features, subject.sample_features, subject.training_features
    name, n, d = subject.measured.name, subject.n, real.shape[1]
    found: list[Measure] = []
    if not too_few(subject, f"fd[{name}]"):
        few = f"n is below 10 times {d} features: the floor is high" if n < 10 * d else ""
        error = None if subject.quick else resampled_frechet(made, real, subject.seed)
        found.append(
            Measure(f"fd[{name}]", frechet(made, real), n, error, frechet(train, real), "lower", few)
        )
    if n > 5 * d + 5:
        limit = frechet_limit(made, real, seed=subject.seed).value
        note = "for infinitely many samples"
        found.append(Measure(f"fd_inf[{name}]", limit, n, better="lower", note=note))
    if n >= 2 * d and not subject.quick:
        found += other_codes(subject)
    error = kid_blocks(made, real, min(BLOCK, n // 2), subject.seed)[1]
    floor = kid(train, real)
    found.append(Measure(f"kid[{name}]", kid(made, real), n, error, floor, "lower", form="#.3g"))
    ours, theirs = prdc(real, made), prdc(real, train)
    for measure, value in ours._asdict().items():
        share = measure != "density"
        error = (value * (1 - value) / n) ** 0.5 if share else None
        floor = getattr(theirs, measure)
        found.append(Measure(measure, value, n, error, floor, "higher", "k 5", ".3f"))
    return found


def resampled_frechet(x: Tensor, y: Tensor, seed: int) -> float:
    """The standard error of a Frechet distance over draws of both sets, by their weighted moments."""
    return bootstrap(lambda a, b: apart(moments(a), moments(b)), x, y, times=BOOTSTRAPS, seed=seed)


def other_codes(subject: Subject) -> list[Measure]:
    """The distance of samples whose codes are drawn from other densities than the model's own."""
    found = []
    for prior in fitted_priors(subject.run):
        made = subject.measured.features(drawn(subject.run, subject.n, prior, subject.seed))
        distance = frechet(made, subject.test_features)
        note = f"codes drawn from '{prior}', fitted to the training codes"
        found.append(
            Measure(f"fd[{subject.measured.name}], {prior}", distance, subject.n, better="lower", note=note)
        )
    return found


def modes(subject: Subject) -> list[Measure]:
    """Which classes samples are of, how evenly and how surely, by a classifier of real images."""
    judge = subject.measured
    if not (isinstance(judge, Extractor) and judge.labelled):
        subject.left_out.append(f"classes of samples: {judge.name} knows none")
        return []
    made, real = judge.classify(subject.samples), judge.classify(subject.data.test.pixels)
    counts, reference = class_counts(made), class_counts(real)
    classes, n = len(counts), subject.n
    present = float(classes_present(counts, max(1, round(n / classes / 10))))
    least = "with a tenth of an even share or more"
    score, best = classifier_score(made), classifier_score(real)
    found = [
        Measure(
            f"classes of {classes}",
            present,
            n,
            None,
            float(classes_present(reference)),
            "higher",
            least,
            ".0f",
        ),
        Measure(f"score[{judge.name}]", score, n, None, best, "higher", f"1 to {classes}", ".3f"),
    ]
    try:
        divergence = class_kl(counts, reference)
    except LimnerError as error:
        subject.left_out.append(f"KL of the classes: {error}")
        return found
    floor, note = class_kl_floor(classes, n), "nats, samples' classes against test images'"
    return [*found, Measure("kl of classes", divergence, n, None, floor, "lower", note, ".4f")]


def memory(subject: Subject) -> list[Measure]:
    """Whether samples are nearer to training images than to held-out ones, by features."""
    train, made, real = subject.training_features, subject.sample_features, subject.test_features
    ours = memorisation(made, train, real, subject.seed)
    n, by = subject.n, f"by features; {ours.n:,} training and as many test images"
    error = (ours.copied * (1 - ours.copied) / n) ** 0.5
    held_out = float(authentic(real, train).double().mean())
    return [
        Measure("nearest train / test", ours.ratio, n, None, 1.0, "", by, ".3f"),
        Measure("nearer to train", ours.copied, n, error, 0.5, "", "share", ".3f"),
        Measure("authentic", ours.authentic, n, None, held_out, "", "share", ".3f"),
    ]


def conditional(subject: Subject) -> list[Measure]:
    """Whether samples are of the class asked for, and what a classifier learns from them."""
    judge, data = subject.measured, subject.data
    if not (isinstance(judge, Extractor) and judge.labelled) or data.test.labels is None:
        subject.left_out.append(f"labels asked for: {judge.name} knows no classes")
        return []
    generator = torch.Generator().manual_seed(subject.seed)
    asked = torch.randint(judge.classes, (subject.n,), generator=generator)
    with seeded(subject.seed):
        parts = [subject.model.sample(len(y), y.to(subject.model.device)) for y in asked.split(500)]
    pixels = torch.cat([to_uint8(part).cpu() for part in parts])
    right = (judge.classify(pixels).argmax(1) == asked).double()  # its mean is limner.metrics.gan_test
    note = "share of samples of the class asked for"
    found = [mean_of("gan-test", right, form=".4f", better="higher", floor=judge.accuracy, note=note)]
    per_class = per_class_frechet(
        judge.features(pixels), asked, judge.features(data.test.pixels), data.test.labels
    )
    for label, distance in per_class.items():
        name = data.classes[label] if data.classes else str(label)
        found.append(Measure(f"fd, class {name}", distance, int((asked == label).sum()), better="lower"))
    if not subject.quick:
        some, n = min(TRAINED, subject.n), "real test images told by a classifier trained on as many"
        learnt = gan_train(Images(pixels[:some], asked[:some]), data, subject.seed)
        chosen = torch.randperm(len(data.train), generator=generator)[:some]
        assert data.train.labels is not None
        real = gan_train(Images(data.train.pixels[chosen], data.train.labels[chosen]), data, subject.seed)
        found.append(Measure("gan-train", learnt, some, None, real, "higher", f"{n} samples", ".4f"))
    return found


def smoothness(subject: Subject) -> list[Measure]:
    """How far features move along straight ways between codes."""
    if not isinstance(subject.measured, Extractor):
        subject.left_out.append(f"path length: {subject.measured.name} takes bytes only")
        return []
    network, device = subject.measured.network, subject.model.device
    marginals = code_marginals(subject.run)

    def draw(n: int, generator: torch.Generator) -> Tensor:
        return marginals.draw(n, int(torch.randint(2**31, (), generator=generator)))

    way = "slerp" if marginals.kind == "normal" and marginals.name.startswith("N(0") else "lerp"
    pairs = 200 if subject.quick else PATHS
    place = next(network.parameters()).device
    length = path_length(
        lambda z: subject.model.decode(z.to(device)),
        draw,
        feature_distance(lambda x: network.features(x.to(place))),
        pairs,
        interpolation=way,
        seed=subject.seed,
    )
    kept = length.values.sort().values[pairs // 100 : pairs - pairs // 100]
    error = float(kept.std() / len(kept) ** 0.5)
    note = f"{way}, squared distance of features, 1 % tails left out"
    name = f"path length[{subject.measured.name}]"
    return [Measure(name, length.mean, pairs, error, better="lower", note=note)]
