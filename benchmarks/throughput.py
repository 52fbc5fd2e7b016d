"""Images per second of training, side by side in one run: Limner, a user's own loop, pythae, the bare step.

    python benchmarks/throughput.py                       # without pythae
    python benchmarks/throughput.py --pythae .venv-pythae # with it, in its own environment, made if not there

    python benchmarks/throughput.py --labs dcgan dcgan32 dcgan-faces   # GANs, against pytorch/examples' loop

Every contender trains in a process of its own, in turn, round after round; the ratio of two is taken within
each round and the median is printed, so that a machine whose speed drifts does not decide.  All use batch 128
and images of MNIST's shape, or of 64x64 in colour.  A contender's clock runs from its first batch to its last
weight, after imports and data are there; Limner's includes its log, held-out measurements, pictures and
checkpoints, and the whole process is shown beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BATCH = 128
PYTHAE = ["pythae==0.1.2", "torch==2.13.0"]
Contender = Callable[[str, int], dict[str, float]]  # lab, images -> speeds
GREY, COLOUR = (1, 28, 28), (3, 64, 64)
# lab -> (model, options, images of one measurement)
LABS: dict[str, tuple[str, dict[str, Any], int]] = {
    "lab1": ("autoencoder", {}, 600_000),
    "lab2": ("conv-autoencoder", {}, 180_000),
    # what pythae builds by default for a 16-dimensional VAE: 784-512-16, a Gaussian of variance 1
    "vae": ("vae", {"hidden": (512,), "latent_dim": 16, "variance": "fixed", "sigma": 1.0}, 300_000),
    "dcgan": ("dcgan", {"width": 64}, 12_800),
    "dcgan32": ("dcgan", {"width": 32}, 25_600),
    "dcgan-faces": ("dcgan", {"width": 64}, 2_560),
}


def shape_of(lab: str) -> tuple[int, int, int]:
    return COLOUR if lab == "dcgan-faces" else GREY


def pixels(shape: tuple[int, int, int] = GREY) -> Any:
    """60,000 images of MNIST's shape, MNIST itself where it is at hand; else noise, 6,000 in colour."""
    import torch

    from limner.data import load
    from limner.errors import LimnerError

    if shape == COLOUR:
        return torch.randint(0, 256, (6_000, *shape), dtype=torch.uint8)
    try:
        return load("mnist").train.pixels
    except LimnerError:
        return torch.randint(0, 256, (60_000, *shape), dtype=torch.uint8)


def built(lab: str) -> Any:
    import torch

    from limner.models import create

    torch.manual_seed(0)
    name, options, _ = LABS[lab]
    return create(name, shape_of(lab), **options)


def limner(lab: str, images: int, precision: str) -> dict[str, float]:
    """`limner.train` as a whole."""
    import limner
    from limner.data import Dataset, Images
    from limner.training.session import Session

    name, options, _ = LABS[lab]
    x = pixels(shape_of(lab))
    data = Dataset("bench", "bench", Images(x, None, None), Images(x[:10_000], None, None), None, (), "bench")
    seconds = []
    go = Session.go

    def timed(self: Session, *words: Any) -> None:
        began = time.perf_counter()
        go(self, *words)
        seconds.append(time.perf_counter() - began)

    Session.go = timed  # type: ignore[method-assign]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"images": images, "batch": BATCH, "precision": precision, "quiet": True}
        limner.train(name, data, out=Path(folder) / "run", **settings, **options)
    call, peak = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"images_per_second": images / seconds[0], "call": images / call, "peak": peak}


