"""Measures of numpy arrays are those of the same tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from small import blobs
from torch import Tensor

from limner import metrics
from limner.errors import LimnerError
from limner.metrics.arrays import to_tensor
from limner.metrics.classifier import Classifier
from limner.metrics.features import Extractor


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, Y, Z = random(60, 4), random(50, 4, seed=1), random(40, 4, seed=2)
LABELS, MORE_LABELS = torch.arange(60) % 3, torch.arange(50) % 3
PROBABILITIES = random(60, 3).softmax(1)
IMAGES, MORE_IMAGES = (random(8, 1, 16, 16, seed=i).clamp(-1, 1) for i in (3, 4))
STACKED = (random(30, 3, 4, 4) * 99).to(torch.uint8)
FACTORS = torch.stack([torch.arange(60) % 3, torch.arange(60) // 3 % 2], 1)


class Density:
    """Every pixel is N(0, 1)."""

    def log_likelihood(self, x: Tensor, k: int) -> Tensor:
        return -x.square().flatten(1).sum(1) / 2


def classify(pixels: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(pixels[:, 0, 0, 0].long() % 10, 10).double()


def distance(x: Tensor, y: Tensor) -> float:
    return float((x.mean(0) - y.mean(0)).square().sum())


def unchanged(x: Tensor) -> Tensor:
    return x


CALLS: dict[str, tuple[Any, ...]] = {
    "active_units": (X,),
    "auroc": (X[:, 0], Y[:, 0]),
    "authentic": (X, Y),
    "average_precision": (X[:, 0], Y[:, 0]),
    "bootstrap": (distance, X, Y),
    "class_counts": (PROBABILITIES,),
    "class_kl": (torch.tensor([3, 4]), torch.tensor([5, 6])),
    "classes_present": (torch.tensor([3, 0, 4]),),
    "classifier_score": (PROBABILITIES,),
    "classifier_score_error": (PROBABILITIES,),
    "cycle_error": (unchanged, unchanged, IMAGES),
    "dci": (X, FACTORS),
    "dequantise": (IMAGES,),
    "distance_to_quantiles": (X, Y[:2], torch.tensor([0.3, 0.6])),
    "effective_dimensions": (X,),
    "frechet": (X, Y),
    "frechet_floor": (X, Y, 20),
    "frechet_limit": (X, Y),
    "gan_test": (PROBABILITIES, LABELS),
    "identity_baseline": (X, Y),
    "importance_bound": (Density(), IMAGES, (1,)),
    "kid": (X, Y),
    "kid_blocks": (X, Y, 20),
    "knn_accuracy": (X, LABELS, Y, MORE_LABELS),
    "knn_accuracy_leave_one_out": (X, LABELS),
    "lerp": (X[0], Y[0], torch.linspace(0, 1, 5)),
    "likelihood": (X[:, 0], 1),
    "linear_accuracy": (X, LABELS, Y, MORE_LABELS),
    "mean_correlation": (X,),
    "memorisation": (X, Y, Z),
    "mig": (X, FACTORS),
    "mmd_to_normal": (X,),
    "mode_counts": (LABELS, 5),
    "moments": (X,),
    "mse": (IMAGES, MORE_IMAGES),
    "nearest": (X, Y),
    "pca": (IMAGES, 3),
    "pca_mse": (IMAGES, MORE_IMAGES, [3]),
    "per_class_frechet": (X, LABELS, Y, MORE_LABELS),
    "prdc": (X, Y),
    "psnr": (IMAGES, MORE_IMAGES),
    "sap": (X, FACTORS),
    "sharpness": (IMAGES,),
    "slerp": (X[0], Y[0], torch.linspace(0, 1, 5)),
    "ssim": (IMAGES, MORE_IMAGES),
    "stack": (STACKED[:, :1], 5),
    "stacked_counts": (torch.tensor([3, 4]),),
    "stacked_modes": (classify, STACKED),
    "standard_error": (X[:, 0],),
    "variance_shares": (X.unflatten(0, (12, 5)),),
}
# they take no arrays of images, codes or features: numbers, models, data sets, functions
OTHERS = {
    "bits_per_dim", "class_kl_floor", "disentanglement", "distance_of_moments", "extractor",
    "factor_vae_score", "feature_distance", "gan_train", "inception_extractor", "path_length",
}  # fmt: skip


def assert_equal(a: Any, b: Any) -> None:
    """Equal numbers of equal type, in tuples and dictionaries too."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        a, b = tuple(a.items()), tuple(b.items())
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_equal(one, other)
    elif isinstance(a, Tensor):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    else:
        assert a == pytest.approx(b, rel=1e-12)  # sums in another order


