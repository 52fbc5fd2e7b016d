"""Images per second of training, side by side in one run: Limner, a user's own loop, pythae, the bare step.

    python benchmarks/throughput.py                         # without pythae
    python benchmarks/throughput.py --pythae .venv-pythae   # with it, in an environment created if missing

    python benchmarks/throughput.py --labs dcgan dcgan-faces                 # GANs, against pytorch/examples
    python benchmarks/throughput.py --labs cyclegan cyclegan16               # against the published loop
    python benchmarks/throughput.py --labs stylegan --stylegan2 .venv-stylegan2   # against stylegan2-pytorch
    python benchmarks/throughput.py --profile cyclegan16                     # its operations by their time
    python benchmarks/throughput.py --against ../other --contenders limner   # two versions of Limner

Every contender trains in a process of its own, in turn, round after round.  Ratios are taken within each
round and their median is printed, so a machine whose speed drifts does not decide.  All contenders use batch
128, or one pair of a CycleGAN, and images of MNIST's shape, or of 64x64 in colour.  A contender's time runs
from its first batch to its last weights, after imports and loading of data.  Limner's is the time of its
iterations, from its log; the whole call of `train`, with set-up, held-out measurements, doctor, pictures and
checkpoints, is printed below.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from contenders import (
    CONTENDERS,
    LABS,
    LIMNER,
    Measurement,
    batch_of,
    build_model,
    contenders_of,
    load_pixels,
    shape_of,
)  # fmt: skip

OTHERS = Path(__file__).parent / "other_projects"
# project -> (its lab, script, packages, packages without what they ask for)
PROJECTS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "pythae": ("vae", "pythae_vae.py", ["pythae==0.1.2", "torch==2.13.0"], []),
    "stylegan2": (
        "stylegan",
        "stylegan2_step.py",
        ["torch==2.13.0", "numpy", "pillow", "einops", "kornia"],
        ["stylegan2-pytorch==1.9.0"],
    ),
}
# capacities of stylegan2-pytorch's G and D: as published with G's channels those of Limner; with G of nearly
# the same number of multiplications (16.2 and 14.8 million at 32 pixels); with both (D: 12.6 and 15.7)
CAPACITIES = {"same channels": (8, 8), "same G": (6, 6), "same G and D": (6, 3)}
AGAINST = "other "  # before a contender's name: the same with the other version of Limner


def prepare_python(folder: Path, project: str) -> str:
    """The python of an environment with a project's packages, created if it is missing."""
    python, ready = folder / "bin" / "python", folder / "ready"
    _, _, packages, alone = PROJECTS[project]
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "-q"]
        subprocess.run([*install, *packages], check=True)
        if alone:
            subprocess.run([*install, "--no-deps", *alone], check=True)
        ready.touch()
    return str(python)


