"""Measure and compare: `evaluate` measures what a run's model can do, `compare` sets runs side by side."""

from limner.evaluation.compare import Comparison, compare, compare_stored
from limner.evaluation.evaluate import FAMILIES, Family, evaluate
from limner.evaluation.measures import Evaluation, Measure
from limner.evaluation.record import read_evaluation
from limner.evaluation.seeds import mean_over_seeds

__all__ = [
    "FAMILIES",
    "Comparison",
    "Evaluation",
    "Family",
    "Measure",
    "compare",
    "compare_stored",
    "evaluate",
    "mean_over_seeds",
    "read_evaluation",
]
