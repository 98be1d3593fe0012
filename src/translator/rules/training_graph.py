"""A training step as a function of its own that TensorFlow runs as a graph, where that is proven safe.

Safe means: the step does nothing but compute tensors with the framework and the project's modules and functions, none
of which has effects besides its variables, and nothing that a graph would freeze changes while the program runs. What
cannot be seen here (whether an argument is a tensor at all) the helper `compiled` looks at when the step is called.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..values import Api, Const, Func, Instance, MethodOf, Tensor, UserClass, options_of, without_none
from .training_flow import Touch
from .training_params import is_module, walk, walk_home
from .training_parts import is_optimizer

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter
    from .training_parts import Block, Plan, Unit

PLAIN = (
    cst.Name, cst.Attribute, cst.Call, cst.Arg, cst.Tuple, cst.List, cst.Element, cst.BinaryOperation,
    cst.UnaryOperation, cst.Subscript, cst.SubscriptElement, cst.Index, cst.Slice, cst.BaseNumber, cst.SimpleString,
    cst.Comparison, cst.ComparisonTarget, cst.BaseBinaryOp, cst.BaseUnaryOp, cst.BaseCompOp,
)  # fmt: skip
"""The kinds of expressions that compute and do nothing else."""
SMALL = cst.Assign | cst.AugAssign | cst.Return | cst.Expr | cst.Pass
BUILTINS = frozenset({"len", "range", "zip", "enumerate", "isinstance", "tuple", "list", "super", "hasattr"})
RANDOM = ("rand", "normal", "bernoulli", "multinomial", "poisson", "exponential_", "distributions", "Generator")
HOST = frozenset({
    "item", "tolist", "numpy", "backward", "detach_", "data_ptr", "is_cuda", "register_hook", "requires_grad",
    "requires_grad_", "nonzero", "unique", "masked_select", "bincount", "set_grad_enabled", "checkpoint",
})  # fmt: skip
"""Calls that need values, or shapes that depend on values, or that do more than compute."""
FREEZERS = ("torch.optim.lr_scheduler.CyclicLR", "torch.optim.lr_scheduler.OneCycleLR")
"""What changes settings of optimizers that are plain numbers."""


class Graphs:
    """Which steps of one file may become graphs."""

    def __init__(self, rw: Rewriter) -> None:
        self.ctx = rw.ctx
        self.facts = rw.ctx.facts
        self.asked: dict[Any, bool] = {}
        self.touch = Touch(self.facts)
        self.frozen = self.freezes()
        self.names = {n.value for n in walk(self.ctx.tree) if isinstance(n, cst.Name)}
        self.tops = set(self.ctx.tree.body)

    # -- the program -------------------------------------------------------------------------------------------

    def freezes(self) -> bool:
        """Whether something may change that a graph would keep as it was."""
        if any(c.api.startswith(FREEZERS) for c in self.facts.calls.values()):
            return True
        return any(self.changes_settings(n, None) for tree in self.facts.trees for n in tree.body)

    def changes_settings(self, node: Any, home: Any) -> bool:
        """Whether a node sets an attribute of a module after it was made, or freezes parameters."""
        if isinstance(node, cst.FunctionDef):
            home = node
        if isinstance(node, cst.Attribute) and node.attr.value in ("requires_grad", "requires_grad_"):
            return True
        if isinstance(node, cst.AssignTarget | cst.AugAssign | cst.AnnAssign):
            made = home is not None and home.name.value == "__init__"
            for target in walk(node.target):
                if isinstance(target, cst.Attribute) and not made and self.is_layer(target.value):
                    return True
        return any(self.changes_settings(child, home) for child in node.children)

    def is_layer(self, node: Any) -> bool:
        value = without_none(self.facts.value(node))
        return any(isinstance(o, Instance) and is_module(o) for o in options_of(value))

    def bookkeeping(self, node: Any, kept: list[Any]) -> bool:
        """Whether a statement may as well run after the step: it does not see what the step changes."""
        if isinstance(node, cst.If):
            inner = node.orelse.body.body if isinstance(node.orelse, cst.Else) else ()
            lines = (*node.body.body, *inner)
            return not isinstance(node.orelse, cst.If) and all(self.bookkeeping(s, kept) for s in lines)
        if not isinstance(node, cst.SimpleStatementLine) or not all(isinstance(s, SMALL) for s in node.body):
            return False
        if any(isinstance(s, cst.Return) for s in node.body) or self.touch.touches(node):
            return False
        names = {n.value for s in kept for n in walk(s) if isinstance(n, cst.Name)}
        seen = [n for n in walk(node) if isinstance(n, cst.Name | cst.Attribute)]
        moved = any(is_optimizer(self.facts.value(n)) or self.is_layer(n) for n in seen)
        return not moved and not any(n.value in names for n in bound_names(node))

    # -- functions and expressions -------------------------------------------------------------------------------

    def computes(self, func: Any) -> bool:
        """Whether a function of the project only computes."""
        if func.node not in self.asked:
            self.asked[func.node] = True  # of what calls itself the rest decides
            body = func.node.body
            lines = body.body if isinstance(body, cst.IndentedBlock) else None
            plain = lines is not None and not any(True for d in func.node.decorators)
            self.asked[func.node] = plain and all(self.statement(s) for s in lines or ())
        return self.asked[func.node]

    def statement(self, node: Any) -> bool:
        if isinstance(node, cst.SimpleStatementLine):
            return all(isinstance(s, SMALL) and self.small(s) for s in node.body)
        if isinstance(node, cst.If):
            inner = [node.orelse] if isinstance(node.orelse, cst.If) else getattr(node.orelse, "body", None)
            rest = inner if isinstance(inner, list) else inner.body if inner is not None else ()
            return self.decided(node.test) and all(self.statement(s) for s in (*node.body.body, *rest))
        if isinstance(node, cst.For):
            known = self.is_layer(node.iter) or self.plain(node.iter)
            whole = not isinstance(without_none(self.facts.value(node.iter)), Tensor)
            names = all(isinstance(n, PLAIN) for n in walk(node.target) if not trivia(n))
            return known and whole and names and node.orelse is None and all(self.statement(s) for s in node.body.body)
        quiet = isinstance(node, cst.With) and all(self.quiet(i.item) for i in node.items)
        return quiet and all(self.statement(s) for s in node.body.body)

    def quiet(self, node: Any) -> bool:
        """``torch.no_grad()``, which leaves no trace but in gradients."""
        call = self.facts.calls.get(node)
        return call is not None and call.api in ("torch.no_grad", "torch.inference_mode")

    def small(self, node: Any) -> bool:
        if isinstance(node, cst.Assign):
            targets = [n for t in node.targets for n in walk(t.target) if not trivia(n)]
            return all(isinstance(n, cst.Name | cst.Tuple | cst.Element) for n in targets) and self.plain(node.value)
        if isinstance(node, cst.AugAssign):
            return isinstance(node.target, cst.Name) and self.plain(node.value)
        if isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString | cst.ConcatenatedString):
            return True
        return isinstance(node, cst.Pass) or (
            isinstance(node, cst.Return) and (node.value is None or self.plain(node.value))
        )

    def decided(self, test: Any) -> bool:
        """Whether a condition is known to be about settings, not about tensors."""
        for node in walk(test):
            value = self.facts.value(node) if isinstance(node, cst.Name | cst.Attribute | cst.Call) else None
            if value is not None and any(isinstance(o, Tensor) for o in options_of(value)) and not about_none(test):
                return False
        return all(isinstance(n, (*PLAIN, cst.BooleanOperation, cst.BaseBooleanOp)) or trivia(n) for n in walk(test))

    def plain(self, node: Any) -> bool:
        """Whether an expression only computes."""
        return all(
            trivia(n) or (isinstance(n, PLAIN) and (not isinstance(n, cst.Call) or self.call(n))) for n in walk(node)
        )

    def call(self, node: cst.Call) -> bool:
        call = self.facts.calls.get(node)
        if call is not None:
            last = call.api.rsplit(".", 1)[-1]
            drawn = any(part in call.api for part in RANDOM) and not last.startswith("normalize")
            return not drawn and last not in HOST and not (last.endswith("_") and not last.startswith("_"))
        if isinstance(node.func, cst.Name) and node.func.value in BUILTINS:
            return True
        options = options_of(without_none(self.facts.value(node.func)))
        return bool(options) and all(self.callee(o) for o in options)

    def callee(self, value: Any) -> bool:
        if isinstance(value, Instance) and isinstance(value.cls, UserClass):
            forward = value.cls.find("forward")
            return value.cls.module and isinstance(forward, Func) and self.computes(forward)
        if isinstance(value, Instance):
            return is_module(value) and self.parts(value)
        if isinstance(value, MethodOf | Func):
            return self.computes(value.func if isinstance(value, MethodOf) else value)
        return isinstance(value, Api) and value.name.startswith("math.")

    def parts(self, value: Instance) -> bool:
        """Whether all that a container holds is known and only computes."""
        if (value.api or "") not in self.ctx.dialect.containers:
            return True
        inner = value.children if value.children is not None else [value.elem]
        return all(self.callee(o) for i in inner for o in options_of(without_none(i)))


def trivia(node: Any) -> bool:
    """Whether a node is about spaces and punctuation."""
    return isinstance(
        node, cst.BaseParenthesizableWhitespace | cst.Comma | cst.Dot | cst.AssignEqual | cst.LeftParen
        | cst.RightParen | cst.LeftSquareBracket | cst.RightSquareBracket | cst.Colon | cst.Newline | cst.EmptyLine
        | cst.TrailingWhitespace | cst.Comment,
    )  # fmt: skip


def about_none(test: Any) -> bool:
    """``x is None`` and its like, which a graph decides as Python does."""
    return isinstance(test, cst.Comparison) and all(
        isinstance(c.operator, cst.Is | cst.IsNot) and nodes.is_name(c.comparator, "None") for c in test.comparisons
    )


@dataclass(slots=True)
class GraphStep:
    """A unit that may become a function: its block with other statements moved before and behind the step."""

    block: Block
    start: int
    split: int
    """Where the step begins and ends in the new order."""
    given: list[str]


def graph_step(rw: Rewriter, plan: Plan, block: Block, unit: Unit) -> GraphStep | None:
    """Whether a unit may become a function of its own, and what it takes."""
    ctx = rw.ctx
    if ctx.cls is not None or ctx.region is not None or not one_step(plan, unit):
        return None
    if ctx.graphs is None:
        ctx.graphs = Graphs(rw)
    graphs: Graphs = ctx.graphs
    if graphs.frozen or not (block.home is ctx.tree or block.home in graphs.tops):
        return None
    region = unit.regions[0]
    events = {e.statement for e in unit.events}
    items = block.items[unit.start : unit.end]
    computed = [s for s in block.items[region.start : region.end] if s not in events]
    before = [s for s in block.items[unit.start : region.start] if s not in events]
    later = [s for s in items if s not in events and s not in computed and s not in before]
    kept = [s for s in items if s not in later and s not in before]
    if not all(graphs.bookkeeping(s, kept) for s in later) or any(graphs.touch.touches(s) for s in before):
        return None
    losses = [e.call.func.value for e in unit.events if e.kind == "backward"]  # type: ignore[attr-defined]
    if not all(graphs.statement(s) for s in computed) or not all(graphs.plain(node) for node in losses):
        return None
    # Loops that clear gradients are in no step that is written.
    given = arguments(graphs, block, [s for s in kept if not isinstance(s, cst.For) or s not in events], computed)
    if given is None:
        return None
    order = [*block.items[: unit.start], *before, *kept, *later, *block.items[unit.end :]]
    start = unit.start + len(before)
    return GraphStep(replace(block, items=order, origin=[None] * len(order)), start, start + len(kept), given)


def as_graph(rw: Rewriter, found: GraphStep, lines: list[Any]) -> list[Any]:
    """The call of a new function that holds the lines of a step; the lines where a name cannot be given to it."""
    block = found.block
    bound = [n.value for s in lines for n in bound_names(s)]
    needed = {n.value for s in lines for n in loaded(s)} & local_names(block.home)
    # Models that the step itself does not name, only their variables, are named in the new lines.
    found.given += sorted(needed - {*found.given, *bound})
    outside = outer_names(block, block.items[found.start : found.split])
    results = [n for n in dict.fromkeys(bound) if n in outside]
    return [made(rw.ctx, rw.ctx.graphs, found.given, results, lines)]


def one_step(plan: Plan, unit: Unit) -> bool:
    """Whether a unit is one backward and the steps with its gradients, with nothing that waits."""
    kinds = [e.kind for e in unit.events]
    whole = all(e.branch is None and e.owner is None and not e.by_hand for e in unit.events)
    alone = kinds.count("backward") == len(unit.regions) == 1 and "step" in kinds
    known = {"zero", "backward", "clip", "step"} >= set(kinds)
    return whole and alone and known and not any(e.who in plan.waiting for e in unit.events)


def local_names(home: Any) -> set[str]:
    """The parameters and variables of a function, or the variables of a module."""
    return {n.value for s in walk_home(home) for n in bound_names(s)} | params(home)


def arguments(graphs: Graphs, block: Block, items: list[Any], computed: list[Any]) -> list[str] | None:
    """The names that a step takes: models, optimizers and losses first, then what is new in each round."""
    facts, own = graphs.facts, {n.value for s in computed for n in bound_names(s)}
    models: dict[str, None] = {}
    others: dict[str, None] = {}
    data: dict[str, None] = {}
    local = local_names(block.home)
    first = {n: i for i, s in reversed(list(enumerate(items))) for n in (b.value for b in bound_names(s))}
    for i, item in enumerate(items):
        for node in loaded(item):
            name, value = node.value, without_none(facts.value(node))
            if name in own and first[name] < i:
                continue
            if all(isinstance(o, Instance) and is_module(o) for o in options_of(value)):
                models[name] = None
            elif is_optimizer(value):
                others[name] = None
            elif fixed(value) or (name not in local and name in BUILTINS):
                continue
            elif name not in local or not (isinstance(value, Tensor) or changing(block, name)):
                return None
            else:
                data[name] = None
    return [*models, *others, *data]


def fixed(value: Any) -> bool:
    """Whether a name needs not be given: a function, a class, a module of Python, None or a truth value."""
    return isinstance(value, Func | UserClass | Api) or (
        isinstance(value, Const) and (value.value is None or isinstance(value.value, bool))
    )


def changing(block: Block, name: str) -> bool:
    """Whether a name is bound in a loop around the step: what is bound once before it may be a setting."""
    return any(
        isinstance(s, cst.For) and any(b.value == name for b in bound_names(s)) for s in walk_home(block.home)
    ) or any(b.value == name for s in block.items for b in bound_names(s))


def params(home: Any) -> set[str]:
    return {p.name.value for p in home.params.params} if isinstance(home, cst.FunctionDef) else set()


def bound_names(node: Any) -> list[Any]:
    """The names that a statement binds, in the statements inside of it too."""
    out: list[Any] = []
    for one in walk(node):
        if isinstance(one, cst.AssignTarget | cst.AugAssign | cst.AnnAssign | cst.For):
            out += [n for n in walk(one.target) if isinstance(n, cst.Name)]
    return out


def loaded(node: Any) -> list[Any]:
    """The names that a statement reads, without attributes, keywords and targets."""
    skipped = set()
    for one in walk(node):
        if isinstance(one, cst.Attribute):
            skipped.add(one.attr)
        elif isinstance(one, cst.Arg) and one.keyword is not None:
            skipped.add(one.keyword)
        elif isinstance(one, cst.AssignTarget):
            skipped |= set(walk(one.target))
    return [n for n in walk(node) if isinstance(n, cst.Name) and n not in skipped]


def outer_names(block: Block, items: list[Any]) -> set[str]:
    """The names that the rest of the function mentions."""
    inside = {n for s in items for n in walk(s)}
    return {n.value for n in walk(block.home) if isinstance(n, cst.Name) and n not in inside}


def made(ctx: Any, graphs: Graphs, given: list[str], results: list[str], lines: list[Any]) -> Any:
    """The new function, kept for the module, and the line that calls it."""
    name, number = "train_step", 1
    while name in graphs.names:
        number += 1
        name = f"train_step_{number}"
    graphs.names.add(name)
    ctx.needs.add("helper:compiled")
    lead, lines[0] = lines[0].leading_lines, lines[0].with_changes(leading_lines=[])
    out: Any = cst.Name(results[0]) if len(results) == 1 else None
    if len(results) > 1:
        out = cst.Tuple([cst.Element(cst.Name(r)) for r in results], lpar=(), rpar=())
    body = [*lines, cst.SimpleStatementLine([cst.Return(out)])] if out is not None else lines
    ctx.hoisted.append(cst.FunctionDef(
        cst.Name(name), cst.Parameters([cst.Param(cst.Name(g)) for g in given]), cst.IndentedBlock(body),
        decorators=[cst.Decorator(cst.Name("compiled"))], leading_lines=[cst.EmptyLine(indent=False)] * 2,
    ))  # fmt: skip
    call = nodes.call(name, *(cst.Name(g) for g in given))
    small: Any = cst.Expr(call) if out is None else cst.Assign([cst.AssignTarget(out)], call)
    return cst.SimpleStatementLine([small], leading_lines=lead)


def hoist(ctx: Any, body: list[Any]) -> list[Any]:
    """The module's statements with each new function before the first that calls it."""
    for function in ctx.hoisted:
        at = next(i for i, s in enumerate(body) if any(nodes.is_name(n, function.name.value) for n in walk(s)))
        after = body[at]
        blank = len([e for e in after.leading_lines if e.comment is None])
        spaced = after.with_changes(leading_lines=[*[cst.EmptyLine(indent=False)] * (2 - blank), *after.leading_lines])
        body = [*body[:at], function, spaced, *body[at + 1 :]]
    return body
