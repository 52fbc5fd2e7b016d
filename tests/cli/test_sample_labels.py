"""`limner sample --label`: the lecture's figure from the shell, its file, its JSON and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import blobs, small

import limner
from limner.cli import run as cli


@pytest.fixture(scope="module")
def cgan(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("runs") / "conditional"
    run = limner.train("cgan", "digits", images=500, batch=50, quiet=True, out=out, **small("cgan"))
    return str(run.path)


def test_a_column_for_each_label(cgan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["sample", cgan, "--label", "3,8, 9", "--out", "some.png", "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert (output["labels"], output["n"], output["prior"]) == (["3", "8", "9"], 30, None)
    assert cli(["sample", cgan, "--label", "all", "--n", "2", "--out", "all.png"]) == 0
    assert capsys.readouterr().out == "wrote all.png\n"
    with Image.open("some.png") as some, Image.open("all.png") as every:
        assert some.width < every.width
        assert some.height > every.height


def test_without_labels_there_are_64(cgan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["sample", cgan, "--json", "--out", "plain.png"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert output["n"] == 64
    assert "labels" not in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--label", "3,x"], "conditional knows no class 'x': choose from: 0, 1, 2"),
        (["--label", ""], "conditional knows no class ''"),
        (["--label", "3", "--n", "0"], "n must be at least 1, not 0"),
        (["--label", "3", "--prior", "normal"], "made from noise, so there is no prior to choose"),
    ],
)
def test_mistakes_are_one_line(
    cgan: str, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(["sample", cgan, *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("verb", ["interpolate", "traverse", "manifold"])
def test_codes_are_decoded_as_a_class(cgan: str, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    fast = {"interpolate": ["--pairs", "1"], "traverse": ["--dims", "1"], "manifold": []}[verb]
    line = [verb, cgan, *fast, "--steps", "3"]
    pictures = []
    for label in ("3", "8"):
        assert cli([*line, "--label", label, "--out", f"{label}.png"]) == 0
        assert capsys.readouterr().out.endswith(f"wrote {label}.png\n")
        pictures.append(Path(f"{label}.png").read_bytes())
    assert pictures[0] != pictures[1]
    assert cli([*line, "--out", "first.png"]) == 0
    assert "decoded as class '0'" in capsys.readouterr().out
    assert cli([*line, "--label", "x"]) == 2
    assert "knows no class 'x'" in capsys.readouterr().err


def test_models_and_data_without_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limner.train("autoencoder", "digits", images=500, quiet=True, out="plain")
    assert cli(["sample", "plain", "--label", "3"]) == 2
    assert "plain is an Autoencoder: it was trained without labels" in capsys.readouterr().err
    np.savez(tmp_path / "loose.npz", images=blobs(30, (1, 16, 16)).pixels.numpy()[:, 0])
    assert cli(["train", "cgan", "--data", "loose.npz"]) == 2
    assert "CGAN needs labels and loose has none" in capsys.readouterr().err
