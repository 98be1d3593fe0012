"""The channels of each tensor of a functional model, as expressions of ``__init__``.

A number where the inference knows it; else what the layer that made the tensor was told (``filters``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..infer.keras_graph import made_by
from ..values import Const, Func, Instance, UserClass, as_tensor, without_none
from .keras_flow import Branches
from .keras_helpers import Helper, bound_arguments
from .keras_names import assignment, names_in

if TYPE_CHECKING:
    from .keras_claim import Claim

OUTPUT = {
    "Conv1D": "filters", "Conv2D": "filters", "Conv3D": "filters", "Conv2DTranspose": "filters", "Dense": "units",
    "SeparableConv2D": "filters", "SeparableConv1D": "filters", "Conv1DTranspose": "filters",
    "Conv3DTranspose": "filters", "Embedding": "output_dim", "LSTM": "units", "GRU": "units", "SimpleRNN": "units",
}  # fmt: skip
"""The argument that says how many channels a layer gives."""
SAME = frozenset({
    "BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization", "Normalization",
    "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "Softmax", "Rescaling", "Masking", "Identity",
    "Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "MultiHeadAttention",
    *(f"{kind}{axes}D" for axes in (1, 2, 3) for kind in (
        "SpatialDropout", "MaxPooling", "AveragePooling", "GlobalAveragePooling", "GlobalMaxPooling", "ZeroPadding",
        "UpSampling", "Cropping",
    )),
})  # fmt: skip
CONCAT = Const("concat")
MERGED = frozenset({"Add", "Multiply", "Subtract", "Average", "Maximum", "Minimum",
                    "add", "multiply", "subtract", "average", "maximum", "minimum"})  # fmt: skip


@dataclass(slots=True, eq=False)
class Either:
    """Channels that differ between the branches of an ``if``: asked for, they become a variable of ``__init__``."""

    name: str
    branches: Branches
    sizes: list[Any]


@dataclass(slots=True, eq=False)
class Own:
    """The channels of a helper's own tensor: asked for, they become a parameter of the constructor."""

    name: str


