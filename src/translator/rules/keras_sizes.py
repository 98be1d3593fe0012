"""The channels of each tensor of a functional model, as expressions of ``__init__``.

A number where the inference knows it; else what the layer that made the tensor was told (``filters``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..values import Const, Instance, as_tensor, without_none

if TYPE_CHECKING:
    from .keras_claim import Claim

OUTPUT = {
    "Conv1D": "filters", "Conv2D": "filters", "Conv3D": "filters", "Conv2DTranspose": "filters", "Dense": "units",
    "SeparableConv2D": "filters", "Embedding": "output_dim", "LSTM": "units", "GRU": "units",
}  # fmt: skip
"""The argument that says how many channels a layer gives."""
SAME = frozenset({
    "BatchNormalization", "LayerNormalization", "Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "Dropout",
    "SpatialDropout2D", "SpatialDropout1D", "MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "ZeroPadding2D",
    "UpSampling2D", "Cropping2D", "DepthwiseConv2D", "MultiHeadAttention", "Rescaling",
})  # fmt: skip
MERGED = frozenset({"Add", "Multiply", "Subtract", "Average", "Maximum", "Minimum",
                    "add", "multiply", "subtract", "average", "maximum", "minimum"})  # fmt: skip


class Sizes:
    """Channels by variable, kept up to date while the region is walked."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.known: dict[str, Any] = {}

    def bind(self, name: str, node: cst.BaseExpression) -> None:
        self.known[name] = self.of(node)

    def declare(self, name: str, shape: cst.BaseExpression) -> None:
        """An `Input` has the channels that its shape says."""
        if isinstance(shape, cst.Tuple | cst.List) and shape.elements:
            last = shape.elements[-1].value
            if not nodes.is_name(last, "None"):
                self.known[name] = last

    def forget(self, variable: str) -> None:
        """A Python variable changes: sizes that were told in terms of it are no longer known."""
        for name, size in list(self.known.items()):
            if size is not None and any(n.value == variable for n in _names(size)):
                self.known[name] = None

    def of(self, node: cst.BaseExpression) -> Any:
        """The channels of a tensor expression; ``None`` if nothing tells."""
        tensor = as_tensor(self.claim.ctx.value(node))
        last = tensor.dims[-1] if tensor is not None and tensor.dims else None
        if isinstance(last, int) and self.claim.this is None:
            return nodes.literal(last)
        found = self._of(node)
        return found if found is not None else nodes.literal(last) if isinstance(last, int) else None

    def _of(self, node: cst.BaseExpression) -> Any:
        if isinstance(node, cst.Name):
            return self._variable(node.value)
        if isinstance(node, cst.BinaryOperation):
            return broadcast([self.of(node.left), self.of(node.right)])
        if isinstance(node, cst.Call):
            return self._call(node)
        return None

    def _variable(self, name: str) -> Any:
        if name in self.known:
            return self.known[name]
        this = self.claim.this
        if this is None or name not in this.tensors:
            return None
        if name not in this.sized:
            this.sized.append(name)
        return cst.Name(parameter(this.tensors, name))

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
        if not isinstance(func, Instance) or func.api is None or not node.args:
            return None
        kind = func.api.rsplit(".", 1)[-1]
        if kind in OUTPUT:
            maker = claim.ctx.call(node.func)
            given = maker.args.get(OUTPUT[kind]) if maker is not None else None
            if given is not None:
                return nodes.bare(claim.ctx.updated(given.node), given.node)
            value = func.args.get(OUTPUT[kind])
            return nodes.literal(value.value) if isinstance(value, Const) else None
        if kind in SAME:
            return self._of(node.args[0].value)
        return self._merge(kind, node.args[0].value)

    def _merge(self, kind: str, inputs: cst.BaseExpression) -> Any:
        if not isinstance(inputs, cst.List | cst.Tuple):
            return None
        sizes = [self.of(e.value) for e in inputs.elements]
        if kind in MERGED:
            return broadcast(sizes)
        if kind.lower() == "concatenate" and all(s is not None for s in sizes):
            out = sizes[0]
            for size in sizes[1:]:
                out = cst.BinaryOperation(out, cst.Add(), size)
            return out
        return None

    def _helper(self, helper: Any, node: cst.Call) -> Any:
        """What a helper gives, with its parameters replaced by the call's arguments."""
        from .keras_claim import bound_arguments

        if helper.size is None:
            return None
        bound = bound_arguments(helper, node)
        given: dict[str, Any] = {}
        for name in helper.options:
            if name in bound:
                given[name] = self.claim.ctx.updated(bound[name].value)
        defaults = {p.name.value: p.default for p in helper.func.node.params.params if p.default is not None}
        for name in helper.tensors:
            if name in bound:
                given[parameter(helper.tensors, name)] = self.of(bound[name].value)
        out: list[bool] = []

        def replace(part: Any) -> Any:
            if isinstance(part, cst.Name):
                value = given.get(
                    part.value, defaults.get(part.value, part if part.value not in helper.options else None)
                )
                if value is None:
                    out.append(False)
                    return part
                return nodes.parenthesized(value)
            return nodes.rebuild(part, replace)

        result = replace(helper.size)
        return None if out else nodes.bare(result, helper.size)


def broadcast(sizes: list[Any]) -> Any:
    """The size that broadcasting gives: 1 gives way to any other, an unknown one to what is not 1."""
    known = [s for s in sizes if s is not None and nodes.integer(s) != 1]
    if known:
        return known[0]
    return sizes[0] if sizes and None not in sizes else None


def parameter(tensors: list[str], name: str) -> str:
    """The constructor's parameter for the channels of a tensor."""
    return "in_channels" if len(tensors) == 1 else f"{name}_channels"


def _names(node: Any) -> list[cst.Name]:
    from .keras_claim import names_in

    return names_in(node)
