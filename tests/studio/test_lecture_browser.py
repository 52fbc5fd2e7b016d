"""The lecture and one update in a real browser: every control, a run trained on first use, its looks."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file
from studio_browser import api, check_looks, open_page, state_of

import limner
from limner.studio import lecture
from limner.training.checkpoint import write_weights

SMALL = {"images": 600, "batch": 16, "hidden": (16,), "on_trouble": "ignore", "quiet": True}


def finish(path: Path, name: str) -> None:
    """Let a run look as if it had the length that the lecture gives it."""
    images = int(lecture.RUNS[name].words[-1])
    content = json.loads((path / "run.json").read_text())
    content["training"]["images"] = images
    (path / "run.json").write_text(json.dumps(content))
    weights = path / "weights.safetensors"
    write_weights(weights, load_file(weights), images)


@pytest.fixture(scope="module")
def runs(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The GAN and the VAE of the lecture, small ones; the others are not there."""
    folder = tmp_path_factory.mktemp("lecture") / "runs"
    shutil.copytree(trained, folder / "lecture-vae")
    limner.train("gan", "digits", out=folder / "lecture-gan", **SMALL)
    for name in ("lecture-vae", "lecture-gan"):
        finish(folder / name, name)
    return folder


# -- the lecture ------------------------------------------------------------------------------------------
def test_the_parts_follow_each_other(page: api.Page, address: str) -> None:
    open_page(page, address, "lecture")
    heading = page.locator("article h1")
    api.expect(heading).to_have_text("Autoencoder")
    for title in (
        "Variational autoencoder",
        "GAN",
        "DCGAN and conditional GAN",
        "Ageing autoencoder (CAAE)",
        "CycleGAN",
    ):
        page.locator(".onward a").last.click()
        api.expect(heading).to_have_text(title)
    page.locator(".contents a", has_text="GAN").first.click()
    api.expect(page.locator(".contents a[aria-current]")).to_have_text("GAN")
    page.go_back()
    api.expect(heading).to_have_text("CycleGAN")
    page.locator(".contents a", has_text="StyleGAN").press("Enter")
    api.expect(heading).to_have_text("StyleGAN")
    api.expect(page.locator("math")).to_have_count(2)
    check_looks(page)


def test_a_question_is_answered_after_a_guess(page: api.Page, address: str) -> None:
    open_page(page, address, "lecture?part=gan")
    question = page.locator(".question").first
    button = question.get_by_role("button", name="Show the answer")
    api.expect(button).to_be_disabled()
    api.expect(question).not_to_contain_text("log 2 = 0.69")
    question.get_by_role("radio").first.focus()
    page.keyboard.press("Space")
    button.click()
    api.expect(question).to_contain_text("No: D cannot tell the images apart")
    api.expect(question).to_contain_text("log 2 = 0.69")
    assert state_of(page, "q1") == "0"
    question.get_by_role("radio").nth(1).check()
    button.click()
    api.expect(question).to_contain_text("Yes.")
    assert state_of(page, "q1") == "1"
    page.reload()  # every state is a link
    api.expect(page.locator(".question").first).to_contain_text("Yes.")


def test_links_set_the_studio(page: api.Page, address: str) -> None:
    open_page(page, address, "lecture?part=gan")
    page.locator(".tour a").first.click()
    api.expect(page.locator("h1")).to_have_text("lecture-gan")
    assert state_of(page, "images") == "0"
    api.expect(page.locator("figcaption")).to_have_text("At 0 images")
    page.go_back()
    api.expect(page.locator("article h1")).to_have_text("GAN")
    api.expect(page.locator(".small")).to_contain_text("lecture-gan is trained: 300,000 images.")
    api.expect(page.locator(".waits")).to_be_hidden()


