"""How often the doctor is right: every trouble made to happen, and healthy runs of every model, over seeds.

Games of every loss are among them: healthy ones, ones with a D that is too good, and ones with a fooled D.

    python benchmarks/doctor.py --seeds 2 3 4 --out build/doctor
    python benchmarks/doctor.py --cost mnist      # its share of the processor's time, by model

A hit: the injected trouble is named at some tick.  A false alarm: any verdict on a healthy run, at any tick.
Rules were chosen on seeds 0 and 1 of some of these runs and on MNIST.  All runs are trained on the bundled
digits; a second call continues where the first was stopped.  Writes doctor.md and doctor.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import interpolate

import limner
from limner import train_session
from limner.data import Dataset, Domains, Images, load
from limner.data.dataset import fingerprint
from limner.doctor import TROUBLES, Doctor, Verdict, verdicts
from limner.files import write_json, write_text
from limner.models import MODELS, model_class
from limner.models.adversarial import GAMES
from limner.models.base import Clock, Logs
from limner.models.cyclegan import CycleGAN
from limner.models.gan import GAN
from limner.training import NotFinite

TICK = 5000
Case = tuple[str, Dataset | Domains, dict[str, Any]]  # model, data, settings


class Grey(GAN):
    """A GAN whose output cannot be black or white: [-0.2, 0.2] where the data have [-1, 1]."""

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().generate(z, y) * 0.2


class Jolted(GAN):
    """A GAN whose learning rates are fifty times as high after 599 iterations."""

    def schedule(self, name: str, clock: Clock) -> dict[str, float]:
        return {"lr": self.rates[name] * (50 if clock.iteration >= 599 else 1)}


class Hiding(CycleGAN):
    """Its images of B are grey, with those of A in a pattern of a hundredth; its networks are not used."""

    def translate(self, x: Tensor, to: str = "B") -> Tensor:
        return x / 100 if to == "B" else (x * 100).clamp(-1, 1)


# tiny networks that learn in 150 iterations; images of 16x16 as they are
TRANSLATION: dict[str, Any] = {
    "width": 4, "blocks": 0, "d_width": 4, "d_layers": 1, "pool": 4, "flip": False, "shift": 0.0, "lr": 5e-3,
    "averaged": "nothing", "batch": 16, "images": 2400, "tick": 400,
}  # fmt: skip
EDITOR: dict[str, Any] = {
    "width": 8, "e_width": 8, "d_width": 8, "latent_dim": 16, "lr": 2e-3, "images": 40_000,
}  # fmt: skip
NO_GAMES = {"prior": 0.0, "image": 0.0, "confusion": 0.0, "random_labels": False, "latent_dim": 64}
TOO_STRONG = {"width": 1, "d_width": 16, "d_layers": 2, "d_norm": "none", "cycle": 100.0, "lr": 1e-2}


def noise(pixels: Tensor) -> Tensor:
    """Random pixels of the same shape."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, pixels.shape, generator=generator, dtype=torch.uint8)


def domains(data: Dataset, a: Callable[[Tensor], Tensor], b: Callable[[Tensor], Tensor]) -> Domains:
    """Every second image at 16x16, its pixels changed by `a`, and the others, changed by `b`."""

    def part(first: int, change: Callable[[Tensor], Tensor]) -> Dataset:
        def images(every: Images) -> Images:
            small = interpolate(every.pixels[first::2].float(), size=(16, 16), mode="area")
            return Images(change(small.to(torch.uint8)))

        train, test = images(data.train), images(data.test)
        return replace(data, train=train, test=test, classes=None, fingerprint=fingerprint(train, test))

    return Domains(data.name, part(0, a), part(1, b))


def healthy_data(model: str, data: Dataset) -> Dataset | Domains:
    """The data; for a model of two domains, half of them and the others on a grey background."""
    if model_class(model).trains_on == "domains":
        return domains(data, lambda pixels: pixels, lambda pixels: pixels // 2 + 100)
    return data


def few_images(data: Dataset, n: int) -> Dataset:
    """The data with the first n training images only."""
    return replace(data, train=data.train.subset(torch.arange(n)))


def shuffled_labels(data: Dataset, seed: int) -> Dataset:
    """The data with labels that belong to other images."""
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))
    assert data.train.labels is not None
    return replace(data, train=replace(data.train, labels=data.train.labels[order]))


