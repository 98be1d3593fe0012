"""The arguments of a Keras layer's constructor, as the rules that write PyTorch layers ask for them."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import Bound, BoundCall
from ..infer.keras_graph import features, input_of
from ..infer.results import int_of, ints_of
from ..rewrite.context import Context
from ..values import UNKNOWN, Const, Num, Seq, Tensor, Value, as_tensor, python_type
from .api import at_default, ctx_default
from .keras_layout import Refused
from .keras_names import names_in

QUIET = frozenset({"name", "input_shape", "batch_input_shape", "input_length", "autocast", "input_dim", "dtype"})
"""Arguments that PyTorch has no use for."""
AXIS_OF_CHANNELS = frozenset({"keras.layers.BatchNormalization", "keras.layers.GroupNormalization"})
"""Layers whose `axis` says where the channels are."""
INITIALIZERS = ("_initializer", "unit_forget_bias")


class LayerArgs:
    """One call of a layer's constructor. What a rule asks for counts as translated; `finish` checks the rest."""

    def __init__(self, ctx: Context, call: BoundCall) -> None:
        self.ctx = ctx
        self.call = call
        self.api = call.api
        self.used: set[str] = set()
        self.chosen: Any = None
        """The activation, where it is chosen at run time."""
        if call.problem:
            raise Refused("XL202", f"{call.api}: {call.problem}")

    # -- arguments -----------------------------------------------------------------------------

    def bound(self, name: str) -> Bound | None:
        self.used.add(name)
        found = self.call.args.get(name) or self.call.extra.get(name)
        return self.open(found) if found is not None else None

    def open(self, bound: Bound) -> Bound:
        """An argument that a parameter of the function decides may be another one for callers that are not seen."""
        func = self.ctx.func
        if func is None or not isinstance(bound.value, Const | Seq) or id(bound.value) in self.ctx.facts.configured:
            return bound
        params = func.node.params
        names = {p.name.value for p in (*params.params, *params.kwonly_params)}
        return Bound(bound.node, widened(bound.node, bound.value, names), bound.star)

    def value(self, name: str) -> Value:
        found = self.bound(name)
        return found.value if found is not None else UNKNOWN

    def node(self, name: str, default: Any = None) -> Any:
        """The argument as it is written now; ``default`` as a literal where it is not given."""
        found = self.bound(name)
        if found is not None:
            return self.ctx.updated(found.node)
        return nodes.literal(default) if default is not None else None

    def const(self, name: str, default: Any) -> Any:
        """The literal value of an argument.

        Raises:
            Refused: if it is computed.
        """
        value = self.bound(name)
        if value is None:
            return default
        if isinstance(value.value, Const):
            return value.value.value
        numbers = ints_of(value.value)
        if numbers is not None:
            return tuple(numbers)
        raise Refused("XL201", f"{self.api}: argument `{name}` must be a literal to be translated")

    def same(self, name: str, default: Any) -> bool:
        """Whether an argument certainly has this value."""
        found = self.bound(name)
        if found is None:
            return True
        if isinstance(found.value, Const):
            return bool(found.value.value == default)
        numbers = ints_of(found.value)
        return numbers is not None and (numbers == default or all(n == default for n in numbers))

    def flag(self, name: str, default: bool) -> Any:
        """A keyword's node where it is not certainly at the default of both frameworks."""
        return None if self.same(name, default) else self.node(name)

    def size(self, name: str, default: int | None = None) -> Any:
        """A size: equal literals become one number."""
        found = self.bound(name)
        if found is None:
            return nodes.literal(default) if default is not None else None
        numbers = ints_of(found.value)
        if numbers is not None and len(set(numbers)) == 1 and isinstance(found.node, cst.Tuple | cst.List):
            return nodes.literal(numbers[0])
        if isinstance(found.node, cst.List) and isinstance(found.value, Seq):
            new = self.ctx.updated(found.node)
            return cst.Tuple(new.elements) if isinstance(new, cst.List) else new
        return self.ctx.updated(found.node)

    def ints(self, name: str, axes: int, default: int) -> list[int] | None:
        found = self.bound(name)
        if found is None or found.value == Const(None):
            return [default] * axes
        numbers = ints_of(found.value)
        return None if numbers is None else numbers * axes if len(numbers) == 1 else numbers

    def integer(self, name: str) -> int | None:
        return int_of(self.value(name))

    # -- what the layer is called with ----------------------------------------------------------

    @property
    def inputs(self) -> Tensor | None:
        return as_tensor(input_of(self.ctx.facts, self.call.node))

    @property
    def first(self) -> bool:
        """Whether the layer's tensors are channels-first already.

        Raises:
            Refused: if that is decided at run time.
        """
        axis = self.bound("axis") if self.api in AXIS_OF_CHANNELS else None
        if axis is not None:
            rank = self.inputs.rank if self.inputs is not None else None
            return int_of(axis.value) == 1 and rank != 2
        given = self.bound("data_format")
        if given is None or given.value in (Const(None), Const("channels_last")):
            return False
        if given.value != Const("channels_first"):
            raise Refused("XL303", f"{self.api}: which `data_format` it gets is not known here")
        return True

    def check_format(self) -> None:
        """See that it is known where the channels are.

        Raises:
            Refused: if it is not.
        """
        assert self.first is not None

    @property
    def features(self) -> int | None:
        return features(self.ctx.facts, self.call.node, first=self.first)

    def channels(self) -> Any:
        """The size of the input's channel axis as a node; ``None`` where only the first call will tell."""
        size = self.features if self.first else None
        known = self.ctx.claim.channels(self) if size is None and self.ctx.claim is not None else None
        if known is not None:
            return known
        size = size or self.features
        if size is None:
            self.ctx.note(
                self.call.node, "XL402", f"{self.api}: the size of its input is not known here: a lazy module finds it",
                "run the model once before its parameters are used",
            )  # fmt: skip
        return nodes.literal(size) if size is not None else None

    # -- the rest ------------------------------------------------------------------------------

    def finish(self) -> None:
        """Every argument must be translated, without meaning, or at its default.

        Raises:
            Refused: on any other.
        """
        for name, bound in {**self.call.args, **self.call.extra}.items():
            if name in self.used or name in QUIET:
                continue
            if at_default(ctx_default(self.call, name), bound):
                continue
            if name.endswith(INITIALIZERS):
                self.ctx.note(self.call.node, "XL401", f"{self.api}: `{name}` is left to PyTorch's own default")
                continue
            if name == "trainable" and bound.value == Const(True):
                continue
            if bound.value == Const(None):
                continue
            raise Refused("XL201", f"{self.api}: argument `{name}` is not translated")


def widened(node: cst.BaseExpression, value: Value, names: set[str]) -> Value:
    """A value of which only the type is certain where parameters decide it."""
    if isinstance(value, Seq) and value.items is not None:
        written = node.elements if isinstance(node, cst.Tuple | cst.List) else None
        if written is not None and len(written) == len(value.items):
            return Seq(value.kind, [widened(e.value, v, names) for e, v in zip(written, value.items, strict=True)])
        return Seq(value.kind, [widened(node, v, names) for v in value.items])
    if not isinstance(value, Const) or not any(n.value in names for n in names_in(node)):
        return value
    kind = python_type(value)
    return Num(kind) if kind in ("int", "float", "bool", "str") else UNKNOWN


def text(value: Value) -> str | None:
    return value.value if isinstance(value, Const) and isinstance(value.value, str) else None
