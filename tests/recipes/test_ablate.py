"""Switches read as text, their effects against scipy and Holm by hand, and the grid trained once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import limner
from limner.data import Dataset
from limner.errors import LimnerError
from limner.evaluation import Evaluation, Measure
from limner.models.base import Model, Shape, require
from limner.recipes import ablate as module
from limner.recipes.ablate import Ablation, ablate
from limner.recipes.effects import NOISE, Effect, effect, effects, holm, primary_of, remarks, verdict
from limner.recipes.switches import given, read, switched, typed
from limner.training import Run

TINY: dict[str, Any] = {"images": 200, "n": 150, "batch": 50, "hidden": (16,), "quiet": True}


class Many(Model):
    """A model with an option of every kind; it samples noise."""

    switches: ClassVar[dict[str, Any]] = {"rate": 0.1, "words": ("a",)}

    def __init__(
        self,
        shape: Shape,
        *,
        flag: bool = False,
        rate: float = 0.0,
        count: int = 3,
        two: Literal["one", "other"] = "one",
        three: Literal["a", "b", "c"] = "a",
        widths: tuple[int, ...] = (8, 4),
        words: tuple[Literal["a", "b"], ...] = (),
        bound: float | None = None,
        name: str = "plain",
    ) -> None:
        super().__init__(shape)
        require(count < 9 or not flag, "count must be below 9 with flag")
        self.weight = nn.Parameter(torch.zeros(1))

    def sample(self, n: int, y: torch.Tensor | None = None) -> torch.Tensor:
        return torch.zeros(n, *self.shape)


BASE: dict[str, Any] = {
    "flag": False, "rate": 0.0, "count": 3, "two": "one", "three": "a", "widths": (8, 4), "words": (),
    "bound": None, "name": "plain", "batch": 128, "clip": None, "ema_half_life": 10_000, "precision": "fp32",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name", "changed"),
    [
        ("flag", "flag=True", {"flag": True}),
        ("rate", "rate=0.1", {"rate": 0.1}),
        ("words", "words=a", {"words": ("a",)}),
        ("two", "two=other", {"two": "other"}),
        ("flag=true", "flag=True", {"flag": True}),
        ("rate=1e-3", "rate=0.001", {"rate": 0.001}),
        ("count=-2", "count=-2", {"count": -2}),
        ("three=c", "three=c", {"three": "c"}),
        ("widths=128x256", "widths=128x256", {"widths": (128, 256)}),
        ("widths=7", "widths=7", {"widths": (7,)}),
        ("words=b+a", "words=b+a", {"words": ("b", "a")}),
        ("bound=2", "bound=2.0", {"bound": 2.0}),
        ("name=a/b c", "name=a_b_c", {"name": "a/b c"}),
        ("clip=1", "clip=1.0", {"clip": 1.0}),
        ("batch=64", "batch=64", {"batch": 64}),
        ("precision", "precision=bf16", {"precision": "bf16"}),
    ],
)
def test_a_switch_is_read_by_its_type(text: str, name: str, changed: dict[str, Any]) -> None:
    assert switched(Many, [text], BASE) == {name: changed}


def test_switches_come_as_text_list_or_mapping_and_go_by_what_base_has() -> None:
    expected = {"flag=True": {"flag": True}, "count=5": {"count": 5}}
    assert switched(Many, "flag, count=5", BASE) == expected
    assert switched(Many, {"flag": True, "count": 5}, BASE) == expected
    assert switched(Many, ["flag", "two"], BASE | {"flag": True, "two": "other"}) == {
        "flag=False": {"flag": False},
        "two=one": {"two": "one"},
    }
    assert read("bound", float | None, "None") is None
    assert read("words", tuple[str, ...], "none") == ()
    assert given(Many, "count=5,widths=2x3") == {"count": 5, "widths": (2, 3)}
    assert given(Many, "") == {}


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ("flga", "Many has no option 'flga': did you mean 'flag'"),
        ("flga=1", "Many has no option 'flga': did you mean 'flag'"),
        ("count", r"count is 3 .*: count=VALUE$"),
        ("bound", r"bound is None .*: bound=VALUE$"),
        ("three", "three is a .*: three=VALUE, of b, c$"),
        ("widths", "widths is 8x4 .*: widths=VALUE$"),
        ("two=on", "two cannot be 'on': did you mean 'one'"),
        ("flag=yes", "flag cannot be 'yes'"),
        ("count=1.5", "count wants a whole number, not '1.5'"),
        ("rate=low", "rate wants a number, not 'low'"),
        ("widths=128-256", "widths wants a whole number, not '128-256'"),
        ("words=a+c", "words cannot be 'c'"),
        ("count=3", "count=3 is what base has already"),
        ("widths=8x4", "widths=8x4 is what base has already"),
        ("precision=fp32", "precision=fp32 is what base has already"),
        ("flag,flag=true", "flag=True is to be varied twice"),
        ("", "nothing to vary: name options of Many, flag, rate"),
    ],
)
def test_a_switch_that_will_not_do(vary: str, said: str) -> None:
    with pytest.raises(LimnerError, match=said):
        switched(Many, vary, BASE)


def test_settings_that_will_not_do() -> None:
    with pytest.raises(LimnerError, match="'flag' sets nothing: write NAME=VALUE"):
        given(Many, "count=3,flag")
    with pytest.raises(LimnerError, match="has no option 'seeds'"):
        given(Many, "seeds=3")
    with pytest.raises(LimnerError, match="two cannot be 'none'"):
        typed(Many, {"two": "none"})


def test_an_effect_is_that_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    for k in (2, 3, 5, 12):
        base = rng.normal(10, 3, k)
        ours = base + rng.normal(0.4, 1, k)
        found, expected = effect("s", "m", "lower", ours, base), stats.ttest_rel(ours, base)
        low, high = expected.confidence_interval(0.95)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
        assert found.interval == pytest.approx((low, high), rel=1e-9)
        assert found.mean == pytest.approx((ours - base).mean())
        assert found.deviation == pytest.approx(np.std(ours - base, ddof=1))
        assert found.base == pytest.approx(base.mean())


def test_differences_without_spread() -> None:
    same = effect("s", "m", "lower", [1, 2], [1, 2])
    assert (same.interval, same.p, verdict(same, same.p)) == ((0, 0), 1, NOISE)
    shifted = effect("s", "m", "lower", [2, 3], [1, 2])
    assert (shifted.interval, shifted.p, verdict(shifted, shifted.p)) == ((1, 1), 0, "worse")
    one = effect("s", "m", "lower", [2], [1])
    assert (one.mean, one.deviation, one.interval, one.p, one.verdict) == (1, None, None, None, NOISE)
    assert "one seed has no spread" in " ".join(remarks([one]))


def test_holm_by_hand() -> None:
    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, none below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@pytest.mark.parametrize(
    ("better", "mean", "said"),
    [("lower", -1, "better"), ("lower", 1, "worse"), ("higher", 1, "better"), ("higher", -1, "worse")],
)
def test_a_verdict_knows_which_way_is_good(better: str, mean: float, said: str) -> None:
    row = Effect("s", "m", better, 0, (mean, mean), mean)
    assert verdict(row, 0.049) == said
    assert verdict(row, 0.051) == verdict(row, None) == NOISE


def grown(shift: float) -> dict[int, dict[str, Measure]]:
    """Measures of three seeds, fd shifted by `shift` and a little that is not the same for each."""
    shifts = [shift + 0.25 * (seed - 1) * bool(shift) for seed in range(3)]
    return {
        seed: {
            "recall": Measure("recall", seed / 10, 100, better="higher"),
            "fd[x]": Measure("fd[x]", 10 * seed + shifts[seed], 100, better="lower"),
        }
        for seed in range(3)
    }


def test_the_primary_measure_comes_first_and_its_verdicts_are_corrected() -> None:
    alone = effects({"base": grown(0), "a=1": grown(-1)})
    assert [(row.measure, row.switch) for row in alone] == [("fd[x]", "a=1"), ("recall", "a=1")]
    assert alone[0].differences == pytest.approx((-1.25, -1, -0.75))
    assert alone[0].p == pytest.approx(stats.ttest_1samp([-1.25, -1, -0.75], 0).pvalue)
    assert [row.verdict for row in alone] == ["better", NOISE]
    among = effects({"base": grown(0), "a=1": grown(-1), "b=1": grown(0), "c=1": grown(0)})
    assert among[0].p == alone[0].p
    assert (among[0].p or 0) * 3 > 0.05
    assert [row.verdict for row in among] == [NOISE] * 6
    told = " ".join(remarks(among))
    assert "verdicts on fd[x] are Holm-corrected over its 3 rows" in told
    assert "alone 0.15 of them" in told
    assert "of these 3 rows chance alone would be expected to call 0.15 different" in told


def test_seeds_are_paired_and_those_without_a_partner_left_out() -> None:
    base, ours = grown(0), grown(2)
    del base[0], ours[2]["recall"]
    rows = {row.measure: row for row in effects({"base": base, "a=1": ours, "b=1": {}})}
    assert len(rows) == 2, "b has no run"
    assert rows["fd[x]"].differences == pytest.approx((2, 2.25))
    assert rows["fd[x]"].base == pytest.approx(15)
    assert rows["recall"].differences == (0,)
    assert "nothing to compare yet" in remarks(effects({"base": base, "b=1": {}}))[0]


def test_the_primary_measure() -> None:
    assert primary_of(["mse", "fd[x], reconstructed", "fd[x]", "recall"]) == "fd[x]"
    assert primary_of(["fd[x], reconstructed", "mse"]) == "mse"
    assert primary_of(["recall", "precision"]) == "recall"
    assert primary_of([]) == ""


@pytest.fixture(scope="module")
def whole(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    """A GAN of one switch over two seeds, really measured."""
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    found = ablate("gan", digits, "noise", seeds=2, out=tmp_path_factory.mktemp("out") / "grid", **TINY)
    assert torch.equal(torch.random.get_rng_state(), before)
    return found


@pytest.fixture
def folder(whole: Ablation, tmp_path: Path) -> Path:
    """A copy of its folder."""
    return shutil.copytree(whole.folder, tmp_path / "grid")


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs trained from here on, by their folders' names."""
    names: list[str] = []
    train = module.trained

    def noted(path: Path, *rest: Any, **settings: Any) -> Run:
        names.append(path.name)
        return train(path, *rest, **settings)

    monkeypatch.setattr(module, "trained", noted)
    return names


