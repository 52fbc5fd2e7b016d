"""The stream of batches: one order from the seed and the clock, in slices for several processes."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from limner.data import Images, to_uint8
from limner.data.stream import Stream
from limner.errors import LimnerError


def numbered(n: int) -> Images:
    """n images of 4x4 pixels; the value of the pixels and the label are the number of the image."""
    labels = torch.arange(n)
    return Images(labels.to(torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4).contiguous(), labels)


def numbers(batch: tuple[Tensor, Tensor | None]) -> list[int]:
    """The numbers of the images in a batch."""
    x, y = batch
    assert y is not None
    assert torch.equal(to_uint8(x[:, 0, 0, 0]).long(), y)
    return y.tolist()


def take(stream: Stream, batches: int) -> list[int]:
    """The numbers of the images in the next batches."""
    return [number for batch in itertools.islice(stream, batches) for number in numbers(batch)]


def test_every_image_comes_once_an_epoch_in_a_new_order() -> None:
    stream = Stream(numbered(10), batch=4)
    order = take(stream, 5)
    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10] != order[10:]
    assert stream.images_seen == 20


def test_the_order_is_the_same_in_every_version() -> None:
    stream = Stream(numbered(10), batch=5, seed=3)
    assert take(stream, 2) == [4, 5, 0, 1, 2, 8, 3, 6, 9, 7]
    assert take(stream, 2) == [1, 9, 5, 6, 4, 3, 8, 0, 2, 7]


def test_a_stream_continues_from_images_seen_alone() -> None:
    first, second = Stream(numbered(10), batch=7), Stream(numbered(10), batch=7)
    take(first, 5)
    second.images_seen = first.images_seen
    assert take(first, 5) == take(second, 5)


def test_a_batch_may_be_larger_than_the_data() -> None:
    x, y = next(Stream(numbered(10), batch=25))
    assert x.shape == (25, 1, 4, 4)
    assert x.dtype == torch.float32
    assert y is not None
    assert y.bincount().min() == 2
    assert -1 <= x.min() < x.max() <= 1


def test_another_seed_gives_another_order() -> None:
    assert take(Stream(numbered(10), batch=10, seed=0), 1) != take(Stream(numbered(10), batch=10, seed=1), 1)


def test_images_without_labels_give_none() -> None:
    x, y = next(Stream(Images(numbered(3).pixels), batch=2))
    assert x.shape == (2, 1, 4, 4)
    assert y is None


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize(("n", "batch"), [(10, 4), (13, 8), (7, 12), (5, 24), (16, 8)])
def test_the_slices_of_all_processes_are_the_batch_of_one(processes: int, n: int, batch: int) -> None:
    whole = Stream(numbered(n), batch, seed=5)
    slices = [Stream(numbered(n), batch, seed=5, rank=rank, processes=processes) for rank in range(processes)]
    for _ in range(8):
        parts = [numbers(next(stream)) for stream in slices]
        assert [len(part) for part in parts] == [batch // processes] * processes
        assert [number for part in parts for number in part] == numbers(next(whole))
        assert [stream.images_seen for stream in slices] == [whole.images_seen] * processes


def test_a_slice_continues_from_images_seen_alone() -> None:
    first = Stream(numbered(11), batch=6, rank=1, processes=2)
    second = Stream(numbered(11), batch=6, rank=1, processes=2)
    take(first, 5)
    second.images_seen = 30
    assert take(first, 5) == take(second, 5)


def test_a_batch_that_processes_cannot_share_is_an_error() -> None:
    with pytest.raises(LimnerError, match="batch 9 cannot be divided among 2 processes"):
        Stream(numbered(10), batch=9, processes=2)
