"""The studio in a real browser: every page and every control, live training, widths, light and dark."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from PIL import Image
from studio_browser import api, check_looks, open_page, png_upload, state_of, wait_for

from limner.data import Dataset
from limner.figures import to_pil
from limner.training.lock import NAME

DEAD = "2147483646"  # no process has that number


@pytest.fixture(scope="module")
def runs(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that are finished, killed, and foreign."""
    folder = tmp_path_factory.mktemp("studio") / "runs"
    shutil.copytree(trained, folder / "vae-digits-0001")
    shutil.copytree(trained, folder / "killed")
    path = folder / "killed" / "run.json"
    content = json.loads(path.read_text())
    content["training"] |= {"images": 100_000_000, "save_seconds": 0.5}
    path.write_text(json.dumps(content))
    (folder / "killed" / NAME).write_text(DEAD)
    (folder / "foreign").mkdir()
    (folder / "foreign" / "run.json").write_text('{"model": ')
    return folder


def digit_file(digits: Dataset) -> dict[str, object]:
    return png_upload(to_pil(digits.test.pixels[0]))


# -- home -------------------------------------------------------------------------------------------------
def test_home_shows_runs_as_they_come_and_go(page: api.Page, address: str, runs: Path) -> None:
    open_page(page, address, "home")
    api.expect(page.locator(".card")).to_have_count(3)
    assert "token" not in page.url  # not in the history either
    foreign = page.locator(".card", has_text="foreign")
    api.expect(foreign).to_contain_text("damaged or not ours")
    assert foreign.get_attribute("href") is None
    vae = page.locator(".card", has_text="vae-digits-0001")
    api.expect(vae).to_contain_text("finished · 4,096 of 4,000 images")
    api.expect(vae).to_contain_text("too early to tell")
    api.expect(page.locator(".card", has_text="killed")).to_contain_text("killed ·")
    assert vae.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 100
    shutil.copytree(runs / "vae-digits-0001", runs / "new")
    api.expect(page.locator(".card")).to_have_count(4)
    shutil.rmtree(runs / "new")
    api.expect(page.locator(".card")).to_have_count(3)
    vae.focus()
    page.keyboard.press("Enter")
    api.expect(page.locator("h1")).to_have_text("vae-digits-0001")
    page.go_back()
    api.expect(page.locator("h1")).to_have_text("Runs")


# -- training ---------------------------------------------------------------------------------------------
def test_one_scrubber_drives_everything(page: api.Page, address: str) -> None:
    open_page(page, address, "train/vae-digits-0001?images=2100")
    where = page.locator(".scrubber output")
    api.expect(where).to_have_text("2,048 of 4,000")
    earlier = re.compile("At [0-9,]+ images, the nearest earlier picture")
    api.expect(page.locator("figcaption")).to_have_text(earlier)
    chart = page.locator(".chart").first
    api.expect(chart).to_contain_text("Negative ELBO of held-out images")
    value = chart.locator("output").first
    before = value.inner_text()
    slider = page.locator("#scrubber")
    slider.focus()
    page.keyboard.press("ArrowRight")
    api.expect(value).not_to_have_text(before)
    assert state_of(page, "images") == "2560"
    page.keyboard.press("Home")
    api.expect(where).to_have_text("0 of 4,000")
    api.expect(page.locator("figcaption")).to_have_text("At 0 images")
    api.expect(page.locator(".doctor")).to_contain_text("no tick yet")
    box = chart.locator("svg").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    api.expect(page.locator(".doctor")).to_contain_text("too early to tell: train until")
    assert 1500 < int(state_of(page, "images") or 0) < 3500
    page.get_by_role("button", name="Newest").click()
    api.expect(where).to_have_text("4,096 of 4,000")
    assert state_of(page, "images") is None
    page.get_by_text("Settings", exact=True).click()
    api.expect(page.locator(".settings")).to_contain_text("latent dim")


def test_a_killed_training_goes_on_and_obeys(page: api.Page, address: str, runs: Path) -> None:
    open_page(page, address, "train/killed")
    status = page.locator(".status")
    api.expect(page.locator(".ended")).to_contain_text("Training was killed. What it had stored")
    api.expect(page.locator(".ended pre")).to_have_text(f"limner train vae --resume --out {runs / 'killed'}")
    page.get_by_role("button", name="Resume").click()
    api.expect(status).to_have_text(re.compile("^(starting|training): "))
    api.expect(status).to_have_text(re.compile("^training: "))
    api.expect(page.locator(".ended")).to_be_hidden()
    log = runs / "killed" / "log.jsonl"
    try:
        lines = len(log.read_text().splitlines())
        page.get_by_role("button", name="Pause").click()
        api.expect(status).to_have_text(re.compile("^paused: "))
        page.get_by_role("button", name="Go on").click()
        api.expect(status).to_have_text(re.compile("^training: "))
        page.get_by_role("button", name="Halve the rate").click()
        api.expect(status).to_contain_text("learning rates × 0.5")
        wait_for_log(log, '"rate_factor": 0.5')
        page.get_by_role("button", name="Full rate").click()
        api.expect(status).not_to_contain_text("learning rates")
        page.get_by_role("button", name="Save now").click()
        api.expect(status).not_to_contain_text("a request waits")
        assert len(log.read_text().splitlines()) > lines
    finally:
        page.get_by_role("button", name="Stop").click()
    api.expect(status).to_have_text(re.compile("^stopped: "))
    api.expect(page.locator(".ended")).to_contain_text("Training was stopped at")
    shutil.move(runs / "killed", runs.parent / "killed")
    api.expect(status).to_have_text("This run is no longer there.")
    shutil.move(runs.parent / "killed", runs / "killed")
    api.expect(status).to_have_text(re.compile("^stopped: "))


