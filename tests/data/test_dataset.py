import torch

from limner.data import load, to_float, to_uint8


def test_every_byte_survives_the_way_to_float_and_back():
    u = torch.arange(256, dtype=torch.uint8)
    x = to_float(u)
    assert x.dtype == torch.float32
    assert x.min() == -1
    assert x.max() == 1
    assert torch.equal(to_uint8(x), u)


def test_to_uint8_clamps_and_leaves_its_argument_alone():
    x = torch.tensor([-3.0, 0.0, 3.0])
    assert to_uint8(x).tolist() == [0, 128, 255]
    assert x.tolist() == [-3.0, 0.0, 3.0]


def test_fingerprint_is_that_of_the_content():
    one, same, other = load("digits"), load("digits"), load("digits", size=32)
    assert len(one.fingerprint) == 16
    assert one.fingerprint == same.fingerprint != other.fingerprint
