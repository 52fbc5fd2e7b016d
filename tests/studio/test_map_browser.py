"""The map in a real browser: points, images, hover, selection by pointer and by keyboard, links, looks."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from small import small
from studio_browser import api, check_looks, open_page, state_of, wait_for

import limner

SMALL = "n=500"  # points
DRAWN = "canvas.marks[data-drawn]"
SHEETS = "performance.getEntriesByType('resource').filter((e) => e.name.includes('/sheets/')).length"
# whether a canvas shows anything but black; read from a copy, for Chromium complains of many reads of one
INKED = """(query) => {
  const copy = document.createElement("canvas").getContext("2d");
  copy.drawImage(document.querySelector(query), 0, 0);
  return copy.getImageData(0, 0, 28, 28).data.some((value, i) => i % 4 < 3 && value);
}"""
PINCH = """(canvas) => {
  canvas.setPointerCapture = () => {};
  const box = canvas.getBoundingClientRect();
  const fire = (type, pointerId, x) => canvas.dispatchEvent(new PointerEvent(type,
    { pointerId, clientX: box.left + x, clientY: box.top + 200, bubbles: true }));
  fire("pointerdown", 1, 200); fire("pointerdown", 2, 300);
  fire("pointermove", 1, 150); fire("pointermove", 2, 350);
  fire("pointerup", 1, 150); fire("pointerup", 2, 350);
}"""


@pytest.fixture(scope="module")
def runs(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two numbers in its code, one without an encoder, and one with images larger than tiles."""
    folder = tmp_path_factory.mktemp("map") / "runs"
    shutil.copytree(trained, folder / "vae")
    settings = {"images": 20, "batch": 10, "quiet": True, "on_trouble": "ignore"}
    limner.train("dcgan", "digits", out=folder / "dcgan", **small("dcgan") | settings)
    limner.train("vae", "digits", size=40, out=folder / "large", **small("vae") | settings)
    return folder


def open_map(page: api.Page, address: str, fragment: str) -> None:
    open_page(page, address, f"map/{fragment}")
    page.locator(DRAWN).wait_for(state="attached")


def drawn(page: api.Page) -> int:
    return int(page.locator(DRAWN).get_attribute("data-drawn") or -1)


def move(page: api.Page, x: float, y: float) -> None:
    """The pointer to a place of the plot, from 0 to 1."""
    page.locator(".plot").scroll_into_view_if_needed()
    box = page.locator(".plot").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])


def field(page: api.Page, name: str) -> api.Locator:
    """The select of that name."""
    return page.get_by_role("combobox", name=re.compile(f"^{name}"))


def find_hover(page: api.Page, pattern: str) -> tuple[float, float]:
    """A place of the plot where the card says so."""
    for k in range(400):
        x, y = 0.02 + k * 7 % 97 / 100, 0.02 + k * 13 % 97 / 100
        move(page, x, y)
        if re.search(pattern, page.locator(".hover").inner_text()):
            return x, y
    raise AssertionError(page.locator(".hover").inner_text())


def test_hover_shows_the_image_and_decodes_between(page: api.Page, address: str) -> None:
    open_map(page, address, f"vae?{SMALL}&size=1")
    assert page.locator(".status").inner_text().startswith("Codes of 2 numbers; 179 test")
    assert drawn(page) == 179
    card, face = page.locator(".hover"), ".hover canvas"
    at = find_hover(page, r"^\d · test image \d+")
    assert "real" in (card.get_attribute("class") or "")
    wait_for(page, INKED, face)
    for x, y in (at, (0.01, 0.01), (0.99, 0.99)):  # the card stays within the plot
        move(page, x, y)
        inner, outer = card.bounding_box(), page.locator(".plot").bounding_box()
        assert inner is not None
        assert outer is not None
        assert outer["x"] <= inner["x"]
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1
        assert outer["y"] <= inner["y"]
        assert inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1
    api.expect(card).to_contain_text("decoded at")
    api.expect(card).to_contain_text("off the data")
    page.locator(f"{face}[data-number]").wait_for()
    find_hover(page, "decoded at .*\\s+among the data")
    page.mouse.move(5, 5)
    api.expect(card).to_be_hidden()


def test_the_card_shows_the_whole_image_where_tiles_are_smaller(page: api.Page, address: str) -> None:
    open_map(page, address, f"large?{SMALL}&size=5&set=train")
    find_hover(page, "training image")
    wait_for(page, "document.querySelector('.hover canvas').width === 40")


