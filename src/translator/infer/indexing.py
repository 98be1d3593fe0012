"""Subscripts: of tensors, shapes, sequences, mappings and containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..values import (
    BOOL,
    STATIC,
    UNKNOWN,
    Const,
    Dim,
    Instance,
    Map,
    Num,
    Seq,
    Shape,
    Tensor,
    Value,
    as_tensor,
    elem_of,
    python_type,
)

if TYPE_CHECKING:
    from .interp import Interpreter


def tensor_index(it: Interpreter, node: cst.Subscript, x: Tensor, keys: list[Value]) -> Value:
    """``x[...]`` with ints, slices, None, Ellipsis and index tensors."""
    elements: list[cst.BaseSlice] = [e.slice for e in node.slice]
    if len(elements) == 1 and isinstance(elements[0], cst.Index) and isinstance(elements[0].value, cst.Tuple):
        inner = elements[0].value.elements
        elements = [cst.Index(e.value) for e in inner]
        keys = [it.facts.value(e.value) for e in inner]
    kinds = [_kind(e, k) for e, k in zip(elements, keys, strict=True)]
    if x.dims is None or "unknown" in kinds:
        return Tensor(dtype=x.dtype, storage=x.storage)
    advanced = [k for k in kinds if k in ("tensor", "mask")]
    dims = _basic_dims(x.dims, kinds, elements)
    if not advanced:
        return Tensor(dims=dims, dtype=x.dtype, storage=x.storage)
    rank: int | None = None
    if len(advanced) == 1 and "tensor" in advanced and dims is not None:
        index = as_tensor(next(k for k, kind in zip(keys, kinds, strict=True) if kind == "tensor"))
        rank = len(dims) - 1 + index.rank if index is not None and index.rank is not None else None
    return Tensor(rank, dtype=x.dtype)


def _kind(element: cst.BaseSlice, key: Value) -> str:
    if isinstance(element, cst.Slice):
        return "slice"
    if isinstance(key, Const):
        return "none" if key.value is None else "ellipsis" if key.value is ... else "int"
    if python_type(key) == "NoneType":
        return "none"
    if python_type(key) == "int":
        return "int"
    tensor = as_tensor(key)
    if tensor is not None:
        return "mask" if tensor.dtype == "bool" else "int" if tensor.rank == 0 else "tensor"
    if isinstance(key, Seq):
        return "tensor"
    return "mask" if key == BOOL else "unknown"


def _basic_dims(dims: tuple[Dim, ...], kinds: list[str], elements: list[cst.BaseSlice]) -> tuple[Dim, ...] | None:
    taken = sum(k not in ("none", "ellipsis") for k in kinds)
    if taken > len(dims):
        return None
    out: list[Dim] = []
    axis = 0
    for kind, element in zip(kinds, elements, strict=True):
        if kind == "ellipsis":
            skipped = len(dims) - taken
            out += dims[axis : axis + skipped]
            axis += skipped
        elif kind == "none":
            out.append(1)
        elif kind == "int":
            axis += 1
        elif kind == "slice":
            assert isinstance(element, cst.Slice)
            whole = element.lower is None and element.upper is None and element.step is None
            out.append(dims[axis] if whole else None if dims[axis] is None else STATIC)
            axis += 1
        else:
            out.append(None)
            axis += 1
    return (*out, *dims[axis:])


def item_of(it: Interpreter, node: cst.Subscript, owner: Value, key: Value) -> Value:
    """``owner[key]`` for everything that is no tensor."""
    from .expressions import dim_value

    element = node.slice[0].slice
    if isinstance(owner, Instance):
        it.facts.opened.append(owner)
        if owner.api == "numpy.ndarray":
            return owner
    if isinstance(owner, Shape):
        it.touch()
        if isinstance(element, cst.Slice):
            return _shape_slice(it, owner, element)
        return dim_value(owner, key.value) if isinstance(key, Const) and type(key.value) is int else Num("int", True)
    if isinstance(element, cst.Slice):
        if isinstance(owner, Instance):
            it.touch()
            return Instance(owner.cls, dict(owner.args), None, elem_of(owner))
        return Seq(owner.kind, None, elem_of(owner)) if isinstance(owner, Seq) else elem_of(owner)
    if isinstance(key, Const):
        items = owner.items if isinstance(owner, Seq | Map) else owner.children if isinstance(owner, Instance) else None
        if isinstance(items, dict):
            return items.get(key.value, UNKNOWN)
        if items is not None and type(key.value) is int and -len(items) <= key.value < len(items):
            return items[key.value]
    if isinstance(owner, Const) and isinstance(owner.value, str):
        return Num("str")
    return elem_of(owner)


def _shape_slice(it: Interpreter, owner: Shape, element: cst.Slice) -> Value:
    bounds: list[int | None] = []
    for part in (element.lower, element.upper):
        value = it.facts.value(part) if part is not None else None
        if value is None:
            bounds.append(None)
        elif isinstance(value, Const) and type(value.value) is int:
            bounds.append(value.value)
        else:
            return Shape(owner.tensor, None)
    if owner.start != 0 or owner.stop is not None or element.step is not None:
        return Shape(owner.tensor, None)
    return Shape(owner.tensor, bounds[0] or 0, bounds[1])
