"""The value of each kind of expression."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..values import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    STATIC,
    STR,
    UNKNOWN,
    Api,
    BoundMethod,
    ClassName,
    Const,
    Foreign,
    Func,
    Instance,
    LayoutVar,
    Map,
    Namespace,
    Num,
    Partial,
    Seq,
    Shape,
    Tensor,
    Union,
    UserClass,
    Value,
    elem_of,
    join,
    options_of,
    python_type,
    without_none,
)
from . import indexing, lightning
from .annotations import fresh, type_form
from .evidence import cannot_be, is_evidence, only_a_tensor, proven_tensor
from .facts import SAVED
from .functions import define, method_of
from .imports import framework_name
from .keras_config import compared
from .keras_graph import operated
from .layer_attributes import SIZES, declared_otherwise, having
from .made_names import of_made_name
from .results import binary_result
from .sizes import combined, measured, product
from .uses import is_library
from .weight_lists import KNOWN_BY_NAME, listed

if TYPE_CHECKING:
    from .interp import Interpreter

METADATA = frozenset({"shape", "size", "dtype", "device", "dim", "ndim", "numel", "is_cuda", "requires_grad", "type"})
"""What can be asked of a tensor without reading its memory."""
BUILTINS = frozenset(dir(builtins))
VERSIONS = frozenset({"torch.__version__"})
"""Texts that a framework keeps."""
MAX_FOLD = 1 << 64
RESULT_FIELDS = {
    "values": 0, "indices": 1, "eigenvalues": 0, "eigenvectors": 1, "U": 0, "S": 1, "Vh": 2, "V": 2, "Q": 0, "R": 1,
    "sign": 0, "logabsdet": 1, "min": 0, "max": 1, "mantissa": 0, "exponent": 1, "LU": 0, "pivots": 1, "solution": 0,
    "residuals": 1,
}  # fmt: skip
"""The fields of PyTorch's named results, by position; TensorFlow's are plain tuples."""


def _name(it: Interpreter, node: cst.Name) -> Value:
    name = node.value
    value = it.scope.lookup(name)
    if isinstance(value, ClassName):
        it.touch()
    if isinstance(value, Tensor | Union | Seq | Map) and not it.metadata:
        it.read(value, name)
    if value is None:
        if name in ("True", "False", "None"):
            return Const({"True": True, "False": False, "None": None}[name])
        return Api("builtins." + name) if name in BUILTINS else UNKNOWN
    if isinstance(value, Api) and value.name.split(".", 1)[0] in it.dialect.roots:
        it.touch()
        if it.scope.is_imported(name):
            it.facts.direct.add(node)
    elif isinstance(value, Union | UserClass) or (isinstance(value, Func) and it.direction == "tf2torch"):
        it.touch()
    return value


def _attribute(it: Interpreter, node: cst.Attribute) -> Value:
    name = node.attr.value
    it.metadata = name in METADATA
    calling, keywords, positional = it.calling, it.keywords, it.positional
    owner = it.expr(node.value)
    it.metadata = False
    it.calling, it.keywords, it.positional = calling, keywords, positional  # the owner may be a call itself
    if node.value in it.facts.direct and isinstance(owner, Api) and owner.name not in VERSIONS:
        it.facts.direct.add(node)
    if isinstance(owner, Union):
        owner = without_none(owner)
    if isinstance(owner, Tensor):
        owner = declared_otherwise(it, node.value, owner, name)
    out: Value | None = None
    for one in having(it, options_of(owner), name):
        value = attribute_of(it, one, name, node)
        out = value if out is None else join(out, value)
    if name in ("in_features", "out_features") and it.scope.module in it.frameworks:
        it.touch()
    if name == "__name__":
        of = _class_of(node.value)
        if of is not None:
            it.touch()
            return ClassName(of)
    if isinstance(out, Tensor | Union | Seq | Map):
        it.read(out, "." + name)
    return out if out is not None else UNKNOWN


def _class_of(node: cst.BaseExpression) -> cst.BaseExpression | None:
    """The ``x`` of ``x.__class__`` and ``type(x)``."""
    if isinstance(node, cst.Attribute) and node.attr.value == "__class__":
        return node.value
    if (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Name)
        and node.func.value == "type"
        and len(node.args) == 1
    ):
        return node.args[0].value
    return None


def attribute_of(it: Interpreter, owner: Value, name: str, node: cst.Attribute | None = None) -> Value:
    """``owner.name``."""
    if (weights := listed(it, owner, name)) is not None:
        return weights
    if isinstance(owner, Api):
        return _api_attribute(it, owner, name)
    if isinstance(owner, Tensor):
        it.touch()
        return tensor_attribute(it, owner, name)
    if isinstance(owner, Instance):
        if node is not None and (name in SIZES or name in ("weight", "bias")) and owner.api:
            it.facts.layer_reads.append((node, owner, it.func))
        return _instance_attribute(it, owner, name)
    if isinstance(owner, Seq) and owner.kind == "tuple" and owner.items and name in RESULT_FIELDS:
        it.touch()
        return owner.items[min(RESULT_FIELDS[name], len(owner.items) - 1)]
    if isinstance(owner, UserClass):
        forward = owner.find("forward")
        if name == "apply" and isinstance(forward, Func) and not owner.module:
            return Partial(forward, [UNKNOWN], {})
        return owner.find(name) or UNKNOWN
    if isinstance(owner, Namespace):
        inner = it.load_module(f"{owner.name}.{name}")
        return owner.scope.vars.get(name) or inner or UNKNOWN
    called = node is not None and node is it.calling
    if isinstance(owner, Foreign) and owner.closed:
        return owner
    if isinstance(owner, Foreign) and not called:
        owner = UNKNOWN
    if isinstance(owner, BoundMethod) and owner.receiver is UNKNOWN:
        owner = UNKNOWN
    if owner == BOOL and called and not hasattr(bool, name):
        owner = UNKNOWN  # what comes of comparing things of which nothing is known is no truth value, then
    receiver = node.value if node is not None else None
    if owner is UNKNOWN and called and (cannot_be(it, name) or is_library(it, receiver)):
        return BoundMethod(owner, name)
    if owner is UNKNOWN and called and only_a_tensor(it, name, receiver) and is_evidence(it, name, receiver):
        assert node is not None
        tensor = proven_tensor(it, node.value)
        if tensor is not None:
            it.touch()
            return tensor_attribute(it, tensor, name)
    if owner is UNKNOWN and name == "saved_tensors" and it.func is not None and it.func.owner is not None:
        return it.func.owner.attrs.get(SAVED, Seq("tuple", None, Tensor(layout=LayoutVar(source=True))))
    if owner is UNKNOWN and called:
        assert node is not None
        it.facts.unknown_calls.add(node)
        if name == "item" and it.direction == "torch2tf" and is_evidence(it, name):
            it.touch()
        named = any(f"{kind}.{name}" in it.tables.source for kind in it.dialect.methods)
        named |= it.direction == "tf2torch" and name in KNOWN_BY_NAME
        if named and it.scope.module in it.frameworks:
            it.touch()  # it may be a tensor or a layer: the rewriting must say so
    return BoundMethod(owner, name)


def _api_attribute(it: Interpreter, owner: Api, name: str) -> Value:
    full = framework_name(f"{owner.name}.{name}")
    it.touch()
    module = it.load_module(full)
    if module is not None:
        return module
    if full in ("math.pi", "math.inf", "math.e"):
        return FLOAT
    if owner.name in VERSIONS:
        return BoundMethod(STR, name)
    return Api(full)


def tensor_attribute(it: Interpreter, owner: Tensor, name: str) -> Value:
    """A property of a tensor, or a method bound to it."""
    if name == "shape":
        return Shape(owner)
    if name in ("ndim",):
        return Const(owner.rank) if owner.rank is not None else INT
    if name in ("real", "imag"):
        parts = {"complex64": "float32", "complex128": "float64"}
        return Tensor(owner.rank, owner.dims, parts.get(owner.dtype or "", owner.dtype), owner.layout)
    if name == "data":
        return Tensor(owner.rank, owner.dims, owner.dtype, owner.layout, owner.storage, owner.variable)
    if name in ("T", "mT", "H"):
        dims = owner.dims[::-1] if owner.dims is not None and owner.rank == 2 else None
        return Tensor(owner.rank, dims, owner.dtype, storage=owner.storage)
    if name in ("dtype", "device"):
        return BoundMethod(owner, name)
    if name in ("requires_grad", "is_cuda", "is_leaf", "is_sparse"):
        return BOOL
    if name == "grad":
        return Tensor(owner.rank, owner.dims, owner.dtype, owner.layout)
    return BoundMethod(owner, name)


def _instance_attribute(it: Interpreter, owner: Instance, name: str) -> Value:
    it.touch()
    if owner.api == lightning.TRAINER and (known := lightning.trainer_attribute(name)) is not None:
        return known
    if owner.api in ("torch.finfo", "torch.iinfo"):
        return STR if name == "dtype" else INT if name == "bits" or owner.api == "torch.iinfo" else FLOAT
    if isinstance(owner.cls, UserClass):
        found = owner.cls.find(name)
        if isinstance(found, Func):
            return method_of(it, owner, found)
        if it.func is not None and it.direction == "torch2tf":
            for cls in owner.cls.mro():
                cls.readers.setdefault(name, set()).add(it.func)
        if found is not None:
            return found
        if name == "training" and owner.cls.module:
            if it.func is not None:
                it.func.reads_training = True
            return BOOL
        if name in ("weight", "bias") and owner.cls.module:
            base = framework_base(owner.cls)
            if base not in (None, "torch.nn.Module"):
                return layer_weight(Instance(Api(base)), name)
        if name == WRAPPED and owner.cls.module:
            return owner
        inherited = it.tables.source.get(f"{framework_base(owner.cls)}.{name}") is not None
        made = of_made_name(owner.cls, name, inherited=inherited)
        said = next((cls.declared[name] for cls in owner.cls.mro() if name in cls.declared), UNKNOWN)
        if made is None and said is not UNKNOWN:  # declared, and set in a way that is not seen
            return fresh(said)
        return made or BoundMethod(owner, name)
    it.facts.opened.append(owner)
    if name == WRAPPED and name not in owner.args and (owner.api or "").startswith("torch.nn."):
        return owner
    if name == "weight" or name == "bias":
        return layer_weight(owner, name)
    if name in owner.args:
        return owner.args[name]
    if name == "training":
        return BOOL
    if owner.api == NUMPY.api and name in ("T", "real", "imag"):
        return owner
    return BoundMethod(owner, name)


def framework_base(cls: UserClass) -> str | None:
    """The framework class that a class of the project descends from."""
    for one in cls.mro():
        for base in one.bases:
            if isinstance(base, Api) and not base.name.startswith("builtins."):
                return base.name
    return None


def layer_weight(owner: Instance, name: str) -> Value:
    """``layer.weight`` and ``layer.bias`` of a framework layer."""
    if name == "bias" and owner.args.get("bias") == Const(False):
        return NONE
    api = owner.api or ""
    rank: int | None = 1 if name == "bias" else None
    if name == "weight":
        kinds = {"Linear": 2, "Embedding": 2, "1d": 3, "2d": 4, "3d": 5}
        conv = "Conv" in api or "Linear" in api or "Embedding" in api
        rank = next((r for end, r in kinds.items() if api.endswith(end)), None) if conv else 1
    return Tensor(rank, (STATIC,) * rank if rank else None, "float", variable=True)


# -- literals and displays -------------------------------------------------------------------------


def _literal(it: Interpreter, node: Any) -> Value:
    try:
        return Const(nodes.string_value(node.value))
    except (ValueError, SyntaxError):
        return UNKNOWN


def _concatenated(it: Interpreter, node: cst.ConcatenatedString) -> Value:
    it.expr(node.left)
    it.expr(node.right)
    return STR


def _formatted(it: Interpreter, node: cst.FormattedString) -> Value:
    for part in node.parts:
        if isinstance(part, cst.FormattedStringExpression):
            it.expr(part.expression)
    return STR


def _sequence(it: Interpreter, node: cst.Tuple | cst.List) -> Value:
    kind = "tuple" if isinstance(node, cst.Tuple) else "list"
    items: list[Value] | None = []
    spread: Value | None = None
    for element in node.elements:
        value = it.expr(element.value)
        if isinstance(element, cst.StarredElement):
            it.facts.values[element] = value
            if isinstance(value, Seq) and value.items is not None and items is not None:
                items += value.items
            else:
                spread = elem_of(value) if spread is None else join(spread, elem_of(value))
        elif items is not None:
            items.append(value)
    if spread is None:
        return Seq(kind, items)
    for item in items or []:
        spread = join(spread, item)
    return Seq(kind, None, spread)


def _dict(it: Interpreter, node: cst.Dict) -> Value:
    items: dict[Any, Value] | None = {}
    elem: Value | None = None
    for element in node.elements:
        value = it.expr(element.value)
        elem = value if elem is None else join(elem, value)
        key = it.expr(element.key) if isinstance(element, cst.DictElement) else UNKNOWN
        if isinstance(key, Const) and items is not None:
            items[key.value] = value
        else:
            items = None
    return Map(items, elem if elem is not None else UNKNOWN)


def _set(it: Interpreter, node: cst.Set) -> Value:
    for element in node.elements:
        it.expr(element.value)
    return Seq("set")


def _comprehension(it: Interpreter, node: Any) -> Value:
    from .statements import bind, iterated

    saved = it.scope.vars
    it.scope.vars = dict(saved)
    loop = node.for_in
    while loop is not None:
        bind(it, loop.target, iterated(it, it.expr(loop.iter)))
        for condition in loop.ifs:
            it.expr(condition.test)
        loop = loop.inner_for_in
    if isinstance(node, cst.DictComp):
        it.expr(node.key)
        out: Value = Map(None, it.expr(node.value))
    else:
        out = Seq("list", None, it.expr(node.elt))
    it.scope.vars = saved
    return out


def _lambda(it: Interpreter, node: cst.Lambda) -> Value:
    for param in (*node.params.params, *node.params.kwonly_params):
        if param.default is not None:
            it.expr(param.default)
    return define(it, node, "<lambda>")


def _if_exp(it: Interpreter, node: cst.IfExp) -> Value:
    from .statements import depends

    test = it.expr(node.test)
    depends(it, node.test)
    first = len(it.changes)
    a = it.exclusive(lambda: _narrowed(it, node, True))
    b = it.exclusive(lambda: _narrowed(it, node, False))
    it.rejoin(first)
    if isinstance(test, Const) and isinstance(test.value, bool):
        return a if test.value else b
    return join(a, b)


def _narrowed(it: Interpreter, node: cst.IfExp, truth: bool) -> Value:
    """One branch of a conditional expression, with what the test says about names."""
    from .statements import narrow

    saved = it.scope.vars
    it.scope.vars = dict(saved)
    for name, value in narrow(it, node.test, truth):
        it.scope.bind(name, value)
    out = it.expr(node.body if truth else node.orelse)
    it.scope.vars = saved
    return out


# -- operators ---------------------------------------------------------------------------------------

FOLD: dict[type, Callable[[Any, Any], Any]] = {
    cst.Add: lambda a, b: a + b, cst.Subtract: lambda a, b: a - b, cst.Multiply: lambda a, b: a * b,
    cst.Divide: lambda a, b: a / b, cst.FloorDivide: lambda a, b: a // b, cst.Modulo: lambda a, b: a % b,
}  # fmt: skip


def arithmetic(it: Interpreter, operator: type, a: Value, b: Value) -> Value:
    """The result of a binary operator on two values."""
    ta, tb = without_none(a), without_none(b)
    if isinstance(ta, Tensor) or isinstance(tb, Tensor):
        it.touch()
        out = binary_result(operator.__name__, ta, tb)
        combined(ta, tb, out, matrices=operator is cst.MatrixMultiply)
        return operated(ta, tb, out) if it.direction == "tf2torch" else out
    if isinstance(a, Const) and isinstance(b, Const):
        return _fold(operator, a.value, b.value)
    if isinstance(ta, Shape) or isinstance(tb, Shape):
        return Seq("tuple", None, Num("int", True))
    if isinstance(ta, Seq):
        if isinstance(tb, Seq) and ta.items is not None and tb.items is not None:
            return Seq(ta.kind, ta.items + tb.items)
        if operator is cst.Multiply and ta.kind == "tuple" and ta.items is not None and repeats(b) is not None:
            return Seq(ta.kind, ta.items * (repeats(b) or 0))
        return ta.added(elem_of(tb), tb.head()) if isinstance(tb, Seq) else Seq(ta.kind, None, elem_of(ta))
    if of_numpy(ta, tb):
        return NUMPY
    if isinstance(ta, Foreign) and ta.closed:
        return ta
    pa, pb = python_type(ta), python_type(tb)
    if pa == "str":
        return STR
    dim = getattr(ta, "dim", False) or getattr(tb, "dim", False)
    if operator is cst.Divide and pa and pb:
        return Num("float", dim)
    if pa == "int" and pb == "int":
        return Num("int", dim, product(ta, tb) if operator is cst.Multiply else ())
    return Num("float", dim) if "float" in (pa, pb) and pa and pb else UNKNOWN


def repeats(value: Value) -> int | None:
    """How often ``(1,) * n`` repeats its items, if that is known and not very often."""
    number = value.value if isinstance(value, Const) and type(value.value) is int else None
    return number if number is not None and number <= MOST_REPEATS else None


MOST_REPEATS = 16
WRAPPED = "module"
"""Where parallel wrappers keep the model that they wrap: their translation is that model."""
NUMPY = Instance(Api("numpy.ndarray"))
"""Anything that NumPy computed."""


def of_numpy(a: Value, b: Value) -> bool:
    """Whether an operation is NumPy's: on one of its values, and another or a number."""
    numpy = [isinstance(v, Instance) and v.api == NUMPY.api for v in (a, b)]
    return any(numpy) and all(n or python_type(v) is not None for n, v in zip(numpy, (a, b), strict=True))


