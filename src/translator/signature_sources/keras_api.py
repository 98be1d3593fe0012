"""Keras's public names and their signatures, all by inspection."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from translator.signature_sources import walk
from translator.signature_sources.entries import Entry, class_overloads, function_overloads, overload_of, unique

NAMESPACES = walk.words(
    """
    keras keras.layers keras.ops keras.ops.image keras.ops.linalg keras.ops.nn keras.ops.numpy keras.activations
    keras.losses keras.metrics keras.optimizers keras.optimizers.schedules keras.initializers keras.regularizers
    keras.constraints keras.callbacks keras.utils keras.random keras.applications keras.models keras.config
    keras.saving keras.tree keras.export keras.mixed_precision keras.dtype_policies keras.preprocessing
    keras.preprocessing.image keras.preprocessing.sequence keras.datasets keras.distribution keras.quantizers
    keras.backend
    """
)
"""Earlier is more canonical, where an object has several names with the same last part."""

METHOD_CLASSES = walk.words(
    """
    keras.layers.Layer keras.Model keras.Sequential keras.layers.RNN keras.layers.Bidirectional
    keras.layers.Embedding keras.layers.Normalization keras.layers.TextVectorization keras.layers.StringLookup
    keras.layers.IntegerLookup keras.layers.Discretization keras.layers.BatchNormalization keras.layers.Dense
    keras.losses.Loss keras.metrics.Metric keras.optimizers.Optimizer
    keras.optimizers.schedules.LearningRateSchedule keras.initializers.Initializer keras.callbacks.Callback
    keras.callbacks.CallbackList keras.Variable keras.KerasTensor keras.random.SeedGenerator
    keras.utils.PyDataset keras.utils.Progbar keras.InputSpec keras.Operation
    """
)
TOP_LEVEL = {"Model", "Sequential", "Input", "Variable", "KerasTensor", "Operation"}
"""What is written without a namespace though it has one too (``keras.models.Model``)."""


class KerasApi:
    """Signatures of the Keras that is installed."""

    def __init__(self) -> None:
        import keras

        self.keras = keras
        self.registry = walk.Registry(self._preference)
        for namespace in NAMESPACES + [f"keras.{group}.{name}" for group, name in self._parts()]:
            module = walk.load(namespace)
            if module is None:
                continue
            self.registry.add(namespace, module)
            for name, value in walk.attributes(module):
                if not isinstance(value, ModuleType):
                    self.registry.add(f"{namespace}.{name}", value)

        self.only_in_tf = self._collect_old_names()

    def _collect_old_names(self) -> set[str]:
        """Add what ``tf.keras`` still has of Keras 2 and ``keras`` has no more (``tf.keras.backend.sum``)."""
        found: set[str] = set()
        for namespace in [*NAMESPACES, "keras.preprocessing.text"]:
            module = walk.load(f"keras._tf_keras.{namespace}")
            for name, value in walk.attributes(module) if module else []:
                full = f"{namespace}.{name}"
                if not isinstance(value, ModuleType) and full not in self.registry.objects:
                    self.registry.add(full, value)
                    found.add(full)
        return found

    def _parts(self) -> list[tuple[str, str]]:
        """The modules of ``keras.applications`` and ``keras.datasets``, one for each model family or data set."""
        groups = {"applications": self.keras.applications, "datasets": self.keras.datasets}
        found = [(group, walk.attributes(module)) for group, module in groups.items()]
        return [(group, name) for group, items in found for name, value in items if isinstance(value, ModuleType)]

    def _preference(self, name: str, value: object) -> tuple[int, ...]:
        namespace, _, last = name.rpartition(".")
        own = last == getattr(value, "__name__", last)
        top_level = namespace == "keras"
        rank = NAMESPACES.index(namespace) if namespace in NAMESPACES else len(NAMESPACES)
        return (not own, not top_level if last in TOP_LEVEL else top_level, rank, name.count("."))

    def entries(self, name_of: Any) -> dict[str, Entry]:
        """Entries by qualified name; ``name_of`` names what a default refers to."""
        found = {name: self._entry(name, value, name_of) for name, value in self.registry.items()}
        found |= walk.class_constants(self.registry)
        for name, entry in found.items():
            if name in self.only_in_tf or name.rpartition(".")[0] in self.only_in_tf:
                entry["tf_keras_only"] = True
        for owner in METHOD_CLASSES:
            cls = self.registry.objects.get(owner)
            if isinstance(cls, type):
                canonical = self.registry.canonical(cls) or owner
                found |= walk.class_attributes(canonical, cls, self._owners(), self.registry, name_of)
        return found

    def _owners(self) -> list[str]:
        known = [self.registry.canonical(self.registry.objects.get(name)) for name in METHOD_CLASSES]
        return [name for name in known if name]

    def _entry(self, name: str, value: Any, name_of: Any) -> Entry:
        kind = "module" if isinstance(value, ModuleType) else "class" if inspect.isclass(value) else None
        kind = kind or ("function" if callable(value) else "constant")
        canonical = self.registry.canonical(value)
        if canonical not in (None, name):
            return {"kind": kind, "alias": canonical}
        if kind == "function":
            return {"kind": kind, "overloads": function_overloads(value, name_of)}
        return {"kind": kind} | (self._class(value, name_of) if kind == "class" else {})

    def _class(self, cls: Any, name_of: Any) -> Entry:
        entry: Entry = {}
        overloads = class_overloads(cls, name_of)
        if cls is self.keras.Model:
            overloads = unique([self._functional(name_of), *(overloads or [])])
        if overloads is not None:
            entry["overloads"] = overloads
        entry |= walk.inherits(cls, self._owners(), self.registry)
        is_layer = issubclass(cls, self.keras.layers.Layer)
        called = inspect.getattr_static(cls, "call" if is_layer else "__call__", None)
        if inspect.isfunction(called) and not issubclass(cls, self.keras.metrics.Metric):
            entry["call"] = function_overloads(called, name_of, drop_first=True)
        return entry

    def _functional(self, name_of: Any) -> list[list[str]]:
        """``keras.Model(inputs, outputs)`` makes an instance of a subclass, whose constructor states its arguments."""
        with self.keras.name_scope("signatures"):
            one = self.keras.Input((1,))
        init = type(self.keras.Model(one, one)).__init__
        return overload_of(inspect.signature(init), name_of, drop_first=True)

    def reserved_attributes(self) -> list[str]:
        """Names that an instance of a user's Keras class has already, but for those that every class has."""

        class Plain:
            note: int = 0

        keras = self.keras
        taken = {*dir(keras.Model()), *dir(keras.layers.Layer())}
        return sorted(taken - set(dir(object)) - (set(dir(Plain())) - {"note"}))
