"""Each view alone, as a notebook has it: one module without imports, rendered into an element of a page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from studio_browser import api, open_page, wait_for

from limner.studio.views import PAGE, module_names, view_module

VIEWS = sorted(path.stem for path in PAGE.glob("*.js") if "export default" in path.read_text())
LANDMARKS = {
    "home": ".card",
    "compare": ".choices label",
    "new": ".setting",
    "lecture": "article h1",
    "train": ".chart",
    "latent": ".strip",
    "map": "canvas.marks[data-drawn]",
    "try": ".zone",
    "update": ".steps button",
}
# a stand-in for a notebook's model: it has what the contract of anywidget promises, and no more
RENDER = """async ([name, run]) => {
  const view = (await import(`/page/alone-${name}.js`)).default;
  const state = { run, api: run ? `/api/runs/${run}` : "/api" }, names = Object.keys(view);
  const model = { get: (key) => state[key] ?? "", set: (key, value) => { state[key] = value; },
    save_changes() {}, on() {}, off() {}, send() {} };
  const el = document.createElement("div");
  el.className = `view-${name} alone`;
  document.querySelector("main").replaceChildren(el);
  globalThis.leave = await view.render({ model, el });
  return names;
}"""


@pytest.fixture(scope="module")
def runs(trained: Path) -> Path:
    """A folder with one run."""
    return trained.parent


def test_every_view_is_tested() -> None:
    assert set(VIEWS) == set(LANDMARKS)
    assert module_names("map")[0] == "kit"
    assert len(module_names("map")) == len(set(module_names("map")))


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_alone(name: str, page: api.Page, address: str) -> None:
    text = view_module(name)
    assert not re.search(r"^(import|export (?!default))", text, re.MULTILINE)
    assert text.count("export default") == 1

    def serve(route: Any) -> None:
        route.fulfill(body=text, content_type="text/javascript")

    page.route(f"**/page/alone-{name}.js", serve)
    open_page(page, address, "home")
    page.locator(".card").wait_for()
    of_run = name in ("train", "latent", "map", "try", "update")
    assert page.evaluate(RENDER, [name, "vae" if of_run else ""]) == ["render"]
    page.locator(f".alone {LANDMARKS[name]}").first.wait_for(state="attached")
    wait_for(page, "(globalThis.leave?.(), true)")
