"""``build(input_shape)``: weights whose shapes the first input tells become lazy parameters.

Where ``build`` does not look at its argument, its statements simply join ``__init__``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.keras_graph import input_of
from ..rewrite.context import Refusal
from ..rewrite.rewriter import Rewriter
from ..values import Func, UserClass, as_tensor
from .keras_layout import Refused, moved, order
from .keras_names import assignment, expression, names_in
from .keras_weights import filled, shape_of, trainable

LAZY = "nn.modules.lazy.LazyModuleMixin"


@dataclass(slots=True)
class Plan:
    """What becomes of a class's ``build``."""

    lazy: bool = False
    init: list[Any] = field(default_factory=list)
    """Statements that join the end of ``__init__``."""
    method: Any = None
    """``initialize_parameters``."""
    refusal: Refusal | None = None


def plan(rewriter: Rewriter, cls: UserClass) -> Plan:
    """Decide how the weights of a class are made."""
    cache = rewriter.ctx.facts.cache.setdefault("keras_build", {})
    key = id(cls)
    if key not in cache:
        build = cls.methods.get("build")
        cache[key] = _plan(rewriter, cls, build) if build is not None else Plan()
    return cache[key]


def _plan(rewriter: Rewriter, cls: UserClass, build: Func) -> Plan:
    ctx = rewriter.ctx
    node = build.node
    assert isinstance(node, cst.FunctionDef)
    outer, ctx.func = ctx.func, build
    refusals, ctx.refusals = ctx.refusals, []
    try:
        return _split(rewriter, cls, node)
    except Refused as refused:
        return Plan(refusal=refused.refusal)
    finally:
        ctx.func, ctx.refusals = outer, refusals


def _split(rewriter: Rewriter, cls: UserClass, node: cst.FunctionDef) -> Plan:
    ctx = rewriter.ctx
    params = [p.name.value for p in node.params.params]
    shape = params[1] if len(params) > 1 else ""
    body = [s for s in node.body.body if not bookkeeping(s)]
    if not any(n.value == shape for s in body for n in names_in(s)):
        out = Plan(init=rewriter.block(body))
        if ctx.refusals:
            raise Refused(*_parts(ctx.refusals[0][1]))
        return out
    out = Plan(lazy=True)
    steps: list[Any] = []
    for statement in body:
        lazy_statement(rewriter, cls, statement, out, steps)
        if ctx.refusals:
            raise Refused(*_parts(ctx.refusals[0][1]))
    forward = cls.find("call")
    names = [p.name.value for p in forward.node.params.params] if isinstance(forward, Func) else []
    name = names[1] if len(names) > 1 else "inputs"
    tensor = as_tensor(input_of(ctx.facts, cls.node))
    perm = order(tensor) if tensor is not None else None
    source = cst.Attribute(moved(cst.Name(name), perm, None), cst.Name("shape"))
    out.method = cst.FunctionDef(
        cst.Name("initialize_parameters"), cst.Parameters([cst.Param(cst.Name("self")), cst.Param(cst.Name(name))]),
        cst.IndentedBlock([assignment(cst.Name(shape), source), *steps]), leading_lines=node.leading_lines,
    )  # fmt: skip
    return out


def _parts(refusal: Refusal) -> tuple[str, str, str]:
    return refusal.code, refusal.message, refusal.hint


def bookkeeping(statement: Any) -> bool:
    """``super().build(...)``, ``self.built = True``, a docstring."""
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    small = statement.body[0]
    if isinstance(small, cst.Expr):
        value = small.value
        if isinstance(value, cst.SimpleString):
            return True
        return (
            isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) and value.func.attr.value == "build"
            and isinstance(value.func.value, cst.Call) and nodes.is_name(value.func.value.func, "super")
        )  # fmt: skip
    if isinstance(small, cst.Assign):
        target = small.targets[0].target
        return isinstance(target, cst.Attribute) and target.attr.value in ("built", "input_spec")
    return isinstance(small, cst.Pass)


def lazy_statement(rewriter: Rewriter, cls: UserClass, statement: Any, out: Plan, steps: list[Any]) -> None:
    """One statement of ``build``: a weight is declared now and given its shape later."""
    ctx = rewriter.ctx
    small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1 else None
    if not isinstance(small, cst.Assign) or len(small.targets) != 1:
        raise Refused("XL212", "`build` does more than make weights", "make the layers in `__init__`")
    call = ctx.call(small.value)
    target = small.targets[0].target
    if call is not None and call.api.endswith(".add_weight") and isinstance(target, cst.Attribute):
        for arg in small.value.args:  # type: ignore[attr-defined]
            rewriter.visit(arg)
        if not trainable(ctx, call):
            raise Refused("XL212", "a weight that is not trained is made from the input's shape")
        out.init.append(assignment(target, nodes.call("nn.UninitializedParameter")))
        shape = cst.Call(cst.Attribute(target, cst.Name("materialize")), [cst.Arg(shape_of(ctx, call))])
        lines = [x for x in statement.leading_lines if x.comment is not None]
        steps.append(expression(shape).with_changes(leading_lines=lines))
        steps.append(expression(filled(ctx, call, target)))
        return
    if call is not None and call.api == "tf.TensorShape" and nodes.code(call.args["dims"].node) == nodes.code(target):
        return
    if isinstance(target, cst.Name) and not call:
        made = rewriter.line(statement) if statement in ctx.facts.touched else statement
        steps += made if isinstance(made, list) else [made]
        return
    raise Refused("XL212", "`build` does more than make weights", "make the layers in `__init__`")
