"""Runs side by side: what differs is comparison, differences are those of the same images."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small import blobs
from torch import nn

import limner
from limner.data import Dataset
from limner.errors import LimnerError
from limner.evaluation import FAMILIES, Comparison, compare, evaluate, read_evaluation
from limner.evaluation.compare import Difference, with_error
from limner.evaluation.pictures import (
    compare_images,
    compare_logs,
    describe_data,
    describe_noise,
    run_labels,
)
from limner.models import create
from limner.models.base import Model, Shape
from limner.training import Run
from limner.training.checkpoint import write_weights

measuring = importlib.import_module("limner.evaluation.evaluate")
comparing = importlib.import_module("limner.evaluation.compare")
FEW: dict[str, Any] = {"n": 40, "k": 2, "images": 20, "quick": True}
QUICK_NOTE = "quick evaluations: few images, so large errors; limner evaluate RUN measures in full"
TINY: dict[str, Any] = {"images": 400, "batch": 50, "quiet": True}


@pytest.fixture(scope="module")
def first(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """Three VAEs and a GAN, of what is quick to measure."""
    folder = tmp_path_factory.mktemp("runs")
    every: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"seed": 1},
        "c": {"latent_dim": 2, "likelihood": "bernoulli", "clip": 1.0},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "OTHERS", ())
        patch.setattr(measuring.images, "pca_reconstruction", lambda *_: [])  # the slowest part
        kept = {name: FAMILIES[name] for name in ("reconstruction", "likelihood", "samples")}
        patch.setattr(measuring, "FAMILIES", kept)
        runs = {
            name: limner.train("vae", digits, out=folder / name, **TINY, **options)
            for name, options in every.items()
        }
        yield runs | {"gan": limner.train("gan", digits, out=folder / "gan", **TINY)}


@pytest.fixture
def runs(first: dict[str, Run], tmp_path: Path) -> dict[str, Run]:
    """Copies that a test may spoil."""
    return {name: copy(run, tmp_path / "runs" / name) for name, run in first.items()}


def copy(run: Run, path: Path) -> Run:
    again = Run(shutil.copytree(run.path, path, ignore=shutil.ignore_patterns("state.pt", "*.png")))
    again.loaded = run.loaded
    return again


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs that `compare` evaluates, pictures left out."""
    names: list[str] = []

    def counted(run: Run, **settings: Any) -> Any:
        names.append(run.name)
        return evaluate(run, **settings)

    monkeypatch.setattr(comparing, "evaluate", counted)
    monkeypatch.setattr(comparing, "compare_images", lambda runs, seed: {})
    monkeypatch.setattr(comparing, "compare_logs", lambda runs: {})
    return names


class Idle(Model):
    """It has no abilities."""

    def __init__(self, shape: Shape, options: Model.Options) -> None:
        super().__init__(shape, options)
        self.weight = nn.Parameter(torch.zeros(1))


def row(comparison: Comparison, name: str) -> Difference:
    (one,) = [m for m in comparison.measures if m.name == name]
    return one


@pytest.mark.usefixtures("evaluated")
def test_differences_are_of_the_same_images(runs: dict[str, Run]) -> None:
    comparison = compare([runs["a"], runs["b"]], **FEW)
    one, two = (evaluate(runs[name], **FEW) for name in "ab")
    for name in ("mse", "psnr", "elbo (k 1)", "log p(x) (k 2)"):
        line = row(comparison, name)
        change = two[name].per_image - one[name].per_image
        assert line.paired
        assert list(line.values) == [one[name].value, two[name].value]
        difference, error = line.differences[0]
        assert difference == pytest.approx(float(change.mean()), rel=1e-9)
        assert difference == pytest.approx(two[name].value - one[name].value, rel=1e-6)
        assert error == pytest.approx(float(change.std() / len(change) ** 0.5), rel=1e-9)
    recall = row(comparison, "recall")
    assert not recall.paired
    difference, error = recall.differences[0]
    assert difference == two["recall"].value - one["recall"].value
    assert error == pytest.approx(np.hypot(one["recall"].error, two["recall"].error))
    assert row(comparison, "density").differences[0][1] is None


