"""Pictures of what a model has learned, each with its numbers: functions of a run."""

from limner.explore.codes import code_importance, importance
from limner.explore.contact_sheets import contact_sheet
from limner.explore.copies import NearestTraining, nearest_training
from limner.explore.directions import directions
from limner.explore.edits import edit, edit_files
from limner.explore.embeddings import Embedding, embed
from limner.explore.interpolations import interpolate, interpolate_styles
from limner.explore.inversions import invert
from limner.explore.manifolds import manifold
from limner.explore.maps import map_codes
from limner.explore.mixing import mix
from limner.explore.moves import move_images
from limner.explore.named_directions import keep_direction, name_direction, read_directions, show_direction
from limner.explore.neighbours import similar
from limner.explore.noises import noise
from limner.explore.picture import Picture
from limner.explore.places import Grid, Groups, Place, Spot, Strip
from limner.explore.planes import Plane
from limner.explore.point_maps import PointMap, Selection, map_points
from limner.explore.ranking import anomalies
from limner.explore.reconstructions import reconstruct
from limner.explore.samples import draw_samples, sample
from limner.explore.timeline import preview_history
from limner.explore.translations import translate, translate_files
from limner.explore.traversals import traverse
from limner.explore.updates import record_update

__all__ = [
    "Embedding",
    "Grid",
    "Groups",
    "NearestTraining",
    "Picture",
    "Place",
    "Plane",
    "PointMap",
    "Selection",
    "Spot",
    "Strip",
    "anomalies",
    "code_importance",
    "contact_sheet",
    "directions",
    "draw_samples",
    "edit",
    "edit_files",
    "embed",
    "importance",
    "interpolate",
    "interpolate_styles",
    "invert",
    "keep_direction",
    "manifold",
    "map_codes",
    "map_points",
    "mix",
    "move_images",
    "name_direction",
    "nearest_training",
    "noise",
    "preview_history",
    "read_directions",
    "reconstruct",
    "record_update",
    "sample",
    "show_direction",
    "similar",
    "translate",
    "translate_files",
    "traverse",
]