def test_a_click_selects_and_shows_neighbours_side_by_side(page: api.Page, address: str) -> None:
    open_map(page, address, f"vae?{SMALL}")
    x, y = find_hover(page, r"test image \d+")
    name = page.locator(".hover").inner_text().splitlines()[0].partition(" · ")[2]
    box = page.locator(".plot").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    chosen = page.locator(".chosen")
    api.expect(chosen.locator("figcaption")).to_contain_text(name)
    api.expect(chosen.locator("h3")).to_have_text(["Nearest by code", "Nearest by pixels"])
    api.expect(chosen.locator(".near li")).to_have_count(16)
    first = state_of(page, "at")
    chosen.locator(".near button").first.press("Enter")
    api.expect(chosen.locator("figcaption")).not_to_contain_text(f"{name} ")
    assert state_of(page, "at") != first
    page.get_by_role("link", name="Open in Codes").click()
    wait_for(page, "location.hash.startsWith('#latent/vae?base=image')")


def test_legend_entries_are_toggles_and_a_class_can_be_selected(page: api.Page, address: str) -> None:
    open_map(page, address, f"vae?{SMALL}")
    three = page.get_by_role("button", name=re.compile(r"^3\s*\d+$"))
    api.expect(three).to_have_attribute("aria-pressed", "true")
    count = int(three.locator(".count").inner_text())
    three.press("Space")
    api.expect(page.locator(DRAWN)).to_have_attribute("data-drawn", str(179 - count))
    assert state_of(page, "hide") == "3"
    page.reload()
    api.expect(page.locator(DRAWN)).to_have_attribute("data-drawn", str(179 - count))
    page.get_by_role("button", name=re.compile(r"^3\s*\d+$")).click()
    api.expect(page.locator(DRAWN)).to_have_attribute("data-drawn", "179")
    page.get_by_label("Select a class").select_option("3")
    picked = page.locator(".picked")
    api.expect(picked.locator(".number")).to_have_text(f"{count} of 179 points")
    api.expect(picked).to_contain_text(f"3: {count}")
    wait_for(page, "document.querySelector('.picked canvas.whole').width === 28")
    size = page.locator(".picked canvas.contact").evaluate("(canvas) => [canvas.width, canvas.height]")
    assert size == [12 * 28, -(-count // 12) * 28]
    page.get_by_role("button", name="Clear").click()
    api.expect(picked).to_be_empty()


def test_lasso_by_pointer_and_rectangle_by_keys(page: api.Page, address: str) -> None:
    open_map(page, address, f"vae?{SMALL}")
    page.get_by_role("button", name="Lasso").click()
    assert state_of(page, "tool") == "lasso"
    move(page, 0.02, 0.02)
    page.mouse.down()
    for x, y in ((0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.5)):
        move(page, x, y)
    page.mouse.up()
    number = page.locator(".picked .number")
    api.expect(number).to_have_text("179 of 179 points")
    area = state_of(page, "area")
    page.reload()
    api.expect(number).to_have_text("179 of 179 points")
    assert state_of(page, "area") == area
    page.locator(".plot").focus()
    page.keyboard.press("r")
    for key in ["ArrowUp"] * 3 + ["Shift+ArrowRight"] * 10 + ["Shift+ArrowDown"] * 10 + ["Shift+ArrowUp"] * 2:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    api.expect(number).not_to_have_text("179 of 179 points")
    assert 0 < int(number.inner_text().split()[0]) < 179
    page.get_by_role("button", name="Rectangle").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")  # selects no area any more
    assert len((state_of(page, "area") or "").split(";")) == 4


def test_the_view_moves_by_wheel_drag_buttons_and_keys(page: api.Page, address: str) -> None:
    open_map(page, address, f"vae?{SMALL}")
    assert state_of(page, "view") is None
    move(page, 0.5, 0.5)
    page.mouse.wheel(0, -300)
    zoom = float((state_of(page, "view") or "").split(",")[2])
    assert zoom == pytest.approx(2.718 ** (200 / 300), abs=0.01)
    assert drawn(page) < 179
    page.mouse.down()
    move(page, 0.7, 0.5)
    page.mouse.up()
    x = float((state_of(page, "view") or "").split(",")[0])
    page.reload()
    page.locator(DRAWN).wait_for(state="attached")
    page.get_by_role("button", name="Zoom in").click()
    view = [float(v) for v in (state_of(page, "view") or "").split(",")]
    assert (view[0], view[2]) == (pytest.approx(x), pytest.approx(1.5 * zoom, rel=1e-2))
    page.get_by_role("button", name="Zoom out").click()
    page.get_by_role("button", name="Whole map").click()
    assert state_of(page, "view") is None
    page.locator(".plot").focus()
    for key in ("+", "-", "+"):
        page.keyboard.press(key)
    assert float((state_of(page, "view") or "").split(",")[2]) == pytest.approx(1.25, rel=1e-2)
    page.keyboard.press("0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    api.expect(page.locator(".hover")).to_be_visible()
    page.keyboard.press("Enter")
    api.expect(page.locator(".chosen figcaption")).to_contain_text("test image")
    api.expect(page.locator(".spoken")).not_to_be_empty()
    page.keyboard.press("Escape")
    api.expect(page.locator(".hover")).to_be_hidden()


def test_pinch_zooms(page: api.Page, address: str) -> None:
    open_map(page, address, f"vae?{SMALL}")
    page.locator(DRAWN).evaluate(PINCH)
    assert float((state_of(page, "view") or "").split(",")[2]) == pytest.approx(2, rel=0.01)
    assert state_of(page, "at") is None


def test_images_sets_sizes_and_methods(page: api.Page, address: str) -> None:
    open_map(page, address, "vae?show=images")
    wait_for(page, f"{SHEETS} === 1")
    before = page.locator(DRAWN).evaluate("(c) => c.toDataURL()")
    page.get_by_role("slider", name="Size").press("ArrowRight")
    wait_for(page, "(before) => document.querySelector('canvas.marks').toDataURL() !== before", before)
    assert state_of(page, "size") == "3"
    field(page, "Show").select_option("points")
    field(page, "Method").select_option("pca")
    api.expect(page.locator(".axes")).to_contain_text("principal component 1")
    field(page, "Real images").select_option("train")
    api.expect(page.locator(".status")).to_contain_text("1,618 train images", timeout=120_000)
    field(page, "Points").select_option("500")
    api.expect(page.locator(".status")).to_contain_text("500 train images")
    assert page.evaluate(SHEETS) == 1  # none before one is needed
    find_hover(page, "training image")
    wait_for(page, f"{SHEETS} === 2")


def test_tsne_has_no_inverse_and_says_so(page: api.Page, address: str) -> None:
    open_map(page, address, "vae?n=500&method=tsne")
    assert page.locator(".status").inner_text().startswith("t-SNE of codes")
    api.expect(page.locator(".explanation")).to_contain_text("there is no inverse")
    move(page, 0.01, 0.01)
    api.expect(page.locator(".hover")).to_contain_text("the nearest image")


def test_real_and_generated_together_and_copies(page: api.Page, address: str) -> None:
    open_map(page, address, "dcgan?n=500&size=5")
    title = re.compile("PCA of 64 features of digits-cnn-v1; 179 test images")
    api.expect(page.locator(".status")).to_have_text(title)
    api.expect(page.get_by_role("button", name=re.compile("^generated"))).to_be_visible()
    page.get_by_role("button", name=re.compile("^real")).click()
    find_hover(page, r"sample of seed \d+")
    assert "generated" in (page.locator(".hover").get_attribute("class") or "")
    page.get_by_role("button", name=re.compile("^real")).click()
    field(page, "Colour by").select_option("class")
    assert state_of(page, "colour") == "class"
    page.get_by_label("Select a class").select_option("generated")
    api.expect(page.locator(".picked .number")).to_have_text("179 of 358 points")
    page.get_by_role("button", name="Compare with training images").click()
    api.expect(page.locator(".pairs figure")).to_have_count(24)
    api.expect(page.locator(".copies")).to_contain_text("nearest of 1,618 training images")
    page.get_by_label("Distance by").select_option("features")
    api.expect(page.locator(".copies")).to_contain_text("Distance by features of digits-cnn-v1")
    assert (state_of(page, "copies"), state_of(page, "by")) == ("1", "features")


def test_a_map_that_fails_says_why(page: api.Page, address: str, runs: Path) -> None:
    open_map(page, address, f"vae?{SMALL}")
    page.route("**/points*", lambda route: route.fulfill(json={"error": "all codes are the same"}))
    field(page, "Method").select_option("pca")
    api.expect(page.locator(".problem")).to_have_text("all codes are the same")
    page.unroute("**/points*")
    field(page, "Method").select_option("codes")
    api.expect(page.locator(".problem")).to_be_hidden()


LOOKS = ["vae?n=500&at=3&area=class:1", "dcgan?n=500&show=images&copies=1&at=300"]


@pytest.mark.parametrize("fragment", LOOKS)
def test_looks(page: api.Page, address: str, fragment: str) -> None:
    open_map(page, address, fragment)
    page.locator(".near li").nth(15).wait_for()
    if "copies" in fragment:
        page.locator(".pairs figure").nth(23).wait_for()
    check_looks(page)