def _fold(operator: type, a: Any, b: Any) -> Value:
    small = all(not isinstance(v, int | float) or abs(v) < MAX_FOLD for v in (a, b))
    numbers = all(isinstance(v, int | float) for v in (a, b))
    if operator in FOLD and small and numbers:
        try:
            return Const(FOLD[operator](a, b))
        except (ArithmeticError, TypeError, ValueError):
            return UNKNOWN
    if isinstance(a, str):
        return STR
    return Num("float") if isinstance(a, float) or isinstance(b, float) else INT if numbers else UNKNOWN


def _binary(it: Interpreter, node: cst.BinaryOperation) -> Value:
    return arithmetic(it, type(node.operator), it.expr(node.left), it.expr(node.right))


def augmented(it: Interpreter, node: cst.AugAssign, a: Value, b: Value) -> Value:
    """``a op= b``."""
    return arithmetic(it, getattr(cst, type(node.operator).__name__.removesuffix("Assign"), object), a, b)


def _unary(it: Interpreter, node: cst.UnaryOperation) -> Value:
    value = it.expr(node.expression)
    tensor = without_none(value)
    if isinstance(node.operator, cst.Not):
        return Const(not value.value) if isinstance(value, Const) else BOOL
    if isinstance(tensor, Tensor):
        it.touch()
        return Tensor(tensor.rank, tensor.dims, tensor.dtype, tensor.layout)
    if isinstance(value, Const) and isinstance(value.value, int | float) and isinstance(node.operator, cst.Minus):
        return Const(-value.value)
    return value


