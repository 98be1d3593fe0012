"""The PyTorch helpers give what the Keras layers give that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from translator.compare.precision import precision
from translator.helpers.torch import lazy, recurrent, same, simple

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)


def first(x: np.ndarray) -> Any:
    """A channels-last array as a channels-first tensor."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def last(x: Any) -> np.ndarray:
    return np.moveaxis(x.detach().numpy(), 1, -1)


def check(actual: np.ndarray, expected: Any) -> None:
    expected = np.asarray(expected)
    assert actual.shape == expected.shape
    assert np.linalg.norm(actual - expected) <= 1e-9 * np.linalg.norm(expected)


@pytest.mark.parametrize("size", [(7, 10), (8, 9), (5, 5), (12, 3)])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 2, 1), (2, 2, 1), ((5, 4), (3, 2), 1), (3, 1, 2), (1, 2, 1)]
)
def test_same_convolution(size: tuple[int, int], kernel: Any, stride: Any, dilation: int) -> None:
    x = RNG.standard_normal((2, *size, 3))
    layer = keras.layers.Conv2D(4, kernel, stride, "same", dilation_rate=dilation, dtype="float64")
    expected = layer(x)
    module = same.SameConv2d(3, 4, kernel, stride=stride, dilation=dilation, dtype=torch.float64)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.asarray(layer.kernel).transpose(3, 2, 0, 1)))
        module.bias.zero_()
    check(last(module(first(x))), expected)


@pytest.mark.parametrize("size", [(7, 10), (8, 9)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, None), ((3, 2), (2, 1)), (3, 1)])
@pytest.mark.parametrize("kind", ["Max", "Average"])
def test_same_pooling(size: tuple[int, int], kernel: Any, stride: Any, kind: str) -> None:
    x = RNG.standard_normal((2, *size, 3)) - 5
    expected = getattr(keras.layers, f"{kind}Pooling2D")(kernel, stride, "same", dtype="float64")(x)
    module = (same.SameMaxPool2d if kind == "Max" else same.SameAvgPool2d)(kernel, stride)
    check(last(module(first(x))), expected)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 2), (5, 3), (2, 1), ((3, 2), (2, 1))])
def test_same_transposed_convolution(kernel: Any, stride: Any) -> None:
    x = RNG.standard_normal((2, 5, 4, 3))
    layer = keras.layers.Conv2DTranspose(4, kernel, stride, "same", dtype="float64")
    expected = layer(x)
    module = same.SameConvTranspose2d(3, 4, kernel, stride=stride, dtype=torch.float64)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.asarray(layer.kernel).transpose(3, 2, 0, 1)))
        module.bias.zero_()
    check(last(module(first(x))), expected)


@pytest.mark.parametrize("rank", [1, 3])
def test_other_ranks(rank: int) -> None:
    x = RNG.standard_normal((2, *(7, 6, 5)[:rank], 3))
    # TensorFlow's maximum over volumes is float32 only, in which picking one is exact too.
    half = x.astype("float32") if rank == 3 else x
    expected = getattr(keras.layers, f"MaxPooling{rank}D")(3, 2, "same", dtype=str(half.dtype))(half)
    check(last(getattr(same, f"SameMaxPool{rank}d")(3, 2)(first(half))), expected)
    # The average over a box is that over each of its axes in turn, for which float64 is there.
    averaged = x
    for axis in range(1, rank + 1):
        lines = np.moveaxis(averaged, axis, -1)
        pooled = keras.layers.AveragePooling1D(3, 2, "same", dtype="float64")(lines.reshape(-1, lines.shape[-1], 1))
        averaged = np.moveaxis(np.asarray(pooled).reshape(*lines.shape[:-1], -1), -1, axis)
    check(last(getattr(same, f"SameAvgPool{rank}d")(3, 2)(first(x))), averaged)


def test_attention() -> None:
    x, y = RNG.standard_normal((2, 5, 8)), RNG.standard_normal((2, 7, 8))
    # Keras keeps 1 / sqrt(key_dim) in float32, which 4 does not show.
    with precision("float64"):
        layer = keras.layers.MultiHeadAttention(2, 4)
        expected, causal = layer(x, y), layer(x, x, use_causal_mask=True)
    module = recurrent.MultiHeadAttention(8, 2, 4).double()
    with torch.no_grad():
        for name in ("query", "key", "value", "output"):
            dense = getattr(layer, f"_{name}_dense")
            target = getattr(module, name)
            kernel = np.asarray(dense.kernel)
            kernel = (
                kernel.reshape(-1, kernel.shape[-1]).T if name == "output" else kernel.reshape(kernel.shape[0], -1).T
            )
            target.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
            target.bias.copy_(torch.from_numpy(np.asarray(dense.bias).reshape(-1)))
    check(module(torch.from_numpy(x), torch.from_numpy(y)).detach().numpy(), expected)
    tensor = torch.from_numpy(x)
    check(module(tensor, tensor, use_causal_mask=True).detach().numpy(), causal)


def test_lazy_norm_becomes_plain() -> None:
    module = lazy.LazyLayerNorm(eps=1e-3)
    x = torch.randn(2, 3, 5)
    out = module(x)
    assert type(module) is torch.nn.LayerNorm
    assert module.weight.shape == (5,)
    torch.testing.assert_close(out, torch.nn.functional.layer_norm(x, (5,), eps=1e-3))


def test_simple_modules() -> None:
    x = torch.arange(24.0).reshape(2, 3, 4)
    assert simple.Permute(0, 2, 1)(x).shape == (2, 4, 3)
    assert simple.Reshape((2, 6))(x).shape == (2, 2, 6)
    assert simple.Reshape((-1, 2))(x).shape == (2, 6, 2)
    assert torch.equal(simple.Mean(dim=1)(x), x.mean(1))
    assert torch.equal(simple.Amax(dim=1)(x), x.amax(1))
    assert torch.equal(simple.RepeatVector(3)(x[:, 0])[:, 2], x[:, 0])
    assert torch.equal(simple.Rescaling(0.5, offset=-1.0)(x), x * 0.5 - 1)
