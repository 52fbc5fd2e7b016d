"""`ablate`: a grid of runs trained once, its table and files, and when it is used again or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small, small_source

from limner.data import Dataset
from limner.errors import LimnerError
from limner.evaluation import Evaluation, Measure, evaluate
from limner.metrics import classifier
from limner.models import model_class
from limner.recipes import grid
from limner.recipes.ablate import Configuration, ablate
from limner.recipes.ablation import Ablation
from limner.recipes.switches import TRAINING
from limner.training import Run

TINY: dict[str, Any] = {"images": 200, "n": 150, "batch": 50, "hidden": (16,), "quiet": True}


@pytest.fixture(scope="module")
def whole(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    """A GAN of one switch over two seeds, really measured."""
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    ablation = ablate("gan", digits, "noise", seeds=2, out=tmp_path_factory.mktemp("out") / "grid", **TINY)
    assert torch.equal(torch.random.get_rng_state(), before)
    return ablation


@pytest.fixture
def folder(whole: Ablation, tmp_path: Path) -> Path:
    """A copy of its folder."""
    return shutil.copytree(whole.folder, tmp_path / "grid")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs trained from here on, by their folders' names."""
    names: list[str] = []
    train = grid.train_or_resume

    def record(path: Path, *rest: Any, **settings: Any) -> Run:
        names.append(path.name)
        return train(path, *rest, **settings)

    monkeypatch.setattr(grid, "train_or_resume", record)
    return names


def test_every_run_is_measured_and_compared_with_base_of_its_seed(whole: Ablation) -> None:
    runs = [f"{name}-{seed}" for seed in (0, 1) for name in ("base", "noise=uniform")]
    assert {path.name for path in whole.folder.iterdir() if path.is_dir()} == set(runs)
    assert whole.rows[0].measure == "fd[digits-cnn-v1]"
    measures = [row.measure for row in whole.rows]
    assert measures[1:] == ["precision", "recall", "classes of 10", "kl of classes"]
    values = whole.record["runs"]
    for row in whole.rows:
        pairs = [
            (values[f"noise=uniform-{s}"][row.measure], values[f"base-{s}"][row.measure]) for s in (0, 1)
        ]
        assert row.differences == pytest.approx([ours - base for ours, base in pairs])
    assert whole.rows[0].deviation, "seeds differ"
    for name in runs:
        config = Run(whole.folder / name).config
        assert config.options["noise"] == ("uniform" if "uniform" in name else "gaussian")
        assert (config.options["hidden"], config.training.batch) == ([16], 50)
        assert (config.training.seed, config.training.images) == (int(name[-1]), 200)
        assert not (whole.folder / name / "evaluation.json").exists(), "what is kept there is whole"
    assert whole.seconds > 0


def test_a_measure_is_what_evaluate_gives(whole: Ablation) -> None:
    evaluation = evaluate(Run(whole.folder / "base-1"), n=150, quick=True, families=["samples"])
    assert whole.record["runs"]["base-1"]["fd[digits-cnn-v1]"] == evaluation["fd[digits-cnn-v1]"].value


def test_what_is_written(whole: Ablation) -> None:
    table, numbers = (path.read_text() for path in whole.files)
    content = json.loads(numbers)
    assert [row["verdict"] for row in content["rows"]] == [row.verdict for row in whole.rows]
    assert content["runs"] == whole.record["runs"]
    lines = table.splitlines()
    assert lines[0] == (
        "# gan on digits, one option changed at a time: 2 seeds, 200 images a run, measured on n 150"
    )
    rows = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in rows} == {8}
    assert len(rows) == 2 + len(whole.rows)
    assert rows[2].startswith("| fd[digits-cnn-v1], lower is better | noise=uniform | ")
    assert [line[2:] for line in lines if line.startswith("- ")] == list(whole.notes)
    shown = whole.table().splitlines()
    assert shown[0].split()[0] == "measure"
    assert len(shown) == 1 + len(whole.rows)


def test_a_second_call_trains_and_measures_nothing(
    whole: Ablation, folder: Path, digits: Dataset, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "evaluate", None)
    again = ablate("gan", digits, ["noise=uniform"], seeds=2, out=folder, **TINY)
    assert (again.rows, again.notes, trained) == (whole.rows, whole.notes, [])
    assert ablate("gan", digits, "noise", out=folder, seeds=1, **TINY).rows[0].p is None


