"""Inception through torch-fidelity: messages where something is missing, and its features.

The network itself and its weights are not available; a small stand-in has torch-fidelity's interface.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from limner.errors import LimnerError
from limner.metrics import inception
from limner.metrics.features import Extracts
from limner.metrics.inception import inception_extractor


class StandIn(nn.Module):
    """Takes what torch-fidelity's extractor takes, and gives the channels' means as the 2048 features."""

    def __init__(self, name: str, features_list: list[str], feature_extractor_weights_path: str) -> None:
        super().__init__()
        assert (name, features_list) == (inception.NAME, ["2048"])
        assert Path(feature_extractor_weights_path).is_file()

    def forward(self, x: Tensor) -> tuple[Tensor]:
        assert x.dtype == torch.uint8
        assert x.shape[1] == 3
        return (x.float().mean((2, 3)).repeat_interleave(683, 1)[:, :2048],)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that passes for the weights."""
    path = tmp_path / "inception.pth"
    path.write_bytes(b"weights")
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(b"weights").hexdigest())
    return path


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("torch_fidelity")
    module.FeatureExtractorInceptionV3 = StandIn
    monkeypatch.setitem(sys.modules, "torch_fidelity", module)


@pytest.mark.usefixtures("_installed")
def test_features_of_grey_and_colour(weights: Path) -> None:
    found: Extracts = inception_extractor(weights)
    assert found.name == "inception-2015-12-05"
    assert found.sha256 == hashlib.sha256(b"weights").hexdigest()
    colour = torch.randint(0, 256, (60, 3, 16, 20), dtype=torch.uint8)  # more than one batch
    z = found.features(colour)
    assert (z.shape, z.dtype) == ((60, 2048), torch.float32)
    assert torch.allclose(z[:, [0, 700, 1400]], colour.float().mean((2, 3)))
    assert torch.equal(found.features(colour[7:9]), z[7:9])
    grey = found.features(colour[:, 1:2])
    assert torch.allclose(grey, z[:, 700:701].expand(60, 2048))


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("pixels", [torch.zeros(2, 3, 16, 16), torch.zeros(2, 2, 16, 16).byte()])
def test_other_images_are_refused(weights: Path, pixels: Tensor) -> None:
    with pytest.raises(LimnerError, match="uint8 images of 1 or 3 channels"):
        inception_extractor(weights).features(pixels)


@pytest.mark.usefixtures("_installed")
def test_weights_that_are_not_there_or_others(weights: Path, tmp_path: Path) -> None:
    where = r"https://github.com/toshas/.*weights-inception-2015-12-05-6726825d\.pth"
    with pytest.raises(LimnerError, match=rf"no file .*none\.pth: download {where}"):
        inception_extractor(tmp_path / "none.pth")
    with pytest.raises(LimnerError, match=rf"--weights FILE is missing: download {where}"):
        inception_extractor(None)
    with pytest.raises(LimnerError, match="no file"):
        inception_extractor(tmp_path)
    weights.write_bytes(b"other")
    with pytest.raises(LimnerError, match=rf"damaged, or is not Inception's weights: download {where}"):
        inception_extractor(weights)


def test_a_missing_package_is_named(weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(LimnerError, match=r"torch-fidelity.*pip install 'limner\[inception\]'"):
        inception_extractor(weights)
    monkeypatch.delitem(sys.modules, "torch_fidelity")
    package = tmp_path / "site" / "torch_fidelity"
    package.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(package.parent))
    for broken in ("raise RuntimeError('operator torchvision::nms does not exist')", "import no_torchvision"):
        (package / "__init__.py").write_text(broken)
        with pytest.raises(LimnerError, match=r"\(.*torchvision.*\): pip install 'limner\[inception\]'"):
            inception_extractor(weights)
        (package / "__init__.py").unlink()