def wait_for_log(log: Path, text: str) -> None:
    end = time.monotonic() + 60
    while text not in log.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)


# -- codes ------------------------------------------------------------------------------------------------
def image_number(page: api.Page) -> int:
    return int(page.locator("canvas.image").get_attribute("data-number") or 0)


def test_the_image_follows_the_pointer(page: api.Page, address: str) -> None:
    open_page(page, address, "latent/vae-digits-0001")
    pad = page.locator(".pad")
    api.expect(page.locator(".strip")).to_have_count(4)
    wait_for(page, "document.querySelector('.plan').naturalWidth === 7 * 28")
    box = pad.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    before, pixels = image_number(page), page.evaluate("document.querySelector('canvas.image').toDataURL()")
    for i in range(1, 20):
        page.mouse.move(middle[0] + 6 * i, middle[1] - 3 * i)
    page.mouse.up()
    wait_for(page, "(n) => +document.querySelector('canvas.image').dataset.number > n", arg=before)
    wait_for(page, "(old) => document.querySelector('canvas.image').toDataURL() !== old", arg=pixels)
    moves = state_of(page, "moves")
    assert moves is not None
    assert len(moves.split(",")) == 2
    pad.focus()
    page.keyboard.press("Home")
    assert state_of(page, "moves") is None
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    values = dict(part.split(":") for part in (state_of(page, "moves") or "").split(","))
    assert sorted(values.values()) == ["0.1", "0.5"]
    page.reload()  # every state is a link
    api.expect(page.locator(".across")).to_contain_text("0.1")
    api.expect(page.locator(".up")).to_contain_text("0.5")


def test_every_control_of_the_codes(page: api.Page, address: str, tmp_path: Path) -> None:
    open_page(page, address, "latent/vae-digits-0001")
    api.expect(page.locator(".strip")).to_have_count(4)
    page.get_by_label("Start at").select_option("image")
    assert state_of(page, "base") == "image"
    page.get_by_label("Number").fill("7")
    page.get_by_label("Number").press("Enter")
    page.get_by_role("button", name="Next").click()
    assert state_of(page, "number") == "8"
    page.get_by_role("button", name="Pin this image").click()
    api.expect(page.locator(".pins")).to_contain_text("Pin another image")
    page.get_by_label("Left and right").select_option("direction 1")
    page.get_by_label("Up and down").select_option("direction 2")
    api.expect(page.locator(".across")).to_have_text("direction 1: 0")
    slider = page.get_by_label("direction 1", exact=True)
    slider.focus()
    page.keyboard.press("End")
    assert (state_of(page, "moves") or "").endswith(":3")
    api.expect(page.locator(".strip", has_text="direction 1").locator("output")).to_have_text("3 σ")
    page.get_by_role("button", name="Pin this image").click()
    between = page.locator(".between")
    assert between.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 9 * 28
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as GIF").click()
    download.value.save_as(tmp_path / "path.gif")
    assert Image.open(tmp_path / "path.gif").n_frames == 16
    page.get_by_role("button", name="Remove pin 1").click()
    api.expect(page.locator(".pinned")).to_have_count(1)
    page.get_by_role("button", name="Back to the start").click()
    assert state_of(page, "moves") is None
    open_page(page, address, "latent/vae-digits-0001?base=image&number=99999")
    api.expect(page.locator(".problem")).to_contain_text("there is no test image 99999")


# -- an image ---------------------------------------------------------------------------------------------
def test_an_image_is_tried(page: api.Page, address: str, digits: Dataset) -> None:
    open_page(page, address, "try/vae-digits-0001")
    page.locator("#choose").set_input_files(digit_file(digits))
    figures = page.locator(".results figure")
    api.expect(figures).to_have_count(2)
    assert state_of(page, "number") in (None, "")
    api.expect(figures.first).to_have_text("what the model receives")
    api.expect(page.locator(".number")).to_contain_text("mean squared error")
    page.get_by_role("button", name="How strange?").click()
    api.expect(page.locator(".number")).to_contain_text("of 179 test images score as high")
    assert state_of(page, "trial") == "anomalies"
    page.get_by_role("button", name="Nearest images").click()
    api.expect(figures).to_have_count(13)
    text = {"name": "words.txt", "mimeType": "text/plain", "buffer": b"words"}
    page.locator("#choose").set_input_files(text)
    api.expect(page.locator(".problem")).to_have_text("that is not an image")


