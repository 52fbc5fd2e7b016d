"""The documents tell the truth: their code runs, their commands exist, their links lead somewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import limner
from limner.cli import VERBS, run
from limner.models import MODELS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.fixture
def denoising(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model of docs/adding-a-model.md, as a module of this name on the path."""
    code, line = blocks(ROOT / "docs" / "adding-a-model.md", "python")
    (tmp_path / "denoising.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    name, path = re.findall(r'"([^"]+)"', line)
    assert path.endswith(":DenoisingAutoencoder")
    monkeypatch.setitem(MODELS, name, "denoising:DenoisingAutoencoder")
    yield
    sys.modules.pop("denoising", None)


def test_the_walk_through_adds_a_model(denoising: None, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "train",
        "denoising-autoencoder",
        "--data",
        "digits",
        "--noise",
        "0.7",
        "--images",
        "3000",
        "--quiet",
    ]
    assert run(words) == 0, capsys.readouterr().err
    name = "denoising-autoencoder-digits-0001"
    result = limner.load(name)
    assert result.config.options["noise"] == 0.7
    assert result.model.sample(2).shape == (2, 1, 28, 28)
    for verb in ("reconstruct", "sample", "traverse"):
        assert run([verb, name]) == 0
    assert run(["summary", "denoising-autoencoder"]) == 0
    assert run([*words[:5], "-1", *words[6:]]) == 2
    assert "noise must be at least 0, not -1" in capsys.readouterr().err


def test_a_model_outside_the_package_needs_no_table(denoising: None) -> None:
    result = limner.train("denoising:DenoisingAutoencoder", "digits", images=1000, quiet=True)
    assert result.name == "DenoisingAutoencoder-digits-0001"
    assert limner.load(result.path).model.sample(2).shape == (2, 1, 28, 28)


def test_the_example_is_about_fifty_lines() -> None:
    code, _ = blocks(ROOT / "docs" / "adding-a-model.md", "python")
    lines = [line for line in code.split('"""', 2)[2].splitlines() if line.strip()]
    assert len(lines) <= 55


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_command_in_a_document_exists(path: Path) -> None:
    known = {verb for group in VERBS.values() for verb in group}
    used = set(re.findall(r"(?:^|`|\| )limner ([a-z][a-z-]*)", path.read_text(), re.MULTILINE))
    assert used <= known, f"{path.name} speaks of commands that are not there: {used - known}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_readmes_python_runs() -> None:
    (code,) = blocks(ROOT / "README.md", "python")
    assert "epochs=20" in code
    exec(compile(code.replace("epochs=20", "epochs=1"), "README.md", "exec"), {})
    assert Path("manifold.png").exists()
    assert Path("map.png").exists()
