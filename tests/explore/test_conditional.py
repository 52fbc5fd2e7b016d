"""Codes decoded as a chosen class: models that require labels, can do without, or ignore them."""

from __future__ import annotations

from pathlib import Path

import pytest
from explore.fakes import (
    NAMES,
    PICTURES,
    Coder,
    Conditional,
    Required,
    codes,
    run_of,
)
from torch import Tensor

from limner import explore
from limner.errors import LimnerError
from limner.figures import grid
from limner.training import Run


def class_marks(pixels: Tensor) -> list[int]:
    """The classes that Coder wrote into images (..., C, H, W)."""
    return sorted({(int(value) - 50) // 50 for value in pixels[..., 0, 15, 15].flatten().tolist()})


@pytest.mark.parametrize("verb", PICTURES)
@pytest.mark.parametrize("kind", [Conditional, Required])
def test_codes_are_decoded_as_the_chosen_class(trained: Run, verb: str, kind: type[Conditional]) -> None:
    run = run_of(trained, kind(codes()), list(NAMES))
    picture = PICTURES[verb](run, label="lower left")
    assert class_marks(picture.data["pixels"]) == [2]
    assert not any("class" in note for note in picture.notes)
    with pytest.raises(LimnerError, match="run knows no class 'lower lft': did you mean 'lower left'"):
        PICTURES[verb](run, label="lower lft")


@pytest.mark.parametrize("verb", PICTURES)
def test_without_a_label_the_first_class_is_decoded_where_one_is_required(trained: Run, verb: str) -> None:
    picture = PICTURES[verb](run_of(trained, Required(codes()), list(NAMES)))
    assert class_marks(picture.data["pixels"]) == [0]
    assert (
        "all images are decoded as class 'upper left', the first one; label chooses another" in picture.notes
    )
    free = PICTURES[verb](run_of(trained, Conditional(codes()), list(NAMES)))
    assert class_marks(free.data["pixels"]) != [0]
    assert not any("class" in note for note in free.notes)


def test_a_model_that_ignores_labels_refuses_one(trained: Run) -> None:
    run = run_of(trained, Coder(codes()))
    message = "run is a Coder: it was trained without labels, so it has no classes to choose from"
    for look in (*PICTURES.values(), explore.reconstruct):
        with pytest.raises(LimnerError, match=message):
            look(run, label="upper left")
    untrained = Conditional(codes())
    untrained.classes = None
    with pytest.raises(LimnerError, match="trained without labels"):
        explore.sample(run_of(trained, untrained), labels=["upper left"])


def test_reconstructions_are_decoded_as_the_images_own_classes(trained: Run, tmp_path: Path) -> None:
    run = run_of(trained, Required(codes()), list(NAMES))
    data = explore.reconstruct(run, n=8).data
    index = [int(name.split("/")[1]) for name in data["names"]]
    marks = (data["reconstructions"][:, 0, 15, 15].long() - 50) // 50
    assert marks.tolist() == run.data.test.labels[index].tolist()  # type: ignore[index]
    other = explore.reconstruct(run, n=8, label="lower right").data
    assert class_marks(other["reconstructions"]) == [3]
    nearest = other["reconstructions"][:1]
    grid(nearest).save(tmp_path / "file.png")
    files = explore.reconstruct(run, [tmp_path / "file.png"])
    assert class_marks(files.data["reconstructions"]) == [3], "the class that gives the least error"
