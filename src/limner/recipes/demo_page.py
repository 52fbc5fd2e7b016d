"""The sections of the demo's page, in the lecture's order."""

from __future__ import annotations

from pathlib import Path

from limner import explore
from limner.data import to_uint8
from limner.explore.samples import draw_samples
from limner.explore.timeline import read_previews
from limner.plots import curves, scatter
from limner.recipes.demo_measures import (
    GAN,
    PRIORS,
    SETS,
    VAE,
    Demo,
    one_of_each_class,
    reconstruction_error,
)
from limner.recipes.digits import describe_digits
from limner.recipes.measures import reconstruct
from limner.recipes.page import CHART, Figure, Page, chart, tiles
from limner.training import Run

MAP = (4.8, 4.4)
MOMENTS = 8  # rows of the GAN's images over training


def opening(page: Page, demo: Demo, scale: float) -> None:
    """What the page shows, and a digit of every class."""
    data = demo.data
    page.text(
        "Four ways to teach a network what handwritten digits look like, from the plain autoencoder to the "
        "GAN. Every picture and every number on this page comes from the runs that `limner demo` has just "
        "trained."
    )
    if scale < 1:
        page.text("The runs were shortened, so the pictures are worse than those of a full run.")
    caption = f"The data: {describe_digits(data)}. These ten are held out."
    counts = {"training digits": f"{len(data.train):,}", "held-out digits": f"{len(data.test):,}"}
    page.figure(Figure(tiles([one_of_each_class(data)], "A digit of every class"), caption, counts))


def autoencoders(page: Page, demo: Demo) -> None:
    """Labs 1 and 2: reconstructions."""
    page.heading("Labs 1 and 2. Autoencoders: an image through a bottleneck")
    page.text(
        "An autoencoder compresses an image into a short code and reconstructs the image from the code. "
        "Lab 1 has fully connected layers and a code of 3 numbers; Lab 2 has convolutions and a code of 64 "
        "channels of 2x2. A larger code keeps more of the image."
    )
    labs = {"Lab 1": demo.runs["lab1-autoencoder"], "Lab 2": demo.runs["lab2-conv-autoencoder"]}
    digits, numbers = one_of_each_class(demo.data), {}
    rows, labels = [digits], ["image"]
    for lab, run in labs.items():
        rows.append(to_uint8(reconstruct(run, digits)))
        labels.append(lab)
        weights = sum(p.numel() for p in run.model.parameters())
        name = f"{lab}, {run.model.latent.dim} numbers in the code, {weights:,} weights"
        numbers[name] = f"{reconstruction_error(run):.4f}"
    caption = (
        "Held-out digits and their reconstructions, and the mean squared error over all held-out digits, "
        "pixels from 0 to 1."
    )
    page.figure(Figure(tiles(rows, "Digits and reconstructions", labels), caption, numbers))


def latent_maps(page: Page, demo: Demo) -> None:
    """Labs 1 and 2: similar images have similar codes."""
    page.heading("Similar images have similar codes, although training used no labels")
    page.text(
        "Each point is the code of a digit, projected to two dimensions by t-SNE and coloured by its label. "
        "The accuracy is that of predicting a digit's label from its five nearest neighbours."
    )
    figures = []
    for lab, name in (("Lab 1", "lab1-autoencoder"), ("Lab 2", "lab2-conv-autoencoder")):
        data = explore.map_codes(demo.runs[name]).data
        picture = scatter(data["points"], data["labels"], demo.data.classes, size=MAP, legend=False)
        accuracy = {
            "accuracy by code": f"{data['accuracy']['codes']:.1%}",
            "accuracy by pixels": f"{data['accuracy']['pixels']:.1%}",
        }
        caption = f"{lab}: the codes of {len(data['index']):,} digits, {data['codes'].shape[1]} numbers each"
        figures.append(Figure(chart(picture, caption), caption, accuracy))
    page.row(*figures)


def random_vectors(page: Page, demo: Demo) -> None:
    """Lab 2's experiment: new images from an autoencoder, and why they are poor."""
    run = demo.runs["lab2-conv-autoencoder"]
    page.heading("New images from random codes, and why they are poor")
    page.text(
        "A new digit needs a new code. The lecture draws each of the 256 numbers at random, with the mean "
        "and the standard deviation of that number over the training codes. The images are less clear than "
        "any reconstruction: the true distribution of the codes is unknown, and numbers drawn independently "
        "ignore their correlations. A Gaussian with their full covariance helps, and so does a mixture of "
        "Gaussians, but the decoder was trained for none of these distributions.",
        f"The distance is the Frechet distance from {demo.n:,} training digits, in the features of a small "
        f"digit classifier: `fd[{demo.features}]`. Lower is better; that of other real digits is the limit.",
    )
    page.row(*[sample_figure(demo, run, kind, text, prior=kind) for kind, text in PRIORS.items()])


def sample_figure(demo: Demo, run: Run, name: str, caption: str, prior: str | None = None) -> Figure:
    """36 new images of a run, with the distance of the set of that name."""
    images = draw_samples(run, 36, prior=prior)
    return Figure(tiles(images.split(6), f"New digits: {caption}"), caption, demo.distance(name))


