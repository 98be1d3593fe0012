"""Imports: names of frameworks and libraries, and names of the project's other files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..values import UNKNOWN, Api, Const, Namespace, Seq, Value

if TYPE_CHECKING:
    from .interp import Interpreter


def dotted(node: cst.BaseExpression) -> str:
    """``a.b.c`` of a Name or Attribute chain; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return ""
    return ".".join([node.value, *reversed(parts)])


def api(it: Interpreter, name: str) -> Value:
    """The value of an importable name: a project module if it is one, else a library's API."""
    module = it.load_module(name)
    return module if module is not None else Api(framework_name(name))


KERAS = (
    ("tensorflow.python.keras", "keras"), ("tensorflow.keras", "keras"), ("tf_keras", "keras"), ("tf.keras", "keras"),
    ("keras.src", "keras"), ("keras.api", "keras"),
)  # fmt: skip

ALBUMENTATIONS = "albumentations.pytorch"
"""The part of a library of arrays that makes PyTorch's tensors: as a part of PyTorch it is known to be left over."""

INNER = {
    "keras.models.Functional": "keras.Model", "keras.models.functional.Functional": "keras.Model",
    "keras.engine.training.Model": "keras.Model", "keras.models.model.Model": "keras.Model",
    "keras.layers.layer.Layer": "keras.layers.Layer", "keras.engine.topology.Layer": "keras.layers.Layer",
    "keras.engine.base_layer.Layer": "keras.layers.Layer", "keras.engine.functional.Functional": "keras.Model",
    "keras_applications.imagenet_utils": "keras.applications.imagenet_utils",
    **{
        f"torch.nn.init.{old}": f"torch.nn.init.{old}_"
        for old in (
            "constant", "dirac", "eye", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal", "sparse",
            "uniform", "xavier_normal", "xavier_uniform",
        )
    },
}  # fmt: skip
"""Names of Keras's inner modules that copied sources import from, with the public ones that they stand for; PyTorch's
old names."""


EINOPS_LAYERS = "einops.layers.torch"
"""Layers of PyTorch's in a library that works for both: they belong to PyTorch."""


def framework_name(name: str) -> str:
    """One spelling for TensorFlow's and Keras's many import paths."""
    for old, new in KERAS:
        if name == old or name.startswith(old + "."):
            name = new + name[len(old) :]
            return INNER.get(name, name)
    if name in INNER:
        return INNER[name]
    if name == "lightning" or name.startswith("lightning."):
        return "pytorch_lightning" + name.removeprefix("lightning").removeprefix(".pytorch")
    while name.startswith("torch.torch"):  # `from torch import torch`
        name = name[len("torch.") :]
    if name.startswith(ALBUMENTATIONS):
        return "torch." + name
    if name == EINOPS_LAYERS or name.startswith(EINOPS_LAYERS + "."):
        return "torch.einops" + name[len(EINOPS_LAYERS) :]
    if name == "tensorflow" or name.startswith("tensorflow."):
        return "tf" + name[len("tensorflow") :]
    return name


def import_names(it: Interpreter, node: cst.Import) -> None:
    for alias in node.names:
        name = dotted(alias.name)
        if framework_name(name).split(".")[0] in it.dialect.roots:
            it.frameworks.add(it.scope.module)
            it.touch()
        if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
            it.scope.bind_import(alias.asname.name.value, api(it, name))
        else:
            first = name.split(".")[0]
            it.load_module(name)
            it.scope.bind_import(first, api(it, first))


def absolute(it: Interpreter, node: cst.ImportFrom) -> str:
    """The absolute name of the module that an ``import from`` reads."""
    name = dotted(node.module) if node.module is not None else ""
    if not node.relative:
        return name
    parts = it.scope.module.split(".")
    up = len(node.relative) - (it.scope.module in it.packages)
    base = parts[: len(parts) - up] if len(parts) >= up else []
    return ".".join([*base, name] if name else base)


def import_from(it: Interpreter, node: cst.ImportFrom) -> None:
    module = absolute(it, node)
    if framework_name(module).split(".")[0] in it.dialect.roots and not node.relative:
        it.frameworks.add(it.scope.module)
        it.touch()
    found = it.load_module(module)
    if isinstance(node.names, cst.ImportStar):
        if found is not None:
            for name in _starred(found):
                it.scope.bind_import(name, _member(it, found, module, name, bool(node.relative)))
        return
    for alias in node.names:
        name = dotted(alias.name)
        target = alias.asname.name if alias.asname is not None else alias.name
        if not isinstance(target, cst.Name):
            continue
        it.scope.bind_import(target.value, _member(it, found, module, name, bool(node.relative)))


def _starred(found: Namespace) -> list[str]:
    """The names that a star import takes: those of ``__all__``, or all that do not start with an underscore."""
    listed = found.scope.vars.get("__all__")
    if isinstance(listed, Seq) and listed.items is not None:
        names = [item.value for item in listed.items if isinstance(item, Const) and isinstance(item.value, str)]
        if len(names) == len(listed.items):
            return names
    return [name for name in found.scope.vars if not name.startswith("_")]


def _member(it: Interpreter, found: Namespace | None, module: str, name: str, relative: bool) -> Value:
    if found is not None:
        value = found.scope.vars.get(name)
        if value is not None:
            return value
        inner = it.load_module(f"{module}.{name}")
        return inner if inner is not None else UNKNOWN
    if relative:
        inner = it.load_module(f"{module}.{name}")
        return inner if inner is not None else UNKNOWN
    return api(it, f"{module}.{name}")