def test_a_run_beside_itself_differs_in_nothing(runs: dict[str, Run], evaluated: list[str]) -> None:
    evaluate(runs["a"], **FEW)
    comparison = compare([runs["a"], runs["a"].path], **FEW)
    assert evaluated == []
    assert comparison.settings == {}
    assert "settings that differ" in comparison.table()
    assert comparison.table().splitlines()[1].startswith("none")
    for one in comparison.measures:
        assert one.differences[0][0] == 0, one.name
    assert row(comparison, "mse").differences == [(0.0, 0.0)]
    assert row(comparison, "mse").paired


def test_settings_that_differ(runs: dict[str, Run]) -> None:
    assert comparing.setting_differences([runs["a"], runs["b"], runs["c"]]) == {
        "latent_dim": [16, 16, 2],
        "likelihood": ["gaussian", "gaussian", "bernoulli"],
        "seed": [0, 1, 0],
        "clip": [None, None, 1.0],
    }
    beside = comparing.setting_differences([runs["a"], runs["gan"]])
    assert beside["model"] == ["vae", "gan"]
    assert beside["critic_steps"] == ["-", 1]
    assert beside["beta"] == [1.0, "-"]
    assert "batch" not in beside
    assert "tick" not in beside


@pytest.mark.usefixtures("evaluated")
def test_likelihoods_of_different_things_have_no_difference(runs: dict[str, Run]) -> None:
    comparison = compare([runs["a"], runs["c"]], **FEW)
    for name in ("elbo (k 1)", "bits per dim"):
        assert row(comparison, name).differences == [None]
        assert None not in row(comparison, name).values
    assert row(comparison, "mse").differences[0] is not None
    quick, note = comparison.notes
    assert quick == QUICK_NOTE
    assert note.startswith("likelihoods of different things, so no differences: ")
    assert "Gaussian density" in note
    assert "cross-entropy" in note


def test_two_gaussians_that_learnt_two_sigmas_are_likelihoods_of_one_thing() -> None:
    protocols = {create("vae", (1, 16, 16), sigma=sigma).protocol for sigma in (0.3, 0.123)}
    assert len(protocols) == 1


@pytest.mark.usefixtures("evaluated")
def test_a_measure_that_one_run_has_not(runs: dict[str, Run]) -> None:
    comparison = compare([runs["gan"], runs["a"], runs["b"]], **FEW)
    mse = row(comparison, "mse")
    assert mse.values[0] is None
    assert mse.differences == [None, None], "differences are to the first run"
    line = next(line for line in comparison.table().splitlines() if " mse " in line)
    assert len(line.split("±")) == 3
    recall = row(comparison, "recall")
    assert None not in recall.values
    assert len([d for d in recall.differences if d]) == 2


def test_what_is_stored_is_used_again_unless_it_is_of_other_weights(
    runs: dict[str, Run], evaluated: list[str]
) -> None:
    pair = [runs["gan"], copy(runs["gan"], Path("b"))]
    compare(pair, **FEW)
    assert evaluated == ["gan", "b"]
    before = [(run.path / "evaluation.json").stat().st_mtime_ns for run in pair]
    compare(pair, **FEW)
    compare(pair, quick=True)
    compare(pair, **FEW | {"images": 20})
    assert evaluated == ["gan", "b"], "settings that are None fit any stored evaluation"
    assert [(run.path / "evaluation.json").stat().st_mtime_ns for run in pair] == before
    compare(pair, **FEW | {"seed": 1})
    assert evaluated == ["gan", "b"] * 2
    compare(pair, **FEW | {"seed": 1, "n": 30})
    assert evaluated == ["gan", "b"] * 3
    write_weights(pair[1].path / "weights.safetensors", pair[1].model.state_dict(), 999)
    assert read_evaluation(pair[1]) is None
    compare(pair, **FEW | {"seed": 1, "n": 30})
    assert evaluated == ["gan", "b"] * 3 + ["b"]


