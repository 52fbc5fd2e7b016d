"""`train`: settings and data in, a run out; a new run, or the rest of one that was stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from limner.data import Dataset, Domains, progress
from limner.data.domains import Source
from limner.data.examples import training_examples
from limner.errors import LimnerError, nearest
from limner.files import write_text
from limner.models import model_class, model_options
from limner.models.base import Model
from limner.train_session import TrainingSession
from limner.training.config import RunConfig, TrainConfig
from limner.training.folders import new_folder
from limner.training.lock import RunLock
from limner.training.memory import check_batch
from limner.training.resume import check_same_data, find_resumable, refuse_changes, update_length
from limner.training.run import Run, leave_class_out, view_data
from limner.training.setup import (
    build_model,
    complete_config,
    complete_options,
    count_train_images,
    data_record,
    load_data,
    resolve_device,
    run_config,
)
from limner.training.trust import remember

Data = Source | Domains | tuple[Source, Source]


def train(
    model: str | None = None,
    data: Data | None = None,
    *,
    preset: str | None = None,
    size: int | tuple[int, int] | None = None,
    channels: int | tuple[int, int] | None = None,
    options: Mapping[str, Any] | None = None,
    config: TrainConfig | None = None,
    device: str | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    queue: bool = False,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Train a model on a data set and return its run.

    model: a name in MODELS or 'module:Class'.  data: a name in NAMED, a path, a Dataset, an array of images,
    (images, labels), or a torch Dataset; 'digits' by default, fitted to `size` and `channels`; for two
    domains a pair of these, or a folder with trainA and trainB.  `settings` are options of the model and
    settings of training (`TrainConfig`) by name, as on the command line; `options` and `config` hold the
    same apart.
    `resume` goes on with the run in `out`, or with the newest run of that model and data; `queue` waits until
    no other run beside it trains.
    Raises LimnerError for a mistake a user can mend; NotFinite, one too, where a loss is no longer a number.
    """
    folder, where = Path(out).expanduser() if out is not None else None, resolve_device(device)
    request = Request(
        model, data, preset, size, channels, options or {}, config or TrainConfig(), settings, folder, where
    )
    devices = [where] if where.type == "cuda" else []
    with progress.silent(quiet), torch.random.fork_rng(devices), ExitStack() as held:
        run, network, original = request.resume(held) if resume else request.start(held)
        progress.say(describe_start(network, original))
        data_view = view_data(original, network, run.config.training.leave_out)
        TrainingSession(run, network, data_view, quiet, queue).run()
    trained = Run(run.path, trust=run.trust)
    trained.loaded = original  # it need not be read again
    return trained


@dataclasses.dataclass(frozen=True)
class Request:
    """What a user calls `train` with."""

    model: str | None
    data: Data | None
    preset: str | None
    size: int | tuple[int, int] | None
    channels: int | tuple[int, int] | None
    options: Mapping[str, Any]
    config: TrainConfig
    settings: Mapping[str, Any]
    out: Path | None
    device: torch.device

    def start(self, held: ExitStack) -> tuple[Run, Model, Dataset | Domains]:
        """Make the folder of a new run with its run.json; `held` holds the lock on the folder."""
        config, network, original = self.prepare()
        path = held.enter_context(new_folder(config.model, original.name, self.out)).folder
        remember(path, config.model)
        write_text(path / "run.json", config.text())
        return Run(path, trust=True), network, original

    def prepare(self) -> tuple[RunConfig, Model, Dataset | Domains]:
        """Check every setting of a new run, load its data and build its model."""
        if self.model is None:
            raise LimnerError("train needs a model: limner.list_models() names them")
        cls = model_class(self.model)
        own, training = self.split_settings(cls)
        config = TrainConfig.parse(training)
        source = "digits" if self.data is None else self.data
        progress.say(f"loading {source_name(source)}")
        original = load_data(cls, source, self.size, self.channels)
        options = model_options(cls, self.preset, complete_options(cls, original, own))
        dataset = leave_class_out(original, config.leave_out)
        examples = training_examples(dataset)
        train_images = count_train_images(cls, dataset.name, len(examples), config.validation)
        network = build_model(lambda: cls(dataset.shape, options), config.seed, self.device)
        config = complete_config(config, cls, self.preset, train_images, network)
        check_batch(network, examples, train_images, config)
        record = data_record(original, network.classes)
        whole = run_config(self.model, self.preset, network, options.json_values(), record, config)
        return whole, network, original

    def resume(self, held: ExitStack) -> tuple[Run, Model, Dataset | Domains]:
        """Open the run that is meant; its settings stay, except for its length, which may grow.

        `held` holds the lock on its folder.
        """
        path = find_resumable(self.model, self.data, self.out).path
        held.enter_context(RunLock(path))
        progress.say(f"resuming {path.name}")
        run = Run(path)  # as it is now that no other process writes it
        if run.config.model == self.model:  # the user names the code
            run.trust = True
            remember(path, self.model)
        own, training = self.split_settings(run.model_class)
        values = {"model": self.model, "preset": self.preset, "size": self.size, "channels": self.channels}
        refuse_changes(run, values, own, training)
        original = check_same_data(run, self.data)
        config = run.config.training
        network = build_model(run.new_model, config.seed, self.device)
        train_images = len(training_examples(leave_class_out(original, config.leave_out))) - config.validation
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


def source_name(source: Data) -> str:
    """What a user calls the data: a name or a path, those of two domains, or what holds the images."""
    if isinstance(source, str | Path):
        return str(source)
    if isinstance(source, Dataset | Domains):
        return source.name
    if isinstance(source, tuple) and all(isinstance(part, str | Path) for part in source):
        return " and ".join(map(str, source))
    return "the images"


def describe_start(network: Model, data: Dataset | Domains) -> str:
    """The images that were loaded and the network that is trained on them, in one line."""
    sets = (data.a, data.b) if isinstance(data, Domains) else (data,)
    images = "; ".join(
        f"{part.name}, {len(part.train):,} training and {len(part.test):,} test images of "
        + "x".join(map(str, part.shape))
        for part in sets
    )
    weights = sum(weight.numel() for weight in network.parameters())
    count = torch.get_num_threads()
    threads = f" with {count} thread{'s' * (count > 1)}" if network.device.type == "cpu" else ""
    return f"{images}; {type(network).__name__} of {weights:,} weights on {network.device}{threads}"