def _boolean(it: Interpreter, node: cst.BooleanOperation) -> Value:
    from .statements import narrow

    left = it.expr(node.left)
    saved = it.scope.vars
    it.scope.vars = dict(saved)
    for name, value in narrow(it, node.left, isinstance(node.operator, cst.And)):
        it.scope.bind(name, value)
    right = it.expr(node.right)
    it.scope.vars = saved
    return join(left, right)


def _comparison(it: Interpreter, node: cst.Comparison) -> Value:
    left = it.expr(node.left)
    out: Value = BOOL
    for target in node.comparisons:
        right = it.expr(target.comparator)
        tensors = [without_none(v) for v in (left, right)]
        plain = isinstance(target.operator, cst.Is | cst.IsNot | cst.In | cst.NotIn)
        if not plain and any(isinstance(v, Tensor) for v in tensors):
            it.touch()
            result = binary_result("Compare", *tensors)
            result = operated(tensors[0], tensors[1], result) if it.direction == "tf2torch" else result
            out = Tensor(result.rank, result.dims, "bool", result.layout) if isinstance(result, Tensor) else UNKNOWN
        elif not plain and of_numpy(*tensors):
            out = NUMPY
        elif isinstance(target.operator, cst.Is | cst.IsNot) and len(node.comparisons) == 1:
            out = _identity(left, right, isinstance(target.operator, cst.Is))
        elif len(node.comparisons) == 1 and isinstance(target.operator, cst.Equal | cst.NotEqual):
            truth = compared(it.facts, node.left, target.comparator, positive=isinstance(target.operator, cst.Equal))
            out = BOOL if truth is None else Const(truth)
    return out