class Sizes:
    """Channels by variable, kept up to date while the region is walked."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.known: dict[str, Any] = {}

    def bind(self, name: str, node: cst.BaseExpression) -> None:
        """A variable is assigned: a list of tensors has a list of sizes."""
        listed = isinstance(node, cst.List | cst.Tuple)
        self.known[name] = [self.of(e.value) for e in node.elements] if listed else self.of(node)  # type: ignore[attr-defined]

    def declare(self, name: str, shape: cst.BaseExpression) -> None:
        """An `Input` has the channels that its shape says."""
        if isinstance(shape, cst.Tuple | cst.List):
            last = shape.elements[-1].value if shape.elements else cst.Name("None")
            if not nodes.is_name(last, "None"):
                self.known[name] = last
        elif isinstance(shape, cst.Name):
            self.known[name] = nodes.dotted(f"{shape.value}[-1]")

    def append(self, name: str, node: cst.BaseExpression, *, many: bool) -> None:
        """A list gets another tensor; in a loop any number of them, so that only what is alike in all is known."""
        listed, size = self.known.get(name), self.of(node)
        if not isinstance(listed, list) or size is None or (many and any(not same(s, size) for s in listed)):
            self.known[name] = None
        else:
            self.known[name] = [*listed, size] if not many else [*(listed or [size]), None]

    def forget(self, variable: str) -> None:
        """A Python variable changes: sizes that were told in terms of it are no longer known."""
        for name, size in list(self.known.items()):
            if isinstance(size, Either):
                if mentions(size, variable):
                    self.known[name] = self._variable(name)
            elif isinstance(size, list):
                self.known[name] = [None if s is None or mentions(s, variable) else s for s in size]
            elif size is not None and mentions(size, variable):
                self.known[name] = None

    def either(self, branches: Branches, options: list[dict[str, Any]]) -> None:
        """Branches meet again: what differs between them is settled when it is asked for."""
        out = dict(options[0])
        for name in dict.fromkeys(n for option in options for n in option):
            this = self.claim.this
            own = Own(name) if this is not None and name in this.tensors else None
            sizes = [option.get(name, own) for option in options]
            if any(s is None for s in sizes):
                out[name] = None
            elif all(same(sizes[0], s) for s in sizes):
                out[name] = sizes[0]
            else:
                out[name] = Either(name, branches, sizes)
        self.known = out

    def settle(self, size: Any) -> Any:
        """A size as an expression."""
        if isinstance(size, Own):
            return self._own(size.name)
        if not isinstance(size, Either):
            return size
        variable = f"{size.name}_channels"
        for body, one in zip(size.branches.bodies, size.sizes, strict=True):
            body.append(assignment(cst.Name(variable), self.settle(one)))
        for name, known in self.known.items():
            if known is size:
                self.known[name] = cst.Name(variable)
        return cst.Name(variable)

    def of(self, node: cst.BaseExpression) -> Any:
        """The channels of a tensor expression; ``None`` if nothing tells."""
        tensor = as_tensor(self.claim.ctx.value(node))
        last = tensor.dims[-1] if tensor is not None and tensor.dims else None
        if isinstance(last, int) and self.claim.this is None and self.claim.ctx.func is None:
            return nodes.literal(last)
        found = self._of(node)
        if isinstance(last, int) and found is not None and not names_in(found):
            return nodes.literal(last)
        return found if found is not None else nodes.literal(last) if isinstance(last, int) else None

    def of_result(self, node: cst.BaseExpression | None) -> Any:
        """The channels of what is returned: a list for a tuple."""
        if isinstance(node, cst.Tuple | cst.List):
            return [self.of(e.value) for e in node.elements]
        return self.of(node) if node is not None else None

    def _of(self, node: cst.BaseExpression) -> Any:
        if isinstance(node, cst.Name):
            return self._variable(node.value)
        if isinstance(node, cst.BinaryOperation):
            return broadcast(self.of(n) for n in (node.left, node.right))
        if isinstance(node, cst.IfExp):
            one, other = self.of(node.body), self.of(node.orelse)
            return one if one is not None and other is not None and same(one, other) else None
        if isinstance(node, cst.Call):
            found = self._call(node)
            return None if isinstance(found, list) else found
        if isinstance(node, cst.Subscript):
            whole = as_tensor(self.claim.ctx.value(node.value))
            kept = whole is not None and whole.rank is not None and len(node.slice) < whole.rank
            plain_index = not any(nodes.code(e).strip(", ") in ("...", "None", "tf.newaxis") for e in node.slice)
            return self.of(node.value) if kept and plain_index else None
        return None

    def _variable(self, name: str) -> Any:
        if name in self.known:
            found = self.known[name]
            if isinstance(found, Either) and has_list(found):
                return None
            return self.settle(found) if not isinstance(found, list) else None
        return self._own(name)

    def _own(self, name: str) -> Any:
        this = self.claim.this
        if this is None or name not in this.tensors or name in this.unsized:
            return None
        if name not in this.sized:
            this.sized.append(name)
        return cst.Name(parameter(this.tensors, name))

    def parts(self, node: cst.BaseExpression, n: int) -> list[Any]:
        """The channels of each of the tensors that an expression gives."""
        if isinstance(node, cst.Tuple | cst.List) and len(node.elements) == n:
            return [self.of(e.value) for e in node.elements]
        found = self._call(node) if isinstance(node, cst.Call) else None
        return found if isinstance(found, list) and len(found) == n else [None] * n

    def _call(self, node: cst.Call) -> Any:
        claim = self.claim
        helper = claim.helper_of(node)
        if helper is not None:
            return self._helper(helper, node)
        bound = claim.ctx.call(node)
        if bound is not None and bound.api.startswith("keras.layers.") and not bound.api.endswith("__call__"):
            kind = bound.api.rsplit(".", 1)[-1]
            inputs = bound.args.get("inputs")
            return self._merge(kind, inputs.node) if inputs is not None else None
        func = without_none(claim.ctx.value(node.func))
        if isinstance(func, Instance) and isinstance(func.cls, UserClass) and node.args:
            found = self._user_layer(func.cls, node.args[0].value)
            return found if found is not None else self._told(func.cls, node.func)
        if bound is not None and not bound.api.endswith("__call__"):
            rows = claim.ctx.tables.find(bound.api)
            first = next(iter(bound.args.values()), None)
            alike = bool(rows) and rows[0].returns in ("same", "same_float")
            return self.of(first.node) if alike and first is not None else None
        if not isinstance(func, Instance) or func.api is None or not node.args:
            return None
        return self._layer(func, node)

    def _layer(self, func: Instance, node: cst.Call) -> Any:
        """What a layer of Keras's gives."""
        kind = (func.api or "").rsplit(".", 1)[-1]
        source = node.args[0].value
        if kind in SAME:
            return self.of(source)
        if kind == "DepthwiseConv2D":
            maker = self.claim.ctx.call(node.func)
            times = maker.args.get("depth_multiplier") if maker is not None else None
            size = self.of(source)
            if times is None or times.value == Const(1) or size is None:
                return size
            return nodes.template("{c} * {n}", {"c": size, "n": self.claim.ctx.updated(times.node)})
        if kind == "Reshape":
            maker = self.claim.ctx.call(node.func)
            shape = maker.args.get("target_shape") if maker is not None else None
            if shape is None or not isinstance(shape.node, cst.Tuple | cst.List) or not shape.node.elements:
                return None
            last = shape.node.elements[-1].value
            return None if self.claim.ctx.value(last) == Const(-1) else self.claim.ctx.updated(last)
        if kind in ("Bidirectional", "TimeDistributed"):
            return self._wrapped(kind, func, node)
        if kind not in OUTPUT:
            return self._merge(kind, source)
        maker = self.claim.ctx.call(node.func)
        given = maker.args.get(OUTPUT[kind]) if maker is not None else None
        if given is not None:
            return nodes.bare(self.claim.ctx.updated(given.node), given.node)
        value = func.args.get(OUTPUT[kind])
        return nodes.literal(value.value) if isinstance(value, Const) else None

    def _wrapped(self, kind: str, func: Instance, node: cst.Call) -> Any:
        """What a wrapper gives: twice as many channels from two directions, those of its layer at each step."""
        maker = self.claim.ctx.call(node.func)
        inner = func.args.get("layer")
        given = maker.args.get("layer") if maker is not None else None
        if given is None or not isinstance(inner, Instance):
            return None
        size = self._layer(inner, node.with_changes(func=given.node))
        if kind == "TimeDistributed" or size is None or func.args.get("merge_mode", CONCAT) != CONCAT:
            return size
        number = nodes.integer(size)
        return nodes.literal(2 * number) if number is not None else nodes.template("2 * {n}", {"n": size})

    def _user_layer(self, cls: UserClass, source: cst.BaseExpression) -> Any:
        """What a layer of the user's gives, where each of its results is an elementwise function of its input."""
        forward = cls.find("call")
        if not isinstance(forward, Func) or len(forward.node.params.params) < 2:
            return None
        param = forward.node.params.params[1].name.value
        if any(_binds(node, param) for node in nodes.walk(forward.node.body)):
            return None  # the name stands for something else later
        found = [self._within(r, param, source) for r in returned_by(forward.node)]
        return found[0] if found and all(f is not None and same(f, found[0]) for f in found) else None

    def _told(self, cls: UserClass, made: cst.BaseExpression) -> Any:
        """What a layer of the user's gives, if its last layer is told so by the constructor's arguments."""
        forward, init = cls.find("call"), cls.find("__init__")
        if not (isinstance(made, cst.Call) and isinstance(forward, Func) and isinstance(init, Func)):
            return None
        params = list(init.node.params.params[1:])
        given = {p.name.value: p.default for p in params if p.default is not None}
        for i, arg in enumerate(made.args):
            if arg.star:
                return None
            name = arg.keyword.value if arg.keyword is not None else params[i].name.value if i < len(params) else ""
            given[name] = self.claim.ctx.updated(arg.value)
        names = [p.name.value for p in params]
        sizes = [substituted(self._inner(r), given, {}, names) for r in returned_by(forward.node)]
        return sizes[0] if sizes and all(s is not None and same(s, sizes[0]) for s in sizes) else None

    def _inner(self, node: cst.BaseExpression) -> Any:
        """The channels of an expression of `call`, in terms of the constructor's parameters."""
        if isinstance(node, cst.BinaryOperation):
            return broadcast(self._inner(n) for n in (node.left, node.right))
        layer = without_none(self.claim.ctx.value(node.func)) if isinstance(node, cst.Call) else None
        if not isinstance(layer, Instance) or not isinstance(node, cst.Call):
            return None
        kind = (layer.api or "").rsplit(".", 1)[-1]
        maker = made_by(layer)
        bound = self.claim.ctx.call(maker) if maker is not None else None
        if kind in SAME and node.args:
            return self._inner(node.args[0].value)
        told = bound.args.get(OUTPUT.get(kind, "")) if bound is not None else None
        return told.node if told is not None else None

    def _within(self, node: cst.BaseExpression, param: str, source: cst.BaseExpression) -> Any:
        """The channels of an expression of a user layer's `call`."""
        if nodes.is_name(node, param):
            return self.of(source)
        if isinstance(node, cst.BinaryOperation):
            return broadcast(self._within(n, param, source) for n in (node.left, node.right))
        if isinstance(node, cst.Subscript) and nodes.is_name(node.value, param) and len(node.slice) == 1:
            index = nodes.integer(getattr(node.slice[0].slice, "value", None))
            if isinstance(source, cst.List | cst.Tuple) and index is not None and index < len(source.elements):
                return self.of(source.elements[index].value)
        return None

    def _merge(self, kind: str, inputs: cst.BaseExpression) -> Any:
        """Channels of several tensors that become one."""
        if isinstance(inputs, cst.Name):
            return self.settle(self._merged_list(kind, self.known.get(inputs.value)))
        if not isinstance(inputs, cst.List | cst.Tuple):
            return None
        return merged(kind, (self.of(e.value) for e in inputs.elements))

    def _merged_list(self, kind: str, known: Any) -> Any:
        """The channels that the tensors of a list give together, by branch where they differ."""
        if isinstance(known, Either):
            sizes = [self._merged_list(kind, s) for s in known.sizes]
            return None if any(s is None for s in sizes) else Either(known.name, known.branches, sizes)
        return merged(kind, known) if isinstance(known, list) else None

    def _helper(self, helper: Helper, node: cst.Call) -> Any:
        """What a helper gives, with its parameters replaced by the call's arguments; or as the module tells it."""
        if helper.told or (helper.value and not helper.plain):
            place = nodes.code(self.claim.kept_at(node)) + ".out_channels"
            if isinstance(helper.size, list):
                return [nodes.dotted(f"{place}[{i}]") if s is not None else None for i, s in enumerate(helper.size)]
            return nodes.dotted(place) if helper.size is not None else None
        bound = bound_arguments(helper, node)
        given: dict[str, Any] = {}
        for name in helper.options:
            if name in bound:
                given[name] = self.claim.ctx.updated(bound[name].value)
        defaults = {p.name.value: p.default for p in helper.parameters if p.default is not None}
        for name in helper.tensors:
            if name in bound:
                given[parameter(helper.tensors, name)] = self.of(bound[name].value)
        if isinstance(helper.size, list):
            return [substituted(s, given, defaults, helper.options) for s in helper.size]
        return substituted(helper.size, given, defaults, helper.options)


