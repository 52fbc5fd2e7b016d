"""`ablate`: switch a model's options one at a time and measure the effect of each, over seeds.

Every configuration is trained with the same seeds, on the same data, for as long; the run with an option
switched is compared with base's run of the same seed (see effects.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from limner.data import Dataset, Domains, progress
from limner.data.examples import training_examples
from limner.errors import LimnerError
from limner.evaluation.evaluate import FEWEST, limit_to_data
from limner.models import model_class, model_options, preset_values
from limner.models.abilities import abilities
from limner.models.base import Model
from limner.recipes.ablation import Ablation
from limner.recipes.effects import BASE
from limner.recipes.grid import Grid
from limner.recipes.switches import TRAINING, parse_settings, parse_switches
from limner.train_run import Data
from limner.training import TrainConfig
from limner.training.folders import run_stem
from limner.training.setup import build_model, complete_config, complete_options, load_data, resolve_device


def ablate(
    model: str,
    data: Data,
    vary: str | Sequence[str] | Mapping[str, Any],
    *,
    preset: str | None = None,
    seeds: int = 5,
    images: int | None = None,
    n: int = 2000,
    out: str | Path | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Ablation:
    """Train a model as it is, and once more with each of some options changed; compare them over seeds.

    vary: texts 'name=value' or 'name' (see switches.py), or values by name: options of the model, or the
    training settings in switches.TRAINING.  `settings`, as values or texts, are of all runs, over `preset`.
    images: length of a run in images seen, the model's default if None.  n: samples, and test images, to
    measure on.  Everything is stored in `out`, ablations/MODEL-DATA by default: complete runs there are used
    again, interrupted ones are resumed.
    Raises LimnerError, before anything is trained, for what cannot be varied, built or compared.
    """
    cls = model_class(model)
    check_measurable(cls)
    for name, value, least in (("seeds", seeds, 1), ("n", n, FEWEST)):
        if value < least:
            raise LimnerError(f"{name} must be at least {least}, not {value}")
    with progress.silent(quiet):
        dataset = load_data(cls, data, None, None)
        base = Configuration(cls, dataset, images, preset_values(cls, preset) | parse_settings(cls, settings))
        base_settings = base.all_settings()
        switches = parse_switches(cls, vary, base_settings)
        check_switches(base, switches)
        # one precision for all runs, whatever the default of a switched network is
        shared = base.settings | {name: base_settings[name] for name in ("images", "precision")}
        folder = Path("ablations") / run_stem(model, dataset.name) if out is None else Path(out).expanduser()
        limited = limit_to_data(dataset, n)
        grid = Grid(model, dataset, base_settings, shared, {BASE: {}} | switches, limited, folder, quiet)
        grid.claim_folder()
        return grid.run(seeds)


@dataclass(frozen=True)
class Configuration:
    """A model to be trained on some data for `images` images, with some settings of both."""

    cls: type[Model]
    data: Dataset | Domains
    images: int | None
    settings: dict[str, Any]

    def all_settings(self) -> dict[str, Any]:
        """Every setting by name, defaults included: the model's options, `images` and those in TRAINING.

        Raises LimnerError where the model cannot be built or trained with them.
        """
        cls, names = self.cls, self.cls.Options.model_fields
        own = {name: value for name, value in self.settings.items() if name in names}
        training = {name: value for name, value in self.settings.items() if name not in names}
        config = TrainConfig.parse({"images": self.images} | training)
        options = model_options(cls, None, complete_options(cls, self.data, own))
        device = resolve_device(None)
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            network = build_model(lambda: cls(self.data.shape, options), 0, device)
        config = complete_config(config, cls, None, len(training_examples(self.data)), network)
        return {name: getattr(config, name) for name in ("images", *TRAINING)} | options.model_dump()


def check_measurable(cls: type[Model]) -> None:
    """Raise LimnerError for a model of which nothing could be measured."""
    names = set(abilities(cls))
    if not names & {"sample", "translate"} and not {"encode", "decode"} <= names:
        raise LimnerError(
            f"a {cls.__name__} neither samples, reconstructs nor translates, so nothing can be measured"
        )


def check_switches(base: Configuration, switches: Mapping[str, dict[str, Any]]) -> None:
    """Raise LimnerError, with the switch's name, where base cannot be trained with a switch's settings."""
    for name, changed in switches.items():
        try:
            Configuration(base.cls, base.data, base.images, base.settings | changed).all_settings()
        except LimnerError as error:
            raise LimnerError(f"{name}: {error}") from None
