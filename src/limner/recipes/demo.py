"""The lecture's story in one page: its four labs, trained on the digits, with this run's own numbers."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any

import torch

from limner import explore
from limner.data import to_float, to_uint8
from limner.errors import LimnerError
from limner.explore.timeline import over_time
from limner.figures import curves
from limner.metrics import extractor, frechet
from limner.recipes.page import Page
from limner.training import Run, train
from limner.training.checkpoint import sweep

# name -> model, options, images seen, seconds it takes on two cores or so
LABS: dict[str, tuple[str, dict[str, Any], int, float]] = {
    "lab1-autoencoder": ("autoencoder", {}, 150_000, 5),
    "lab2-conv-autoencoder": ("conv-autoencoder", {"lr": 2e-3}, 100_000, 12),
    "lab3-vae-2d": ("vae", {"latent_dim": 2}, 150_000, 8),
    "lab3-vae": ("vae", {"latent_dim": 16}, 150_000, 8),
    "lab4-gan": ("gan", {"lr": 1e-3}, 280_000, 45),
}
PAGE_SECONDS = 22.0
PRIORS = {"gaussian": "per-column Gaussian", "full": "full Gaussian", "gmm": "mixture of 10 Gaussians"}


def demo(out: Path = Path("runs/demo"), *, scale: float = 1.0, quiet: bool = False) -> Path:
    """Train the four labs on the digits, write OUT/index.html and return its path.

    `scale` multiplies the images each lab sees.  The labs' runs are folders in OUT; a demo there before is
    replaced, anything else refused.
    """
    if not 0 < scale < math.inf:
        raise LimnerError(f"scale must be above 0 and finite, not {scale}")
    told, out = Told(quiet), out.expanduser()
    clear(out)
    runs: dict[str, Run] = {}
    for name, (model, options, images, _) in LABS.items():
        told.begin(name)
        seen = max(round(images * scale), 128)
        runs[name] = train(model, "digits", images=seen, out=out / name, quiet=quiet, **options)
    told.begin("the page")
    page = Page("Limner: a lecture's four labs, on this machine, just now")
    page.text(
        f"Handwritten digits, {len(runs['lab1-autoencoder'].data.train):,} for training and "
        f"{len(runs['lab1-autoencoder'].data.test)} held out; every picture and number below was made by "
        "the run that wrote this page."
        + (" It was a shortened run, so the pictures are poorer than they can be." if scale < 1 else "")
    )
    for section in (autoencoders, latent_maps, random_vectors, variational, adversarial):
        section(page, runs)
    closing(page, out, time.monotonic() - told.began)
    page.save(out / "index.html")
    return out / "index.html"


def clear(out: Path) -> None:
    """Remove the runs of an earlier demo; LimnerError, and nothing removed, where there is anything else."""
    if not out.exists():
        return
    if not out.is_dir():
        raise LimnerError(f"{out} is a file: choose another --out")
    ours = [path for name in LABS for path in run_files(out / name)] + [out / "index.html"]
    folders = [folder for name in LABS for folder in (out / name / "samples", out / name)]
    for path in sorted(out.rglob("*")):
        if path not in ours and path not in folders and path.name != ".DS_Store":
            raise LimnerError(f"{out} holds other things than a demo ({path.name}): choose another --out")
    for path in ours:
        path.unlink(missing_ok=True)
    for folder in folders:
        if folder.exists():
            (folder / ".DS_Store").unlink(missing_ok=True)
            folder.rmdir()


def run_files(path: Path) -> list[Path]:
    """The files that a run consists of, those of a writer that was killed too."""
    sweep(path)
    names = ("run.json", "log.jsonl", "weights.safetensors", "state.pt")
    return [path / name for name in names] + list((path / "samples").glob("[0-9]*.png"))


class Told:
    """Says which part begins and how long the rest will take, judged by the parts done."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.began, self.number = quiet, time.monotonic(), 0
        self.parts = {name: seconds for name, (_, _, _, seconds) in LABS.items()} | {"the page": PAGE_SECONDS}

    def begin(self, name: str) -> None:
        """The part of that name begins."""
        expected = list(self.parts.values())
        done = sum(expected[: self.number])
        pace = (time.monotonic() - self.began) / done if done else 1.0
        left = pace * sum(expected[self.number :])
        self.number += 1
        if not self.quiet:
            text = f"[{self.number}/{len(expected)}] {name}, about {max(round(left / 5) * 5, 5)} s to the end"
            print(text, file=sys.stderr, flush=True)