def test_more_images_than_there_are_are_all_there_are(runs: dict[str, Run], evaluated: list[str]) -> None:
    pair = [runs["gan"], copy(runs["gan"], Path("other"))]
    for _ in range(2):
        comparison = compare(pair, **FEW | {"n": 5000, "images": 500})
        assert evaluated == ["gan", "other"]
    assert comparison.measures
    assert read_evaluation(pair[1])["n"] == 179


def test_a_run_without_evaluation_is_measured_like_the_others(
    runs: dict[str, Run], evaluated: list[str]
) -> None:
    evaluate(runs["b"], **FEW)
    comparison = compare([runs["a"], runs["b"]])
    assert evaluated == ["a"], "the only stored evaluation is quick, so the others are"
    assert comparison.notes == [QUICK_NOTE]
    assert row(comparison, "mse").paired


def test_quick_and_full_evaluations_do_not_mix(
    runs: dict[str, Run], evaluated: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {name: FEW[name] for name in ("n", "k", "images")}
    pair = [runs["a"], runs["b"]]
    evaluate(pair[0], **sizes)
    evaluate(pair[1], **sizes, quick=True)
    full = (pair[0].path / "evaluation.json").read_bytes()

    quick = compare(pair, **sizes, quick=True)
    assert evaluated == ["a"]
    assert quick.notes == [QUICK_NOTE]
    assert (pair[0].path / "evaluation.json").read_bytes() == full, "a full evaluation stays"
    assert "measuring a quickly\n" in capsys.readouterr().err

    comparison = compare(pair)
    assert evaluated == ["a", "b"]
    assert comparison.notes == []
    assert [read_evaluation(run)["quick"] for run in pair] == [False, False]
    assert "measuring b in full, which takes minutes" in capsys.readouterr().err
    assert compare(pair, quick=True).measures == comparison.measures
    assert evaluated == ["a", "b"], "full evaluations of all runs are used where a quick one would do"


def test_stored_evaluations_of_both_kinds_are_named(runs: dict[str, Run]) -> None:
    for run, quick in ((runs["a"], True), (runs["b"], False)):
        evaluate(run, **FEW | {"quick": quick})
    notes = comparing.compare_stored([runs["a"], runs["b"]]).notes
    assert notes == ["the evaluations differ in quick: compare with care", QUICK_NOTE]


def test_a_run_that_is_named_twice_is_measured_once(runs: dict[str, Run], evaluated: list[str]) -> None:
    comparison = compare([runs["a"], runs["a"].path], **FEW)
    assert evaluated == ["a"]
    assert row(comparison, "mse").differences == [(0.0, 0.0)]


@pytest.mark.usefixtures("evaluated")
def test_evaluations_that_differ_are_not_paired(runs: dict[str, Run]) -> None:
    evaluate(runs["a"], **FEW)
    evaluate(runs["b"], **FEW | {"n": 30})
    comparison = compare([runs["a"], runs["b"]], quick=True)
    assert comparison.notes == ["the evaluations differ in n: compare with care", QUICK_NOTE]
    assert not any(one.paired for one in comparison.measures)
    assert row(comparison, "mse").differences[0] is not None


@pytest.mark.usefixtures("evaluated")
def test_a_value_that_is_not_finite_has_no_difference(runs: dict[str, Run]) -> None:
    for name in "ab":
        evaluate(runs[name], **FEW)
    path = runs["b"].path / "evaluation.json"
    record = json.loads(path.read_text())
    for one in record["measures"]:
        if one["name"] == "psnr":
            one["value"] = None
    path.write_text(json.dumps(record))
    line = row(compare([runs["a"], runs["b"]], **FEW), "psnr")
    assert line.values[1] is None
    assert line.differences == [None]


@pytest.mark.usefixtures("evaluated")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", "40"),
        ("images", None),
        ("sampling", []),
        ("protocol", 5),
        ("measures", 5),
        ("measures", [{}]),
        ("measures", [{"family": "samples", "name": "fd", "value": 1.0, "error": -1.0}]),
    ],
)
def test_a_damaged_evaluation_is_refused(name: str, value: Any, runs: dict[str, Run]) -> None:
    evaluate(runs["b"], **FEW)
    path = runs["b"].path / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(LimnerError, match=r"evaluation\.json is damaged .* evaluate the run again"):
        compare([runs["a"], runs["b"]])