def injections(data: Dataset, seed: int) -> dict[str, Case]:
    """trouble -> (model, data, settings) that make it happen."""
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
        "discriminator overfits": (
            "gan", few_images(data, 64), {"lr": 1e-3, "dropout": 0.0, "images": 60_000},
        ),
        "labels ignored": (
            "cgan", shuffled_labels(data, seed), {"networks": "mlp", "lr": 1e-3, "images": 60_000},
        ),
        "posterior collapse": (
            "vae", data,
            {"beta": 30.0, "likelihood": "bernoulli", "binarisation": "dynamic", "images": 40_000},
        ),
        "prior mismatch": ("vae", data, {"beta": 2e-3, "images": 60_000}),
        "identity lost": ("caae", data, EDITOR | {"networks": "paper"}),
        "codes off the prior": ("caae", data, EDITOR | NO_GAMES),
        "not finite": ("vae", data, {"lr": 1e15, "images": 20_000}),
        "dead configuration": (f"{__name__}:Grey", data, {"images": 40_000}),
        "getting worse": (f"{__name__}:Jolted", data, {"lr": 1e-3, "images": 120_000}),
        "discriminator too strong": (
            "cyclegan", domains(data, lambda p: p, noise), TRANSLATION | TOO_STRONG,
        ),
        "colours inverted": (
            "cyclegan", domains(data, lambda p: p, lambda p: 255 - p),
            TRANSLATION | {"cycle": 3.0, "identity": 0.0},
        ),
        "nothing translated": (
            "cyclegan", domains(data, lambda p: p // 4 + 96, lambda p: p // 4 + 96),
            TRANSLATION | {"cycle": 100.0},
        ),
        "hidden information": (
            f"{__name__}:Hiding", domains(data, lambda p: p, lambda p: 255 - p), TRANSLATION,
        ),
    }  # fmt: skip


# healthy runs at the models' full size; a model that is not listed is trained with its `tiny` options
HEALTHY: dict[str, dict[str, Any]] = {
    "autoencoder": {"images": 60_000},
    "conv-autoencoder": {"images": 40_000},
    "vae": {"images": 80_000},
    "gan": {"lr": 1e-3, "images": 150_000},
    "dcgan": {"width": 16, "images": 60_000},
    "cgan": {"networks": "mlp", "lr": 1e-3, "images": 150_000},
    "cyclegan": TRANSLATION | {"images": 8000},
    "caae": {"width": 32, "e_width": 16, "d_width": 24, "images": 80_000},
}


# small games of every loss: what each kind of run has, and the trouble that it has to show
SMALL: dict[str, Any] = {"hidden": (64, 64)}
HEALTHY_GAME = SMALL | {"lr": 2e-3, "batch": 32, "images": 120_000}
HEALTHY_CRITIC = HEALTHY_GAME | {"dropout": 0.0, "critic_steps": 2, "beta1": 0.0, "beta2": 0.9}
OVERPOWERED = SMALL | {"dropout": 0.0, "lr": 1e-4, "d_lr": 1e-2, "penalty": "none", "images": 60_000}
FAST_CRITIC = SMALL | {"dropout": 0.0, "lr": 1e-2, "beta1": 0.9, "images": 60_000}
FOOLED = SMALL | {"dropout": 0.0, "lr": 4e-3, "d_lr": 1e-6, "images": 20_000}
EXPECTED = {"overpowered": "discriminator overpowers", "fooled": "discriminator too weak"}


def games(data: Dataset) -> dict[tuple[str, str], Case]:
    """(kind of run, name) -> a run of each kind with each loss."""
    runs: dict[tuple[str, str], Case] = {}
    for loss in GAMES:
        overpowered = FAST_CRITIC if loss == "wasserstein" else OVERPOWERED
        healthy = HEALTHY_CRITIC if loss == "wasserstein" else HEALTHY_GAME
        runs["healthy", f"gan --loss {loss}"] = ("gan", data, healthy | {"loss": loss})
        runs["overpowered", loss] = ("gan", data, overpowered | {"loss": loss})
        runs["fooled", loss] = ("gan", data, FOOLED | {"loss": loss})
    return runs


def healthy_settings(model: str) -> dict[str, Any]:
    """Settings with which a model of the table trains well on the digits."""
    return HEALTHY.get(model) or {"images": 60_000, **model_class(model).tiny}


def named_troubles(path: Path) -> list[str]:
    """Every trouble that the doctor, as it is now, names at some tick of the run's log."""
    lines = limner.load(path).log
    names = [verdict.name for n in range(len(lines)) for verdict in verdicts(lines[: n + 1])]
    return list(dict.fromkeys(names))


