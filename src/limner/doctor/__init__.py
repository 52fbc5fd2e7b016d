"""The doctor: watches a run from outside the trainer, names what goes wrong, shows why and what to change."""

from limner.doctor.diagnosis import Diagnosis, diagnose
from limner.doctor.troubles import TROUBLES
from limner.doctor.verdicts import Verdict, verdicts
from limner.doctor.watch import Doctor

__all__ = ["TROUBLES", "Diagnosis", "Doctor", "Verdict", "diagnose", "verdicts"]
