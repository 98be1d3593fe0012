"""Give every layout variable its order.

Values that must agree share a variable: what meets at the end of a branch, what a container hands from layer to
layer, what stands in a list. Every other operation (a call of the project's own functions, too) converts what it takes
and what it gives, so any assignment is sound; the votes only decide where transposes stand. Operations that are made
for channels-last tensors vote for it, and the orders spread from there along operations that carry any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..infer.agnostic import is_agnostic
from ..infer.facts import BoundCall, Pass
from ..infer.functions import bind_user
from ..infer.permuting import is_one as is_permuting
from ..values import (
    UNKNOWN,
    Api,
    BoundMethod,
    Const,
    Func,
    Instance,
    Map,
    MethodOf,
    Seq,
    Tensor,
    Union,
    UserClass,
    Value,
    as_tensor,
    elem_of,
    escape,
    options_of,
    without_none,
)
from . import behaviour, limits, outside, permuting
from .axes import given_axes, main_tensor
from .calls import arguments, callees, comes_out, forward_of, passed
from .natural import natural_orders, results
from .perms import Perm, channels_last, order_of
from .ranks import Ranks
from .unproven import LayoutUnproven

if TYPE_CHECKING:
    from ..infer.interp import Interpreter

FLATTEN = "torch.nn.Flatten"
"""The layer that is written for whatever order it is given."""
NORMS = frozenset({f"torch.nn.{n}" for n in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")})
"""Layers that can be told which axis the channels are, so they take source order, too."""

SAME_RANK_LISTS = frozenset({"split", "cumulative_pair", "pair_same"})
"""Kinds of results: tensors of the operand's rank, in a list."""

ROUNDS = 6
"""How often orders spread over all operations: values that go around loops settle in two or three."""


def solve(it: Interpreter, *, keep_io: bool = False) -> None:
    """Unify, vote, spread.

    Args:
        keep_io: whether what enters and leaves models from outside keeps source order.

    Raises:
        LayoutUnproven: where a container hands on a tensor in an order that cannot be converted.
    """
    Solver(it, keep_io=keep_io).run()


