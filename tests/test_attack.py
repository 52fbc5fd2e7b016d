"""A small version of the attack that benchmarks/attack keeps: nothing gets through."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CASES = {"kills": 1, "starts": 1, "inputs": 2, "options": 2, "runs": 1}


def test_nothing_gets_through(tmp_path: Path) -> None:
    words = [word for name, count in CASES.items() for word in (f"--{name}", str(count))]
    words += ["--seed", "0", "--configurations", "vae", "--out", str(tmp_path / "results.json")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.attack", *words],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["cases"] == CASES
    assert not results["failures"]
