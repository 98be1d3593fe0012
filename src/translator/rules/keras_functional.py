"""Keras's functional API: the statements that build a model become an `nn.Module` class.

Helpers that take and return tensors and make layers on the way become classes too. A region is translated whole or,
on any refusal, left whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Refusal
from ..values import Func, options_of
from .keras_claim import Claim
from .keras_flow import reads, unused
from .keras_helpers import Helper, helpers, outers
from .keras_inputs import pruned, refuses
from .keras_labels import label_names, labels
from .keras_layout import Refused
from .keras_names import assigned, assignment, calls_in
from .keras_regions import find_region, input_choices, input_names, is_model, leaks, model_name, report_edges
from .keras_sizes import parameter
from .keras_walk import walk

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter


# -- functions --------------------------------------------------------------------------------------------------


def functional(rewriter: Rewriter, node: cst.FunctionDef) -> Any:
    """A helper becomes a class; a function that builds a model gets its class before it."""
    ctx = rewriter.ctx
    func = ctx.facts.functions.get(node)
    if func is None or ctx.claim is not None or func.owner is not None or not isinstance(node.body, cst.IndentedBlock):
        return None
    helper = helpers(ctx).get(node) or outers(ctx).get(node)
    if helper is not None:
        translate_helper(rewriter, helper)
        ctx.needs.update(helper.needs)
        ctx.findings += helper.findings
        return refuse_whole(rewriter, node, helper.refusal) if helper.refusal is not None else helper.definition
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

        ours = set(nodes.walk(node.body))
        rest = [s for part in statements for s in (rewriter.block([part]) if part in ours else [part])]
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


def translate_helper(rewriter: Rewriter, helper: Helper) -> None:
    """Write the class (or function) for a helper, once: callers above it ask for it before its own turn comes."""
    if helper.definition is not None or helper.refusal is not None or helper.busy:
        return
    ctx = rewriter.ctx
    helper.busy = True
    func, ctx.func = ctx.func, helper.func
    cls, ctx.cls = ctx.cls, None
    outer, ctx.new = ctx.new, {}
    # Whoever asks first may turn out to be refused: what the helper needs stays with it.
    needs, ctx.needs = ctx.needs, set()
    findings, ctx.findings = ctx.findings, []
    try:
        made = None
        if helper.outer is None:
            made = plain_function(rewriter, helper)
        helper.plain = made is not None
        helper.definition = made or helper_class(rewriter, helper)
    except Refused as refused:
        helper.refusal = refused.refusal
    finally:
        ctx.func, ctx.cls, ctx.new, helper.busy = func, cls, outer, False
        helper.needs, ctx.needs = ctx.needs, needs
        helper.findings, ctx.findings = ctx.findings, findings


def plain_function(rewriter: Rewriter, helper: Helper) -> Any:
    """A helper whose layers all become expressions (an activation) stays a function; ``None`` if it makes modules."""
    ctx = rewriter.ctx
    node = helper.func.node
    sized = list(helper.sized)
    state = ctx.seen, ctx.translated, ctx.refused, len(ctx.findings), set(ctx.needs)
    claim = Claim(rewriter, helpers(ctx), helper)
    claim.plain = True
    claim.labels = labels(ctx, helper.func)
    body, docstring = parts_of(node)
    try:
        forward = run(rewriter, claim, body)
        if not claim.names and not claim.init:
            helper.size = claim.result
            gone = claim.labels
            params = [plain_param(rewriter, p) for p in node.params.params if p.name.value not in gone]
            new = function(node.name.value, params, [*docstring, *forward])
            return new.with_changes(leading_lines=node.leading_lines)
    except Refused:
        pass
    ctx.seen, ctx.translated, ctx.refused = state[:3]
    del ctx.findings[state[3] :]
    ctx.needs = state[4]
    helper.sized, helper.size = sized, None
    return None


def parts_of(node: Any) -> tuple[list[Any], list[Any]]:
    """The statements of a function, and its docstring."""
    body = list(node.body.body)
    docstring = body[:1] if docs(body) else []
    return body[len(docstring) :], docstring


def helper_class(rewriter: Rewriter, helper: Helper) -> Any:
    """A function from tensors to tensors that makes layers, as a module class.

    Raises:
        Refused: if something in it cannot be taken apart.
    """
    ctx = rewriter.ctx
    node = helper.definition_node
    claim = Claim(rewriter, helpers(ctx), helper)
    claim.locals = set(helper.options)
    body, docstring = parts_of(node)
    if helper.outer is not None:
        inner = helper.func.node
        every = {p.name.value for p in helper.parameters} | {*assigned(body), *assigned(inner.body.body)}
        claim.labels = label_names(ctx, every, node.body)
        own, own_docs = parts_of(inner)
        docstring = docstring or own_docs
        body = [*(s for s in body[:-1] if s is not inner), *own]
    else:
        claim.labels = labels(ctx, helper.func)
    forward = run(rewriter, claim, body)
    helper.size = claim.result
    tell_size(helper, claim)
    by_name = {p.name.value: p for p in helper.parameters}
    sized = [cst.Param(cst.Name(parameter(helper.tensors, n))) for n in helper.tensors if n in helper.sized]
    used = {n for s in [*claim.init, *forward] for n in reads(s)} | set(claim.kept)
    if not helper.value:
        helper.options = [n for n in helper.options if n in used or by_name[n].default is None]
    options = [plain_param(rewriter, by_name[n]) for n in helper.options]
    required = [p for p in options if p.default is None]
    optional = [p for p in options if p.default is not None]
    tensors = [plain_param(rewriter, by_name[n]) for n in helper.tensors]
    new = module_class(helper.name, docstring, [*sized, *required, *optional], tensors, claim, forward)
    return new.with_changes(leading_lines=node.leading_lines)


def tell_size(helper: Helper, claim: Claim) -> None:
    """Channels that callers cannot work out from the arguments are an attribute of the module."""
    sizes = helper.size if isinstance(helper.size, list) else [helper.size]
    if any(isinstance(s, list) for s in sizes):
        helper.size = None
    if helper.size is None or all(s is None for s in sizes):
        helper.size = None
        return
    params = {*helper.options, *(parameter(helper.tensors, n) for n in helper.tensors)}
    changing = set(assigned(claim.init))
    free = {n for s in sizes if s is not None for n in reads(cst.Expr(s))}
    builtins = {"int", "max", "min", "round", "len", "sum", "float"}
    if not helper.value and free <= params | builtins and not free & changing and not starred(claim.ctx, helper):
        return
    helper.told = True
    told = nodes.tuple_of([s if s is not None else cst.Name("None") for s in sizes])
    value = told.with_changes(lpar=[], rpar=[]) if isinstance(helper.size, list) else helper.size
    claim.init.append(assignment(nodes.dotted("self.out_channels"), value))


def starred(ctx: Context, helper: Helper) -> bool:
    """Whether some call hides a helper's arguments behind ``**``."""
    found = ctx.facts.cache.get("keras_starred")
    if found is None:
        found = ctx.facts.cache["keras_starred"] = set()

        class Calls(cst.CSTVisitor):
            def visit_Call(self, node: cst.Call) -> None:
                if any(a.star for a in node.args):
                    found.update(o.node for o in options_of(ctx.value(node.func)) if isinstance(o, Func))

        for tree in ctx.facts.trees:
            tree.visit(Calls())
    return helper.definition_node in found


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