class Solver:
    """One run over the facts of a project."""

    def __init__(self, it: Interpreter, *, keep_io: bool = False) -> None:
        self.it, self.facts, self.keep_io = it, it.facts, keep_io
        self.hard: limits.Hard = []
        self.lost: set[Func] = set()
        """Functions that may be called from where nothing is followed."""
        self.methods: set[cst.CSTNode] | None = None
        """All nodes in methods of modules: found when first asked for."""

    def run(self) -> None:
        ranks = Ranks(self)
        for item in self.passes():
            self.facts.entries.setdefault(self.facts.handed.get(item.node, item.node), item)
        limits.mixed_calls(self.it)
        permuting.check(self.it)
        self.lose()
        if self.keep_io:
            outside.keep_source_order(self.it)
        self.unite()
        ranks.run()
        self.pin()
        ranks.run()
        for tensor, last, _ in self.hard:
            root = tensor.layout.find()
            if last:
                root.votes += 1
            else:
                root.source = True
        lost = [item for tensor, last, item in self.hard if last and tensor.rank is None]
        limits.contained(self.it, self.hard, lost, "the rank of a tensor inside of a container is not known")
        ranks.mixed_ranks()
        self.vote()
        last = [(tensor, item) for tensor, last, item in self.hard if last and (tensor.rank or 0) > 2]
        lost = [item for tensor, item in last if order_of(tensor) is None]
        limits.contained(self.it, self.hard, lost, "layers of a container need different axis orders")
        limits.alike(self.it, self.passes())
        for _ in range(ROUNDS):
            if not self.spread():
                break
        limits.joint_calls(self.it)
        limits.check_inherited(self.it)

    # -- what is not followed ------------------------------------------------------------------------

    def lose(self) -> None:
        """Functions and modules that are handed to something unknown: their tensors keep source order."""
        blind = False
        for node in list(self.facts.values):
            if isinstance(node, cst.Call):
                self._lose_arguments(node)
                blind = blind or self._blind(node)
        if blind:
            self._seen_layers()
        for cls in self.facts.classes.values():
            foreign = any(isinstance(b, Api) and b.name == "torch.autograd.Function" for b in cls.bases)
            for method in cls.methods.values():
                if foreign or (blind and cls.module and cls.made_in) or method.kind == "property":
                    self.lost.add(method)
        # What a function was last seen with is not all that it is called with.
        self.lost.update(func for func in self.facts.functions.values() if func.stale and func.runs)
        self.lost.update(func for func in self.facts.functions.values() if is_agnostic(self.it, func))
        for func in self.lost:
            for value in (*func.start.values(), *func.returned):
                escape(value)

    def _seen_layers(self) -> None:
        """Where something unknown is called, every channels-last layer must be seen to be called elsewhere."""
        unseen = [
            node
            for node, call in self.facts.calls.items()
            if isinstance(call.result, Instance) and node not in self.facts.unmoved
            and behaviour.of_layer(self.it, call.result) == "channels" and not self.facts.layer_uses.get(node)
        ]  # fmt: skip
        if unseen:
            raise LayoutUnproven(unseen[0], "it is not seen where this layer is called", unseen)

    def _blind(self, node: cst.Call) -> bool:
        """Whether a call of something unknown may run a module of the project."""
        func = self.facts.value(node.func)
        steps = behaviour.container(self.it, func)
        if steps is not None and _unseen(steps):
            return limits.given_tensor(self.it, node) or self._lost_layer(node)
        if func is not UNKNOWN and not (isinstance(func, BoundMethod) and self.facts.value(node) is UNKNOWN):
            return False
        if isinstance(node.func, cst.Attribute):
            owner = self.facts.value(node.func.value)
            if not (isinstance(owner, Instance) and isinstance(owner.cls, UserClass)):
                return False
        return limits.given_tensor(self.it, node) or self._lost_layer(node)

    def _lost_layer(self, node: cst.Call) -> bool:
        """Whether a call of something unknown with something unknown is in a method of a module: likely of a layer
        that was lost sight of."""
        if isinstance(node.func, cst.Attribute) and isinstance(node.func.value, cst.Call):
            return False  # of `super()`: the framework's own methods
        if not any(without_none(self.facts.value(a.value)) is UNKNOWN for a in node.args):
            return False
        if self.methods is None:
            modules = [cls for cls in self.facts.classes.values() if cls.module]
            self.methods = {n for cls in modules for m in cls.methods.values() for n in nodes.walk(m.node)}
        return node in self.methods

    def _lose_arguments(self, node: cst.Call) -> None:
        func = without_none(self.facts.value(node.func))
        kind = behaviour.of_node(self.it, node)
        maker = isinstance(func, Api) and func.name.startswith(("torch.nn.", "functools.partial", "copy.deepcopy"))
        if kind in ("pass", "look", "iterate") or maker or isinstance(func, BoundMethod):
            return
        for arg in node.args:
            value = self.facts.value(arg.value)
            self._lose_callable(value)
            if isinstance(value, Seq | Map | Union) and as_tensor(value) is None:
                if not (kind == "axis" or isinstance(arg.value, cst.List | cst.Tuple)):
                    escape(value)

    def _lose_callable(self, value: Value) -> None:
        """A function or module that something unknown is given may be called from there."""
        for option in options_of(value):
            if isinstance(option, Func):
                self.lost.add(option)
            elif isinstance(option, MethodOf):
                self.lost.add(option.func)
            elif (forward := forward_of(self.it, option)) is not None:
                self.lost.add(forward)

    def pin(self) -> None:
        """Parameters, buffers and other attributes keep source order; so do the parts of results that come in lists."""
        for _, kind, given in limits.inherited(self.it):
            if kind != "channels":
                given.layout.find().source = True
        for cls in self.facts.classes.values():  # tensors kept in attributes: whoever has the object may read them
            for kept in cls.attrs.values():
                if (tensor := as_tensor(kept)) is not None:
                    tensor.layout.find().source = True
        for node, value in self.facts.values.items():
            tensor = as_tensor(value)
            if tensor is not None and tensor.variable:
                tensor.layout.find().source = True
            if isinstance(node, cst.Call) and behaviour.of_node(self.it, node) == "opaque":
                for func, _ in callees(self.it, node):  # code that may run there beside what takes source order
                    for inner in (*func.start.values(), *func.returned):
                        escape(inner)
            if isinstance(node, cst.Call) and isinstance(value, Seq | Map):
                call, kind = self.facts.calls.get(node), behaviour.of_node(self.it, node)
                if call is not None and kind not in ("pass", "look", "iterate"):
                    self._pin_items(call, kind, value)

    def _pin_items(self, call: BoundCall, kind: str, value: Value) -> None:
        """Results in a list stand as the tensor does that they are parts of, or in source order."""
        row, main = behaviour.row_of(self.it, call), main_tensor(call)
        axes = given_axes(call) if kind == "axis" else None
        parts = row is not None and row.returns in SAME_RANK_LISTS and bool(axes) and None not in (axes or {}).values()
        if parts and main is not None:
            for tensor in results(value):
                tensor.layout.unite(main.layout)
        else:
            escape(value)

    def tensors(self) -> list[Tensor]:
        """Every tensor of the last runs."""
        out: list[Tensor] = []
        for value in self.facts.values.values():
            _collect(value, out)
        for func in self.facts.functions.values():
            for value in (*func.start.values(), *func.returned):
                _collect(value, out)
        for item in self.passes():
            _collect(item.given, out)
            _collect(item.result, out)
        return out

    # -- what must agree -----------------------------------------------------------------------------

    def last_run(self, run: Any) -> bool:
        return run[0] is None or run[0].runs == run[1]

    def passes(self) -> list[Pass]:
        return [p for p in self.facts.passes if self.last_run(p.run)]

    def unite(self) -> None:
        for value, func, name, run in self.facts.flows:
            if self.last_run(run) and not is_agnostic(self.it, func):
                agree(value, func.start.get(name, UNKNOWN))
        for func in self.facts.functions.values():
            for value in func.returned[1:]:
                agree(func.returned[0], value)
        for node in list(self.facts.values):
            if isinstance(node, cst.Call):
                self._call(node)
        for item in self.passes():
            self._pass(item)

    def _call(self, node: cst.Call) -> None:
        """A call of the project's functions: tensors are converted there, but not what stands in lists."""
        found = callees(self.it, node)
        for func, bound in found:
            for name, value in (bind_user(func, arguments(self.it, node), bound=bound) or {}).items():
                start = func.start.get(name, UNKNOWN)
                if as_tensor(value) is None or as_tensor(start) is None:
                    agree_nested(value, start)
                for other, _ in found[1:]:
                    agree_if_alike(start, other.start.get(name, UNKNOWN))
            for value in func.returned:
                if as_tensor(value) is None and not _is_none(value):
                    agree_nested(value, self.facts.value(node))
            for other, _ in found[1:]:
                if func.returned and other.returned:
                    agree_if_alike(func.returned[0], other.returned[0])
        inner = comes_out(self.it, node)
        for value in (*inner[1:], *(func.returned[0] for func, _ in found[:1] if func.returned)):
            agree_if_alike(inner[0], value) if inner else None

    def _pass(self, item: Pass) -> None:
        given, result = as_tensor(item.given), as_tensor(item.result)
        forward = forward_of(self.it, item.layer)
        if forward is not None and is_agnostic(self.it, forward):
            agree(item.given, item.result)
        elif forward is not None:
            for value in forward.returned:
                agree(value, item.result)
        elif is_permuting(item.layer):
            pass  # it takes any order, and gives any
        elif isinstance(item.layer, Instance) and behaviour.container(self.it, item.layer) is None:
            kind = behaviour.of_layer(self.it, item.layer)
            if kind == "pointwise":
                agree(item.given, item.result)
            else:
                self._layer(item, kind, given, result)
        if item.loops and given is not None and result is not None:
            agree(given, result)

    def _layer(self, item: Pass, kind: str, given: Tensor | None, result: Tensor | None) -> None:
        """A framework's layer in a container: nothing can be converted before or after it."""
        assert isinstance(item.layer, Instance)
        if item.layer.api == FLATTEN:
            if result is not None:
                self.hard.append((result, False, item))
        elif item.layer.api in NORMS and given is not None and result is not None:
            given.layout.unite(result.layout)
            given.layout.find().votes += 1
        else:
            for tensor in (given, result):
                if tensor is not None:
                    self.hard.append((tensor, kind == "channels", item))

    # -- votes -----------------------------------------------------------------------------------------

    def vote(self) -> None:
        for node, value in self.facts.values.items():
            if not isinstance(node, cst.Call) or behaviour.of_node(self.it, node) != "channels":
                continue
            for tensor in (self.channels_input(node), as_tensor(value)):
                if tensor is not None:
                    tensor.layout.find().votes += 1
        for tensor in self.tensors():
            root = tensor.layout.find()
            if root.votes and tensor.rank is not None and tensor.rank > 2:
                assign(tensor, channels_last(tensor.rank))

    def channels_input(self, node: cst.Call) -> Tensor | None:
        call = self.facts.calls.get(node)
        if call is not None:
            return as_tensor(call.value("input"))
        return as_tensor(self.facts.value(node.args[0].value)) if node.args else None

    # -- spreading -------------------------------------------------------------------------------------

    def spread(self) -> bool:
        """Let every operation hand orders on, forwards and backwards; whether anything changed."""
        changed = False
        for node, value in list(self.facts.values.items()):
            for tensor, perm in natural_orders(self.it, node, value):
                changed |= assign(tensor, perm)
            if isinstance(node, cst.Call):
                for func, bound in callees(self.it, node):
                    changed |= self._spread_call(node, func, bound, value)
                entry = self.facts.entries.get(node)
                first = passed(self.it, node)[:1] if entry is not None else []
                given = as_tensor(self.facts.value(first[0].value)) if first else None
                inner = as_tensor(entry.given) if entry is not None else None
                if given is not None and inner is not None:
                    changed |= assign(inner, order_of(given)) or assign(given, order_of(inner))
                result = as_tensor(value)
                for last in comes_out(self.it, node) if result is not None else ():
                    changed |= assign(last, order_of(result)) or assign(result, order_of(last))  # type: ignore[arg-type]
        for tensor, perm in permuting.orders(self.it):
            changed |= assign(tensor, perm)
        return changed

    def _spread_call(self, node: cst.Call, func: Func, bound: bool, value: Value) -> bool:
        changed = False
        for name, given in (bind_user(func, arguments(self.it, node), bound=bound) or {}).items():
            one, other = as_tensor(given), as_tensor(func.start.get(name, UNKNOWN))
            if one is not None and other is not None:
                changed |= assign(other, order_of(one)) or (not one.variable and assign(one, order_of(other)))
        for returned in func.returned:
            one, other = as_tensor(returned), as_tensor(value)
            if one is not None and other is not None:
                changed |= assign(other, order_of(one)) or assign(one, order_of(other))
        return changed