def merged(kind: str, parts: Iterable[Any]) -> Any:
    """The channels that a merge layer gives."""
    if kind in MERGED:
        return broadcast(parts)
    sizes = list(parts)
    if kind.lower() == "concatenate" and sizes and all(s is not None for s in sizes):
        numbers = [nodes.integer(s) for s in sizes]
        if None not in numbers:
            return nodes.literal(sum(n for n in numbers if n is not None))
        out = sizes[0]
        for size in sizes[1:]:
            out = cst.BinaryOperation(out, cst.Add(), nodes.parenthesized(size) if not plain(size) else size)
        return out
    return None


def plain(size: Any) -> bool:
    """Whether a size can stand in a sum as it is."""
    return isinstance(size, cst.BinaryOperation) and isinstance(size.operator, cst.Add | cst.Multiply)


def returned_by(node: Any) -> list[Any]:
    """What the ``return`` statements of a function give."""
    out: list[Any] = []

    class Returns(cst.CSTVisitor):
        def visit_Return(self, one: cst.Return) -> None:
            if one.value is not None:
                out.append(one.value)

    node.body.visit(Returns())
    return out


def substituted(size: Any, given: dict[str, Any], defaults: dict[str, Any], options: list[str]) -> Any:
    """A size with parameters replaced by arguments; ``None`` if one of them is not known."""
    if size is None:
        return None
    missing: list[bool] = []

    def replace(part: Any) -> Any:
        if isinstance(part, cst.Name):
            if part.value in given:
                value = given[part.value]
            else:
                value = defaults.get(part.value, part if part.value not in options else None)
            if value is None:
                missing.append(True)
                return part
            return nodes.parenthesized(value)
        return nodes.rebuild(part, replace)

    result = replace(size)
    return None if missing else nodes.bare(result, size)