def _identity(left: Value, right: Value, positive: bool) -> Value:
    if right == NONE and left is not UNKNOWN and NONE not in options_of(left):
        return Const(not positive)
    if right == NONE and left == NONE:
        return Const(positive)
    return BOOL


# -- subscripts --------------------------------------------------------------------------------------


def slice_values(it: Interpreter, node: cst.Subscript) -> list[Value]:
    """Evaluate everything inside the brackets; a slice counts as unknown."""
    out: list[Value] = []
    for element in node.slice:
        if isinstance(element.slice, cst.Index):
            out.append(it.expr(element.slice.value))
        else:
            for part in (element.slice.lower, element.slice.upper, element.slice.step):
                if part is not None:
                    it.expr(part)
            out.append(UNKNOWN)
    return out


def _subscript(it: Interpreter, node: cst.Subscript) -> Value:
    owner = it.expr(node.value)
    keys = slice_values(it, node)
    items = [_item(it, node, one, keys) for one in options_of(without_none(owner))]
    out = items[0]
    for item in items[1:]:
        out = join(out, item)
    return out


def _item(it: Interpreter, node: cst.Subscript, owner: Value, keys: list[Value]) -> Value:
    if isinstance(owner, Tensor):
        it.touch()
        return indexing.tensor_index(it, node, owner, keys)
    if isinstance(owner, Api):
        return type_form(it, node, owner)
    if isinstance(owner, UserClass) or not keys:
        return UNKNOWN
    return indexing.item_of(it, node, owner, keys[0])