def _unseen(steps: Instance) -> bool:
    """Whether nothing is known of the layers of a container. (Where its first one is known, an unknown one among the
    others is what a parameter of a public constructor may bring from outside of the program.)"""
    first = steps.first if steps.first is not None else UNKNOWN
    return steps.children is None and UNKNOWN in options_of(elem_of(steps)) and UNKNOWN in options_of(first)


def assign(tensor: Tensor, perm: Perm | None) -> bool:
    """Choose an order for a tensor that has none yet; whether that changed anything."""
    root = tensor.layout.find()
    if perm is None or root.perm is not None or root.source or tensor.rank != len(perm) or tensor.variable:
        return False
    if perm == tuple(range(len(perm))):
        return False
    root.perm = perm
    return True


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None


def _collect(value: Value, out: list[Tensor], depth: int = 0) -> None:
    if isinstance(value, Tensor):
        out.append(value)
    elif depth < 4 and isinstance(value, Seq | Map | Union):
        items: list[Value] = list(value.options) if isinstance(value, Union) else [value.elem]
        if isinstance(value, Seq):
            items += value.items or []
        elif isinstance(value, Map):
            items += list((value.items or {}).values())
        for item in items:
            _collect(item, out, depth + 1)


def agree_nested(a: Value, b: Value) -> None:
    """Agree on what stands in lists; a tensor that meets something else keeps source order."""
    if a is UNKNOWN and as_tensor(b) is not None:
        return  # what is not known is taken for source order where it is passed
    agree(a, b)