def test_every_run_is_measured_and_compared_with_base_of_its_seed(whole: Ablation) -> None:
    runs = [f"{name}-{seed}" for seed in (0, 1) for name in ("base", "noise=uniform")]
    assert {path.name for path in whole.folder.iterdir() if path.is_dir()} == set(runs)
    assert whole.rows[0].measure == "fd[digits-cnn-v1]"
    measures = [row.measure for row in whole.rows]
    assert measures[1:] == ["precision", "recall", "classes of 10", "kl of classes"]
    values = whole.about["runs"]
    for row in whole.rows:
        pairs = [
            (values[f"noise=uniform-{s}"][row.measure], values[f"base-{s}"][row.measure]) for s in (0, 1)
        ]
        assert row.differences == pytest.approx([ours - base for ours, base in pairs])
    assert whole.rows[0].deviation, "seeds differ"
    for name in runs:
        config = Run(whole.folder / name).config
        assert config["options"]["noise"] == ("uniform" if "uniform" in name else "gaussian")
        assert (config["options"]["hidden"], config["training"]["batch"]) == ([16], 50)
        assert (config["training"]["seed"], config["training"]["images"]) == (int(name[-1]), 200)
        assert not (whole.folder / name / "evaluation.json").exists(), "what is kept there is whole"
    assert whole.seconds > 0


