"""Models measured and compared: `evaluate` asks a run's model what it can do, `compare` lines runs up."""

from limner.evaluation.compare import Comparison, compare
from limner.evaluation.evaluate import FAMILIES, evaluate, stored, together
from limner.evaluation.measures import Evaluation, Measure

__all__ = ["FAMILIES", "Comparison", "Evaluation", "Measure", "compare", "evaluate", "stored", "together"]
