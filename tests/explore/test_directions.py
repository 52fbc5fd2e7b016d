"""Directions of every kind of model: they move what they say, and the largest effect stands first."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from explore.fakes import SHAPE, Coder, Generator, codes, run_of
from explore.test_styles import train
from torch import Tensor

from limner import explore
from limner.errors import LimnerError
from limner.explore import code_search
from limner.explore.directions import move
from limner.explore.styles import seed_styles, style_pixels
from limner.inversion import Search
from limner.models.abilities import HasStyles
from limner.models.latent import Latent, Normal
from limner.training import Run


@pytest.fixture(scope="module")
def styled(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("runs"), "style")


def test_directions_of_styles_move_their_layers_only(styled: Run) -> None:
    assert isinstance(styled.model, HasStyles)
    picture = explore.directions(styled, 3, 3, 2.0, "2-3", seed=5)
    ranked = picture.data["directions"]
    assert (ranked.space, ranked.layers, len(ranked.steps)) == ("w", (2, 3), 8)
    assert (ranked.effect.diff() <= 0).all()
    w, _ = seed_styles(styled, styled.model, [5])
    assert torch.equal(picture.data["pixels"][:, 1], style_pixels(styled.model, w).expand(3, *SHAPE))
    moved = w.clone()
    moved[:, 2:4] += 2 * ranked.steps[0]
    assert torch.equal(picture.data["pixels"][0, 2:], style_pixels(styled.model, moved))
    assert torch.equal(move(w, ranked.steps[0], (2, 3))[:, [0, 1, 4, 5]], w[:, [0, 1, 4, 5]])


def test_a_step_is_a_deviation_and_the_effect_comes_first(trained: Run) -> None:
    class Uneven(Generator):
        """Its image is brighter with the third number, and with half of the first."""

        def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            return (0.1 * z[:, 2] + 0.05 * z[:, 0])[:, None, None, None].expand(-1, *SHAPE)

    run = run_of(trained, Uneven(3))
    ranked = explore.directions(run, 1, 3).data["directions"]
    assert (ranked.space, ranked.layers) == ("z", ())
    expected = torch.tensor([1.0, 0.0, 2.0]) / 5**0.5
    assert abs(float(torch.cosine_similarity(ranked.steps[0], expected, 0))) > 0.999
    assert float(ranked.steps[0].norm()) == pytest.approx(1, abs=0.05)
    change = (0.1**2 + 0.05**2) / 4  # on [0, 1]
    assert float(ranked.effect[0]) == pytest.approx(change, rel=0.15)
    assert float(ranked.effect[1]) < change / 50


def test_an_encoder_has_the_axes_of_its_codes_and_starts_at_an_image(trained: Run) -> None:
    picture = explore.directions(run_of(trained, Coder(codes(200))), 2, 3, image=4)
    base = trained.data.test.pixels[4].flatten()[:200]
    assert torch.equal(picture.data["pixels"][0, 1].flatten()[:200], base)


def test_an_image_is_moved_from_what_a_search_finds(styled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_search, "Search", partial(Search, samples=20, starts=1, steps=2, evaluations=2))
    picture = explore.directions(styled, image=3, k=1, steps=3)
    assert picture.data["pixels"].shape[:2] == (1, 3)
    moved, own = picture.data["pixels"][0], explore.directions(styled, k=1, steps=3).data["pixels"][0]
    assert not torch.equal(moved[1], own[1]), "the image, not the one of the seed"


def test_mistakes_are_one_line(trained: Run, styled: Run) -> None:
    coder = run_of(trained, Coder(codes()))
    for run, settings, message in [
        (coder, {"layers": "coarse"}, "has no styles, so its directions are not those of layers"),
        (styled, {"layers": "corse"}, "did you mean 'coarse'"),
        (styled, {"k": 0}, "k from 1, steps from 2, span above 0 are needed"),
        (run_of(trained, Generator(9000)), {}, "its code has 9,000 variables, and directions decodes"),
        (run_of(trained, Coder(Latent((9,), {}, kind="discrete"))), {}, "codes are discrete"),
    ]:
        with pytest.raises(LimnerError, match=message):
            explore.directions(run, **settings)


def test_a_wide_normal_code_has_no_more_directions_than_are_ranked(trained: Run) -> None:
    model = Coder(Latent((256,), {"normal": Normal(256)}))
    assert len(explore.directions(run_of(trained, model), 1, 2).data["directions"].steps) <= 128