def test_a_measure_is_what_evaluate_gives(whole: Ablation) -> None:
    found = limner.evaluation.evaluate(Run(whole.folder / "base-1"), n=150, quick=True, families=["samples"])
    assert whole.about["runs"]["base-1"]["fd[digits-cnn-v1]"] == found["fd[digits-cnn-v1]"].value


def test_what_is_written(whole: Ablation) -> None:
    told, numbers = (path.read_text() for path in whole.written)
    about = json.loads(numbers)
    assert [row["verdict"] for row in about["rows"]] == [row.verdict for row in whole.rows]
    assert about["runs"] == whole.about["runs"]
    lines = told.splitlines()
    assert lines[0] == (
        "# gan on digits, one option changed at a time: 2 seeds, 200 images a run, measured on n 150"
    )
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {8}
    assert len(table) == 2 + len(whole.rows)
    assert table[2].startswith("| fd[digits-cnn-v1], lower is better | noise=uniform | ")
    assert [line[2:] for line in lines if line.startswith("- ")] == list(whole.notes)
    shown = whole.table().splitlines()
    assert shown[0].split()[0] == "measure"
    assert len(shown) == 1 + len(whole.rows)


def test_a_second_call_trains_and_measures_nothing(
    whole: Ablation, folder: Path, digits: Dataset, at_work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "evaluate", None)
    again = ablate("gan", digits, ["noise=uniform"], seeds=2, out=folder, **TINY)
    assert (again.rows, again.notes, at_work) == (whole.rows, whole.notes, [])
    assert ablate("gan", digits, "noise", out=folder, seeds=1, **TINY).rows[0].p is None


