"""The walk over a functional region: each statement goes to ``__init__``, to ``forward``, or to both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..infer.keras_graph import made_by
from .keras_claim import Claim, assignment, is_layer, names_in, plural, tensorish
from .keras_layout import Refused

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
    return fold(block(rewriter, claim, body))


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
        if isinstance(statement, cst.SimpleStatementLine):
            out += line(rewriter, claim, statement)
        elif isinstance(statement, cst.If):
            out += conditional(rewriter, claim, statement)
        elif isinstance(statement, cst.For):
            out += loop(rewriter, claim, statement)
        else:
            raise Refused("XL213", "a functional model is built with a statement that cannot be taken apart")
    return out


def line(rewriter: Rewriter, claim: Claim, node: cst.SimpleStatementLine) -> list[Any]:
    """One line of simple statements."""
    out: list[Any] = []
    lines: Any = [x if x.comment else x.with_changes(indent=False) for x in node.leading_lines]
    comments = [x for x in lines if x.comment is not None]
    for small in node.body:
        before = len(claim.init)
        found = simple(rewriter, claim, small)
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
    value_node = getattr(node, "value", None)
    if not isinstance(node, cst.Assign | cst.AugAssign | cst.Expr | cst.AnnAssign) or value_node is None:
        raise Refused("XL213", "a functional model is built with a statement that cannot be taken apart")
    value = ctx.value(value_node)
    call = ctx.call(value_node)
    if call is not None and call.api == "keras.Input":
        shape = call.args.get("shape")
        if shape is not None and isinstance(node, cst.Assign):
            for target in node.targets:
                for name in names_in(target.target):
                    claim.sizes.declare(name.value, shape.node)
        return []
    if isinstance(node, cst.Assign) and is_layer(value):
        return made(rewriter, claim, node)
    if (
        tensorish(value)
        or (isinstance(node, cst.AugAssign) and tensorish(ctx.value(node.target)))
        or on_tensors(claim, node)
    ):
        new = nodes.rebuild(node, lambda child: child if is_target(child) else rewriter.visit(child))
        note_sizes(claim, node)
        return [(rewriter._bare(node, new), True)]
    return python(rewriter, claim, node)


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
    if made_by(claim.ctx.value(node.value)) is None and node.value not in claim.names:
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
        else:
            for name in names_in(target):
                claim.sizes.known[name.value] = None


def python(rewriter: Rewriter, claim: Claim, node: Any) -> list[tuple[Any, bool]]:
    """A statement without tensors: it is run when the layers are made."""
    outer, claim.mode = claim.mode, "init"
    try:
        new = nodes.rebuild(node, lambda child: child if is_target(child) else rewriter.visit(child))
    finally:
        claim.mode = outer
    if isinstance(node, cst.Assign | cst.AugAssign | cst.AnnAssign):
        targets = [t.target for t in node.targets] if isinstance(node, cst.Assign) else [node.target]
        for target in targets:
            for name in names_in(target):
                if name.value in claim.kept:
                    raise Refused("XL213", f"`{name.value}` changes between its uses")
                claim.locals.add(name.value)
                claim.sizes.forget(name.value)
    return [(rewriter._bare(node, new), False)]


# -- control flow ----------------------------------------------------------------------------------------------


def conditional(rewriter: Rewriter, claim: Claim, node: cst.If) -> list[Any]:
    """An ``if`` on what is known when the layers are made stands in both methods."""
    if tensorish(claim.ctx.value(node.test)):
        raise Refused("XL213", "a functional model branches on a tensor")
    before_init, before_sizes = claim.init, dict(claim.sizes.known)
    branches: list[tuple[list[Any], list[Any], dict[str, Any]]] = []
    parts: list[Any] = [node.body.body]
    orelse = node.orelse
    if isinstance(orelse, cst.If):
        parts.append([orelse])
    elif orelse is not None:
        parts.append(orelse.body.body)
    test_init = tested(rewriter, claim, node.test, "init")
    test_forward = tested(rewriter, claim, node.test, "forward")
    for part in parts:
        claim.init, claim.sizes.known = [], dict(before_sizes)
        forward = block(rewriter, claim, part)
        branches.append((claim.init, forward, claim.sizes.known))
    claim.init = before_init
    claim.sizes.known = same_sizes([b[2] for b in branches] + ([before_sizes] if len(parts) == 1 else []))
    chosen_init = choice(node, test_init, [b[0] for b in branches], isinstance(orelse, cst.If))
    if chosen_init is not None:
        claim.init.append(chosen_init)
    chosen = choice(node, test_forward, [b[1] for b in branches], isinstance(orelse, cst.If))
    return [chosen] if chosen is not None else []


def tested(rewriter: Rewriter, claim: Claim, node: cst.BaseExpression, mode: str) -> Any:
    outer, claim.mode = claim.mode, mode
    try:
        return nodes.bare(rewriter.visit(node), node)
    finally:
        claim.mode = outer


def same_sizes(options: list[dict[str, Any]]) -> dict[str, Any]:
    out = dict(options[0])
    for other in options[1:]:
        for name in set(out) | set(other):
            a, b = out.get(name), other.get(name)
            if a is None or b is None or nodes.code(a) != nodes.code(b):
                out[name] = None
    return out


def choice(node: cst.If, test: Any, bodies: list[list[Any]], chained: bool) -> Any:
    """The ``if`` with what is left of its branches; ``None`` if nothing is."""
    if not any(bodies):
        return None
    other: Any = None
    if len(bodies) > 1 and bodies[1]:
        if chained and len(bodies[1]) == 1 and isinstance(bodies[1][0], cst.If):
            other = bodies[1][0].with_changes(leading_lines=[])
        else:
            other = cst.Else(cst.IndentedBlock(bodies[1]))
    if not bodies[0]:
        if other is None:
            return None
        test = cst.UnaryOperation(cst.Not(), nodes.parenthesized(test))
        body = other.body if isinstance(other, cst.Else) else cst.IndentedBlock([other])
        return cst.If(test, body)
    return cst.If(test, cst.IndentedBlock(bodies[0]), other, leading_lines=[x for x in node.leading_lines if x.comment])


def loop(rewriter: Rewriter, claim: Claim, node: cst.For) -> list[Any]:
    """A loop makes its layers in lists, and runs over them in ``forward``."""
    if claim.in_loop or node.orelse is not None:
        raise Refused("XL213", "layers are made in nested loops")
    iter_init = tested(rewriter, claim, node.iter, "init")
    targets = [n.value for n in names_in(node.target)]
    before = claim.init
    changing = loop_sizes(claim, node)
    claim.in_loop += 1
    claim.init, claim.loop_layers = [], []
    claim.loop_names |= set(targets)
    for target in targets:
        claim.sizes.forget(target)
    for name, variable in changing.items():
        claim.sizes.known[name] = cst.Name(variable)
    forward = block(rewriter, claim, node.body.body)
    inside, made_here = claim.init, list(claim.loop_layers)
    updates = []
    for name, variable in changing.items():
        size = claim.sizes.known.get(name)
        if size is not None and nodes.code(size) != variable:
            updates.append(assignment(cst.Name(variable), size))
        claim.sizes.known[name] = cst.Name(variable) if size is not None else None
    claim.init, claim.in_loop = before, claim.in_loop - 1
    if any(isinstance(s, cst.If) and "append" in nodes.code(s) for s in inside):
        raise Refused("XL213", "layers are made under a condition inside of a loop")
    read = {n.value for s in forward for n in names_in(s)}
    claim.loop_names -= set(targets)
    claim.loop_layers = []
    starts = [assignment(cst.Name(v), s) for v, s in claim.starts.items()]
    lists = [assignment(nodes.dotted(f"self.{plural(n)}"), nodes.call("nn.ModuleList")) for n in made_here]
    if inside:
        body = cst.IndentedBlock([*inside, *updates])
        claim.init += [*starts, *lists, cst.For(node.target, iter_init, body)]
    claim.starts = {}
    if not forward:
        return []
    used = bool(read & set(targets))
    iters: list[Any] = [tested(rewriter, claim, node.iter, "forward")] if used or not made_here else []
    names: list[Any] = [node.target] if used or not made_here else []
    iters += [nodes.dotted(f"self.{plural(n)}") for n in made_here]
    names += [cst.Name(n) for n in made_here]
    target = names[0] if len(names) == 1 else nodes.tuple_of(names).with_changes(lpar=[], rpar=[])
    source = iters[0] if len(iters) == 1 else nodes.call("zip", *iters)
    return [cst.For(target, source, cst.IndentedBlock(forward), leading_lines=node.leading_lines)]


def loop_sizes(claim: Claim, node: cst.For) -> dict[str, str]:
    """The tensor variables that a loop replaces, with the variable of ``__init__`` that follows their channels."""
    claim.starts = {}
    out: dict[str, str] = {}
    assigned: list[str] = []

    class Targets(cst.CSTVisitor):
        def visit_Assign(self, one: cst.Assign) -> None:
            if tensorish(claim.ctx.value(one.value)):
                for target in one.targets:
                    assigned.extend(n.value for n in names_in(target.target))

    node.body.visit(Targets())
    for name in dict.fromkeys(assigned):
        start = claim.sizes._variable(name)
        if start is None:
            continue
        variable = "channels" if not out else f"{name}_channels"
        claim.starts[variable] = start
        out[name] = variable
    return out


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
