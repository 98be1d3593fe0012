"""TensorFlow's branches and loops, which take functions."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall, given
from ..infer.flow import OWN_GRADIENT, each
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Api, Const, Func, MethodOf, Tensor, Value, is_off, options_of
from .keras_layout import Refused, order
from .keras_ops import arg, only
from .named import named

QUIET = ("parallel_iterations", "back_prop", "swap_memory", "infer_shape", "name", "shape_invariants")
"""What only matters to TensorFlow's graphs."""


def functions(value: Value) -> list[Func]:
    """The project's functions that a value may be."""
    found = [o.func if isinstance(o, MethodOf) else o for o in options_of(value)]
    return [f for f in found if isinstance(f, Func)]


def in_keras_order(ctx: Context, call: BoundCall, *names: str) -> None:
    """See that the functions that a loop calls take and give tensors in Keras's own order.

    Raises:
        Refused: where one does not, or what is called is not known.
    """

    for name in names:
        bound = call.args.get(name)
        if bound is None:
            continue
        every = functions(bound.value)
        if not every:
            raise Refused("XL205", f"{call.api}: the function that it calls is not known here", "write it as a loop")
        for func in every:
            stands(func)


def invoked(ctx: Context, bound: Bound) -> Any:
    """A function without arguments, called: what a lambda computes is written in its place."""
    new = ctx.updated(bound.node)
    return new.body if isinstance(new, cst.Lambda) else cst.Call(nodes.parenthesized(new))


def apart(node: Any) -> Any:
    """What binds less tightly than the conditional that it becomes part of, in parentheses."""
    loose = isinstance(node, cst.IfExp | cst.Lambda | cst.NamedExpr | cst.Tuple | cst.Yield)
    return nodes.parenthesized(node) if loose else nodes.unwrapped(node)


@named("tf_cond")
def cond(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.cond(p, lambda: a, lambda: b)`` is ``a if p else b``."""
    only(call, "pred", "true_fn", "false_fn", "name")
    sides = [given(call, name) for name in ("true_fn", "false_fn")]
    if any(b is None or not functions(b.value) for b in sides):
        raise Refused("XL205", f"{call.api}: the functions that it calls are not known here")
    order(ctx.value(node))
    yes, no = (apart(invoked(ctx, b)) for b in sides if b is not None)
    test = apart(arg(ctx, call, "pred"))
    return Edit(nodes.parenthesized(cst.IfExp(test=test, body=yes, orelse=no)))


def helper(name: str, *args: Any, **keywords: Any) -> Edit:
    return Edit(nodes.call(name, *args, **keywords), (f"helper:{name}",))


def extra(ctx: Context, call: BoundCall, *names: str) -> dict[str, Any]:
    """Keywords that are passed on unless they are as they would be."""
    found = {n: call.args[n] for n in names if n in call.args}
    return {n: ctx.updated(b.node) for n, b in found.items() if not is_off(b.value)}


@named("tf_while_loop")
def while_loop(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    only(call, "cond", "body", "loop_vars", "maximum_iterations", *QUIET)
    if isinstance(ctx.value(node), Tensor) or not each_known(ctx.value(node)):
        raise Refused("XL205", f"{call.api}: the variables of this loop are not written out")
    in_keras_order(ctx, call, "cond", "body")
    parts = [arg(ctx, call, n) for n in ("cond", "body", "loop_vars")]
    return helper("while_loop", *parts, **extra(ctx, call, "maximum_iterations"))


def each_known(value: Value) -> bool:
    return getattr(value, "items", None) is not None


@named("tf_map_fn")
def map_fn(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The types and shapes of what comes out are what they are in PyTorch."""
    only(call, "fn", "f", "elems", "xs", "dtype", "fn_output_signature", *QUIET)
    kind = given(call, "fn_output_signature", "dtype")
    if kind is not None and "Ragged" in nodes.code(kind.node):
        raise Refused("XL203", f"{call.api}: results of different lengths", "write it as a loop over a list")
    in_keras_order(ctx, call, "fn", "f")
    return helper("map_fn", arg(ctx, call, "fn", "f"), arg(ctx, call, "elems", "xs"))


@named("tf_vectorized_map")
def vectorized_map(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    only(call, "fn", "function", "elems", "elements", "fallback_to_while_loop", "warn")
    in_keras_order(ctx, call, "fn", "function")
    mapped = nodes.call("torch.vmap", arg(ctx, call, "fn", "function"))
    return Edit(cst.Call(mapped, [cst.Arg(nodes.bare(arg(ctx, call, "elems", "elements"), node))]), ("torch",))


@named("tf_scan")
def scan(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.scan``, ``tf.foldl`` and ``tf.foldr``."""
    only(call, "fn", "elems", "initializer", "reverse", *QUIET)
    in_keras_order(ctx, call, "fn")
    keywords = extra(ctx, call, "initializer", "reverse")
    if call.api == "tf.foldr":
        keywords["reverse"] = nodes.literal(True)
    name = "scan" if call.api == "tf.scan" else "fold"
    return helper(name, arg(ctx, call, "fn"), arg(ctx, call, "elems"), **keywords)


@named("tf_tensor_array")
def tensor_array(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """It grows when it must; types and shapes are those of what is written."""
    only(call, "dtype", "size", "dynamic_size", "clear_after_read", "element_shape", "tensor_array_name",
         "colocate_with_first_write_call", *QUIET)  # fmt: skip
    size = call.args.get("size")
    return helper("TensorArray", *([ctx.updated(size.node)] if size is not None and size.value != Const(0) else []))


@named("tf_custom_gradient")
def custom_gradient(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Called with a function: only as a decorator is it known what is returned."""
    return Refusal("XL203", f"{call.api} is called here", "write it as a decorator of the function")


def own_gradient(ctx: Context, func: Func) -> Outcome:
    """See that a function with its own gradient has the form that the helper knows.

    Returns:
        A refusal, or ``None`` where it has, or is no such function.
    """
    if not any(isinstance(d, Api) and d.name == OWN_GRADIENT for d in func.decorators):
        return None
    inner = [n for n in nodes.walk(func.node) if isinstance(n, cst.FunctionDef | cst.Lambda) and n is not func.node]
    names = {p.name.value for n in inner for p in (*n.params.params, *n.params.kwonly_params)}
    if "variables" in names:
        return Refusal("XL203", "a gradient that is told about variables has no counterpart",
                       "write a torch.autograd.Function")  # fmt: skip
    try:
        stands(func)
    except Refused as refused:
        return refused.refusal
    return None


def stands(func: Func) -> None:
    """See that what a function takes and gives stands in Keras's order.

    Raises:
        Refused: where it does not.
    """
    for value in (*func.passed.values(), func.returns):
        if value is not None:
            each(value, _source)


def _source(tensor: Tensor) -> Value:
    if order(tensor) is not None:
        raise Refused("XL302", "a tensor stands channels-first in a function that TensorFlow calls",
                      "call the function in a loop of Python")  # fmt: skip
    return tensor


@named("tf_array_method")
def array_method(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The helper's methods have the same names."""
    only(call, "input", "index", "value", "indices", "name")
    if call.receiver is None or not isinstance(new.func, cst.Attribute):
        raise Refused("XL205", f"{call.api}: what this is called on is not known here")
    parts = [arg(ctx, call, n) for n in ("index", "value", "indices") if n in call.args]
    return Edit(cst.Call(new.func, [cst.Arg(nodes.unwrapped(p)) for p in parts]))