@pytest.mark.usefixtures("evaluated")
@pytest.mark.parametrize("kind", ["noise", "code", "shape", "words", "bomb"])
def test_damaged_values_of_single_images_are_refused(kind: str, runs: dict[str, Run]) -> None:
    evaluate(runs["b"], **FEW)
    arrays: dict[str, Any] = {
        "code": np.array([Path("x")], dtype=object),
        "shape": np.zeros((2, 2)),
        "words": np.array(["a", "b"]),
        "bomb": np.zeros(10_000_000),
    }
    path = runs["b"].path / "evaluation.npz"
    np.savez_compressed(path, mse=arrays.get(kind, 0))
    if kind == "noise":
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(LimnerError, match=r"evaluation\.npz is damaged .* evaluate the run again"):
        compare([runs["a"], runs["b"]], **FEW)


def test_runs_that_do_not_compare_are_refused(runs: dict[str, Run], tmp_path: Path) -> None:
    with pytest.raises(LimnerError, match="two runs or more, not 1"):
        compare([runs["a"]])
    with pytest.raises(LimnerError, match="two runs or more, not 0"):
        compare([])
    discs = blobs(60, (1, 16, 16))
    other = Dataset("discs", "discs", discs, discs, None, (), "others")
    run = limner.train("gan", other, out=tmp_path / "discs", **TINY)
    with pytest.raises(LimnerError, match="a is of digits and discs of discs"):
        compare([runs["a"], run])
    with pytest.raises(LimnerError, match="no run called 'nowhere'"):
        compare([runs["a"], "nowhere"])


def test_pictures_and_curves_are_written_and_show_something(runs: dict[str, Run], tmp_path: Path) -> None:
    comparison = compare([runs["a"], runs["b"]], **FEW)
    written = comparison.save(tmp_path / "new" / "folder")
    assert [path.name for path in written[:2]] == ["comparison.json", "pictures.png"]
    curves = [path.stem for path in written[2:]]
    assert "curve-held_out-elbo" in curves
    assert len(curves) == 5
    for path in written[1:]:
        shown = Image.open(path)
        low, high = shown.convert("L").getextrema()
        assert min(shown.size) > 150
        assert high - low > 200
    record = json.loads(written[0].read_text())
    assert record["runs"] == ["a", "b"]
    assert record["settings"] == {"seed": [0, 1]}
    assert [m["name"] for m in record["measures"]] == [m.name for m in comparison.measures]
    assert record["measures"][0]["differences"][0] == list(comparison.measures[0].differences[0])


def test_pictures_have_a_row_for_each_and_labels(
    runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Any] = {}

    def record_call(rows: Any, *, title: str, row_labels: list[str]) -> str:
        drawn.update(rows=rows, title=title, labels=row_labels)
        return "sheet"

    monkeypatch.setattr("limner.evaluation.pictures.sheet", record_call)
    assert compare_images([runs["a"], runs["gan"]], 0) == {"pictures": "sheet"}
    assert drawn["labels"] == ["test images", "a, reconstructed", "a, samples", "gan, samples"]
    assert {len(part) for part in drawn["rows"]} == {12}
    assert "samples of different noise" in drawn["title"]
    compare_images([runs["a"], runs["b"]], 0)
    assert "samples of the same noise, seed 0" in drawn["title"]
    same = drawn["rows"]
    compare_images([runs["a"], runs["b"]], 0)
    assert all(one.equal(two) for one, two in zip(same, drawn["rows"], strict=True))
    runs["a"].model = Idle((1, 28, 28), Model.Options())
    assert compare_images([runs["a"], runs["a"]], 0) == {}


def test_curves_are_of_what_all_logged(runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, Any]] = []
    monkeypatch.setattr("limner.evaluation.pictures.curves", lambda series, **record: drawn.append(series))
    assert compare_logs([runs["a"], runs["gan"]]) == {}, "a VAE and a GAN log nothing alike"
    compare_logs([runs["a"], runs["b"]])
    assert [list(series) for series in drawn] == [["a", "b"]] * 5
    held_out = [line["held_out/elbo"] for line in runs["a"].log]
    assert drawn[1]["a"] == ([line["images"] for line in runs["a"].log], held_out)


