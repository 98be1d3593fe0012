"""Tensors that an optimizer moves itself: where they are told to require gradients they become variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from ..values import Const, Tensor, without_none

if TYPE_CHECKING:
    from .interp import Interpreter

OPTIMIZERS = frozenset({
    "SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta", "Rprop", "LBFGS", "ASGD",
})  # fmt: skip


def bound_leaf(it: Interpreter, node: cst.Assign, value: Any) -> Any:
    """The value of an assignment: a variable, if it makes a tensor that an optimizer of this function is given."""
    target = node.targets[0].target if len(node.targets) == 1 else None
    if isinstance(target, cst.Attribute) and target.attr.value == "requires_grad":
        owner = target.value
        if isinstance(owner, cst.Name) and value == Const(True) and is_leaf(it, owner.value):
            becomes_variable(it, node, owner.value)
        return value
    tensor = without_none(value)
    asked = isinstance(target, cst.Name) and isinstance(tensor, Tensor) and asks_gradient(it, node.value)
    if not asked or not is_leaf(it, target.value):  # type: ignore[union-attr]
        return value
    it.facts.leaves.add(node)
    return Tensor(tensor.rank, tensor.dims, tensor.dtype, tensor.layout, variable=True)


def effect_leaf(it: Interpreter, node: cst.Expr) -> bool:
    """``x.requires_grad_()`` as a statement: whether it makes a variable."""
    call = node.value
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return False
    name = call.func.value
    if not isinstance(name, cst.Name) or not asks_gradient(it, call) or not is_leaf(it, name.value):
        return False
    it.expr(call)
    return becomes_variable(it, node, name.value)


def becomes_variable(it: Interpreter, node: cst.CSTNode, name: str) -> bool:
    old = without_none(it.scope.lookup(name))  # type: ignore[arg-type]
    if not isinstance(old, Tensor):
        return False
    it.touch()
    it.facts.leaves.add(node)
    it.scope.bind(name, Tensor(old.rank, old.dims, old.dtype, old.layout, variable=True))
    return True


def asks_gradient(it: Interpreter, node: Any) -> bool:
    """``torch.zeros(3, requires_grad=True)`` or ``x.requires_grad_()``."""
    if not isinstance(node, cst.Call):
        return False
    if isinstance(node.func, cst.Attribute) and node.func.attr.value == "requires_grad_":
        return not node.args or it.expr(node.args[0].value) == Const(True)
    named = [a for a in node.args if a.keyword is not None and a.keyword.value == "requires_grad"]
    return any(it.facts.value(a.value) == Const(True) for a in named)


def is_leaf(it: Interpreter, name: str) -> bool:
    """Whether an optimizer made in this function is given the tensor of a local name."""
    if it.func is not None:
        params = it.func.node.params
        if any(p.name.value == name for p in (*params.posonly_params, *params.params, *params.kwonly_params)):
            return False
    homes: list[Any] = [it.func.node] if it.func is not None else list(it.facts.trees)
    return any(name in optimized(it, home) for home in homes)


def optimized(it: Interpreter, home: Any) -> frozenset[str]:
    """The names that stand in the lists which optimizers of a function are made with."""
    known: dict[Any, frozenset[str]] = it.facts.cache.setdefault("optimized", {})
    if home not in known:
        found: set[str] = set()
        _collect(home, found)
        known[home] = frozenset(found)
    return known[home]


def _collect(node: Any, found: set[str]) -> None:
    for child in node.children:
        if isinstance(child, cst.FunctionDef | cst.ClassDef):
            continue
        if isinstance(child, cst.Call) and _name(child.func) in OPTIMIZERS:
            given = [a.value for a in child.args if a.keyword is None or a.keyword.value == "params"]
            found |= _listed(given[0]) if given else set()
        _collect(child, found)


def _name(func: Any) -> str:
    last = func.attr if isinstance(func, cst.Attribute) else func
    return last.value if isinstance(last, cst.Name) else ""


def _listed(node: Any) -> set[str]:
    if isinstance(node, cst.Dict):
        return {n for e in node.elements if isinstance(e, cst.DictElement) for n in _listed(e.value)}
    if not isinstance(node, cst.List | cst.Tuple):
        return set()
    names = {e.value.value for e in node.elements if isinstance(e.value, cst.Name)}
    return names | {n for e in node.elements if isinstance(e.value, cst.Dict) for n in _listed(e.value)}
