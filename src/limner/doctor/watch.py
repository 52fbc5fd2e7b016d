"""The doctor at the bedside: reads signals around a run's iterations and tells troubles as they begin.

A session calls `iterated` after each iteration, which reads nothing back from the device, and `examined` once
per tick, which does.  The trainer knows of neither.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from limner.data import Dataset, Images
from limner.doctor.features import Small
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
        self.probe = Probe(trainer.model, dataset.train, held_out, Small(dataset))
        self.norms: dict[str, list[Tensor]] = {}
        self.losses: list[Tensor] = []
        self.told: set[str] = {verdict.name for verdict in verdicts(self.lines)}

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
            self.losses.append(next(iter(logs.values())).detach())

    def signals(self) -> dict[str, float]:
        """What `limner.doctor.signals` lists, as far as the model has it."""
        found = {f"grad/{name}": float(torch.stack(norms).mean()) for name, norms in self.norms.items()}
        if self.losses:
            found["rhythm"] = rhythm(torch.stack(self.losses).float().cpu())
        self.norms, self.losses = {}, []
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
        line |= {f"doctor/{name}": round(value, 6) for name, value in self.signals().items()}
        self.lines.append(line)
        hold = verdicts(self.lines)
        line["troubles"] = [verdict.name for verdict in hold]
        new = [verdict for verdict in hold if verdict.name not in self.told]
        self.told = {verdict.name for verdict in hold} | self.told
        return new

    def state(self) -> dict[str, Any]:
        """What the next look depends on besides the log."""
        return {"before": self.probe.before, "norms": self.norms, "losses": self.losses}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on watching as if there had been no break."""
        self.probe.before, self.norms, self.losses = state["before"], state["norms"], state["losses"]
