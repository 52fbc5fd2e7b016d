"""The page that compares runs in a real browser: every control, its address, an image, widths and themes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from small import small
from studio_browser import api, check_looks, open_page, png_upload, state_of, wait_for

import limner
from limner.data import Dataset
from limner.figures import to_pil

BOTH = "compare?runs=first/second"
# the grey level of a place of a large image, in shares of its sides
LEVEL = """([name, x, y]) => {
  const canvas = document.querySelector(`.panels .${name} canvas`);
  return canvas.getContext("2d").getImageData(x * canvas.width, y * canvas.height, 1, 1).data[0];
}"""


@pytest.fixture(scope="module")
def runs(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two VAEs of one kind, a model of classes at another size, and a folder that cannot be read."""
    folder = tmp_path_factory.mktemp("compare") / "runs"
    shutil.copytree(trained, folder / "first")
    brief: dict[str, Any] = {"batch": 50, "quiet": True, "on_trouble": "ignore"}
    options: dict[str, Any] = {"latent_dim": 2, "hidden": (32,), "images": 500, "seed": 1} | brief
    limner.train("vae", "digits", out=folder / "second", **options)
    options = small("cgan") | {"images": 50, "size": 32} | brief
    limner.train("cgan", "digits", out=folder / "third", **options)
    (folder / "foreign").mkdir()
    (folder / "foreign" / "run.json").write_text("{")
    return folder


def level(page: api.Page, name: str, x: float, y: float = 0.5) -> int:
    return int(page.evaluate(LEVEL, [name, x, y]))


def selector(page: api.Page, name: str) -> api.Locator:
    return page.locator("label.field").filter(has=page.get_by_text(name, exact=True)).locator("select")


def drag(page: api.Page, canvas: api.Locator, start: float, end: float) -> None:
    """From one share of its width to another."""
    canvas.scroll_into_view_if_needed()
    area = canvas.bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + area["width"] * start, area["y"] + 50)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * end, area["y"] + 50, steps=4)
    page.mouse.up()


def box(page: api.Page, name: str) -> api.Locator:
    return page.locator(f".choices input[value={name}]")


def thumbs(page: api.Page, name: str) -> api.Locator:
    return page.get_by_role("region", name=name, exact=True).locator(".images button")


def test_runs_are_chosen_and_the_address_holds_them(page: api.Page, address: str) -> None:
    open_page(page, address, "home")
    page.get_by_role("link", name="Compare").click()
    api.expect(page.locator(".status")).to_have_text("Choose two runs or more.")
    api.expect(box(page, "foreign")).to_be_disabled()
    page.get_by_label("Find").fill("sec")
    api.expect(box(page, "first")).to_be_hidden()
    box(page, "second").check()
    page.get_by_label("Find").fill("")
    box(page, "first").focus()
    page.keyboard.press("Space")
    api.expect(thumbs(page, "second")).to_have_count(8)
    api.expect(thumbs(page, "first")).to_have_count(8)
    assert state_of(page, "runs") == "second/first"
    api.expect(page.locator(".status")).to_have_text("A seed gives each model the same noise.")
    page.reload()
    api.expect(page.locator(".of h3").first).to_have_text("second")
    page.locator("summary").first.click()
    box(page, "second").uncheck()
    api.expect(page.locator(".of")).to_have_count(1)
    api.expect(page.locator(".pair")).to_be_hidden()


def test_samples_of_models_that_differ(page: api.Page, address: str) -> None:
    open_page(page, address, "compare?runs=first/third")
    api.expect(thumbs(page, "third")).to_have_count(8)
    status = page.locator(".status")
    api.expect(status).to_contain_text("The codes differ (first 2 numbers, normal; third")
    api.expect(status).to_contain_text("The images differ in size or in channels (1x28x28, 1x32x32)")
    selector(page, "Class").select_option("7")
    row = page.get_by_role("region", name="first", exact=True)
    api.expect(row).to_contain_text("knows no class 7, so its images are of any class")
    assert state_of(page, "label") == "7"
    page.get_by_role("button", name="Next").click()
    api.expect(thumbs(page, "first").first).to_have_accessible_name("first, seed 8")
    page.get_by_role("spinbutton", name="Seed").fill("3")
    page.get_by_role("spinbutton", name="Seed").press("Enter")
    api.expect(thumbs(page, "third").last).to_have_accessible_name("third, seed 10")
    assert state_of(page, "seed") == "3"
    selector(page, "Show").select_option("reconstruct")
    api.expect(page.get_by_role("region", name="third", exact=True)).to_contain_text("has no encoder")
    api.expect(thumbs(page, "test images")).to_have_count(8)


