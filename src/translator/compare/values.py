"""Results of both programs as comparable parts, and how far two of them are apart.

The measure is the norm of the difference over the norm of the reference. Shapes, dtypes, the places of
infinities and NaN, and everything that is no float must be equal.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

ROUNDING = 1e-5
"""A quantity below this part of its group (a gradient that is zero but for rounding) is measured by the group."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One compared quantity: ``error`` is relative; ``problem`` says what cannot be measured (a shape, a dtype)."""

    name: str
    error: float = 0.0
    problem: str = ""
    absolute: float = 0.0
    """The largest difference of two values."""

    def ok(self, tolerance: float) -> bool:
        return not self.problem and self.error <= tolerance

    def __str__(self) -> str:
        return f"{self.name}: {self.problem or f'relative difference {self.error:.3g}'}"


def parts(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """The leaves of a nested result with their paths, in order."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in parts(item, f"{name}[{key!r}]")]
    if type(value).__name__ == "TensorShape":
        return parts(tuple(value), name)
    if isinstance(value, list | tuple):
        return [leaf for i, item in enumerate(value) for leaf in parts(item, f"{name}[{i}]")]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [leaf for f in dataclasses.fields(value) for leaf in parts(getattr(value, f.name), f"{name}.{f.name}")]
    return [(name, value)]


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor or variable of either framework, or a numpy array or scalar."""
    return hasattr(value, "dtype") and hasattr(value, "shape")


def dtype_name(value: Any) -> str:
    """``"float64"``, ``"int64"``, ``"bool"``, ... of a tensor, or of a dtype itself, whoever made it."""
    dtype = getattr(value, "dtype", value)
    return str(getattr(dtype, "name", dtype)).removeprefix("torch.")


def is_dtype(value: Any) -> bool:
    return type(value).__name__ in ("dtype", "DType")


def array(value: Any) -> Any:
    """A tensor of either framework as a numpy array."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu().resolve_conj().resolve_neg()
        return value.double().numpy() if dtype_name(value) == "bfloat16" else value.numpy()
    if hasattr(value, "_values") and hasattr(value, "dense_shape"):  # tf.IndexedSlices: the gradient of a table
        import tensorflow as tf

        return tf.convert_to_tensor(value).numpy()
    result = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    return result.astype("float64") if dtype_name(result) == "bfloat16" else result


def distance(expected: Any, actual: Any, scale: float = 0.0) -> tuple[float, str]:
    """The relative difference of two arrays of one shape, or what forbids to measure it.

    Args:
        scale: the norm of the group that the arrays belong to, see `ROUNDING`.
    """
    import numpy as np

    if not np.array_equal(np.isfinite(expected), np.isfinite(actual)):
        return float("inf"), "other values are infinite or NaN"
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], actual[~finite], equal_nan=True):
        return float("inf"), "other values are infinite or NaN"
    wanted, found = expected[finite], actual[finite]
    difference = float(np.linalg.norm(found - wanted))
    if difference == 0.0:
        return 0.0, ""
    return difference / max(float(np.linalg.norm(wanted)), ROUNDING * scale, 1e-300), ""


def compare_leaf(name: str, expected: Any, actual: Any, *, values: bool = True, scale: float = 0.0) -> Quantity:
    """Compare one leaf; without ``values`` only shapes and dtypes. A Python number may be a scalar tensor."""
    import numpy as np

    if is_dtype(expected) and not is_tensor(expected):
        same = dtype_name(expected) == dtype_name(actual)
        return Quantity(name, problem="" if same else f"dtype {dtype_name(actual)} instead of {dtype_name(expected)}")
    number = isinstance(expected, int | float | complex) and not is_tensor(expected)
    if is_tensor(actual) and number:
        found = array(actual)
        kinds = {bool: "b", int: "iu", float: "f", complex: "c"}[type(expected)]
        if found.shape != () or found.dtype.kind not in kinds:
            return Quantity(name, problem=f"{found.dtype} {list(found.shape)} instead of the number {expected!r}")
        actual, expected = found, np.asarray(expected, found.dtype)
    elif isinstance(expected, float) and isinstance(actual, float):
        actual, expected = np.asarray(actual), np.asarray(expected)
    elif not is_tensor(expected):
        same = type(expected) is type(actual) and expected == actual
        return Quantity(name, problem="" if same else f"{actual!r} instead of {expected!r}")
    elif not is_tensor(actual):
        return Quantity(name, problem=f"{type(actual).__name__} instead of a {dtype_name(expected)} tensor")
    if dtype_name(expected) != dtype_name(actual):
        return Quantity(name, problem=f"dtype {dtype_name(actual)} instead of {dtype_name(expected)}")
    wanted, found = array(expected), array(actual)
    if wanted.shape != found.shape:
        return Quantity(name, problem=f"shape {list(found.shape)} instead of {list(wanted.shape)}")
    if not values:
        return Quantity(name)
    if wanted.dtype.kind not in "fc":
        wrong = int(np.count_nonzero(wanted != found))
        return Quantity(name, problem=f"{wrong} of {wanted.size} values differ" if wrong else "")
    return Quantity(name, *distance(wanted, found, scale), largest(wanted, found))


def largest(expected: Any, actual: Any) -> float:
    """The largest absolute difference where both are finite."""
    import numpy as np

    finite = np.isfinite(expected) & np.isfinite(actual)
    return float(np.max(np.abs(expected[finite] - actual[finite]), initial=0.0))


def compare_values(name: str, expected: Any, actual: Any, *, values: bool = True) -> list[Quantity]:
    """Compare two nested results leaf by leaf. A size written as a tensor counts as the tuple that it holds."""
    if type(expected).__name__ == "Size" and is_tensor(actual) and len(actual.shape) == 1:
        actual = tuple(array(actual).tolist())
    return compare_parts(parts(expected, name), parts(actual, name), name, values=values)


def compare_parts(
    wanted: list[tuple[str, Any]], found: list[tuple[str, Any]], name: str, *, values: bool = True
) -> list[Quantity]:
    """Compare the leaves of two results, see `parts`."""
    if [path for path, _ in wanted] != [path for path, _ in found]:
        return [Quantity(name, problem=f"structure {_shape(found)} instead of {_shape(wanted)}")]
    return [compare_leaf(p, e, a, values=values) for (p, e), (_, a) in zip(wanted, found, strict=True)]


def _shape(leaves: list[tuple[str, Any]]) -> str:
    return "(" + ", ".join(path for path, _ in leaves) + ")"
