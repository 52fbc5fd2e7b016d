"""One training session of a run: iterate, look, log, save, and stop where it is whole."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
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
from limner.training.watcher import Call, Verdict, Watcher

HELD_OUT = 1000  # test images looked at once per tick
FEWEST = 20  # images, seen and held out, for a watcher to compare with
PREVIEW = 64  # images in a picture of samples/
DISTANCE = "doctor/distance"  # what the weights to go back to are chosen by
NEAREST = "distance to training images"  # how that is told
VALIDATED = 1000  # validation images at a time


class Session:
    """One training session of a run, looked on by the watcher that `call` gives."""

    def __init__(
        self,
        run: Run,
        model: Model,
        dataset: Dataset,
        save_seconds: float,
        quiet: bool,
        call: Call | None = None,
    ) -> None:
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
        self.best: dict[str, Any] | None = None  # the weights to keep instead of the last, and why
        self.nearest: dict[str, Any] | None = None  # the weights with the least distance, to go back to
        self.on_trouble, self.call = settings.get("on_trouble", "report"), call
        self.watcher: Watcher | None = None
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
        self.dataset = Dataset(**{**vars(dataset), "train": train})
        self.seconds, self.given_up = 0.0, False
        self.watched_before: dict[str, Any] | None = None

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
        watched = Images(to_uint8(self.x), self.y)
        some = min(len(watched), len(self.dataset.train)) >= FEWEST
        if self.on_trouble in ("stop", "restore") and not some:
            self.remarks.append(f"the doctor needs {FEWEST} images, seen and held out: nobody looks on")
        if self.call is not None and self.on_trouble != "ignore" and some:
            tick, lines = self.run.config["training"]["tick"], self.run.log
            self.watcher = self.call(trainer, self.dataset, watched, tick, lines)
            if self.watched_before is not None:
                self.watcher.restore(self.watched_before)
        with Display(self.run.name, trainer.images_seen, target, self.quiet) as display, stoppable() as stop:
            for remark in self.remarks:
                display.say(f"note: {remark}")
            try:
                self.loop(target, display, stop)
            except NotFinite as error:
                self.ended(str(error), display)
        if stop:
            raise KeyboardInterrupt if stop[0] == signal.SIGINT else SystemExit(128 + stop[0])

    def restore(self, state: dict[str, Any]) -> None:
        """Put the trainer where it was; LimnerError where the state is of another model."""
        try:
            self.trainer.restore(state)
            self.best, self.nearest = state.get("best"), state.get("nearest")
            self.watched_before = state.get("watcher")
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
            logs = next(trainer)
            if self.watcher is not None:
                self.watcher.iterated(logs)
            display.at(trainer.images_seen)
            if trainer.images_seen < next_tick:
                continue
            means = trainer.tick()  # waits for the device
            passed = time.monotonic() - began
            found = self.log(means, trainer.images_seen - since, passed, display)
            self.picture()
            if any(verdict.grave for verdict in found) and self.on_trouble in ("stop", "restore"):
                self.give_up(display)
                break
            if time.monotonic() - saved >= self.save_seconds:
                self.save()
                saved = time.monotonic()
            next_tick += tick
            since, began = trainer.images_seen, time.monotonic()
        if trainer.images_seen > since and not self.given_up:
            self.log(trainer.tick(), trainer.images_seen - since, time.monotonic() - began, display)
        self.picture(last=True)
        self.save()
        display.at(trainer.images_seen, last=True)
        if self.best is not None:
            value, images, by = self.best["value"], self.best["images"], self.best["by"]
            display.say(f"note: kept the weights of {images:,} images, the lowest {by}: {value:.4f}")

    def log(
        self, means: dict[str, float], images: int, seconds: float, display: Display
    ) -> Sequence[Verdict]:
        """Append a line to log.jsonl: means since the last, the model on held-out images, what is wrong."""
        self.seconds += seconds
        line: dict[str, Any] = {"images": self.trainer.images_seen, "seconds": round(self.seconds, 3)}
        line |= {"images_per_second": round(images / seconds, 1)} | means
        with self.trainer.inference() as model:
            line |= {f"held_out/{name}": value for name, value in model.validate(self.x, self.y).items()}
            if len(self.validation):
                line["validation/loss"] = self.choose(model)
        found = self.watcher.examined(line) if self.watcher is not None else []
        if self.on_trouble == "restore" and DISTANCE in line:
            self.nearest = self.lower(self.nearest, line[DISTANCE], NEAREST)
            if self.best is not None and self.best["by"] == NEAREST:  # it went back once, and was resumed
                self.best = self.nearest
        self.write(line)
        display.measure(line)
        for verdict in found:
            display.say(f"doctor: {verdict}")
        return found

    def write(self, line: dict[str, Any]) -> None:
        """Append a line to log.jsonl, without what is infinite or no number, which JSON does not know."""
        line = {k: v for k, v in line.items() if not isinstance(v, float) or isfinite(v)}
        with open(self.run.path / "log.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")

    def lower(self, best: dict[str, Any] | None, value: float, by: str) -> dict[str, Any] | None:
        """The weights as inference sees them now with what they were chosen by, or the better ones so far."""
        if not isfinite(value) or (best is not None and best["value"] <= value):
            return best
        now = self.trainer.model.state_dict() | self.trainer.averages
        weights = {name: tensor.clone() for name, tensor in now.items()}
        return {"value": value, "by": by, "images": self.trainer.images_seen, "weights": weights}

    def give_up(self, display: Display) -> None:
        """End the session because of a trouble, going back to the best weights if that was asked for."""
        self.given_up = True
        if self.on_trouble == "restore" and self.best is None:
            self.best = self.nearest
        display.say(f"doctor: stopped at {self.trainer.images_seen:,} images, as --on-trouble asks")

    def ended(self, why: str, display: Display) -> None:
        """A loss is not finite: note it; LimnerError unless the best weights were to be kept, and are."""
        if self.watcher is not None:
            line = {"images": self.trainer.images_seen, "seconds": round(self.seconds, 3)}
            self.write(line | {"not_finite": why, "troubles": ["not finite"]})
        best = self.best or self.nearest
        if self.on_trouble == "restore" and best is not None:
            weights, images, value = (best[name] for name in ("weights", "images", "value"))
            write_weights(self.run.path / "weights.safetensors", weights, images)
            display.say(f"doctor: {why}; went back to {images:,} images, {best['by']} {value:.4f}")
            return
        kept = f"{self.run.path} keeps the weights of {self.saved_images:,} images"
        raise LimnerError(f"{why}; {kept}") from None

    def choose(self, model: Model) -> float:
        """The mean loss of all validation images; the weights are remembered where it is the lowest yet."""
        total, (pixels, labels) = 0.0, (self.validation.pixels, self.validation.labels)
        for part in torch.arange(len(pixels)).split(VALIDATED):
            x = to_float(pixels[part].to(model.device))
            y = labels[part].to(model.device) if labels is not None else None
            total += model.loss(x, y)[0].item() * len(part)
        loss = total / len(pixels)
        self.best = self.lower(self.best, loss, "validation loss")
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
        state = self.trainer.state() | {"best": self.best, "nearest": self.nearest}
        state |= {"watcher": self.watcher.state() if self.watcher is not None else None}
        write_state(self.run.path / "state.pt", state)
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
