"""`train`: a new run or the rest of an old one, from the settings to the last checkpoint."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from limner import data as datasets
from limner.data import Dataset, progress
from limner.data.stream import Stream
from limner.doctor.watch import FEWEST, Doctor
from limner.errors import LimnerError, nearest
from limner.files import remove_unfinished, write_text
from limner.models import model_class, model_options
from limner.models.base import Logs, Model
from limner.training.best_weights import VALIDATION, WeightChoice
from limner.training.checkpoint import read_state, write_state, write_weights
from limner.training.config import TrainConfig
from limner.training.display import Display
from limner.training.held_out import HeldOut, validation_loss
from limner.training.log import append_line, cut_log
from limner.training.resume import check_same_data, find_resumable, refuse_changes, update_length
from limner.training.run import Run, leave_class_out, new_folder, view_data
from limner.training.session import Session
from limner.training.setup import (
    build_model,
    complete_config,
    complete_options,
    count_train_images,
    data_record,
    resolve_device,
    run_config,
)
from limner.training.stop import stop_signals
from limner.training.trainer import NotFinite, Trainer

Source = str | Path | Dataset


def train(
    model: str | None = None,
    data: Source | None = None,
    *,
    preset: str | None = None,
    size: int | None = None,
    channels: int | None = None,
    options: Mapping[str, Any] | None = None,
    config: TrainConfig | None = None,
    device: str | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Train a model on a data set and return its run.

    model: a name in MODELS or 'module:Class'.  data: a name in NAMED, a path, or a Dataset; 'digits' by
    default, fitted to `size` and `channels`.  `settings` are options of the model and settings of training
    (`TrainConfig`) by name, as on the command line; `options` and `config` hold the same apart.
    `resume` goes on with the run in `out`, or with the newest run of that model and data.
    Raises LimnerError for a mistake a user can mend, and NotFinite, a LimnerError too, where a loss is no
    longer a number.
    """
    folder, where = Path(out).expanduser() if out is not None else None, resolve_device(device)
    request = Request(
        model, data, preset, size, channels, options or {}, config or TrainConfig(), settings, folder, where
    )
    with progress.silent(quiet), torch.random.fork_rng([where] if where.type == "cuda" else []):
        run, network, original = request.resume() if resume else request.start()
        data_view = view_data(original, network, run.config.training.leave_out)
        TrainingSession(run, network, data_view, quiet).run()
    trained = Run(run.path)
    trained.original = original  # it need not be read again
    return trained


