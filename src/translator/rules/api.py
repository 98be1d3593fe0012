"""Calls and names that table rows cover: the only rule file that reads rows.

The source signature says what each argument is, the row where it goes, the target signature in which
order it is written and which defaults differ. An argument that the row does not mention is accepted
only at its default.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

import libcst as cst

from .. import nodes
from ..converters import NotConvertible, convert, is_literal
from ..infer.choose import applies
from ..infer.emitted import PLACE
from ..infer.facts import Bound, BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import HOLE, ArgMap, Row
from ..tables.signatures import Param
from ..values import Api, Const
from . import named
from .fresh_weights import started
from .kept_layers import kept

ALWAYS_DROPPED = frozenset({"device", "requires_grad", "pin_memory", "memory_format", "non_blocking", "out_dtype"})
"""Arguments about placement and memory, which TensorFlow decides by itself."""


def api_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """A call of a framework function, method or class."""
    call = ctx.call(node)
    if call is None or call.api.endswith("__call__"):
        return None
    rows = ctx.tables.find(call.api)
    if not rows:
        return unknown(ctx, call.api)
    row = next((r for r in rows if applies(r, call)), None)
    if row is None:
        return Refusal("XL209", f"{call.api}: which form applies depends on a rank that is not known here")
    return translate_call(ctx, row, call, node, new)


def unknown(ctx: Context, api: str) -> Refusal:
    """An API without a row."""
    if api in ctx.tables.source:
        return Refusal("XL200", f"{api} has no row in the tables yet", "translate it by hand, or add a row")
    return Refusal("XL200", f"{api} is not known", "check the name, or translate it by hand")


def translate_call(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """Apply one row to one call."""
    return with_imports(row, _translate_call(ctx, row, call, node, new))


def with_imports(row: Row, outcome: Outcome) -> Outcome:
    """An edit with the imports that a user's row asks for."""
    if not row.own or not isinstance(outcome, Edit):
        return outcome
    module = row.tf[0].rpartition(".")[0] if row.tf and not row.helper else ""
    framework = module.split(".", 1)[0] in ("", "tf", "keras", "torch", "nn", "F")
    lines = row.imports or (() if framework else (f"import {module}",))
    return replace(outcome, needs=outcome.needs + lines)


