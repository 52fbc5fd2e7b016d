"""Contact sheets: rows of classes, or images drawn at random; the verb that writes one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import blobs

from limner import explore
from limner.cli import run
from limner.data import Dataset
from limner.data.contents import describe_contents
from limner.errors import LimnerError


def test_a_class_has_a_row(digits: Dataset) -> None:
    picture = explore.contact_sheet(digits, 30)
    index = torch.tensor(picture.data["index"])
    assert index.shape == (10, 3)
    assert digits.train.labels is not None
    assert torch.equal(digits.train.labels[index], torch.arange(10)[:, None].expand(10, 3))
    assert picture.notes == []
    assert explore.contact_sheet(digits, 30).data == picture.data
    assert explore.contact_sheet(digits, 30, seed=1).data != picture.data


def test_without_classes_each_image_stands_once(digits: Dataset) -> None:
    plain = replace(digits, train=replace(digits.train, labels=None), classes=None)
    index = explore.contact_sheet(plain, 30).data["index"]
    assert [len(row) for row in index] == [12, 12, 6]
    assert len({i for row in index for i in row}) == 30
    with pytest.raises(LimnerError, match="n must be at least 1"):
        explore.contact_sheet(plain, 0)


def test_of_many_classes_some_are_shown() -> None:
    images = replace(blobs(60, (1, 16, 16)), labels=torch.arange(60) % 30)
    names = tuple(f"class {i}" for i in range(30))
    dataset = Dataset("many", "many", images, blobs(5, (1, 16, 16)), names, (), "")
    assert explore.contact_sheet(dataset, 30).notes == ["the sheet shows 20 of 30 classes"]


def test_contents_count_every_class(digits: Dataset) -> None:
    counts = describe_contents(digits)["class_counts"]
    assert list(counts) == [str(i) for i in range(10)]
    assert digits.train.labels is not None
    assert digits.test.labels is not None
    for i in range(10):
        wanted = [int((images.labels == i).sum()) for images in (digits.train, digits.test)]  # type: ignore[union-attr]
        assert counts[str(i)] == wanted


def test_the_verb_writes_a_sheet_and_never_over_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "digits", "--out", "sheet.png"]) == 0
    output = capsys.readouterr().out
    assert "training images of each class: 0 164, 1 162," in output
    assert output.endswith("wrote sheet.png\n")
    assert Image.open("sheet.png").width > 400
    assert run(["data", "digits", "--out", "sheet.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class_counts"]["8"] == [155, 19]
    Path("photos").mkdir()
    for i in range(3):
        Image.fromarray(np.full((20, 20), 40 * i, np.uint8)).save(f"photos/{i}.png")
    before = Path("photos/1.png").read_bytes()
    assert run(["data", "photos", "--out", "photos/1.png"]) == 2
    assert "photos/1.png" in capsys.readouterr().err
    assert run(["data", "utkface:photos", "--out", "photos/1.png"]) == 2
    assert "would be written over" in capsys.readouterr().err
    assert Path("photos/1.png").read_bytes() == before
    assert run(["data", "A=digits", "B=digits", "--out", "sheet.png"]) == 2
    assert "--out draws one data set" in capsys.readouterr().err