def loop(lab: str, images: int, workers: int) -> dict[str, float]:
    """What a competent user writes: a DataLoader over normalised tensors, Adam, a running loss."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Normalised(Dataset):  # type: ignore[type-arg]
        def __init__(self) -> None:
            self.x = pixels()

        def __len__(self) -> int:
            return len(self.x)

        def __getitem__(self, i: int) -> torch.Tensor:
            return self.x[i].float() / 127.5 - 1

    model, seen, running = built(lab).train(), 0, 0.0
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loader = DataLoader(
        Normalised(), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    began = time.perf_counter()
    while seen < images:
        for x in loader:
            loss, _ = model.loss(x, None)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item()
            seen += len(x)
            if seen >= images:
                break
    return {"images_per_second": seen / (time.perf_counter() - began)}


def examples(lab: str, images: int) -> dict[str, float]:
    """The loop of pytorch/examples/dcgan on the same two networks, NCHW.

    Its own: targets as tensors, gradients of all weights in every backward, the same fakes for both players,
    four `.item()` a step.  Kinder than the original: normalised floats in memory (TensorDataset), where it
    opens and transforms files.
    """
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    model, seen = built(lab).train(), 0
    G, D, criterion = model.G, model.D, nn.BCEWithLogitsLoss()
    optimizer_d, optimizer_g = (torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (D, G))
    loader = DataLoader(TensorDataset(pixels(shape_of(lab)).float() / 127.5 - 1), BATCH, shuffle=True)
    began = time.perf_counter()
    while seen < images:
        for (x,) in loader:
            D.zero_grad()
            real, fake_label = torch.ones(len(x), 1), torch.zeros(len(x), 1)
            (error_real := criterion(output := D(x), real)).backward()
            told = [output.mean().item()]
            fake = G(torch.randn(len(x), model.latent_dim))
            (error_fake := criterion(output := D(fake.detach()), fake_label)).backward()
            told += [output.mean().item(), (error_real + error_fake).item()]
            optimizer_d.step()
            G.zero_grad()
            (error := criterion(D(fake), real)).backward()
            told += [error.item()]
            optimizer_g.step()
            seen += len(x)
            if seen >= images:
                break
    return {"images_per_second": seen / (time.perf_counter() - began)}


def bare(lab: str, images: int, precision: str) -> dict[str, float]:
    """The same networks and optimiser on one batch that is there already, and nothing else."""
    import torch

    from limner.data import to_float

    model = built(lab).train().to(memory_format=torch.channels_last)
    (optimizer,) = model.optimizers().values()
    x = to_float(pixels()[:BATCH])
    began = time.perf_counter()
    for _ in range(images // BATCH):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss, _ = model.loss(x, None)
        loss.backward()
        optimizer.step()
    return {"images_per_second": images // BATCH * BATCH / (time.perf_counter() - began)}


PYTHAE_CODE = """
import contextlib, io, json, logging, sys, tempfile, time
import torch
logging.disable(logging.CRITICAL)
from pythae.models import VAE, VAEConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.data.datasets import BaseDataset
images, batch = int(sys.argv[1]), int(sys.argv[2])
x = torch.load(sys.argv[3])[:images].float() / 255
torch.manual_seed(0)
model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=16, reconstruction_loss="mse"))
data = BaseDataset(x, torch.ones(len(x)))
config = BaseTrainerConfig(output_dir=tempfile.mkdtemp(), num_epochs=max(1, images // len(x)),
                           learning_rate=1e-3, per_device_train_batch_size=batch, no_cuda=True)
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    trainer = BaseTrainer(model=model, train_dataset=data, training_config=config)
    began = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - began
print(json.dumps({"images_per_second": len(x) * config.num_epochs / seconds}))
"""


def pythae_python(folder: Path) -> str:
    """The python of an environment with pythae in it, made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    found = subprocess.run([python, "-c", "import pythae"], capture_output=True, check=False)
    if found.returncode:
        subprocess.run([python, "-m", "pip", "install", "-q", *PYTHAE], check=True)
    return str(python)


def one(contender: str, lab: str, images: int, pythae: Path | None) -> dict[str, float]:
    """One measurement in a process of its own."""
    if contender == "pythae":
        import torch

        assert pythae is not None
        with tempfile.NamedTemporaryFile(suffix=".pt") as file:
            torch.save(pixels().clone(), file.name)
            words = [pythae_python(pythae), "-c", PYTHAE_CODE, str(images), str(BATCH), file.name]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
    else:
        words = [sys.executable, __file__, "--one", contender, lab, str(images)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


OURS = ("limner", "limner bf16")
CONTENDERS: dict[str, Contender] = {
    "limner": lambda lab, images: limner(lab, images, "fp32"),
    "limner bf16": lambda lab, images: limner(lab, images, "bf16"),
    "own loop": lambda lab, images: loop(lab, images, workers=0),
    "own loop, 2 workers": lambda lab, images: loop(lab, images, workers=2),
    "bare step": lambda lab, images: bare(lab, images, "fp32"),
    "bare step bf16": lambda lab, images: bare(lab, images, "bf16"),
}


def contenders(lab: str) -> dict[str, Contender]:
    """A model of one loss is trained by loops of one loss, a GAN by a GAN's."""
    gan = {name: CONTENDERS[name] for name in OURS} | {"pytorch/examples' loop": examples}
    return gan if LABS[lab][0] == "dcgan" else CONTENDERS


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--pythae", type=Path, metavar="VENV", help="environment for pythae, made if not there"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--labs", nargs="+", default=["lab1", "lab2", "vae"], choices=LABS)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of images per measurement")
    parser.add_argument("--one", nargs=3, metavar=("CONTENDER", "LAB", "IMAGES"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        contender, lab, images = asked.one
        print(json.dumps(contenders(lab)[contender](lab, int(images))))
        return
    for lab in asked.labs:
        names = [*contenders(lab), *(["pythae"] if asked.pythae and lab == "vae" else [])]
        images = int(LABS[lab][2] * asked.scale)
        rounds: list[dict[str, float]] = []
        for _ in range(asked.rounds):
            found = {name: one(name, lab, images, asked.pythae) for name in names}
            rounds.append({name: result["images_per_second"] for name, result in found.items()})
            rounds[-1] |= {f"{name} {what}": found[name][what] for name in OURS for what in ("call", "peak")}
        table(lab, images, names, rounds)


def table(lab: str, images: int, names: list[str], rounds: list[dict[str, float]]) -> None:
    """Medians, ranges, and what Limner's speed is as a multiple of each, taken round by round."""
    print(f"\n{lab}: {images:,} images, batch {BATCH}, {len(rounds)} rounds")
    print(f"{'':24s}{'images/s':>10s}{'min':>10s}{'max':>10s}{'limner /':>10s}{'limner bf16 /':>15s}")
    for name in names:
        speeds = [r[name] for r in rounds]
        ratios = [statistics.median(r[ours] / r[name] for r in rounds) for ours in OURS]
        row = f"{statistics.median(speeds):10,.0f}{min(speeds):10,.0f}{max(speeds):10,.0f}"
        print(f"{name:24s}{row}{ratios[0]:10.2f}{ratios[1]:15.2f}", flush=True)
    for name in OURS:
        call, peak = (statistics.median(r[f"{name} {what}"] for r in rounds) for what in ("call", "peak"))
        print(f"{name}: the whole call of train {call:,.0f} images/s, peak memory {peak:,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
