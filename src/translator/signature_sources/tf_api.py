"""TensorFlow's public names and their signatures, by inspection, together with Keras's in one file.

``tf.keras`` is not walked: a name that starts with it means the same name that starts with ``keras``.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from translator.signature_sources import walk
from translator.signature_sources.entries import Entry, class_overloads, function_overloads, method_entry
from translator.signature_sources.keras_api import KerasApi

NAMESPACES = walk.words(
    """
    tf tf.nn tf.math tf.linalg tf.image tf.signal tf.random tf.strings tf.data tf.io tf.io.gfile tf.sparse
    tf.ragged tf.train tf.train.experimental tf.summary tf.config tf.config.experimental tf.config.threading
    tf.config.optimizer tf.debugging tf.debugging.experimental tf.dtypes tf.bitwise tf.nest tf.lookup
    tf.saved_model tf.sets tf.quantization tf.audio tf.autodiff tf.autograph tf.autograph.experimental
    tf.distribute tf.errors tf.version tf.experimental tf.data.experimental tf.math.special
    tf.random.experimental tf.linalg.experimental tf.nn.experimental tf.graph_util tf.queue tf.test tf.types
    tf.sysconfig tf.profiler.experimental tf.summary.experimental
    """
)
COMPAT = walk.words(
    """
    tf.compat tf.compat.v1 tf.compat.v1.nn tf.compat.v1.math tf.compat.v1.train tf.compat.v1.losses
    tf.compat.v1.image tf.compat.v1.initializers tf.compat.v1.random tf.compat.v1.logging tf.compat.v1.data
    tf.compat.v1.io tf.compat.v1.io.gfile tf.compat.v1.gfile tf.compat.v1.summary tf.compat.v1.metrics
    tf.compat.v1.linalg tf.compat.v1.strings
    """
)
"""TensorFlow 1, as far as code that was moved to TensorFlow 2 by its upgrade script uses it."""

METHOD_CLASSES = walk.words(
    """
    tf.Tensor tf.Variable tf.TensorShape tf.TensorSpec tf.TensorArray tf.RaggedTensor tf.SparseTensor
    tf.IndexedSlices tf.GradientTape tf.Module tf.DType tf.Graph tf.data.Dataset tf.data.Iterator
    tf.data.Options tf.data.TFRecordDataset tf.train.Checkpoint tf.train.CheckpointManager
    tf.train.ExponentialMovingAverage tf.train.Coordinator tf.io.TFRecordWriter tf.io.gfile.GFile
    tf.random.Generator tf.summary.SummaryWriter tf.lookup.StaticHashTable tf.distribute.Strategy
    tf.distribute.MirroredStrategy tf.autodiff.ForwardAccumulator tf.compat.v1.Session
    tf.compat.v1.train.Optimizer tf.compat.v1.train.Saver
    """
)
OF_KERAS = {"keras", "losses", "metrics", "optimizers", "initializers", "estimator", "layers"}


class TensorFlowApi:
    """Signatures of the TensorFlow and the Keras that are installed."""

    def __init__(self) -> None:
        import tensorflow

        self.tf = tensorflow
        self.registry = walk.Registry(self._preference)
        for namespace in NAMESPACES + COMPAT:
            module = self._module(namespace)
            if module is not None:
                self._collect(namespace, module)
        self.registry.add("tf.__version__", tensorflow.__version__)
        self.keras = KerasApi()

    def document(self) -> dict[str, Any]:
        """The content of ``tf.json``."""
        entries = {name: self._entry(name, value) for name, value in self.registry.items()}
        entries |= walk.class_constants(self.registry)
        for owner in METHOD_CLASSES:
            cls = self.registry.objects.get(owner)
            if isinstance(cls, type):
                entries |= walk.class_attributes(owner, cls, METHOD_CLASSES, self.registry, self._name_of)
        return {
            "framework": "tf",
            "version": self.tf.__version__.partition("+")[0],
            "keras_version": self.keras.keras.__version__,
            "reserved_attributes": self.keras.reserved_attributes(),
            "apis": entries | self._eager_entries(entries) | self.keras.entries(self._name_of),
        }

    def _module(self, namespace: str) -> ModuleType | None:
        found: Any = self.tf
        for part in namespace.split(".")[1:]:
            found = getattr(found, part, None)
        return found if isinstance(found, ModuleType) else None

    def _collect(self, namespace: str, module: ModuleType) -> None:
        self.registry.add(namespace, module)
        skipped = OF_KERAS if namespace in ("tf", "tf.compat.v1") else set()
        for name, value in walk.attributes(
            module, (n for n in dir(module) if not n.startswith("_") and n not in skipped)
        ):
            if not isinstance(value, ModuleType):
                self.registry.add(f"{namespace}.{name}", value)

    def _preference(self, name: str, value: object) -> tuple[int, ...]:
        """A top-level name first, then the one that TensorFlow's own documentation is written under."""
        from tensorflow.python.util import tf_export

        namespace = name.rpartition(".")[0]
        documented = None
        if inspect.isclass(value) or inspect.isroutine(value):
            documented = tf_export.get_canonical_name_for_symbol(value, "tensorflow")
        rank = (NAMESPACES + COMPAT).index(namespace) if namespace in NAMESPACES + COMPAT else 0
        return (namespace in COMPAT, namespace != "tf", name != f"tf.{documented}", name.count("."), rank)

    def _name_of(self, value: object) -> str | None:
        if isinstance(value, self.tf.DType):
            return f"tf.{value.name}"
        known = self.keras.registry.canonical(value) or self.registry.canonical(value)
        plain = inspect.isclass(value) and value.__module__ == "builtins"
        return value.__name__ if plain else known  # type: ignore[attr-defined]

    def _entry(self, name: str, value: Any) -> Entry:
        kind = "module" if isinstance(value, ModuleType) else "class" if inspect.isclass(value) else None
        kind = kind or ("function" if inspect.isroutine(value) or inspect.isfunction(value) else "constant")
        canonical = self.registry.canonical(value)
        if canonical not in (None, name):
            return {"kind": kind, "alias": canonical}
        entry: Entry = {"kind": kind}
        if kind == "class":
            overloads = class_overloads(value, self._name_of)
            entry |= walk.inherits(value, METHOD_CLASSES, self.registry)
        else:
            overloads = function_overloads(value, self._name_of) if kind == "function" else None
        return entry if overloads is None else {"kind": kind, "overloads": overloads} | entry

    def _eager_entries(self, entries: dict[str, Entry]) -> dict[str, Entry]:
        """What only a tensor that holds a value has, ``numpy()`` above all."""
        eager = type(self.tf.constant(0))
        names = [name for name in walk.public_attributes(eager) if f"tf.Tensor.{name}" not in entries]
        found = {f"tf.Tensor.{name}": method_entry(eager, name, self._name_of) for name in names}
        return {name: entry for name, entry in found.items() if entry is not None}
