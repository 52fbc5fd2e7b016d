"""Images and datasets: conversion, subsets, attributes and fingerprints."""

import dataclasses

import numpy as np
import pytest
import torch

from limner.data import Dataset, Images, load, to_float, to_uint8
from limner.data.dataset import fingerprint
from limner.errors import LimnerError


def people(n: int = 10) -> Images:
    """n images whose pixels, labels, names and attributes all follow from the number of the image."""
    numbers = torch.arange(n)
    pixels = numbers.to(torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4).contiguous()
    attributes = {"age": numbers.float() / 2, "gender": numbers % 2}
    return Images(pixels, numbers % 3, tuple(f"{i}.png" for i in range(n)), attributes)


def check(images: Images, numbers: list[int]) -> None:
    """Everything that belongs to an image has moved with it."""
    expected = torch.tensor(numbers, dtype=torch.int64)
    assert len(images) == len(numbers)
    assert torch.equal(images.pixels[:, 0, 0, 0].long(), expected)
    assert torch.equal(images.labels, expected % 3)
    assert images.names == tuple(f"{i}.png" for i in numbers)
    assert torch.equal(images.attributes["age"], expected.float() / 2)
    assert torch.equal(images.attributes["gender"], expected % 2)


def test_uint8_survives_the_conversion_to_float_and_back():
    u = torch.arange(256, dtype=torch.uint8)
    x = to_float(u)
    assert x.dtype == torch.float32
    assert x.min() == -1
    assert x.max() == 1
    assert torch.equal(to_uint8(x), u)


def test_to_uint8_clamps_and_does_not_change_its_argument():
    x = torch.tensor([-3.0, 0.0, 3.0])
    assert to_uint8(x).tolist() == [0, 128, 255]
    assert x.tolist() == [-3.0, 0.0, 3.0]


def test_a_fingerprint_depends_on_the_content():
    first, again, other = load("digits"), load("digits"), load("digits", size=32)
    assert len(first.fingerprint) == 16
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_fingerprints_do_not_change_between_versions():
    assert load("digits").fingerprint == "3bbae456eb896edc"
    assert load("shapes").fingerprint == "7436a222550a3b29"


def test_attributes_change_the_fingerprint_and_their_absence_does_not():
    images = people()
    plain = dataclasses.replace(images, attributes={})
    older = dataclasses.replace(images, attributes={**images.attributes, "age": images.attributes["age"] + 1})
    renamed = dataclasses.replace(images, attributes={"years": images.attributes["age"]})
    assert fingerprint(plain, plain) == fingerprint(*[Images(images.pixels, images.labels)] * 2)
    assert len({fingerprint(each, each) for each in (images, plain, older, renamed)}) == 4


@pytest.mark.parametrize("index", [torch.tensor([7, 0, 3]), np.array([7, 0, 3])])
def test_a_subset_takes_everything_that_belongs_to_its_images(index):
    check(people().subset(index), [7, 0, 3])


def test_a_subset_of_bare_images_is_bare():
    images = Images(people().pixels).subset(torch.tensor([1, 2]))
    assert images.labels is None
    assert images.names is None
    assert images.attributes == {}


def test_an_attribute_needs_a_number_for_each_image():
    with pytest.raises(LimnerError, match=r"attribute 'age' has shape \(3,\).* 10 images"):
        Images(people().pixels, attributes={"age": torch.zeros(3)})


def test_split_off_draws_at_random_by_the_seed_and_keeps_the_order():
    images = people(100)
    rest, chosen = images.split_off(20, seed=1)
    numbers = chosen.pixels[:, 0, 0, 0].tolist()
    others = [i for i in range(100) if i not in numbers]
    assert numbers == sorted(numbers)
    assert numbers[0] < 20
    assert numbers[-1] >= 80
    check(chosen, numbers)
    check(rest, others)
    assert images.split_off(20, seed=1)[1].names == chosen.names
    assert images.split_off(20, seed=2)[1].names != chosen.names


def test_split_off_has_limits():
    rest, chosen = people().split_off(0, seed=0)
    check(rest, list(range(10)))
    assert len(chosen) == 0
    for n in (-1, 10):
        with pytest.raises(LimnerError, match=f"cannot split {n} images off 10: give 0 to 9"):
            people().split_off(n, seed=0)


def test_a_dataset_without_a_class_keeps_its_test_images():
    images = people()
    dataset = Dataset("people", "people", images, images, ("a", "b", "c"), (), "0" * 16)
    rest = dataset.without("b")
    check(rest.train, [0, 2, 3, 5, 6, 8, 9])
    assert rest.test is images
    assert rest.classes == dataset.classes
    with pytest.raises(LimnerError, match="no class 'd'"):
        dataset.without("d")
