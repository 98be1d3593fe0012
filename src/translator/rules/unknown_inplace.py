"""``x += y`` where nothing is known of ``x``: a number is bound anew, but a tensor's memory changes.

It is the same in TensorFlow if ``x`` is known to be new, so that nothing else holds it; else it is refused.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.interp import memory_of
from ..rewrite.context import Context, Refusal
from ..values import UNKNOWN, Api, BoundMethod, Seq, Tensor, Value, python_type, without_none

NUMBERS = ("int", "float", "bool")
NEW = (
    cst.Integer, cst.Float, cst.SimpleString, cst.FormattedString, cst.ConcatenatedString, cst.List, cst.Tuple,
    cst.Dict, cst.Set, cst.ListComp, cst.DictComp, cst.SetComp, cst.BinaryOperation, cst.UnaryOperation, cst.Comparison,
)  # fmt: skip
"""Expressions whose value nothing else holds."""
NEW_BUILTINS = frozenset({"int", "float", "len", "sum", "abs", "round", "str", "list", "dict", "set", "tuple", "range"})
NUMERIC = frozenset({"builtins.int", "builtins.range", "builtins.round"})
SHARING = frozenset({
    "view", "view_as", "reshape", "reshape_as", "detach", "to", "cpu", "cuda", "numpy", "squeeze", "unsqueeze",
    "transpose", "permute", "t", "expand", "expand_as", "contiguous", "flatten", "narrow", "select", "chunk", "split",
    "unbind", "diagonal", "float", "double", "half", "long", "int", "get", "pop", "setdefault", "values", "items",
    "swapaxes", "movedim", "requires_grad_", "type", "type_as", "unfold", "as_strided", "real", "imag",
})  # fmt: skip
"""Methods that may give what they are called on, a view of it, or something that it holds."""


def unproven(ctx: Context, node: cst.AugAssign) -> Refusal | None:
    """A refusal of ``x += y`` if ``x`` may be a tensor that something else holds."""
    if not _unknown(ctx.facts.values.get(node, UNKNOWN)):
        return None
    other = without_none(ctx.value(node.value))
    number = python_type(other) in NUMBERS
    if isinstance(other, Seq) or (python_type(other) is not None and not number):
        return None
    target: Any = node.target
    if isinstance(target, cst.Subscript):
        proven = not isinstance(other, Tensor)
    elif isinstance(target, cst.Attribute):
        values = attribute_values(ctx, target.attr.value)
        proven = number or (all(is_new(ctx, v) for v in values) and (bool(values) or not isinstance(other, Tensor)))
    else:
        bound = bound_values(ctx, target.value)
        new = bool(bound) and all(
            v is not None and (is_new(ctx, v, target.value) or (number and is_setting(ctx, v))) for v in bound
        )
        proven = new or used_as_number(ctx, target.value)
    if proven:
        return None
    return Refusal(
        "XL206", f"if `{nodes.code(target)}` is a tensor, this changes memory that something else may hold",
        "annotate it as a number or torch.Tensor, or write it out: x = x + y",
    )  # fmt: skip


def _unknown(value: Value) -> bool:
    while isinstance(value, BoundMethod):
        value = value.receiver
    return value is UNKNOWN


def is_new(ctx: Context, node: cst.BaseExpression, name: str = "") -> bool:
    """Whether an expression gives something that nothing else than ``name`` holds, or that cannot change.

    What an unknown function or layer gives is new, or one of its arguments.
    """
    if nodes.is_name(node, name):
        return True
    value = without_none(ctx.value(node))
    if python_type(value) is not None or nodes.is_name(node, "None"):
        return True
    if isinstance(node, NEW):
        return True
    if isinstance(node, cst.IfExp):
        return is_new(ctx, node.body, name) and is_new(ctx, node.orelse, name)
    if not isinstance(node, cst.Call):
        return False
    given = [ctx.value(a.value) for a in node.args]
    if isinstance(value, Tensor):
        if isinstance(node.func, cst.Attribute):
            given.append(ctx.value(node.func.value))
        return not any(memory_of(v) & value.storage for v in given)
    func = ctx.value(node.func)
    if isinstance(func, Api) and func.name.startswith("builtins."):
        builtin = func.name.removeprefix("builtins.")
        # Numbers are compared with numbers.
        return builtin in NEW_BUILTINS or (
            builtin in ("max", "min") and any(is_number(ctx, a.value) for a in node.args)
        )
    if isinstance(func, Api):
        return func.name.split(".", 1)[0] not in ctx.dialect.roots  # of another library: no tensor of this one
    if isinstance(node.func, cst.Attribute) and isinstance(func, BoundMethod) and _unknown(func.receiver):
        own = ctx.func is not None and nodes.code(node.func.value) == "self"
        if not own:
            return node.func.attr.value not in SHARING
    return bool(node.args) and all(not a.star and is_new(ctx, a.value, name) for a in node.args)


def is_setting(ctx: Context, node: cst.BaseExpression) -> bool:
    """Whether an expression is an attribute of an object that the program gets from elsewhere: ``args.lr``."""
    return isinstance(node, cst.Attribute) and _unknown(ctx.value(node)) and not nodes.code(node).startswith("self.")


def used_as_number(ctx: Context, name: str) -> bool:
    """Whether the function at hand gives the name to what takes Python numbers."""
    body = ctx.func.node if ctx.func is not None else ctx.tree
    for node in nodes.walk(body):
        func = ctx.value(node.func) if isinstance(node, cst.Call) else None
        if isinstance(func, Api) and (func.name in NUMERIC or func.name.startswith("math.")):
            if any(nodes.is_name(n, name) for a in node.args for n in nodes.walk(a)):  # type: ignore[attr-defined]
                return True
    return False


def is_number(ctx: Context, node: cst.BaseExpression) -> bool:
    """Whether an expression is certainly a Python number: ``int(...)``, or computed with one by ``//`` or ``*``."""
    if python_type(without_none(ctx.value(node))) in NUMBERS:
        return True
    if isinstance(node, cst.BinaryOperation):
        return is_number(ctx, node.left)
    return isinstance(node, cst.Call) and ctx.value(node.func) in (Api("builtins.int"), Api("builtins.float"))


