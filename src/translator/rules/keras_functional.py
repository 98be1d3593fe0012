"""Keras's functional API: the statements that build a model become an `nn.Module` class.

Helpers that take and return tensors and make layers on the way become classes too. A region is translated whole or,
on any refusal, left whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Refusal
from ..values import Func
from .keras_claim import Claim, Helper, assignment, calls_in, is_layer, names_in, tensorish
from .keras_layout import Refused
from .keras_regions import (
    assigned,
    class_name,
    find_region,
    input_names,
    is_input,
    is_model,
    leaks,
    model_name,
    report_edges,
)
from .keras_sizes import parameter
from .keras_walk import walk

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter


# -- which functions and statements ---------------------------------------------------------------------------


def helpers(ctx: Context) -> dict[cst.CSTNode, Helper]:
    """The functions that make layers and apply them to tensors, all of whose callers build models."""
    found = ctx.facts.cache.get("keras_helpers")
    if found is None:
        found = ctx.facts.cache["keras_helpers"] = _find_helpers(ctx)
    return found


def _find_helpers(ctx: Context) -> dict[cst.CSTNode, Helper]:
    out: dict[cst.CSTNode, Helper] = {}
    grew = True
    while grew:
        grew = False
        for node, func in ctx.facts.functions.items():
            if node in out or not isinstance(node, cst.FunctionDef) or func.owner is not None:
                continue
            helper = as_helper(ctx, func, out)
            if helper is not None:
                out[node] = helper
                grew = True
    return out


def as_helper(ctx: Context, func: Func, known: dict[cst.CSTNode, Helper]) -> Helper | None:
    node = func.node
    assert isinstance(node, cst.FunctionDef)
    params = node.params
    if params.star_arg is not cst.MaybeSentinel.DEFAULT or params.star_kwarg is not None or node.decorators:
        return None
    names = [p.name.value for p in params.params]
    tensors = [n for n in names if n in func.passed and tensorish(func.passed[n])]
    if not tensors or params.kwonly_params:
        return None
    calls = calls_in(node.body)
    if any(is_input(ctx, c) or is_model(ctx, c) for c in calls):
        return None
    makes = any(isinstance(c.func, cst.Call) and is_layer(ctx.value(c.func)) for c in calls)
    values = [ctx.value(c.func) for c in calls]
    if not makes and not any(isinstance(v, Func) and v.node in known for v in values):
        return None
    options = [n for n in names if n not in tensors and (n != "name" or _reads(node, n))]
    return Helper(func, class_name(func.name), tensors, options)


def _reads(node: cst.FunctionDef, name: str) -> bool:
    """Whether a name is read for anything but the names of layers."""

    class Reads(cst.CSTVisitor):
        found = False

        def visit_Arg(self, arg: cst.Arg) -> bool:
            return not (arg.keyword is not None and arg.keyword.value == "name")

        def visit_Name(self, one: cst.Name) -> None:
            self.found |= one.value == name

    visitor = Reads()
    node.body.visit(visitor)
    return visitor.found


# -- functions --------------------------------------------------------------------------------------------------


def functional(rewriter: Rewriter, node: cst.FunctionDef) -> Any:
    """A helper becomes a class; a function that builds a model gets its class before it."""
    ctx = rewriter.ctx
    func = ctx.facts.functions.get(node)
    if func is None or ctx.claim is not None or func.owner is not None or not isinstance(node.body, cst.IndentedBlock):
        return None
    helper = helpers(ctx).get(node)
    if helper is not None:
        return helper_class(rewriter, node, helper)
    region = find_region(ctx, node.body.body)
    if region is None:
        return None
    params = [*node.params.params, *node.params.kwonly_params]
    outer, ctx.func = ctx.func, func
    try:
        result = model_class(rewriter, node.body.body, region, params, func.name, node)
        if isinstance(result, Refusal):
            return refuse_whole(rewriter, node, result)
        definition, statements = result
        from .keras_modules import header

        rest = [s for part in statements for s in (rewriter.block([part]) if part in node.body.body else [part])]
        new = header(rewriter, node, func).with_changes(body=node.body.with_changes(body=rest))
        return [definition.with_changes(leading_lines=node.leading_lines), new.with_changes(leading_lines=blank(2))]
    finally:
        ctx.func = outer


def blank(n: int) -> list[cst.EmptyLine]:
    return [cst.EmptyLine(indent=False)] * n


def refuse_whole(rewriter: Rewriter, node: Any, refusal: Refusal) -> Any:
    """Leave a structure as it was, under the reason."""
    ctx = rewriter.ctx
    rewriter.refuse(node, refusal)
    ctx.refusals.pop()
    ctx.refused += 1
    ctx.seen += 1
    return rewriter.marked(node, [(node, refusal)])


def helper_class(rewriter: Rewriter, node: cst.FunctionDef, helper: Helper) -> Any:
    """A function from tensors to tensors that makes layers, as a module class."""
    ctx = rewriter.ctx
    claim = Claim(rewriter, helpers(ctx), helper)
    claim.locals = set(helper.options)
    body = list(node.body.body)
    docstring = body[:1] if docs(body) else []
    outer, ctx.func = ctx.func, helper.func
    try:
        forward = run(rewriter, claim, body[len(docstring) :])
    except Refused as refused:
        return refuse_whole(rewriter, node, refused.refusal)
    finally:
        ctx.func = outer
    if isinstance(forward, Refusal):
        return refuse_whole(rewriter, node, forward)
    returned = returned_value(body)
    if returned is not None:
        helper.size = claim.sizes.of(returned)
    by_name = {p.name.value: p for p in node.params.params}
    sized = [cst.Param(cst.Name(parameter(helper.tensors, n))) for n in helper.tensors if n in helper.sized]
    options = [plain_param(rewriter, by_name[n]) for n in helper.options]
    required = [p for p in options if p.default is None]
    optional = [p for p in options if p.default is not None]
    tensors = [plain_param(rewriter, by_name[n]) for n in helper.tensors]
    helper.done = True
    new = module_class(helper.name, docstring, [*sized, *required, *optional], tensors, claim, forward)
    return new.with_changes(leading_lines=node.leading_lines)


def plain_param(rewriter: Rewriter, param: cst.Param) -> cst.Param:
    new = rewriter.visit(param)
    return new.with_changes(comma=cst.MaybeSentinel.DEFAULT)


def docs(body: Sequence[Any]) -> bool:
    """Whether a body starts with a docstring."""
    first = body[0] if body else None
    return (
        isinstance(first, cst.SimpleStatementLine)
        and isinstance(first.body[0], cst.Expr)
        and isinstance(first.body[0].value, cst.SimpleString | cst.ConcatenatedString)
    )


def returned_value(body: Sequence[Any]) -> cst.BaseExpression | None:
    last = body[-1]
    if isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Return):
        return last.body[-1].value
    return None


def run(rewriter: Rewriter, claim: Claim, body: list[Any]) -> Any:
    """Walk a region: the statements of ``forward``, or the first refusal. ``__init__`` is in the claim."""
    ctx = rewriter.ctx
    refusals, ctx.refusals = ctx.refusals, []
    findings, needs = len(ctx.findings), set(ctx.needs)
    outer, ctx.claim = ctx.claim, claim
    try:
        forward = walk(rewriter, claim, body)
        found = ctx.refusals
    except Refused:
        del ctx.findings[findings:]
        ctx.needs = needs
        raise
    finally:
        ctx.claim = outer
        ctx.refusals = refusals
    if found:
        del ctx.findings[findings:]
        ctx.needs = needs
        return found[0][1]
    return forward


def module_class(
    name: str,
    docstring: list[Any],
    options: list[cst.Param],
    tensors: list[cst.Param],
    claim: Claim,
    forward: list[Any],
) -> cst.ClassDef:
    """``class Name(nn.Module)`` with ``__init__`` and ``forward``."""
    me = cst.Param(cst.Name("self"))
    kept = [assignment(nodes.dotted(f"self.{n}"), cst.Name(n)) for n in claim.kept]
    given = {p.name.value for p in options}
    early = [k for k, n in zip(kept, claim.kept, strict=True) if n in given]
    late = [k for k, n in zip(kept, claim.kept, strict=True) if n not in given]
    init = [nodes.statement("super().__init__()"), *early, *claim.init, *late]
    methods = []
    if len(init) > 1 or options:
        methods.append(function("__init__", [me, *options], init))
    methods.append(function("forward", [me, *tensors], forward).with_changes(leading_lines=blank(1) if methods else []))
    if docstring and methods:
        methods[0] = methods[0].with_changes(leading_lines=blank(1))
    return cst.ClassDef(cst.Name(name), cst.IndentedBlock([*docstring, *methods]), [cst.Arg(nodes.dotted("nn.Module"))])


def function(name: str, params: list[cst.Param], body: list[Any]) -> cst.FunctionDef:
    return cst.FunctionDef(cst.Name(name), cst.Parameters(params), cst.IndentedBlock(tidy(body)))


def tidy(body: list[Any]) -> list[Any]:
    """No blank lines before the first statement."""
    if not body or not hasattr(body[0], "leading_lines"):
        return body or [cst.SimpleStatementLine([cst.Pass()])]
    lines = list(body[0].leading_lines)
    while lines and lines[0].comment is None:
        lines.pop(0)
    return [body[0].with_changes(leading_lines=lines), *body[1:]]


# -- regions ------------------------------------------------------------------------------------------------------


def model_class(
    rewriter: Rewriter, body: Sequence[Any], region: tuple[int, int], params: list[cst.Param], base: str, owner: Any
) -> Any:
    """The class for a region, and the statements of the block with the region replaced; or a refusal."""
    ctx = rewriter.ctx
    first, last = region
    inner, end = list(body[first:last]), body[last]
    model = next(c for c in calls_in(end) if is_model(ctx, c))
    bound = ctx.call(model)
    assert bound is not None
    problem = leaks(ctx, body, first, last)
    if problem is not None:
        return problem
    before = [p.name.value for p in params] + assigned(body[:first])
    claim = Claim(rewriter, helpers(ctx), None)
    free = {n.value for s in [*inner, end] for n in names_in(s)}
    options = [n for n in dict.fromkeys(before) if n in free and ctx.taken is not None]
    claim.locals = set(options)
    inputs = input_names(ctx, inner, bound)
    if isinstance(inputs, Refusal):
        return inputs
    outputs = {**bound.args, **bound.extra}["outputs"]
    returning = cst.SimpleStatementLine([cst.Return(outputs.node)])
    try:
        forward = run(rewriter, claim, [*inner, returning])
    except Refused as refused:
        return refused.refusal
    if isinstance(forward, Refusal):
        return forward
    name = model_name(ctx, end, bound, base, helpers(ctx))
    by_name = {p.name.value: p for p in params}
    required = [n for n in options if by_name.get(n) is None or by_name[n].default is None]
    optional = [n for n in options if n not in required]
    made = [
        plain_param(rewriter, by_name[n]) if n in by_name else cst.Param(cst.Name(n)) for n in [*required, *optional]
    ]
    definition = module_class(name, [], made, [cst.Param(cst.Name(n)) for n in inputs], claim, forward)
    report_edges(ctx, name, inner, inputs, outputs)
    args = [cst.Arg(cst.Name(n)) for n in (*required, *optional)]
    replaced = end.deep_replace(model, cst.Call(cst.Name(name), args))
    if isinstance(replaced, cst.SimpleStatementLine):
        lines = [x for x in replaced.leading_lines if x.comment is not None]
        start = body[first].leading_lines if hasattr(body[first], "leading_lines") else []
        replaced = replaced.with_changes(leading_lines=lines or [x for x in start if x.comment is None][:1])
    return definition, [*body[:first], replaced, *body[last + 1 :]]


def claimed(rewriter: Rewriter, statements: Sequence[Any]) -> list[Any] | None:
    """A functional model at module level: its class stands where it was built."""
    ctx = rewriter.ctx
    if ctx.func is not None or ctx.cls is not None or ctx.claim is not None:
        return None
    region = find_region(ctx, statements)
    if region is None:
        return None
    result = model_class(rewriter, statements, region, [], "", None)
    if isinstance(result, Refusal):
        first = statements[region[0]]
        out: list[Any] = []
        for i, statement in enumerate(statements):
            if statement is first:
                out.append(refuse_whole(rewriter, statement, result))
            elif region[0] < i <= region[1]:
                out.append(statement)
            else:
                new = rewriter.statement(statement)
                out.extend(new) if isinstance(new, list) else out.append(new)
        return out
    definition, rest = result
    out = []
    for statement in rest:
        if statement in statements:
            new = rewriter.statement(statement)
            out.extend(new) if isinstance(new, list) else out.append(new)
        else:
            out.append(definition.with_changes(leading_lines=blank(2)))
            out.append(statement.with_changes(leading_lines=blank(2)))
    return out