@dataclasses.dataclass(frozen=True)
class Request:
    """What a user calls `train` with."""

    model: str | None
    data: Source | None
    preset: str | None
    size: int | None
    channels: int | None
    options: Mapping[str, Any]
    config: TrainConfig
    settings: Mapping[str, Any]
    out: Path | None
    device: torch.device

    def start(self) -> tuple[Run, Model, Dataset]:
        """Check every setting, build the model, and make the folder of a new run with its run.json."""
        if self.model is None:
            raise LimnerError("train needs a model: limner.list_models() names them")
        cls = model_class(self.model)
        own, training = self.split_settings(cls)
        config = TrainConfig.parse(training)
        source = "digits" if self.data is None else self.data
        original = datasets.load(source, size=self.size, channels=self.channels)
        options = model_options(cls, self.preset, complete_options(cls, original, own))
        dataset = leave_class_out(original, config.leave_out)
        train_images = count_train_images(cls, dataset, config.validation)
        network = build_model(lambda: cls(dataset.shape, options), config.seed, self.device)
        config = complete_config(config, cls, self.preset, train_images, network)
        record = data_record(original, network.classes)
        path = new_folder(self.model, original.name, self.out)
        whole = run_config(self.model, self.preset, network, options.json_values(), record, config)
        write_text(path / "run.json", whole.text())
        return Run(path), network, original

    def resume(self) -> tuple[Run, Model, Dataset]:
        """Open the run that is meant; its settings stay, except for its length, which may grow."""
        run = find_resumable(self.model, self.data, self.out)
        own, training = self.split_settings(model_class(run.config.model))
        values = {"model": self.model, "preset": self.preset, "size": self.size, "channels": self.channels}
        refuse_changes(run, values, own, training)
        original = check_same_data(run, self.data)
        config = run.config.training
        network = build_model(run.new_model, config.seed, self.device)
        train_images = len(leave_class_out(original, config.leave_out).train) - config.validation
        update_length(run, training, train_images)
        return run, network, original

    def split_settings(self, cls: type[Model]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The options of the model and the settings of training that are set; LimnerError for neither."""
        options, training = dict(self.options), self.config.model_dump(exclude_unset=True)
        for name, value in self.settings.items():
            if name in cls.Options.model_fields:
                options[name] = value
            elif name in TrainConfig.model_fields:
                training[name] = value
            else:
                known = [*cls.Options.model_fields, *TrainConfig.model_fields]
                raise LimnerError(f"{cls.__name__} has no option '{name}': {nearest(name, known)}")
        return options, training


class TrainingSession:
    """One session of a run: the trainer, and everything that reads its ticks.

    Log, screen, pictures, doctor, the choice of weights and checkpoints know nothing of each other; they meet
    in `run`.
    """

    def __init__(self, run: Run, network: Model, data: Dataset, quiet: bool) -> None:
        self.path, self.config, self.quiet = run.path, run.config.training, quiet
        config = self.config
        assert config.batch is not None
        train_images, self.validation = data.train.split_off(config.validation, config.seed)
        self.data = dataclasses.replace(data, train=train_images)
        self.new = not (run.path / "state.pt").exists()
        if self.new:
            network.initialise(data.train.pixels)
        stream = Stream(train_images, config.batch, config.seed, network.device)
        self.trainer = Trainer(network, stream, config)
        # without validation images nothing is chosen by the held-out ones, so test images may be used
        self.held_out = HeldOut(self.validation if config.validation else data.test, network.device)
        self.weights = WeightChoice(remembers_nearest=config.on_trouble == "restore")
        self.notes = [*data.notes, *network.remarks(data.train.pixels)]
        self.doctor: Doctor | None = None
        self.doctor_state: dict[str, Any] | None = None
        self.stored_images = 0  # images that the stored weights have seen

    def run(self) -> None:
        """Train until the run has its length, or until a signal or a severe trouble ends it."""
        config, trainer = self.config, self.trainer
        assert config.images is not None
        assert config.tick is not None
        remove_unfinished(self.path)
        log = self.begin() if self.new else self.resume()
        if trainer.images_seen >= config.images:
            return
        self.call_doctor(log)
        display = Display(self.path.name, trainer.images_seen, config.images, self.quiet)
        with display, stop_signals() as stop:
            for note in self.notes:
                display.say(f"note: {note}")
            iterations = stop.until(self.watched(display.follow(trainer)))
            seconds = log[-1]["seconds"] if log else 0.0
            saved = time.monotonic()
            session = Session(trainer, iterations, config.images, config.tick, seconds)
            try:
                for tick in session:
                    if self.record(tick.line(), display):
                        break
                    if time.monotonic() - saved >= config.save_seconds:
                        self.save()
                        saved = time.monotonic()
            except NotFinite as error:
                self.end_not_finite(error, session.seconds, display)
            else:
                self.end(display)
        stop.leave()

    def begin(self) -> list[dict[str, Any]]:
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
            self.weights.restore(state["weight_choice"])
            self.doctor_state = state["doctor"]
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise LimnerError(f"{path} is not of this run: {reason}") from None
        self.stored_images = images = self.trainer.images_seen
        for picture in (self.path / "samples").glob("[0-9]*.png"):
            if int(picture.stem) > images:
                picture.unlink()
        return cut_log(self.path / "log.jsonl", images)

    def call_doctor(self, log: list[dict[str, Any]]) -> None:
        """Let the doctor watch, unless it is turned off or there are too few images to compare with."""
        config = self.config
        enough = min(len(self.held_out.images), len(self.data.train)) >= FEWEST
        if not enough and config.on_trouble in ("stop", "restore"):
            self.notes.append(
                f"the doctor needs {FEWEST} training and {FEWEST} held-out images: it does not watch this run"
            )
        if not enough or config.on_trouble == "ignore":
            return
        assert config.tick is not None
        self.doctor = Doctor(self.trainer, self.data, self.held_out.images, config.tick, log)
        if self.doctor_state is not None:
            self.doctor.restore(self.doctor_state)

    def watched(self, iterations: Iterator[Logs]) -> Iterator[Logs]:
        """The iterations, observed by the doctor if there is one."""
        return self.doctor.observe(iterations) if self.doctor is not None else iterations

    def record(self, line: dict[str, Any], display: Display) -> bool:
        """Complete a tick's line, log it, show it, choose weights by it; True where training must end."""
        trainer = self.trainer
        line |= self.held_out.measure(trainer)
        if len(self.validation):
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
        state |= {"doctor": self.doctor.state() if self.doctor is not None else None}
        write_state(self.path / "state.pt", state)
        self.stored_images = self.trainer.images_seen

    def end(self, display: Display) -> None:
        """The last picture and checkpoint, and which weights are stored."""
        self.held_out.save_preview(self.trainer, self.path / "samples", last=True)
        self.save()
        display.show(self.trainer.images_seen, last=True)
        if best := self.weights.best():
            display.say(f"note: stored {best}")

    def end_not_finite(self, error: NotFinite, seconds: float, display: Display) -> None:
        """A loss is not finite: log it; go back to the best weights if on_trouble says so, else raise."""
        if self.doctor is not None:
            line: dict[str, Any] = {"images": self.trainer.images_seen, "seconds": round(seconds, 3)}
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