def variational(page: Page, demo: Demo) -> None:
    """Lab 3: a model with a prior."""
    vae, autoencoder = demo.runs["lab3-vae"], demo.runs["lab2-conv-autoencoder"]
    page.heading("Lab 3. The variational autoencoder: codes with a known distribution")
    page.text(
        "The VAE's encoder gives each image a small Gaussian of codes instead of a single code, and its loss "
        "has a term that grows with the distance (KL divergence, in nats) of that Gaussian from N(0, I). So "
        "the codes of all images together are distributed approximately as N(0, I), and the decoder has "
        "learned to decode codes drawn from it."
    )
    page.row(
        sample_figure(demo, vae, VAE, "VAE, codes from N(0, I)"),
        sample_figure(
            demo,
            autoencoder,
            "gaussian",
            "For comparison: Lab 2's autoencoder, each number of the code drawn independently",
            prior="gaussian",
        ),
    )
    line = vae.log[-1]
    page.text(
        f"After {line['images']:,} images the bound on held-out digits is {line['held_out/elbo']:.0f} "
        f"nats per image: {-line['held_out/rec']:.0f} of reconstruction minus {line['held_out/kl']:.1f} of "
        f"KL; {line['held_out/active_units']} of {len(line['held_out/kl_per_dim'])} numbers of the code are "
        f"active. (The pixels are Gaussian with standard deviation {line['held_out/sigma']:.2f}; their "
        "likelihood is a density, so the bound may be positive.)"
    )


def code_variables(page: Page, demo: Demo) -> None:
    """Lab 3: what the numbers of a code mean."""
    page.heading("What the numbers of a code mean")
    plane = explore.manifold(demo.runs["lab3-vae-2d"], steps=16)
    caption = (
        "A VAE with a code of two numbers, and its images over all codes: the first number grows to the "
        "right, the second upwards. Neighbouring codes are similar digits."
    )
    page.figure(Figure(tiles(list(plane.data["pixels"]), "Digits over the plane of codes", gap=0), caption))
    middle = len(demo.data.test) // 2  # the first digits are all 0 where the data are sorted
    traversal = explore.traverse(demo.runs["lab3-vae"], middle, dims=6).data
    shown = traversal["order"][:6].tolist()
    caption = (
        f"A VAE with a code of {len(traversal['order'])} numbers. In each row one number goes from -3 to +3 "
        "standard deviations, and the others stay. These six change the image most: by so much, as mean "
        "squared change, when they move by one deviation."
    )
    labels = [f"z{i}" for i in shown]
    changes = {f"`z{i}`": f"{traversal['importance'][i]:.4f}" for i in shown}
    page.figure(Figure(tiles(list(traversal["pixels"]), "One number varied", labels), caption, changes))


def adversarial(page: Page, demo: Demo) -> None:
    """Lab 4: two players."""
    run = demo.runs["lab4-gan"]
    page.heading("Lab 4. The GAN: two networks against each other")
    page.text(
        "A generator makes images from noise, a discriminator tries to tell them from real images, and "
        "each learns from the other. There is no likelihood and no encoder. At the equilibrium the "
        "discriminator can only answer 1/2, for every image."
    )
    previews = read_previews(run, 10)
    counts = list(previews)
    chosen = sorted({counts[round(i * (len(counts) - 1) / (MOMENTS - 1))] for i in range(MOMENTS)})
    page.figure(
        Figure(
            tiles([previews[c] for c in chosen], "The same noise over training", [f"{c:,}" for c in chosen]),
            "The same noise over training, with the number of images seen",
        )
    )
    page.row(*player_figures(run))
    images = draw_samples(run, 80)
    caption = "New digits from the GAN, not chosen"
    page.figure(Figure(tiles(images.split(10), "New digits"), caption, demo.distance(GAN)))


def player_figures(run: Run) -> list[Figure]:
    """Charts of the two losses and of the discriminator's output."""
    log = run.log
    images = [line["images"] for line in log]
    losses = {name: (images, [line[name] for line in log]) for name in ("loss/D", "loss/G")}
    outputs = {name: (images, [line[name] for line in log]) for name in ("D(x)", "D(G(z))")}
    outputs["equilibrium"] = ([images[0], images[-1]], [0.5, 0.5])
    said = "The two losses. They say little of the images: each depends on an opponent that changes."
    means = "The discriminator's mean output for real images, D(x), and for generated ones, D(G(z))."
    ends = {"D(x) at the end": f"{log[-1]['D(x)']:.2f}", "D(G(z)) at the end": f"{log[-1]['D(G(z))']:.2f}"}
    return [
        Figure(chart(curves(losses, xlabel="images seen", ylabel="loss", size=CHART), said), said),
        Figure(
            chart(curves(outputs, xlabel="images seen", ylabel="mean of D", size=CHART), means), means, ends
        ),
    ]


def summary(page: Page, demo: Demo) -> None:
    """The distance of every set of images from the training images, and what it says."""
    page.heading("How near each comes to real digits")
    distances = {text: demo.distances[name] for name, text in SETS.items()}
    head = f"Frechet distance from {demo.n:,} training digits, `fd[{demo.features}]`; lower is better"
    page.bars(head, distances)
    page.text(
        "No model can be expected to be below the first line. Compare the VAE with Lab 2's independently "
        "drawn codes. A mixture of Gaussians fitted afterwards to an autoencoder's codes can be as good as "
        "the VAE or better: it, too, models the distribution of the codes."
    )


def closing(page: Page, out: Path, seconds: float) -> None:
    """Commands to try next."""
    page.heading("Next steps")
    page.text(f"All this took {seconds:.0f} seconds. The runs are folders in `{out}`, for every other verb:")
    page.commands(
        [
            f"limner interpolate {out}/lab3-vae",
            f"limner map {out}/lab3-vae-2d --method pca --thumbnails",
            f"limner evaluate {out}/lab4-gan --quick",
            "limner train vae --data YOUR_FOLDER",
        ]
    )


SECTIONS = (
    autoencoders, latent_maps, random_vectors, variational, code_variables, adversarial, summary,
)  # fmt: skip
