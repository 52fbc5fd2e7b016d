"""Options of decoding: they reach `decode` in every verb, others are refused, rankings use the draft."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from explore.fakes import SHAPE, Strong

import limner
from limner import explore
from limner.cli import run as cli
from limner.data import to_float
from limner.errors import LimnerError
from limner.explore.codes import code_importance, decode_pixels
from limner.models import MODELS
from limner.models.abilities import Samples
from limner.models.autoencoder import Autoencoder
from limner.training import Run

ARGUMENTS: dict[str, dict[str, Any]] = {  # of each verb that decodes
    "interpolate": {"pairs": 1, "steps": 3},
    "traverse": {"dims": 2, "steps": 3},
    "manifold": {"dims": (0, 1), "steps": 3},
    "reconstruct": {"n": 3},
}
DRAFT = (0.5, 8)
every_verb = pytest.mark.parametrize("verb", ARGUMENTS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    out = tmp_path_factory.mktemp("runs") / "strong"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "strong", "explore.fakes:Strong")
        yield limner.train("strong", "digits", size=16, images=100, batch=50, quiet=True, out=out)


@pytest.fixture(autouse=True)
def _no_calls(run: Run) -> None:
    Strong.used.clear()
    Strong.guided.clear()


def test_options_of_decoding_are_the_keyword_only_arguments_of_decode(run: Run) -> None:
    assert list(Strong.decoding_options()) == ["strength", "steps"]
    assert Strong.decoding_options()["strength"].annotation is float
    assert list(Strong.sampling_options()) == ["prior", "guidance"]
    assert Autoencoder.decoding_options() == {}


def test_a_draft_is_divided_between_sample_and_decode(run: Run) -> None:
    assert run.model.draft_options("decode") == {"strength": 0.5}
    assert run.model.draft_options("sample") == {"guidance": 2.0}
    run.model.preview(to_float(run.data.test.pixels[:2]), None, 2)
    assert Strong.used == [DRAFT]


def test_a_preview_of_samples_has_the_draft_of_sample_only(run: Run) -> None:
    class Sampler(Strong):
        encode = None  # type: ignore[assignment]

    model = Sampler(SHAPE, run.options).eval()
    assert isinstance(model, Samples)
    model.latent.fit_prior = lambda prior: prior.fit(torch.randn(50, 3))
    model.preview(torch.zeros(2, *SHAPE), None, 2)
    assert Strong.guided == [2.0]


@every_verb
def test_options_of_decoding_reach_the_model(run: Run, verb: str) -> None:
    look = getattr(explore, verb)
    look(run, **ARGUMENTS[verb], decoding={"strength": 0.25, "steps": None})
    look(run, **ARGUMENTS[verb], decoding={"strength": 0.25, "steps": 5})
    look(run, **ARGUMENTS[verb])
    shown = [options for options in Strong.used if options != DRAFT]
    assert shown == [(0.25, 8), (0.25, 5), (1.0, 8)]


def test_options_change_the_images(run: Run) -> None:
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert (decode_pixels(run.model, z, strength=0.0) == 128).all()
    assert not torch.equal(decode_pixels(run.model, z, strength=0.5), decode_pixels(run.model, z))


@every_verb
@pytest.mark.parametrize(
    ("option", "hint"),
    [("strenght", "did you mean 'strength'"), ("truncation", "choose from: strength, steps")],
)
def test_an_option_that_decode_does_not_have_is_refused(run: Run, verb: str, option: str, hint: str) -> None:
    message = f"strong is a Strong: its decoding has no option '{option}': {hint}"
    with pytest.raises(LimnerError, match=message):
        getattr(explore, verb)(run, **ARGUMENTS[verb], decoding={option: 0.5})
    assert Strong.used == [], "nothing was decoded before"


def test_rankings_decode_with_the_draft(run: Run) -> None:
    code_importance(run)
    assert len(Strong.used) >= 4, "also proves that the draft's cost counts, 15,000 passes being too many"
    assert set(Strong.used) == {DRAFT}
    Strong.used.clear()
    explore.traverse(run, dims=2, steps=3, decoding={"strength": 0.25})
    assert Strong.used[-1] == (0.25, 8)
    assert set(Strong.used[:-1]) == {DRAFT}
    Strong.used.clear()
    explore.manifold(run, steps=3, decoding={"strength": 0.25})
    assert Strong.used[-1] == (0.25, 8)
    assert set(Strong.used[:-1]) == {DRAFT}


@every_verb
def test_the_command_line_sets_them_by_name(run: Run, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [verb, str(run.path), "--out", "x.png", "--quiet"]
    assert cli([*words, "--set", "strength=0.25,steps=5"]) == 0
    assert Strong.used[-1] == (0.25, 5)
    assert set(Strong.used) <= {DRAFT, (0.25, 5)}
    for text, message in [
        ("strenght=0.5", "Strong has no option of decoding 'strenght': did you mean 'strength'?"),
        ("prior=gmm", "Strong has no option of decoding 'prior'"),
        ("strength=much", "strength must be a number, not 'much'"),
        ("strength", "'strength' sets nothing: write NAME=VALUE"),
    ]:
        assert cli([*words, "--set", text]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