def strange(array: np.ndarray) -> np.ndarray:
    """The same numbers in another order of memory and of bytes, read-only, behind negative strides."""
    other = np.asfortranarray(array.astype(array.dtype.newbyteorder(">")))[::-1].copy(order="K")[::-1]
    other.flags.writeable = False
    return other


@pytest.mark.parametrize("convert", [lambda array: array, strange], ids=["plain", "strange"])
@pytest.mark.parametrize("name", CALLS)
def test_an_array_is_measured_as_its_tensor(name: str, convert: Callable[[np.ndarray], np.ndarray]) -> None:
    if name == "ssim":
        pytest.importorskip("torchmetrics")
    measure, arguments = getattr(metrics, name), CALLS[name]
    arrays = [convert(value.numpy()) if isinstance(value, Tensor) else value for value in arguments]
    assert any(isinstance(array, np.ndarray) for array in arrays)
    assert_equal(measure(*arrays), measure(*arguments))


def test_every_measure_is_among_these() -> None:
    functions = {name for name in metrics.__all__ if inspect.isfunction(getattr(metrics, name))}
    assert functions == set(CALLS) | OTHERS


def test_arguments_by_name_and_functions_of_the_user_too() -> None:
    z, sizes = X.numpy(), [3, 4]
    expected = metrics.knn_accuracy(X, LABELS, Y, MORE_LABELS)
    arrays = {"test": Y.numpy(), "test_labels": MORE_LABELS.numpy().astype(np.int32)}
    assert metrics.knn_accuracy(z, train_labels=LABELS.numpy().astype(np.uint8), **arrays) == expected
    fit = metrics.pca(IMAGES.numpy(), 3)
    assert torch.equal(fit.reconstruct(MORE_IMAGES.numpy(), 2), fit.reconstruct(MORE_IMAGES, 2))
    results = [
        metrics.disentanglement(codes, factors, represent, sizes)
        for codes, factors, represent in (
            (X, FACTORS, lambda v: v.double()),
            (z, FACTORS.numpy(), lambda v: v.numpy().astype(float)),
        )
    ]
    assert results[0] == results[1]
    found = [
        metrics.path_length(
            lambda z, y: z * y[:, None], lambda n, g: random(n, 3), lambda a, b: (a - b).sum(1), 4, labels=y
        )
        for y in (torch.arange(4), np.arange(4))
    ]
    assert torch.equal(found[0].values, found[1].values)


def test_an_extractor_takes_arrays() -> None:
    pixels = blobs(6, (1, 16, 16)).pixels
    extractor = Extractor("x", (1, 16, 16), 4, 1.0, "", Classifier((1, 16, 16), 4).eval())
    assert torch.equal(extractor.features(pixels.numpy()), extractor.features(pixels))
    assert torch.equal(extractor.classify(pixels.numpy()), extractor.classify(pixels))
    with pytest.raises(LimnerError, match=r"needs uint8 images of .*, not torch.int64"):
        extractor.features(pixels.numpy().astype(np.int32))


def test_arrays_as_they_come() -> None:
    for dtype, kept in {
        "float16": torch.float16, "float32": torch.float32, ">f8": torch.float64, "uint8": torch.uint8,
        "int8": torch.int64, "uint16": torch.int64, ">i4": torch.int64, "bool": torch.bool,
    }.items():  # fmt: skip
        tensor = to_tensor(np.array([[0, 1]], dtype))
        assert (tensor.dtype, tensor.tolist()) == (kept, [[0, 1]]), dtype
    assert to_tensor(np.array(3.0)).shape == ()
    array = np.zeros(3)
    assert to_tensor(array).data_ptr() == array.ctypes.data, "no copy where none is needed"
    text = "an array"
    assert to_tensor(text) is text
    for wrong in (np.array(["a"]), np.array([None]), np.array([1j])):
        with pytest.raises(LimnerError, match="needs an array of numbers"):
            metrics.class_counts(wrong)