def mentions(size: Any, variable: str) -> bool:
    """Whether a size is told in terms of a variable."""
    if isinstance(size, list | Either):
        return any(mentions(s, variable) for s in (size if isinstance(size, list) else size.sizes))
    if isinstance(size, Own):
        return False
    return size is not None and any(n.value == variable for n in names_in(size))


def has_list(size: Either) -> bool:
    """Whether a variable holds lists of tensors."""
    return any(isinstance(s, list) or (isinstance(s, Either) and has_list(s)) for s in size.sizes)


def same(a: Any, b: Any) -> bool:
    """Whether two sizes are written alike."""
    if isinstance(a, list) or isinstance(b, list):
        return bool(isinstance(a, list) and isinstance(b, list) and len(a) == len(b)) and all(
            x is not None and y is not None and same(x, y) for x, y in zip(a, b, strict=True)
        )
    if isinstance(a, Own) and isinstance(b, Own):
        return a.name == b.name
    if isinstance(a, Either | Own) or isinstance(b, Either | Own):
        return a is b
    return bool(nodes.code(a) == nodes.code(b))


def broadcast(sizes: Iterable[Any]) -> Any:
    """The size that broadcasting gives: 1 gives way to any other, an unknown one to what is not 1."""
    every = []
    for size in sizes:  # which are found out one by one: the first that says enough is taken
        if size is not None and nodes.integer(size) != 1:
            return size
        every.append(size)
    return every[0] if every and None not in every else None


def parameter(tensors: list[str], name: str) -> str:
    """The constructor's parameter for the channels of a tensor."""
    return "in_channels" if len(tensors) == 1 else f"{name}_channels"


def _binds(node: Any, name: str) -> bool:
    """Whether a node gives a name another value."""
    if isinstance(node, cst.AssignTarget | cst.AugAssign | cst.AnnAssign | cst.NamedExpr | cst.For):
        return any(nodes.is_name(n, name) for n in nodes.walk(node.target))
    return False
