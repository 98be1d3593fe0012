"""`keras.Sequential` to `nn.Sequential`: layers with an activation become two modules, axis orders are kept."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.emitted import PLACE
from ..infer.facts import BoundCall
from ..infer.keras_graph import is_declaration, made_by
from ..infer.layers import module_base
from ..model import Edge
from ..rewrite.context import Context, Edit, Outcome
from ..values import Instance, Value, without_none
from . import keras_activations as activations
from . import keras_layers as layers
from .keras_calls import child_rank, own_passes, passes, sequence_passes
from .keras_layout import Perm, Refused, letters
from .keras_masks import in_sequence
from .keras_modules import is_super_init

MASKED = "MaskedSequential"


def sequential(ctx: Context, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``keras.Sequential([...])``, with the layers that ``add`` appends elsewhere left to those statements."""
    bound = call.args.get("layers")
    instance = call.result
    told = isinstance(instance, Instance) and instance.children is not None and in_sequence(instance.children)
    if isinstance(instance, Instance) and instance.children:
        written_out = bound is not None and len(getattr(bound.node, "elements", ())) == len(instance.children)
        if not written_out and sequence_passes(ctx, instance, None, None) != own_passes(ctx, instance, None):
            raise Refused("XL301", "models that want different axis orders may stand in one place")
    if bound is None:
        if isinstance(instance, Instance) and instance.children:
            at_edge(ctx, instance)
        return Edit(layers.helper(MASKED), (f"helper:{MASKED}",)) if told else Edit(layers.module("Sequential"))
    if (
        not isinstance(bound.node, cst.List | cst.Tuple)
        or not isinstance(instance, Instance)
        or instance.children is None
    ):
        raise Refused("XL202", "the layers of this Sequential are not written out")
    old = ctx.updated(bound.node)
    parts: list[tuple[Any, Any]] = []
    state, end = sequence_passes(ctx, instance, None, None)
    elements = [e for e in bound.node.elements if not is_declaration(ctx.value(e.value))]
    if len(elements) > len(instance.children) or any(isinstance(e, cst.StarredElement) for e in elements):
        raise Refused("XL202", "the layers of this Sequential are not known one by one")
    for element, value in zip(elements, instance.children, strict=False):
        modules, state = child_modules(ctx, element.value, value, state)
        parts.append((element, modules))
    if parts and state != end:
        parts[-1][1].append(permutation(ctx, state, end))
    at_edge(ctx, instance)
    made = written(new, old, parts)
    return Edit(made.with_changes(func=cst.Name(MASKED)), (f"helper:{MASKED}",)) if told else Edit(made)


