"""The weights that a Keras model lists: their axes may stand in another order in PyTorch.

A kernel is (inputs, outputs) in Keras and (outputs, inputs) in PyTorch. What is computed element by element from the
weights, their gradients and numbers is the same in both; what looks at axes is not. So the order of such tensors is
marked (`LayoutVar.weights`), and the mark follows the values that are computed from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..values import UNKNOWN, Instance, LayoutVar, Map, Seq, Shape, Tensor, UserClass, Value, elem_of, options_of
from .facts import BoundCall

if TYPE_CHECKING:
    from .interp import Interpreter

TRAINED = frozenset({"trainable_variables", "trainable_weights"})
FIXED = frozenset({"non_trainable_variables", "non_trainable_weights"})
CHANGES = frozenset({"assign", "assign_add", "assign_sub"})
KNOWN_BY_NAME = CHANGES | {
    "get_weights", "set_weights", "load_weights", "save_weights", "count_params", "get_layer", "get_shape",
    "set_shape", "as_list", "fit_generator", "predict_generator", "evaluate_generator", "reset_states",
}  # fmt: skip
"""Methods that objects of TensorFlow have, and those of few other libraries."""
LISTS = TRAINED | FIXED | {"weights", "variables"}


def listed(it: Interpreter, owner: Value, name: str) -> Value | None:
    """What ``model.trainable_variables`` is; ``None`` if it is no such list."""
    if it.direction != "tf2torch" or name not in LISTS:
        return None
    if owner is UNKNOWN:
        if name in ("weights", "variables") or it.scope.module not in it.frameworks:
            return None
    elif not isinstance(owner, Instance) or not _holds_weights(it, owner, name):
        return None
    it.touch()
    return Seq("list", None, weight())


def _holds_weights(it: Interpreter, owner: Instance, name: str) -> bool:
    if isinstance(owner.cls, UserClass):
        return owner.cls.module and owner.cls.find(name) is None
    api = owner.cls.name
    return api.startswith(("keras.layers.", "keras.applications.")) or api in it.dialect.module_bases


def weight() -> Tensor:
    return Tensor(dtype="float", layout=LayoutVar(perm=(), weights=True), variable=True)


def is_weight(value: Value) -> bool:
    """Whether a value is computed from weights element by element, or holds such values, or is their shape."""
    if isinstance(value, Tensor):
        return value.layout.find().weights and value.rank != 0
    if isinstance(value, Shape):
        return is_weight(value.tensor)
    if isinstance(value, Seq):
        return any(is_weight(v) for v in (value.items if value.items is not None else [value.elem]))
    if isinstance(value, Map):
        return is_weight(elem_of(value))
    return any(is_weight(o) for o in options_of(value)) if len(options_of(value)) > 1 else False


def carried(call: BoundCall, result: Value) -> bool:
    """Mark what comes from weights as they are; it clashes with tensors that keep their axes. Whether there was any."""
    bounds = [*call.args.values(), *call.varargs, *call.extra.values()]
    return _derived([b.value for b in bounds], result)


def met(a: Value, b: Value, out: Value) -> bool:
    """The same for an operator's result."""
    return _derived([a, b], out)


def _derived(given: list[Value], out: Value) -> bool:
    if not any(is_weight(v) for v in given):
        return False
    others = [v for v in given if isinstance(v, Tensor) and v.rank and not is_weight(v)]
    _mark(out, clash=bool(others))
    return True


def _mark(value: Value, *, clash: bool) -> None:
    if isinstance(value, Tensor) and value.rank != 0:
        value.layout = LayoutVar(perm=(), weights=True, clash=clash)
    elif isinstance(value, Seq):
        for item in value.items if value.items is not None else [value.elem]:
            _mark(item, clash=clash)


def gradients(sources: Value) -> Value:
    """What ``tape.gradient(target, sources)`` gives: tensors like the sources."""
    if isinstance(sources, Tensor):
        return Tensor(sources.rank, sources.dims, sources.dtype, sources.layout)
    if isinstance(sources, Seq):
        items = [gradients(v) for v in sources.items] if sources.items is not None else None
        return Seq("list", items, gradients(sources.elem))
    return UNKNOWN
