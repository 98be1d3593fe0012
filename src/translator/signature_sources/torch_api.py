"""PyTorch's public names and their signatures.

Functions written in Python are inspected. What is written in C++ is looked up in the stubs that PyTorch ships, or in
the operator schemas where no stub states it (``torch.linalg``, ``torch.fft``, ``torch.special``, a part of
``torch.nn.functional``).
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from translator.signature_sources import stubs, walk
from translator.signature_sources.entries import (
    Entry,
    Overload,
    class_overloads,
    function_overloads,
    method_entry,
    takes_anything,
    unique,
)
from translator.signature_sources.schemas import Schemas

NAMESPACES = walk.words(
    """
    torch.nn torch.nn.functional torch.nn.init torch.nn.parallel torch.nn.parameter torch.nn.attention
    torch.nn.modules.utils torch.nn.utils torch.nn.utils.rnn torch.nn.utils.parametrizations
    torch.nn.utils.parametrize torch.nn.utils.prune torch.nn.utils.stateless torch.nn.utils.fusion torch.optim
    torch.optim.lr_scheduler torch.optim.swa_utils torch.utils.data torch.utils.data.distributed
    torch.utils.checkpoint torch.utils.model_zoo torch.linalg torch.fft torch.special torch.sparse
    torch.autograd torch.autograd.functional torch.autograd.function torch.amp torch.cuda torch.cuda.amp
    torch.jit torch.distributions torch.distributions.constraints torch.distributions.kl
    torch.distributions.transforms torch.random torch.func torch.hub torch.compiler torch.distributed
    torch.backends torch.backends.cudnn torch.backends.cuda torch.backends.mps torch.backends.mkldnn
    torch.backends.openmp torch.backends.opt_einsum torch.serialization torch.signal.windows torch.nested
    torch.testing torch.onnx torch.profiler torch.mps torch.accelerator torch.fx torch.multiprocessing
    """
)

METHOD_CLASSES = walk.words(
    """
    torch.nn.Module torch.nn.Sequential torch.nn.ModuleList torch.nn.ModuleDict torch.nn.ParameterList
    torch.nn.ParameterDict torch.nn.Transformer torch.nn.MultiheadAttention torch.nn.Embedding
    torch.nn.EmbeddingBag torch.nn.utils.rnn.PackedSequence torch.nn.DataParallel
    torch.nn.parallel.DistributedDataParallel torch.optim.Optimizer torch.optim.lr_scheduler.LRScheduler
    torch.optim.lr_scheduler.ReduceLROnPlateau torch.optim.swa_utils.AveragedModel torch.utils.data.DataLoader
    torch.utils.data.Dataset torch.utils.data.IterableDataset torch.utils.data.TensorDataset
    torch.utils.data.Sampler torch.utils.data.distributed.DistributedSampler torch.autograd.Function
    torch.autograd.function.FunctionCtx torch.amp.GradScaler torch.distributions.Distribution torch.cuda.Event
    torch.cuda.Stream
    """
)

OF_OTHERS = frozenset({"torch.hub.tqdm"})
"""What is another package's where that is installed, and PyTorch's own stand-in for it elsewhere."""
STUB_CLASSES = ("Size", "device", "dtype", "finfo", "iinfo", "Generator", "Stream", "Event")
OLD_TENSORS = walk.words("Float Double Half BFloat16 Byte Char Short Int Long Bool")
BACKEND_SETTINGS = walk.words(
    """
    torch.backends.cuda.matmul.allow_tf32 torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction torch.backends.cuda.matmul.fp32_precision
    """
)
DEFINED_ELSEWHERE = {"torch.nn": ("torch.nn.modules", "torch.nn.parameter"), "torch.jit": ("torch._jit_internal",)}
MORE_NAMES = walk.words(
    """
    torch._assert torch.jit.Final torch.nn.init._calculate_fan_in_and_fan_out torch.nn.init._calculate_correct_fan
    torch.nn.init._no_grad_trunc_normal_ torch.jit._script_if_tracing
    """
)
PRIVATE_BASES = re.compile(r"_\w*(Norm\w*|Nd|Loss\w*|LRScheduler|PoolNd|ntuple|single|pair|triple|quadruple)$")
ALIAS_DOC = re.compile(r"\A\s*(?:\w+\([^\n]*\n\s*)?Alias (?:for|of) :\w+:`~?([\w.]+)(?:\(\))?`")
OVERRIDDEN = walk.words("forward compile extra_repr training dump_patches call_super_init T_destination")
"""Attributes of a module that users' classes override, or read as they are."""
SYNONYMS = {"dim": ["axis"], "keepdim": ["keepdims"], "input": ["x", "a", "x1"], "other": ["x2"]}
"""NumPy's names, which the argument parser takes for these (``torch/csrc/utils/python_arg_parser.cpp``)."""


