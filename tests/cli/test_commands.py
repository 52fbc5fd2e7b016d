"""The command line as a user types it: help, conventions, and mistakes reported in one line."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import limner
from limner.cli import VERBS, run
from limner.data.named import is_available
from limner.explore import map_codes
from limner.models import MODELS

EVERY_VERB = [verb for group in VERBS.values() for verb in group]
TINY = ["--images", "1000", "--batch", "50", "--quiet"]


def shell(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "limner", *words], capture_output=True, text=True, check=False
    )


def mistake(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The error of a wrong command: exit code 2, one line on stderr, no traceback."""
    assert run(list(words)) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1, error
    assert error.startswith("limner: error: ")
    return error


@pytest.mark.parametrize("verb", EVERY_VERB)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        sys.exit(run([verb, "--help"]))
    assert end.value.code in (0, None)
    text = capsys.readouterr().out
    assert "usage: limner" in text
    assert f"limner {verb}" in text


def test_help_is_fast() -> None:
    assert min(seconds_of("--help") for _ in range(3)) < 0.5


def seconds_of(*words: str) -> float:
    start = time.monotonic()
    assert shell(*words).returncode == 0
    return time.monotonic() - start


def test_version_and_help() -> None:
    assert re.fullmatch(r"limner \d+\.\d+\.\d+\n", shell("--version").stdout)
    assert shell().stdout == shell("--help").stdout
    assert "train" in shell("--help").stdout


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert set(table) == set(MODELS)
    assert table["vae"]["priors"] == ["normal", "gaussian", "full", "gmm"]
    assert table["cgan"]["labels"] == "required"
    assert table["cyclegan"]["can"] == ["translate"]
    assert run(["models"]) == 0
    assert "can: sample, encode, decode, score" in capsys.readouterr().out
    assert run(["data"]) == 0
    assert "fashion-mnist" in capsys.readouterr().out
    assert run(["data", "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shape"] == [1, 28, 28]
    assert run(["runs"]) == 0
    assert "no runs here yet" in capsys.readouterr().out
    assert run(["reproduce"]) == 0
    assert "vae-static-mnist" in capsys.readouterr().out


def test_the_rows_in_the_readme_are_those_that_limner_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--markdown"]) == 0
    head, rule, *rows = capsys.readouterr().out.splitlines()
    assert {len(line.split("|")) for line in (head, rule, *rows)} == {8}
    assert [row.split("|")[1].strip() for row in rows] == [f"`{model}`" for model in MODELS]
    readme = (Path(__file__).parents[2] / "README.md").read_text().splitlines()
    written = [line for line in readme if line.startswith(tuple(f"| `{model}` |" for model in MODELS))]
    assert set(written) <= set(rows), "paste the output of limner models --markdown"


@pytest.mark.parametrize(
    ("model", "parameters", "mult_adds"),
    [("autoencoder", "218,643", "0.43 M"), ("conv-autoencoder", "50,161", "3.64 M")],
)
def test_summary_prints_the_lectures_table(
    model: str, parameters: str, mult_adds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["summary", model]) == 0
    text = capsys.readouterr().out
    assert f"Total params: {parameters}" in text
    assert f"as the lecture's tool counts them: {mult_adds}" in text


@pytest.mark.parametrize("model", MODELS)
def test_summary_of_every_model_and_of_a_run(
    model: str, small_run: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["summary", model, "--preset", "paper"]) == 0
    assert run(["summary", model, "--size", "32", "24", "--channels", "3"]) == 0
    assert "Total params" in capsys.readouterr().out
    path = small_run(model)
    assert run(["summary", str(path)]) == 0
    Path("runs").symlink_to(path.parent)
    assert run(["runs"]) == 0
    assert f"{path.name} " in capsys.readouterr().out


def test_train_prints_where_the_run_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "autoencoder", "--images", "1000", "--latent-dim", "2", "--hidden", "32", "16"]) == 0
    output = capsys.readouterr()
    assert output.out == "wrote runs/autoencoder-digits-0001\n"
    assert "1,000" in output.err, "plain lines where the output is no terminal"
    assert "\x1b" not in output.err
    options = limner.load("autoencoder-digits-0001").config.options
    assert options == {"latent_dim": 2, "hidden": [32, 16], "lr": 1e-3}
    assert run(["train", "autoencoder", "--resume", "--images", "2000", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert limner.load("autoencoder-digits-0001").images_seen == 2048


def test_a_preset_is_taken_and_an_option_overrides_it() -> None:
    assert run(["train", "vae", "--preset", "paper", "--latent-dim", "2", *TINY[:2], "--quiet"]) == 0
    config = limner.load("vae-digits-0001").config
    assert config.options["latent_dim"] == 2
    assert config.options["optimizer"] == "adagrad"
    assert config.training.batch == 100


def test_home_and_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["train", "autoencoder", *TINY, "--out", "~/my run"]) == 0
    assert (tmp_path / "my run" / "run.json").exists()
    assert run(["sample", "~/my run", "--out", "~/a.png"]) == 0
    assert (tmp_path / "a.png").exists()
    assert run(["sample", "my run", "--out", "./b.png"]) == 0


@pytest.mark.parametrize(
    ("verb", "said", "note"),
    [
        ("train", "", ""),
        ("train", "what was trained is saved", "; what was trained is saved, --resume continues"),
        ("ablate", "", "; the same command continues"),
        (
            "ablate",
            "what was trained is saved",
            "; what was trained is saved, the same command continues",
        ),
        ("sample", "", ""),
    ],
)
def test_an_interrupt_ends_with_130_and_one_line(
    verb: str, said: str, note: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(argv: Sequence[str]) -> None:
        raise KeyboardInterrupt(*([said] if said else []))

    monkeypatch.setattr(f"limner.cli.{verb}.main", interrupt)
    assert run([verb]) == 130
    assert capsys.readouterr().err == f"limner: stopped{note}\n"


def test_a_loss_that_is_not_finite_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "autoencoder", "--lr", "1e20", "--images", "2000", "--batch", "50", "--quiet"]
    assert "autoencoder-digits-0001 keeps the weights" in mistake(capsys, *line)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run(["train", "autoencoder", "--images", "1000"]) == 0
    assert "\x1b[3" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(["train", "autoencoder", "--images", "1000"]) == 0
    assert "\x1b[3" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "no command called 'trian': did you mean 'train'?"),
        (["train"], "train needs the name of a model"),
        (["train", "--data", "digits"], "the model's name comes first"),
        (["train", "veal"], "no model called 'veal': did you mean 'vae'?"),
        (["train", "vae", "--latent-dims", "3"], "no option --latent-dims: did you mean '--latent-dim'?"),
        (["train", "vae", "--latent-dim", "few"], "--latent-dim must be a whole number, not 'few'"),
        (["train", "vae", "--latent-dim"], "Missing value for argument '--latent-dim'"),
        (["train", "vae", "--latent-dim", "0"], "latent_dim must be at least 1, not 0"),
        (["train", "vae", "--network", "resnet"], "--network cannot be 'resnet': choose from: mlp, conv"),
        (["train", "vae", "--data", "mnits"], "did you mean 'mnist'"),
        (["train", "vae", "--preset", "papr"], "no preset 'papr': did you mean 'paper'?"),
        (["train", "vae", "--epochs", "1", "--images", "5"], "either epochs or images"),
        (["train", "vae", "--epochs", "0"], "epochs must be above 0, not 0"),
        (["train", "vae", "--epochs", "nan"], "epochs must be a finite number, not nan"),
        (["train", "vae", "--lr", "-1"], "lr must be above 0, not -1"),
        (["train", "vae", "--clip", "-1"], "clip must be above 0, not -1"),
        (["train", "vae", "--seed", "-3"], "seed must be from 0"),
        (["train", "vae", "--clip", "much"], "--clip must be a number, not 'much'"),
        (["train", "gan", "--ema-half-life", "0"], "ema_half_life must be above 0"),
        (["train", "gan", "--hidden"], "hidden needs at least 1 value"),
        (["train", "vae", "--latent-dim", "1000000000"], "cannot be built"),
        (["train", "json:JSONDecoder"], "is no model"),
        (["train", "vae", "--device", "mps"], "limner trains on cpu or cuda"),
        (["demo", "--scale", "nan"], "scale must be above 0"),
        (["summary", "vae", "--size", "0"], "each from 16 to 256"),
        (["sample", "~nosuchuser/x"], "nosuchuser"),
        (["train", "vae", "--batch", "0"], "batch must be from 1 to 65536"),
        (["train", "vae", "--size", "8"], "8"),
        (["train", "vae", "--resume"], "no run of vae on digits to resume"),
        (["train", "vae", "--data", "A=digits", "B=mnist"], "trains on one data set, not on two domains"),
        (["train", "vae", "--data", "digits", "mnist"], "data must be one source, or A=SOURCE B=SOURCE"),
        (["train", "cyclegan", "--data", "A=digits"], "data must be one source, or A=SOURCE B=SOURCE"),
        (["train", "cyclegan", "--data", "A=digits", "B=digits"], "give two different sets"),
        (["train", "cyclegan"], "give a folder with trainA and trainB"),
        (["train", "cyclegan", "--resume"], "give a folder with trainA and trainB"),
        (["sample"], "Missing"),
        (["sample", "vae-mnist-0001"], "no run called 'vae-mnist-0001'"),
        (["sample", "runs"], "no run"),
        (["summary", "autoencodr"], "did you mean 'autoencoder'?"),
        (["completion", "fish"], "shell cannot be 'fish': did you mean 'zsh'?"),
        (["reproduce", "lab1"], "no recipe called 'lab1'"),
        (["data", "nowhere/at/all"], "nowhere/at/all"),
        (["data", "digits", "--labels", "y.npz"], "one of labels, not 'digits'"),
        (["data", "x.npz", "--labels", "y.png"], "one of labels, not 'y.png'"),
        (["train", "vae", "--out", "paper/run"], "paper is a file, not a folder: choose another --out"),
        (["train", "vae", "--device", "abacus"], "abacus"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gets_one_line_and_leaves_nothing(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Path("paper").touch()
    assert message in mistake(capsys, *words)
    assert not (tmp_path / "runs").exists(), "a mistake starts no run"


def test_a_run_is_offered_when_its_name_is_nearly_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "autoencoder", *TINY]) == 0
    assert "did you mean 'autoencoder-digits-0001'?" in mistake(capsys, "sample", "autoencoder-digit-0001")


