"""The shared building blocks."""

from __future__ import annotations

from torch import nn

from limner.nn import mlp


def test_mlp_has_no_activation_after_the_last_layer() -> None:
    network = mlp(4, 3, 2)
    assert [type(layer) for layer in network] == [nn.Linear, nn.ReLU, nn.Linear]
    widths = [(layer.in_features, layer.out_features) for layer in network if isinstance(layer, nn.Linear)]
    assert widths == [(4, 3), (3, 2)]


def test_mlp_uses_the_given_activation() -> None:
    assert isinstance(mlp(4, 3, 2, activation=nn.Tanh)[1], nn.Tanh)
