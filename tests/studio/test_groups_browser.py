"""The page of codes in a real browser: groups of pins and the axis between them, its name, mixed styles."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from small import small
from studio_browser import api, check_looks, open_page, state_of, wait_for

import limner

PINS = "pins=image!1!!1!~image!2!!1!~image!3!!1!"
IMAGE = "document.querySelector('canvas.image').toDataURL()"


@pytest.fixture(scope="module")
def runs(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAE, and a model with styles, in a folder whose name is longer than a narrow page is wide."""
    folder = tmp_path_factory.mktemp("groups") / ("runs_of_someone_who_says_everything_in_" * 3)
    shutil.copytree(trained, folder / "vae")
    brief: dict[str, Any] = {"images": 50, "batch": 50, "quiet": True, "on_trouble": "ignore"}
    limner.train("stylegan", "digits", out=folder / "style", **small("stylegan") | brief)
    return folder


def test_groups_of_pins_become_an_axis_with_a_name(page: api.Page, address: str, runs: Path) -> None:
    open_page(page, address, f"latent/vae?base=image&number=7&{PINS}")
    note = page.locator(".pins .note").first
    api.expect(note).to_have_text("Mark pins as A and as B: what A has and B lacks becomes an axis.")
    api.expect(page.locator(".strip")).to_have_count(4)
    page.get_by_label("Pin 1 in group A").click()
    page.get_by_label("Pin 2 in group A").click()
    page.get_by_label("Pin 3 in group B").focus()
    page.keyboard.press("Enter")
    api.expect(page.locator(".strip").first).to_contain_text("A - B")
    api.expect(note).to_have_text(re.compile(r"The means of A and B are [\d.]+ standard deviations apart\."))
    assert [pin.split("!")[-1] for pin in (state_of(page, "pins") or "").split("~")] == ["A", "A", "B"]
    before = page.evaluate(IMAGE)
    page.get_by_role("button", name="Add A - B").click()
    wait_for(page, f"(before) => {IMAGE} !== before", arg=before)
    added = state_of(page, "moves") or ""
    assert re.fullmatch(r"A\+-\+B:\d\.\d+|A - B:[\d.]+", added)
    page.get_by_role("button", name="Subtract it").click()
    assert "-" in (state_of(page, "moves") or "").rpartition(":")[2]
    page.get_by_role("button", name="Pin this image").click()
    api.expect(page.get_by_label("Pin 4 in group A")).to_be_disabled()  # it lies on the axis itself
    page.reload()
    api.expect(page.locator(".strip").first).to_contain_text("A - B")
    page.get_by_label("Name of this direction").fill("not a word")
    page.get_by_role("button", name="Store it with the run").click()
    api.expect(note).to_have_text("A name is a word such as smile.")
    page.get_by_label("Name of this direction").fill("bold")
    page.get_by_role("button", name="Store it with the run").click()
    path = runs / "vae" / "directions.json"
    api.expect(note).to_contain_text(f"Stored as bold in {path} (centroid of places, 1 and 2 codes")
    assert list(json.loads(path.read_text())) == ["bold"]
    api.expect(page.locator(".strip").nth(1)).to_contain_text("bold")
    slider = page.get_by_label("bold", exact=True)
    slider.focus()
    page.keyboard.press("Home")
    assert "bold:-3" in (state_of(page, "moves") or "")
    page.get_by_label("Left and right").select_option("bold")
    api.expect(page.locator(".across")).to_have_text("bold: -3")
    page.get_by_role("button", name="Store it with the run").click()
    api.expect(note).to_have_text("There is a direction bold: take another name.")
    page.get_by_label("Pin 3 in group B").click()  # out of the group again
    api.expect(page.locator(".strip").first).to_contain_text("bold")
    check = page.locator(".pins button", has_text="Add A - B")
    api.expect(check).to_be_hidden()


def test_groups_that_do_not_differ_say_so(page: api.Page, address: str) -> None:
    open_page(page, address, "latent/vae?pins=image!1!!1!!!!A~image!1!!1!!!!B")
    note = page.locator(".pins .note").first
    api.expect(note).to_contain_text("the codes of both groups do not differ")


def test_styles_of_another_seed_are_mixed_in(page: api.Page, address: str) -> None:
    open_page(page, address, "latent/style?base=seed&number=8")
    wait_for(page, "document.querySelector('canvas.image')?.dataset.number > 0")
    other = page.evaluate(IMAGE)
    page.goto("about:blank")
    open_page(page, address, "latent/style?base=seed&number=3")
    wait_for(page, "document.querySelector('canvas.image')?.dataset.number > 0")
    assert page.evaluate(IMAGE) != other
    page.get_by_label("Its number").fill("8")
    page.get_by_label("Its number").press("Enter")
    assert state_of(page, "second") == "8"
    boxes = page.locator(".mixing input[type=checkbox]")
    for i in range(boxes.count()):
        boxes.nth(i).check()
    wait_for(page, f"(other) => {IMAGE} === other", arg=other)  # in all layers: the image of seed 8
    assert (state_of(page, "mixed") or "").split(",")[0] == "coarse"
    page.get_by_role("button", name="Pin this image").click()
    assert (state_of(page, "pins") or "").startswith("seed!3!!1!!8!coarse")
    boxes.first.uncheck()
    wait_for(page, f"(other) => {IMAGE} !== other", arg=other)
    assert (state_of(page, "mixed") or "").split(",")[0] != "coarse"
    page.reload()
    api.expect(boxes.first).not_to_be_checked()


def test_it_fits_at_every_width_in_light_and_dark(page: api.Page, address: str) -> None:
    pins = "pins=seed!1!!1!!!!A~seed!2!!1!!!!B"
    open_page(page, address, f"latent/style?mixed=coarse&second=2&{pins}")
    page.locator(".strip").first.wait_for()
    check_looks(page)