def test_two_images_under_a_wipe_and_their_difference(page: api.Page, address: str) -> None:
    open_page(page, address, f"{BOTH}&task=reconstruct&at=4")
    api.expect(page.locator(".panels figure")).to_have_count(4)
    api.expect(thumbs(page, "first").nth(4)).to_have_attribute("aria-pressed", "true")
    thumbs(page, "second").nth(2).click()
    assert state_of(page, "at") == "2"
    selector(page, "Left").select_option("test images")
    selector(page, "Right").select_option("second")
    api.expect(page.locator(".panels .left figcaption")).to_contain_text("test images")
    api.expect(page.locator(".panels figure.left")).to_have_class(re.compile("real"))
    wait_for(page, "document.querySelector('.panels .wipe canvas').width === 480")
    assert level(page, "wipe", 0.3) == level(page, "left", 0.3)
    assert level(page, "wipe", 0.7) == level(page, "right", 0.7)
    wipe = page.locator(".panels .wipe canvas")
    drag(page, wipe, 0.5, 0.9)
    assert 85 <= int(state_of(page, "wipe") or 0) <= 95
    assert level(page, "wipe", 0.7) == level(page, "left", 0.7)
    wipe.focus()
    page.keyboard.press("ArrowLeft")
    assert int(state_of(page, "wipe") or 0) < 90
    for x in (0.2, 0.4, 0.6, 0.8):  # |left - right| in grey levels, on the scale that the page states
        difference = abs(level(page, "left", x) - level(page, "right", x))
        assert abs(level(page, "difference", x) - difference) <= 1
    selector(page, "White is a difference of").select_option("32")
    api.expect(page.locator(".scale output")).to_have_text("32 or more")
    expected = min(255, abs(level(page, "left", 0.4) - level(page, "right", 0.4)) * 255 / 32)
    assert abs(level(page, "difference", 0.4) - expected) <= 1
    assert state_of(page, "white") == "32"


def test_every_large_image_is_enlarged_together(page: api.Page, address: str) -> None:
    open_page(page, address, f"{BOTH}&wipe=0&left=first&right=second")
    wait_for(page, "document.querySelector('.panels .wipe canvas')?.width === 480")
    before = {name: level(page, name, 0.625, 0.625) for name in ("left", "right", "difference")}
    zoom = page.get_by_label("Zoom")
    zoom.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert state_of(page, "zoom") == "2"
    after = {name: level(page, name, 0.75, 0.75) for name in before}
    assert after == before  # the middle stays, twice as large
    left = page.locator(".panels .left canvas")
    left.focus()
    page.keyboard.press("ArrowRight")
    assert state_of(page, "cx") == "0.55"
    page.keyboard.press("+")
    assert state_of(page, "zoom") == "2.5"
    drag(page, left, 0.6, 0.4)
    assert float(state_of(page, "cx") or 0) > 0.55
    page.get_by_role("button", name="Whole image").click()
    assert state_of(page, "zoom") is None


def test_an_image_of_ones_own(page: api.Page, address: str, digits: Dataset) -> None:
    open_page(page, address, f"{BOTH}&task=reconstruct")
    selector(page, "Of").select_option("mine")
    api.expect(page.locator(".status")).to_have_text("Give an image.")
    page.locator("#compare-file").set_input_files(png_upload(to_pil(digits.test.pixels[0])))
    api.expect(thumbs(page, "your image, as the models receive it")).to_have_count(1)
    api.expect(thumbs(page, "first")).to_have_accessible_name(re.compile("first, mean squared error"))
    api.expect(page.locator(".status")).to_have_text("")  # both are there
    text = {"name": "words.txt", "mimeType": "text/plain", "buffer": b"words"}
    page.locator("#compare-file").set_input_files(text)
    api.expect(page.locator(".status")).to_have_text("That is not an image.")


def test_the_table_says_what_is_missing(page: api.Page, address: str, runs: Path) -> None:
    open_page(page, address, f"{BOTH}")
    table = page.locator(".measures")
    command = f"limner evaluate {runs / 'first'} --quick"
    api.expect(table).to_contain_text(f"first has no evaluation of its weights; this makes one: {command}")
    table.locator("summary").click()
    api.expect(table.locator("tr", has_text="seed")).to_have_text("seed01")


def test_it_fits_at_every_width_in_light_and_dark(page: api.Page, address: str) -> None:
    open_page(page, address, "compare?runs=first/second/third&task=reconstruct&zoom=2")
    page.locator(".panels").wait_for()
    check_looks(page)


# -- curves -----------------------------------------------------------------------------------------------
def test_curves_of_another_run_live(page: api.Page, address: str, runs: Path) -> None:
    open_page(page, address, "train/first")
    another = selector(page, "Curves of another run")
    api.expect(another.locator("option")).to_have_count(3)  # none, and the two others
    another.select_option("second")
    assert state_of(page, "with") == "second"
    chart = page.locator(".chart").first
    api.expect(chart.locator("path.with")).to_have_count(2)
    api.expect(chart.locator("li.with")).to_have_text("thin, and right of the bar: second")
    log = runs / "second" / "log.jsonl"
    lines = log.read_text().splitlines()
    last = json.loads(lines[-1])
    value = chart.locator("output.with").first
    api.expect(value).to_have_text(re.compile(rf"\| {last['held_out/rec']:.4g}0*$"))
    log.write_text("\n".join([*lines, json.dumps(last | {"images": 3000, "held_out/rec": -77.25})]) + "\n")
    api.expect(value).to_have_text("| -77.25")
    page.locator("#scrubber").focus()
    page.keyboard.press("Home")
    api.expect(value).to_be_hidden()  # it has no point as early as that
    page.reload()  # the address holds the other run
    api.expect(chart.locator("path.with")).to_have_count(2)
    another.select_option("third")
    note = "third is a cgan on digits: its numbers need not measure the same thing."
    api.expect(page.get_by_text(note)).to_be_visible()
    api.expect(chart.locator("li.with")).to_have_text("third has none of these curves")
    another.select_option("none")
    api.expect(chart.locator("li.with")).to_be_hidden()
    open_page(page, address, "train/first?with=nobody")
    api.expect(page.get_by_text("nobody is not there.")).to_be_visible()
