"""Labs 1 and 2: the lecture's tables, number by number."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from limner.models import create
from limner.models.conv_autoencoder import output_paddings

# layer, output, parameters: as in the lecture
LAB_1 = [
    ("Linear", (128,), 100_480), ("ReLU", (128,), 0), ("Linear", (64,), 8_256), ("ReLU", (64,), 0),
    ("Linear", (3,), 195),
    ("Linear", (64,), 256), ("ReLU", (64,), 0), ("Linear", (128,), 8_320), ("ReLU", (128,), 0),
    ("Linear", (784,), 101_136), ("Tanh", (784,), 0),
]  # fmt: skip
LAB_2 = [
    ("Conv2d", (32, 10, 10), 320), ("ReLU", (32, 10, 10), 0), ("MaxPool2d", (32, 5, 5), 0),
    ("Conv2d", (64, 3, 3), 18_496), ("ReLU", (64, 3, 3), 0), ("MaxPool2d", (64, 2, 2), 0),
    ("ConvTranspose2d", (32, 5, 5), 18_464), ("ReLU", (32, 5, 5), 0),
    ("ConvTranspose2d", (16, 15, 15), 12_816), ("ReLU", (16, 15, 15), 0),
    ("ConvTranspose2d", (1, 28, 28), 65), ("Tanh", (1, 28, 28), 0),
]  # fmt: skip


def table(model: nn.Module) -> list[tuple[str, tuple[int, ...], int]]:
    """The model's layers as they run, each with its output's shape and its parameters."""
    rows: list[tuple[str, tuple[int, ...], int]] = []

    def note(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        count = sum(p.numel() for p in layer.parameters())
        rows.append((type(layer).__name__, tuple(output.shape[1:]), count))

    for layer in model.modules():
        if not list(layer.children()) and not isinstance(layer, nn.Flatten | nn.Unflatten):
            layer.register_forward_hook(note)
    model(torch.zeros(1, 1, 28, 28))
    return rows


@pytest.mark.parametrize(
    ("name", "rows", "total"), [("autoencoder", LAB_1, 218_643), ("conv-autoencoder", LAB_2, 50_161)]
)
def test_the_lectures_table(name: str, rows: list[tuple[str, tuple[int, ...], int]], total: int) -> None:
    model = create(name, (1, 28, 28))
    assert table(model) == rows
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == total
    assert (
        model.encode(torch.zeros(1, 1, 28, 28)).shape[1] == {"autoencoder": 3, "conv-autoencoder": 256}[name]
    )


def test_the_convolutions_geometry_is_the_lectures() -> None:
    model = create("conv-autoencoder", (1, 28, 28))
    found = [
        (m.kernel_size, m.stride, m.padding)
        for m in model.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.MaxPool2d)
    ]

    def square(kernel: int, stride: int, padding: int) -> tuple[tuple[int, int], ...]:
        return (kernel, kernel), (stride, stride), (padding, padding)

    assert found == [
        square(3, 3, 1), (2, 2, 0), square(3, 2, 1), (2, 1, 0),
        square(3, 2, 0), square(5, 3, 1), square(2, 2, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("side", range(16, 129))
def test_the_conv_autoencoder_lands_on_every_side(side: int) -> None:
    a, b, c = output_paddings(side)
    assert (a < 2, b < 3, c < 2) == (True, True, True), "an output padding is less than its stride"
    assert 12 * ((side - 4) // 12) + 4 + 6 * a + 2 * b + c == side
    model = create("conv-autoencoder", (1, side, 28), width=2)
    with torch.no_grad():
        assert model(torch.zeros(1, 1, side, 28)).shape == (1, 1, side, 28)