def measure(contender: str, lab: str, images: int, against: Path | None) -> Measurement:
    """One measurement in a process of its own."""
    environment, name = dict(os.environ), contender.removeprefix(AGAINST)
    root = Path(__file__).resolve().parents[1]
    if contender.startswith(AGAINST):
        assert against is not None
        root = against.resolve()
    environment["PYTHONPATH"] = str(root / "src")
    words = [sys.executable, __file__, "--one", name, lab, str(images)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    result: Measurement = json.loads(done.stdout.splitlines()[-1])
    return result


def measure_project(project: str, images: int, environment: Path, *words: str) -> Measurement:
    """One measurement of another project, in its own environment."""
    import torch

    lab, script, *_ = PROJECTS[project]
    with tempfile.NamedTemporaryFile(suffix=".pt") as file:
        torch.save(load_pixels(shape_of(lab)).clone(), file.name)
        arguments = [str(images), str(batch_of(lab)), file.name, *words]
        command = [prepare_python(environment, project), str(OTHERS / script), *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: Measurement = json.loads(done.stdout.splitlines()[-1])
    return result


def measure_projects(lab: str, images: int, arguments: argparse.Namespace) -> dict[str, Measurement]:
    """The measurements of the other projects that the command line asks for."""
    if arguments.pythae is not None and lab == "vae":
        return {"pythae": measure_project("pythae", images, arguments.pythae)}
    if arguments.stylegan2 is not None and lab == "stylegan":
        return {
            f"stylegan2, {name}": measure_project("stylegan2", images, arguments.stylegan2, str(g), str(d))
            for name, (g, d) in CAPACITIES.items()
        }
    return {}


def run_one(contender: str, lab: str, images: int) -> None:
    """In a contender's process: measure, and print the result; stop where another version was imported."""
    import limner

    expected = Path(os.environ["PYTHONPATH"]) / "limner" / "__init__.py"
    if not Path(str(limner.__file__)).samefile(expected):
        sys.exit(f"this measures {limner.__file__}, not {expected}")
    print(json.dumps(CONTENDERS[contender](lab, images)))


def run_lab(lab: str, arguments: argparse.Namespace) -> None:
    """Measure all contenders of a lab, round after round, and print the table."""
    names = [name for name in contenders_of(lab) if name in (arguments.contenders or CONTENDERS)]
    if arguments.against is not None:
        names += [AGAINST + name for name in names if name in LIMNER]
    images = int(LABS[lab][2] * arguments.scale)
    rounds: list[dict[str, Measurement]] = []
    for number in range(arguments.rounds):
        order = names[::-1] if number % 2 else names  # no contender is always the first
        rounds.append({name: measure(name, lab, images, arguments.against) for name in order})
        rounds[-1] |= measure_projects(lab, images, arguments)
    print_table(lab, images, rounds)


def print_profile(lab: str) -> None:
    """The processor's time of ten iterations of a lab's model by operation, and the share of convolutions."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from limner.data import Images
    from limner.data.examples import Examples
    from limner.training.trainer import Trainer

    model = build_model(lab)
    a, b = (Images(load_pixels(shape_of(lab))[first : first + 200]) for first in (0, 200))
    examples = Examples(a, b if model.trains_on == "domains" else None)
    trainer = Trainer(model, examples.stream(batch_of(lab), 0, torch.device("cpu")))
    for _ in range(3):
        next(trainer)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(10):
            next(trainer)
    times = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    total = sum(times.values())
    for name, seconds in sorted(times.items(), key=lambda item: -item[1])[:12]:
        print(f"{name:60s}{seconds / total:7.1%}")
    convolutions = sum(seconds for name, seconds in times.items() if "conv" in name.lower())
    print(f"{lab}: convolutions {convolutions / total:.1%}, everything else {1 - convolutions / total:.1%}")


def print_table(lab: str, images: int, rounds: Sequence[dict[str, Measurement]]) -> None:
    """Medians, ranges, and Limner's speed as a multiple of each contender's, taken round by round."""
    names = list(rounds[0])
    ours = [name for name in LIMNER if name in names]
    print(f"\n{lab}: {images:,} images, batch {batch_of(lab)}, {len(rounds)} rounds")
    heads = "".join(f"{f'{name} /':>15s}" for name in ours)
    print(f"{'':24s}{'images/s':>10s}{'min':>10s}{'max':>10s}{heads}")
    for name in names:
        speeds = [r[name]["images_per_second"] for r in rounds]
        ratios = [median_ratio(rounds, our, name, "images_per_second") for our in ours]
        row = f"{statistics.median(speeds):10,.0f}{min(speeds):10,.0f}{max(speeds):10,.0f}"
        print(f"{name:24s}{row}{''.join(f'{ratio:15.2f}' for ratio in ratios)}", flush=True)
    for name in names:
        if "call" not in rounds[0][name]:
            continue
        call, peak = (statistics.median(r[name][what] for r in rounds) for what in ("call", "peak"))
        line = f"{name}: the whole call of train {call:,.0f} images/s, peak memory {peak:,.0f} MB"
        if name.startswith(AGAINST):
            ratio = median_ratio(rounds, name.removeprefix(AGAINST), name, "call")
            line += f"; the whole call of {name.removeprefix(AGAINST)} is {ratio:.2f} times as fast"
        print(line, flush=True)


def median_ratio(rounds: Sequence[dict[str, Measurement]], name: str, other: str, what: str) -> float:
    """The median over rounds of one contender's speed divided by another's."""
    return statistics.median(r[name][what] / r[other][what] for r in rounds)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--pythae", type=Path, metavar="VENV", help="environment for pythae, created if missing"
    )
    parser.add_argument(
        "--stylegan2", type=Path, metavar="VENV", help="environment for stylegan2-pytorch, likewise"
    )
    parser.add_argument(
        "--against", type=Path, metavar="PATH", help="another checkout of Limner, measured as 'other limner'"
    )
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, help="only these")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--labs", nargs="+", default=["lab1", "lab2", "vae"], choices=LABS)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of images per measurement")
    parser.add_argument("--profile", choices=LABS, metavar="LAB", help="print a lab's operations instead")
    parser.add_argument("--one", nargs=3, metavar=("CONTENDER", "LAB", "IMAGES"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.one:
        contender, lab, images = arguments.one
        run_one(contender, lab, int(images))
        return
    if arguments.profile:
        print_profile(arguments.profile)
        return
    for lab in arguments.labs:
        run_lab(lab, arguments)


if __name__ == "__main__":
    main()
