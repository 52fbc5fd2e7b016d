"""How often the doctor is right: every trouble made to happen, and healthy runs of every model, over seeds.

    python benchmarks/doctor.py --seeds 2 3 4 5 6 --out build/doctor
    python benchmarks/doctor.py --cost mnist      # its share of the processor's time, by model

A hit: the trouble that was made is told at some tick.  A false alarm: any verdict on a healthy run, at any
tick.  Rules were chosen on seeds 0 and 1 of some of these runs and on MNIST.  All is trained on the bundled
digits; a second call goes on where the first was stopped.  Writes doctor.md and doctor.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

import limner
from limner.data import Dataset, Images, load
from limner.doctor import TROUBLES, Doctor, Verdict, verdicts
from limner.models.base import Batch, Logs, Update
from limner.models.gan import GAN
from limner.training.checkpoint import write_atomically, write_json

TICK = 5000


class Grey(GAN):
    """A GAN whose output cannot be black or white: [-0.2, 0.2] where the data have [-1, 1]."""

    def generate(self, z: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        return super().generate(z, y) * 0.2


class Jolted(GAN):
    """A GAN whose learning rates are fifty times as high from the 600th iteration on."""

    def optimizers(self) -> dict[str, Optimizer]:
        self.jolted, self.iterations = super().optimizers(), 0
        return self.jolted

    def step(self, data: Iterator[Batch], update: Update) -> Logs:
        self.iterations += 1
        if self.iterations == 600:
            for optimizer in self.jolted.values():
                optimizer.param_groups[0]["lr"] *= 50
        return super().step(data, update)


def few(data: Dataset, n: int) -> Dataset:
    """The first n training images only."""
    assert data.train.labels is not None
    return replace(data, train=Images(data.train.pixels[:n].clone(), data.train.labels[:n].clone()))


def shuffled(data: Dataset, seed: int) -> Dataset:
    """Labels that belong to other images."""
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))
    assert data.train.labels is not None
    return replace(data, train=Images(data.train.pixels, data.train.labels[order]))


def cases(data: Dataset, seed: int) -> dict[str, tuple[str, Any, dict[str, Any]]]:
    """trouble -> (model, data, options): what is done to make it happen."""
    grey = f"{__name__}:Grey"
    return {
        "discriminator overpowers": ("gan", data, {"lr": 1e-2, "images": 50_000}),
        "discriminator too weak": ("gan", data, {"lr": 1e-3, "d_lr": 3e-6, "images": 50_000}),
        "generator gradient vanishes": (
            "gan", data, {"loss": "minimax", "lr": 1e-3, "d_lr": 3e-3, "dropout": 0.0, "images": 40_000},
        ),
        "mode collapse": ("gan", data, {"lr": 1e-3, "latent_dim": 1, "images": 90_000}),
        "oscillation without progress": (
            "gan", data,
            {"loss": "wasserstein", "penalty": "none", "lr": 1e-3, "averaged": "nothing", "images": 90_000},
        ),
        "discriminator overfits": ("gan", few(data, 64), {"lr": 1e-3, "dropout": 0.0, "images": 60_000}),
        "labels ignored": (
            "cgan", shuffled(data, seed), {"networks": "mlp", "lr": 1e-3, "images": 60_000},
        ),
        "posterior collapse": (
            "vae", data,
            {"beta": 30.0, "likelihood": "bernoulli", "binarisation": "dynamic", "images": 40_000},
        ),
        "prior mismatch": ("vae", data, {"beta": 2e-3, "images": 60_000}),
        "not finite": ("vae", data, {"lr": 1e15, "images": 20_000}),
        "dead configuration": (grey, data, {"images": 40_000}),
        "getting worse": (f"{__name__}:Jolted", data, {"lr": 1e-3, "images": 120_000}),
    }  # fmt: skip


HEALTHY: dict[str, dict[str, Any]] = {
    "autoencoder": {"images": 60_000},
    "conv-autoencoder": {"images": 40_000},
    "vae": {"images": 80_000},
    "gan": {"lr": 1e-3, "images": 150_000},
    "dcgan": {"width": 16, "images": 60_000},
    "cgan": {"networks": "mlp", "lr": 1e-3, "images": 150_000},
}


def told(path: Path) -> list[str]:
    """Every trouble that the doctor, as it is now, tells at some tick of the run's log."""
    lines = limner.load(path).log
    found = [verdict.name for n in range(len(lines)) for verdict in verdicts(lines[: n + 1])]
    return list(dict.fromkeys(found))


