"""The sections of the demo's page, in the lecture's order; each takes the runs by their names in LABS."""

from __future__ import annotations

from pathlib import Path

from limner import explore
from limner.data import to_float, to_uint8
from limner.explore.samples import draw_samples
from limner.explore.timeline import preview_history
from limner.metrics import extractor, frechet, mse
from limner.plots import curves
from limner.recipes.measures import reconstruct
from limner.recipes.page import Page
from limner.training import Run

PRIORS = {"gaussian": "per-column Gaussian", "full": "full Gaussian", "gmm": "mixture of 10 Gaussians"}


def opening(page: Page, runs: dict[str, Run], scale: float) -> None:
    """What the page shows."""
    data = runs["lab1-autoencoder"].data
    text = (
        f"The data are handwritten digits: {len(data.train):,} for training, {len(data.test)} held out. "
        "Every picture and every number below comes from the runs that `limner demo` has just trained."
    )
    if scale < 1:
        text += " The runs were shortened, so the pictures are worse than those of a full run."
    page.text(text)


def closing(page: Page, out: Path, seconds: float) -> None:
    """Commands to try next."""
    page.heading("Next steps")
    page.text(
        f"This took {seconds:.0f} seconds. The runs are folders in `{out}`: try `limner interpolate "
        f"{out}/lab3-vae`, `limner map {out}/lab3-vae-2d --thumbnails`, or `limner train vae --data "
        "YOUR_FOLDER`."
    )


def autoencoders(page: Page, runs: dict[str, Run]) -> None:
    """Labs 1 and 2: reconstructions."""
    page.heading("1 and 2. Autoencoders: an image through a bottleneck")
    page.text(
        "An autoencoder compresses an image into a short code and reconstructs the image from the code. "
        "Lab 1 has fully connected layers and a code of 3 numbers; Lab 2 has convolutions and a code of 64 "
        "channels of 2x2. A larger code keeps more of the image."
    )
    names = ("lab1-autoencoder", "lab2-conv-autoencoder")
    rows = []
    for name in names:
        model = runs[name].model
        weights = sum(p.numel() for p in model.parameters())
        rows.append([name, f"{model.latent.dim}", f"{weights:,}", f"{test_error(runs[name]):.4f}"])
    page.table(["lab", "numbers in the code", "weights", "test error (MSE, pixels from 0 to 1)"], rows)
    for name in names:
        caption = f"{name}: held-out digits above, their reconstructions below"
        page.pictures((explore.reconstruct(runs[name]).image, caption))


def latent_maps(page: Page, runs: dict[str, Run]) -> None:
    """Labs 1 and 2: similar images have similar codes."""
    page.heading("The codes group similar images, although training used no labels")
    page.text(
        "Each point is the code of a digit, projected to two dimensions by t-SNE and coloured by its label. "
        "The accuracy is that of predicting a digit's label from its five nearest neighbours."
    )
    maps = [
        (explore.map_codes(runs[name]).image, f"{name}: held-out and training digits")
        for name in ("lab1-autoencoder", "lab2-conv-autoencoder")
    ]
    page.pictures(*maps)


def random_vectors(page: Page, runs: dict[str, Run]) -> None:
    """Lab 2's experiment: new images from an autoencoder, and why they are poor."""
    run = runs["lab2-conv-autoencoder"]
    page.heading("New images from random codes, and why they are poor")
    page.text(
        "A new digit needs a new code. The lecture draws each of the 256 numbers at random, with the mean "
        "and the standard deviation of that number over the training codes. The images are less clear than "
        "any reconstruction: the true distribution of the codes is unknown, and numbers drawn independently "
        "ignore their correlations. A Gaussian with their full covariance helps, and so does a mixture of "
        "Gaussians, but the decoder was trained for none of these distributions."
    )
    page.pictures(*[(explore.sample(run, n=36, prior=kind).image, text) for kind, text in PRIORS.items()])


def variational(page: Page, runs: dict[str, Run]) -> None:
    """Lab 3: a model with a prior."""
    vae, autoencoder = runs["lab3-vae"], runs["lab2-conv-autoencoder"]
    page.heading("3. The variational autoencoder: codes with a known distribution")
    page.text(
        "The VAE's encoder gives each image a small Gaussian of codes instead of a single code, and its loss "
        "has a term that grows with the distance (KL divergence, in nats) of that Gaussian from N(0, I). So "
        "the codes of all images together are distributed approximately as N(0, I), and the decoder has "
        "learned to decode codes drawn from it."
    )
    line = vae.log[-1]
    page.text(
        f"After {line['images']:,} images the bound on held-out digits is {line['held_out/elbo']:.0f} "
        f"nats per image: {-line['held_out/rec']:.0f} of reconstruction minus {line['held_out/kl']:.1f} of "
        f"KL; {line['held_out/active_units']} of {len(line['held_out/kl_per_dim'])} numbers of the code are "
        f"active. (The pixels are Gaussian with standard deviation {line['held_out/sigma']:.2f}; their "
        "likelihood is a density, so the bound may be positive.)"
    )
    page.pictures(
        (explore.sample(vae, n=36).image, "VAE, codes from N(0, I)"),
        (
            explore.sample(autoencoder, n=36, prior="gaussian").image,
            "For comparison: Lab 2's autoencoder, random codes, each number drawn independently",
        ),
    )


