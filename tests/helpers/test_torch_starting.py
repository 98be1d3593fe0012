"""Initial values by name have the spread of Keras's."""

from __future__ import annotations

import numpy as np
import pytest

from translator.helpers.torch import starting

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")

NAMES = ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "random_normal",
         "random_uniform", "truncated_normal", "zeros", "ones"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(3, 3, 40, 60), (300, 200)])
def test_spread(name: str, shape: tuple[int, ...]) -> None:
    expected = np.asarray(keras.initializers.get(name)(shape))
    actual = starting.initialize(torch.empty(shape), name).numpy()
    np.testing.assert_allclose(actual.std(), expected.std(), rtol=0.05, atol=1e-9)
    np.testing.assert_allclose(np.abs(actual).max(), np.abs(expected).max(), rtol=0.25)
    np.testing.assert_allclose(actual.mean(), expected.mean(), atol=0.02 * max(expected.std(), 1e-9))


def test_functions_and_errors() -> None:
    assert float(starting.initialize(torch.empty(3), lambda x: x.fill_(2.0)).sum()) == 6.0
    with pytest.raises(ValueError, match="nothing"):
        starting.initialize(torch.empty(3), "nothing")
