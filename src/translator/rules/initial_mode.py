"""``self.eval()`` in a constructor: the object starts in the mode that a Keras layer is called in by default.

A fresh PyTorch module trains, so a call that is written for one gets ``training=True``, and Keras hands that down to
every layer inside. So the statement goes only where no such call of the program reaches an object of the class.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..rewrite.context import Context
from ..values import Instance, UserClass, Value, elem_of, options_of, without_none
from .training_modes import decided, modes_of


def starts_in_eval(ctx: Context, node: Any) -> bool:
    """Whether a call is ``self.eval()`` or ``self.part = part.eval()`` in the constructor of a class, or
    ``model.eval()`` in a method that makes one (``from_pretrained``), and nothing calls such objects while fresh."""
    func = ctx.func
    if func is None or not _evaluates(node) or ctx.cls is None or func.owner is not ctx.cls:
        return False
    place = node.func.value
    if func.name == "__init__":
        params = (*func.node.params.posonly_params, *func.node.params.params)
        if nodes.is_name(place, params[0].name.value):
            return ctx.cls not in _called_fresh(ctx)
        return _is_part(func.node.body, node, params[0].name.value) and not _called_fresh(ctx)
    if func.kind not in ("classmethod", "staticmethod"):
        return False
    made = without_none(ctx.value(place))
    called = (n.func for n in nodes.walk(func.node.body) if isinstance(n, cst.Call))
    if not isinstance(made, Instance) or any(place.deep_equals(f) for f in called if isinstance(f, cst.Name)):
        return False
    return isinstance(made.cls, UserClass) and not set(made.cls.mro()) & _called_fresh(ctx)


def _evaluates(node: Any) -> bool:
    """``model.eval()`` and ``model.train(False)``."""
    if not isinstance(node.func, cst.Attribute):
        return False
    off = len(node.args) == 1 and nodes.is_name(node.args[0].value, "False")
    return (node.func.attr.value == "eval" and not node.args) or (node.func.attr.value == "train" and off)


def _is_part(body: cst.CSTNode, node: Any, own: str) -> bool:
    """Whether what a call gives becomes an attribute of the object: a part, whose mode follows that of the whole."""
    for found in nodes.walk(body):
        if isinstance(found, cst.Assign) and found.value is node and len(found.targets) == 1:
            target = found.targets[0].target
            return isinstance(target, cst.Attribute) and nodes.is_name(target.value, own)
    return False


def _called_fresh(ctx: Context) -> set[UserClass | None]:
    """The classes of the project whose objects, or objects that hold them, are called in no mode that was set
    (``None`` stands for what is no class of the project)."""
    known: set[UserClass | None] | None = ctx.facts.cache.get("called fresh")
    if known is None:
        known = ctx.facts.cache["called fresh"] = set()
        for call, found in modes_of(ctx.facts).calls.items():
            if decided(found) is not False:
                known.add(None)
                _collect(ctx.value(call.func), known, 0)
    return known


def _collect(value: Value, out: set[UserClass | None], depth: int) -> None:
    for one in options_of(without_none(value)):
        inner = getattr(one, "receiver", one)
        if not isinstance(inner, Instance) or depth > 4:
            continue
        if isinstance(inner.cls, UserClass):
            for cls in inner.cls.mro():
                if cls not in out:
                    out.add(cls)
                    for attr in cls.attrs.values():
                        _collect(attr, out, depth + 1)
        else:
            for child in inner.children if inner.children is not None else [elem_of(inner)]:
                _collect(child, out, depth + 1)
            for arg in inner.args.values():
                _collect(arg, out, depth + 1)
