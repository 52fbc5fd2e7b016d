"""The doctor at the bedside: reads signals around a run's iterations and tells troubles as they begin.

A session calls `iterated` after each iteration, which reads nothing back from the device, and `examined` once
per tick, which does.  The trainer knows of neither.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import torch
from torch import Tensor

from limner.data import Dataset, Images
from limner.doctor.features import PLAIN, Small
from limner.doctor.signals import Probe, inferred, rhythm, untouched
from limner.doctor.verdicts import Verdict, verdicts
from limner.models.base import Logs, Plays
from limner.training.trainer import Trainer

LOOKS = 32  # iterations per tick of which gradients and losses are noted


class Doctor:
    """Watches one session of a run; `dataset` is what is trained on, `held_out` what is not.

    `every`: iterations between looks at gradients.  `lines` is the run's log so far.
    """

    def __init__(
        self, trainer: Trainer, dataset: Dataset, held_out: Images, tick: int, lines: list[dict[str, Any]]
    ) -> None:
        self.trainer, self.lines = trainer, list(lines)
        self.every = max(1, tick // trainer.data.batch // LOOKS)
        self.dataset, self.held_out = dataset, held_out
        self.probe = Probe(trainer.model, dataset.train, held_out, Small(dataset))
        self.norms: dict[str, list[Tensor]] = {}
        self.logged: list[Tensor] = []
        self.told: set[str] = {name for line in self.lines for name in line.get("troubles", ())}

    def iterated(self, logs: Logs) -> None:
        """Note gradients and logs of this iteration, if it is its turn; nothing is read back."""
        if self.trainer.iterations % self.every:
            return
        for name, weights in self.trainer.weights.items():
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            if gradients:
                norm = torch.stack(torch._foreach_norm(gradients)).norm()
                self.norms.setdefault(name, []).append(norm)
        if logs:
            self.logged.append(next(iter(logs.values())).detach())

    def signals(self) -> dict[str, float]:
        """What `limner.doctor.signals` lists, as far as the model has it."""
        found = {f"grad/{name}": float(torch.stack(norms).mean()) for name, norms in self.norms.items()}
        if self.logged:
            found["rhythm"] = rhythm(torch.stack(self.logged).float().cpu())
        self.norms, self.logged = {}, []
        model = self.trainer.model
        samples, codes = inferred(model)
        if isinstance(model, Plays):
            with untouched(model):
                found |= self.probe.players(model)
        with self.trainer.inference() as model:
            found |= self.probe.samples(model) if samples else {}
            found |= self.probe.codes(model) if codes else {}
        return found

    def examined(self, line: dict[str, Any]) -> list[Verdict]:
        """Add this tick's signals and the troubles that hold to `line`; the verdicts that are new."""
        found = {name: round(value, 6) for name, value in self.signals().items() if isfinite(value)}
        line |= {f"doctor/{name}": value for name, value in found.items()}
        self.lines.append(line)
        hold = verdicts(self.lines)
        line["troubles"] = [verdict.name for verdict in hold]
        new = [verdict for verdict in hold if verdict.name not in self.told]
        self.told |= {verdict.name for verdict in hold}
        return new

    def state(self) -> dict[str, Any]:
        """What the next look depends on besides the log; nothing is noted yet where a state is saved."""
        return {"before": self.probe.before, "features": self.probe.small.name}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on watching as if there had been no break, in the features that the log is in."""
        features = state.get("features", self.probe.small.name)
        if features == PLAIN != self.probe.small.name:  # an extractor came to hand since
            small = Small(self.dataset, plain=True)
            self.probe = Probe(self.trainer.model, self.dataset.train, self.held_out, small)
        self.probe.before = state["before"] if features == self.probe.small.name else None
