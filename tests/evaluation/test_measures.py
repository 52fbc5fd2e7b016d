"""The table of measures: cells, columns, means over seeds, and what is kept as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from limner.evaluation import Evaluation, Measure
from limner.evaluation.measures import COLUMNS, mean_measure, per_image_values
from limner.evaluation.seeds import average_measures


def evaluation(*measures: Measure) -> Evaluation:
    return Evaluation(["header"], measures, ["nothing"], {"n": 2})


def test_a_mean_and_its_standard_error() -> None:
    one = mean_measure("m", torch.tensor([1.0, 2.0, 6.0]), better="lower")
    assert (one.value, one.n, one.better) == (3.0, 3, "lower")
    assert one.error == pytest.approx(math.sqrt(7) / math.sqrt(3))
    assert one.per_image is not None
    assert one.per_image.dtype == torch.float64
    assert mean_measure("m", torch.tensor([4.0])).error is None


def test_cells_show_what_can_be_read() -> None:
    assert Measure("m", 0.12345, 1000, 0.00678, 0.1, note="why", family="f").cells() == (
        *("f", "m", "0.123", "0.0068", "0.100", "1,000", "why"),
    )
    assert Measure("fd[x]", -1e-9, 5, family="f").cells()[2:5] == ("0.00", "", ""), (
        "a distance is printed from 0"
    )
    assert Measure("kid[x]", -0.5, 5, family="f").cells()[2] == "-0.500", "an unbiased one may be below it"
    assert Measure("m", -0.0, 5, form=".1f", family="f").cells()[2] == "0.0"


def test_the_table_is_aligned_and_names_a_family_once() -> None:
    result = evaluation(
        Measure("a", 1.0, 10, family="one"),
        Measure("bbbb", 20.0, 10, family="one"),
        Measure("c", 3.0, 5, family="two"),
    )
    lines = result.table().splitlines()
    assert [line[:3] for line in lines] == ["   ", "one", "   ", "two"]
    assert len({line.index(text) for line, text in zip(lines[1:], ("a", "bbbb", "c"), strict=True)}) == 1
    ends = [line.rstrip().rfind(n) + len(n) for line, n in zip(lines[1:], ("10", "10", "5"), strict=True)]
    assert len(set(ends)) == 1, "numbers stand right"
    assert lines[0].split() == [name for name in COLUMNS if name]
    assert result["bbbb"].value == 20
    with pytest.raises(KeyError):
        result["d"]


def test_json_has_raw_values_and_nothing_that_json_has_not() -> None:
    one = replace(mean_measure("a", torch.tensor([1 / 3, 1 / 3], dtype=torch.float64)), family="f")
    two = Measure("b", math.inf, 2, math.nan, -math.inf, family="f")
    record = evaluation(one, two).json()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["n"] == 2
    assert record["left_out"] == ["nothing"]
    assert record["measures"][0]["value"] == 1 / 3
    assert [record["measures"][1][name] for name in ("value", "error", "floor")] == [None] * 3
    assert set(record["measures"][0]) == {"family", "name", "value", "n", "error", "floor", "better", "note"}
    assert list(per_image_values([one, two])) == ["f: a"]


def test_the_average_is_the_mean_and_the_deviation_between_runs() -> None:
    runs = [
        evaluation(
            Measure("a", value, 10, 99.0, value / 2, "lower", f"of run {value}", ".2f", family="f"),
            Measure("b", value, 10, note="the same", family="f"),
            *([Measure("c", value, 10, family="f")] if value < 3 else []),
        )
        for value in (1.0, 2.0, 6.0)
    ]
    a, b = average_measures(runs)
    assert (a.name, a.value, a.floor, a.n, a.better, a.form) == ("a", 3.0, 1.5, 10, "lower", ".2f")
    assert a.error == pytest.approx(math.sqrt(7))
    assert a.note == "", "a note with the numbers of one run is not one on the mean"
    assert (b.name, b.note, b.floor) == ("b", "the same", None)
    assert average_measures(runs[:2])[2].value == 1.5