def test_a_test_image_is_tried_and_the_address_holds_it(page: api.Page, address: str) -> None:
    open_page(page, address, "try/vae-digits-0001?trial=similar&number=177")
    note, figures = page.locator(".zone .note"), page.locator(".results figure")
    api.expect(note).to_have_text("test image 177")
    api.expect(figures).to_have_count(13)
    page.get_by_role("button", name="Next test image").click()
    api.expect(note).to_have_text("test image 178")
    assert state_of(page, "number") == "178"
    page.get_by_role("button", name="Next test image").click()
    api.expect(note).to_have_text("test image 0")
    field = page.get_by_label("Number of a test image")
    field.fill("179")
    field.press("Enter")
    problem = "there are 179 test images, numbered from 0: 179 is none"
    api.expect(page.locator(".problem")).to_have_text(problem)
    field.fill("4")
    field.press("Enter")
    api.expect(note).to_have_text("test image 4")
    api.expect(figures).to_have_count(13)
    held: list[api.Route] = []
    page.route("**/try/similar", lambda route: held.append(route))
    field.fill("5")
    field.press("Enter")
    while not held:
        page.wait_for_timeout(10)
    field.fill("179")
    field.press("Enter")
    api.expect(page.locator(".problem")).to_have_text(problem)
    with page.expect_response("**/try/similar"):
        held[0].continue_()
    page.wait_for_timeout(50)
    api.expect(page.locator(".problem")).to_have_text(problem)  # not what comes of the image before


def test_a_drawing_a_drop_and_a_paste_are_tried(page: api.Page, address: str, digits: Dataset) -> None:
    open_page(page, address, "try/vae-digits-0001")
    board = page.locator(".board")
    box = board.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 110, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 110, box["y"] + 180, steps=5)
    page.mouse.up()
    figures = page.locator(".results figure")
    api.expect(figures).to_have_count(2)
    api.expect(page.locator(".zone .note")).to_have_text("your drawing")
    assert (
        page.evaluate(
            "(() => { const c = document.querySelector('.results canvas').getContext('2d');"
            " return c.getImageData(14, 14, 1, 1).data[0]; })()"
        )
        > 100
    )
    page.get_by_label("white on black").uncheck()
    page.get_by_role("button", name="Clear").click()
    data = list(digit_file(digits)["buffer"])
    for kind, target, source in (("drop", ".zone", "dataTransfer"), ("paste", "body", "clipboardData")):
        page.evaluate(
            """([kind, target, source, bytes]) => {
                 const transfer = new DataTransfer();
                 transfer.items.add(new File([new Uint8Array(bytes)], `${kind}.png`, { type: "image/png" }));
                 const Kind = kind === "drop" ? DragEvent : ClipboardEvent;
                 const event = new Kind(kind, { [source]: transfer, bubbles: true, cancelable: true });
                 document.querySelector(target).dispatchEvent(event);
               }""",
            [kind, target, source, data],
        )
        name = "drop.png" if kind == "drop" else "pasted"
        api.expect(page.locator(".zone .note")).to_have_text(name)
        api.expect(figures).to_have_count(2)


# -- looks ------------------------------------------------------------------------------------------------
PAGES = {
    "home": ("home", ".card"),
    "train": ("train/killed?images=2560", ".chart"),
    "latent": ("latent/vae-digits-0001?moves=0:1&pins=seed!1!!1!~seed!2!!1!", ".strip"),
    "try": ("try/vae-digits-0001", ".zone"),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_at_every_width_in_light_and_dark(
    name: str, page: api.Page, address: str, digits: Dataset
) -> None:
    fragment, landmark = PAGES[name]
    open_page(page, address, fragment)
    page.locator(landmark).first.wait_for()
    if name == "try":
        page.locator("#choose").set_input_files(digit_file(digits))
        page.locator(".results figure").first.wait_for()
    check_looks(page)


def test_reduced_motion_is_respected(page: api.Page, address: str) -> None:
    open_page(page, address, "latent/vae-digits-0001")
    page.locator("canvas.image").wait_for()
    for motion, seconds in (("reduce", "0s"), ("no-preference", "0.15s")):
        page.emulate_media(reduced_motion=motion)
        style = "getComputedStyle(document.querySelector('canvas.image')).transitionDuration"
        assert page.evaluate(style) == seconds


def test_a_stranger_sees_one_line(browser: api.Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(address.partition("?")[0])
    assert answer is not None
    assert answer.status == 403
    assert "opens with the whole address" in page.inner_text("body")
    context.close()
