"""The contenders of throughput.py: each trains a lab's model for so many images and returns its speed."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from limner.models.base import Model

BATCH = 128
Measurement = dict[str, float]
Contender = Callable[[str, int], Measurement]  # (lab, images) -> speeds
GREY, COLOUR, SMALL = (1, 28, 28), (3, 64, 64), (3, 32, 32)
# the lecture's DCGAN, which is that of pytorch/examples
LECTURE: dict[str, Any] = {"loss": "non-saturating", "spectral_norm": False, "batch_norm": "both"}
# lab -> (model, options, images of one measurement)
LABS: dict[str, tuple[str, dict[str, Any], int]] = {
    "lab1": ("autoencoder", {}, 600_000),
    "lab2": ("conv-autoencoder", {}, 180_000),
    # what pythae builds by default for a 16-dimensional VAE: 784-512-16, a Gaussian of variance 1
    "vae": ("vae", {"hidden": (512,), "latent_dim": 16, "variance": "fixed", "sigma": 1.0}, 300_000),
    "gan": ("gan", {}, 200_000),
    "dcgan": ("dcgan", LECTURE | {"width": 64}, 12_800),
    "dcgan32": ("dcgan", LECTURE | {"width": 32}, 25_600),
    "dcgan-faces": ("dcgan", LECTURE | {"width": 64}, 2_560),
    "cgan": ("cgan", {"width": 32}, 12_800),
    "stylegan": ("stylegan", {}, 3_200),
    "cyclegan": ("cyclegan", {}, 150),
    "cyclegan16": ("cyclegan", {"width": 16, "d_width": 32}, 300),
}


def shape_of(lab: str) -> tuple[int, int, int]:
    """The shape of a lab's images."""
    if lab == "stylegan":
        return SMALL
    return COLOUR if lab in ("dcgan-faces", "cyclegan", "cyclegan16") else GREY


def batch_of(lab: str) -> int:
    """Images of an iteration; of a CycleGAN one pair."""
    return {"cyclegan": 1, "stylegan": 32}.get(LABS[lab][0], BATCH)


def load_pixels(shape: tuple[int, int, int] = GREY) -> Tensor:
    """60,000 images of MNIST's shape, MNIST itself where it is available; else noise, 6,000 in colour."""
    import torch

    from limner.data import load
    from limner.errors import LimnerError

    if shape[0] == 3:
        return torch.randint(0, 256, (6_000, *shape), dtype=torch.uint8)
    try:
        return load("mnist").train.pixels
    except LimnerError:
        return torch.randint(0, 256, (60_000, *shape), dtype=torch.uint8)


def build_model(lab: str) -> Model:
    """The lab's model with new weights."""
    import torch

    from limner.models import create

    torch.manual_seed(0)
    name, options, _ = LABS[lab]
    return create(name, shape_of(lab), **options)


def train_limner(lab: str, images: int, precision: str) -> Measurement:
    """`limner.train`: images/s of its iterations and of the whole call, peak memory in MB.

    It may run with another version of the library, so it uses only `train`, the data classes and the log.
    """
    import torch

    from limner.data import Dataset, Images

    name, options, _ = LABS[lab]
    if name == "cyclegan":
        return train_cyclegan(lab, images)
    x = load_pixels(shape_of(lab))
    labels = torch.arange(len(x)) % 10 if name == "cgan" else None
    test = Images(x[:10_000], None if labels is None else labels[:10_000], None)
    data = Dataset("bench", "bench", Images(x, labels, None), test, None, (), "bench")
    return time_training(
        name, data, {"images": images, "batch": batch_of(lab), "precision": precision} | options
    )


def train_cyclegan(lab: str, images: int) -> Measurement:
    """The same of a CycleGAN in fp32; its domains are random images."""
    from limner.data import Dataset, Domains, Images

    pixels = load_pixels(shape_of(lab)).split(1000)
    a, b = (
        Dataset(name, "bench", Images(x), Images(x[:100]), None, (), name)
        for name, x in zip("ab", pixels[:2], strict=True)
    )
    return time_training("cyclegan", Domains("bench", a, b), {"images": images} | LABS[lab][1])