def autoencoders(page: Page, runs: dict[str, Run]) -> None:
    """Labs 1 and 2: reconstructions."""
    page.heading("1 and 2. Autoencoders: an image through a narrow place")
    page.text(
        "An autoencoder learns to squeeze an image into a short code and to draw it again. Lab 1 has "
        "fully connected layers and a code of 3 numbers; Lab 2 has convolutions and a code of 64 "
        "channels of 2x2. A wider code keeps more of the image."
    )
    rows = []
    for name in ("lab1-autoencoder", "lab2-conv-autoencoder"):
        run = runs[name]
        weights = sum(p.numel() for p in run.model.parameters())
        rows.append([name, f"{run.model.latent_dim}", f"{weights:,}", f"{test_error(run):.4f}"])
    page.table(["lab", "numbers in the code", "weights", "test error (MSE, pixels from 0 to 1)"], rows)
    for name in ("lab1-autoencoder", "lab2-conv-autoencoder"):
        page.pictures(
            (explore.reconstruct(runs[name]).image, f"{name}: held-out digits above, what comes out below")
        )


def latent_maps(page: Page, runs: dict[str, Run]) -> None:
    """Labs 1 and 2: similar images lie together."""
    page.heading("The codes group similar images, though no label was ever shown")
    page.text(
        "Each point is the code of a digit, brought to two dimensions by t-SNE and coloured by its label "
        "afterwards. The accuracy is that of guessing a digit's label from its five nearest neighbours."
    )
    shown = [
        (explore.map_codes(runs[name]).image, f"{name}: held-out and training digits")
        for name in ("lab1-autoencoder", "lab2-conv-autoencoder")
    ]
    page.pictures(*shown)


def random_vectors(page: Page, runs: dict[str, Run]) -> None:
    """Lab 2's experiment: new images from an autoencoder, and why they are poor."""
    run = runs["lab2-conv-autoencoder"]
    page.heading("New images from random codes, and why they are poor")
    page.text(
        "To draw a new digit one needs a new code. The lecture takes each of the 256 numbers at random, "
        "with the mean and the deviation that number has over the training codes. The result is less "
        "clear than any reconstruction: the true distribution of codes is unknown, and numbers drawn one "
        "by one ignore how they hang together. Knowing their covariance helps; a mixture of Gaussians "
        "helps in another way; none was what the decoder was trained for."
    )
    page.pictures(*[(explore.sample(run, n=36, prior=kind).image, text) for kind, text in PRIORS.items()])


def variational(page: Page, runs: dict[str, Run]) -> None:
    """Lab 3: the cure."""
    vae, plane = runs["lab3-vae"], runs["lab3-vae-2d"]
    page.heading("3. The variational autoencoder: codes with a known distribution")
    page.text(
        "The VAE's encoder gives each image a small cloud of codes instead of a point, and pays for every "
        "nat by which that cloud differs from N(0, I). So the clouds together come to lie like N(0, I), "
        "and a code drawn from it is one the decoder knows."
    )
    line = vae.log[-1]
    page.text(
        f"After {line['images']:,} images the bound on held-out digits is {line['held_out/elbo']:.0f} "
        f"nats an image: {-line['held_out/rec']:.0f} of reconstruction less {line['held_out/kl']:.1f} of "
        f"KL, in {line['held_out/active_units']} active of {len(line['held_out/kl_per_dim'])} numbers "
        f"(Gaussian pixels of deviation {line['held_out/sigma']:.2f}; a density, so it may be positive)."
    )
    page.pictures(
        (explore.sample(vae, n=36).image, "VAE, codes from N(0, I)"),
        (
            explore.sample(runs["lab2-conv-autoencoder"], n=36, prior="gaussian").image,
            "Lab 2's autoencoder, random per column, for comparison",
        ),
    )
    name, rows = distances(runs)
    page.text(
        "How far each set of images lies from the training digits: the Frechet distance between what a "
        "small digit classifier sees in the two sets. Less is better; the first line is as good as it gets. "
        "Compare the VAE with codes drawn column by column; and mind that a mixture fitted afterwards to an "
        "autoencoder's codes can come as near or nearer, for it too knows their distribution."
    )
    page.table(["images", name], rows)
    page.pictures((explore.manifold(plane, steps=16).image, "A VAE whose code is two numbers: all of it"))
    page.pictures((explore.traverse(vae, dims=8).image, "One number at a time, the most telling first"))


