"""One training session of a run: iterate, look, log, save, and stop where it is whole."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from limner.data import Dataset, Images, to_float, to_uint8
from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.figures import grid
from limner.models.base import Model
from limner.training.checkpoint import read_state, sweep, write_atomically, write_state, write_weights
from limner.training.progress import Display
from limner.training.run import Run, read_log
from limner.training.trainer import NotFinite, Trainer

HELD_OUT = 1000  # test images looked at once per tick
PREVIEW = 64  # images in a picture of samples/
VALIDATED = 1000  # validation images at a time


class Session:
    """One training session of a run."""

    def __init__(self, run: Run, model: Model, dataset: Dataset, save_seconds: float, quiet: bool) -> None:
        self.run, self.quiet, self.save_seconds = run, quiet, save_seconds
        settings, place = run.config["training"], model.device
        self.fresh = not (run.path / "state.pt").exists()
        pixels, labels = model.prepare(dataset.train.pixels, fresh=self.fresh), dataset.train.labels
        self.remarks = [*dataset.notes, *model.remarks(dataset.train.pixels)]
        kept = len(pixels) - settings.get("validation", 0)  # the last ones are for validation
        train, self.validation = (
            Images(pixels[part], labels[part] if labels is not None else None)
            for part in (slice(kept), slice(kept, None))
        )
        self.best: dict[str, Any] | None = None  # the weights with the lowest validation loss
        stream = Stream(train, settings["batch"], settings["seed"], place)
        self.trainer = Trainer(
            model,
            stream,
            precision=settings["precision"],
            clip=settings["clip"],
            ema_half_life=settings["ema_half_life"],
            lr_drops=settings.get("lr_drops", ()),
            lr_drop=settings.get("lr_drop", 0.1),
        )
        watched = self.validation
        if not len(watched):  # nothing is chosen by them, so test images may be watched
            watched = Images(model.prepare(dataset.test.pixels, fresh=False), dataset.test.labels)
        some = torch.randperm(len(watched), generator=torch.Generator().manual_seed(0))[:HELD_OUT]
        self.x = to_float(watched.pixels[some]).to(place)
        self.y = watched.labels[some].to(place) if watched.labels is not None else None
        self.seconds = 0.0

    def go(self, target: int) -> None:
        """Train until `target` images have been seen, from the start or from where the state was saved."""
        trainer, path = self.trainer, self.run.path
        sweep(path)
        if self.fresh:
            self.picture()
            self.save()
        else:
            self.restore(read_state(path / "state.pt"))
            self.keep_log_until(trainer.images_seen)
            if trainer.images_seen >= target:
                return  # nothing is left to do
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

    def restore(self, state: dict[str, Any]) -> None:
        """Put the trainer where it was; LimnerError where the state is of another model."""
        try:
            self.trainer.restore(state)
            self.best = state.get("best")
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise LimnerError(f"{self.run.path / 'state.pt'} is not of this run: {reason}") from None

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
        if self.best is not None:
            loss, images = self.best["loss"], self.best["images"]
            display.say(
                f"note: kept the weights of {images:,} images, the lowest validation loss: {loss:.4f}"
            )

    def log(self, means: dict[str, float], images: int, seconds: float) -> dict[str, Any]:
        """Append a line to log.jsonl: what was logged since the last, and the model on held-out images."""
        self.seconds += seconds
        line: dict[str, Any] = {"images": self.trainer.images_seen, "seconds": round(self.seconds, 3)}
        line |= {"images_per_second": round(images / seconds, 1)} | means
        with self.trainer.inference() as model:
            line |= {f"held_out/{name}": value for name, value in model.validate(self.x, self.y).items()}
            if len(self.validation):
                line["validation/loss"] = self.choose(model)
        with open(self.run.path / "log.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        return line

    def choose(self, model: Model) -> float:
        """The mean loss of all validation images; the weights are remembered where it is the lowest yet."""
        total, (pixels, labels) = 0.0, (self.validation.pixels, self.validation.labels)
        for part in torch.arange(len(pixels)).split(VALIDATED):
            x = to_float(pixels[part].to(model.device))
            y = labels[part].to(model.device) if labels is not None else None
            total += model.loss(x, y)[0].item() * len(part)
        loss = total / len(pixels)
        if self.best is None or loss < self.best["loss"]:
            weights = {name: value.clone() for name, value in model.state_dict().items()}
            self.best = {"loss": loss, "images": self.trainer.images_seen, "weights": weights}
        return loss

    def picture(self, last: bool = False) -> None:
        """Write samples/IMAGES.png, at image counts half as large again each time."""
        seen, folder = self.trainer.images_seen, self.run.path / "samples"
        before = max((int(p.stem) for p in folder.glob("[0-9]*.png")), default=-1)
        if seen == before or (seen < 1.5 * before and not last):
            return
        with self.trainer.inference() as model:
            pixels = to_uint8(model.preview(self.x[:PREVIEW], PREVIEW))
        write_atomically(folder / f"{seen:09d}.png", grid(pixels).save)

    def save(self) -> None:
        """Write what inference uses, the best or the last weights, and what resuming needs."""
        weights, images = self.trainer.model.state_dict() | self.trainer.averages, self.trainer.images_seen
        if self.best is not None:
            weights, images = self.best["weights"], self.best["images"]
        write_weights(self.run.path / "weights.safetensors", weights, images)
        write_state(self.run.path / "state.pt", self.trainer.state() | {"best": self.best})
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