def run(rewriter: Rewriter, claim: Claim, body: list[Any]) -> list[Any]:
    """Walk a region: the statements of ``forward``; ``__init__`` is in the claim.

    Raises:
        Refused: with the first refusal.
    """
    ctx = rewriter.ctx
    refusals, ctx.refusals = ctx.refusals, []
    findings, needs = len(ctx.findings), set(ctx.needs)
    outer, ctx.claim = ctx.claim, claim
    try:
        forward = walk(rewriter, claim, body)
        for _, found in ctx.refusals:
            raise Refused(found.code, found.message, found.hint)
        if not claim.plain:
            confined(claim, forward)
        said = " ".join(nodes.code(s) for s in forward)
        claim.kept = [n for n in claim.kept if re.search(rf"\bself\.{n}\b", said)]
        return forward
    except Refused:
        del ctx.findings[findings:]
        ctx.needs = needs
        raise
    finally:
        ctx.claim = outer
        ctx.refusals = refusals


def confined(claim: Claim, forward: list[Any]) -> None:
    """Make sure that each method only reads what it can see.

    Raises:
        Refused: where ``__init__`` needs a tensor, or ``forward`` a variable of ``__init__``.
    """
    made = set(assigned(claim.init))
    needs = set().union(*(reads(s) for s in claim.init)) if claim.init else set()
    tensors = (needs & claim.tensor_names) - made - claim.locals
    if tensors:
        raise Refused("XL213", f"`{min(tensors)}`, a tensor, is needed to make the layers")
    seen = set().union(*(reads(s) for s in forward)) if forward else set()
    hidden = (seen & (claim.locals | made)) - set(assigned(forward)) - claim.tensor_names
    if hidden:
        raise Refused("XL213", f"how `{min(hidden)}` is used together with tensors is not understood")


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
    claim.init = unused(claim.init, set(claim.kept))
    given = {p.name.value for p in options}
    nested = set(claim.kept) - given - set(top_level(claim.init))
    claim.init = kept_inside(claim.init, nested)
    claim.kept = [n for n in claim.kept if n not in nested]
    kept = [assignment(nodes.dotted(f"self.{n}"), cst.Name(n)) for n in claim.kept]
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


