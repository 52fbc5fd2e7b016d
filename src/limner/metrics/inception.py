"""Inception's features, which the literature measures in: the 2048 pool activations, by torch-fidelity.

    limner evaluate RUN --features inception --weights FILE

The network is TensorFlow's of 2015-12-05 in torch-fidelity's conversion, with TensorFlow 1's bilinear resize
to 299 x 299.  A Frechet distance in these features is the FID of Heusel et al. 2017.  Limner does not
download the weights: the user does.  Grey images are repeated to three channels.  Digits enlarged ten times
are unlike the network's training images, so prefer the data set's own extractor for them.

Others differ: pytorch-fid has the same weights and torch's bilinear resize, clean-fid has Pillow's bicubic
resize with antialiasing; their numbers differ by tenths.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from limner.errors import LimnerError
from limner.metrics.arrays import accepts_arrays

NAME = "inception-2015-12-05"
URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
BATCH = 50


@dataclass(frozen=True, eq=False)
class Inception:
    """Inception's pool features: their `name`, and the `sha256` of the weights file."""

    name: str
    sha256: str
    network: nn.Module
    device: torch.device

    @accepts_arrays
    @torch.no_grad()
    def features(self, pixels: Tensor) -> Tensor:
        """Features (N, 2048) float32, on the CPU, of pixels (N, 1 or 3, H, W) uint8."""
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
            kind = f"{pixels.dtype} of {tuple(pixels.shape)}"
            raise LimnerError(f"{self.name} needs uint8 images of 1 or 3 channels, not {kind}")
        parts = (part.to(self.device).expand(-1, 3, -1, -1) for part in pixels.split(BATCH))
        return torch.cat([self.network(part)[0].cpu() for part in parts])


def inception_extractor(weights: Path | None) -> Inception:
    """Inception with weights from a file that the user downloaded.

    Raises LimnerError where the file is missing or a different one, or torch-fidelity is missing.
    """
    if weights is None or not weights.is_file():
        reason = "--weights FILE is missing" if weights is None else f"there is no file {weights}"
        raise LimnerError(f"Inception's features need its weights, and {reason}: download {URL} (96 MB)")
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    if sha256 != SHA256:  # torch-fidelity unpickles the file, so no other may pass
        raise LimnerError(f"{weights} is damaged, or is not Inception's weights: download {URL} again")
    try:
        from torch_fidelity import FeatureExtractorInceptionV3
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision is for another torch
        reason = str(error).splitlines()[0]
        raise LimnerError(
            f"Inception needs torch-fidelity and torchvision ({reason}): pip install 'limner[inception]'"
        ) from None
    network = FeatureExtractorInceptionV3(NAME, ["2048"], feature_extractor_weights_path=str(weights))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Inception(NAME, sha256, network.to(device).eval(), device)
