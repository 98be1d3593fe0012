"""Annotations: what a program declares about its values. A declaration is taken at its word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..values import (
    BOOL,
    NONE,
    STR,
    UNKNOWN,
    Api,
    BoundMethod,
    Instance,
    Map,
    Num,
    Seq,
    Shape,
    Tensor,
    TypeForm,
    Union,
    UserClass,
    Value,
    elem_of,
    join,
    options_of,
)

if TYPE_CHECKING:
    from .interp import Interpreter

BUILTINS: dict[str, Value] = {"int": Num("int"), "float": Num("float"), "bool": BOOL, "str": STR}
GENERIC = ("typing", "typing_extensions", "collections", "builtins", "jaxtyping")
"""Modules whose names are subscripted in annotations."""
LISTS = frozenset({
    "List", "list", "Sequence", "MutableSequence", "Iterable", "Iterator", "Generator", "Collection",
})  # fmt: skip
MAPS = frozenset({"Dict", "dict", "Mapping", "OrderedDict", "MutableMapping", "DefaultDict", "defaultdict"})
TRANSPARENT = frozenset({"Final", "ClassVar", "Annotated", "Required", "NotRequired", "ReadOnly"})
"""What says more about a type than which values it has."""
OTHERS = frozenset({"numpy", "scipy", "pandas", "PIL", "networkx", "torch_sparse", "pathlib", "datetime", "argparse"})
"""Libraries whose classes are no tensors under another name."""


def annotation(it: Interpreter, node: cst.BaseExpression) -> Value:
    """The value that an annotation promises; ``UNKNOWN`` if it says nothing useful."""
    if isinstance(node, cst.SimpleString):
        inner = it.facts.unquoted(node)
        return annotation(it, inner) if inner is not None else UNKNOWN
    value = it.expr(node)
    if isinstance(node, cst.Subscript):
        return fresh(value.promise) if isinstance(value, TypeForm) else UNKNOWN
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.BitOr):
        return join(annotation(it, node.left), annotation(it, node.right))
    if isinstance(node, cst.Name) and node.value == "None":
        return NONE
    return promised(it, value)


def promised(it: Interpreter, value: Value) -> Value:
    """What an object of a type is; for an alias (``OptTensor = Optional[Tensor]``) what it stands for."""
    if isinstance(value, TypeForm):
        return fresh(value.promise)
    if isinstance(value, UserClass):
        return Instance(value)
    if isinstance(value, Union):  # imported from one of two places, whichever there is
        options = [promised(it, option) for option in value.options]
        return _either(options)
    if not isinstance(value, Api):
        return UNKNOWN
    name = it.tables.canonical(value.name)
    root, _, last = name.rpartition(".")
    if name in it.dialect.tensor_types:
        return Tensor()
    if name in it.dialect.parameter_types:
        return Tensor(variable=True)
    if name in ("torch.dtype", "torch.device"):
        return BoundMethod(Tensor(), "dtype") if name == "torch.dtype" else Instance(Api(name))
    if name == "torch.Size":
        return Shape(Tensor())
    if root.split(".", 1)[0] in OTHERS:
        one = last == "ndarray" or (last[:1].isupper() and not last.endswith("Like"))
        return Instance(Api(name)) if one else UNKNOWN
    if name == "numbers.Number":
        return BUILTINS["float"]
    if name in it.dialect.module_bases or name.startswith(("torch.nn.", "keras.layers.")):
        return Instance(Api(name))
    if root == "builtins" and last in BUILTINS:
        return BUILTINS[last]
    if root.split(".", 1)[0] in GENERIC:
        if last in LISTS or last.lower() == "tuple":
            return Seq("tuple" if last.lower() == "tuple" else "list")
        return Map() if last in MAPS else UNKNOWN
    return UNKNOWN


def _either(options: list[Value]) -> Value:
    out = options[0]
    for option in options[1:]:
        out = join(out, option)
    return out


def type_form(it: Interpreter, node: cst.Subscript, base: Api) -> Value:
    """``Optional[Tensor]`` and the like, where they stand as annotations or get a name."""
    root, _, name = base.name.rpartition(".")
    if root.split(".", 1)[0] not in GENERIC or name == "Literal":  # whose strings are no annotations
        return UNKNOWN
    slices = [s.slice.value for s in node.slice if isinstance(s.slice, cst.Index)]
    if len(slices) == 1 and isinstance(slices[0], cst.Tuple):
        slices = [e.value for e in slices[0].elements]
    if not slices:
        return UNKNOWN
    if name in TRANSPARENT or root == "jaxtyping":
        promise = annotation(it, slices[0])
    else:
        promise = _generic(name, slices, [annotation(it, s) for s in slices])
    return TypeForm(promise) if promise is not UNKNOWN else UNKNOWN


def _generic(name: str, slices: list[cst.BaseExpression], args: list[Value]) -> Value:
    if name == "Optional":
        return UNKNOWN if args[0] is UNKNOWN else join(args[0], NONE)
    if name == "Union":
        return _either(args)
    if name.lower() == "tuple":
        if len(slices) > 1 and not isinstance(slices[-1], cst.Ellipsis):
            return Seq("tuple", list(args))
        return Seq("tuple", None, args[0], promise=args[0])  # `Tuple[Tensor]` is written for a tuple of any length, too
    if name in LISTS:
        return Seq("list", None, args[0], promise=args[0])
    if name in MAPS and len(args) == 2:
        return Map(None, args[1], args[1])
    return UNKNOWN


def fresh(value: Value) -> Value:
    """A promise made anew: its tensors are other tensors than those of the same annotation elsewhere."""
    if isinstance(value, Tensor):
        return Tensor(value.rank, value.dims, value.dtype, variable=value.variable)
    if isinstance(value, Shape):
        return Shape(Tensor())
    if isinstance(value, Seq):
        if value.items is not None:
            return Seq(value.kind, [fresh(v) for v in value.items])
        elem = fresh(value.elem)
        return Seq(value.kind, None, elem, promise=elem)
    if isinstance(value, Map):
        elem = fresh(value.elem)
        return Map(None, elem, elem)
    if isinstance(value, Union):
        return Union(tuple(fresh(option) for option in value.options))
    return value


def filled(value: Value, promise: Value) -> Value:
    """What is known of a value, and where nothing is known, what was promised."""
    if value is UNKNOWN:
        return promise
    if promise is UNKNOWN:
        return value
    if isinstance(value, Union) and not any(isinstance(o, Instance) for o in options_of(promise)):
        # What a call is seen to pass may be one of many things in a container: no objects where none are declared.
        rest = tuple(o for o in value.options if not isinstance(o, Instance))
        value = value if not rest or len(rest) == len(value.options) else rest[0] if len(rest) == 1 else Union(rest)
    matching = next((o for o in options_of(promise) if type(o) is type(value)), UNKNOWN)
    if isinstance(value, Seq) and isinstance(matching, Seq):
        if matching.items is None:
            promise = matching.elem
            items = None if value.items is None else [filled(v, promise) for v in value.items]
            return Seq(value.kind, items, filled(value.elem, promise), value.first, promise)
        if value.items is None:
            return Seq(value.kind, None, filled(value.elem, elem_of(matching)), value.first)
        if len(matching.items) == len(value.items):
            return Seq(value.kind, [filled(v, p) for v, p in zip(value.items, matching.items, strict=True)])
    if isinstance(value, Map) and isinstance(matching, Map):
        promise = matching.elem
        known = None if value.items is None else {k: filled(v, promise) for k, v in value.items.items()}
        return Map(known, filled(value.elem, promise), promise)
    return value
