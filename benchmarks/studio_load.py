"""The studio under load: requests for a minute, and what a watched training costs.

python benchmarks/studio_load.py requests [--seconds 60] [--pages 8]
python benchmarks/studio_load.py watched [--rounds 3] [--images 400000] [--threads 1]

`requests` asks for runs, logs, pictures and verdicts as fast as a number of pages can, and prints answers,
failures, and the server's memory before and after.  `watched` trains the same VAE in turn without and with
its page open in headless Chromium, and prints the ratio of their times.  Take numbers on a quiet machine.
Needs the extra `studio`; `watched` also needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import median
from typing import Any

import limner

RUN = "run"


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, int]]:
    """The address of a studio in a process of its own, and the process's number."""
    command = [sys.executable, "-m", "limner", "studio", str(folder), "--port", "0", "--no-open"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        lines = "".join(server.stdout.readline() for _ in range(3))
        yield re.findall(r"http\S+", lines)[0], server.pid
    finally:
        server.terminate()
        server.wait(20)


def memory(process: int) -> float:
    """The memory of a process, in MB (Linux)."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024


def measure_requests(folder: Path, seconds: float, pages: int) -> dict[str, Any]:
    """Answers in so many seconds, asked by so many pages at once."""
    limner.train("vae", "digits", out=folder / RUN, images=20_000, tick=1000, quiet=True)
    with serve(folder) as (address, process):
        host = address.partition("/?")[0]
        jar = CookieJar()
        urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open(address).read()
        cookie = "; ".join(f"{c.name}={c.value}" for c in jar)
        paths = ["runs", f"runs/{RUN}", f"runs/{RUN}/samples/0", f"runs/{RUN}/verdicts?images=9000"]
        answers: list[set[bytes]] = [set() for _ in paths]

        def ask(page: int) -> tuple[int, int]:
            count = failures = 0
            while time.monotonic() < end:
                i = (count + page) % len(paths)
                try:
                    request = urllib.request.Request(f"{host}/api/{paths[i]}", headers={"Cookie": cookie})
                    with urllib.request.urlopen(request, timeout=60) as answer:
                        answers[i].add(answer.read())
                except OSError:
                    failures += 1
                count += 1
            return count, failures

        end = time.monotonic() + 2  # what is loaded once is loaded now
        ask(0)
        before, start = memory(process), time.monotonic()
        end = start + seconds
        with ThreadPoolExecutor(pages) as pool:
            results = list(pool.map(ask, range(pages)))
        passed = time.monotonic() - start
        return {
            "requests": sum(count for count, _ in results),
            "seconds": round(passed, 1),
            "lost": sum(failures for _, failures in results),
            "different answers to one question": max(map(len, answers)) - 1,
            "memory before and after, MB": [round(before), round(memory(process))],
        }


def train(folder: Path, images: int, threads: int) -> tuple[float, float]:
    """The seconds that training took by its own log, and its processor time."""
    before = os.times()
    command = [sys.executable, "-m", "limner", "train", "vae", "--data", "digits", "--quiet"]
    command += ["--images", str(images), "--out", str(folder / RUN)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": str(threads)})
    after = os.times()
    line = json.loads((folder / RUN / "log.jsonl").read_text().splitlines()[-1])
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return float(line["seconds"]), used


def measure_watched(folder: Path, rounds: int, images: int, threads: int) -> dict[str, Any]:
    """The times of trainings without and with a page that shows them, in turn."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    alone, watched = [], []
    for _ in range(rounds):
        alone.append(train(folder, images, threads))
        shutil.rmtree(folder / RUN)
        with serve(folder) as (address, _), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{address}#home")
            page.locator("h1").wait_for()
            with ThreadPoolExecutor(1) as pool:
                training = pool.submit(train, folder, images, threads)
                while not (folder / RUN / "log.jsonl").exists():
                    time.sleep(0.05)
                page.goto(f"{address}#train/{RUN}")
                page.locator(".chart").first.wait_for()
                watched.append(training.result())
            browser.close()
        shutil.rmtree(folder / RUN)
    names = ("seconds", "processor seconds")
    ratios = {
        f"ratio of {name}": round(median(w[i] / a[i] for a, w in zip(alone, watched, strict=True)), 3)
        for i, name in enumerate(names)
    }
    return {"alone": alone, "watched": watched} | ratios


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    requests = verbs.add_parser("requests")
    requests.add_argument("--seconds", type=float, default=60)
    requests.add_argument("--pages", type=int, default=8)
    watched = verbs.add_parser("watched")
    watched.add_argument("--rounds", type=int, default=3)
    watched.add_argument("--images", type=int, default=400_000)
    watched.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.verb == "requests":
            print(json.dumps(measure_requests(folder, arguments.seconds, arguments.pages)))
        else:
            print(json.dumps(measure_watched(folder, arguments.rounds, arguments.images, arguments.threads)))


if __name__ == "__main__":
    main()
