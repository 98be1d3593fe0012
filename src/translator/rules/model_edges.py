"""What a model says of the axis order at its edge: in the docstring of `call`, and with an `InputSpec`.

A model that is fed images in PyTorch's order by mistake would build kernels of wrong sizes without an error, so it says
how many channels it takes where that is known.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..layout.edge import method_edges
from ..layout.inputs import channels
from ..layout.perms import channels_last, order_of
from ..rewrite.context import Context
from ..values import Api, Func, UserClass, as_tensor
from .axis_notes import with_note


def is_edge(ctx: Context, cls: UserClass | None) -> bool:
    """Whether a class is a model that no other model of the program calls, and whose tensors may change order."""
    if cls is None or not ctx.moves_channels or not cls.module or cls in ctx.local_layers:
        return False
    return any(isinstance(b, Api) and ctx.tables.canonical(b.name) == "torch.nn.Module" for b in cls.bases)


def documented(ctx: Context, func: Func, new: cst.FunctionDef) -> cst.FunctionDef:
    """The method `call`, whose docstring says what changed order."""
    if func.name not in ctx.dialect.forward or not is_edge(ctx, func.owner) or func.owner is None:
        return new
    edges = method_edges(func.owner.name, func)
    if not edges or not isinstance(new.body, cst.IndentedBlock):
        return new
    said = ", ".join(f"{edge.name.replace('return', 'result', 1)} {edge.axes}" for edge in edges)
    return new.with_changes(body=with_note(new.body, said))


def specified(ctx: Context, cls: UserClass, body: Any) -> Any:
    """The body of a model, whose constructor ends with ``self.input_spec = ...`` where the channels are known."""
    spec = _spec(ctx, cls) if is_edge(ctx, cls) else None
    if spec is None or not isinstance(body, cst.IndentedBlock):
        return body
    init = cls.methods["__init__"].node
    own = init.params.params[0].name.value
    for i, method in enumerate(body.body):
        if not isinstance(method, cst.FunctionDef) or method.name.value != "__init__":
            continue
        if not isinstance(method.body, cst.IndentedBlock) or any(isinstance(n, cst.Return) for n in nodes.walk(method)):
            return body
        ctx.needs.add("keras")
        target = cst.AssignTarget(cst.Attribute(cst.Name(own), cst.Name("input_spec")))
        line = cst.SimpleStatementLine([cst.Assign([target], spec)])
        grown = method.body.with_changes(body=[*method.body.body, line])
        return body.with_changes(body=[*body.body[:i], method.with_changes(body=grown), *body.body[i + 1 :]])
    return body


def _spec(ctx: Context, cls: UserClass) -> Any:
    """``keras.layers.InputSpec(ndim=4, axes={-1: 3})``, of the first input; ``None`` where it is not known."""
    forward, init = cls.methods.get(ctx.dialect.forward[0]), cls.methods.get("__init__")
    if not isinstance(forward, Func) or not isinstance(init, Func) or "input_spec" in cls.attrs:
        return None
    params = [p.name.value for p in forward.node.params.params]
    tensor = as_tensor(forward.start[params[1]]) if len(params) > 1 and params[1] in forward.start else None
    if tensor is None or tensor.rank is None or order_of(tensor) != channels_last(tensor.rank):
        return None
    count = channels(ctx, tensor, init)
    if count is None:
        return None
    axes = cst.Dict([cst.DictElement(nodes.literal(-1), count)])
    return nodes.template("keras.layers.InputSpec(ndim={rank}, axes={axes})",
                          {"rank": nodes.literal(tensor.rank), "axes": axes})  # fmt: skip
