"""One call in each framework, with the gradients of a random projection of its float outputs.

The projection's weights depend on the place among the outputs and on the shape alone, so both frameworks use the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .values import Quantity, array, compare_leaf, compare_values, dtype_name, parts

Gradients = dict[str, Any]


def projection(index: int, shape: tuple[int, ...]) -> Any:
    """Seeded normal weights for output number ``index``."""
    import numpy as np

    return np.random.default_rng([index, *shape]).standard_normal(shape)


def floating(value: Any) -> bool:
    """Whether a value is a tensor that gradients flow through."""
    return hasattr(value, "dtype") and hasattr(value, "shape") and dtype_name(value).startswith(("float", "bfloat"))


def torch_call(
    function: Callable[..., Any], arrays: Mapping[str, Any], variables: Mapping[str, Any], *, grad: bool = True,
    dtype: str = "float64",
) -> tuple[Any, Gradients]:  # fmt: skip
    """Call a PyTorch function with arrays by keyword.

    Returns:
        its result, and the gradients of the projection for each float input and each of ``variables`` by name.
        Inputs are handed over as copies, so that the function may write into them. An input that PyTorch has no
        gradient for (the class weights of a loss) is passed as a constant.
    """
    constants: frozenset[str] = frozenset()
    try:
        return _torch_call(function, arrays, variables, grad, dtype, constants)
    except RuntimeError as error:
        if "is not differentiable with respect to argument" not in str(error):
            raise
    for name in arrays:
        try:
            _torch_call(function, arrays, variables, grad, dtype, frozenset(arrays) - {name})
        except RuntimeError:
            constants |= {name}
    return _torch_call(function, arrays, variables, grad, dtype, constants)


def _torch_call(
    function: Callable[..., Any], arrays: Mapping[str, Any], variables: Mapping[str, Any], grad: bool, dtype: str,
    constants: frozenset[str],
) -> tuple[Any, Gradients]:  # fmt: skip
    import torch

    leaves: dict[str, Any] = {}

    def given(name: str, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(given(f"{name}[{i}]", v) for i, v in enumerate(value))
        if not hasattr(value, "dtype"):
            return value
        tensor = torch.from_numpy(value.copy())
        if value.dtype.kind in "fc":
            tensor = tensor.to(getattr(torch, dtype if value.dtype.kind == "f" else _complex(dtype)))
        if not grad or value.dtype.kind != "f" or name.partition("[")[0] in constants:
            return tensor
        leaves[name] = tensor.requires_grad_()
        return tensor.clone()

    args = {name: given(name, value) for name, value in arrays.items()}
    with torch.set_grad_enabled(grad):
        result = function(**args)
    if not grad:
        return result, {}
    wanted = {**leaves, **{k: v for k, v in variables.items() if v.requires_grad}}
    total = _torch_projection(result)
    if total is None or not wanted:
        return result, {}
    found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
    zeros = (torch.zeros_like(t) if g is None else g for g, t in zip(found, wanted.values(), strict=True))
    return result, {name: array(g) for name, g in zip(wanted, zeros, strict=True)}


def _torch_projection(result: Any) -> Any:
    """The projection of all outputs that have a gradient; ``None`` if there are none."""
    import torch

    total = None
    for i, (_, value) in enumerate(parts(result)):
        if isinstance(value, torch.Tensor) and value.requires_grad:
            real = torch.view_as_real(value) if value.is_complex() else value
            weights = torch.from_numpy(projection(i, tuple(real.shape))).to(real.dtype)
            part = torch.where(torch.isfinite(real), real, 0.0).mul(weights).sum()
            total = part if total is None else total + part
    return total


def tf_arguments(arrays: Mapping[str, Any], dtype: str = "float64") -> dict[str, Any]:
    """The arrays as TensorFlow tensors, floats in the given precision."""
    import tensorflow as tf

    def given(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(given(v) for v in value)
        if not hasattr(value, "dtype"):
            return value
        kind = value.dtype.kind
        return tf.constant(value, dtype if kind == "f" else _complex(dtype) if kind == "c" else None)

    return {name: given(value) for name, value in arrays.items()}


def tf_call(
    function: Callable[..., Any], args: Mapping[str, Any], variables: Mapping[str, Any], *, grad: bool = True
) -> tuple[Any, Gradients]:
    """The same in TensorFlow, with tensors from `tf_arguments`. It may be traced by a ``tf.function``."""
    import tensorflow as tf

    if not grad:
        return function(**args), {}
    leaves = {name: t for name, t in _tensors(args) if floating(t)}
    with tf.GradientTape() as tape:
        for tensor in leaves.values():
            tape.watch(tensor)
        result = function(**args)
        total = None
        for i, (_, value) in enumerate(parts(result)):
            if not (tf.is_tensor(value) and (value.dtype.is_floating or value.dtype.is_complex)):
                continue
            real = tf.stack([tf.math.real(value), tf.math.imag(value)], -1) if value.dtype.is_complex else value
            part = _projected(i, real)
            total = part if total is None else total + tf.cast(part, total.dtype)
    wanted = {**leaves, **variables}
    if total is None or not wanted:
        return result, {}
    found = tape.gradient(total, list(wanted.values()), unconnected_gradients="zero")
    return result, dict(zip(wanted, (tf.convert_to_tensor(g) for g in found), strict=True))


def _projected(index: int, value: Any) -> Any:
    import tensorflow as tf

    if value.shape.is_fully_defined():
        weights = tf.constant(projection(index, tuple(value.shape)), value.dtype)
    else:
        weights = tf.numpy_function(lambda s: projection(index, tuple(s.tolist())), [tf.shape(value)], tf.float64)
        weights = tf.cast(tf.ensure_shape(weights, value.shape), value.dtype)
    return tf.reduce_sum(tf.where(tf.math.is_finite(value), value, tf.zeros_like(value)) * weights)


def _tensors(args: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [leaf for name, value in args.items() for leaf in parts(value, name)]


def _complex(dtype: str) -> str:
    return "complex128" if dtype == "float64" else "complex64"


def projected_gradients(
    module: Any, layer: Any, pairs: list[Any], arrays: Mapping[str, Any], name: str, training: bool, *,
    grad: bool = True, values: bool = True, dtype: str = "float64",
) -> list[Quantity]:  # fmt: skip
    """Call a torch module and its Keras counterpart and compare outputs and the gradients of inputs and weights.

    Args:
        pairs: the weights of both, see `translator.weights.pair_up`.
        name: what the quantities are called.
    """
    trained = [p for p in pairs if p.tensor.requires_grad]
    expected, grads = torch_call(module, arrays, {p.torch_path: p.tensor for p in trained}, grad=grad, dtype=dtype)
    variables = {p.torch_path: getattr(p.slot.value, "value", p.slot.value) for p in trained}
    args = tf_arguments(arrays, dtype)
    actual, tf_grads = tf_call(lambda **a: layer(**a, training=training), args, variables, grad=grad)
    found = compare_values(f"{name} output", expected, actual, values=values)
    if values and grad and not any(q.problem for q in found):
        found += compare_gradients(name, grads, tf_grads, {p.torch_path: p for p in trained})
    return found


def compare_gradients(
    name: str, grads: Gradients, tf_grads: Gradients, pairs: Mapping[str, Any]
) -> list[Quantity]:
    """Compare gradients by name; those of weights are brought into torch's order by their pairs."""
    import numpy as np

    scale = float(np.sqrt(sum(float(np.linalg.norm(g)) ** 2 for g in grads.values() if np.isfinite(g).all())))
    found = []
    for key, expected in grads.items():
        actual = array(tf_grads[key]) if key in tf_grads else None
        if actual is None:
            found.append(Quantity(f"{name} gradient of {key}", problem="is missing"))
            continue
        actual = pairs[key].to_torch(actual) if key in pairs else actual
        found.append(compare_leaf(f"{name} gradient of {key}", expected, actual, scale=scale))
    return found
