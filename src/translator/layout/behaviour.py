"""How an operation treats the axis order of tensors.

``pointwise``: any order, the same in and out. ``channels``: made for channels-last tensors. ``axis``: any order, its
axis arguments follow. ``rearrange``: axes change places. ``einsum``, ``einops``, ``create`` and ``expand``:
any order, in and out. ``loss``: any order that all tensors share. ``class_loss``: any, told where the classes are.
``reshape``: sees memory order. ``product``: of matrices, whose last two axes may be swapped. ``pass``: values go
through the project's own code. ``look`` and ``iterate``: builtins that do not look into tensors, or go through them
row by row. ``handed``: a layer is called from elsewhere. ``opaque``: source order in and out.
"""

from __future__ import annotations

from typing import Any, Protocol

import libcst as cst

from ..infer import permuting
from ..infer.choose import chosen
from ..infer.dialect import Dialect
from ..infer.facts import BoundCall, Facts
from ..infer.layers import module_base
from ..tables.load import Tables
from ..tables.schema import Row
from ..values import (
    Api,
    BoundMethod,
    Const,
    Func,
    Instance,
    Map,
    MethodOf,
    Seq,
    UserClass,
    Value,
    options_of,
    without_none,
)


class World(Protocol):
    """What both the interpreter and the context of a rewriting know."""

    @property
    def facts(self) -> Facts: ...
    @property
    def tables(self) -> Tables: ...
    @property
    def dialect(self) -> Dialect: ...


BY_RESULT = {
    "same_float": "pointwise", "same_bool": "pointwise", "pointwise_float": "pointwise",
    "pointwise_double": "pointwise",
    "pointwise_bool": "pointwise", "real": "pointwise", "masked_fill": "pointwise", "where": "pointwise",
    "compare": "pointwise", "alias": "pointwise", "expand_as": "pointwise", "expand": "expand",
    "reduce": "axis", "reduce_bool": "axis", "reduce_wide": "axis", "reduce_int": "axis", "arg_reduce": "axis",
    "extreme": "axis", "reduce_two": "axis", "reduce_pair": "axis", "kth": "axis", "cumulate": "axis",
    "cumulative_pair": "axis", "argsort": "axis", "pair_same": "axis", "halved": "axis", "split": "axis",
    "unbind": "axis", "narrow": "axis", "drop_dim": "axis", "cat": "axis", "stack": "axis", "unsqueeze": "axis",
    "squeeze": "axis", "index_select": "axis", "similarity": "axis",
    "permute": "rearrange", "transpose": "rearrange",
    "pointwise": "pointwise", "broadcast": "pointwise",
    "reshape": "reshape", "flatten": "reshape", "ravel": "reshape", "view_as": "reshape",
    "size": "look", "rank": "look", "dim": "look", "str": "look", "type": "look", "bool": "look",
    "padded": "pad", "einsum": "einsum", "create": "create", "full": "create",
    "spatial1d": "channels", "spatial2d": "channels", "spatial3d": "channels", "interpolate": "channels",
    "channels_changed": "channels", "pixel_shuffle": "channels", "sampled": "channels",
    "conv1d_weight": "channels", "conv2d_weight": "channels", "conv3d_weight": "channels",
    "conv1d_transposed": "channels", "conv2d_transposed": "channels", "conv3d_transposed": "channels",
}  # fmt: skip
"""What the kind of an operation's result says about it, unless its row says otherwise."""

TRANSPARENT = frozenset({"dtype", "device", "data", "ndim", "shape", "grad", "requires_grad", "is_cuda"})
"""Attributes that do not look at the axis order, or that the shape rules translate with it."""

CARRIED = "carried"
"""Functions of the project that do not look at the order of axes (`layout.agnostic`)."""

WITH_CHANNELS = frozenset({"channels", "pointwise", "pass", CARRIED})
"""What may be called where a channels-last layer may be called, too."""

POINTWISE_NODES = (cst.BinaryOperation, cst.Comparison, cst.UnaryOperation, cst.AugAssign)


LOOKING = frozenset({
    "len", "isinstance", "print", "type", "id", "hasattr", "getattr", "setattr", "delattr", "super", "str", "repr",
    "dict", "range",
})  # fmt: skip
"""Builtins that do not look into tensors. So do methods of lists and dicts."""
ITERATING = frozenset({"list", "tuple", "zip", "enumerate", "reversed", "sorted", "iter", "next", "set"})
"""Builtins that hand on what stands in lists; a tensor they go through row by row."""


def of_row(row: Row | None) -> str:
    """The behaviour that a table row states."""
    if row is None:
        return "opaque"
    if row.layout:
        return row.layout
    if row.returns.startswith("cast"):
        return "pointwise"
    if row.returns == "matmul" and row.tf == ("tf.matmul",):
        return "product"
    return BY_RESULT.get(row.returns, "opaque")


def row_of(world: World, call: BoundCall) -> Row | None:
    """The row that a call falls under, if it is known which."""
    return chosen(world.tables.find(call.api.removesuffix(".__call__")), call)