def ran(path: Path, model: str, data: Dataset, seed: int, options: dict[str, Any]) -> list[str]:
    """Train, unless it was before, and what the doctor told."""
    if not (path / "done").exists():
        resume = (path / "state.pt").exists()
        try:
            limner.train(model, data, out=path, seed=seed, tick=TICK, resume=resume, quiet=True, **options)
        except limner.LimnerError as error:  # not finite: that is one of the troubles
            if "keeps the weights" not in str(error):
                raise
        (path / "done").touch()
    return told(path)


def table(found: dict[str, dict[str, list[list[str]]]], seeds: int) -> str:
    """Hits and false alarms as Markdown."""
    lines = ["| trouble made | told in | told besides |", "|---|---|---|"]
    for name, runs in found["made"].items():
        others = Counter(other for told_of in runs for other in told_of if other != name)
        besides = ", ".join(f"{other} {n}" for other, n in others.most_common())
        lines.append(f"| {name} | {sum(name in one for one in runs)} of {seeds} | {besides} |")
    lines += ["", "| healthy run | false alarms | which |", "|---|---|---|"]
    for name, runs in found["healthy"].items():
        alarms = Counter(other for one in runs for other in one)
        which = ", ".join(f"{other} {n}" for other, n in alarms.most_common())
        lines.append(f"| {name} | {sum(bool(one) for one in runs)} of {seeds} | {which} |")
    return "\n".join(lines)


class Timed(Doctor):
    """A doctor that counts the processor's seconds it takes."""

    spent = 0.0

    def iterated(self, logs: Logs) -> None:
        began = time.process_time()
        super().iterated(logs)
        Timed.spent += time.process_time() - began

    def examined(self, line: dict[str, Any]) -> list[Verdict]:
        began = time.process_time()
        found = super().examined(line)
        Timed.spent += time.process_time() - began
        return found


def cost(name: str) -> None:
    """The doctor's share of three epochs of every model, one epoch of the convolutional ones."""
    data = load(name)
    for model, options in COSTS.items():
        Timed.spent, epochs = 0.0, 1 if "width" in options or model == "conv-autoencoder" else 3
        with tempfile.TemporaryDirectory() as out:
            began = time.process_time()
            limner.train(
                model, data, epochs=epochs, out=out, quiet=True, watcher=f"{__name__}:Timed", **options
            )
            whole = time.process_time() - began
        print(f"{model}: {Timed.spent / whole:.2%} of {whole:.0f} s", flush=True)


COSTS: dict[str, dict[str, Any]] = {
    "autoencoder": {}, "conv-autoencoder": {}, "vae": {}, "gan": {},
    "dcgan": {"width": 32}, "cgan": {"width": 32},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 4, 5, 6])
    parser.add_argument("--out", type=Path, default=Path("build/doctor"))
    parser.add_argument("--cost", metavar="DATA", help="measure what it costs instead")
    asked = parser.parse_args()
    if asked.cost:
        cost(asked.cost)
        return
    data = load("digits")
    found: dict[str, dict[str, list[list[str]]]] = {"made": {}, "healthy": {}}
    for seed in asked.seeds:
        runs = {("made", name): case for name, case in cases(data, seed).items()}
        runs |= {("healthy", name): (name, data, options) for name, options in HEALTHY.items()}
        for (kind, name), (model, images, options) in runs.items():
            folder = asked.out / f"{kind}-{name.replace(' ', '-')}-{seed}"
            verdict = ran(folder, model, images, seed, options)
            found[kind].setdefault(name, []).append(verdict)
            print(f"seed {seed}, {kind} {name}: {', '.join(verdict) or 'nothing'}", flush=True)
    assert set(found["made"]) == set(TROUBLES)
    text = table(found, len(asked.seeds))
    write_json(asked.out / "doctor.json", {"seeds": asked.seeds, **found})
    write_atomically(asked.out / "doctor.md", lambda beside: beside.write_text(text + "\n"))
    print(text)


if __name__ == "__main__":
    main()