def test_switches_and_seeds_added_later_reuse_what_is_there(
    whole: Ablation, folder: Path, digits: Dataset, at_work: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    more = ablate(
        "gan", digits, {"noise": "uniform", "lr": 0.01}, seeds=3, out=folder, **TINY | {"quiet": False}
    )
    assert at_work == ["lr=0.01-0", "lr=0.01-1", "base-2", "noise=uniform-2", "lr=0.01-2"], "seed by seed"
    assert more.rows[0].differences[:2] == whole.rows[0].differences
    lines = [line for line in capsys.readouterr().err.splitlines() if " runs)" in line]
    assert len(lines) == 9
    value = more.about["runs"]["lr=0.01-1"]["fd[digits-cnn-v1]"]
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
    changed: dict[str, Any], said: str, folder: Path, digits: Dataset, at_work: list[str]
) -> None:
    before = (folder / "ablation.json").read_text()
    with pytest.raises(LimnerError, match=said):
        ablate("gan", digits, "noise", seeds=2, out=folder, **TINY | changed)
    assert at_work == []
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
    found = ablate("gan", digits, "noise", seeds=2, out=folder, **TINY | {"n": 30})
    assert found.rows[0].measure == "precision", "too few for a distance"
    assert any("not measured: fd[digits-cnn-v1] of 30 images" in note for note in found.notes)
    assert [(folder / f"base-{s}" / "weights.safetensors").stat().st_mtime_ns for s in (0, 1)] == before


def test_it_goes_on_where_it_was_stopped(
    whole: Ablation, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, out = module.trained, tmp_path / "out"

    def stopped(path: Path, *rest: Any, **settings: Any) -> Run:
        if path.name == "base-1":
            train(path, *rest, **settings | {"images": 100})
            raise KeyboardInterrupt
        return train(path, *rest, **settings)

    monkeypatch.setattr(module, "trained", stopped)
    with pytest.raises(KeyboardInterrupt):
        ablate("gan", digits, "noise", seeds=2, out=out, **TINY)
    assert len(json.loads((out / "ablation.json").read_text())["rows"]) == 5, (
        "the first seed already compares"
    )
    monkeypatch.setattr(module, "trained", train)
    (out / "noise=uniform-1").mkdir()  # killed before it saved anything
    shutil.copy(out / "noise=uniform-0" / "run.json", out / "noise=uniform-1")
    assert ablate("gan", digits, "noise", seeds=2, out=out, **TINY).rows == whole.rows


def test_what_cannot_be_is_told_before_anything_is_trained(digits: Dataset, at_work: list[str]) -> None:
    for vary, settings, said in [
        ("noise,critic_steps=0", {}, "critic_steps=0: critic_steps must be at least 1, not 0"),
        ("noise,clip=0", {}, "clip=0.0: clip must be above 0, not 0.0"),
        ("noise", {"critic_steps": 0}, "critic_steps must be at least 1"),
        ("noise", {"images": 0}, "images must be at least 1"),
        ("noise", {"seeds": 0}, "seeds must be at least 1, not 0"),
        ("noise", {"n": 19}, "n must be at least 20.*not 19"),
        ("noise", {"leyers": 3}, "GAN has no option 'leyers'"),
        ("noise=gaussian", {}, "noise=gaussian is what base has already"),
    ]:
        with pytest.raises(LimnerError, match=said):
            ablate("gan", digits, vary, **TINY | settings)
    with pytest.raises(LimnerError, match="no model called 'gna': did you mean 'gan'"):
        ablate("gna", digits, "noise")
    assert at_work == []
    assert not Path("ablations").exists()


def test_a_run_that_diverges_is_told_and_left_out(digits: Dataset, at_work: list[str]) -> None:
    for trained in (["base-0", "lr=1e+30-0", "noise=uniform-0"], []):
        at_work.clear()
        found = ablate("gan", digits, "lr=1e30,noise", seeds=1, **TINY)
        assert at_work == trained
        assert {row.switch for row in found.rows} == {"noise=uniform"}
        assert sum(note.startswith("lr=1e+30, seed 0, is in no row: ") for note in found.notes) == 1
    assert found.folder == Path("ablations/gan-digits")


def test_reconstructions_are_compared_by_their_error(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fake(run: Run, **asked: Any) -> Evaluation:
        assert asked["families"] == module.MEASURED
        assert run.config["training"]["precision"] == "bf16", "base's, of all runs"
        size, seed = run.config["options"]["latent_dim"], run.config["training"]["seed"]
        found = {"mse": 1 / size + seed, "mse of PCA": 1, "psnr": 5, "ssim": float("nan")}
        directions = {"mse": "lower", "mse of PCA": "", "psnr": "higher", "ssim": "higher"}
        return Evaluation(
            [], [Measure(n, v, 9, better=directions[n]) for n, v in found.items()], ["x: y"], {}
        )

    monkeypatch.setattr(module, "evaluate", fake)
    monkeypatch.setattr(module, "default_precision", lambda network: "bf16")
    found = ablate("autoencoder", digits, "latent_dim=4", seeds=2, images=50, latent_dim=2, quiet=True)
    assert [(row.measure, row.switch, row.verdict) for row in found.rows] == [
        ("mse", "latent_dim=4", "better")
    ]
    assert found.rows[0].differences == pytest.approx((-0.25, -0.25))
    assert found.notes[-1] == "not measured: x: y"