def operands(node: cst.CSTNode) -> list[cst.BaseExpression]:
    """The tensors that an operator combines."""
    if isinstance(node, cst.BinaryOperation):
        return [] if isinstance(node.operator, cst.MatrixMultiply) else [node.left, node.right]
    if isinstance(node, cst.Comparison):
        return [node.left, *(t.comparator for t in node.comparisons)]
    if isinstance(node, cst.UnaryOperation):
        return [node.expression]
    if isinstance(node, cst.AugAssign):
        return [node.target, node.value]
    return []


def of_node(world: World, node: cst.CSTNode) -> str:
    """How an expression treats axis order."""
    if isinstance(node, cst.Call):
        return _of_call(world, node)
    if isinstance(node, POINTWISE_NODES):
        product = isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.MatrixMultiply)
        return "pointwise" if operands(node) else "product" if product else "opaque"
    if isinstance(node, cst.Attribute):
        return "pass" if node.attr.value in TRANSPARENT else "opaque"
    if isinstance(node, cst.Subscript):
        return "subscript"
    return "opaque"


def _of_call(world: World, node: cst.Call) -> str:
    call = world.facts.calls.get(node)
    if node in world.facts.unmoved:
        return "opaque"
    if call is not None and not call.api.endswith("__call__"):
        row = row_of(world, call)
        if isinstance(call.result, Instance):
            return "opaque"  # a layer is made, not called
        if row is not None and row.returns == "called":
            return _of_handed(world, node)
        return "pass" if row is not None and row.rule == "drop_call" else of_row(row)
    func = without_none(world.facts.value(node.func))
    if func == Api("builtins.sum") and node.args and isinstance(world.facts.value(node.args[0].value), Seq):
        return "look"
    kinds = {of_callee(world, option) for option in options_of(func)}
    if kinds <= {"channels", "pointwise", "pass"} or ("channels" in kinds and kinds <= WITH_CHANNELS):
        return "channels" if "channels" in kinds else kinds.pop() if len(kinds) == 1 else "pass"
    if kinds <= {CARRIED, "pointwise"}:
        return CARRIED
    return kinds.pop() if len(kinds) == 1 else "opaque"


def _of_handed(world: World, node: cst.Call) -> str:
    """How a call of a function that runs its first argument treats what it hands on."""
    func = without_none(world.facts.value(node.args[0].value)) if node.args else None
    kinds = {of_callee(world, option) for option in options_of(func)} if func is not None else set()
    return "pass" if kinds == {"pass"} else "handed" if "channels" in kinds else "opaque"


def of_callee(world: World, func: Value) -> str:
    """How calling a value treats axis order."""
    from ..infer.agnostic import function_of

    if function_of(world, func) is not None:
        return CARRIED
    if isinstance(func, Api):
        if func.name in ("einops.rearrange", "einops.reduce", "einops.repeat"):
            return "einops"
        name = func.name.removeprefix("builtins.")
        return "look" if name in LOOKING else "iterate" if name in ITERATING else "opaque"
    if isinstance(func, BoundMethod) and isinstance(func.receiver, Seq | Map):
        return "look"
    if isinstance(func, BoundMethod) and func.name in world.dialect.forward and isinstance(func.receiver, Instance):
        return of_callee(world, func.receiver)  # `super().forward(x)`
    if isinstance(func, Func | MethodOf | UserClass):
        return "pass"
    if permuting.is_one(func):
        return "permuting"
    if isinstance(func, Instance):
        if isinstance(func.cls, UserClass) and func.cls.find(world.dialect.forward[0]) is not None:
            return "pass"
        return "pass" if container(world, func) is not None else of_layer(world, func)
    return "opaque"


def container(world: World, owner: Value) -> Instance | None:
    """The container of layers that calling a value runs one after another."""
    if not isinstance(owner, Instance):
        return None
    if isinstance(owner.cls, UserClass):
        children = owner.cls.find("<children>")
        return children if isinstance(children, Instance) else None
    return owner if owner.cls.name in world.dialect.containers else None


def of_layer(world: World, layer: Instance) -> str:
    """The behaviour of a framework's layer."""
    if world.facts.unmoved and layer.sites & world.facts.unmoved.keys():
        return "opaque"
    return of_api(world, layer)


def of_api(world: World, layer: Instance) -> str:
    """The behaviour that the layer's row states, whether or not it was decided to leave this one in source order."""
    if layer.args.get("return_indices", Const(False)) != Const(False):
        return "opaque"  # the indices count through PyTorch's order
    rows = world.tables.find(module_base(layer.cls) or "")
    return of_row(next((row for row in rows if _made_so(row, layer)), rows[0] if rows else None))


def _made_so(row: Row, layer: Instance) -> bool:
    """Whether a layer was made with the arguments that a row is for."""
    for key, wanted in row.when.items():
        if key in ("given", "absent"):
            if any((name in layer.args) != (key == "given") for name in wanted):
                return False
        elif layer.args.get(key) != Const(wanted):
            return False
    return True


def parts(call: BoundCall) -> list[Any]:
    """All arguments of a call."""
    return [*call.args.values(), *call.varargs, *call.extra.values()]