def top_level(body: Sequence[Any]) -> list[str]:
    """The names that a body assigns whatever happens."""
    return assigned([s for s in body if not isinstance(s, cst.If | cst.For | cst.While | cst.Try)])


def kept_inside(body: Sequence[Any], names: set[str]) -> list[Any]:
    """Attributes for variables that only some branches set, set along with them."""
    out: list[Any] = []
    for statement in body:
        if (
            names
            and isinstance(statement, cst.If | cst.For | cst.Else)
            and isinstance(statement.body, cst.IndentedBlock)
        ):
            changes: dict[str, Any] = {"body": cst.IndentedBlock(kept_inside(statement.body.body, names))}
            orelse = getattr(statement, "orelse", None)
            if orelse is not None:
                changes["orelse"] = kept_inside([orelse], names)[0]
            statement = statement.with_changes(**changes)
        out.append(statement)
        if isinstance(statement, cst.SimpleStatementLine):
            out += [assignment(nodes.dotted(f"self.{n}"), cst.Name(n)) for n in assigned([statement]) if n in names]
    return out


def function(name: str, params: list[cst.Param], body: list[Any]) -> cst.FunctionDef:
    """A function; a signature that is too long for a line has a line for each parameter."""
    made = cst.FunctionDef(cst.Name(name), cst.Parameters(params), cst.IndentedBlock(tidy(body)))
    if sum(len(nodes.code(p.with_changes(star=""))) + 2 for p in params) + len(name) < 100:
        return made
    broken = cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace("    "))
    end = cst.ParenthesizedWhitespace(indent=True)
    commas = [cst.Comma(whitespace_after=broken)] * (len(params) - 1) + [cst.Comma(whitespace_after=end)]
    lined = [p.with_changes(comma=c) for p, c in zip(params, commas, strict=True)]
    return made.with_changes(params=cst.Parameters(lined), whitespace_before_params=broken)


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
    earlier = [s for s in body[:first] if ctx.func is not None or not isinstance(s, cst.FunctionDef)]
    before = list(dict.fromkeys([p.name.value for p in params] + assigned(earlier)))
    claim = Claim(rewriter, helpers(ctx), None)
    claim.locals = set(before)
    claim.labels = label_names(ctx, {*assigned(inner)}, cst.IndentedBlock([*inner, end]))
    inputs = input_names(ctx, inner, bound)
    if isinstance(inputs, Refusal):
        return inputs
    outputs = {**bound.args, **bound.extra}["outputs"]
    returning = cst.SimpleStatementLine([cst.Return(outputs.node)])
    try:
        forward = run(rewriter, claim, [*inner, returning])
    except Refused as refused:
        return refused.refusal
    name = model_name(ctx, end, bound, base, helpers(ctx))
    by_name = {p.name.value: p for p in params}
    used = {n for s in [*claim.init, *forward] for n in reads(s)} | set(claim.kept)
    options = [n for n in before if n in used]
    given_now = set(assigned(body[:first]))
    required = [n for n in options if by_name.get(n) is None or by_name[n].default is None or n in given_now]
    optional = [n for n in options if n not in required]
    made = [cst.Param(cst.Name(n)) for n in required] + [plain_param(rewriter, by_name[n]) for n in optional]
    definition = module_class(name, [], made, [cst.Param(cst.Name(n)) for n in inputs], claim, forward)
    report_edges(ctx, name, inner, inputs, outputs)
    args = [cst.Arg(cst.Name(n)) for n in required] + [
        nodes.keyword(n, cst.Name(n)) if len(options) > 3 else cst.Arg(cst.Name(n)) for n in optional
    ]
    replaced = end.deep_replace(model, cst.Call(cst.Name(name), args))
    if isinstance(replaced, cst.SimpleStatementLine):
        lines = [x for x in replaced.leading_lines if x.comment is not None]
        start = body[first].leading_lines if hasattr(body[first], "leading_lines") else []
        replaced = replaced.with_changes(leading_lines=lines or [x for x in start if x.comment is None][:1])
    given = list(dict.fromkeys(c.given for c in input_choices(ctx, inner)))
    before_it = pruned(list(body[:first]), set(given))
    start = 1 if docs(before_it) else 0
    guards = [refuses(name) for name in given]
    return definition, [*before_it[:start], *guards, *before_it[start:], replaced, *body[last + 1 :]]


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
