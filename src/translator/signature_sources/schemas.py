"""Signatures out of PyTorch's operator schemas, and what they mark as a view or a write.

``torch._C._jit_get_all_schemas()`` lists every overload of every operator with names, defaults and alias marks:
``aten::view(Tensor(a) self, SymInt[] size) -> Tensor(a)`` returns memory of its input,
``aten::relu_(Tensor(a!) self) -> Tensor(a!)`` writes to it. Python's bindings are generated from the same
declarations: ``self`` becomes ``input``, an ``out`` variant becomes a keyword ``out=None``, and the four arguments of
a fresh tensor (dtype, layout, device, pin_memory) get a fifth, ``requires_grad``.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from translator.signature_sources.entries import Overload, default_text, unique

TENSOR_OPTIONS = ("dtype", "layout", "device", "pin_memory")


class Schemas:
    """The operator schemas of the installed PyTorch by operator name, without their ``aten::``."""

    def __init__(self) -> None:
        import torch

        self._by_name: dict[str, list[Any]] = defaultdict(list)
        for schema in torch._C._jit_get_all_schemas():
            space, _, name = schema.name.partition("::")
            if space == "aten":
                self._by_name[name].append(schema)
        for found in self._by_name.values():
            found.sort(key=lambda schema: (schema.overload_name != "", schema.overload_name))

    def overloads(self, name: str, *, method: bool = False) -> list[Overload] | None:
        """How Python calls operator ``name``, as a method or as a function; None if there is no such operator."""
        schemas = [schema for schema in self._by_name.get(name, ()) if _on_tensors(schema)]
        plain = [_params(schema, method=method) for schema in schemas if not _outs(schema)]
        with_out = [_params(schema, method=method) for schema in schemas if _outs(schema)]
        for overload in plain:
            same = [_called(other) for other in with_out]
            if not method and _called(overload) in same:
                overload.append(["out", "ko", "None"])
        return unique(plain) or None

    def is_view(self, name: str) -> bool:
        """Whether a result may share memory with an input that is not written to."""
        return any(
            result.alias_info is not None and not result.alias_info.is_write
            for schema in self._by_name.get(name, ())
            if not _outs(schema) and _on_tensors(schema)
            for result in schema.returns
        )

    def is_in_place(self, name: str) -> bool:
        """Whether the operator writes to its first argument and returns it."""
        return any(
            result.alias_info is not None and result.alias_info.is_write
            for schema in self._by_name.get(name, ())
            if not _outs(schema) and _on_tensors(schema) and any(one.is_write for one in schema.arguments[:1])
            for result in schema.returns
        )


def _on_tensors(schema: Any) -> bool:
    """Whether a schema is no TorchScript operation on strings, lists or numbers that shares an operator's name."""
    first = schema.arguments[0] if schema.arguments else None
    return first is None or first.name != "self" or str(first.type) == "Tensor"


def _outs(schema: Any) -> list[str]:
    return [argument.name for argument in schema.arguments if argument.kwarg_only and argument.is_write]


def _params(schema: Any, *, method: bool) -> Overload:
    outs = _outs(schema)
    found: Overload = []
    for argument in schema.arguments:
        if argument.name in outs or (method and argument.name == "self"):
            continue
        name = "input" if argument.name == "self" else argument.name
        param = [name, "ko" if argument.kwarg_only else "pk"]
        if argument.has_default_value():
            param.append(_default(argument))
        found.append(param)
    if all([option, "ko", "None"] in found for option in TENSOR_OPTIONS):
        found = [["pin_memory", "ko", "False"] if param[0] == "pin_memory" else param for param in found]
        found.append(["requires_grad", "ko", "False"])
    return found


def _default(argument: Any) -> str:
    value = argument.default_value
    return default_text(tuple(value) if isinstance(value, list) else value, lambda _: None)


def _called(overload: Overload) -> list[tuple[str, ...]]:
    """What an overload and its ``out`` variant have in common: all but the arguments of a fresh tensor."""
    fresh = (*TENSOR_OPTIONS, "requires_grad")
    return [tuple(param) for param in overload if param[0] not in fresh]