def emitted(ctx: Context, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The helper ``Sequential(a, b)``, or of a dict, where its layers want different axis orders; else ``None``.

    Raises:
        Refused: where they do and are not written one by one.
    """
    instance = call.result
    if not isinstance(instance, Instance) or instance.children is None:
        return None
    start, end = sequence_passes(ctx, instance, None, None)
    state, mixed = start, False
    for value in instance.children:
        assert isinstance(value, Instance)
        want, after = passes(ctx, value, child_rank(ctx, value, len(state) if state else None), state)
        mixed, state = mixed or want != state, after
    if not mixed:
        return None
    if len(node.args) != len(instance.children) or any(a.star or a.keyword is not None for a in node.args):
        raise Refused("XL301", "layers of this Sequential want different axis orders")
    state = start
    args: list[cst.Arg] = []
    for old, arg, value in zip(node.args, new.args, instance.children, strict=True):
        before = state
        modules, state = child_modules(ctx, old.value, value, state)
        if len(modules) > 1 and before != state and args and nodes.code(args[-1].value) == "nn.Identity()":
            args.pop()  # the place where PyTorch's module permuted: the names of those after it stay
        comma = arg.comma if isinstance(arg.comma, cst.Comma) else cst.Comma(cst.SimpleWhitespace(""))
        args += [arg.with_changes(value=module, comma=comma) for module in modules]
    if state != end:
        args.append(args[-1].with_changes(value=permutation(ctx, state, end)))
    args[-1] = args[-1].with_changes(comma=new.args[-1].comma)
    return Edit(new.with_changes(func=nodes.dotted("nn.Sequential"), args=args), ("torch",))


def at_edge(ctx: Context, instance: Instance) -> None:
    """A Sequential that no class holds is a model of its own: say what it takes and gives channels-first."""
    if ctx.cls is not None or ctx.claim is not None:
        return
    owner = ctx.func.name if ctx.func is not None else ""
    start, end = sequence_passes(ctx, instance, None, None)
    for name, perm in (("input", start), ("return", end)):
        edge = Edge(owner, name, letters(perm, len(perm))) if perm else None
        if edge is not None and edge not in ctx.edges:
            ctx.edges.append(edge)


TAKEN = ("_initializer", "_regularizer", "_constraint", "initializer", "regularizer", "activation")


def declarations(ctx: Context, node: cst.Call) -> list[cst.CSTNode]:
    """Arguments that the rule of their call reads by itself.

    The ``Input`` in a Sequential's list only says what comes in; initializers, activations and wrapped layers are
    translated with the layer that they belong to.
    """
    call = ctx.call(node)
    if call is not None and (call.api.startswith(("keras.layers.", PLACE)) or call.api.endswith(".add_weight")):
        taken = [b.node for n, b in {**call.args, **call.extra}.items() if n.endswith(TAKEN)]
        chosen = {**call.args, **call.extra}.get("activation")
        if chosen is not None and not activations.is_known(chosen.value):
            taken.remove(chosen.node)
        if call.api in ("keras.layers.Bidirectional", "keras.layers.TimeDistributed") and "layer" in call.args:
            inner = ctx.call(call.args["layer"].node)
            if inner is not None and inner.api in layers.LAYERS:
                taken.append(call.args["layer"].node)
        return [n for n in taken if not call.api.endswith("__call__")]
    if isinstance(node.func, cst.Attribute) and node.func.attr.value == "add" and len(node.args) == 1:
        owner, added = without_none(ctx.value(node.func.value)), node.args[0].value
        if isinstance(owner, Instance) and module_base(owner.cls) == "keras.Sequential":
            return [added] if is_declaration(ctx.value(added)) else []
    bound = call.args.get("layers") if call is not None and call.api == "keras.Sequential" else None
    listed = bound.node if bound is not None else node.args[0].value if is_super_init(node) and node.args else None
    if not isinstance(listed, cst.List | cst.Tuple):
        return []
    every = ((e.value, ctx.call(e.value)) for e in listed.elements)
    return [n for n, c in every if c is not None and c.api in ("keras.Input", "keras.layers.InputLayer")]


def child_modules(ctx: Context, node: Any, value: Value, state: Perm) -> tuple[list[Any], Perm]:
    """The modules of one layer in a sequence, after a permutation where the layer takes another order."""
    if not isinstance(value, Instance):
        raise Refused("XL205", "what stands in this Sequential is not known to be a layer")
    rank = child_rank(ctx, value, len(state) if state else None)
    want, after = passes(ctx, value, rank, state)
    out: list[Any] = []
    if want != state:
        out.append(permutation(ctx, state, want))
    call = ctx.call(node)
    if call is not None and made_by(value) is node and call.api in layers.LAYERS:
        made = layers.build(ctx, call)
        made.perm = made.perm or (after if call.api in layers.FREE else None)
        out += ctx.helped(made.in_sequence(), made.needs)
    else:
        out.append(ctx.updated(node))
    return out, after


def permutation(ctx: Context, have: Perm, want: Perm) -> Any:
    """The module that brings a tensor into another order."""
    rank = len(have or want or ())
    current, wanted = have or tuple(range(rank)), want or tuple(range(rank))
    return ctx.helped(nodes.call("Permute", *(nodes.literal(current.index(a)) for a in wanted)), ("helper:Permute",))


def written(new: cst.Call, old: Any, parts: list[tuple[Any, list[Any]]]) -> Any:
    """``nn.Sequential(a, b)`` with the line breaks and comments of the list that it was."""
    args: list[cst.Arg] = []
    broken = (
        isinstance(old.lbracket.whitespace_after, cst.ParenthesizedWhitespace) if hasattr(old, "lbracket") else False
    )
    inner = old.lbracket.whitespace_after if broken else cst.SimpleWhitespace("")
    outer = new.whitespace_before_args
    nested = outer if broken and isinstance(outer, cst.ParenthesizedWhitespace) else None
    if nested is not None:
        inner = inner.with_changes(last_line=nested.last_line)
        parts = [(e.with_changes(comma=_at(e.comma, nested.last_line)), m) for e, m in parts]
    between = cst.Comma(whitespace_after=_break(inner) if broken else cst.SimpleWhitespace(" "))
    for element, modules in parts:
        comma = element.comma if isinstance(element.comma, cst.Comma) else between
        for i, module in enumerate(modules):
            args.append(cst.Arg(module, comma=comma if i == len(modules) - 1 else between))
    if args:
        last = args[-1].comma
        if broken:
            closing = parts[-1][0].comma
            space = closing.whitespace_after if isinstance(closing, cst.Comma) else None
            end = space if isinstance(space, cst.ParenthesizedWhitespace) else old.rbracket.whitespace_before
            end = _closing(new, end) if nested is not None else end
            closed = isinstance(end, cst.ParenthesizedWhitespace)
            args[-1] = args[-1].with_changes(
                comma=cst.Comma(whitespace_after=end) if closed else cst.MaybeSentinel.DEFAULT
            )
        elif isinstance(last, cst.Comma):
            args[-1] = args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return new.with_changes(
        func=nodes.dotted("nn.Sequential"),
        args=args,
        whitespace_before_args=inner if broken else cst.SimpleWhitespace(""),
    )


def _at(comma: Any, indent: Any) -> Any:
    """A comma whose line break goes to this indentation."""
    space = comma.whitespace_after if isinstance(comma, cst.Comma) else None
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return comma
    return comma.with_changes(whitespace_after=space.with_changes(last_line=indent))


def _closing(call: cst.Call, end: Any) -> Any:
    """The break before the closing bracket, where the call's own bracket stood."""
    last = call.args[-1]
    space = last.comma.whitespace_after if isinstance(last.comma, cst.Comma) else last.whitespace_after_arg
    if isinstance(space, cst.ParenthesizedWhitespace) and isinstance(end, cst.ParenthesizedWhitespace):
        return end.with_changes(last_line=space.last_line)
    return end


def _break(space: Any) -> Any:
    """A line break with the same indentation, without the comment."""
    line = space.first_line.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
    return space.with_changes(first_line=line, empty_lines=[])
