"""The verbs that draw pictures of a run: every model, exit codes, messages, files, JSON."""

from __future__ import annotations

import functools
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import limner
from limner.cli import run as cli
from limner.explore.abilities import LACKS, NEEDS
from limner.inversion import Search
from limner.models import MODELS
from limner.models.abilities import abilities
from limner.training import Run

ARGUMENTS = {  # that make the verb fast, or that it requires
    "reconstruct": ["--n", "3"],
    "interpolate": ["--steps", "3"],
    "traverse": ["--dims", "2", "--steps", "3"],
    "manifold": ["--steps", "3", "--dims", "1", "0"],
    "invert": ["--n", "1", "--known", "1", "--starts", "1"],
    "map": ["--n", "40", "--method", "pca"],
    "similar": ["--n", "2"],
    "mix": ["--rows", "1", "--columns", "2,3"],
    "noise": ["--seed", "1-2", "--noises", "2"],
    "directions": ["--k", "2", "--steps", "3"],
    "anomalies": ["--n", "5"],
    "translate": ["--n", "3", "--to", "A"],
}
IMAGES = {"interpolate": ["0", "5"], "traverse": ["1"], "similar": ["3"]}  # for models that encode


@pytest.fixture(scope="module", params=list(MODELS))
def run(
    request: pytest.FixtureRequest,
    small_run: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    path = small_run(request.param)
    return limner.load(shutil.copytree(path, tmp_path_factory.mktemp("runs") / path.name))


@pytest.fixture(autouse=True)
def _quick_search(monkeypatch: pytest.MonkeyPatch) -> None:
    few = functools.partial(Search, samples=64, steps=5, polished=1, evaluations=5)
    monkeypatch.setattr("limner.explore.inversions.Search", few)


def arguments(run: Run, verb: str) -> list[str]:
    images = IMAGES.get(verb, []) if "encode" in abilities(run.model) or verb == "similar" else []
    return [*images, *ARGUMENTS.get(verb, [])]


@pytest.mark.parametrize("verb", NEEDS)
def test_a_verb_writes_its_file_or_says_why_not(
    run: Run, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [verb, str(run.path), *arguments(run, verb)]
    if not set(NEEDS[verb]) <= set(abilities(run.model)):
        assert cli(argv) == 2
        error = capsys.readouterr().err
        kind = type(run.model).__name__
        lacks = next(LACKS[need] for need in NEEDS[verb] if need not in abilities(run.model))
        can = [usable for usable, needs in NEEDS.items() if set(needs) <= set(abilities(run.model))]
        listed = " and ".join([", ".join(can[:-1]), can[-1]]) if len(can) > 1 else can[0]
        article = "an" if kind[0] in "AEIOU" else "a"
        assert error == (
            f"limner: error: {run.name} is {article} {kind}: {lacks}, so {verb} cannot use it; {listed} can\n"
        )
        return
    assert cli(argv) == 0
    path = run.path / f"{verb}.{'npz' if verb == 'embed' else 'png'}"
    assert f"wrote {path}\n" in capsys.readouterr().out
    if verb != "embed":
        with Image.open(path) as image:
            assert min(image.size) > 28
    if verb == "anomalies":
        assert path.with_suffix(".csv").exists()


@pytest.fixture(scope="module")
def lab1(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("runs") / "lab1"
    return str(limner.train("autoencoder", "digits", images=1000, quiet=True, out=out).path)


@pytest.mark.parametrize("verb", ["sample", "embed", "similar", "anomalies", "invert"])
def test_json_is_one_object(lab1: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / f"new/{verb}{'.csv' if verb == 'embed' else '.jpg'}"
    words = [*IMAGES.get(verb, []), *ARGUMENTS.get(verb, []), "--out", str(out), "--json"]
    assert cli([verb, lab1, *words]) == 0
    output = json.loads(capsys.readouterr().out)
    assert output["path"] == str(out)
    assert out.exists()
    if verb == "similar":
        assert [len(output[key]) for key in ("by_code", "by_pixels")] == [2, 2]
    if verb == "anomalies":
        assert Path(output["csv"]).exists()
        assert [row["rank"] for row in output["strangest"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["sample", "RUN", "--out", "x.txt"], "x.txt ends in '.txt': it must end in .png"),
        (["embed", "RUN", "--out", "x.png"], "x.png ends in '.png': it must end in .npz, .csv"),
        (
            ["sample", "RUN", "--out", "x.gif"],
            "x.gif ends in '.gif', and this picture does not move: give .png",
        ),
        (["map", "RUN", "--out", "x.gif"], "(interpolate and timeline write moving ones)"),
        (["edit", "RUN", "--out", "x.gif"], "x.gif ends in '.gif'"),
        (["timeline", "RUN", "--out", "x.txt"], "must end in .png"),
        (["sample", "RUN", "--prior", "normal"], "no prior called 'normal'"),
        (["sample", "RUN", "--set", "prior=normal"], "no prior called 'normal'"),
        (["sample", "RUN", "--set", "stops=3"], "Autoencoder has no option of sampling 'stops'"),
        (["sample", "RUN", "--set", "prior"], "'prior' sets nothing: write NAME=VALUE"),
        (["traverse", "RUN", "--set", "steps=3"], "no option of decoding 'steps': it has no options"),
        (["invert", "RUN", "--codes", "x.txt"], "x.txt ends in '.txt': it must end in .npz, .csv"),
        (["invert", "RUN", "--space", "w"], "it has no styles, so its codes are in space z only"),
        (["invert", "RUN", "--space", "v"], "--space cannot be 'v'"),
        (["invert", "RUN", "none.png"], "none.png"),
        (["traverse", "RUN", "--label", "3"], "it was trained without labels"),
        (["sample", "nothing-here"], "no run called 'nothing-here'"),
        (["similar", "RUN", "99999"], "there is no test image 99999: digits has 0 to"),
        (["similar", "RUN", "none.png"], "no file is called 'none.png': give an image file, or the number"),
        (["similar", "RUN", "-1"], "no file is called '-1': give an image file"),
        (["similar", "RUN", ""], "no file is called '': give an image file"),
        (["similar", "RUN", "~nobody-here/x.png"], "a path begins with ~ and the name of no user here"),
        (["sample", "RUN", "--out", "~nobody-here/x.png"], "a path begins with ~ and the name of no user"),
        (["sample", "RUN", "--out", "paper/x.png"], "paper is a file, not a folder: choose another --out"),
        (["embed", "RUN", "--out", "paper/deep/x.csv"], "paper is a file, not a folder"),
        (["similar", "RUN", "empty"], "no images in empty: give PNG or JPEG files"),
        (["reconstruct", "RUN", "paper.png"], "paper.png cannot be read: not an image"),
        (["reconstruct", "RUN", "none.png"], "none.png"),
        (["interpolate", "RUN", "1"], "give two, not 1"),
        (["manifold", "RUN", "--dims", "1", "1"], "two different numbers from 0 to 2, not 1, 1"),
        (["map", "RUN", "--codes", "channels"], "its code has no channels"),
        (["traverse", "RUN", "--stops", "3"], "no option --stops: did you mean '--steps'?"),
    ],
)
def test_a_mistake_is_one_line(
    lab1: str, argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("paper").touch()
    Path("paper.png").write_text("not an image")
    Path("empty").mkdir()
    assert cli([lab1 if word == "RUN" else word for word in argv]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("x.txt").exists()


def wrote(capsys: pytest.CaptureFixture[str]) -> list[Path]:
    """The files that the last command says it wrote."""
    out = capsys.readouterr().out
    return [Path(line.removeprefix("wrote ")) for line in out.splitlines() if line.startswith("wrote ")]


@pytest.mark.parametrize(
    "verb", [*(verb for verb in NEEDS if verb not in ("translate", "edit", "mix", "noise")), "doctor"]
)
def test_a_name_that_limner_chooses_replaces_nothing(
    lab1: str, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [verb, lab1, *IMAGES.get(verb, []), *ARGUMENTS.get(verb, [])]
    assert cli(argv) == 0
    first = wrote(capsys)
    before = [path.read_bytes() for path in first]
    assert cli(argv) == 0
    second = wrote(capsys)
    assert len(first) == len(second) == (2 if verb == "anomalies" else 1)
    assert not set(first) & set(second)
    assert all(path.name.startswith(f"{verb}-") for path in second)
    assert len({path.stem for path in second}) == 1, "a picture and its table have one number"
    assert [path.read_bytes() for path in first] == before


def test_a_file_that_is_named_is_replaced_unless_it_is_read(
    lab1: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    Image.new("L", (28, 28), 200).save("in/grey.png")
    before = Path("in/grey.png").read_bytes()
    for verb, *images in (
        ["reconstruct", "in/grey.png"],
        ["reconstruct", "in"],
        ["similar", "in/grey.png"],
        ["traverse", "in/grey.png"],
        ["interpolate", "0", "in/grey.png"],
        ["invert", "in/grey.png"],
        ["anomalies", "in"],
    ):
        assert cli([verb, lab1, *images, "--out", "in/grey.png"]) == 2
        assert "in/grey.png would be written over: give another --out\n" in capsys.readouterr().err
    assert Path("in/grey.png").read_bytes() == before
    for n in ("1", "2"):
        assert cli(["reconstruct", lab1, "--n", n, "--out", "x.png"]) == 0
        assert wrote(capsys) == [Path("x.png")]
    assert not Path("x-2.png").exists()
    Path("x.csv").write_text("mine")
    assert cli(["anomalies", lab1, "--out", "x.png"]) == 0
    assert wrote(capsys) == [Path("x.png"), Path("x-2.csv")]
    assert Path("x.csv").read_text() == "mine"


def test_options_of_sampling_are_set_by_name(lab1: str, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for option in (["--prior", "gmm"], ["--set", "prior=gmm"], []):
        assert cli(["sample", lab1, *option, "--out", "x.png", "--json"]) == 0
        outputs.append((json.loads(capsys.readouterr().out)["prior"], Path("x.png").read_bytes()))
    assert outputs[0] == outputs[1]
    assert outputs[0] != outputs[2]
    assert [prior for prior, _ in outputs] == ["gmm", "gmm", "gaussian"]


@pytest.mark.parametrize(("verb", "frames"), [("interpolate", 2 * 9 - 2), ("timeline", 2)])
def test_a_gif_moves(lab1: str, verb: str, frames: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli([verb, lab1, "--out", "x.gif"]) == 0
    assert wrote(capsys) == [Path("x.gif")]
    with Image.open("x.gif") as gif:
        assert gif.n_frames == frames  # type: ignore[attr-defined]
        assert gif.info["loop"] == 0
    assert cli([verb, lab1]) == 0
    assert wrote(capsys)[0].name == f"{verb}.png" or verb == "interpolate"


def test_an_mp4_moves_where_an_encoder_is(
    lab1: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from imageio_ffmpeg import count_frames_and_secs

    assert cli(["interpolate", lab1, "--steps", "4", "--pairs", "1", "--out", "x.mp4"]) == 0
    assert wrote(capsys) == [Path("x.mp4")]
    frames, seconds = count_frames_and_secs("x.mp4")
    assert frames == 2 * 15 + 4 * 3, "25 a second: both ends for .6 s, and twice the two between for .12 s"
    assert seconds == pytest.approx(frames / 25, abs=0.05)
    before = Path("x.mp4").read_bytes()
    monkeypatch.setattr("limner.explore.video.find_encoder", lambda: "false")  # a program that fails
    assert cli(["interpolate", lab1, "--out", "x.mp4"]) == 2
    assert "cannot write x.mp4: the encoder failed; what was there before" in capsys.readouterr().err
    assert Path("x.mp4").read_bytes() == before
    monkeypatch.undo()
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert cli(["timeline", lab1, "--out", "y.mp4"]) == 2
    assert (
        "an .mp4 needs an encoder: install ffmpeg, or pip install 'limner[video]'" in capsys.readouterr().err
    )
    assert cli(["sample", lab1, "--out", "y.mp4"]) == 2
    assert "this picture does not move" in capsys.readouterr().err
    assert not Path("y.mp4").exists()


def test_files_of_any_size_are_fitted_with_a_note(
    lab1: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "wide.png", tmp_path / "grey.jpg"]
    Image.fromarray(np.full((40, 90, 4), 128, np.uint8)).save(files[0])
    Image.new("L", (28, 28), 200).save(files[1])
    assert cli(["reconstruct", lab1, *map(str, files), "--out", "pair.png"]) == 0
    out = capsys.readouterr().out
    assert "wide.png: 40 high x 90 wide cropped to the middle and resized to 28x28" in out
    assert "grey.jpg" not in out
    assert out.endswith("wrote pair.png\n")


def test_inverted_codes_are_written_beside_the_picture(lab1: str, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in ("npz", "csv"):
        argv = ["invert", lab1, "--n", "2", "--known", "0", "--starts", "1", "--codes", f"z.{suffix}"]
        assert cli([*argv, "--out", "x.png"]) == 0
        assert wrote(capsys) == [Path("x.png"), Path(f"z.{suffix}")]
    with np.load("z.npz") as table:
        assert table["codes"].shape == (2, 3)
        assert len(set(table["names"])) == 2
    assert len(Path("z.csv").read_text().splitlines()) == 3


def test_quiet_prints_nothing(lab1: str, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("sample", "embed", "anomalies"):
        assert cli([verb, lab1, "--quiet"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verb", NEEDS)
def test_every_picture_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli([verb, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: limner {verb}" in out
    assert re.search("--out (FILE|PATH)", out)