def dim_value(shape: Shape, index: int) -> Value:
    """``shape[index]``: a number, dynamic unless the axis is known to be fixed."""
    dims = shape.tensor.dims
    if shape.start is None or dims is None:
        return Num("int", True)
    part = dims[shape.start : shape.stop]
    if not -len(part) <= index < len(part):
        return Num("int", True)
    dim = part[index]
    found = Num("int", True) if dim is None else INT if dim == STATIC else Const(dim)
    return measured(found, shape.tensor, range(len(dims))[shape.start : shape.stop][index])


def _named(it: Interpreter, node: cst.NamedExpr) -> Value:
    from .statements import bind

    value = it.expr(node.value)
    bind(it, node.target, value)
    return value


def _yield(it: Interpreter, node: Any) -> Value:
    inner = node.value if isinstance(node, cst.Yield) else node.expression
    if isinstance(inner, cst.From):
        inner = inner.item
    if inner is not None:
        value = it.expr(inner)
        if isinstance(node, cst.Yield):
            it.returns.append(Seq("list", None, value))
    return UNKNOWN


def _call(it: Interpreter, node: cst.Call) -> Value:
    from .calls import call

    return call(it, node)


EXPRESSIONS: dict[type, Callable[[Any, Any], Value]] = {
    cst.Name: _name, cst.Attribute: _attribute, cst.Call: _call, cst.Subscript: _subscript,
    cst.Integer: _literal, cst.Float: _literal, cst.Imaginary: _literal, cst.SimpleString: _literal,
    cst.ConcatenatedString: _concatenated, cst.FormattedString: _formatted, cst.Tuple: _sequence, cst.List: _sequence,
    cst.Dict: _dict, cst.Set: _set, cst.ListComp: _comprehension, cst.SetComp: _comprehension,
    cst.GeneratorExp: _comprehension, cst.DictComp: _comprehension, cst.Lambda: _lambda, cst.IfExp: _if_exp,
    cst.BinaryOperation: _binary, cst.UnaryOperation: _unary, cst.BooleanOperation: _boolean,
    cst.Comparison: _comparison, cst.NamedExpr: _named, cst.Yield: _yield, cst.Await: _yield,
    cst.Ellipsis: lambda it, node: Const(...), cst.StarredElement: lambda it, node: it.expr(node.value),
}  # fmt: skip
