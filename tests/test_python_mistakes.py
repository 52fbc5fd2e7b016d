"""Values of a wrong kind in Python calls: one line that says what, why and the nearest right thing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limner
from limner import explore
from limner.errors import LimnerError, check_whole
from limner.training import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder: Path = tmp_path_factory.mktemp("run") / "vae"
    return limner.train("vae", hidden=(8,), latent_dim=2, images=300, out=folder, quiet=True)


PICTURES: dict[str, Callable[[Run, Any], object]] = {
    "sample": lambda run, n: explore.sample(run, n),
    "reconstruct": lambda run, n: explore.reconstruct(run, n=n),
    "similar": lambda run, n: explore.similar(run, 0, n=n),
    "anomalies": lambda run, n: explore.anomalies(run, n=n),
    "timeline": lambda run, n: explore.preview_history(run, n=n),
    "map": lambda run, n: explore.map_codes(run, n=n),
    "evaluate": lambda run, n: limner.evaluate(run, n=n),
}


@pytest.mark.parametrize("verb", PICTURES)
@pytest.mark.parametrize("n", ["5", 2.5, True])
def test_n_must_be_a_whole_number(run: Run, verb: str, n: Any) -> None:
    with pytest.raises(LimnerError, match=f"^n must be a whole number, not {n!r}$"):
        PICTURES[verb](run, n)


def test_whole_numbers_of_every_kind_are_taken() -> None:
    check_whole("n", np.int64(3), 3)
    with pytest.raises(LimnerError, match=r"^n must be at least 4, not 3$"):
        check_whole("n", 3, 4)


@pytest.mark.parametrize("preset", [3, ["paper"], "papers"])
def test_a_preset_is_a_name(preset: Any) -> None:
    with pytest.raises(
        LimnerError, match=r"^VAE has no preset '.*': (choose from: paper|did you mean 'paper'\?)$"
    ):
        limner.train("vae", preset=preset)


@pytest.mark.parametrize("source", [np.zeros((4, 28, 28), np.uint8), [np.zeros((28, 28))], [], 3])
def test_images_to_embed_are_files(run: Run, source: Any) -> None:
    with pytest.raises(
        LimnerError, match=r"^give a data set's name, a folder, an archive or image files, not "
    ):
        explore.embed(run, source)
    assert len(explore.embed(run, "digits").codes) > 1000
