"""How TensorFlow 1 spells what TensorFlow 2 has under another name or with other arguments."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes

NAMES = {
    "log": "math.log", "random_normal": "random.normal", "random_uniform": "random.uniform",
    "truncated_normal": "random.truncated_normal", "set_random_seed": "random.set_seed", "rsqrt": "math.rsqrt",
    "nn.softmax_cross_entropy_with_logits_v2": "nn.softmax_cross_entropy_with_logits",
    "log_sigmoid": "math.log_sigmoid", "lgamma": "math.lgamma", "erf": "math.erf", "floor_div": "math.floordiv",
    "is_nan": "math.is_nan", "arg_max": "argmax", "arg_min": "argmin", "matrix_inverse": "linalg.inv",
    "reciprocal": "math.reciprocal",
}  # fmt: skip
"""Functions of the root, or of a module in it, by where TensorFlow 2 has them."""
KEYWORDS = {"keep_dims": "keepdims", "reduction_indices": "axis", "dimension": "axis", "filter": "filters"}
CASTS = {"to_float": "tf.float32", "to_double": "tf.float64", "to_int32": "tf.int32", "to_int64": "tf.int64"}
LAYERS = {
    "dense": "Dense", "conv1d": "Conv1D", "conv2d": "Conv2D", "conv3d": "Conv3D", "max_pooling1d": "MaxPooling1D",
    "max_pooling2d": "MaxPooling2D", "average_pooling1d": "AveragePooling1D", "average_pooling2d": "AveragePooling2D",
    "flatten": "Flatten", "separable_conv2d": "SeparableConv2D", "conv2d_transpose": "Conv2DTranspose",
}  # fmt: skip
"""Functions of `tf.layers` whose arguments after the input are those of the Keras layer."""


class Unclear(Exception):
    """Why a program's graph cannot be written as a module and functions, with the statement that says so."""

    def __init__(self, reason: str, node: Any = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.node = node


def tf_name(node: Any) -> str:
    """``nn.relu`` for ``tf.nn.relu`` and ``tf.compat.v1.nn.relu``; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not nodes.is_name(node, "tf"):
        return ""
    name = ".".join(reversed(parts))
    return name.removeprefix("compat.v1.")


def arguments(call: cst.Call, names: tuple[str, ...]) -> dict[str, Any]:
    """A call's arguments by parameter.

    Raises:
        Unclear: where a star hides them, or one is not known.
    """
    out: dict[str, Any] = {}
    for i, arg in enumerate(call.args):
        if arg.star or (arg.keyword is None and i >= len(names)):
            raise Unclear(f"the arguments of `{nodes.code(call.func)}` are not understood", call)
        out[arg.keyword.value if arg.keyword is not None else names[i]] = arg.value
    unknown = set(out) - set(names)
    if unknown:
        raise Unclear(f"`{min(unknown)}` of `{nodes.code(call.func)}` is not understood", call)
    return out


def modern(call: cst.Call) -> Any:
    """A call of TensorFlow 1 as TensorFlow 2 spells it; the call itself where both agree."""
    name = tf_name(call.func)
    if not name:
        return call
    args = [a.with_changes(keyword=cst.Name(KEYWORDS[a.keyword.value]))
            if a.keyword is not None and a.keyword.value in KEYWORDS else a for a in call.args]  # fmt: skip
    if name == "nn.dropout":
        return dropped(call)
    if name in CASTS:
        return nodes.call("tf.cast", args[0].value, nodes.dotted(CASTS[name]))
    if name == "nn.xw_plus_b":
        given = arguments(call, ("x", "weights", "biases", "name"))
        return nodes.template("(tf.matmul({x}, {weights}) + {biases})", given)
    return call.with_changes(func=nodes.dotted("tf." + NAMES.get(name, name)), args=args)


def dropped(call: cst.Call) -> Any:
    """``tf.nn.dropout(x, keep_prob)`` says what is kept, later what is dropped."""
    given = arguments(call, ("x", "keep_prob", "noise_shape", "seed", "name", "rate"))
    if "noise_shape" in given:
        raise Unclear("`noise_shape` of a dropout is not understood", call)
    rate = given.get("rate")
    if rate is None:
        rate = nodes.template("1 - {k}", {"k": given["keep_prob"]})
    return nodes.call("tf.nn.dropout", given["x"], rate)


def layer_of(call: cst.Call) -> tuple[Any, Any] | None:
    """``tf.layers.dense(x, 10)``: its input and the Keras layer; ``None`` for any other call.

    Raises:
        Unclear: for a layer that keeps statistics, or shares its weights.
    """
    name = tf_name(call.func)
    if not name.startswith("layers."):
        return None
    kind = LAYERS.get(name.removeprefix("layers."))
    given = {a.keyword.value for a in call.args if a.keyword is not None}
    if kind is None or "reuse" in given or not call.args or any(a.star for a in call.args):
        raise Unclear(f"`tf.{name}` is not translated in a graph", call)
    first = next((a for a in call.args if a.keyword is not None and a.keyword.value == "inputs"), call.args[0])
    rest = [a for a in call.args if a is not first and not (a.keyword is not None and a.keyword.value == "name")]
    return first.value, cst.Call(nodes.dotted(f"keras.layers.{kind}"), rest)


INITIALIZERS = {
    "zeros_initializer": "tf.zeros({shape}, dtype={dtype})", "ones_initializer": "tf.ones({shape}, dtype={dtype})",
    "constant_initializer": "tf.fill({shape}, {value})",
    "random_normal_initializer": "tf.random.normal({shape}, {mean}, {stddev}, dtype={dtype})",
    "truncated_normal_initializer": "tf.random.truncated_normal({shape}, {mean}, {stddev}, dtype={dtype})",
    "random_uniform_initializer": "tf.random.uniform({shape}, {minval}, {maxval}, dtype={dtype})",
}  # fmt: skip
"""The values that initializers give."""
DEFAULTS = {"mean": 0.0, "stddev": 1.0, "minval": 0.0, "value": 0.0}
PARAMETERS = {"random_uniform_initializer": ("minval", "maxval"), "constant_initializer": ("value",)}


def got_variable(call: cst.Call) -> Any:
    """``tf.get_variable("w", [784, 10])`` as a variable with a first value.

    Raises:
        Unclear: where its shape or initializer is not written out.
    """
    given = arguments(call, ("name", "shape", "dtype", "initializer"))
    shape, dtype = given.get("shape"), given.get("dtype", nodes.dotted("tf.float32"))
    if not isinstance(shape, cst.List | cst.Tuple):
        raise Unclear("the shape of a variable is not written out", call)
    maker = given.get("initializer")
    if maker is None or nodes.is_name(maker, "None"):
        if len(shape.elements) != 2:
            raise Unclear("a variable of other than two axes has no initializer", call)
        sizes = {"a": shape.elements[0].value, "b": shape.elements[1].value}
        limit = nodes.template("(6 / ({a} + {b})) ** 0.5", sizes)
        holes = {"shape": shape, "limit": limit, "dtype": dtype}
        made = nodes.template("tf.random.uniform({shape}, -({limit}), {limit}, dtype={dtype})", holes)
        return nodes.call("tf.Variable", made)
    name = tf_name(maker.func) if isinstance(maker, cst.Call) else tf_name(maker)
    name = name.replace("initializers.", "").removesuffix("_initializer") + "_initializer"
    if name not in INITIALIZERS:
        raise Unclear("this initializer is not translated in a graph", call)
    values = arguments(maker, PARAMETERS.get(name, ("mean", "stddev"))) if isinstance(maker, cst.Call) else {}
    holes = {**{k: nodes.literal(v) for k, v in DEFAULTS.items()}, **values, "shape": shape, "dtype": dtype}
    if name == "random_uniform_initializer" and "maxval" not in values:
        raise Unclear("this initializer is not translated in a graph", call)
    made = nodes.template(INITIALIZERS[name], holes)
    return nodes.call("tf.Variable", nodes.call("tf.cast", made, dtype) if name == "constant_initializer" else made)


def optimizer_of(call: cst.Call) -> Any:
    """``tf.train.AdamOptimizer(0.001)`` as the Keras optimizer that takes the same steps.

    Raises:
        Unclear: for one that Keras computes otherwise.
    """
    name = tf_name(call.func)
    if name == "train.GradientDescentOptimizer":
        given = arguments(call, ("learning_rate", "use_locking", "name"))
        return nodes.call("keras.optimizers.SGD", given["learning_rate"])
    if name == "train.MomentumOptimizer":
        given = arguments(call, ("learning_rate", "momentum", "use_locking", "name", "use_nesterov"))
        nesterov = {"nesterov": given["use_nesterov"]} if "use_nesterov" in given else {}
        return nodes.call("keras.optimizers.SGD", given["learning_rate"], momentum=given["momentum"], **nesterov)
    if name == "train.AdamOptimizer":
        given = arguments(call, ("learning_rate", "beta1", "beta2", "epsilon", "use_locking", "name"))
        betas = {f"beta_{n}": given[f"beta{n}"] for n in (1, 2) if f"beta{n}" in given}
        epsilon = given.get("epsilon", nodes.literal(1e-8))
        rate = given.get("learning_rate", nodes.literal(0.001))
        return nodes.call("keras.optimizers.Adam", rate, **betas, epsilon=epsilon)
    raise Unclear(f"`tf.{name}` is not translated in a graph", call)