def _translate_call(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    if row.refuse:
        return Refusal("XL203", f"{call.api}: {row.refuse}", row.hint)
    starred = any(a.star for a in node.args)
    if row.adapter and (starred or kept(ctx, call)):
        # Which arguments these are is only known at run time, or the layer is asked for what Keras does not keep; the
        # helper takes PyTorch's own, and starts as PyTorch does.
        return Edit(new.with_changes(func=nodes.dotted(row.adapter)), (f"helper:{row.adapter}",))
    if row.rule:
        return named.RULES[row.rule](ctx, row, call, node, new)
    if starred and call.receiver is None and _takes_the_same(ctx, row, node):
        return Edit(new.with_changes(func=nodes.dotted(row.helper or "")), (f"helper:{row.helper}",))
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    if row.tf_expr:
        return from_template(ctx, row, call)
    return to_call(ctx, row, call, new)


# -- rows with an expression ---------------------------------------------------------------------------


def from_template(ctx: Context, row: Row, call: BoundCall) -> Outcome:
    """Fill a row's expression with the call's arguments; absent ones at their defaults."""
    assert row.tf_expr is not None
    holes: dict[str, Any] = {}
    names = set(HOLE.findall(row.tf_expr))
    for name in names:
        if name in call.args:
            outcome = converted(ctx, row.args.get(name, ArgMap((name,))), call.args[name], name, call)
            if isinstance(outcome, Refusal):
                return outcome
            holes[name] = outcome
        elif name in call.defaults:
            holes[name] = nodes.dotted(call.defaults[name])
        else:
            return Refusal("XL201", f"{call.api}: without `{name}` it cannot be translated")
    problem = unmentioned(row, call, names)
    if problem is not None:
        return problem
    result = nodes.template(row.tf_expr, holes)
    if isinstance(result, cst.BinaryOperation | cst.Comparison | cst.UnaryOperation | cst.IfExp | cst.BooleanOperation):
        result = nodes.parenthesized(result)
    return Edit(result, needs_of(row.tf_expr))


def unmentioned(row: Row, call: BoundCall, used: set[str]) -> Refusal | None:
    """Arguments that nothing in the row accounts for must be at their defaults."""
    if call.varargs or call.extra:
        extra = next(iter(call.extra), "*")
        return Refusal("XL201", f"{call.api}: argument `{extra}` is not translated")
    for name, bound in call.args.items():
        spec = row.args.get(name)
        if name in used or name in ALWAYS_DROPPED or row.same_args or (spec is not None and not spec.only):
            continue
        if spec is not None and spec.only is not None:
            if isinstance(bound.value, Const) and bound.value.value in spec.only:
                continue
        elif at_default(ctx_default(call, name), bound):
            continue
        return Refusal("XL201", f"{call.api}: argument `{name}` is not translated at this value")
    return None


def ctx_default(call: BoundCall, name: str) -> str | None:
    """The source default of a parameter that was given."""
    for overload in call.signature.overloads if call.signature is not None else ():
        for param in overload:
            if param.name == name and param.default is not None:
                return param.default
    return None


def at_default(default: str | None, bound: Bound) -> bool:
    """Whether an argument is written out at its default."""
    if default is None or not isinstance(bound.value, Const):
        return False
    try:
        return bool(ast.literal_eval(default) == bound.value.value)
    except (ValueError, SyntaxError):
        return False


def needs_of(text: str) -> tuple[str, ...]:
    """The imports and helpers that an expression's names stand for."""
    out = []
    for root in ("tf", "keras", "math", "np"):
        if f"{root}." in text:
            out.append(root)
    return tuple(out)


# -- rows with a target call ---------------------------------------------------------------------------


def converted(ctx: Context, spec: ArgMap, bound: Bound, name: str, call: BoundCall) -> Any:
    """The target form of one argument: a node, or a refusal."""
    node = ctx.updated(bound.node)
    if bound.star:
        return Refusal("XL202", f"{call.api}: `*` arguments hide what is passed")
    if spec.only is not None and not (isinstance(bound.value, Const) and bound.value.value in spec.only):
        return Refusal("XL201", f"{call.api}: argument `{name}` is translated only as {list(spec.only)}")
    if spec.via is None:
        return node
    fact = named.FACT_CONVERTERS.get(spec.via)
    if fact is not None:
        return fact(ctx, node, bound, call)
    value = literal_value(bound)
    try:
        return convert(spec.via, node, value, known=value is not _NOTHING)
    except NotConvertible as error:
        return Refusal("XL201", f"{call.api}: argument `{name}`: {error}")


_NOTHING = object()


def literal_value(bound: Bound) -> Any:
    """The Python value of an argument that is written out; `_NOTHING` if it is computed."""
    if is_literal(bound.node):
        try:
            return ast.literal_eval(nodes.code(bound.node))
        except (ValueError, SyntaxError):
            return _NOTHING
    return _NOTHING


def target_params(ctx: Context, row: Row) -> tuple[Param, ...] | None:
    """The parameters of a row's target in order; ``None`` if they are not known."""
    if row.helper is not None:
        from ..emit import helper_params

        return helper_params(row.helper, ctx.options.direction.target)
    signature = ctx.tables.target.get(row.tf[0])
    return signature.overloads[0] if signature is not None and signature.overloads else None


def to_call(ctx: Context, row: Row, call: BoundCall, new: cst.Call) -> Outcome:
    """Build the call of a row's target."""
    params = target_params(ctx, row)
    if params is None:
        return Refusal("XL208", f"{row.tf[0]}: its signature is not known, so the call cannot be written")
    given = collect(ctx, row, call, params)
    if isinstance(given, Refusal):
        return given
    args = ordered(params, given)
    name = row.helper or row.tf[0]
    node = new.with_changes(func=nodes.dotted(name), args=args)
    needs = (f"helper:{name}",) if row.helper else needs_of(name)
    extra = tuple(n for v in row.tf_args.values() if isinstance(v, str) for n in needs_of(v))
    return started(ctx, row, call, Edit(node, needs + extra))


def collect(ctx: Context, row: Row, call: BoundCall, params: tuple[Param, ...]) -> dict[str, Any] | Refusal:
    """Target parameter to node: passed arguments, differing defaults, and the row's constants."""
    given: dict[str, Any] = {}
    names = {p.name for p in params}
    for name, bound in call.args.items():
        spec = row.args.get(name)
        if spec is None:
            if name in ALWAYS_DROPPED:
                continue
            if row.same_args and name in names:
                spec = ArgMap((name,))
            elif name == "input" and params and (call.receiver is bound or row.same_args):
                spec = ArgMap((params[0].name,))
            elif at_default(ctx_default(call, name), bound):
                continue
            else:
                return Refusal("XL201", f"{call.api}: argument `{name}` is not translated")
        if spec.drop:
            continue
        node = converted(ctx, spec, bound, name, call)
        if isinstance(node, Refusal):
            return node
        if spec.only is not None and not spec.to:
            continue
        for target in spec.to or (name,):
            given[target] = node
    if call.varargs or call.extra:
        return Refusal("XL201", f"{call.api}: argument `{next(iter(call.extra), '*')}` is not translated")
    add_defaults(row, call, params, given)
    for name, value in row.tf_args.items():
        given.setdefault(name, named.fact(ctx, value, call))
    return {k: v for k, v in given.items() if v is not None}


def add_defaults(row: Row, call: BoundCall, params: tuple[Param, ...], given: dict[str, Any]) -> None:
    """Write out the source's default where the target's own differs."""
    targets = {p.name: p for p in params}
    for name, text in call.defaults.items():
        spec = row.args.get(name) or (ArgMap((name,)) if row.same_args else None)
        if spec is None or spec.drop:
            continue
        for target in spec.to:
            param = targets.get(target)
            if param is None or target in given:
                continue
            value = default_value(text, spec)
            if value is None and call.api.startswith(PLACE):
                continue  # of a helper: what is not given
            if value is _NOTHING or (param.default is not None and _equal(param.literal, value)):
                continue
            given[target] = nodes.literal(value)


def default_value(text: str, spec: ArgMap) -> Any:
    """A source default as a target value."""
    from ..converters import converter

    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return _NOTHING
    if spec.via is None:
        return value
    found = converter(spec.via)
    if found is None:
        return _NOTHING
    try:
        return found.forward(value)
    except NotConvertible:
        return _NOTHING


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def ordered(params: tuple[Param, ...], given: dict[str, Any]) -> list[cst.Arg]:
    """Arguments in the target's order: by position as far as required ones go, by keyword after."""
    args: list[cst.Arg] = []
    positional = True
    for i, param in enumerate(params):
        if param.name not in given:
            positional = False
            continue
        by_position = param.kind in ("po", "pk") and positional and (param.default is None or i == 0)
        args.append(
            cst.Arg(nodes.unwrapped(given[param.name])) if by_position else nodes.keyword(param.name, given[param.name])
        )
    known = {p.name for p in params}
    args += [nodes.keyword(k, v) for k, v in given.items() if k not in known]
    return args


# -- names as values -----------------------------------------------------------------------------------


def api_name(ctx: Context, node: Any, new: Any) -> Outcome:
    """A framework name that is not called: a type, a constant, or a function or class as a value."""
    value = ctx.value(node)
    if not isinstance(value, Api) or value.name.split(".", 1)[0] not in ctx.dialect.roots:
        return None
    if node not in ctx.facts.direct:
        return None
    name = ctx.tables.canonical(value.name)
    signature = ctx.tables.source.get(name)
    rows = ctx.tables.find(name)
    if not rows:
        if signature is not None and signature.kind == "module":
            return Refusal("XL204", f"{name} is passed on as a whole", "name the functions or classes that are used")
        return unknown(ctx, name)
    return with_imports(rows[0], reference(ctx, rows[0], name))


DEPTHWISE = "keras.layers.DepthwiseConv2D"


def uses_depthwise(ctx: Context) -> bool:
    """Whether the project makes a convolution that becomes Keras's depthwise layer."""
    return any(
        call.api == "torch.nn.Conv2d"
        and "groups" in call.args
        and len({nodes.code(call.args[n].node) for n in ("groups", "in_channels", "out_channels") if n in call.args})
        == 1
        for call in ctx.facts.calls.values()
    )


def reference(ctx: Context, row: Row, name: str) -> Outcome:
    """The target's name for a source name that stands alone."""
    if row.refuse:
        return Refusal("XL203", f"{name}: {row.refuse}", row.hint)
    if ctx.role == "isinstance" and row.returns == "wrapped":
        return Edit(cst.Tuple([]))  # nothing is wrapped
    if ctx.role == "isinstance":
        targets = row.instance_of or row.tf
        if DEPTHWISE in targets and not uses_depthwise(ctx):
            targets = tuple(t for t in targets if t != DEPTHWISE)
        if not targets:
            return Refusal("XL204", f"{name} has no class to test against")
        plain = [nodes.dotted(t.removeprefix("helper:")) for t in targets]
        needs = tuple(t if t.startswith("helper:") else n for t in targets for n in (needs_of(t) or (t,)))
        return Edit(plain[0] if len(plain) == 1 else nodes.tuple_of(plain), needs)
    if row.returns == "constant" or row.returns == "type":
        if row.helper:
            return Edit(nodes.dotted(row.helper), (f"helper:{row.helper}",))
        if row.tf_expr and HOLE.search(row.tf_expr):
            return Refusal("XL204", f"{name} is passed on as a value, and its counterpart is an expression")
        if row.tf_expr:
            return Edit(nodes.template(row.tf_expr, {}), needs_of(row.tf_expr))
        return Edit(nodes.dotted(row.tf[0]), needs_of(row.tf[0]))
    if ctx.role == "annotation" or ctx.role == "base":
        target = row.instance_of or row.tf
        if row.helper and not row.instance_of and not name.startswith("torch.nn."):
            return Edit(nodes.dotted(row.helper), (f"helper:{row.helper}",))
        if not target or target[0].startswith("helper:"):
            return Edit(nodes.dotted("keras.layers.Layer"), ("keras",))
        return Edit(nodes.dotted(target[0]), needs_of(target[0]))
    if row.layout == "opaque" and row.helper and ctx.moves_channels and _takes_format(ctx, row):
        hint = "make the layer where its class is named, or translate with --layout channels_first"
        reason = f"{name} is passed on as a value, and has to be told of the axis order where it is made"
        return Refusal("XL204", reason, hint)
    if row.adapter:
        return Edit(nodes.dotted(row.adapter), (f"helper:{row.adapter}",))
    if row.helper and (row.same_args or _same_order(ctx, row)):
        return Edit(nodes.dotted(row.helper), (f"helper:{row.helper}",))
    if row.tf and _same_call(ctx, row):
        return Edit(nodes.dotted(row.tf[0]), needs_of(row.tf[0]))
    return Refusal("XL204", f"{name} is passed on as a value, and its counterpart takes other arguments")


def _takes_the_same(ctx: Context, row: Row, node: cst.Call) -> bool:
    """Whether a helper takes a call's arguments, hidden ones included: by their names, and by position in their order.
    One that it does not have is an error where it is passed."""
    source = ctx.tables.source.get(row.torch[0])
    if not row.helper or not row.same_args or row.tf_args or source is None:
        return False
    own = [p.name for p in target_params(ctx, row) or () if p.kind in ("po", "pk")]
    count = (
        len(own) if any(a.star == "*" for a in node.args) else sum(a.keyword is None and not a.star for a in node.args)
    )
    orders = {tuple(p.name for p in o if p.kind in ("po", "pk"))[:count] for o in source.overloads}
    return "data_format" not in own and orders == {tuple(own[:count])}


def _takes_format(ctx: Context, row: Row) -> bool:
    return any(param.name == "data_format" for param in target_params(ctx, row) or ())


def _same_order(ctx: Context, row: Row) -> bool:
    """Whether a helper takes the function's arguments in the same order, under the same names but for the first."""
    source = ctx.tables.source.get(row.torch[0])
    params = target_params(ctx, row)
    if source is None or not params or row.rule or row.tf_args or not source.overloads:
        return False
    theirs = [p for p in source.overloads[0] if p.name not in ALWAYS_DROPPED]
    if any(p.default is None for p in params[len(theirs) :]):
        return False
    if len(theirs) > len(params) or any(row.args.get(p.name, ArgMap((p.name,))).via for p in theirs):
        return False
    pairs = list(zip(theirs, params, strict=False))
    return all(a.name == b.name for a, b in pairs[1:]) and all(a.default == b.default for a, b in pairs)


def _same_call(ctx: Context, row: Row) -> bool:
    """Whether calling the target with only the first argument does what the source does."""
    source = ctx.tables.source.get(row.torch[0])
    target = ctx.tables.target.get(row.tf[0])
    starts = bool(row.weights) and not row.torch[0].startswith(PLACE)  # the adapter says how, for the helper, too
    if source is None or target is None or not source.overloads or not target.overloads or row.rule or starts:
        return False
    probe = BoundCall(row.torch[0], cst.Call(cst.Name("f")))
    probe.defaults = {p.name: p.default for p in source.overloads[0] if p.default is not None}
    given: dict[str, Any] = {}
    add_defaults(row, probe, target.overloads[0], given)
    return not given and not row.tf_args
