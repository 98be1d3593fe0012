"""``self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: 3})``: what a Keras layer says of its input."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..values import Dim, Func, Tensor

SPEC = "InputSpec"


def specified(func: Func, name: str) -> Tensor | None:
    """The first argument of a layer's ``call``, as its constructor describes it; ``None`` if it says nothing."""
    params = func.node.params.params
    init = func.owner.find("__init__") if func.owner is not None else None
    if not isinstance(init, Func) or len(params) < 2 or params[1].name.value != name:
        return None
    for node in nodes.walk(init.node):
        if isinstance(node, cst.Assign) and nodes.code(node.targets[0].target).endswith(".input_spec"):
            return _described(node.value)
    return None


def _described(node: Any) -> Tensor | None:
    if not isinstance(node, cst.Call) or nodes.code(node.func).rpartition(".")[2] != SPEC:
        return None
    given = {a.keyword.value: a.value for a in node.args if a.keyword is not None}
    rank, axes = nodes.integer(given.get("ndim")), given.get("axes")
    if rank is None or not isinstance(axes, cst.Dict | None):
        return None
    dims: list[Dim] = [None] * rank
    for element in axes.elements if axes is not None else ():
        axis = nodes.integer(element.key) if isinstance(element, cst.DictElement) else None
        if axis is not None and -rank <= axis < rank:
            dims[axis] = nodes.integer(element.value)
    return Tensor(rank, tuple(dims))
