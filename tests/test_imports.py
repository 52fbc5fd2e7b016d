"""The house: imports run one way, files and functions stay readable, `import limner` stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import limner

SOURCE = Path(__file__).parents[1] / "src" / "limner"
FLOORS = [
    {"errors"},
    {"files", "settings", "tables", "random_state"},
    {"losses", "augmentation", "nn", "figures", "tsne"},
    {"plots"},
    {"data", "models"},
    {"training"},
    {"metrics", "inversion"},
    {"explore"},
    {"evaluation"},
    {"doctor"},
    {"train_summary"},
    {"train_session"},
    {"train_run", "train_file"},
    {"train_forecast"},
    {"recipes"},
    {"studio"},
    {"cli"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# what every model may import of models/, and all that is imported of it elsewhere
CONTRACT = {
    "abilities", "base", "latent", "layers", "networks", "translators", "editors", "style_layers",
    "style_networks", "adversarial",
}  # fmt: skip
NEVER = {
    ("data", "models"),
    ("models", "data"),
    ("losses", "nn"),
    ("figures", "nn"),
    ("metrics", "training"),
    ("metrics", "models"),
}
FILES = sorted(SOURCE.rglob("*.py"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))


def imported(path: Path) -> set[str]:
    """The names of limner's modules that a file imports, wherever in it."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "limner":
            inside = [f"limner.{alias.name}" for alias in node.names]
            modules |= set(inside) if node.module == "limner" else {str(node.module)}
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names if alias.name.startswith("limner.")}
    return modules


@every_file
def test_imports_run_one_way(path: Path) -> None:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    here = parts[0]
    if here not in FLOOR:  # the public face and __main__
        return
    for module in imported(path):
        _, there, *inside = module.split(".")
        assert FLOOR[there] <= FLOOR[here], f"{here} imports {module}, which stands above it"
        assert (here, there) not in NEVER, f"{here} must not import {module}"
        if there == "models" and inside:
            assert inside[0] in CONTRACT, f"{here} imports a concrete model, {module}"
        if here == "models" and parts[-1] in ("abilities", "base", "latent"):
            assert not inside or inside[0] in ("abilities", "base", "latent"), (
                "the contract depends on no model"
            )


@every_file
def test_no_import_is_hidden_in_a_string(path: Path) -> None:
    tables = {"models/__init__.py", "recipes/__init__.py", "__init__.py"}
    if str(path.relative_to(SOURCE)) in tables:
        return
    assert not re.findall(r"[\"']limner\.[\w.]+:\w+[\"']", path.read_text())


@every_file
def test_files_and_functions_fit_on_a_screen(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= 40, f"{node.name} has {lines} lines"


@every_file
def test_models_are_asked_by_type(path: Path) -> None:
    if path.parent.name == "models":
        return
    text = path.read_text()
    assert not re.findall(r"(?:get|has)attr\((?:\w+\.)?(?:model|network)\b", text)
    assert not re.findall(r"model: Any", text)


def test_only_figures_and_plots_know_matplotlib() -> None:
    users = {path.name for path in FILES if "matplotlib" in path.read_text()}
    assert users <= {"figures.py", "plots.py"}


def test_import_limner_is_light() -> None:
    code = "import sys, limner; print('torch' in sys.modules, limner.__version__)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split()[0] == "False"


def test_every_module_that_is_named_is_there() -> None:
    for name in limner._MODULES:
        vars(limner).pop(name, None)  # as before its first use
        assert getattr(limner, name) is sys.modules[f"limner.{name}"]
        assert name in dir(limner)


def test_a_run_opens_without_torch_dynamo_and_scikit_learn() -> None:
    code = (
        "import sys, limner.train_run; from limner.models import model_class\n"
        "from limner.training.run import empty_weights\n"
        "for name in ('autoencoder', 'vae', 'gan', 'dcgan'):\n"
        "    cls = model_class(name); assert empty_weights(cls, (1, 32, 32), cls.Options())\n"
        "print({'torch._dynamo', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n", "their imports take seconds"
