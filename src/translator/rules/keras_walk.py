"""The walk over a functional region: each statement goes to ``__init__``, to ``forward``, or to both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from .keras_claim import Claim
from .keras_config import decided
from .keras_flow import Branches, choice, settled
from .keras_inputs import input_choice
from .keras_labels import is_label_assignment, is_name_scope, only_labels
from .keras_layout import Refused
from .keras_lists import module_list
from .keras_loops import loop
from .keras_names import assigned, assignment, is_layer, names_in, tensorish

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter


def walk(rewriter: Rewriter, claim: Claim, body: list[Any]) -> list[Any]:
    """The statements of ``forward``; what makes layers is in ``claim.init``.

    Raises:
        Refused: on a statement that cannot be taken apart.
    """
    variables = {}
    for statement in body:
        variables.update(layer_variables(claim, statement))
    claim.scan(body, variables)
    if claim.plain and claim.names:
        raise Refused("XL212", "this function makes modules")
    forward = fold(block(rewriter, claim, body))
    last = body[-1] if body else None
    if claim.this is not None and isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Return):
        claim.result = claim.sizes.of_result(last.body[-1].value)
    claim.init = settled(claim.init)
    return forward


def layer_variables(claim: Claim, statement: Any) -> dict[cst.CSTNode, str]:
    """``encoder = Dense(64)``: the call to the variable that holds the layer."""
    out: dict[cst.CSTNode, str] = {}

    class Assigns(cst.CSTVisitor):
        def visit_Assign(self, node: cst.Assign) -> None:
            target = node.targets[0].target
            if isinstance(target, cst.Name) and is_layer(claim.ctx.value(node.value)):
                out[node.value] = target.value

    statement.visit(Assigns())
    return out


def block(rewriter: Rewriter, claim: Claim, body: Any) -> list[Any]:
    out: list[Any] = []
    for statement in body:
        if only_labels(statement, claim.labels):
            continue
        if isinstance(statement, cst.SimpleStatementLine):
            out += line(rewriter, claim, statement)
        elif isinstance(statement, cst.If):
            out += conditional(rewriter, claim, statement)
        elif isinstance(statement, cst.For):
            out += loop(rewriter, claim, statement)
        elif isinstance(statement, cst.With) and all(is_name_scope(claim.ctx, i) for i in statement.items):
            out += block(rewriter, claim, statement.body.body)
        elif without_tensors(claim, statement):
            compound(rewriter, claim, statement)
        else:
            raise Refused("XL213", "a functional model is built with a statement that cannot be taken apart")
    return out


def without_tensors(claim: Claim, node: Any) -> bool:
    """Whether a statement only computes with Python values."""
    if isinstance(node, cst.FunctionDef) and node in claim.helpers:
        return False
    inner = [n for n in nodes.walk(node) if isinstance(n, cst.BaseExpression)]
    return not any(n in claim.names or tensorish(claim.ctx.value(n)) for n in inner)


def compound(rewriter: Rewriter, claim: Claim, node: Any) -> None:
    """A statement without tensors, with bodies of its own: it is run when the layers are made."""
    outer, claim.mode = claim.mode, "init"
    inside, rewriter.ctx.claim = rewriter.ctx.claim, None
    try:
        new = rewriter.statement(node)
    finally:
        claim.mode, rewriter.ctx.claim = outer, inside
    for name in assigned([node]):
        changed(claim, name)
    claim.init += new if isinstance(new, list) else [new]


def line(rewriter: Rewriter, claim: Claim, node: cst.SimpleStatementLine) -> list[Any]:
    """One line of simple statements."""
    out: list[Any] = []
    lines: Any = [x if x.comment else x.with_changes(indent=False) for x in node.leading_lines]
    comments = [x for x in lines if x.comment is not None]
    for small in node.body:
        before = len(claim.init)
        found = simple(rewriter, claim, small)
        out += claim.ctx.before
        claim.ctx.before = []
        if not found and len(claim.init) > before and comments:
            claim.init[before] = claim.init[before].with_changes(leading_lines=comments)
        for part, forward in found:
            new = cst.SimpleStatementLine([part], leading_lines=lines, trailing_whitespace=node.trailing_whitespace)
            if forward:
                out.append(new)
            else:
                claim.init.append(new.with_changes(leading_lines=comments if lines else []))
            lines = ()
    return out


def simple(rewriter: Rewriter, claim: Claim, node: Any) -> list[tuple[Any, bool]]:
    """A small statement, and whether it belongs to ``forward``."""
    ctx = claim.ctx
    if isinstance(node, cst.Return):
        return [(returned(claim, node, rewriter), True)]
    if isinstance(node, cst.Pass) or (isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString)):
        return []
    if isinstance(node, cst.Raise | cst.Assert):
        return python(rewriter, claim, node)
    if is_label_assignment(node, claim.labels):
        return []
    value_node = getattr(node, "value", None)
    if not isinstance(node, cst.Assign | cst.AugAssign | cst.Expr | cst.AnnAssign) or value_node is None:
        raise Refused("XL213", "a functional model is built with a statement that cannot be taken apart")
    value = ctx.value(value_node)
    call = ctx.call(value_node)
    if call is not None and call.api == "keras.Input":
        if isinstance(node, cst.Assign):
            declare(claim, [n.value for t in node.targets for n in names_in(t.target)], call)
        return []
    if isinstance(node, cst.Assign) and is_layer(value) and node.value not in claim.lists.made:
        return made(rewriter, claim, node)
    if (
        tensorish(value)
        or (isinstance(node, cst.AugAssign) and tensorish(ctx.value(node.target)))
        or on_tensors(claim, node)
    ):
        new = nodes.rebuild(node, lambda child: child if is_target(child) else rewriter.visit(child))
        note_sizes(claim, node)
        appended(claim, node)
        return [(rewriter._bare(node, new), True)]
    return python(rewriter, claim, node)


def declare(claim: Claim, names: list[str], call: BoundCall) -> None:
    """What an `Input` says about its channels."""
    shape = call.args.get("shape") or call.args.get("batch_shape") or call.args.get("batch_input_shape")
    for name in names if shape is not None else ():
        claim.sizes.declare(name, shape.node)  # type: ignore[union-attr]
        if name in claim.sizes.known:
            claim.init_names.update(names_in(shape.node))  # type: ignore[union-attr]


def on_tensors(claim: Claim, node: Any) -> bool:
    """``features = []`` and ``features.append(x)`` where the list comes to hold tensors."""
    if isinstance(node, cst.Assign) and isinstance(node.value, cst.List | cst.Tuple | cst.Dict):
        return any(n.value in claim.tensor_names for t in node.targets for n in names_in(t.target))
    call = node.value if isinstance(node, cst.Expr) else None
    if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) and isinstance(call.func.value, cst.Name):
        return call.func.value.value in claim.tensor_names
    return False


def is_target(child: Any) -> bool:
    return isinstance(child, cst.AssignTarget)


def returned(claim: Claim, node: cst.Return, rewriter: Rewriter) -> cst.Return:
    """``return`` of the outputs: a list of them is a tuple."""
    if node.value is None:
        raise Refused("XL213", "nothing is returned")
    new = rewriter.visit(node.value)
    new = nodes.bare(new, node.value)
    if isinstance(new, cst.List):
        new = nodes.tuple_of([e.value for e in new.elements]) if len(new.elements) > 1 else new.elements[0].value
        if isinstance(new, cst.Tuple):
            new = new.with_changes(lpar=[], rpar=[])
    return cst.Return(new)


def made(rewriter: Rewriter, claim: Claim, node: cst.Assign) -> list[tuple[Any, bool]]:
    """``dense = Dense(10)``: the attribute is set in ``__init__``, the variable is not needed."""
    if claim.maker(claim.ctx.value(node.value)) is None and node.value not in claim.names:
        raise Refused("XL213", "a layer is picked at run time here")
    rewriter.visit(node.value)
    return []


def note_sizes(claim: Claim, node: Any) -> None:
    targets = [node.target] if hasattr(node, "target") else []
    if isinstance(node, cst.Assign):
        targets = [t.target for t in node.targets]
    for target in targets:
        if isinstance(target, cst.Name):
            claim.sizes.bind(target.value, node.value)
        elif isinstance(target, cst.Tuple | cst.List):
            sizes = claim.sizes.parts(node.value, len(target.elements))
            for element, size in zip(target.elements, sizes, strict=True):
                for name in names_in(element.value):
                    claim.sizes.known[name.value] = size
        else:
            for name in names_in(target):
                claim.sizes.known[name.value] = None


def appended(claim: Claim, node: Any) -> None:
    """``skips.append(x)``."""
    call = node.value if isinstance(node, cst.Expr) else None
    if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) and isinstance(call.func.value, cst.Name):
        name = call.func.value.value
        if call.func.attr.value == "append" and len(call.args) == 1:
            claim.sizes.append(name, call.args[0].value, many=bool(claim.in_loop))
        else:
            claim.sizes.known[name] = None


def changed(claim: Claim, name: str) -> None:
    """A Python variable gets a value when the layers are made."""
    if name in claim.kept:
        raise Refused("XL213", f"`{name}` changes between its uses")
    claim.locals.add(name)
    if claim.in_loop:
        claim.unsteady.add(name)
    claim.sizes.forget(name)


def python(rewriter: Rewriter, claim: Claim, node: Any) -> list[tuple[Any, bool]]:
    """A statement without tensors: it is run when the layers are made."""
    outer, claim.mode = claim.mode, "init"
    try:
        new = nodes.rebuild(node, lambda child: child if is_target(child) else rewriter.visit(child))
    finally:
        claim.mode = outer
    if isinstance(node, cst.Assign) and any(n.value in claim.lists.names for t in node.targets for n in names_in(t)):
        new = new.with_changes(value=module_list(node.value, new.value))
    if isinstance(node, cst.Assign | cst.AugAssign | cst.AnnAssign):
        targets = [t.target for t in node.targets] if isinstance(node, cst.Assign) else [node.target]
        for target in targets:
            for name in names_in(target):
                changed(claim, name.value)
    return [(rewriter._bare(node, new), False)]


# -- control flow ----------------------------------------------------------------------------------------------


def conditional(rewriter: Rewriter, claim: Claim, node: cst.If) -> list[Any]:
    """An ``if`` on what is known when the layers are made stands in both methods."""
    live = decided(claim.ctx, node)
    if live is not None:
        return block(rewriter, claim, live)
    chosen = input_choice(claim.ctx, node)
    if chosen is not None:
        return chosen_input(claim, chosen)
    if tensorish(claim.ctx.value(node.test)):
        raise Refused("XL213", "a functional model branches on a tensor")
    before_init, before_sizes = claim.init, dict(claim.sizes.known)
    parts: list[Any] = [node.body.body]
    orelse = node.orelse
    if isinstance(orelse, cst.If):
        parts.append([orelse])
    elif orelse is not None:
        parts.append(orelse.body.body)
    test_init = tested(rewriter, claim, node.test, "init")
    forwards: list[list[Any]] = []
    sizes: list[dict[str, Any]] = []
    stopped: list[bool] = []
    branches = Branches(node, test_init, [], isinstance(orelse, cst.If))
    for part in parts:
        claim.init, claim.sizes.known = [], dict(before_sizes)
        forwards.append(block(rewriter, claim, part))
        branches.bodies.append(claim.init)
        sizes.append(claim.sizes.known)
        stopped.append(ends(part))
    if len(parts) == 1:
        branches.bodies.append([])
        sizes.append(before_sizes)
        stopped.append(False)
    claim.init = before_init
    claim.init.append(branches)
    live_sizes = [s for s, gone in zip(sizes, stopped, strict=True) if not gone]
    if len(live_sizes) == len(sizes):
        claim.sizes.either(branches, sizes)
    else:
        claim.sizes.known = live_sizes[0] if live_sizes else before_sizes
    if not any(forwards):
        return []
    made = choice(node, tested(rewriter, claim, node.test, "forward"), forwards, isinstance(orelse, cst.If))
    return [made] if made is not None else []


def ends(body: Any) -> bool:
    """Whether a branch does not reach what comes after it."""
    last = body[-1] if body else None
    if isinstance(last, cst.If):
        other = last.orelse
        return isinstance(other, cst.Else | cst.If) and ends(last.body.body) and (
            ends(other.body.body) if isinstance(other, cst.Else) else ends([other])
        )  # fmt: skip
    return isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Raise | cst.Return)


def chosen_input(claim: Claim, chosen: Any) -> list[Any]:
    """``img_input = Input(shape) if input_tensor is None else input_tensor``: the module is told its input."""
    if chosen.call is not None:
        declare(claim, [chosen.name], chosen.call)
    out = []
    for name, source in chosen.aliases:
        if source in claim.sizes.known:
            claim.sizes.known[name] = claim.sizes.known[source]
        claim.inputs[name] = claim.inputs.get(source, source)
        if name in claim.read:
            out.append(assignment(cst.Name(name), cst.Name(claim.inputs[name])))
    return out


def tested(rewriter: Rewriter, claim: Claim, node: cst.BaseExpression, mode: str) -> Any:
    outer, claim.mode = claim.mode, mode
    try:
        return nodes.bare(rewriter.visit(node), node)
    finally:
        claim.mode = outer


def fold(body: list[Any]) -> list[Any]:
    """``y = f(x); return y`` is ``return f(x)``."""
    if len(body) < 2:
        return body
    last, before = body[-1], body[-2]
    if not (isinstance(last, cst.SimpleStatementLine) and isinstance(before, cst.SimpleStatementLine)):
        return body
    small, end = before.body[0], last.body[0]
    if (
        isinstance(end, cst.Return) and isinstance(end.value, cst.Name) and isinstance(small, cst.Assign)
        and len(small.targets) == 1 and nodes.is_name(small.targets[0].target, end.value.value)
    ):  # fmt: skip
        lines = [*before.leading_lines]
        return [*body[:-2], last.with_changes(body=[cst.Return(small.value)], leading_lines=lines)]
    return body
