"""A contact sheet: some images of a data set, drawn at random, those of each class in a row of their own."""

from __future__ import annotations

from torch import Tensor

from limner.data import Dataset, Images
from limner.data.examples import permutation
from limner.errors import check_whole
from limner.explore.picture import Picture, check_count
from limner.figures import sheet

COLUMNS = 12
MOST_ROWS = 20  # classes that get a row


def contact_sheet(dataset: Dataset, n: int = 48, seed: int = 0, title: str = "") -> Picture:
    """About n training images, drawn at random, as they are after cropping and resizing.

    With labels there is a row for each of the first 20 classes, with at least two images each.  `data` has
    the numbers of the images in `index`, row by row.
    """
    check_whole("n", n, 1)
    check_count(n, dataset.shape)
    index = choose_rows(dataset.train, n, seed)
    rows = [dataset.train.pixels[row] for row in index]
    labels = dataset.train.labels
    names = None
    if labels is not None and dataset.classes:
        names = [dataset.classes[int(labels[row[0]])] for row in index]
    picture = sheet(rows, title=title, row_labels=names)
    notes = []
    if names is not None and len(dataset.classes or ()) > len(names):
        notes.append(f"the sheet shows {len(names)} of {len(dataset.classes or ())} classes")
    return Picture(picture, {"index": [row.tolist() for row in index], "notes": notes})


def choose_rows(images: Images, n: int, seed: int) -> list[Tensor]:
    """The numbers of the images in each row."""
    order = permutation(len(images), seed)
    if images.labels is None:
        return list(order[:n].split(COLUMNS))
    shuffled = images.labels[order]
    present = shuffled.unique().tolist()[:MOST_ROWS]
    each = min(max(2, n // len(present)), COLUMNS)
    return [order[shuffled == label][:each] for label in present]