def test_a_folder_with_damaged_images_trains_on_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save(folder / f"good {i}.jpg")
    whole = (folder / "good 0.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "words.png").write_text("not a picture")
    (folder / "nothing.png").write_bytes(b"")
    assert run(["train", "vae", "--data", str(folder), "--size", "16", "--images", "200"]) == 0
    output = capsys.readouterr().err
    for name in ("cut.jpg", "words.png", "nothing.png"):
        assert name in output
    assert limner.load("vae-photos-0001").shape == (3, 16, 16)
    assert run(["reconstruct", "vae-photos-0001", str(folder / "good 1.jpg"), str(folder / "words.png")]) == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "empty" in mistake(capsys, "train", "vae", "--data", str(empty))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_completion_completes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(["completion", "bash"])
    assert end.value.code in (0, None)
    script = capsys.readouterr().out
    attempts = """
    try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
            COMPREPLY=(); _tyro_limner 2>/dev/null; echo "${COMPREPLY[*]}"; }
    try limner tr; try limner train va; try limner train vae --latent; try limner train vae --net
    try limner train gan --no-soft; try limner train vae --epo; try limner sample --pri
    """
    bash = subprocess.run(["bash", "-c", script + attempts], capture_output=True, text=True, check=True)
    assert bash.stdout.splitlines() == [
        "train translate traverse", "vae", "--latent-dim", "--network", "--no-soft-labels", "--epochs",
        "--prior",
    ]  # fmt: skip


def test_the_demo_writes_one_self_contained_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.explore.map_codes", functools.partial(map_codes, n=200))  # t-SNE is slow
    monkeypatch.setattr("limner.recipes.demo_measures.MOST", 200)
    features = "mnist-cnn-v1" if is_available("mnist-5k") else "digits-cnn-v1"
    assert run(["demo", "--scale", "0.001"]) == 0
    output = capsys.readouterr()
    assert output.out.endswith("wrote runs/demo/index.html\n")
    assert "[1/6] lab1-autoencoder, about" in output.err
    page = Path("runs/demo/index.html").read_text()
    assert page.count("data:image/png;base64,") >= 12
    assert not re.findall(r'(?:src|href)="(?!data:)', page), "nothing outside the page"
    for text in ("218,643", "50,161", f"fd[{features}]", "nats per image", "At the equilibrium"):
        assert text in page
    figures = re.findall(r"<figure>.*?</figure>", page)
    assert sum("distance to training digits" in figure for figure in figures) == 6, (
        "beside each set of samples"
    )
    assert len(list(Path("runs/demo").glob("*/run.json"))) == 5
    Path("runs/demo/notes.txt").write_text("mine")
    assert "holds other things than a demo" in mistake(capsys, "demo", "--scale", "0.001")
