"""Variables and constants of TensorFlow, and what only TensorFlow has to be told."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall, given
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import UNKNOWN, Const, Seq, Tensor, as_tensor, python_type
from .keras_layout import Refused
from .keras_ops import arg, dtype, only, size
from .named import named


def tensor_of(ctx: Context, call: BoundCall, bound: Bound) -> Any:
    """What is given as a tensor: numbers and lists of them become one."""
    node = nodes.bare(ctx.updated(bound.node), bound.node)
    kind = call.args.get("dtype")
    keywords = {"dtype": dtype(ctx, kind)} if kind is not None and kind.value != Const(None) else {}
    if as_tensor(bound.value) is not None:
        if not keywords:
            return node
        return cst.Call(cst.Attribute(nodes.parenthesized(node), cst.Name("to")), [cst.Arg(keywords["dtype"])])
    plain = isinstance(bound.value, Const | Seq) or python_type(bound.value) in ("int", "float", "bool")
    return nodes.call("torch.tensor" if plain else "torch.as_tensor", node, **keywords)


@named("keras_constant")
def constant(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.constant([1.0, 2.0])``."""
    only(call, "value", "data", "dtype", "name")
    bound = given(call, "value", "data")
    if bound is None:
        return Refusal("XL202", f"{call.api}: its value is not given")
    return Edit(tensor_of(ctx, call, bound), ("torch",))