def test_switches_and_seeds_added_later_reuse_what_is_there(
    whole: Ablation, folder: Path, digits: Dataset, trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    more = ablate(
        "gan", digits, {"noise": "uniform", "lr": 0.01}, seeds=3, out=folder, **TINY | {"quiet": False}
    )
    assert trained == ["lr=0.01-0", "lr=0.01-1", "base-2", "noise=uniform-2", "lr=0.01-2"], "seed by seed"
    assert more.rows[0].differences[:2] == whole.rows[0].differences
    lines = [line for line in capsys.readouterr().err.splitlines() if " runs)" in line]
    assert len(lines) == 9
    value = more.record["runs"]["lr=0.01-1"]["fd[digits-cnn-v1]"]
    assert lines[5] == f"lr=0.01, seed 1: fd {value:.4g} (6 of 9 runs)"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"images": 300}, "have images 200, not 300: choose another --out"),
        ({"hidden": (8,)}, r"have hidden \[16\], not \[8\]"),
        ({"batch": 20}, "have batch 50, not 20"),
        ({"lr": 0.1}, "have lr 0.0005, not 0.1"),
        ({"precision": "bf16"}, "have precision fp32, not bf16"),
    ],
)
def test_other_settings_do_not_mix(
    changed: dict[str, Any], said: str, folder: Path, digits: Dataset, trained: list[str]
) -> None:
    before = (folder / "ablation.json").read_text()
    with pytest.raises(LimnerError, match=said):
        ablate("gan", digits, "noise", seeds=2, out=folder, **TINY | changed)
    assert trained == []
    assert (folder / "ablation.json").read_text() == before


def test_other_data_and_folders_of_something_else_are_refused(
    folder: Path, digits: Dataset, tmp_path: Path
) -> None:
    other = Dataset("digits", "digits", digits.train, digits.test, None, (), "else")
    with pytest.raises(LimnerError, match=r"have fingerprint .*, not else"):
        ablate("gan", other, "noise", out=folder, **TINY)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(LimnerError, match="exists and is no ablation"):
        ablate("gan", digits, "noise", out=tmp_path / "mine", **TINY)
    (folder / "ablation.json").write_text("[]")
    with pytest.raises(LimnerError, match="is not of an ablation"):
        ablate("gan", digits, "noise", out=folder, **TINY)


def test_another_n_measures_anew_and_trains_nothing(folder: Path, digits: Dataset) -> None:
    before = [(folder / f"base-{s}" / "weights.safetensors").stat().st_mtime_ns for s in (0, 1)]
    ablation = ablate("gan", digits, "noise", seeds=2, out=folder, **TINY | {"n": 30})
    assert ablation.rows[0].measure == "precision", "too few for a distance"
    assert any("not measured: fd[digits-cnn-v1]: " in note for note in ablation.notes)
    assert [(folder / f"base-{s}" / "weights.safetensors").stat().st_mtime_ns for s in (0, 1)] == before


@pytest.mark.parametrize(
    "change",
    [
        lambda content: [],
        lambda content: content | {"n": "150"},
        lambda content: content | {"measures": [{"name": "fd[x]"}]},
        lambda content: content | {"measures": [content["measures"][0] | {"value": "1e400"}]},
        lambda content: content | {"measures": [content["measures"][0] | {"better": "sideways"}]},
        lambda content: {name: content[name] for name in ("n", "measures")},
    ],
)
def test_a_damaged_result_is_one_line_and_stays(
    change: Callable[[Any], Any], folder: Path, digits: Dataset, trained: list[str]
) -> None:
    path = folder / "noise=uniform-1" / "measured.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    before = path.read_text()
    with pytest.raises(
        LimnerError, match=r"noise=uniform-1/measured\.json is damaged .*: delete it"
    ) as error:
        ablate("gan", digits, "noise", seeds=2, out=folder, **TINY)
    assert "\n" not in str(error.value)
    assert (path.read_text(), trained) == (before, [])


