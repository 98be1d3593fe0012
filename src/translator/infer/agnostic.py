"""Functions of the project that do not look at the order of axes: stochastic depth, noise for each sample, activations.

They may be called with tensors of several ranks and orders, so their parameters have none of their own. What such a
function computes it computes element by element, from its one tensor and from tensors of one number for each sample,
which are made as ``[x.shape[0]] + [1] * (x.ndim - 1)`` and are the same in every order that begins with the batch.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..values import UNKNOWN, Func, Instance, MethodOf, Tensor, UserClass, Value, as_tensor, without_none
from . import permuting

LIKE, SAMPLE, PLAIN, SIZES, BATCH, SHAPE, RANK = "like", "sample", "plain", "sizes", "batch", "shape", "rank"
"""What an expression is: a tensor like the one that is given, one with a number for each sample, no tensor; sizes of
the second, the number of samples, a shape, a number of axes."""
CHANGED = frozenset({
    "bernoulli_", "uniform_", "normal_", "fill_", "zero_", "exponential_", "div_", "mul_", "add_", "sub_", "floor_",
    "ceil_", "round_", "clamp_",
})  # fmt: skip
"""What changes a tensor of one number for each sample in place."""
MADE = frozenset({"empty", "ones", "zeros", "rand", "randn", "full", "new_empty", "new_ones", "new_zeros", "new_full"})
ALIKE = frozenset({"empty_like", "ones_like", "zeros_like", "rand_like", "randn_like", "full_like"})
NEUTRAL = frozenset({"dtype", "device", "requires_grad", "is_cuda"})


def function_of(world: Any, value: Value) -> Func | None:
    """The function that calling a value runs, if it does not look at the order of axes."""
    func: Value | None = value
    if isinstance(value, MethodOf):
        func = value.func
    elif isinstance(value, Instance) and isinstance(value.cls, UserClass) and not permuting.is_one(value):
        func = value.cls.find(world.dialect.forward[0])
    return func if isinstance(func, Func) and is_agnostic(world, func) else None


def is_agnostic(world: Any, func: Func) -> bool:
    """Whether all that a function does with its one tensor holds for any order that begins with the batch."""
    known = world.facts.agnostic
    if func.node not in known:
        known[func.node] = False  # as long as it is looked at: it may call itself
        known[func.node] = _Body(world, func).agnostic()
    return known[func.node]  # type: ignore[no-any-return]


def given_tensor(world: Any, func: Func, passed: dict[str, Value]) -> Tensor | None:
    """The argument whose axes the result of a call has, as far as is known so far."""
    world.facts.agnostic.clear()
    body = _Body(world, func)
    agnostic = body.agnostic()
    given = as_tensor(passed.get(body.given, UNKNOWN)) if agnostic else None
    world.facts.agnostic.clear()  # more may become known
    return given


class _Body:
    """What the names of a function hold."""

    def __init__(self, world: Any, func: Func) -> None:
        self.world, self.func, self.given = world, func, ""
        self.names: dict[str, str | None] = {}
        self.returns: set[str | None] = set()

    def agnostic(self) -> bool:
        node = self.func.node
        if isinstance(node, cst.Lambda) or node.asynchronous or not isinstance(node.body, cst.IndentedBlock):
            return False
        given = [name for name, value in self.func.start.items() if _holds_tensor(value)]
        params = node.params
        plain = {p.name.value for p in (*params.params, *params.kwonly_params)}
        if len(given) != 1 or given[0] not in plain or as_tensor(self.func.start[given[0]]) is None:
            return False
        self.given = given[0]
        self.names[self.given] = LIKE
        return self.block(node.body.body) and self.returns == {LIKE}

    # -- statements ------------------------------------------------------------------------------------

    def block(self, statements: Any) -> bool:
        return all(self.statement(s) for s in statements)

    def statement(self, node: Any) -> bool:
        if isinstance(node, cst.SimpleStatementLine):
            return all(self.small(s) for s in node.body)
        if isinstance(node, cst.If):
            other = node.orelse
            rest = self.statement(other) if isinstance(other, cst.If) else other is None or self.block(other.body.body)
            return self.kind(node.test) == PLAIN and self.block(node.body.body) and rest
        return False

    def small(self, node: Any) -> bool:
        if isinstance(node, cst.Return):
            self.returns.add(self.kind(node.value) if node.value is not None else None)
            return True
        if isinstance(node, cst.Raise | cst.Pass):
            return True
        if isinstance(node, cst.Expr):
            return self.kind(node.value) in (PLAIN, SAMPLE)
        if isinstance(node, cst.Assign) and len(node.targets) == 1 and isinstance(node.targets[0].target, cst.Name):
            return self.bind(node.targets[0].target.value, self.kind(node.value))
        if isinstance(node, cst.AugAssign) and isinstance(node.target, cst.Name):
            return self.bind(node.target.value, self.joined(node.target, node.value))
        return False

    def bind(self, name: str, kind: str | None) -> bool:
        """A name holds one kind of thing."""
        return kind is not None and self.names.setdefault(name, kind) == kind

    # -- expressions -----------------------------------------------------------------------------------

    def kind(self, node: Any) -> str | None:
        if isinstance(node, cst.Name):
            return self.names[node.value] if node.value in self.names else self.other(node)
        if isinstance(node, cst.Attribute):
            return self.attribute(node)
        if isinstance(node, cst.Subscript):
            index = node.slice[0].slice if len(node.slice) == 1 else None
            first = isinstance(index, cst.Index) and nodes.integer(index.value) == 0
            return BATCH if first and self.kind(node.value) == SHAPE else self.other(node)
        if isinstance(node, cst.List | cst.Tuple):
            return SIZES if self.is_whole(node) else self.other(node)
        if isinstance(node, cst.Comparison):
            return self.joined(node.left, *(c.comparator for c in node.comparisons))
        if isinstance(node, cst.Call):
            return self.call(node)
        if isinstance(node, cst.BinaryOperation):
            return self.operation(node)
        if isinstance(node, cst.UnaryOperation):
            return self.kind(node.expression)
        if isinstance(node, cst.IfExp):
            one, two = self.kind(node.body), self.kind(node.orelse)
            return one if one == two and self.kind(node.test) == PLAIN else None
        return self.other(node)

    def other(self, node: Any) -> str | None:
        """An expression that no tensor occurs in."""
        inside = [n for n in nodes.walk(node) if isinstance(n, cst.Name)]
        mixed = any(self.names.get(n.value, PLAIN) not in (PLAIN, RANK, BATCH) for n in inside)
        return None if mixed or _holds_tensor(self.world.facts.value(node)) else PLAIN

    def attribute(self, node: cst.Attribute) -> str | None:
        kind = self.kind(node.value)
        name = node.attr.value
        if kind in (LIKE, SAMPLE):
            return PLAIN if name in NEUTRAL else {"shape": SHAPE, "ndim": RANK}.get(name) if kind == LIKE else None
        return self.other(node) if kind == PLAIN else None

    def is_whole(self, node: Any) -> bool:
        """Whether an expression is a list of as many sizes as the tensor has axes, all 1 but for the batch."""
        length, rank = self.length(node), as_tensor(self.func.start[self.given]).rank  # type: ignore[union-attr]
        return length == (1, 0) or (rank is not None and length == (0, rank))

    def length(self, node: Any) -> tuple[int, int] | None:
        """The length of a list of such sizes, as (a, b) of a * rank + b; ``None`` for anything else."""
        if isinstance(node, cst.List | cst.Tuple):
            found = [self.part(e, first=i == 0) for i, e in enumerate(node.elements)]
        elif isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Add):
            found = [self.length(node.left), self.length(node.right) if self.ones(node.right) else None]
        elif isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Multiply):
            return self.count(node.right) if self.ones(node.left) and self.length(node.left) == (0, 1) else None
        else:
            return None
        known = [f for f in found if f is not None]
        return (sum(a for a, _ in known), sum(b for _, b in known)) if len(known) == len(found) else None

    def part(self, element: Any, *, first: bool) -> tuple[int, int] | None:
        if isinstance(element, cst.StarredElement):
            return self.length(element.value) if self.ones(element.value) else None
        batch = first and self.kind(element.value) == BATCH
        return (0, 1) if batch or nodes.integer(element.value) == 1 else None

    def count(self, node: Any) -> tuple[int, int] | None:
        """A number of axes: ``x.ndim - 1``."""
        number = nodes.integer(node)
        if number is not None:
            return 0, number
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Subtract):
            taken = nodes.integer(node.right)
            return (1, -taken) if taken is not None and self.kind(node.left) == RANK else None
        return (1, 0) if self.kind(node) == RANK else None

    def ones(self, node: Any) -> bool:
        """Whether a list has no size but 1."""
        if isinstance(node, cst.BinaryOperation):
            return self.ones(node.left) and (isinstance(node.operator, cst.Multiply) or self.ones(node.right))
        return isinstance(node, cst.List | cst.Tuple) and all(nodes.integer(e.value) == 1 for e in node.elements)

    def operation(self, node: cst.BinaryOperation) -> str | None:
        if self.is_whole(node):
            return SIZES
        return None if isinstance(node.operator, cst.MatrixMultiply) else self.joined(node.left, node.right)

    def joined(self, *parts: Any) -> str | None:
        """What is computed element by element."""
        kinds = {self.kind(p) for p in parts}
        if not kinds <= {LIKE, SAMPLE, PLAIN, BATCH, RANK}:
            return None
        if kinds & {LIKE, SAMPLE} and not all(self.kind(p) != PLAIN or self.known(p) for p in parts):
            return None  # what is not known may be a tensor, which is broadcast against some axis
        return LIKE if LIKE in kinds else SAMPLE if SAMPLE in kinds else PLAIN

    def call(self, node: cst.Call) -> str | None:
        if any(a.star for a in node.args):
            return None
        facts, func = self.world.facts, node.func
        call = facts.calls.get(node)
        name = call.api.rpartition(".")[2] if call is not None else ""
        receiver = self.kind(func.value) if isinstance(func, cst.Attribute) else PLAIN
        kinds = [self.kind(a.value) for a in node.args]
        if receiver == LIKE and name in ("dim", "size", "ndimension"):
            if name == "size":
                return SHAPE if not kinds else BATCH if nodes.integer(node.args[0].value) == 0 else None
            return RANK
        if name in MADE and call is not None and call.api.startswith("torch."):
            return SAMPLE if kinds and kinds[0] == SIZES and set(kinds[1:]) <= {PLAIN} else None
        tensors = {k for k in (receiver, *kinds) if k != PLAIN}
        if not tensors:
            return self.other(node)
        if not tensors <= {LIKE, SAMPLE}:
            return None
        result = LIKE if LIKE in tensors else SAMPLE
        if receiver == result == SAMPLE and name in CHANGED:
            return SAMPLE
        from ..layout import behaviour

        how = behaviour.of_node(self.world, node)
        plain = (a.value for a, kind in zip(node.args, kinds, strict=True) if kind == PLAIN)
        if name not in ALIKE and how != behaviour.CARRIED and (how != "pointwise" or not all(map(self.known, plain))):
            return None
        return result if not name.endswith("_") else None

    def known(self, node: Any) -> bool:
        """Whether something is known that is no tensor: a number, a type."""
        return without_none(self.world.facts.value(node)) is not UNKNOWN


def _holds_tensor(value: Value) -> bool:
    return isinstance(without_none(value), Tensor) or as_tensor(value) is not None
