"""Where channels last cannot be given to a layer, since nothing can be converted there: which layers stay as they are.

All of these look at what inference found and raise `LayoutUnproven`, with the calls that can stay in source order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import libcst as cst

from .. import nodes
from ..infer.facts import Pass
from ..infer.functions import bind_user
from ..infer.layers import ANY_LAYER, module_base
from ..values import UNKNOWN, Instance, Tensor, UserClass, Value, as_tensor, options_of, without_none
from . import behaviour
from .calls import arguments, callees, passed
from .perms import channels_last, order_of
from .unproven import LayoutUnproven

if TYPE_CHECKING:
    from ..infer.interp import Interpreter

Hard = list[tuple[Tensor, bool, Pass]]
"""Tensors inside of containers that must be channels-last (or must not), and where."""

INPUT_SIZES = frozenset({"in_features", "in_channels", "input_size"})
"""Arguments of layers whose weights Keras makes for the size of what goes in."""


def contained(it: Interpreter, hard: Hard, items: list[Pass], reason: str) -> None:
    """Channels-last layers of containers that stand between others of another order: all of the container's."""
    if items:
        homes = {item.node for item in items}
        whole = [item.layer for _, last, item in hard if last and item.node in homes]
        raise LayoutUnproven(items[0].node, reason, made(it, whole))


def made(it: Interpreter, layers: Iterable[Value]) -> frozenset[cst.CSTNode]:
    """The calls that make some layers; none if that is not known of all."""
    every = [layer for layer in layers if isinstance(layer, Instance)]
    sites = {s for layer in every for s in layer.sites}
    known = all(layer.sites for layer in every) and sites <= it.facts.calls.keys()
    return frozenset(sites) if known else frozenset()


def alike(it: Interpreter, passes: Iterable[Pass]) -> None:
    """What is called in one place is all moved or all unmoved."""
    if not it.facts.unmoved:
        return
    for node in it.facts.values:
        call = it.facts.calls.get(node) if isinstance(node, cst.Call) else None
        if isinstance(node, cst.Call) and (call is None or call.api.endswith("__call__")):
            _alike(it, node, options_of(without_none(it.facts.value(node.func))))
    for item in passes:
        _alike(it, item.node, (item.layer,))


def _alike(it: Interpreter, node: cst.CSTNode, options: Iterable[Value]) -> None:
    layers = [o for o in options if isinstance(o, Instance)]
    some = [layer for layer in layers if behaviour.of_api(it, layer) == "channels"]
    sites = {s for layer in some for s in layer.sites}
    unmoved = sites & it.facts.unmoved.keys()
    apis = {call.api for s in it.facts.unmoved if (call := it.facts.calls.get(s)) is not None}
    nameless = any(not layer.sites and layer.api in apis for layer in some)
    if nameless or (unmoved and (unmoved != sites or not all(layer.sites for layer in some))):
        reason = "what is called here may be a layer in either axis order"
        raise LayoutUnproven(node, reason, frozenset() if nameless else made(it, some))


def mixed_calls(it: Interpreter) -> None:
    """What one call may run must take one order: a channels-last layer in a list with others cannot be told."""
    for node in it.facts.values:
        call = it.facts.calls.get(node) if isinstance(node, cst.Call) else None
        if not isinstance(node, cst.Call) or (call is not None and not call.api.endswith("__call__")):
            continue
        options = options_of(without_none(it.facts.value(node.func)))
        if any(isinstance(o, Instance) and ANY_LAYER in o.args for o in options):
            unmade = _unmade_home(it, node)
            if unmade is not None:
                reason = "it calls layers that it is given, and nothing here makes one"
                raise LayoutUnproven(node, reason, [unmade.node])
            raise LayoutUnproven(node, "any layer of the program may be called here")
        kinds = {behaviour.of_callee(it, option) for option in options}
        if "channels" in kinds and kinds - behaviour.WITH_CHANNELS:
            _leave(it, node, options)


def _unmade_home(it: Interpreter, node: cst.CSTNode) -> UserClass | None:
    """The class around a call that nothing in the program makes or hands on, and that makes no layers itself: no layer
    of the program can be called there."""
    for cls in it.facts.classes.values():
        inside = set(nodes.walk(cls.node)) if cls.module and not cls.made_in else ()
        if node in inside:
            named = any(value is cls for value in it.facts.values.values())
            inherited = any(cls in other.mro() for other in it.facts.classes.values() if other is not cls)
            calls = [call for at, call in it.facts.calls.items() if at in inside]
            makes = any(isinstance(call.result, Instance) for call in calls)
            return None if named or inherited or makes else cls
    return None


def _leave(it: Interpreter, node: cst.CSTNode, options: Iterable[Value]) -> None:
    """Leave the channels-last layers among those that a call may run in source order."""
    some = [o for o in options if behaviour.of_callee(it, o) == "channels"]
    raise LayoutUnproven(node, "layers that need different axis orders are called here", made(it, some))


def joint_calls(it: Interpreter) -> None:
    """Where a call may run a channels-last layer or code of the project, that code takes and gives this order."""
    for node in it.facts.values:
        if not isinstance(node, cst.Call) or behaviour.of_node(it, node) != "channels":
            continue
        given = passed(it, node)[:1]
        for func, bound in callees(it, node):
            bindings = bind_user(func, arguments(it, node), bound=bound) or {}
            first = it.facts.value(given[0].value) if given else UNKNOWN
            inner = [as_tensor(func.start.get(n, UNKNOWN)) for n, v in bindings.items() if v is first]
            outer = [as_tensor(r) for r in func.returned]
            if any(order_of(t) != channels_last(t.rank or 0) for t in (*inner, *outer) if t is not None):
                _leave(it, node, options_of(without_none(it.facts.value(node.func))))


def inherited(it: Interpreter) -> Iterator[tuple[UserClass, str, Tensor]]:
    """What the project's subclasses of the framework's layers are called with, and how the layer treats order.
    Keras makes the weights for what goes into the subclass, so that must be what the layer itself takes."""
    for cls in it.facts.classes.values():
        base, forward = module_base(cls), cls.methods.get(it.dialect.forward[0])
        if base is None or base in it.dialect.containers or forward is None:
            continue
        signature = it.tables.source.get(base)
        overloads = signature.overloads if signature is not None else ()
        names = {param.name for overload in overloads for param in overload}
        if names & INPUT_SIZES:
            kind = behaviour.of_row(next(iter(it.tables.find(base)), None))
            yield from ((cls, kind, t) for v in forward.start.values() if (t := as_tensor(v)) is not None)


def check_inherited(it: Interpreter) -> None:
    """A subclass of a channels-last layer is called with what the layer takes."""
    for cls, kind, tensor in inherited(it):
        if kind == "channels" and (tensor.rank or 0) > 2 and order_of(tensor) != channels_last(tensor.rank or 0):
            raise LayoutUnproven(cls.node, "a class is called in another order than the layer it descends from")


def given_tensor(it: Interpreter, node: cst.Call) -> bool:
    """Whether a call is given a tensor."""
    return any(isinstance(without_none(it.facts.value(a.value)), Tensor) for a in node.args)