def bound_values(ctx: Context, name: str) -> list[cst.BaseExpression | None]:
    """What a name is bound to in the function at hand; ``None`` for what is not an expression: a parameter, a loop."""
    body = ctx.func.node if ctx.func is not None else ctx.tree
    finder = _Bindings(name)
    body.visit(finder)
    return finder.found


def attribute_values(ctx: Context, name: str) -> list[cst.BaseExpression]:
    """What the project assigns to attributes of a name."""
    known = ctx.facts.cache.setdefault("attribute_values", {})
    if not known:
        for tree in ctx.facts.trees:
            for node in nodes.walk_statements(tree):
                targets: list[cst.BaseExpression] = []
                if isinstance(node, cst.Assign):
                    targets = [target.target for target in node.targets]
                elif isinstance(node, cst.AnnAssign) and node.value is not None:
                    targets = [node.target]
                for target in targets:
                    if isinstance(target, cst.Attribute):
                        known.setdefault(target.attr.value, []).append(node.value)
        known.setdefault("", [])
    return known.get(name, [])  # type: ignore[no-any-return]


class _Bindings(cst.CSTVisitor):
    def __init__(self, name: str) -> None:
        self.name = name
        self.found: list[cst.BaseExpression | None] = []

    def _target(self, target: cst.BaseExpression, value: Any) -> None:
        if nodes.is_name(target, self.name):
            self.found.append(value)
        elif not isinstance(target, cst.Attribute | cst.Subscript | cst.Name):
            parts = [n for n in nodes.walk(target) if nodes.is_name(n, self.name)]
            self.found += [None for _ in parts]

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            self._target(target.target, node.value)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self._target(node.target, node.value)

    def visit_For(self, node: cst.For) -> None:
        self._target(node.target, None)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        self._target(node.target, node.value)

    def visit_AsName(self, node: cst.AsName) -> None:
        self._target(node.name, None)

    def visit_Param(self, node: cst.Param) -> None:
        self._target(node.name, None)