def adversarial(page: Page, runs: dict[str, Run]) -> None:
    """Lab 4: two players."""
    run = runs["lab4-gan"]
    page.heading("4. The GAN: two networks against each other")
    page.text(
        "A generator makes images from noise, a discriminator tells them from real ones, and each learns "
        "from the other. There is no likelihood and no encoder. At the equilibrium the discriminator "
        "could only say 1/2, to every image."
    )
    page.pictures((over_time(run, 14).image, "The same noise after more and more images"))
    seen = [line["images"] for line in run.log]
    series = lambda *keys: {key: (seen, [line[key] for line in run.log]) for key in keys}  # noqa: E731
    page.pictures(
        (
            curves(series("loss/D", "loss/G"), xlabel="images seen", ylabel="loss", title="The two losses"),
            "They say little about the images: each is measured against a moving opponent.",
        ),
        (
            curves(
                series("D(x)", "D(G(z))") | {"equilibrium": ([seen[0], seen[-1]], [0.5, 0.5])},
                xlabel="images seen",
                ylabel="mean of D",
                title="What the discriminator says of real and made images",
            ),
            f"At the end {run.log[-1]['D(x)']:.2f} of real, {run.log[-1]['D(G(z))']:.2f} of made ones.",
        ),
    )
    page.pictures((explore.sample(run, n=64).image, "New digits from the GAN"))


def closing(page: Page, out: Path, seconds: float) -> None:
    """What to do next."""
    page.heading("Go on")
    page.text(
        f"This took {seconds:.0f} seconds. The runs are folders in `{out}`: try `limner interpolate "
        f"{out}/lab3-vae`, `limner map {out}/lab3-vae-2d --thumbnails`, or `limner train vae --data "
        "YOUR_FOLDER`."
    )


@torch.no_grad()
def test_error(run: Run) -> float:
    """Mean squared error of the reconstructions of all test images, on the [0, 1] scale."""
    x = to_float(run.data.test.pixels).to(run.model.device)
    return (run.model(x) - x).square().mean().item() / 4


def distances(runs: dict[str, Run]) -> tuple[str, list[list[str]]]:
    """Frechet distances to the training images, of held-out, reconstructed and new images, and their name."""
    conv = runs["lab2-conv-autoencoder"]
    real, n = conv.data.train.pixels, len(conv.data.train)
    measured = extractor(conv.data)
    reference = measured.features(real)
    with torch.no_grad():
        rebuilt = to_uint8(conv.model(to_float(real).to(conv.model.device)))
    sets = {"their reconstructions (Lab 2)": rebuilt.cpu()}
    for kind, text in PRIORS.items():
        sets[f"Lab 2, random codes: {text}"] = explore.sample(conv, n, prior=kind).data["pixels"]
    sets["Lab 3, VAE: N(0, I)"] = explore.sample(runs["lab3-vae"], n).data["pixels"]
    sets["Lab 4, GAN"] = explore.sample(runs["lab4-gan"], n).data["pixels"]
    floor = frechet(reference[::2], reference[1::2])
    rows = [["one half of the training images against the other", f"{floor:.0f}"]]
    rows += [[name, f"{frechet(measured.features(x), reference):.0f}"] for name, x in sets.items()]
    return f"fd[{measured.name}], n = {n:,}", rows
