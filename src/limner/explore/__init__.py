"""What a model has learned: functions over what it can do, each giving a picture and its numbers."""

from limner.explore.codes import Marginals, code_marginals, importance
from limner.explore.embeddings import Embedding, embed
from limner.explore.manifolds import manifold
from limner.explore.maps import knn_accuracy, map_codes
from limner.explore.neighbours import similar
from limner.explore.paths import interpolate, lerp, slerp
from limner.explore.picture import Picture
from limner.explore.ranking import anomalies
from limner.explore.reconstructions import reconstruct
from limner.explore.samples import sample
from limner.explore.traversals import traverse

__all__ = [
    "Embedding",
    "Marginals",
    "Picture",
    "anomalies",
    "code_marginals",
    "embed",
    "importance",
    "interpolate",
    "knn_accuracy",
    "lerp",
    "manifold",
    "map_codes",
    "reconstruct",
    "sample",
    "similar",
    "slerp",
    "traverse",
]