def agree_if_alike(a: Value, b: Value) -> None:
    """What one call gives to either of two functions: tensors whose ranks are not known to be the same keep source
    order, since they may be of several."""
    one, other = as_tensor(a), as_tensor(b)
    if one is not None and other is not None and (one.rank is None or one.rank != other.rank):
        escape(one)
        escape(other)
    else:
        agree(a, b)


def agree(a: Value, b: Value) -> None:
    """Make two values that stand for the same thing have the same orders throughout."""
    if a is b:
        return
    if isinstance(a, Union) or isinstance(b, Union):
        for x in options_of(a):
            for y in options_of(b):
                if type(x) is type(y):
                    agree(x, y)
        _lost(a, b)
    elif isinstance(a, Tensor) and isinstance(b, Tensor):
        a.layout.unite(b.layout)
    elif isinstance(a, Seq) and isinstance(b, Seq):
        if a.items is not None and b.items is not None and len(a.items) == len(b.items):
            for x, y in zip(a.items, b.items, strict=True):
                agree(x, y)
        else:
            agree(elem_of(a), elem_of(b))
    elif isinstance(a, Map) and isinstance(b, Map):
        if a.items is not None and b.items is not None:
            for key in a.items.keys() & b.items.keys():
                agree(a.items[key], b.items[key])
        else:
            agree(elem_of(a), elem_of(b))
    elif type(a) is not type(b):
        escape(a)
        escape(b)


def _lost(a: Value, b: Value) -> None:
    """Alternatives that have no partner on the other side flow somewhere that is not followed."""
    for one, others in ((a, options_of(b)), (b, options_of(a))):
        for option in options_of(one):
            if not isinstance(option, Const) and not any(type(option) is type(o) for o in others):
                escape(option)