def time_training(model: str, data: Any, settings: dict[str, Any]) -> Measurement:
    """The speeds and the peak memory of one call of `limner.train`."""
    import limner

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        limner.train(model, data, out=Path(folder) / "run", quiet=True, **settings)
        seconds = time.perf_counter() - start
        last = json.loads((Path(folder) / "run" / "log.jsonl").read_text().splitlines()[-1])
    return {
        "images_per_second": last["images"] / last["seconds"],
        "call": last["images"] / seconds,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def own_loop(lab: str, images: int, workers: int) -> Measurement:
    """What a competent user writes: a DataLoader over normalised tensors, Adam, a running loss."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Normalised(Dataset):
        def __init__(self) -> None:
            self.x = load_pixels()

        def __len__(self) -> int:
            return len(self.x)

        def __getitem__(self, i: int) -> torch.Tensor:
            return self.x[i].float() / 127.5 - 1

    model, images_seen, running = build_model(lab).train(), 0, 0.0
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loader = DataLoader(
        Normalised(), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    start = time.perf_counter()
    while images_seen < images:
        for x in loader:
            loss, _ = model.loss(x, None)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item()
            images_seen += len(x)
            if images_seen >= images:
                break
    return {"images_per_second": images_seen / (time.perf_counter() - start)}


def examples_loop(lab: str, images: int) -> Measurement:
    """The loop of pytorch/examples/dcgan on the same two networks, NCHW.

    As there: targets as tensors, gradients of all weights in every backward, the same fakes for both players,
    four `.item()` a step.  Faster than the original: normalised floats in memory (TensorDataset), where it
    opens and transforms files.
    """
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    from limner.models.dcgan import DCGAN

    model, images_seen = build_model(lab).train(), 0
    assert isinstance(model, DCGAN)
    G, D, criterion = model.G, model.D, nn.BCEWithLogitsLoss()
    optimizer_d, optimizer_g = (torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (D, G))
    pixels = load_pixels(shape_of(lab)).float() / 127.5 - 1
    loader = DataLoader(TensorDataset(pixels), BATCH, shuffle=True)
    start = time.perf_counter()
    while images_seen < images:
        for (x,) in loader:
            D.zero_grad()
            real, fake_label = torch.ones(len(x), 1), torch.zeros(len(x), 1)
            (error_real := criterion(output := D(x), real)).backward()
            logs = [output.mean().item()]
            fake = G(torch.randn(len(x), model.latent.dim))
            (error_fake := criterion(output := D(fake.detach()), fake_label)).backward()
            logs += [output.mean().item(), (error_real + error_fake).item()]
            optimizer_d.step()
            G.zero_grad()
            (error := criterion(D(fake), real)).backward()
            logs += [error.item()]
            optimizer_g.step()
            images_seen += len(x)
            if images_seen >= images:
                break
    return {"images_per_second": images_seen / (time.perf_counter() - start)}


def published_loop(lab: str, images: int) -> Measurement:
    """The loop of the published CycleGAN code on the same networks.

    As there: a batch of one from a DataLoader, six passes of generators, the discriminators without gradients
    for G's update, real and translated images judged apart, a pool of 50, eight `.item()` a step.
    """
    import itertools
    import random

    import torch
    from torch.nn.functional import l1_loss, mse_loss
    from torch.utils.data import DataLoader, TensorDataset

    from limner.models.cyclegan import CycleGAN

    model = build_model(lab).train()
    assert isinstance(model, CycleGAN)
    networks = {name: getattr(model, name) for name in ("G_A", "G_B", "D_A", "D_B")}
    G_A, G_B, D_A, D_B = networks.values()
    players = {"G": (G_A, G_B), "D": (D_A, D_B)}
    weights = {name: itertools.chain(*(net.parameters() for net in nets)) for name, nets in players.items()}
    adam_g, adam_d = (torch.optim.Adam(weights[name], 2e-4, (0.5, 0.999)) for name in "GD")
    pools: dict[str, list[torch.Tensor]] = {"A": [], "B": []}

    def query(pool: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        if len(pool) < 50:
            pool.append(x)
        elif random.random() < 0.5:
            place = random.randrange(50)
            pool[place], x = x, pool[place]
        return x

    def gan_loss(output: torch.Tensor, real: bool) -> torch.Tensor:
        return mse_loss(output, torch.full_like(output, float(real)))

    pixels = (load_pixels(shape_of(lab)).float() / 127.5 - 1).split(1000)
    loaders = [DataLoader(TensorDataset(x), 1, shuffle=True) for x in pixels[:2]]
    images_seen, start = 0, time.perf_counter()
    while images_seen < images:
        for (a,), (b,) in zip(*loaders, strict=True):
            fake_b, fake_a = G_B(a), G_A(b)
            back_a, back_b = G_A(fake_b), G_B(fake_a)
            for net in (D_A, D_B):
                net.requires_grad_(False)
            adam_g.zero_grad()
            losses = [
                l1_loss(G_A(a), a) * 5, l1_loss(G_B(b), b) * 5, gan_loss(D_A(fake_a), True),
                gan_loss(D_B(fake_b), True), l1_loss(back_a, a) * 10, l1_loss(back_b, b) * 10,
            ]  # fmt: skip
            sum(losses).backward()
            adam_g.step()
            for net in (D_A, D_B):
                net.requires_grad_(True)
            adam_d.zero_grad()
            for net, real, fake, pool in ((D_A, a, fake_a, "A"), (D_B, b, fake_b, "B")):
                shown = query(pools[pool], fake.detach())
                loss = (gan_loss(net(real), True) + gan_loss(net(shown), False)) / 2
                loss.backward()
                losses.append(loss)
            adam_d.step()
            for loss in losses:
                loss.item()
            images_seen += 1
            if images_seen >= images:
                break
    return {"images_per_second": images_seen / (time.perf_counter() - start)}


def bare_step(lab: str, images: int, precision: str) -> Measurement:
    """The same networks and optimiser on one batch in memory, and nothing else."""
    import torch

    from limner.data import to_float

    model = build_model(lab).train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch has it
    (optimizer,) = model.optimizers().values()
    x = to_float(load_pixels()[:BATCH])
    start = time.perf_counter()
    for _ in range(images // BATCH):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss, _ = model.loss(x, None)
        loss.backward()
        optimizer.step()
    return {"images_per_second": images // BATCH * BATCH / (time.perf_counter() - start)}


LIMNER = ("limner", "limner bf16")
CONTENDERS: dict[str, Contender] = {
    "limner": lambda lab, images: train_limner(lab, images, "fp32"),
    "limner bf16": lambda lab, images: train_limner(lab, images, "bf16"),
    "own loop": lambda lab, images: own_loop(lab, images, workers=0),
    "own loop, 2 workers": lambda lab, images: own_loop(lab, images, workers=2),
    "bare step": lambda lab, images: bare_step(lab, images, "fp32"),
    "bare step bf16": lambda lab, images: bare_step(lab, images, "bf16"),
    "pytorch/examples' loop": examples_loop,
    "published loop": published_loop,
}


def contenders_of(lab: str) -> list[str]:
    """Loops that train a lab's model: one objective, DCGAN, or another GAN."""
    model = LABS[lab][0]
    if model == "stylegan":
        return ["limner"]
    if model in ("gan", "cgan"):
        return [*LIMNER]
    if model == "dcgan":
        return [*LIMNER, "pytorch/examples' loop"]
    if model == "cyclegan":
        return ["limner", "published loop"]
    return [name for name in CONTENDERS if name not in ("pytorch/examples' loop", "published loop")]