def test_it_resumes_where_it_was_stopped(
    whole: Ablation, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, out = grid.train_or_resume, tmp_path / "out"

    def stopped(path: Path, *rest: Any, **settings: Any) -> Run:
        if path.name == "base-1":
            train(path, *rest, **settings | {"images": 100})
            raise KeyboardInterrupt
        return train(path, *rest, **settings)

    monkeypatch.setattr(grid, "train_or_resume", stopped)
    with pytest.raises(KeyboardInterrupt):
        ablate("gan", digits, "noise", seeds=2, out=out, **TINY)
    assert len(json.loads((out / "ablation.json").read_text())["rows"]) == 5, (
        "the first seed already compares"
    )
    monkeypatch.setattr(grid, "train_or_resume", train)
    (out / "noise=uniform-1").mkdir()  # killed before it saved anything
    shutil.copy(out / "noise=uniform-0" / "run.json", out / "noise=uniform-1")
    assert ablate("gan", digits, "noise", seeds=2, out=out, **TINY).rows == whole.rows


def test_mistakes_are_reported_before_anything_is_trained(digits: Dataset, trained: list[str]) -> None:
    for vary, settings, said in [
        ("noise,critic_steps=0", {}, "critic_steps=0: critic_steps must be at least 1, not 0"),
        ("noise,clip=0", {}, "clip=0.0: clip must be above 0, not 0"),
        ("noise", {"critic_steps": 0}, "critic_steps must be at least 1"),
        ("noise", {"images": 0}, "images must be at least 1"),
        ("noise", {"seeds": 0}, "seeds must be at least 1, not 0"),
        ("noise", {"n": 19}, "n must be at least 20, not 19"),
        ("noise", {"leyers": 3}, "GAN has no option 'leyers'"),
        ("noise", {"preset": "papre"}, "GAN has no preset 'papre': did you mean 'paper'"),
        ("inputs=unit", {"preset": "paper"}, "inputs=unit is what base has already"),
        ("noise=gaussian", {}, "noise=gaussian is what base has already"),
    ]:
        with pytest.raises(LimnerError, match=said):
            ablate("gan", digits, vary, **TINY | settings)
    with pytest.raises(LimnerError, match="no model called 'gna': did you mean 'gan'"):
        ablate("gna", digits, "noise")
    assert trained == []
    assert not Path("ablations").exists()


def test_a_run_that_diverges_is_reported_and_left_out(digits: Dataset, trained: list[str]) -> None:
    for expected in (["base-0", "lr=1e+30-0", "noise=uniform-0"], []):
        trained.clear()
        ablation = ablate("gan", digits, "lr=1e30,noise", seeds=1, **TINY)
        assert trained == expected
        assert {row.switch for row in ablation.rows} == {"noise=uniform"}
        assert sum(note.startswith("lr=1e+30, seed 0, is in no row: ") for note in ablation.notes) == 1
    assert ablation.folder == Path("ablations/gan-digits")


def test_reconstructions_are_compared_by_their_error(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fake(run: Run, **options: Any) -> Evaluation:
        assert set(options["families"]) == set(grid.MEASURES)
        assert run.config.training.precision == "bf16", "base's, in all runs"
        size, seed = run.config.options["latent_dim"], run.config.training.seed
        values = {"mse": (1 + 0.01 * seed) / size, "mse of PCA": 1, "psnr": 5, "ssim": float("nan")}
        directions = {"mse": "lower", "mse of PCA": "", "psnr": "higher", "ssim": "higher"}
        return Evaluation(
            [],
            [
                Measure(name, value, 9, better=directions[name], family="reconstruction")
                for name, value in values.items()
            ],
            ["x: y"],
            {},
        )

    monkeypatch.setattr(grid, "evaluate", fake)
    monkeypatch.setattr("limner.training.setup.default_precision", lambda network: "bf16")
    ablation = ablate("autoencoder", digits, "latent_dim=4", seeds=2, images=50, latent_dim=2, quiet=True)
    assert [(row.measure, row.switch, row.verdict) for row in ablation.rows] == [
        ("mse", "latent_dim=4", "better")
    ]
    assert ablation.rows[0].differences == pytest.approx((-0.25, -0.2525))
    assert ablation.notes[-1] == "not measured: x: y"


def test_translations_are_compared_in_both_directions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 0)
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    domains = small_source("cyclegan", tmp_path)
    settings = small("cyclegan") | {"images": 40, "batch": 8, "quiet": True}
    ablation = ablate("cyclegan", domains, "cycle=1", seeds=1, n=60, **settings)
    assert ablation.folder == Path("ablations/cyclegan-digits-negatives")
    measures = [row.measure for row in ablation.rows]
    assert measures[0].startswith("kid[")
    for direction in ("A -> B", "B -> A"):
        ours = {name.removesuffix(f", {direction}") for name in measures if name.endswith(direction)}
        assert {name.partition("[")[0] for name in ours} == {
            "kid", "taken for the target", "cycle psnr, stored in 8 bits",
        }, "60 images are too few for fd, and no baseline is compared"  # fmt: skip
    values = evaluate(Run(ablation.folder / "cycle=1.0-0"), n=60, quick=True, families=["translation"])
    assert ablation.record["runs"]["cycle=1.0-0"][measures[0]] == values[measures[0]].value


def test_data_of_the_other_kind_is_refused(digits: Dataset) -> None:
    with pytest.raises(LimnerError, match="needs two domains"):
        ablate("cyclegan", digits, "cycle=1")
    with pytest.raises(LimnerError, match="trains on one data set"):
        ablate("gan", (digits, digits), "noise")
    few = replace(digits, test=digits.test.subset(torch.arange(19)))
    with pytest.raises(LimnerError, match="19 test images: too few to measure on"):
        ablate("gan", few, "noise")
    assert not Path("ablations").exists()


def test_base_has_every_option_of_the_model_and_the_training_settings(digits: Dataset) -> None:
    cls = model_class("cgan")
    settings = Configuration(cls, digits, None, {"width": 8, "warmup": 50}).all_settings()
    assert set(settings) == {*cls.Options.model_fields, *TRAINING, "images"}
    assert (settings["width"], settings["warmup"]) == (8, 50)
    assert (settings["images"], settings["batch"]) == (cls.images, cls.batch)
    assert settings["classes"] == 10, "of the data"
