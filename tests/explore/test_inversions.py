"""`invert`: what the picture, its numbers and its table hold, for every kind of model; verbs that use it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from explore.fakes import NAMES, PICTURES, SHAPE, Coder, Plain, Required, codes, run_of
from PIL import Image
from torch import Tensor

from limner import explore
from limner.data import to_float, to_uint8
from limner.errors import LimnerError
from limner.explore import code_search, inversions
from limner.explore.code_search import baselines, decibels, recover_codes, search_codes
from limner.inversion import Search, spaces
from limner.metrics import mse
from limner.models.latent import Latent, Normal
from limner.models.stylegan import StyleGAN
from limner.training import Run

EFFORT: dict[str, Any] = {"samples": 32, "steps": 40, "polished": 1, "evaluations": 15}
QUICK = Search(**EFFORT, starts=2)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps: these decoders are simple."""
    for module in (inversions, code_search):
        monkeypatch.setattr(module, "Search", partial(Search, **EFFORT))
    monkeypatch.setattr(spaces, "STYLES", 200)


class Corner(Plain):
    """Decodes four numbers to the pixels of a corner, and has no encoder; its other pixels are black."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = {"z": Latent((4,), {"normal": Normal(4)})}

    def decode(self, z: Tensor, y: Tensor | None = None, *, gain: float = 0.3) -> Tensor:
        x = -torch.ones(len(z), *SHAPE)
        x[:, 0, :2, :2] = (gain * z).clamp(-1, 1).unflatten(1, (2, 2))
        return x


def images(*codes: list[float]) -> list[Path]:
    """Files with the images of codes."""
    files = []
    for i, z in enumerate(codes):
        x = torch.full((1, *SHAPE), -1.0)
        x[0, 0, :2, :2] = 0.3 * torch.tensor(z).unflatten(0, (2, 2))
        files.append(Path(f"{i}.png"))
        Image.fromarray(to_uint8(x)[0, 0].numpy()).save(files[-1])
    return files


def test_the_code_of_an_image_comes_back_and_nothing_else_is_drawn(trained: Run) -> None:
    z = [[1.0, -1.0, 0.5, 0.0], [0.0, 2.0, -0.5, 1.0]]
    picture = explore.invert(run_of(trained, Corner()), images(*z), known=3)
    assert np.allclose(picture.data["codes"], z, atol=0.03)
    assert picture.data["psnr"].shape == (2,)
    assert (picture.data["psnr"] > 50).all()
    assert (picture.data["known_psnr"] > 50).all()
    assert (picture.data["inversions"].int() - picture.data["pixels"].int()).abs().max() <= 1
    text = "\n".join(picture.notes)
    assert "known codes: 100% of 3 are recovered at 35 dB or more" in text
    assert "the search works" in text
    for name in ("inversion", "best sample", "PCA", "mean image"):
        assert name in text


def test_what_the_decoder_lacks_is_the_error_of_a_test_image(trained: Run) -> None:
    run = run_of(trained, Corner())
    picture = explore.invert(run, n=3, known=0, decoding={"gain": 1.0})
    x = to_float(picture.data["pixels"])
    corner = torch.zeros_like(x, dtype=torch.bool)
    corner[:, :, :2, :2] = True
    lost = ((x + 1) / 2).square().masked_fill(corner, 0).flatten(1).mean(1)
    assert np.allclose(picture.data["psnr"], -10 * lost.log10(), atol=0.1)
    assert picture.data["known_psnr"].shape == (0,)
    assert not any("known codes" in note for note in picture.notes)


def test_a_search_that_falls_short_says_so(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inversions, "recover_codes", lambda *_: torch.tensor([20.0, 50.0]))
    notes = explore.invert(run_of(trained, Corner()), n=1).notes
    assert any("50% of 2" in note and "the search itself falls short" in note for note in notes)


def test_baselines_are_the_mean_image_and_pca_of_the_same_size(trained: Run) -> None:
    run = run_of(trained, Corner())
    train, test = to_float(run.data.train.pixels), run.data.test.pixels
    images = baselines(run, test, 5)
    assert torch.equal(images["mean image"][0], to_uint8(train.mean(0)))
    centred = (train - train.mean(0)).flatten(1)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:5]
    rest = (to_float(test) - train.mean(0)).flatten(1)
    expected = (rest @ axes.T @ axes + train.mean(0).flatten()).view_as(to_float(test)).clamp(-1, 1)
    assert torch.allclose(to_float(images["PCA"]), expected, atol=0.01)
    assert list(baselines(run, test, len(train) + 1)) == ["mean image"]


def test_errors_are_decibels_with_a_limit() -> None:
    x = torch.zeros(2, *SHAPE, dtype=torch.uint8)
    y = x.clone()
    y[1] = 51
    assert decibels(x, y).tolist() == pytest.approx([60, -20 * np.log10(0.2)])


def test_classes_are_the_images_own_the_named_one_or_that_of_least_error(trained: Run) -> None:
    run = run_of(trained, Required(codes()), list(NAMES))
    assert run.data.test.labels is not None
    data = explore.invert(run, n=4, known=0).data
    chosen = torch.randperm(20, generator=torch.Generator().manual_seed(0))[:4]
    assert data["embedding"].labels.tolist() == run.data.test.labels[chosen].tolist()
    assert data["embedding"].classes == NAMES
    named = explore.invert(run, n=2, known=0, label="lower left").data["embedding"]
    assert named.labels.tolist() == [2, 2]
    pixels = to_uint8(run.model.decode(torch.zeros(1, 3), torch.tensor([3])))  # type: ignore[operator]
    Image.fromarray(pixels[0, 0].numpy()).save("3.png")
    assert explore.invert(run, ["3.png"], known=0).data["embedding"].labels.tolist() == [3]
    assert (recover_codes(run, 5, search=QUICK) > 35).all(), "known codes of all classes"
    with pytest.raises(LimnerError, match="knows no class 'lower lift'"):
        explore.invert(run, label="lower lift")


def test_styles_of_each_layer_come_nearer_than_one_style(trained: Run) -> None:
    torch.manual_seed(0)
    run = run_of(trained, StyleGAN(SHAPE, StyleGAN.Options.parse(dict(StyleGAN.tiny))))
    pixels = run.data.test.pixels[:1]
    errors = {}
    for space, size in (("w", 8), ("w+", 8 * 6)):
        result, _ = search_codes(run, pixels, space=space, search=QUICK)  # type: ignore[arg-type]
        assert result.codes.shape == (1, size)
        errors[space] = mse(result.images, to_float(pixels)).mean()
    assert errors["w+"] < errors["w"]
    assert isinstance(run.model, StyleGAN)
    styles = result.codes.unflatten(1, (6, 8))
    assert torch.allclose(run.model.synthesise(styles), result.images, atol=1e-5)
    with pytest.raises(LimnerError, match="styles have no options of decoding: leave truncation out"):
        explore.invert(run, space="w", decoding={"truncation": 0.5})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"space": "w"}, "run is a Corner: it has no styles, so its codes are in space z only"),
        ({"space": "v"}, "there is no space 'v': choose from: z, w, w\\+"),
        ({"n": 0}, "n and starts from 1, known from 0 are needed, not 0, "),
        ({"known": -1}, "are needed"),
        ({"starts": 0}, "are needed"),
        ({"label": "a"}, "it was trained without labels"),
        ({"decoding": {"gian": 1}}, "did you mean 'gain'"),
        ({"images": ["none.png"]}, "none.png"),
    ],
)
def test_a_mistake_is_one_line(trained: Run, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(LimnerError, match=message) as error:
        explore.invert(run_of(trained, Corner()), **settings)
    assert len(str(error.value).splitlines()) == 1


def test_models_without_a_continuous_code_are_refused(trained: Run) -> None:
    with pytest.raises(LimnerError, match="no decoder, so invert cannot use it"):
        explore.invert(run_of(trained, Plain()))
    latent = Latent((9,), {}, kind="discrete", positions=9, levels=16)
    with pytest.raises(LimnerError, match="codes are discrete"):
        explore.invert(run_of(trained, Coder(latent)))
    with pytest.raises(LimnerError, match="codes have no prior"):
        explore.invert(run_of(trained, Coder(Latent((5,), {}))))


def test_options_of_decoding_are_those_of_the_search(trained: Run) -> None:
    run = run_of(trained, Corner())
    data = explore.invert(run, images([1.0, 1.0, 1.0, 1.0]), known=0, decoding={"gain": 0.15}).data
    assert np.allclose(data["codes"], 2, atol=0.06)


@pytest.mark.parametrize("verb", ["interpolate", "traverse"])
def test_verbs_go_from_an_inverted_image(trained: Run, verb: str) -> None:
    run = run_of(trained, Corner())
    files = images([1.0, -1.0, 0.5, 0.0], [0.0, 2.0, -0.5, 1.0])
    look = PICTURES[verb]
    picture = look(run, images=files) if verb == "interpolate" else look(run, image=files[0])
    codes = picture.data["codes"][0, 0] if verb == "interpolate" else picture.data["base"]
    assert np.allclose(codes, [1.0, -1.0, 0.5, 0.0], atol=0.03)
    assert any("codes searched without an encoder, as by invert: PSNR" in note for note in picture.notes)
    assert not any("searched" in note for note in look(run).notes), "from noise without images"
