"""The doctor during training: measures signals around a run's iterations, and names troubles when they begin.

`observe` stands around the trainer's iterations and reads nothing back from the device; `examine` does, once
per tick.  The trainer does not know of either.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from limner.data import Dataset, Domains
from limner.data.examples import Examples
from limner.doctor.features import PRINCIPAL_PIXELS, ProbeFeatures
from limner.doctor.signals import Measures, Probe, rhythm
from limner.doctor.state import run_state
from limner.doctor.translations import TranslationProbe
from limner.doctor.verdicts import Verdict, verdicts
from limner.models.base import Logs, Model
from limner.training.trainer import Trainer

FEWEST = 20  # images, of the training and of the held-out ones, that the doctor needs to compare with
NOTES = 32  # iterations per tick of which gradients and logs are noted


class Doctor:
    """Watches one session of a run.

    `data` holds the images that are trained on, `held_out` images that are not.  `tick` is the number of
    images between two calls of `examine`, and `log_lines` the run's log so far.
    """

    def __init__(
        self,
        trainer: Trainer,
        data: Dataset | Domains,
        held_out: Examples,
        tick: int,
        log_lines: list[dict[str, Any]],
    ) -> None:
        self.trainer, self.lines = trainer, list(log_lines)
        self.every = max(1, tick // trainer.data.batch // NOTES)  # iterations between two notes
        self.probe = new_probe(trainer.model, data, held_out)
        self.renew = partial(new_probe, trainer.model, data, held_out, principal=True)
        self.norms: dict[str, list[Tensor]] = {}  # of gradients, since the last tick
        self.logged: list[Tensor] = []  # the first number that each iteration logs
        self.reported: set[str] = {name for line in self.lines for name in line.get("troubles", ())}

    def observe(self, iterations: Iterator[Logs]) -> Iterator[Logs]:
        """The same iterations; of some, gradients and logs are noted, without waiting for the device."""
        for logs in iterations:
            if self.trainer.iteration % self.every == 0:
                self.note(logs)
            yield logs

    def note(self, logs: Logs) -> None:
        """Keep the norms of this iteration's gradients and the first number that it logs."""
        for name, weights in self.trainer.weights.items():
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            if gradients:
                norm = torch.stack(torch._foreach_norm(gradients)).norm()
                self.norms.setdefault(name, []).append(norm)
        if logs:
            self.logged.append(next(iter(logs.values())).detach())

    def signals(self) -> dict[str, float]:
        """The signals of this tick, as `limner.doctor.signals` lists them, of those that the model has."""
        signals = {f"grad/{name}": float(torch.stack(norms).mean()) for name, norms in self.norms.items()}
        if self.logged:
            signals["rhythm"] = rhythm(torch.stack(self.logged).float().cpu())
        self.norms, self.logged = {}, []
        signals |= self.probe.players(self.trainer.model)  # as in training
        with self.trainer.inference() as model:
            signals |= self.probe.measure(model)
        return signals

    def examine(self, line: dict[str, Any]) -> list[Verdict]:
        """Add this tick's signals, the troubles that hold and the run's state to `line`.

        Returns the verdicts that are new.
        """
        signals = {name: round(value, 6) for name, value in self.signals().items() if isfinite(value)}
        line |= {f"doctor/{name}": value for name, value in signals.items()}
        self.lines.append(line)
        holding = verdicts(self.lines, type(self.trainer.model))
        line["troubles"] = [verdict.name for verdict in holding]
        line["state"], line["reason"] = run_state(self.lines, holding)
        new = [verdict for verdict in holding if verdict.name not in self.reported]
        self.reported |= {verdict.name for verdict in holding}
        return new

    def state(self) -> dict[str, Any]:
        """What the next tick depends on besides the log."""
        return {
            "before": self.probe.before,
            "features": self.probe.features.name,
            "norms": {name: torch.stack(norms).cpu() for name, norms in self.norms.items()},
            "logged": torch.stack(self.logged).cpu() if self.logged else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state as if there had been no break, in the features of the log."""
        if state["features"] == PRINCIPAL_PIXELS != self.probe.features.name:  # there is an extractor now
            self.probe = self.renew()
        self.probe.before = state["before"] if state["features"] == self.probe.features.name else None
        device = self.trainer.model.device
        self.norms = {name: list(norms.to(device)) for name, norms in state["norms"].items()}
        self.logged = [] if state["logged"] is None else list(state["logged"].to(device))


def new_probe(model: Model, data: Dataset | Domains, held_out: Examples, principal: bool = False) -> Measures:
    """A probe of samples and codes, or of translations; `principal`: never in an extractor's features."""
    if isinstance(data, Domains):
        return TranslationProbe(model, data, held_out)
    return Probe(model, data.train, held_out.images, ProbeFeatures(data, principal))