class TorchApi:
    """Signatures of the PyTorch that is installed."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.schemas = Schemas()
        folder = Path(torch.__file__).parent / "_C"
        self.stub_functions = stubs.functions(folder / "__init__.pyi")
        self.stub_functions |= stubs.functions(folder / "_VariableFunctions.pyi")
        self.stub_classes = stubs.classes(folder / "__init__.pyi")
        self.stub_classes["Tensor"] = self.stub_classes["TensorBase"]
        for overload in self.stub_classes["Tensor"]["to"]:  # the stub says "other", the argument parser takes "tensor"
            overload[:] = [["tensor", *param[1:]] if param[0] == "other" else param for param in overload]
        self.registry = walk.Registry(self._preference)
        self._collect()

    def document(self) -> dict[str, Any]:
        """The content of ``torch.json``."""
        entries = {name: self._entry(name, value) for name, value in self.registry.items()}
        entries |= self._tensor_entries() | self._class_attribute_entries() | walk.class_constants(self.registry)
        return {
            "framework": "torch",
            "version": self.torch.__version__.partition("+")[0],
            "argument_synonyms": SYNONYMS,
            "reserved_attributes": self._reserved_attributes(),
            "tensor_methods_only": self._tensor_methods_only(),
            "apis": self._with_meaning(entries),
        }

    # Names ------------------------------------------------------------------------------------------------------

    def _preference(self, name: str, value: object) -> tuple[int, int]:
        """Least for the documented name: an operator of ``functional`` has it there, all else has its shortest."""
        named = inspect.isclass(value) or inspect.isroutine(value)
        last = getattr(value, "__name__", "") if named else str(value).rpartition(".")[2]
        in_functional = inspect.isbuiltin(value) and name.startswith("torch.nn.functional.")
        return (0 if in_functional else 1 if name.rpartition(".")[2] == last else 2, name.count("."))

    def _collect(self) -> None:
        self.registry.add("torch", self.torch)
        for name, value in walk.attributes(self.torch):
            if self._is_top_level(name, value):
                self.registry.add(f"torch.{name}", value)
        for namespace in NAMESPACES:
            module = walk.load(namespace)
            if module is not None:
                self._collect_module(namespace, module)
        for kind in OLD_TENSORS:
            self.registry.add(f"torch.cuda.{kind}Tensor", getattr(self.torch.cuda, f"{kind}Tensor"))
        for name in BACKEND_SETTINGS:
            self.registry.add(name, getattr(self.torch.backends.cuda.matmul, name.rpartition(".")[2]))
        for name in MORE_NAMES:
            owner, _, last = name.rpartition(".")
            self.registry.add(name, getattr(walk.load(owner), last))
        for name in ("torch.__version__", "torch.version"):
            self.registry.add(name, getattr(self.torch, name.rpartition(".")[2]))
        self.registry.add_definitions("torch")
        self._collect_private_bases()

    def _collect_module(self, namespace: str, module: ModuleType) -> None:
        parts = namespace.split(".")
        for end in range(2, len(parts) + 1):
            self.registry.add(".".join(parts[:end]), walk.load(".".join(parts[:end])))
        stated = set(getattr(module, "__all__", ()))
        inner = getattr(module, "m", None)  # some of torch.backends are objects around the real module
        names = {*dir(module), *dir(inner), *vars(type(module))} if isinstance(inner, ModuleType) else dir(module)
        for name, value in walk.attributes(module, stated | {n for n in names if not n.startswith("_")}):
            if isinstance(value, ModuleType) or f"{namespace}.{name}" in OF_OTHERS:
                continue
            if name in stated or self._belongs(namespace, name, value):
                self.registry.add(f"{namespace}.{name}", value)

    def _belongs(self, namespace: str, name: str, value: object) -> bool:
        """Whether a name that no ``__all__`` states is the namespace's own, and not imported for its use."""
        if inspect.isbuiltin(value):
            return self._builtin_overloads(f"{namespace}.{name}", value) is not None and not name.startswith("has_")
        if namespace.startswith("torch.backends"):
            setting = isinstance(value, (bool, int)) and name.islower()
            return setting or (inspect.isfunction(value) and walk.defined_under(value, (namespace,)))
        if inspect.isclass(value) or inspect.isfunction(value):
            return walk.defined_under(value, (namespace, *DEFINED_ELSEWHERE.get(namespace, ())))
        return False

    def _is_top_level(self, name: str, value: object) -> bool:
        torch = self.torch
        if name == "newaxis" or isinstance(
            value, (torch.dtype, torch.layout, torch.memory_format, torch.qscheme, float)
        ):
            return True
        if isinstance(value, ModuleType):
            return value.__name__ == f"torch.{name}"
        if inspect.isclass(value):
            known = (*STUB_CLASSES, "layout", "memory_format", "qscheme")
            if name in known or name.endswith(("Tensor", "Storage")):
                return True
            internal = type(value).__name__ == "pybind11_type"  # TorchScript's own classes, for the most part
            return not internal and name in torch.__all__ and walk.defined_under(value, ("torch",))
        if inspect.isbuiltin(value):
            return name in self.stub_functions
        return inspect.isroutine(value) and walk.defined_under(value, ("torch",))

    def _collect_private_bases(self) -> None:
        """Bases and helpers with an underscore that model code imports all the same (``_BatchNorm``, ``_pair``)."""
        import sys

        for path, module in sorted(sys.modules.items()):
            if path.startswith(("torch.nn.modules.", "torch.optim.lr_scheduler")) and "._" not in path:
                for name in sorted(vars(module)):
                    value = vars(module)[name]
                    if PRIVATE_BASES.match(name) and getattr(value, "__module__", None) == path:
                        self.registry.add(f"{path}.{name}", value)

    # Entries ----------------------------------------------------------------------------------------------------

    def _name_of(self, value: object) -> str | None:
        if isinstance(value, self.torch.device):
            return f"torch.device({str(value)!r})"
        known = self.registry.canonical(value)
        if known is None and (inspect.isfunction(value) or inspect.isclass(value)) and value.__name__.isidentifier():
            known = f"{value.__module__}.{value.__qualname__}"
            return known.removeprefix("builtins.") if "<" not in known else None
        return known

    def _entry(self, name: str, value: Any) -> Entry:
        canonical = self.registry.canonical(value)
        kind = self._kind(name, value)
        if canonical not in (None, name):
            return {"kind": kind, "alias": canonical}
        entry: Entry = {"kind": kind}
        if kind == "class":
            overloads = self._class_overloads(name, value)
            entry |= walk.inherits(value, METHOD_CLASSES, self.registry)
            if inspect.isclass(value) and issubclass(value, self.torch.nn.Module):
                self._add_forward(entry, value)
        elif kind == "function":
            overloads = self._function_overloads(name, value)
        else:
            return entry
        if overloads is not None:
            entry = {"kind": kind, "overloads": overloads} | entry
        marked = inspect.isbuiltin(value) or walk.defined_under(value, ("torch.functional",))
        return entry | (self._marks(value) if marked else {})

    def _kind(self, name: str, value: Any) -> str:
        if isinstance(value, ModuleType):
            return "module"
        if inspect.isclass(value):
            return "class"
        if name.startswith("torch.backends.") and not inspect.isroutine(value):
            return "property"
        return "function" if inspect.isroutine(value) or hasattr(value, "__wrapped__") else "constant"

    def _function_overloads(self, name: str, value: Any) -> list[Overload] | None:
        if inspect.isbuiltin(value):
            return self._builtin_overloads(name, value)
        pair = self.torch._jit_internal.boolean_dispatched.get(value) if inspect.isfunction(value) else None
        if pair:  # F.max_pool2d and its like call one of two functions, by a flag
            both = [self._function_overloads(name, pair[one]) or [] for one in ("if_false", "if_true")]
            return unique(both[0] + both[1])
        found = function_overloads(value, self._name_of)
        if found and takes_anything(found[0]) and (wrapped := _wrapped(value)):
            return function_overloads(wrapped, self._name_of)
        return found

    def _builtin_overloads(self, name: str, value: Any) -> list[Overload] | None:
        """The overloads of a C++ function: the stub where it is one of torch's own functions, else the schema."""
        own = value.__name__
        if getattr(self.torch, own, None) is value or name == f"torch.{own}":
            return self.stub_functions.get(own)
        return self.schemas.overloads(own)

    def _class_overloads(self, name: str, cls: type) -> list[Overload] | None:
        last = name.rpartition(".")[2]
        if inspect.getattr_static(cls, "__init__") is self.torch.nn.Module.__init__:
            return [[]]  # declared as (*args, **kwargs), and refuses both
        if issubclass(cls, self.torch.Tensor) and cls is not self.torch.Tensor:
            return class_overloads(cls, self._name_of)
        if last.endswith("Tensor") and name.count(".") <= 2:
            last = "Tensor"
        stub = self.stub_classes.get(last, {}) if name.count(".") == 1 or last == "Tensor" else {}
        if cls is self.torch.autograd.Variable:
            stub = self.stub_classes["_LegacyVariableBase"]
        stated = stub.get("__init__") or stub.get("__new__")
        return stated or class_overloads(cls, self._name_of)

    def _add_forward(self, entry: Entry, cls: type) -> None:
        forward = inspect.getattr_static(cls, "forward")
        if inspect.isfunction(forward) and forward.__name__ != "_forward_unimplemented":
            entry["call"] = function_overloads(forward, self._name_of, drop_first=True)

    def _marks(self, value: Any) -> Entry:
        name = value.__name__
        marks: Entry = {}
        if inspect.isbuiltin(value):
            marks["native"] = True
        if self.schemas.is_view(name):
            marks["alias_marks"] = True
        if self.schemas.is_in_place(name):
            marks["inplace"] = True
        return marks

    # Tensor and other classes' attributes -----------------------------------------------------------------------

    def _tensor_entries(self) -> dict[str, Entry]:
        """Methods and properties of ``torch.Tensor``."""
        found = {}
        for name in walk.public_attributes(self.torch.Tensor):
            raw = inspect.getattr_static(self.torch.Tensor, name)
            if inspect.isroutine(raw) and not inspect.isfunction(raw):
                overloads = self.stub_classes["Tensor"].get(name) or self.schemas.overloads(name, method=True)
                entry: Entry = {"kind": "method"} | ({"overloads": overloads} if overloads else {}) | {"native": True}
            else:
                entry = method_entry(self.torch.Tensor, name, self._name_of) or {"kind": "constant"}
            marks = {"alias_marks": self.schemas.is_view(name), "inplace": self.schemas.is_in_place(name)}
            found[f"torch.Tensor.{name}"] = entry | {mark: True for mark, holds in marks.items() if holds}
        return found

    def _class_attribute_entries(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for owner in METHOD_CLASSES:
            cls = self.registry.objects.get(owner)
            if isinstance(cls, type):
                found |= walk.class_attributes(owner, cls, METHOD_CLASSES, self.registry, self._name_of)
        for owner in STUB_CLASSES:
            cls = getattr(self.torch, owner)
            inherited = set(dir(tuple)) if owner == "Size" else set()
            for name in sorted(set(walk.public_attributes(cls)) - inherited):
                overloads = self.stub_classes[owner].get(name)
                called = callable(inspect.getattr_static(cls, name))
                kind = "method" if overloads or called else "property"
                found[f"torch.{owner}.{name}"] = {"kind": kind} | ({"overloads": overloads} if overloads else {})
        return found

    def _with_meaning(self, entries: dict[str, Entry]) -> dict[str, Entry]:
        """Add ``same_as`` where PyTorch's own documentation calls a function an alias of another."""
        callables = [name for name, entry in entries.items() if entry["kind"] in ("function", "method")]
        for name in callables:
            if "alias" not in entries[name]:
                stated = ALIAS_DOC.match(inspect.unwrap(self._resolve(name)).__doc__ or "")
                target = _full_name(stated[1], name, entries) if stated else None
                if target and entries[target]["kind"] == entries[name]["kind"]:
                    entries[name]["same_as"] = target
        for name in callables:  # what holds for torch.arccos holds for x.arccos() and x.arccos_()
            for end in ("", "_"):
                self._same_method(name.removeprefix("torch."), entries[name].get("same_as", ""), end, entries)
        return entries

    def _same_method(self, short: str, target: str, end: str, entries: dict[str, Entry]) -> None:
        method, other = f"torch.Tensor.{short}{end}", f"torch.Tensor.{target.rpartition('.')[2]}{end}"
        if target and "." not in short and method in entries and other in entries and method != other:
            entries[method].setdefault("same_as", other)

    def _resolve(self, name: str) -> Any:
        if name in self.registry.objects:
            return self.registry.objects[name]
        owner, _, attribute = name.rpartition(".")
        return getattr(self.registry.objects[owner], attribute, None)

    def _reserved_attributes(self) -> list[str]:
        """Names that every module has already, but for those that a user's class may give a meaning of its own."""
        return [n for n in walk.public_attributes(self.torch.nn.Module) if n not in OVERRIDDEN]

    def _tensor_methods_only(self) -> list[str]:
        """Attributes of a tensor that no builtin container, number, NumPy value, module or optimizer has."""
        import numpy as np

        scalars = [np.bool_, np.int8, np.int64, np.uint8, np.float16, np.float32, np.float64, np.complex64, np.str_]
        others = [list, tuple, dict, set, frozenset, str, bytes, bool, int, float, complex, np.ndarray, np.generic]
        instances = [self.torch.nn.Module(), self.torch.optim.SGD([self.torch.zeros(1)], lr=1.0)]
        taken = {name for one in [*others, *scalars, *instances] for name in dir(one)}
        return [name for name in walk.public_attributes(self.torch.Tensor) if name not in taken]


def _wrapped(function: Any) -> Any:
    """The only function in the closure of a wrapper that passes everything on (the old names in ``nn.init``)."""
    inside = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    functions = [value for value in inside if inspect.isfunction(value)]
    return functions[0] if len(functions) == 1 else None


def _full_name(stated: str, name: str, entries: dict[str, Entry]) -> str | None:
    """The entry that a cross reference in the documentation of ``name`` means; None if it means none or itself."""
    owner = name.rpartition(".")[0]
    candidates = [stated, f"{owner}.{stated}", f"torch.{stated}", f"torch.Tensor.{stated}"]
    if owner == "torch.Tensor":
        candidates = [f"torch.Tensor.{stated.rpartition('.')[2]}", *candidates]
    target = next((one for one in candidates if one in entries and one != name), None)
    return entries[target].get("alias", target) if target else None
