"""Every recipe in its quick version; reports and their verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import limner
from limner.cli import reproduce as verb
from limner.cli import run as cli
from limner.data import Dataset, load
from limner.errors import LimnerError
from limner.explore.timeline import read_previews
from limner.metrics import classifier, extractor
from limner.recipes import RECIPES, find_recipe, reproduce, target
from limner.recipes.report import Report, Row, at_least, at_most
from limner.recipes.strokes import thicken
from limner.train_run import train


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    """A cache with a quickly trained extractor of the digits."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(folder))
        patch.setattr(classifier, "LEAST_IMAGES", 0)
        extractor(digits)
    return folder


@pytest.fixture
def _cached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_CACHE", str(cache))
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 0)


@pytest.mark.usefixtures("_cached")
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_leaves_rows_pictures_and_a_report(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = reproduce(name, out, quick=True, seed=3)
    assert report.command == f"limner reproduce {name} --quick --seed 3"
    assert report.seconds > 0
    assert any(row.target for row in report.rows), "a recipe has a target"
    assert all(row.passed is None for row in report.rows), "the quick version is not judged"
    assert len({row.what for row in report.rows}) >= 3
    assert "nan" not in report.table()
    assert len(report.pictures) == 2
    for path in report.pictures:
        picture = Image.open(path)
        low, high = picture.convert("L").getextrema()
        assert min(picture.size) > 150
        assert high - low > 200
    stored = json.loads((out / "report.json").read_text())
    assert stored["pictures"] == [path.name for path in report.pictures]
    assert [row["reached"] for row in stored["rows"]] == [row.reached for row in report.rows]
    assert stored["target"] == target(name)


@pytest.mark.usefixtures("_cached")
def test_a_run_of_translation_is_as_open_to_the_other_verbs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reproduce("cyclegan-strokes", tmp_path / "out", quick=True)
    capsys.readouterr()
    run = limner.load(tmp_path / "out" / "cyclegan")
    digits, strokes = run.domains.a.test.pixels, run.domains.b.test.pixels
    assert torch.equal(thicken(digits), strokes), "test images are partners"
    assert len(run.domains.a.train) + len(run.domains.b.train) == len(load("digits").train)
    bright, dark = digits == 255, strokes == 0
    assert bool(dark[bright].all())
    assert dark.sum() > 2 * bright.sum()
    assert cli(["translate", str(run.path), str(tmp_path / "out" / "strokes-1.png"), "--to", "B"]) == 0
    assert cli(["data", f"A={tmp_path}/out/digits.npz", f"B={tmp_path}/out/strokes.npz"]) == 0
    assert capsys.readouterr().err == ""


def test_a_recipe_gives_the_same_numbers_again_and_resumes_where_it_stopped(tmp_path: Path) -> None:
    first = reproduce("lab1-latent-sweep", tmp_path / "a", quick=True)
    with pytest.raises(LimnerError, match="complete report"):
        reproduce("lab1-latent-sweep", tmp_path / "a", quick=True)
    (tmp_path / "a" / "report.json").unlink()
    before = (tmp_path / "a" / "autoencoder-3" / "log.jsonl").read_text()
    again = reproduce("lab1-latent-sweep", tmp_path / "a", quick=True)
    assert (tmp_path / "a" / "autoencoder-3" / "log.jsonl").read_text() == before
    assert again.rows == first.rows
    other = reproduce("lab1-latent-sweep", tmp_path / "b", quick=True, seed=1)
    assert other.rows != first.rows


def test_previews_of_training_are_read_back(tmp_path: Path) -> None:
    run = train("autoencoder", "digits", images=2000, out=tmp_path / "run", quiet=True)
    previews = read_previews(run, 12)
    assert next(iter(previews)) == 0
    assert list(previews)[-1] == run.images_seen
    x = run.data.test.pixels.float() / 127.5 - 1
    expected = ((run.model.preview(x, None, 64) + 1) * 127.5).round()
    for picture in previews[run.images_seen].float():
        assert (expected - picture).abs().flatten(1).amax(1).min() <= 1, "a reconstruction of some test image"


def test_targets_judge_and_a_quick_version_is_not_judged() -> None:
    assert at_most("x", 0.033, 0.033, True).verdict == "pass"
    assert at_most("x", 0.034, 0.033, True).verdict == "MISSED"
    assert at_least("x", 10, 10, True, "d").verdict == "pass"
    assert at_least("x", 9, 10, True, "d").verdict == "MISSED"
    assert at_least("x", 9, 10, False, "d") == Row("x", "9", "at least 10", None)


def test_a_report_in_words() -> None:
    passed = Report([at_most("a", 1, 2, True), Row("b", "5")], [])
    missed = Report([*passed.rows, at_least("c", 1, 2, True)], [])
    quick = Report([at_most("a", 1, 2, False)], [])
    assert [r.verdict for r in (passed, missed, quick)] == [
        "every target reached",
        "a target was missed",
        "not judged: the quick version",
    ]
    assert (passed.passed, missed.passed, quick.passed) == (True, False, True)
    lines = missed.table().splitlines()
    assert lines[0].split() == ["what", "target", "reached", "verdict"]
    assert lines[3].endswith("MISSED")


def test_the_verb_lists_prints_and_exits_by_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    verb.main([])
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(RECIPES)
    assert "0.033" in listed[0]

    value = 1.0

    def tiny(out: Path, *, quick: bool = False, seed: int = 0) -> Report:
        """Tiny."""
        picture = out / "p.png"
        Image.new("L", (4, 4)).save(picture)
        return Report([at_most("value", value, 2, not quick)], [picture], ["a remark"])

    monkeypatch.setattr("limner.recipes.find_recipe", lambda name: tiny)
    verb.main(["lab1-latent-sweep", "--out", str(tmp_path / "a")])
    out = capsys.readouterr().out
    assert "every target reached" in out
    assert "note: a remark" in out
    assert f"wrote {tmp_path / 'a' / 'p.png'}" in out
    value = 3.0
    with pytest.raises(SystemExit) as end:
        verb.main(["lab1-latent-sweep", "--out", str(tmp_path / "b")])
    assert end.value.code == 1
    assert "MISSED" in capsys.readouterr().out
    verb.main(["lab1-latent-sweep", "--quick"])
    assert Path("reproduced/lab1-latent-sweep-quick/report.json").exists()


def test_an_unknown_recipe_gets_the_nearest_name() -> None:
    with pytest.raises(LimnerError, match="did you mean 'vae-manifold'"):
        find_recipe("vae-manifolds")