def test_a_run_is_trained_on_first_use(page: api.Page, address: str, runs: Path) -> None:
    open_page(page, address, "lecture?part=autoencoder")
    link, box = page.locator(".tour a").first, page.locator(".small")
    api.expect(link).to_have_attribute("title", "needs lecture-autoencoder: train it first")
    assert link.get_attribute("href") is None
    api.expect(page.locator(".waits")).to_be_visible()
    box.get_by_text("What is trained").click()
    api.expect(box.locator("code")).to_contain_text("limner train autoencoder --data digits")
    box.get_by_role("button", name=re.compile("Train the run for this part")).click()
    api.expect(box).to_contain_text("lecture-autoencoder: training,")
    api.expect(box.locator("progress")).to_be_visible()
    page.evaluate(
        "fetch('/api/runs/lecture-autoencoder/control', {method: 'POST', body: '{\"stop\": true}'})"
    )
    api.expect(box).to_contain_text("lecture-autoencoder was stopped at")
    again = box.get_by_role("button", name="Go on with this run")
    api.expect(again).to_be_visible()
    finish(runs / "lecture-autoencoder", "lecture-autoencoder")
    api.expect(box).to_contain_text("lecture-autoencoder is trained: 150,000 images.")
    api.expect(link).to_have_attribute("href", "#train/lecture-autoencoder?images=10112")
    box.get_by_role("link", name="Its training").click()
    api.expect(page.locator("h1")).to_have_text("lecture-autoencoder")


def test_a_run_that_fails_says_why(page: api.Page, address: str, runs: Path) -> None:
    (runs / "lecture-caae").mkdir()
    (runs / "lecture-caae" / "letter.txt").write_text("mine")
    open_page(page, address, "lecture?part=caae")
    page.get_by_role("button", name=re.compile("Train the run for this part")).click()
    api.expect(page.locator(".small .problem")).to_contain_text("exists and is not an empty folder")
    shutil.rmtree(runs / "lecture-caae")


# -- one update -------------------------------------------------------------------------------------------
def test_a_game_in_slow_motion(page: api.Page, address: str) -> None:
    open_page(page, address, "update/lecture-gan")
    stage, status = page.locator(".stage-of-update"), page.locator(".status")
    api.expect(stage.locator("h2")).to_have_text("1. A batch")
    api.expect(status).to_contain_text("training would do next after its last checkpoint")
    api.expect(stage.locator("canvas")).to_have_count(16)
    forward, back = page.get_by_role("button", name="Next"), page.get_by_role("button", name="Back")
    api.expect(back).to_be_disabled()
    forward.click()
    api.expect(stage.locator(".formula")).to_contain_text(
        "J(D) = −½ mean log D(x) − ½ mean log(1 − D(G(z))) = "
    )
    forward.click()
    api.expect(stage).to_contain_text("Will the mean D(G(z)) of this batch rise or fall?")
    api.expect(stage.locator("canvas")).to_have_count(0)  # nothing is shown before the guess
    page.get_by_role("button", name="It falls").click()
    api.expect(stage.locator(".answer")).to_contain_text(
        re.compile(r"It (fell|rose): mean D\(G\(z\)\) [\d.]+ → [\d.]+")
    )
    api.expect(stage.locator(".numbers")).to_contain_text("norm of the gradient")
    assert state_of(page, "guess0") == "fall"
    back.click()
    api.expect(stage.locator("h2")).to_have_text("2. D's loss")
    chosen = page.locator(".steps button", has_text="G moves")
    chosen.press("Enter")
    api.expect(chosen).to_be_focused()
    api.expect(chosen).to_have_attribute("aria-current", "step")
    page.get_by_role("button", name="Just show it").click()
    api.expect(stage.locator(".answer")).to_contain_text("It rose")
    api.expect(forward).to_be_disabled()
    check_looks(page)
    page.reload()  # every state is a link
    api.expect(stage.locator("h2")).to_have_text("5. G moves")
    page.get_by_role("button", name="The update after it").click()
    api.expect(stage.locator("h2")).to_have_text("1. A batch")
    api.expect(status).to_contain_text("training would do as number 2 after its last checkpoint")
    assert state_of(page, "guess0") is None
    page.get_by_role("link", name="Why? The lecture explains it").click()
    api.expect(page.locator("article h1")).to_have_text("GAN")


def test_a_vae_in_slow_motion(page: api.Page, address: str) -> None:
    open_page(page, address, "update/lecture-vae?step=2")
    stage = page.locator(".stage-of-update")
    api.expect(stage.locator("figcaption").first).to_contain_text(re.compile(r"μ \(.*σ \(.*z \("))
    page.get_by_role("button", name="Next").click()
    api.expect(stage.locator("h2")).to_have_text("3. Reconstruction")
    page.get_by_role("button", name="Next").click()
    api.expect(stage.locator(".numbers")).to_contain_text("KL(q(z|x) ‖ p(z)), nats")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="It rises").click()
    api.expect(stage.locator(".answer")).to_contain_text("mean KL divergence")
    page.get_by_role("button", name="Next").click()
    api.expect(stage.locator("canvas")).to_have_count(24)
    check_looks(page)
