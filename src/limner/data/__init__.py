"""Any source of images -> uint8 images in a training and a test split."""

from limner.data.dataset import Dataset, Images, to_float, to_uint8
from limner.data.domains import Domains, load_domains
from limner.data.named import NAMED, NamedSet
from limner.data.sources import load, read_file, read_images

__all__ = [
    "NAMED",
    "Dataset",
    "Domains",
    "Images",
    "NamedSet",
    "load",
    "load_domains",
    "read_file",
    "read_images",
    "to_float",
    "to_uint8",
]
