"""Questions about the nodes of a functional Keras program, and the names that its parts get in PyTorch."""

from __future__ import annotations

import re
from typing import Any

import libcst as cst

from ..infer.emitted import stands_for_module
from ..values import Instance, Map, Seq, UserClass, Value, as_tensor, elem_of, without_none

KINDS = {
    "Conv1D": "conv", "Conv2D": "conv", "Conv3D": "conv", "Dense": "fc", "BatchNormalization": "bn",
    "LayerNormalization": "norm", "MaxPooling2D": "pool", "MaxPooling1D": "pool", "AveragePooling2D": "pool",
    "AveragePooling1D": "pool", "Conv2DTranspose": "deconv", "DepthwiseConv2D": "depthwise",
    "SeparableConv2D": "conv", "MultiHeadAttention": "attention", "GlobalAveragePooling2D": "pool",
    "GlobalMaxPooling2D": "pool", "ZeroPadding2D": "pad", "UpSampling2D": "upsample", "Bidirectional": "rnn",
}  # fmt: skip
"""What a PyTorch user calls a layer's attribute."""


def tensorish(value: Value) -> bool:
    """Whether a value is a tensor, or holds some."""
    value = without_none(value)
    if isinstance(value, Seq):
        items = value.items if value.items is not None else [value.elem]
        return any(tensorish(v) for v in items)
    if isinstance(value, Map):
        return any(tensorish(v) for v in (value.items or {}).values()) or tensorish(elem_of(value))
    return as_tensor(value) is not None


def is_layer(value: Value) -> bool:
    """Whether a value is a layer or model."""
    value = without_none(value)
    if not isinstance(value, Instance):
        return False
    if isinstance(value.cls, UserClass):
        return value.cls.module
    name = value.cls.name
    return name.startswith("keras.layers.") or name in ("keras.Sequential", "keras.Model") or stands_for_module(name)


class _Finder(cst.CSTVisitor):
    """The calls in a region, in the order in which they run."""

    def __init__(self) -> None:
        self.calls: list[cst.Call] = []

    def leave_Call(self, original_node: cst.Call) -> None:
        self.calls.append(original_node)

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        return False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False


def calls_in(node: cst.CSTNode) -> list[cst.Call]:
    finder = _Finder()
    node.visit(finder)
    return finder.calls


class _Names(cst.CSTVisitor):
    def __init__(self) -> None:
        self.found: list[cst.Name] = []

    def visit_Name(self, node: cst.Name) -> None:
        self.found.append(node)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        node.value.visit(self)
        return False

    def visit_Arg(self, node: cst.Arg) -> bool:
        node.value.visit(self)
        return False


def names_in(node: cst.CSTNode) -> list[cst.Name]:
    """The names that an expression reads."""
    visitor = _Names()
    node.visit(visitor)
    return visitor.found


def plural(name: str) -> str:
    """``conv1`` of each turn of a loop stands in ``convs1``."""
    digits = name[len(name.rstrip("0123456789")) :]
    name = name.removesuffix(digits)
    return plain_plural(name) + digits


def plain_plural(name: str) -> str:
    return name if name.endswith("s") and not name.endswith("ss") else name + "s"


def snake(name: str) -> str:
    """``TimeDistributed`` as ``time_distributed``, ``MaxPooling2D`` as ``max_pooling``, ``SEBlock`` as ``se_block``."""
    name = re.sub(r"[123]D(?=$|[A-Z])", "", name)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def assignment(target: Any, value: Any) -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(target)], value)])


def expression(value: Any) -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([cst.Expr(value)])


def assigned(body: Any) -> list[str]:
    """The names that statements assign."""
    out: list[str] = []

    class Targets(cst.CSTVisitor):
        def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
            if isinstance(node.target, cst.Name | cst.Tuple | cst.List):
                for name in names_in(node.target):
                    out.append(name.value)

        def visit_AugAssign(self, node: cst.AugAssign) -> None:
            if isinstance(node.target, cst.Name):
                out.append(node.target.value)

        def visit_For(self, node: cst.For) -> None:
            for name in names_in(node.target):
                out.append(name.value)

        def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
            out.append(node.name.value)
            return False

    for statement in body:
        statement.visit(Targets())
    return list(dict.fromkeys(out))
