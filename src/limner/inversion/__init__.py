"""The code of an image without an encoder: search the codes of a decoder for that of the nearest image."""

from limner.inversion.search import Inversion, Search, Starts, choose_starts, refine
from limner.inversion.spaces import Space, latent_space, layer_space, style_space

__all__ = [
    "Inversion",
    "Search",
    "Space",
    "Starts",
    "choose_starts",
    "latent_space",
    "layer_space",
    "refine",
    "style_space",
]
