"""Inception's features, in which the literature measures: the 2048 pool activations, through torch-fidelity.

    limner evaluate RUN --features inception --weights FILE

The network is TensorFlow's of 2015-12-05 in torch-fidelity's conversion, resizing included (bilinear to
299 x 299 as TensorFlow 1 has it); a Frechet distance in these features is the FID of Heusel et al. 2017.
Its weights are never downloaded unasked.  Grey images are repeated to three channels; digits ten times
enlarged are far from what the network knows, so prefer the data set's own extractor for those.

Others differ: pytorch-fid has the same weights and resizes with torch's own, clean-fid with Pillow's,
bicubic and antialiased; their numbers differ by tenths.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from limner.errors import LimnerError

NAME = "inception-2015-12-05"
URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
BATCH = 50


@dataclass(frozen=True, eq=False)
class Inception:
    """Inception's pool features: `name` stands in the distance's name, `sha256` is the weights file's."""

    name: str
    sha256: str
    network: nn.Module
    device: torch.device

    @torch.no_grad()
    def features(self, pixels: Tensor) -> Tensor:
        """Features (N, 2048) float32, on the CPU, of pixels (N, 1 or 3, H, W) uint8."""
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
            found = f"{pixels.dtype} of {tuple(pixels.shape)}"
            raise LimnerError(f"{self.name} wants uint8 images of 1 or 3 channels, not {found}")
        parts = (part.to(self.device).expand(-1, 3, -1, -1) for part in pixels.split(BATCH))
        return torch.cat([self.network(part)[0].cpu() for part in parts])


def inception_extractor(weights: Path | None) -> Inception:
    """Inception with the weights in a file that the user has downloaded.

    Raises LimnerError where the file is not there or another, or torch-fidelity is missing.
    """
    if weights is None or not weights.is_file():
        there = "--weights FILE is missing" if weights is None else f"there is no file {weights}"
        raise LimnerError(f"Inception's features need its weights, and {there}: download {URL} (96 MB)")
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    if sha256 != SHA256:  # also because torch-fidelity unpickles whatever is in the file
        raise LimnerError(f"{weights} is damaged or not Inception's weights: download {URL} again")
    try:
        from torch_fidelity import FeatureExtractorInceptionV3
    except (ImportError, RuntimeError) as error:  # a torchvision made for another torch: RuntimeError
        reason = str(error).splitlines()[0]
        raise LimnerError(
            f"Inception needs torch-fidelity and torchvision ({reason}): pip install 'limner[inception]'"
        ) from None
    network = FeatureExtractorInceptionV3(NAME, ["2048"], feature_extractor_weights_path=str(weights))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Inception(NAME, sha256, network.to(device).eval(), device)
