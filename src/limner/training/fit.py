"""Training as a user asks for it: a new run or the rest of an old one, safe to stop at any moment."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from limner import data as datasets
from limner.data import Dataset, to_float, to_uint8
from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.figures import grid
from limner.models import model_class, resolve
from limner.training.checkpoint import read_state, write_atomically, write_state, write_weights
from limner.training.progress import Display
from limner.training.run import Run, latest, load, new_folder, read_log, write_config
from limner.training.trainer import NotFinite, Precision, Trainer

HELD_OUT = 1000  # test images looked at once per tick
PREVIEW = 64  # images in a picture of samples/
LEAST_TICK = 10_000


def train(
    model: str | None = None,
    data: str | Path | Dataset | None = None,
    *,
    preset: str | None = None,
    epochs: float | None = None,
    images: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    size: int | None = None,
    channels: int | None = None,
    precision: Precision | None = None,
    clip: float | None = None,
    ema_half_life: float | None = None,
    save_seconds: float = 5.0,
    device: str | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Run:
    """Train a model on a data set and return its run.

    What is None takes the model's default or, resuming, the run's.
    model: a name in MODELS or 'module:Class'.  data: a name in NAMED, a path, or a Dataset; 'digits' by
    default.  The length is `epochs` or `images` (images seen).  `save_seconds` lies between checkpoints,
    which are made at ticks.  `resume` goes on with `out`, or with the newest run of that model and data.
    `options` are the model's.
    """
    out = Path(out).expanduser() if out is not None else None
    given = {
        "batch": batch,
        "seed": seed,
        "precision": precision,
        "clip": clip,
        "ema_half_life": ema_half_life,
    }
    if resume:
        run = existing(model, data, out)
        refuse_changes(run, model, {"size": size, "channels": channels, "preset": preset}, given, options)
        dataset = run.data
    else:
        if model is None:
            raise LimnerError("train needs a model: limner.models() lists them")
        dataset = datasets.load("digits" if data is None else data, size=size, channels=channels)
        run = begin(model, dataset, preset, given, options, out)
    target = total_images(run, dataset, epochs, images)
    if target != run.config["training"]["images"]:
        run.config["training"]["images"] = target
        write_config(run.path, run.config)
    Fit(run, dataset, device, save_seconds, quiet).go(target, resume)
    trained = Run(run.path)
    trained.data = dataset  # at hand: not to be read again
    trained.ensure_prior()
    return trained


def begin(
    model: str,
    dataset: Dataset,
    preset: str | None,
    given: dict[str, Any],
    options: dict[str, Any],
    out: Path | None,
) -> Run:
    """Check everything, then make the folder of a new run with its run.json."""
    cls = model_class(model)
    resolved = resolve(cls, preset, options)
    batch = resolved.pop("batch", cls.batch)
    with torch.random.fork_rng(), torch.device("meta"):
        cls(dataset.shape, **resolved)  # refuses options that cannot be, before anything is written
    defaults = {
        "images": 0,
        "batch": batch,
        "seed": 0,
        "precision": "fp32",
        "clip": None,
        "ema_half_life": 10_000,
    }
    training = defaults | {name: value for name, value in given.items() if value is not None}
    if training["batch"] < 1:
        raise LimnerError(f"batch must be at least 1, not {training['batch']}")
    training["tick"] = max(len(dataset.train), LEAST_TICK)
    about: dict[str, Any] = {"source": dataset.source, "name": dataset.name, "shape": list(dataset.shape)}
    about |= {"train": len(dataset.train), "test": len(dataset.test), "fingerprint": dataset.fingerprint}
    config = {"model": model, "preset": preset, "options": resolved, "data": about, "training": training}
    path = new_folder(model, dataset.name, out)
    write_config(path, config)
    return Run(path)


def existing(model: str | None, data: str | Path | Dataset | None, out: Path | None) -> Run:
    """The run that --resume means."""
    if out is not None:
        return load(out)
    if model is None:
        raise LimnerError("resume needs the run: give its folder as --out")
    name = data.name if isinstance(data, Dataset) else Path(data or "digits").stem
    path = latest(model, name)
    if path is None:
        raise LimnerError(
            f"there is no run of {model} on {name} to resume: train without --resume, or give its --out"
        )
    return Run(path)


def refuse_changes(
    run: Run, model: str | None, about: dict[str, Any], given: dict[str, Any], options: dict[str, Any]
) -> None:
    """A resumed run goes on with its own settings: LimnerError where another one is asked for."""
    config = run.config
    stored = {"model": config["model"], "preset": config["preset"], "channels": config["data"]["shape"][0]}
    stored |= {"size": config["data"]["shape"][1]} | config["training"] | config["options"]
    for name, value in ({"model": model} | about | given | options).items():
        value = list(value) if isinstance(value, tuple) else value
        if value is not None and value != stored.get(name):
            raise LimnerError(
                f"{run.name} was trained with {name} {stored.get(name)}, not {value}: "
                "leave it out, or train anew"
            )


def total_images(run: Run, dataset: Dataset, epochs: float | None, images: int | None) -> int:
    """How many images the run is to have seen in all."""
    if epochs is not None and images is not None:
        raise LimnerError("give either epochs or images, not both")
    asked = (
        images if images is not None else round(epochs * len(dataset.train)) if epochs is not None else None
    )
    if asked is None:
        return run.config["training"]["images"] or model_class(run.config["model"]).images
    if asked < 1:
        raise LimnerError(f"there must be at least one image to train on, not {asked}")
    return asked


class Fit:
    """One training session of a run."""

    def __init__(
        self, run: Run, dataset: Dataset, device: str | None, save_seconds: float, quiet: bool
    ) -> None:
        self.run, self.quiet, self.save_seconds = run, quiet, save_seconds
        settings = run.config["training"]
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.manual_seed(settings["seed"])
        model = run.new_model().to(place)
        fresh = not (run.path / "state.pt").exists()
        pixels = model.prepare(dataset.train.pixels, fresh=fresh)
        self.remarks = [*dataset.notes, *model.remarks(dataset.train.pixels)]
        stream = Stream(
            datasets.Images(pixels, dataset.train.labels, dataset.train.names),
            settings["batch"],
            settings["seed"],
            place,
        )
        self.trainer = Trainer(
            model,
            stream,
            precision=settings["precision"],
            clip=settings["clip"],
            ema_half_life=settings["ema_half_life"],
        )
        held_out = model.prepare(dataset.test.pixels, fresh=False)[:HELD_OUT]
        self.x = to_float(held_out).to(place)
        self.y = dataset.test.labels[:HELD_OUT].to(place) if dataset.test.labels is not None else None
        self.seconds = 0.0

    def go(self, target: int, resume: bool) -> None:
        """Train until `target` images have been seen."""
        trainer, path = self.trainer, self.run.path
        if resume:
            state = read_state(path / "state.pt")
            trainer.restore(state)
            self.keep_log_until(trainer.images_seen)
        else:
            self.picture()
            self.save()
        with Display(self.run.name, trainer.images_seen, target, self.quiet) as display, stoppable() as stop:
            for remark in self.remarks:
                display.say(f"note: {remark}")
            try:
                self.loop(target, display, stop)
            except NotFinite as error:
                raise LimnerError(
                    f"{error}; {path} keeps the weights of {self.saved_images:,} images"
                ) from None
        if stop:
            raise KeyboardInterrupt if stop[0] == signal.SIGINT else SystemExit(128 + stop[0])

    def loop(self, target: int, display: Display, stop: list[int]) -> None:
        """Iterate; at each tick read the numbers, log, look and save."""
        trainer, tick = self.trainer, self.run.config["training"]["tick"]
        next_tick = (trainer.images_seen // tick + 1) * tick
        since, began = trainer.images_seen, time.monotonic()
        saved = began
        while trainer.images_seen < target and not stop:
            next(trainer)
            display.at(trainer.images_seen)
            if trainer.images_seen < next_tick:
                continue
            means = trainer.tick()  # waits for the device
            passed = time.monotonic() - began
            display.measure(self.log(means, trainer.images_seen - since, passed))
            self.picture()
            if time.monotonic() - saved >= self.save_seconds:
                self.save()
                saved = time.monotonic()
            next_tick += tick
            since, began = trainer.images_seen, time.monotonic()
        if trainer.images_seen > since:
            display.measure(self.log(trainer.tick(), trainer.images_seen - since, time.monotonic() - began))
        self.picture(last=True)
        self.save()
        display.at(trainer.images_seen, last=True)

    def log(self, means: dict[str, float], images: int, seconds: float) -> dict[str, Any]:
        """Append a line to log.jsonl: what was logged since the last, and the model on held-out images."""
        self.seconds += seconds
        line: dict[str, Any] = {"images": self.trainer.images_seen, "seconds": round(self.seconds, 3)}
        line |= {"images_per_second": round(images / seconds, 1)} | means
        with self.trainer.inference() as model:
            line |= {f"held_out/{name}": value for name, value in model.validate(self.x, self.y).items()}
        with open(self.run.path / "log.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        return line

    def picture(self, last: bool = False) -> None:
        """Write samples/IMAGES.png, at image counts half as large again each time."""
        seen, folder = self.trainer.images_seen, self.run.path / "samples"
        before = max((int(p.stem) for p in folder.glob("[0-9]*.png")), default=-1)
        if seen == before or (seen < 1.5 * before and not last):
            return
        with self.trainer.inference() as model:
            pixels = to_uint8(model.preview(self.x[:PREVIEW]))
        write_atomically(folder / f"{seen:09d}.png", grid(pixels).save)

    def save(self) -> None:
        """Write what inference uses and what resuming needs."""
        weights = self.trainer.model.state_dict() | self.trainer.averages
        write_weights(self.run.path / "weights.safetensors", weights, self.trainer.images_seen)
        write_state(self.run.path / "state.pt", self.trainer.state() | {"seconds": self.seconds})
        self.saved_images = self.trainer.images_seen

    def keep_log_until(self, images: int) -> None:
        """Forget log lines and pictures from after the state that training goes on from."""
        path = self.run.path / "log.jsonl"
        kept = [line for line in read_log(path) if line["images"] <= images]
        self.seconds = kept[-1]["seconds"] if kept else 0.0
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_atomically(path, lambda beside: beside.write_text(text))
        for picture in (self.run.path / "samples").glob("[0-9]*.png"):
            if int(picture.stem) > images:
                picture.unlink()
        self.saved_images = images


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM in the list it yields, so that a loop can end where it is whole."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def receive(number: int, frame: Any) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: stop at once
        received.append(number)

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
