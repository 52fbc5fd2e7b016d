"""The house: imports run one way, files stay readable, `import limner` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "limner"
FLOORS = [
    {"errors"},
    {"losses", "augmentation", "nn", "figures"},
    {"data", "models"},
    {"training"},
    {"explore", "metrics"},
    {"evaluation", "doctor"},
    {"recipes"},
    {"cli"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
BASES = ("limner.models", "limner.models.base", "limner.models.adversarial")
CHILDREN = {
    ("conv_autoencoder", "limner.models.autoencoder"),
    ("cgan", "limner.models.gan"),
    ("cgan", "limner.models.dcgan"),
}
NEVER = {("data", "models"), ("models", "data"), ("losses", "nn"), ("figures", "nn"), ("explore", "recipes")}


def imported(path: Path) -> set[str]:
    """The names of limner's modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "limner":
            inside = (
                [f"limner.{alias.name}" for alias in node.names] if node.module == "limner" else [node.module]
            )
            found |= {str(name) for name in inside}
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("limner.")}
    return found


def room(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_file_keeps_the_house(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 300, "a file that needs a scroll to understand"
    parts = path.relative_to(SOURCE).with_suffix("").parts
    here = parts[0]
    if here not in FLOOR:  # the public face and __main__
        return
    for module in imported(path):
        there = room(module)
        assert FLOOR[there] <= FLOOR[here], f"{here} imports {module}, which stands above it"
        assert (here, there) not in NEVER, f"{here} must not import {module}"
        concrete = there == "models" and module not in BASES
        if here in ("explore", "metrics", "evaluation", "recipes", "training"):
            assert not concrete, f"{here} imports a concrete model, {module}"
        if here == "models" and parts[-1] not in ("base", "__init__") and concrete:
            assert (parts[-1], module) in CHILDREN, "not a declared child"


def test_only_figures_knows_matplotlib() -> None:
    knows = {p.name for p in SOURCE.rglob("*.py") if "matplotlib" in p.read_text()}
    assert knows <= {"figures.py"}


def test_import_limner_is_light() -> None:
    code = "import sys, limner; print('torch' in sys.modules, limner.__version__)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split()[0] == "False"