def test_two_runs_of_one_name_have_two_labels(runs: dict[str, Run], tmp_path: Path) -> None:
    twin = copy(runs["a"], tmp_path / "elsewhere" / "a")
    assert run_labels([runs["a"], runs["b"]]) == ["a", "b"]
    assert run_labels([runs["a"], twin]) == [str(runs["a"].path), str(twin.path)]


@pytest.mark.parametrize(
    ("value", "error", "sign", "shown"),
    [
        (12.345, 0.123, "", "12.35 ± 0.12"),
        (-0.5, 0.01, "+", "-0.500 ± 0.010"),
        (1234.5, 30.0, "+", "+1234 ± 30"),
        (0.25, None, "+", "+0.25"),
        (0.0, 0.0, "+", "+0"),
        (3.0, float("nan"), "", "3"),
        (None, None, "", ""),
    ],
)
def test_as_many_digits_as_the_error_warrants(
    value: float | None, error: float | None, sign: str, shown: str
) -> None:
    assert with_error(value, error, sign) == shown


# -- what is stored ---------------------------------------------------------------------------------------
def test_what_is_stored_is_compared_without_evaluating(runs: dict[str, Run], evaluated: list[str]) -> None:
    for name in "ab":
        evaluate(runs[name], **FEW)
    stored, whole = comparing.compare_stored([runs["a"], runs["b"]]), compare([runs["a"], runs["b"]], **FEW)
    assert (stored.measures, stored.settings, stored.notes) == (whole.measures, whole.settings, whole.notes)
    with_gan = comparing.compare_stored([runs["a"], runs["gan"], runs["b"]])
    note, _ = with_gan.notes
    assert note.endswith(f"this makes one: limner evaluate {runs['gan'].path} --quick")
    mse = row(with_gan, "mse")
    assert mse.values[1] is mse.differences[0] is None
    assert (mse.values[::2], mse.differences[1]) == (
        row(whole, "mse").values,
        row(whole, "mse").differences[0],
    )
    assert comparing.compare_stored([runs["c"], runs["gan"]]).measures == []
    assert evaluated == []
    with pytest.raises(LimnerError, match="needs two runs"):
        comparing.compare_stored([runs["a"]])


def test_runs_on_different_data_share_no_numbers(runs: dict[str, Run], tmp_path: Path) -> None:
    data = (blobs(60, (1, 28, 28)).pixels.numpy(), blobs(60, (1, 28, 28)).labels.numpy())
    other = limner.train("vae", data, out=tmp_path / "other", **TINY)
    evaluate(runs["a"], **FEW)
    shutil.copy(runs["a"].path / "evaluation.json", other.path)
    comparison = comparing.compare_stored([runs["a"], other])
    assert [value is None for value in row(comparison, "mse").values] == [False, True]
    assert row(comparison, "mse").differences == [None]
    assert "numbers on different images do not compare" in comparison.notes[0]
    assert describe_data(runs["a"], runs["b"]) == ""
    assert "their test images are not the same" in describe_data(runs["a"], other)


def test_the_same_source_at_another_size_has_the_same_test_images(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    larger = limner.train("vae", "digits", size=32, out=tmp_path / "larger", **TINY)
    smaller = limner.train("vae", "digits", out=tmp_path / "smaller", **TINY)
    assert describe_data(smaller, larger) == ""
    small, large = (run.data.test.pixels[:20].float() for run in (smaller, larger))
    shrunk = torch.nn.functional.interpolate(large, size=(28, 28), mode="area")
    distances = torch.cdist(shrunk.flatten(1), small.flatten(1))
    assert distances.argmin(1).tolist() == list(range(20))


def test_codes_of_one_size_and_prior_share_their_noise(runs: dict[str, Run]) -> None:
    assert describe_noise([runs["a"], runs["b"]]) == "a seed gives each model the same noise"
    assert describe_noise([runs["a"]]) == ""
    text = describe_noise([runs["a"], runs["c"]])
    assert text.startswith("the codes differ (a 16 numbers, normal; c 2 numbers, normal)")
