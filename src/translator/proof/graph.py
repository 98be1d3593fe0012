"""Eval mode under ``tf.function``, with the sizes that differ among the inputs left open. Imports tensorflow."""

from __future__ import annotations

import re
from typing import Any

import tensorflow as tf

from ..compare.running import tf_arguments, tf_call
from .exchange import Parcel


def in_graph(side: Any, arrays: list[dict[str, Any]], parcel: Parcel) -> tuple[list[Any], list[str]]:
    """Outputs and gradients of every case from a graph: sizes open where the program can be traced so.

    Returns:
        what came out for each case, and notes.
    """
    told: list[Any] = [None] * len(arrays)
    notes: list[str] = []
    for numbers in _groups(arrays):
        cases = [arrays[i] for i in numbers]
        fixed = {k: v for k, v in cases[0].items() if not hasattr(v, "dtype")}
        tensors = [{k: v for k, v in tf_arguments(case).items() if k not in fixed} for case in cases]
        variables = side.variables()

        def run(args: dict[str, Any], fixed: Any = fixed, variables: Any = variables) -> Any:
            return tf_call(lambda **a: side.call(**a, **fixed, training=False), args, variables)

        traced = tf.function(run, input_signature=[_signature(tensors)])
        try:
            traced.get_concrete_function()
        except Exception as error:
            notes.append(f"under tf.function only with fixed sizes: {_reason(error)}")
            traced = tf.function(run)
        for number, args in zip(numbers, tensors, strict=True):
            result, gradients = traced(args)
            told[number] = {"output": parcel.put(result), "gradients": side.told(gradients, parcel)}
    return told, notes


def _groups(arrays: list[dict[str, Any]]) -> list[list[int]]:
    """The numbers of the inputs that one graph is traced for: equal names, ranks and dtypes of tensors, and all
    other values equal."""
    groups: dict[Any, list[int]] = {}
    for i, case in enumerate(arrays):
        kind = tuple((k, v.ndim, str(v.dtype)) if hasattr(v, "dtype") else (k, repr(v)) for k, v in case.items())
        groups.setdefault(kind, []).append(i)
    return list(groups.values())


def _signature(tensors: list[dict[str, Any]]) -> dict[str, Any]:
    """A specification for all of some inputs: an axis that differs among them is open."""
    specs = {}
    for name, value in tensors[0].items():
        sizes = zip(*(t[name].shape for t in tensors), strict=True)
        specs[name] = tf.TensorSpec([s[0] if len(set(s)) == 1 else None for s in sizes], value.dtype)
    return specs


def _reason(error: Exception) -> str:
    """The last line that says something: before it stands where."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("File ", "Arguments received", "•", "return ", "Call arg"))]
    return (told or lines or [type(error).__name__])[-1][:200]
