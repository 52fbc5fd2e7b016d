"""What training says on a terminal: what it loads, how long it takes, and how it ended."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small import DOMAIN_MODELS, data_name, data_words, small, words

import limner
from limner.cli import VERBS, run
from limner.explore.abilities import usable_verbs
from limner.models import MODELS
from limner.train_summary import describe_best, summarise

pty = pytest.importorskip("pty")
TINY = ["--images", "2000", "--hidden", "16", "--latent-dim", "2", "--tick", "1000"]


def on_terminal(*argv: str) -> list[str]:
    """The lines that a command leaves on a terminal of 100 columns, without the bar's."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "limner", *argv], stdout=theirs, stderr=theirs, stdin=theirs,
        env=os.environ | {"COLUMNS": "100", "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    output = b""
    try:
        while part := os.read(ours, 65536):
            output += part
    except OSError:  # the end, on Linux
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 0, output.decode()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode())
    return [line for line in re.split(r"[\r\n]+", text) if line.strip() and "━" not in line]


def test_a_terminal_gets_what_is_loaded_the_time_and_a_summary() -> None:
    lines = on_terminal("train", "vae", *TINY)
    assert lines[0] == "loading digits"
    kind = r"digits, [0-9,]+ training and [0-9,]+ test images of 1x28x28; VAE of [0-9,]+ weights on .*"
    assert re.fullmatch(kind, lines[1])
    assert re.fullmatch(r"2,000 images take about 0:[0-9]{2} here, at [0-9,]+/s", lines[2])
    start = next(i for i, line in enumerate(lines) if line.startswith("vae-digits-0001: "))
    summary = lines[start:]
    assert re.match(r"vae-digits-0001: 2,048 images in 0:[0-9]{2}, [0-9,]+/s at the end", summary[0])
    labels = [line.split()[0] for line in summary[1:]]
    assert labels == ["last", "best", "best", "weights", "doctor", "next", "limner", "wrote"]
    assert summary[-1] == "wrote runs/vae-digits-0001"
    assert summary[-3].split()[1:] == ["limner", "sample", "vae-digits-0001"]
    assert run(summary[-3].split()[2:]) == 0
    assert summary[-2].split() == ["limner", "evaluate", "vae-digits-0001", "--quick"]


def test_quiet_and_piped_runs_have_no_summary(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["train", "vae", *TINY]) == 0
    output = capsys.readouterr()
    assert output.out == "wrote runs/vae-digits-0001\n"
    assert not re.search("loading|take about|next|weights ", output.err)
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run(["train", "vae", *TINY, "--quiet"]) == 0
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "")


@pytest.mark.parametrize("model", MODELS)
def test_the_next_commands_suit_every_model(model: str, tmp_path: Path) -> None:
    length = ["--images", "200", "--batch", "64", "--quiet"]
    assert run(["train", model, *length, *data_words(model, tmp_path), *words(small(model))]) == 0
    trained = limner.load(f"{model}-{data_name(model)}-0001")
    lines = summarise(trained, trained.model, trained.log, (256, 200), "the last")
    first, second = (shlex.split(line.replace("next", "", 1)) for line in lines[-2:])
    assert first[:1] == second[:1] == ["limner"]
    assert first[1] in usable_verbs(trained) or first[1] == "doctor"
    assert first[1] in {verb for verbs in VERBS.values() for verb in verbs}
    assert (model in DOMAIN_MODELS) == (first[1:2] == ["translate"]) or first[1] == "doctor"
    stopped = summarise(trained, trained.model, trained.log[:0], (100, 200), "the last")
    assert stopped[0].startswith(f"{trained.name}: 100 of 200 images")
    assert f"limner train {model} --resume --out runs/{trained.name}" in stopped[-2]
    sick = [{**trained.log[-1], "troubles": ["mode collapse"], "state": "trouble", "reason": ""}]
    assert f"limner doctor {trained.name}" in summarise(trained, trained.model, sick, (200, 200), "")[-2]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([3.0, 1.0, 2.0], ["validation loss 1 at 20 images, the last is 2"]),
        ([3.0, 2.0, 1.0], ["validation loss 1 at 30 images, the last"]),
        ([1.0], []),
    ],
)
def test_best_and_last(values: list[float], text: list[str]) -> None:
    log: list[dict[str, Any]] = [
        {"images": 10 * (i + 1), "validation/loss": value} for i, value in enumerate(values)
    ]
    assert describe_best(log) == text
    higher = [{"images": line["images"], "held_out/elbo": -line["validation/loss"]} for line in log]
    assert describe_best(higher) == [
        t.replace("validation loss ", "held-out elbo -").replace("last is ", "last is -") for t in text
    ]
