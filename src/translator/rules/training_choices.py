"""Parameters that are chosen by a test: ``[p for n, p in model.named_parameters() if p.dim() < 2]``.

The test is written for variables where the optimizer steps. It may ask for the rank and the name of a parameter, and
for nothing else that is not a constant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context
from ..values import Const, Seq, without_none

if TYPE_CHECKING:
    from .training_params import Program

RANK = "len(v.shape)"
OPPOSITE = {
    cst.GreaterThanEqual: cst.LessThan, cst.LessThan: cst.GreaterThanEqual, cst.GreaterThan: cst.LessThanEqual,
    cst.LessThanEqual: cst.GreaterThan, cst.Equal: cst.NotEqual, cst.NotEqual: cst.Equal, cst.In: cst.NotIn,
    cst.NotIn: cst.In,
}  # fmt: skip
OTHER_RANKS = frozenset({"torch.nn.PReLU"})
"""Layers whose variables may have another rank in Keras."""


@dataclass(frozen=True)
class Choice:
    """The module (or other expression for parameters) that a comprehension walks, and the tests on the way."""

    iterated: Any
    named: bool
    tests: tuple[Any, ...]


def chosen(program: Program, node: Any) -> Choice | None:
    """What a comprehension over parameters goes over, through dicts and lists of the same parameters."""
    loop = node.for_in if isinstance(node, cst.ListComp | cst.GeneratorExp | cst.DictComp) else None
    if loop is None or loop.inner_for_in is not None:
        return None
    pair = loop.target.elements if isinstance(loop.target, cst.Tuple) and len(loop.target.elements) == 2 else None
    name, item = (pair[0].value, pair[1].value) if pair is not None else (None, loop.target)
    kept = node.value if isinstance(node, cst.DictComp) else node.elt
    if not isinstance(item, cst.Name) or not nodes.is_name(kept, item.value):
        return None
    if isinstance(node, cst.DictComp) and not (isinstance(name, cst.Name) and nodes.is_name(node.key, name.value)):
        return None
    tests = tuple(t for i in loop.ifs if (t := test_of(program, i.test, item, name)) is not True)
    if None in tests:
        return None
    call = loop.iter
    method = call.func.attr.value if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) else ""
    if pair is not None and method == "named_parameters":
        return Choice(call.func.value, True, tests)
    if pair is not None and method == "items":
        inner = chosen(program, resolved_here(program, call.func.value))
        return Choice(inner.iterated, inner.named, inner.tests + tests) if inner is not None else None
    return Choice(call, False, tests) if pair is None else None


def resolved_here(program: Program, node: Any) -> Any:
    """What a name stands for at this place."""
    value = program.assigned(node) if isinstance(node, cst.Name) else None
    return value if value is not None else node


def test_of(program: Program, node: Any, item: Any, name: Any) -> Any:
    """The test for a variable ``v`` called ``name``; True for ``p.requires_grad``, ``None`` for an unknown one."""
    if isinstance(node, cst.Attribute) and node.attr.value == "requires_grad" and nodes.is_name(node.value, item.value):
        return True
    written = _rewritten(program, node, item.value, name.value if isinstance(name, cst.Name) else "")
    return written


def _rewritten(program: Program, node: Any, item: str, name: str, bound: frozenset[str] = frozenset()) -> Any:
    """An expression in terms of ``v`` and ``name``; ``None`` if it asks for anything else."""
    if nodes.code(node) in (f"{item}.dim()", f"{item}.ndim", f"{item}.ndimension()", f"len({item}.shape)",
                            f"len({item}.size())"):  # fmt: skip
        return nodes.template(RANK, {})
    if isinstance(node, cst.Name):
        if node.value == name or node.value in bound:
            return cst.Name("name") if node.value == name else node
        return constant(program.facts.value(node))
    if isinstance(node, cst.Integer | cst.SimpleString | cst.Float):
        return node
    if isinstance(node, cst.GeneratorExp):
        if node.for_in.inner_for_in is not None or not isinstance(node.for_in.target, cst.Name):
            return None
        inner = bound | {node.for_in.target.value}
        iterated = _rewritten(program, node.for_in.iter, item, name, bound)
        elt = _rewritten(program, node.elt, item, name, inner)
        tests = [_rewritten(program, i.test, item, name, inner) for i in node.for_in.ifs]
        if iterated is None or elt is None or tests:
            return None
        return node.with_changes(elt=elt, for_in=node.for_in.with_changes(iter=iterated))
    if isinstance(node, cst.Call):
        return _called(program, node, item, name, bound)
    if isinstance(node, cst.Comparison | cst.BooleanOperation | cst.UnaryOperation | cst.List | cst.Tuple):
        known = [True]

        def visit(child: Any) -> Any:
            if not isinstance(child, cst.BaseExpression):
                return nodes.rebuild(child, visit)
            new = _rewritten(program, child, item, name, bound)
            known[0] &= new is not None
            return child if new is None else new

        new = nodes.rebuild(node, visit)
        return new if known[0] else None
    return None


def _called(program: Program, node: cst.Call, item: str, name: str, bound: frozenset[str]) -> Any:
    """``any(...)``, ``all(...)`` and methods of the name."""
    args = [_rewritten(program, a.value, item, name, bound) for a in node.args]
    if None in args or any(a.keyword is not None for a in node.args):
        return None
    new = node.with_changes(args=[a.with_changes(value=v) for a, v in zip(node.args, args, strict=True)])
    if isinstance(node.func, cst.Name) and node.func.value in ("any", "all", "len"):
        return new
    if isinstance(node.func, cst.Attribute) and nodes.is_name(node.func.value, name):
        if node.func.attr.value in ("endswith", "startswith", "split", "count", "lower"):
            return new.with_changes(func=cst.Attribute(cst.Name("name"), node.func.attr))
    return None


def constant(value: Any) -> Any:
    """A known value written out."""
    value = without_none(value)
    if isinstance(value, Const):
        return nodes.literal(value.value)
    if isinstance(value, Seq) and value.items is not None and all(isinstance(v, Const) for v in value.items):
        return cst.List([cst.Element(nodes.literal(v.value)) for v in value.items])  # type: ignore[attr-defined]
    return None


def by_rank(tests: tuple[Any, ...]) -> bool:
    return any(RANK in nodes.code(t) for t in tests)


def by_name(tests: tuple[Any, ...]) -> bool:
    return any(isinstance(n, cst.Name) and n.value == "name" for t in tests for n in nodes.walk(t))


def chosen_variables(ctx: Context, module: Any, tests: tuple[Any, ...], every: Any) -> Any:
    """``[v for v in model.trainable_variables if ...]``, with names over ``named_variables(model)``."""
    target: Any = cst.Name("v")
    if by_name(tests):
        ctx.needs.add("helper:named_variables")
        every = nodes.call("named_variables", module)
        target = cst.Tuple([cst.Element(cst.Name("name")), cst.Element(cst.Name("v"))], lpar=(), rpar=())
    loop = cst.CompFor(target, every, ifs=[cst.CompIf(t) for t in tests])
    return cst.ListComp(cst.Name("v"), loop)


def opposite(test: Any) -> str:
    """The code of the negation of a test."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return nodes.code(test.expression)
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        target = test.comparisons[0]
        other = OPPOSITE.get(type(target.operator))
        if other is not None:
            return nodes.code(test.with_changes(comparisons=[target.with_changes(operator=other())]))
    return f"not {nodes.code(test)}"


def merged(group: tuple[Any, ...]) -> list[Any]:
    """The sources of a group, two that choose opposite parts of a module as the whole of it."""
    out: list[Any] = []
    for source in group:
        for other in out:
            last = source.tests[-1:] and other.tests[-1:]
            same = (source.sites, source.path, source.tests[:-1]) == (other.sites, other.path, other.tests[:-1])
            if last and same and opposite(source.tests[-1]) == nodes.code(other.tests[-1]):
                out[out.index(other)] = replace(source, tests=source.tests[:-1])
                break
        else:
            out.append(source)
    return out
