"""The studio in headless Chromium: from the pointer to a changed pixel, a drag, and the hover over a map.

python benchmarks/studio.py RUN [RUN ...]     # needs the extra `studio`, playwright and Chromium

The pointer moves by mouse events, and a pixel counts as changed in the first frame after the image was
painted.  Hover is the time that a pointer event over a map of up to
5,000 points takes until the card with the image is laid out.  The first map is timed from the change of the
address until its points are drawn, with the run's model open already.  Take numbers on a quiet machine: the
browser, the server and the model share its cores.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from playwright.sync_api import Page, sync_playwright

STEPS = 60  # single moves
DRAG_SECONDS = 2.0
HOVERS = 500  # pointer events over a map
MAP = "canvas.marks[data-drawn]"

# resolves with the milliseconds from a pointer event on the pad to the frame after the canvas was painted
MEASURE_MOVE = """([x, y]) => new Promise((resolve) => {
  const canvas = document.querySelector("canvas.image"), before = canvas.dataset.number;
  const start = performance.now();
  new MutationObserver((_, observer) => {
    if (canvas.dataset.number === before) return;
    observer.disconnect();
    requestAnimationFrame(() => resolve(performance.now() - start));
  }).observe(canvas, { attributes: true });
  const pad = document.querySelector(".pad"), box = pad.getBoundingClientRect();
  const at = { clientX: box.left + x * box.width, clientY: box.top + y * box.height, pointerId: 1,
    bubbles: true };
  pad.setPointerCapture = () => {};
  pad.dispatchEvent(new PointerEvent("pointerdown", at));
})"""

# moves once a frame for some seconds; resolves with the images painted per second
MEASURE_DRAG = """(seconds) => new Promise((resolve) => {
  const canvas = document.querySelector("canvas.image"), pad = document.querySelector(".pad");
  let painted = 0;
  const observer = new MutationObserver(() => painted++);
  observer.observe(canvas, { attributes: true, attributeFilter: ["data-number"] });
  const box = pad.getBoundingClientRect(), start = performance.now();
  const step = (now) => {
    const t = (now - start) / 1000;
    if (t >= seconds) { observer.disconnect(); resolve(painted / t); return; }
    const at = { clientX: box.left + (0.5 + 0.4 * Math.sin(3 * t)) * box.width,
      clientY: box.top + (0.5 + 0.4 * Math.cos(2 * t)) * box.height, pointerId: 1, bubbles: true };
    pad.dispatchEvent(new PointerEvent("pointerdown", at));
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""

# milliseconds of each pointer event over a map, at places in a fixed order; where a point lies, and where not
MEASURE_HOVER = """(n) => {
  const canvas = document.querySelector("canvas.marks"), card = document.querySelector(".hover");
  const box = canvas.getBoundingClientRect(), times = [];
  let hits = 0;
  for (let i = 0; i < n; i++) {
    const x = (i * 0.618034) % 1, y = (i * 0.754878) % 1;
    const at = { clientX: box.left + (0.1 + 0.8 * x) * box.width,
      clientY: box.top + (0.1 + 0.8 * y) * box.height, pointerId: 1, bubbles: true };
    const start = performance.now();
    canvas.dispatchEvent(new PointerEvent("pointermove", at));
    card.getBoundingClientRect();
    times.push(performance.now() - start);
    hits += /image|sample/.test(card.textContent);
  }
  return { times, hits };
}"""


def measure_map(page: Page, address: str, run: str) -> dict[str, Any]:
    """The first map of a run, and hover over one of 5,000 points, or of all that there are."""
    page.goto(f"{address}#home")
    page.locator(".card").first.wait_for()
    start = page.evaluate("performance.now()")
    page.evaluate("(hash) => { location.hash = hash; }", f"map/{run}")
    page.locator(MAP).or_(page.get_by_text("so it has no map")).wait_for(state="attached")
    first = page.evaluate("performance.now()") - start
    if not page.locator(MAP).count():
        return {}
    page.goto(f"{address}#map/{run}?n=5000&set=train")
    page.locator(f"{MAP}[data-map*='train-5000']").wait_for(state="attached")
    page.wait_for_load_state("networkidle")
    page.evaluate(MEASURE_HOVER, HOVERS)  # sheets of tiles load when they are needed first
    page.wait_for_load_state("networkidle")
    hover = page.evaluate(MEASURE_HOVER, HOVERS)
    return {
        "first map, ms": round(first),
        "points drawn": int(page.locator(MAP).get_attribute("data-drawn") or 0),
        "hover, ms, median": round(median(hover["times"]), 2),
        "hover, ms, 95 %": round(quantiles(hover["times"], n=20)[-1], 2),
        "hovers over an image": hover["hits"],
    }


def measure(page: Page, address: str, run: str) -> dict[str, Any]:
    """First page, single moves and a drag on the codes of a run."""
    page.goto(f"{address}#home")
    page.locator(".card").first.wait_for()
    first = page.evaluate("performance.now()")
    page.goto(f"{address}#latent/{run}")
    page.locator(".strip").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1000)
    steps = range(STEPS)
    places = [(0.1 + 0.8 * (i * 7 % STEPS) / STEPS, 0.1 + 0.8 * (i * 11 % STEPS) / STEPS) for i in steps]
    moves = []
    for place in places:
        moves.append(page.evaluate(MEASURE_MOVE, list(place)))
        page.wait_for_timeout(500)  # until strips and the pad's images are drawn
    rate = page.evaluate(MEASURE_DRAG, DRAG_SECONDS)
    return {
        "run": run,
        "first page, ms": round(first),
        "pointer to pixel, ms, median": round(median(moves), 1),
        "pointer to pixel, ms, 95 %": round(quantiles(moves, n=20)[-1], 1),
        "images per second": round(rate, 1),
    }


def main() -> None:
    """Print a line of JSON for each run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs, all in one folder")
    runs = parser.parse_args().runs
    if len({run.resolve().parent for run in runs}) > 1:
        parser.error("the runs must be in one folder")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    folder = str(runs[0].resolve().parent)
    command = [sys.executable, "-m", "limner", "studio", folder, "--port", "0", "--no-open"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        lines = "".join(server.stdout.readline() for _ in range(3))
        address = re.findall(r"http\S+", lines)[0]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for run in runs:
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.set_default_timeout(120_000)
                result = measure(page, address, run.name) | measure_map(page, address, run.name)
                print(json.dumps(result), flush=True)
                page.close()
            browser.close()
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    main()