@named("keras_variable")
def variable(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.Variable(x)`` is a parameter; one of integers, or that is not trained, needs no gradient."""
    only(call, "initial_value", "initializer", "trainable", "dtype", "name")
    bound = given(call, "initial_value", "initializer")
    value = bound.value if bound is not None else UNKNOWN
    tensor = as_tensor(value)
    known = tensor is not None or isinstance(value, Const | Seq) or python_type(value) in ("int", "float", "bool")
    if bound is None or not known or (isinstance(value, Const) and isinstance(value.value, str)):
        return Refusal("XL202", f"{call.api}: what it starts from is not known to be a tensor or numbers")
    trainable = call.args.get("trainable")
    keywords: dict[str, Any] = {}
    whole = tensor is not None and (tensor.dtype or "float").startswith(("int", "uint", "bool"))
    if whole or python_type(value) in ("int", "bool"):
        keywords["requires_grad"] = nodes.literal(False)
    elif trainable is not None and trainable.value not in (Const(True), Const(None)):
        keywords["requires_grad"] = ctx.updated(trainable.node)
    return Edit(nodes.call("nn.Parameter", tensor_of(ctx, call, bound), **keywords), ("nn",))


def assigned(method: str) -> Any:
    """``variable.assign(value)``: the parameter's data changes, which no gradient sees."""

    def rule(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
        only(call, "input", "value", "delta", "read_value", "name", "use_locking")
        target = call.receiver
        value = given(call, "value", "delta")
        tensor = as_tensor(target.value) if target is not None else None
        if target is None or value is None or tensor is None or not tensor.variable:
            return Refusal("XL205", f"{call.api}: that this is a variable is not known here")
        given_node = ctx.updated(value.node)
        if method == "copy_" and as_tensor(value.value) is None:
            given_node = nodes.call("torch.as_tensor", nodes.bare(given_node, value.node))
        data = cst.Attribute(nodes.parenthesized(ctx.updated(target.node)), cst.Name("data"))
        return Edit(cst.Call(cst.Attribute(data, cst.Name(method)), [cst.Arg(nodes.bare(given_node, value.node))]))

    return rule


for _name, _method in (("assign", "copy_"), ("assign_add", "add_"), ("assign_sub", "sub_")):
    named(f"keras_{_name}")(assigned(_method))


@named("keras_fill")
def fill(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.fill(shape, value)``, ``keras.ops.full(shape, value, dtype)``."""
    only(call, "dims", "shape", "value", "fill_value", "dtype", "name")
    shape = given(call, "dims", "shape")
    kind = call.args.get("dtype")
    if shape is None:
        return Refusal("XL202", f"{call.api}: its shape is not given")
    keywords = {"dtype": dtype(ctx, kind)} if kind is not None and kind.value != Const(None) else {}
    value = given(call, "value", "fill_value")
    if not keywords and call.api == "tf.fill" and (value is None or python_type(value.value) is None):
        raise Refused("XL209", f"{call.api}: the type of its value is not known here")
    return Edit(nodes.call("torch.full", size(ctx, shape), arg(ctx, call, "value", "fill_value"), **keywords))


@named("keras_randint")
def randint(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``keras.random.randint(shape, 0, 9)``."""
    only(call, "shape", "minval", "maxval", "dtype", "seed")
    kind = call.args.get("dtype")
    wide = kind is None or kind.value in (Const(None), Const("int64"))
    keywords = {"dtype": dtype(ctx, kind)} if kind is not None and not wide else {}
    low, high = arg(ctx, call, "minval"), arg(ctx, call, "maxval")
    bounds = [high] if nodes.integer(low) == 0 else [low, high]
    return Edit(nodes.call("torch.randint", *bounds, size(ctx, call.args["shape"]), **keywords), ("torch",))


@named("keras_pad")
def pad(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.pad(x, [[0, 0], [1, 2]])``: PyTorch counts from the last axis; its mirrors leave the first axes alone."""
    only(call, "tensor", "x", "paddings", "pad_width", "mode", "constant_values", "name")
    amounts = given(call, "paddings", "pad_width")
    pairs = pairs_of(amounts.node) if amounts is not None else None
    mode = call.args.get("mode")
    how = mode.value.value.lower() if mode is not None and isinstance(mode.value, Const) else "constant"
    if pairs is None or (mode is not None and not isinstance(mode.value, Const)):
        raise Refused("XL201", f"{call.api}: its amounts and mode must be written out to be translated")
    while pairs and all(nodes.integer(n) == 0 for n in pairs[0]):
        pairs = pairs[1:]
    if how not in ("constant", "reflect") or (how == "reflect" and len(pairs) > 3):
        raise Refused("XL201", f"{call.api}: mode {how!r} has no counterpart for these axes")
    flat = [ctx.updated(n) for pair in reversed(pairs) for n in pair]
    keywords: dict[str, Any] = {"mode": nodes.literal(how)} if how != "constant" else {}
    value = given(call, "constant_values")
    if value is not None and value.value not in (Const(0), Const(0.0), Const(None)):
        keywords["value"] = ctx.updated(value.node)
    x = arg(ctx, call, "tensor", "x")
    if how == "reflect" and len(pairs) + 1 < (rank := rank_or_zero(call)) and rank > len(pairs) + 2:
        raise Refused("XL201", f"{call.api}: mirrored axes of an input of rank {rank}")
    return Edit(nodes.call("F.pad", x, nodes.tuple_of(flat), **keywords), ("F",))


def rank_or_zero(call: BoundCall) -> int:
    tensor = as_tensor(call.value("tensor") if "tensor" in call.args else call.value("x"))
    return tensor.rank or 0 if isinstance(tensor, Tensor) else 0


def pairs_of(node: Any) -> list[list[Any]] | None:
    """The amounts of a list of pairs."""
    if not isinstance(node, cst.List | cst.Tuple):
        return None
    rows = [e.value for e in node.elements]
    if not all(isinstance(r, cst.List | cst.Tuple) and len(r.elements) == 2 for r in rows):
        return None
    return [[e.value for e in r.elements] for r in rows]  # type: ignore[attr-defined]


@named("keras_devices")
def devices(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.config.list_physical_devices("GPU")``: as long and as true."""
    kind = call.args.get("device_type")
    if kind is None or kind.value != Const("GPU"):
        return Refusal("XL203", f"{call.api}: only GPUs are counted in PyTorch")
    return Edit(nodes.call("range", nodes.call("torch.cuda.device_count")), ("torch",))


@named("keras_called_graph")
def called_graph(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.function(step)``: PyTorch runs eagerly."""
    func = given(call, "func", "step", "method")
    if func is None:
        return Refusal("XL202", f"{call.api}: what it makes a graph of is not given")
    return Edit(ctx.updated(func.node))


@named("keras_recomputed")
def recomputed(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """What is called at once is written as a call of `checkpoint`, see `keras_calls`."""
    if called_at_once(ctx, node):
        return None
    return Refusal("XL203", f"{call.api}: what it gives is kept for later", "call it where it is made")


def called_at_once(ctx: Context, node: cst.Call) -> bool:
    """Whether the result of a call is called in the same expression."""
    found = ctx.facts.cache.get("keras_called_at_once")
    if found is None:
        every = (n for tree in ctx.facts.trees for n in nodes.walk(tree))
        found = ctx.facts.cache["keras_called_at_once"] = {n.func for n in every if isinstance(n, cst.Call)}
    return node in found


@named("emitted_start")
def emitted_start(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A statement that sets an initializer goes, see `keras_weights_start`."""
    return Refusal("XL203", f"{call.api}: it is more than a statement here")


@named("keras_extreme")
def extreme(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.maximum(x, 0.1)``: PyTorch's takes tensors only, and limits by numbers with ``clamp``."""
    only(call, "x", "y", "x1", "x2", "name")
    sides = [b for n in ("x", "x1", "y", "x2") if (b := call.args.get(n)) is not None]
    tensors = [as_tensor(b.value) is not None for b in sides]
    written = [nodes.bare(ctx.updated(b.node), b.node) for b in sides]
    number = sides[tensors.index(False)].value if tensors.count(True) == 1 and len(sides) == 2 else UNKNOWN
    if python_type(number) in ("int", "float"):
        x, limit = written[tensors.index(True)], written[tensors.index(False)]
        bound = "min" if row.tf[0].endswith("maximum") else "max"
        return Edit(cst.Call(cst.Attribute(nodes.parenthesized(x), cst.Name("clamp")), [nodes.keyword(bound, limit)]))
    return Edit(nodes.call(row.tf[0], *written), ("torch",))


@named("keras_numpy")
def numpy(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``x.numpy()``; ``x.numpy().item()`` is a number without it."""
    if call.receiver is None:
        return Refusal("XL205", f"{call.api}: what this is called on is not known here")
    x = nodes.parenthesized(nodes.bare(ctx.updated(call.receiver.node), call.receiver.node))
    if node in read_out(ctx):
        return Edit(x)
    if isinstance(x, cst.Call) and isinstance(x.func, cst.Attribute) and x.func.attr.value == "detach" and not x.args:
        x = x.func.value  # which `tf.stop_gradient` became
    return Edit(nodes.template("{x}.detach().cpu().numpy()", {"x": x}))


def read_out(ctx: Context) -> set[cst.CSTNode]:
    """What `item` and `tolist` are called on."""
    found = ctx.facts.cache.get("keras_read_out")
    if found is None:
        funcs = (n.func for tree in ctx.facts.trees for n in nodes.walk(tree) if isinstance(n, cst.Call))
        found = {f.value for f in funcs if isinstance(f, cst.Attribute) and f.attr.value in ("item", "tolist")}
        ctx.facts.cache["keras_read_out"] = found
    return found