def distance_table(page: Page, runs: dict[str, Run]) -> None:
    """The distance of every set of images from the training images."""
    name, rows = distances(runs)
    page.text(
        "The table shows how far each set of images is from the training digits: the Frechet distance in "
        "the features of a small digit classifier. Lower is better; no model can be expected to be below the "
        "first line. Compare the VAE with Lab 2's independently drawn codes. A mixture of Gaussians fitted "
        "afterwards to an autoencoder's codes can be as good as the VAE or better: it, too, models the "
        "distribution of the codes."
    )
    page.table(["images", name], rows)


def code_variables(page: Page, runs: dict[str, Run]) -> None:
    """Lab 3: what the numbers of a code mean."""
    plane = explore.manifold(runs["lab3-vae-2d"], steps=16)
    page.pictures((plane.image, "A VAE with a code of two numbers: its images over all codes"))
    traversal = explore.traverse(runs["lab3-vae"], dims=8)
    page.pictures((traversal.image, "One number of the code varied at a time, the most important first"))


def adversarial(page: Page, runs: dict[str, Run]) -> None:
    """Lab 4: two players."""
    run = runs["lab4-gan"]
    page.heading("4. The GAN: two networks against each other")
    page.text(
        "A generator makes images from noise, a discriminator tries to tell them from real images, and "
        "each learns from the other. There is no likelihood and no encoder. At the equilibrium the "
        "discriminator can only answer 1/2, for every image."
    )
    page.pictures((preview_history(run, 14).image, "The same noise over training"))
    images = [line["images"] for line in run.log]
    series = {
        name: (images, [line[name] for line in run.log]) for name in ("loss/D", "loss/G", "D(x)", "D(G(z))")
    }
    losses = {name: series[name] for name in ("loss/D", "loss/G")}
    outputs = {name: series[name] for name in ("D(x)", "D(G(z))")}
    outputs["equilibrium"] = ([images[0], images[-1]], [0.5, 0.5])
    page.pictures(
        (
            curves(losses, xlabel="images seen", ylabel="loss", title="The two losses"),
            "They say little about the quality of the images: each depends on an opponent that changes.",
        ),
        (
            curves(
                outputs,
                xlabel="images seen",
                ylabel="mean of D",
                title="The discriminator's output for real and generated images",
            ),
            f"At the end: {run.log[-1]['D(x)']:.2f} for real images, "
            f"{run.log[-1]['D(G(z))']:.2f} for generated ones.",
        ),
    )
    page.pictures((explore.sample(run, n=64).image, "New digits from the GAN"))


def test_error(run: Run) -> float:
    """Mean squared error of the reconstructions of all test images, on the [0, 1] scale."""
    pixels = run.data.test.pixels
    return float(mse(reconstruct(run, pixels), to_float(pixels)).mean())


def distances(runs: dict[str, Run]) -> tuple[str, list[list[str]]]:
    """The name of the distance, and rows: Frechet distances of sets of images from the training images."""
    autoencoder = runs["lab2-conv-autoencoder"]
    real = autoencoder.data.train.pixels
    features, n = extractor(autoencoder.data), len(real)
    reference = features.features(real)
    sets = {"their reconstructions (Lab 2)": to_uint8(reconstruct(autoencoder, real))}
    for kind, text in PRIORS.items():
        sets[f"Lab 2, random codes: {text}"] = draw_samples(autoencoder, n, prior=kind)
    sets["Lab 3, VAE: N(0, I)"] = draw_samples(runs["lab3-vae"], n)
    sets["Lab 4, GAN"] = draw_samples(runs["lab4-gan"], n)
    floor = frechet(reference[::2], reference[1::2])
    rows = [["one half of the training images against the other", f"{floor:.0f}"]]
    rows += [[name, f"{frechet(features.features(x), reference):.0f}"] for name, x in sets.items()]
    return f"fd[{features.name}], n = {n:,}", rows


SECTIONS = (
    autoencoders, latent_maps, random_vectors, variational, distance_table, code_variables, adversarial,
)  # fmt: skip
