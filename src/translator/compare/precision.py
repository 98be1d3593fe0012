"""Runs in a chosen precision: default dtypes of both frameworks, and programs that name float32 themselves.

Only float64 decides whether two programs compute the same. A program that says ``x.float()`` or ``tf.float32``
means the precision that it works in, so where it is loaded for a float64 run those names say float64.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from .kernels import double_kernels

WIDER = {
    "float32": "float64", "float": "float64", "complex64": "complex128", "cfloat": "complex128",
    "FloatTensor": "DoubleTensor",
}  # fmt: skip
OWNERS = {"torch", "tf", "np", "numpy", "tensorflow", "jnp"}


@contextmanager
def precision(dtype: str, frameworks: Collection[str] = ("torch", "tf")) -> Iterator[None]:
    """Make ``"float32"`` or ``"float64"`` the default of the frameworks, and put the old defaults back."""
    with ExitStack() as stack:
        if "torch" in frameworks:
            import torch

            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(getattr(torch, dtype))
        if "tf" in frameworks:
            import keras

            stack.callback(keras.config.set_dtype_policy, keras.config.dtype_policy())
            stack.callback(keras.config.set_floatx, keras.config.floatx())
            keras.config.set_floatx(dtype)
            keras.config.set_dtype_policy(dtype)
        if dtype == "float64":
            stack.enter_context(double_kernels(frameworks))
        yield


@cache
def helpers() -> frozenset[tuple[str, str | None]]:
    """The runtime helpers, which choose their precision by themselves: names and docstrings."""
    found: set[tuple[str, str | None]] = set()
    for path in (Path(__file__).resolve().parent.parent / "helpers").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add((node.name, ast.get_docstring(node)))
    return frozenset(found)


def is_helper(node: ast.stmt) -> bool:
    """Whether a statement is a runtime helper: a program's own function may have the name of one."""
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        return False
    text = ast.get_docstring(node)
    return (node.name, text) in helpers() or (node.name.removesuffix("_"), text) in helpers()


def widen(text: str) -> str:
    """The program with float64 and complex128 where it names float32 and complex64; helpers stay as they are.

    Only those names change, so that lines stay where they are: TensorFlow's autograph reads the text again.
    """
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    edits: list[tuple[int, int, str, str]] = []
    for node in ast.parse(text).body:
        if not is_helper(node):
            for inner in ast.walk(node):
                edits += _edits(inner)
    for number, end, old, new in sorted(set(edits), reverse=True):
        line = lines[number - 1]
        if line[:end].endswith(old.encode()):
            lines[number - 1] = line[: end - len(old)] + new.encode() + line[end:]
    return b"".join(lines).decode()


def _edits(node: ast.AST) -> list[tuple[int, int, str, str]]:
    """Names to replace: (line, byte offset of the end, old, new)."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id in OWNERS and node.attr in WIDER:
            return [_edit(node, node.attr, WIDER[node.attr])]
    elif isinstance(node, ast.Call):
        func = node.func
        found = []
        if isinstance(func, ast.Attribute) and func.attr == "float" and not (node.args or node.keywords):
            found.append(_edit(func, "float", "double"))
        for value in (*node.args, *(k.value for k in node.keywords)):
            if isinstance(value, ast.Constant) and value.value in ("float32", "complex64"):
                line, end, old, new = _edit(value, value.value, WIDER[value.value])
                found.append((line, end - 1, old, new))
        return found
    return []


def _edit(node: ast.expr, old: str, new: str) -> tuple[int, int, str, str]:
    return node.end_lineno or 0, node.end_col_offset or 0, old, new