def train_and_name(
    path: Path, model: str, data: Dataset | Domains, seed: int, settings: dict[str, Any]
) -> list[str]:
    """Train, unless that is done already; returns the troubles that the doctor names."""
    if not (path / "done").exists():
        resume = (path / "state.pt").exists()
        try:
            settings = {"tick": TICK} | settings
            limner.train(model, data, out=path, seed=seed, resume=resume, quiet=True, **settings)
        except NotFinite as error:  # one of the troubles
            print(error, flush=True)
        (path / "done").touch()
    return named_troubles(path)


def markdown(results: dict[str, dict[str, list[list[str]]]], seeds: int) -> str:
    """Hits and false alarms as tables; results: kind of run -> name -> the troubles of each seed."""
    lines = ["| injected trouble | named in | other troubles named |", "|---|---|---|"]
    for name, runs in results["injected"].items():
        others = Counter(other for troubles in runs for other in troubles if other != name)
        besides = ", ".join(f"{other} {n}" for other, n in others.most_common())
        lines.append(f"| {name} | {sum(name in troubles for troubles in runs)} of {seeds} | {besides} |")
    lines += ["", "| healthy run | false alarms | which |", "|---|---|---|"]
    for name, runs in results["healthy"].items():
        alarms = Counter(other for troubles in runs for other in troubles)
        which = ", ".join(f"{other} {n}" for other, n in alarms.most_common())
        lines.append(f"| {name} | {sum(bool(troubles) for troubles in runs)} of {seeds} | {which} |")
    lines += ["", "| loss | D is too good, and named so | D is fooled, and named so |", "|---|---|---|"]
    for loss in GAMES:
        hits = [sum(name in troubles for troubles in results[kind][loss]) for kind, name in EXPECTED.items()]
        lines.append(f"| {loss} | {hits[0]} of {seeds} | {hits[1]} of {seeds} |")
    return "\n".join(lines)


class Timed(Doctor):
    """A doctor that counts the processor's seconds that it takes."""

    seconds = 0.0

    def note(self, logs: Logs) -> None:
        with self.timer():
            super().note(logs)

    def examine(self, line: dict[str, Any]) -> list[Verdict]:
        with self.timer():
            return super().examine(line)

    @contextmanager
    def timer(self) -> Iterator[None]:
        """Add the processor's time of the block to the class's seconds."""
        start = time.process_time()
        yield
        Timed.seconds += time.process_time() - start


COST_SETTINGS: dict[str, dict[str, Any]] = {
    "conv-autoencoder": {"epochs": 1},
    "dcgan": {"width": 32, "epochs": 1},
    "cgan": {"width": 32, "epochs": 1},
    "cyclegan": {"images": 4000},
    "caae": {"width": 32, "epochs": 1},
}


def print_costs(name: str) -> None:
    """The doctor's share of three epochs of every model, or of one epoch of the convolutional ones."""
    data = load(name)
    for model in MODELS:
        Timed.seconds, settings = 0.0, COST_SETTINGS.get(model, {"epochs": 3})
        with tempfile.TemporaryDirectory() as out, patch.object(train_session, "Doctor", Timed):
            start = time.process_time()
            limner.train(model, healthy_data(model, data), out=f"{out}/run", quiet=True, **settings)
            total = time.process_time() - start
        print(f"{model}: {Timed.seconds / total:.2%} of {total:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 4, 5, 6])
    parser.add_argument("--out", type=Path, default=Path("build/doctor"))
    parser.add_argument("--cost", metavar="DATA", help="measure the cost instead")
    arguments = parser.parse_args()
    if arguments.cost:
        print_costs(arguments.cost)
        return
    data = load("digits")
    results: dict[str, dict[str, list[list[str]]]] = {kind: {} for kind in ("injected", "healthy", *EXPECTED)}
    for seed in arguments.seeds:
        runs = {("injected", name): case for name, case in injections(data, seed).items()}
        runs |= {
            ("healthy", model): (model, healthy_data(model, data), healthy_settings(model))
            for model in MODELS
        }
        runs |= games(data)
        for (kind, name), (model, images, settings) in runs.items():
            folder = arguments.out / f"{kind}-{name.replace(' ', '-')}-{seed}"
            troubles = train_and_name(folder, model, images, seed, settings)
            results[kind].setdefault(name, []).append(troubles)
            print(f"seed {seed}, {kind} {name}: {', '.join(troubles) or 'healthy'}", flush=True)
    assert set(results["injected"]) == set(TROUBLES)
    text = markdown(results, len(arguments.seeds))
    write_json(arguments.out / "doctor.json", {"seeds": arguments.seeds, **results})
    write_text(arguments.out / "doctor.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
