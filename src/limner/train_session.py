"""One session of a run: the trainer, and everything that reads its ticks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from limner.data import Dataset, Domains, progress
from limner.data.examples import Examples, test_examples, training_examples
from limner.doctor.watch import FEWEST, Doctor
from limner.errors import LimnerError
from limner.files import remove_unfinished
from limner.models.base import Logs, Model
from limner.train_summary import summarise
from limner.training.best_weights import VALIDATION, WeightChoice
from limner.training.checkpoint import read_state, write_state, write_weights
from limner.training.control import LEAST_FACTOR, ControlReader
from limner.training.display import Display
from limner.training.duration import LONG, Duration, describe_duration, time_steps
from limner.training.held_out import HeldOut, preview_files, validation_loss
from limner.training.log import append_line, cut_log, read_log
from limner.training.queue import asks_to_stop, wait_for_turn
from limner.training.run import Run
from limner.training.session import Session
from limner.training.setup import split_validation
from limner.training.stop import StopSignal, stop_signals
from limner.training.trainer import NotFinite, Trainer

# what restoring from a state of another run, or a damaged one, raises
BAD_STATE = (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError)


class TrainingSession:
    """One session of a run: the trainer, and everything that reads its ticks.

    Log, screen, pictures, doctor, the choice of weights and checkpoints know nothing of each other; they meet
    in `run`.
    """

    def __init__(
        self, run: Run, network: Model, data: Dataset | Domains, quiet: bool, queue: bool = False
    ) -> None:
        self.path, self.config, self.quiet, self.queue = run.path, run.config.training, quiet, queue
        self.opened = run
        config = self.config
        assert config.batch is not None
        self.data, self.validation = split_validation(data, config)
        self.examples = training_examples(self.data)
        self.new = not (run.path / "state.pt").exists()
        if self.new:
            everything = training_examples(data)
            network.initialise(everything.images.pixels, everything.targets)
        stream = self.examples.stream(config.batch, config.seed, network.device)
        self.trainer = Trainer(network, stream, config)
        assert config.images is not None
        assert config.tick is not None
        self.session = Session(self.trainer, iter(self.trainer), config.images, config.tick)
        # without validation images nothing is chosen by the held-out ones, so test images may be used
        held_out = Examples(self.validation) if self.validation is not None else test_examples(data)
        self.held_out = HeldOut(held_out, network.device)
        self.weights = WeightChoice(remembers_nearest=config.on_trouble == "restore")
        self.notes = [*data.notes, *network.remarks(self.examples.images.pixels)]
        self.doctor: Doctor | None = None
        self.doctor_state: dict[str, Any] | None = None
        self.stored_images = 0  # images that the stored weights have seen

    def run(self) -> None:
        """Train until the run has its length, or until a signal or a severe trouble ends it."""
        config, trainer = self.config, self.trainer
        assert config.images is not None
        remove_unfinished(self.path)
        log = self.start() if self.new else self.resume()
        if trainer.images_seen >= config.images:  # a kill may have come between the last tick and its picture
            self.held_out.save_preview(trainer, self.path / "samples", last=True)
            return
        if self.queue and not self.wait_for_turn():
            return
        self.call_doctor(log)
        self.announce()
        display = Display(self.path.name, trainer.images_seen, config.images, self.quiet)
        with display, stop_signals() as stop:
            for note in self.notes:
                display.say(f"note: {note}")
            reader = self.control_reader(display, stop)
            self.session.iterations = stop.until(reader.follow(self.watched(display.follow(trainer))))
            saved = time.monotonic()
            try:
                for tick in self.session:
                    if self.record(tick.line(), display):
                        break
                    if time.monotonic() - saved >= config.save_seconds:
                        self.save()
                        saved = time.monotonic()
                trainer.check_finite()  # a signal may end training between two ticks
            except NotFinite as error:
                self.end_not_finite(error, display)
            else:
                self.end(display, stopped=stop.number is not None or reader.stopped)
        stop.leave()

    def start(self) -> list[dict[str, Any]]:
        """A new run: its first picture and checkpoint, before any iteration; the log is empty."""
        self.held_out.save_preview(self.trainer, self.path / "samples")
        self.save()
        return []

    def resume(self) -> list[dict[str, Any]]:
        """Go on from the last checkpoint; drop log lines and pictures from after it; returns the log."""
        path = self.path / "state.pt"
        state = read_state(path)
        try:
            self.trainer.restore(state)
            self.session.restore(state["session"])
            self.weights.restore(state["weight_choice"], self.trainer)
            self.doctor_state = state["doctor"]
            self.trainer.rate_factor = min(1.0, max(LEAST_FACTOR, float(state.get("rate_factor", 1))))
        except BAD_STATE as error:
            raise LimnerError(f"{path} is not of this run: {' '.join(str(error).split())[:200]}") from None
        except NotFinite:
            raise LimnerError(f"{path} is damaged: it holds numbers that are not finite") from None
        self.stored_images = images = self.trainer.images_seen
        for count, picture in preview_files(self.path / "samples").items():
            if count > images:
                picture.unlink()
        return cut_log(self.path / "log.jsonl", images)

    def wait_for_turn(self) -> bool:
        """Wait in the queue of the folder of runs; False where a request stops this one before its turn."""
        with stop_signals() as stop:
            turn = wait_for_turn(
                self.path,
                lambda: stop.number is not None or asks_to_stop(self.path),
                partial(progress.say, everywhere=True),
            )
        stop.leave()
        return turn

    def announce(self) -> None:
        """Measure how long training takes, and say so: on a terminal, or as a note where it is long."""
        config, trainer = self.config, self.trainer
        assert config.images is not None
        if self.quiet:
            return
        images = config.images - trainer.images_seen

        def measure(network: Model) -> Duration:
            return time_steps(network, self.examples, config, images)

        duration = measure(trainer.model)
        text = describe_duration(duration, trainer.model, self.opened.options, measure)
        if duration.seconds > LONG:
            self.notes.append(text)
        else:
            progress.say(text)

    def call_doctor(self, log: list[dict[str, Any]]) -> None:
        """Let the doctor watch, unless it is turned off or there are too few images to compare with."""
        config = self.config
        enough = min(self.held_out.examples.fewest(), self.examples.fewest()) >= FEWEST
        if not enough and config.on_trouble in ("stop", "restore"):
            self.notes.append(
                f"the doctor needs {FEWEST} training and {FEWEST} held-out images: it does not watch this run"
            )
        if not enough or config.on_trouble == "ignore":
            return
        assert config.tick is not None
        self.doctor = Doctor(self.trainer, self.data, self.held_out.examples, config.tick, log)
        if self.doctor_state is not None:
            try:
                self.doctor.restore(self.doctor_state)
            except BAD_STATE as error:
                path, reason = self.path / "state.pt", " ".join(str(error).split())[:200]
                raise LimnerError(f"{path} is not of this run: {reason}") from None

    def control_reader(self, display: Display, stop: StopSignal) -> ControlReader:
        """What reads control.json during this session."""
        trainer = self.trainer

        def set_rate(factor: float) -> None:
            trainer.rate_factor = factor
            display.say(f"control: learning rates are multiplied by {factor:g} from here on")

        def leave_out(seconds: float) -> None:
            self.session.leave_out(seconds)
            display.restart(trainer.images_seen)
            display.say(f"control: went on after a pause of {seconds:.0f} s")

        return ControlReader(
            self.path,
            trainer.rate_factor,
            set_rate=set_rate,
            save=self.save,
            paused=leave_out,
            interrupted=lambda: stop.number is not None,
        )

    def watched(self, iterations: Iterator[Logs]) -> Iterator[Logs]:
        """The iterations, observed by the doctor if there is one."""
        return self.doctor.observe(iterations) if self.doctor is not None else iterations

    def record(self, line: dict[str, Any], display: Display) -> bool:
        """Complete a tick's line, log it, show it, choose weights by it; True where training must end."""
        trainer = self.trainer
        if trainer.rate_factor != 1:
            line["rate_factor"] = trainer.rate_factor
        line |= self.held_out.measure(trainer)
        if self.validation is not None:
            with trainer.inference() as model:
                line[VALIDATION] = validation_loss(model, self.validation)
        verdicts = self.doctor.examine(line) if self.doctor is not None else []
        self.weights.consider(line, trainer)
        append_line(self.path / "log.jsonl", line)
        display.measure(line)
        for verdict in verdicts:
            display.say(f"doctor: {verdict}")
        self.held_out.save_preview(trainer, self.path / "samples")
        severe = any(verdict.severe for verdict in verdicts)
        if severe and self.config.on_trouble in ("stop", "restore"):
            self.weights.restored = self.config.on_trouble == "restore"
            display.say(f"doctor: stopped at {trainer.images_seen:,} images, as --on-trouble requires")
            return True
        return False

    def save(self) -> None:
        """Write the weights that inference uses, and all that resuming needs."""
        write_weights(self.path / "weights.safetensors", *self.weights.to_store(self.trainer))
        state = self.trainer.state() | {"weight_choice": self.weights.state()}
        state |= {"session": self.session.state(), "rate_factor": self.trainer.rate_factor}
        state |= {"doctor": self.doctor.state() if self.doctor is not None else None}
        write_state(self.path / "state.pt", state)
        self.stored_images = self.trainer.images_seen

    def end(self, display: Display, stopped: bool) -> None:
        """The last checkpoint, and the last picture unless a signal stopped training on its way."""
        if not stopped:
            self.held_out.save_preview(self.trainer, self.path / "samples", last=True)
        self.save()
        display.show(self.trainer.images_seen, last=True)
        best = self.weights.best()
        if best:
            display.say(f"note: stored {best}")
        images = self.trainer.images_seen, self.session.target
        stored = str(best) if best else f"the last, of {images[0]:,} images"
        log = read_log(self.path / "log.jsonl")
        display.summarise(summarise(self.opened, self.trainer.model, log, images, stored))

    def end_not_finite(self, error: NotFinite, display: Display) -> None:
        """A loss is not finite: log it; go back to the best weights if on_trouble says so, else raise."""
        if self.doctor is not None:
            line: dict[str, Any] = {
                "images": self.trainer.images_seen,
                "seconds": round(self.session.seconds, 3),
            }
            line |= {"not_finite": str(error), "troubles": ["not finite"]}
            append_line(self.path / "log.jsonl", line)
        self.weights.restored = self.config.on_trouble == "restore"
        best = self.weights.best()
        if not self.weights.restored or best is None:
            raise NotFinite(
                f"{error}; {self.path} keeps the weights of {self.stored_images:,} images"
            ) from None
        write_weights(self.path / "weights.safetensors", best.weights, best.images)
        display.say(f"doctor: {error}; stored {best}")
