"""Output under encodings that lack characters, and on narrow terminals: degraded, never ended."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from limner.cli import run
from limner.cli.terminal import in_ascii, prepare_terminal


def shell(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The process of a command, with its output as bytes."""
    return subprocess.run(
        [sys.executable, "-m", "limner", *words],
        capture_output=True,
        check=False,
        timeout=60,
        env=os.environ | environment,
    )


def test_what_the_encoding_lacks_is_replaced() -> None:
    os.mkdir("photographs")
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(f"photographs/{i}.png")
    with open("photographs/café 猫.png", "wb") as file:
        file.write(b"not an image")
    for words, expected in {
        ("data", "photographs"): "cafe ?.png",
        ("summary", "autoencoder"): "Total",
    }.items():
        result = shell(*words, PYTHONIOENCODING="ascii")
        assert result.returncode == 0, result.stderr
        assert expected in result.stdout.decode("ascii")


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        (
            "ascii",
            "KL(samples ‖ images) 3.1 ± 0.2, 2 × 3 → 6",
            b"KL(samples || images) 3.1 +- 0.2, 2 x 3 -> 6",
        ),
        ("cp1252", "café 猫.png", b"caf\xe9 ?.png"),
    ],
)
def test_only_what_the_encoding_lacks_is_replaced(
    encoding: str, text: str, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding=encoding))
    prepare_terminal()
    print(text, flush=True)
    assert output.getvalue() == expected + b"\n"


def test_a_narrow_terminal_has_the_same_mistakes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "1")
    prepare_terminal()  # as the program does first: without it the help has no end in so few columns
    assert run(["train", "vae", "--latentdim", "3"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "limner: error: limner train vae has no option --latentdim: did you mean '--latent-dim'?"
    ]


@pytest.mark.parametrize(
    ("character", "text"), [("é", "e"), ("±", "+-"), ("猫", "?"), ("ﬁ", "fi"), ("a", "a")]
)
def test_characters_degrade_to_their_nearest(character: str, text: str) -> None:
    assert in_ascii(character) == text
