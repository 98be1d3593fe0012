"""Calls of framework layers: Keras names its arguments otherwise, and takes only tensors by position."""

from __future__ import annotations

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.signatures import Param
from ..values import Api, Const, Instance, as_tensor, without_none

FLAGS = ("True", "False")
"""Defaults of parameters that are no tensors: Keras takes those by name only."""


def framework_layer_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``self.attention(q, k, v, mask, False)``, ``self.conv(input=x)``, ``self.up(x, output_size)``."""
    call = ctx.call(node)
    owner = without_none(ctx.value(node.func))
    if call is None or not call.api.endswith("__call__") or not isinstance(owner, Instance):
        return None
    if not isinstance(owner.cls, Api):
        return None
    if "output_size" in call.args and call.value("output_size") != Const(None) and "Conv" in call.api:
        hint = "pass output_padding= to the layer"
        return Refusal("XL201", f"{call.api}: argument `output_size` is not translated", hint)
    signature = ctx.tables.source.get(owner.cls.name)
    if signature is None or not signature.call:
        return None
    params = [p for p in signature.call[0] if p.kind in ("po", "pk")]
    args: list[cst.Arg] = []
    named = False
    for i, arg in enumerate(new.args):
        if arg.star:
            return None
        if arg.keyword is None and i < len(params) and (named or _no_tensor(params[i])):
            named = True
            arg = arg.with_changes(keyword=cst.Name(params[i].name), equal=nodes.TIGHT)
        elif len(params) == 1 and arg.keyword is not None and arg.keyword.value == params[0].name:
            arg = arg.with_changes(keyword=None, equal=cst.MaybeSentinel.DEFAULT)
        args.append(arg)
    if owner.api == "torch.nn.Linear" and _is_vector(call):
        return _with_batch(new, args)
    if all(a is b for a, b in zip(args, new.args, strict=True)):
        return None
    return Edit(new.with_changes(args=args))


def _no_tensor(param: Param) -> bool:
    return param.default in FLAGS or param.name == "output_size"


def _is_vector(call: BoundCall) -> bool:
    tensor = as_tensor(call.value("input"))
    return tensor is not None and tensor.rank == 1


def _with_batch(new: cst.Call, args: list[cst.Arg]) -> Edit:
    """A vector through a ``Dense``, which takes matrices: as a batch of one."""
    batch = nodes.template("{x}[None]", {"x": nodes.parenthesized(args[0].value)})
    return Edit(nodes.template("{y}[0]", {"y": new.with_changes(args=[args[0].with_changes(value=batch)])}))
