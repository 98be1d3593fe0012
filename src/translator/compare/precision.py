"""Runs in a chosen precision: default dtypes of both frameworks, and programs that name float32 themselves.

Only float64 decides whether two programs compute the same. A program that says ``x.float()`` or ``tf.float32``
means the precision that it works in, so where it is loaded for a float64 run those names say float64.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

from .kernels import double_kernels

WIDER = {
    "float32": "float64", "float": "float64", "complex64": "complex128", "cfloat": "complex128",
    "FloatTensor": "DoubleTensor",
}  # fmt: skip
OWNERS = {"torch", "tf", "np", "numpy", "tensorflow", "jnp"}


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Make ``"float32"`` or ``"float64"`` the default of torch and Keras, and put the old defaults back."""
    import keras
    import torch

    saved = torch.get_default_dtype(), keras.config.floatx(), keras.config.dtype_policy()
    torch.set_default_dtype(getattr(torch, dtype))
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        with double_kernels() if dtype == "float64" else nullcontext():
            yield
    finally:
        torch.set_default_dtype(saved[0])
        keras.config.set_floatx(saved[1])
        keras.config.set_dtype_policy(saved[2])


@cache
def helper_names() -> frozenset[str]:
    """The top-level names of the runtime helpers, which choose their precision by themselves."""
    names: set[str] = set()
    for path in (Path(__file__).resolve().parent.parent / "helpers").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
    return frozenset(names)


class _Widen(ast.NodeTransformer):
    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id in OWNERS and node.attr in WIDER:
            node.attr = WIDER[node.attr]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "float" and not (node.args or node.keywords):
            node.func.attr = "double"
        for values in (node.args, [k.value for k in node.keywords]):
            for value in values:
                if isinstance(value, ast.Constant) and value.value in ("float32", "complex64"):
                    value.value = WIDER[value.value]
        return node


def widen(tree: ast.Module) -> ast.Module:
    """The program with float64 and complex128 where it names float32 and complex64; helpers stay as they are."""
    transformer = _Widen()
    for i, node in enumerate(tree.body):
        if not (isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in helper_names()):
            tree.body[i] = transformer.visit(node)
    return tree
