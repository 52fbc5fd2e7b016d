"""The page of a new run in a real browser: from the doors to a training that waits, and every control."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from studio_browser import api, check_looks, open_page, state_of
from studio_client import TOKEN
from studio_server import run_studio

from limner.data import load
from limner.figures import to_pil
from limner.training.lock import RunLock
from limner.training.queue import NAME as QUEUE

READ = "The images are read."


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of two classes, with a damaged one."""
    folder = tmp_path_factory.mktemp("new") / "photos"
    pixels = load("digits").train.pixels
    for k, label in enumerate(("cats", "dogs")):
        (folder / label).mkdir(parents=True)
        for i in range(6 + 3 * k):
            to_pil(pixels[i + 9 * k]).save(folder / label / f"{i}.png")
    (folder / "dogs" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    return folder


@pytest.fixture(scope="module")
def runs(trained: Path, photos: Path) -> Path:
    """A folder with one run."""
    folder = photos.parent / "runs"
    shutil.copytree(trained, folder / "vae-digits-0001")
    return folder


@pytest.fixture(scope="module")
def address(runs: Path, photos: Path) -> Iterator[str]:
    """The address of a studio whose new runs may use the photos."""
    with run_studio(runs, [photos]) as port:
        yield f"http://127.0.0.1:{port}/?token={TOKEN}"


def test_the_door_leads_to_a_checked_folder(page: api.Page, address: str) -> None:
    open_page(page, address, "home")
    page.get_by_role("link", name="Use my images").click()
    api.expect(page.locator("h1")).to_have_text("New run")
    start = page.get_by_role("button", name="Start")
    api.expect(start).to_be_disabled()
    page.get_by_label("Images", exact=True).select_option("photos")
    api.expect(page.get_by_text(READ)).to_be_visible()
    contents = page.locator(".contents")
    api.expect(contents).to_contain_text("28 × 28 pixels, grey")
    api.expect(contents).to_contain_text("2 classes: from")
    api.expect(contents).to_contain_text("skipped dogs/damaged.png")
    assert contents.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 50
    api.expect(start).to_be_enabled()
    assert state_of(page, "data") == "photos"
    page.get_by_label("size", exact=True).fill("40")
    api.expect(contents).to_contain_text("40 × 40 pixels")
    page.get_by_label("size", exact=True).fill("9")
    api.expect(page.locator("#field-shape-size-problem")).to_have_text("size must be from 16 to 256, not 9")
    api.expect(contents).to_have_count(0)
    api.expect(start).to_be_disabled()
    page.get_by_label("size", exact=True).fill("")
    api.expect(contents).to_contain_text("28 × 28 pixels")
    page.get_by_text("Options of the VAE").click()
    check_looks(page)


def test_the_form_follows_the_schema_and_the_address(page: api.Page, address: str) -> None:
    open_page(page, address, "new?data=digits&model=dcgan&option.width=0&option.augment=colour")
    width = page.get_by_label("width", exact=True)
    api.expect(width).to_have_value("0")
    api.expect(page.locator("#field-option-width-problem")).to_have_text("width must be at least 1, not 0")
    api.expect(width).to_have_attribute("aria-invalid", "true")
    width.fill("24")
    command = page.get_by_label("the command")
    api.expect(command).to_contain_text("--width 24")
    api.expect(command).to_contain_text("--augment colour")
    page.get_by_text("Options of every GAN").click()
    page.get_by_role("group", name="augment").get_by_label("cutout").check()
    api.expect(command).to_contain_text("--augment colour cutout")
    page.get_by_label("soft labels").check()
    page.get_by_label("loss", exact=True).select_option("hinge")
    api.expect(page.locator(".rules")).to_contain_text("soft_labels")  # a rule between two settings
    api.expect(page.get_by_role("button", name="Start")).to_be_disabled()
    api.expect(page.get_by_text("Options of every GAN")).to_contain_text("3 changed")
    page.get_by_label("soft labels").uncheck()
    api.expect(command).to_contain_text("--loss hinge --augment colour cutout")
    assert state_of(page, "option.loss") == "hinge"
    page.get_by_label("loss", exact=True).select_option("non-saturating")  # the default is not written
    api.expect(command).not_to_contain_text("--loss")
    page.get_by_label("Preset").select_option("paper")
    api.expect(command).to_contain_text("train dcgan --preset paper")
    api.expect(page.get_by_label("kernel", exact=True)).to_have_value("5")
    page.get_by_label("start at once", exact=False).check()
    api.expect(command).not_to_contain_text("--queue")
    page.get_by_label("name of the run").fill("vae-digits-0001")
    api.expect(page.get_by_text("there is a vae-digits-0001 already")).to_be_visible()
    page.get_by_label("name of the run").fill("")
    page.get_by_label("Model", exact=True).select_option("cyclegan")
    api.expect(page.get_by_label("Domain B")).to_be_visible()
    api.expect(page.get_by_text("two domains")).to_be_visible()
    api.expect(command).not_to_contain_text("--preset")
    page.get_by_label("Images", exact=True).select_option("photos/cats")
    page.get_by_label("Domain B").select_option("photos/dogs")
    api.expect(page.get_by_text(READ)).to_be_visible()
    api.expect(page.locator(".contents h3")).to_have_text(["Domain A: cats", "Domain B: dogs"])
    page.go_back()


def test_copy_measure_start_wait_stop(page: api.Page, address: str, runs: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_page(page, address, "new?data=digits&model=vae&training.images=400&option.hidden=16")
    api.expect(page.get_by_text(READ)).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    api.expect(page.get_by_text("The command is copied.")).to_be_visible()
    command = (
        f"limner train vae --data digits --images 400 --hidden 16 --out {runs / 'vae-digits-0002'} --queue"
    )
    assert page.evaluate("navigator.clipboard.readText()") == command
    page.get_by_role("button", name="Measure").click()
    result = page.locator(".result")
    api.expect(result).to_contain_text("Measuring")
    api.expect(result).to_contain_text(re.compile("about .* for 400 images"), timeout=240_000)
    api.expect(result).to_contain_text("are free")
    page.get_by_label("images", exact=True).fill("500")
    api.expect(result).to_be_empty()  # it was of another run
    (runs / "busy").mkdir()
    with RunLock(runs / "busy"):
        page.get_by_role("button", name="Start").click()
        api.expect(page.locator("h1")).to_have_text("vae-digits-0002", timeout=240_000)
        status = page.locator(".status")
        api.expect(status).to_have_text("waiting for busy: 0 of 500 images")
        api.expect(page.get_by_role("button", name="Pause")).to_be_disabled()
        page.get_by_role("link", name="Runs").click()
        api.expect(page.locator(".card", has_text="vae-digits-0002")).to_contain_text("waiting for busy")
        page.go_back()
        page.get_by_role("button", name="Stop").click()
        api.expect(status).to_have_text(re.compile("^stopped: 0 of 500"))
    assert not (runs / "vae-digits-0002" / QUEUE).exists()
    api.expect(page.get_by_role("button", name="Resume")).to_be_visible()
