"""Tests of a layer's class by its name: ``m.__class__.__name__.find("Conv") != -1``.

Keras's classes have other names, so the test is written as `isinstance` with the classes that the project
uses and whose PyTorch names match.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..values import ClassName, Const
from .api import needs_of


def name_test(ctx: Context, node: cst.Comparison, new: cst.Comparison) -> Outcome:
    """A comparison that asks for a part of a class's name."""
    if len(node.comparisons) != 1:
        return None
    left, target = node.left, node.comparisons[0]
    right = target.comparator
    if isinstance(left, cst.Call) and isinstance(left.func, cst.Attribute) and left.func.attr.value == "find":
        owner = ctx.value(left.func.value)
        if isinstance(owner, ClassName) and left.args:
            found = _found(target.operator, ctx.value(right))
            return _isinstance(ctx, owner, left.args[0].value, lambda name, text: text in name, found)
    owner = ctx.value(right)
    if isinstance(target.operator, cst.In | cst.NotIn) and isinstance(owner, ClassName):
        found = isinstance(target.operator, cst.In)
        return _isinstance(ctx, owner, left, lambda name, text: text in name, found)
    owner = ctx.value(left)
    if isinstance(target.operator, cst.Equal | cst.NotEqual) and isinstance(owner, ClassName):
        found = isinstance(target.operator, cst.Equal)
        return _isinstance(ctx, owner, right, lambda name, text: text == name, found)
    return None


def _found(operator: cst.BaseCompOp, bound: Any) -> bool | None:
    """Whether ``s.find(t) <operator> <bound>`` says that ``t`` is in ``s``; ``None`` if neither."""
    value = bound.value if isinstance(bound, Const) else None
    if value == -1:
        return True if isinstance(operator, cst.NotEqual | cst.GreaterThan) else (
            False if isinstance(operator, cst.Equal) else None
        )
    if value == 0:
        return True if isinstance(operator, cst.GreaterThanEqual) else (
            False if isinstance(operator, cst.LessThan) else None
        )
    return None


def _isinstance(
    ctx: Context, owner: ClassName, wanted: cst.BaseExpression, match: Callable[[str, str], bool], found: bool | None
) -> Outcome:
    text = ctx.value(wanted)
    if not isinstance(text, Const) or not isinstance(text.value, str) or found is None:
        return Refusal("XL214", "classes have other names in Keras", "test with isinstance")
    names, needs = classes(ctx, lambda name: match(name, text.value))
    if not names:
        return Edit(nodes.literal(not found)) if _names_a_layer(ctx, lambda name: match(name, text.value)) else None
    kinds = [nodes.dotted(n) for n in names]
    test: Any = nodes.call("isinstance", ctx.updated(owner.of), kinds[0] if len(kinds) == 1 else nodes.tuple_of(kinds))
    return Edit(test if found else cst.UnaryOperation(cst.Not(), test), tuple(needs))


def _names_a_layer(ctx: Context, match: Callable[[str], bool]) -> bool:
    """Whether a class of the framework has a name that matches: else the test is about something else."""
    known: frozenset[str] | None = ctx.facts.cache.get("class names")
    if known is None:
        found = (api.rpartition(".")[2] for api in ctx.tables.source.apis)
        known = ctx.facts.cache["class names"] = frozenset(name for name in found if name[:1].isupper())
    return any(match(name) for name in known)


def classes(ctx: Context, match: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """The target classes of the layers in use whose source names match, and what they need."""
    names: list[str] = []
    needs: list[str] = []
    used = sorted({c.api for c in ctx.facts.calls.values() if not c.api.endswith("__call__")})
    for api in used:
        signature = ctx.tables.source.get(api)
        rows = ctx.tables.find(api)
        if signature is None or signature.kind != "class" or not rows or not match(api.rsplit(".", 1)[-1]):
            continue
        for target in rows[0].instance_of or rows[0].tf:
            plain = target.removeprefix("helper:")
            if plain not in names:
                names.append(plain)
                needs += [target] if target != plain else list(needs_of(plain))
    names += sorted({c.name for c in ctx.facts.classes.values() if c.module and match(c.name)})
    return names, needs
