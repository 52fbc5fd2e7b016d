"""What tests share: an own folder and cache, the real data where it is, and a small run of every model."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from small import REAL, data_name, small, small_source

import limner
from limner.data import Dataset, arrays, load, named

# Files of ten seconds or more, the longest first: one that began last would keep the other workers waiting
LONG_FILES = (
    "doctor/test_injections.py", "recipes/test_recipes.py", "evaluation/test_evaluate.py",
    "cli/test_picture_verbs.py", "training/test_run.py", "doctor/test_translations.py",
    "cli/test_commands.py", "studio/test_map_browser.py", "doctor/test_watch.py", "doctor/test_losses.py",
    "explore/test_looks.py", "cli/test_doctor_verbs.py", "models/test_models.py", "models/test_meta.py",
    "studio/test_browser.py", "test_attack.py", "cli/test_train_summary.py", "models/test_cyclegan.py",
    "training/test_damage.py", "training/test_robustness.py", "models/test_caae.py",
)  # fmt: skip

torch.set_num_threads(1)  # tiny networks are quickest so, and the suite leaves a core to its processes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first; the order is else that of the folders."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_collection_finish() -> None:
    """Half a million objects of modules and tests stay to the end: the garbage collector leaves them out."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _digits_resized_once() -> Iterator[None]:
    """Hundreds of commands load the digits: they are resized once for each size."""
    build = arrays.build_dataset
    build_digits = functools.cache(lambda size, channels: build(named.read("digits"), size, channels))

    def build_dataset(raw: arrays.RawDataset, size: tuple[int, int] | None, channels: int | None) -> Dataset:
        return build_digits(size, channels) if raw.source == "digits" else build(raw, size, channels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "build_dataset", build_dataset)
        yield


@pytest.fixture(scope="session", autouse=True)
def _files_are_not_flushed() -> Iterator[None]:
    """Nothing here outlives a power failure, so no test waits for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda file: None)
        yield


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real data sets; the test is skipped, saying so, where there is none."""
    if not REAL.is_dir():
        pytest.skip(f"needs the real data sets in {REAL} (set LIMNER_DATA)")
    monkeypatch.setenv("LIMNER_DATA", str(REAL))
    return REAL


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """The bundled digits."""
    return load("digits")


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """small_run(model): the folder of a small run of that model on the digits, which tests only read."""
    folder = tmp_path_factory.mktemp("small")

    @functools.cache
    def train(model: str) -> Path:
        out, source = folder / f"{model}-{data_name(model)}-0001", small_source(model, folder)
        return limner.train(model, source, out=out, images=100, batch=50, quiet=True, **small(model)).path

    return train
