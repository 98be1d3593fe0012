"""Abstract values: what the inference knows about an expression without running it.

The lattice is shallow on purpose. `UNKNOWN` is the top ("could be anything"); everything else is a
promise. `join` is used where control flow meets and where several call sites pass different things.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import libcst as cst

    from .infer.scope import Scope

STATIC = "static"
"""A dimension whose size is fixed when the model is built (channels, features), though not known here."""

Dim = int | str | None
"""One dimension: its size, `STATIC`, or ``None`` for a size that may change from call to call."""

Size = tuple[tuple["Tensor", int], ...]
"""A product of axes of tensors."""


class Value:
    """Base of all abstract values."""

    __slots__ = ()


class Unknown(Value):
    """Nothing is known."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Unknown"


UNKNOWN = Unknown()


@dataclass(slots=True, eq=False)
class LayoutVar:
    """The axis order of a tensor: unresolved until an operation demands one.

    ``perm[k]`` is the logical (source) axis that is stored at physical (target) axis ``k``.
    Variables that must agree are united (union-find); an unresolved variable means source order.
    """

    parent: LayoutVar | None = None
    perm: tuple[int, ...] | None = None
    votes: int = 0
    """How many operations would like channels-last."""
    source: bool = False
    """Whether the value flows somewhere that is not followed, so that it must keep source order."""
    clash: bool = False
    """Two orders met where one value must have one: whatever uses it is refused."""
    several: bool = False
    """Tensors of different ranks met in one variable of the program: of what rank it holds one is open."""
    mixed: bool = False
    """Tensors of different ranks met, each in an order of its own: only what looks at axes is refused."""
    parts: tuple[tuple[LayoutVar, int | None], ...] = ()
    """Of mixed ones: the orders, with the ranks."""
    weights: bool = False
    """Of a model's weights, whose axes stand in one order or another (``infer.weight_lists``)."""

    def find(self) -> LayoutVar:
        root = self
        while root.parent is not None:
            root = root.parent
        return root

    def resolved(self) -> tuple[int, ...] | None:
        """The permutation, or ``None`` for source order."""
        return self.find().perm

    def unite(self, other: LayoutVar) -> None:
        """Make two variables one."""
        a, b = self.find(), other.find()
        if a is not b:
            a.parent = b
            b.votes += a.votes
            b.source = b.source or a.source
            b.several = b.several or a.several
            b.clash |= a.clash or (a.perm is not None and b.perm is not None and a.perm != b.perm)
            b.weights |= a.weights
            b.perm = a.perm if b.perm is None else b.perm


@dataclass(frozen=True, slots=True)
class Mask:
    """Where a mask comes from: the call whose result has it, ``None`` if it is not one call."""

    call: Any


SOME = Mask(None)
"""A mask of no single origin."""


@dataclass(slots=True, eq=False)
class Tensor(Value):
    """A tensor. ``rank`` and ``dims`` are in the source's logical axis order."""

    rank: int | None = None
    dims: tuple[Dim, ...] | None = None
    dtype: str | None = None
    """``"float"`` is the default float type; else a torch/tf dtype's short name; ``None`` unknown."""
    layout: LayoutVar = field(default_factory=LayoutVar)
    storage: Any = frozenset()
    """Identity of the memory that it may be: views and plain names share it."""
    variable: bool = False
    """A parameter, buffer or tf.Variable: it lives in the module."""
    tail: Dim = None
    """The size of the last axis, where the rank is not known but this is."""
    mask: Mask | None = None
    """The mask that Keras hangs on it (``infer.keras_masks``)."""
    sizes: tuple[Size | None, ...] | None = None
    """For each axis, those that it is as long as the product of; ``None`` for one of its own (``infer.sizes``)."""

    def __post_init__(self) -> None:
        if self.dims is not None:
            self.rank = len(self.dims)
        elif self.rank is not None:
            self.dims = (None,) * self.rank
        if not self.storage:
            self.storage = frozenset([object()])
        elif not isinstance(self.storage, frozenset):
            self.storage = frozenset([self.storage])

    def __repr__(self) -> str:
        return f"Tensor(rank={self.rank}, dims={self.dims}, dtype={self.dtype})"


@dataclass(slots=True, eq=False)
class Shape(Value):
    """The shape of ``tensor`` (``torch.Size``), or a slice of it."""

    tensor: Tensor
    start: int | None = 0
    stop: int | None = None


@dataclass(slots=True, frozen=True)
class Const(Value):
    """A Python value known exactly: int, float, str, bytes, bool, None or Ellipsis."""

    value: Any


def is_off(value: Value) -> bool:
    """Whether a value is the literal `None` or `False`, and not the number 0, which is equal to it."""
    return isinstance(value, Const) and (value.value is None or value.value is False)


@dataclass(slots=True, frozen=True)
class Num(Value):
    """A Python scalar of a known type whose value is not known: ``int float bool str``."""

    type: str
    dim: bool = False
    """An int that may be a scalar tensor under tf.function, since it came from a dynamic shape."""
    size: Size = field(default=(), compare=False)
    """The axes that it measures: it is the product of their sizes. Empty where that is not known."""


@dataclass(slots=True, eq=False)
class Seq(Value):
    """A list or tuple: its items where they are known one by one, else what every item is."""

    kind: str
    items: list[Value] | None = None
    elem: Value = UNKNOWN
    first: Value | None = None
    """What the first item is, where the items are not known one by one but this is."""
    promise: Value = UNKNOWN
    """What an annotation says of every item."""

    def head(self) -> Value | None:
        """The first item, if anything is known of it in particular."""
        return self.items[0] if self.items else self.first

    def added(self, item: Value, head: Value | None = None) -> Seq:
        """The sequence after such items were added at its end."""
        if self.items == []:
            return Seq(self.kind, None, item, head if head is not None else item, self.promise)
        return Seq(self.kind, None, join(elem_of(self), item), self.head(), self.promise)


@dataclass(slots=True, eq=False)
class Map(Value):
    """A dict: known string keys, else what every value is."""

    items: dict[Any, Value] | None = None
    elem: Value = UNKNOWN
    promise: Value = UNKNOWN
    """What an annotation says of every value."""


@dataclass(slots=True, frozen=True)
class Api(Value):
    """A name of a known framework or library: module, function, class or constant."""

    name: str


@dataclass(slots=True, frozen=True)
class Foreign(Value):
    """What another library gave, and that is nothing of the framework's: a file, a compiled pattern, a table."""

    name: str
    """The function or class that gave it."""
    closed: bool = True
    """Whether the same holds for what it has and gives in turn. A queue is no tensor, but may hold one."""


@dataclass(slots=True, eq=False)
class BoundMethod(Value):
    """``receiver.name`` where the receiver is a tensor, shape, sequence or framework object."""

    receiver: Value
    name: str


@dataclass(slots=True, eq=False)
class Instance(Value):
    """An object of a user class, or of a framework class (then with its constructor's values)."""

    cls: UserClass | Api
    args: dict[str, Value] = field(default_factory=dict)
    children: list[Value] | None = None
    """The layers of a container, where they are known one by one."""
    elem: Value = UNKNOWN
    """What every layer of a container is."""
    sites: frozenset[Any] = frozenset()
    """The calls that may have made the object; empty where that is not known."""

    first: Value | None = None
    """The first layer of a container, where only that is known."""

    @property
    def api(self) -> str | None:
        """The framework class's qualified name; ``None`` for a user's class."""
        return self.cls.name if isinstance(self.cls, Api) else None


@dataclass(slots=True, eq=False)
class Func(Value):
    """A user function, method or lambda, with what its callers pass and what it returns."""

    name: str
    node: cst.FunctionDef | cst.Lambda
    scope: Scope
    owner: UserClass | None = None
    kind: str = "function"
    """``function method classmethod staticmethod property``."""
    passed: dict[str, Value] = field(default_factory=dict)
    sites: dict[str, dict[Any, tuple[Any, Value]]] = field(default_factory=dict)
    """Parameters to what each call site passed, and in which run of its function."""
    joined: dict[str, Value] = field(default_factory=dict)
    """Parameters to what all call sites pass, as of the last call."""
    guessed: set[str] = field(default_factory=set)
    """Parameters in ``passed`` whose value comes from their use, not from a caller: a caller's replaces it."""
    returns: Value | None = None
    runs: int = 0
    stale: bool = True
    running: bool = False
    callers: set[Any] = field(default_factory=set)
    reads_training: bool = False
    calls: set[Any] = field(default_factory=set)
    decorators: list[Value] = field(default_factory=list)
    mutates: set[str] = field(default_factory=set)
    """Parameters whose memory the function changes in place."""
    rewritten: set[str] = field(default_factory=set)
    """Of those, the ones that it does more with than to draw them anew: that changes a variable where it is."""
    like_argument: bool = False
    """Whether what it gives was taken to have the axes of what it is given."""
    ranks: dict[str, int] = field(default_factory=dict)
    """Parameters to the ranks that their use shows."""
    start: dict[str, Value] = field(default_factory=dict)
    """The parameters' values at the start of the last run."""
    given: dict[str, Value] = field(default_factory=dict)
    """What callers passed when the last run began."""
    returned: list[Value] = field(default_factory=list)
    """What the ``return`` statements gave in the last run."""


@dataclass(slots=True, eq=False)
class TypeForm(Value):
    """A type that is written as an expression: ``Optional[torch.Tensor]``, with what its values are."""

    promise: Value


@dataclass(slots=True, eq=False)
class ClassName(Value):
    """``x.__class__.__name__`` or ``type(x).__name__``: the name of the class of what stands at a node."""

    of: cst.BaseExpression


@dataclass(slots=True, eq=False)
class MethodOf(Value):
    """A user method bound to its receiver."""

    func: Func
    receiver: Value


@dataclass(slots=True, eq=False)
class UserClass(Value):
    """A class statement of the project."""

    name: str
    node: cst.ClassDef
    scope: Scope
    bases: list[Value] = field(default_factory=list)
    methods: dict[str, Func] = field(default_factory=dict)
    attrs: dict[str, Value] = field(default_factory=dict)
    module: bool = False
    """Whether it is a layer or model class of the source framework, directly or by inheritance."""
    declared: dict[str, Value] = field(default_factory=dict)
    """Attributes to what annotations in the class's body promise."""
    guessed: set[str] = field(default_factory=set)
    """Attributes whose values only a constructor has set that nobody called so far."""
    given: dict[str, dict[Any, tuple[int, Value]]] = field(default_factory=dict)
    """Attributes to what functions assigned to them, and in which of their runs."""
    joined: dict[str, Value] = field(default_factory=dict)
    """What ``attrs`` was set to from ``given``."""
    readers: dict[str, set[Func]] = field(default_factory=dict)
    """Attributes to the functions that read them, which run again when more is known of what they hold."""
    filled: set[str] = field(default_factory=set)
    """Fields that a constructor which nobody wrote was seen to set."""
    made_in: set[Any] = field(default_factory=set)
    """The functions (or ``None`` for module level) that make instances of it."""

    line: list[UserClass] | None = None
    """What `mro` gave; ``None`` after its bases, or theirs, changed."""

    def mro(self) -> list[UserClass]:
        """The user classes in the order in which Python looks names up."""
        if self.line is None:
            self.line = _linear(self, {})
        return self.line

    def find(self, name: str) -> Value | None:
        """An attribute or method, looked up through the bases."""
        for cls in self.mro():
            if name in cls.attrs:
                value = cls.attrs[name]
                promise = cls.declared.get(name, UNKNOWN)
                # A default of None says little about what is set later.
                if value is UNKNOWN and promise is UNKNOWN:
                    return self._declared_method(name) or value
                return promise if promise is not UNKNOWN and (value is UNKNOWN or value == NONE) else value
            if name in cls.methods:
                return cls.methods[name]
        return None

    def _declared_method(self, name: str) -> Func | None:
        """The method that something unknown is put in place of, if it declares what it returns."""
        methods = (cls.methods[name] for cls in self.mro() if name in cls.methods)
        return next((m for m in methods if getattr(m.node, "returns", None) is not None), None)


def _linear(cls: UserClass, known: dict[UserClass, list[UserClass]]) -> list[UserClass]:
    """Python's C3 order of a class and its bases; depth first where there is none, which Python refuses."""
    if cls not in known:
        known[cls] = [cls]  # in a loop a class may stand on itself
        parents = [base for base in cls.bases if isinstance(base, UserClass)]
        lines = [list(_linear(parent, known)) for parent in parents]
        known[cls] = [cls, *(lines[0] if len(lines) == 1 else _merged([*lines, parents]))]
    return known[cls]


def _merged(lines: list[list[UserClass]]) -> list[UserClass]:
    out: list[UserClass] = []
    while lines := [rest for line in lines if (rest := [c for c in line if c not in out])]:
        later = {c for line in lines for c in line[1:]}
        out.append(next((line[0] for line in lines if line[0] not in later), lines[0][0]))
    return out


@dataclass(slots=True, eq=False)
class Partial(Value):
    """``functools.partial(func, ...)``."""

    func: Value
    args: list[Value]
    keywords: dict[str, Value]


@dataclass(slots=True, eq=False)
class Namespace(Value):
    """Another module of the project."""

    name: str
    scope: Scope


@dataclass(slots=True, eq=False)
class Union(Value):
    """One of a few values."""

    options: tuple[Value, ...]


NONE = Const(None)
INT = Num("int")
FLOAT = Num("float")
BOOL = Num("bool")
STR = Num("str")
MAX_UNION = 8
MAX_LAYERS = 24
"""Alternatives that are all objects: the layers of a building block that a whole collection of models shares."""


def unmeasured(value: Value) -> Value:
    """A number (or those of a tuple) without what it measures: it may be that of another tensor, too."""
    if isinstance(value, Num) and value.size:
        return Num(value.type, value.dim)
    if isinstance(value, Seq) and value.items is not None and any(isinstance(v, Num | Seq) for v in value.items):
        return Seq(value.kind, [unmeasured(v) for v in value.items], value.elem, value.first, value.promise)
    return value


def python_type(value: Value) -> str | None:
    """``"int"``, ``"float"``, ``"bool"``, ``"str"``, ``"NoneType"`` for Python scalars, else ``None``."""
    kind = type(value)
    if kind is Num:
        return value.type  # type: ignore[attr-defined, no-any-return]
    if kind is Const:
        return type(value.value).__name__  # type: ignore[attr-defined]
    if kind is not Api:
        return None
    assert isinstance(value, Api)
    if value.name in ("torch.pi", "torch.inf", "torch.nan", "torch.e"):
        return "float"
    if value.name in ("torch.newaxis", "numpy.newaxis"):
        return "NoneType"
    return None


def of_rank(tensor: Tensor, rank: int) -> Tensor:
    """The tensor, whose rank was not known."""
    return Tensor(rank, dtype=tensor.dtype, layout=tensor.layout, storage=tensor.storage, variable=tensor.variable,
                  mask=tensor.mask)  # fmt: skip


def options_of(value: Value) -> tuple[Value, ...]:
    """The alternatives of a union, or the value alone."""
    return value.options if isinstance(value, Union) else (value,)


def without_none(value: Value) -> Value:
    """The value with the alternative ``None`` taken away."""
    if not isinstance(value, Union):
        return value
    rest = tuple(o for o in value.options if not (isinstance(o, Const) and o.value is None))
    return rest[0] if len(rest) == 1 else Union(rest) if rest else value


def as_tensor(value: Value) -> Tensor | None:
    """The tensor that a value is (or is when it is not ``None``)."""
    value = without_none(value)
    if isinstance(value, Union):
        tensors = [o for o in value.options if isinstance(o, Tensor)]
        return tensors[0] if tensors and len(tensors) == len(value.options) else None
    return value if isinstance(value, Tensor) else None


def _join_dims(a: tuple[Dim, ...], b: tuple[Dim, ...]) -> tuple[Dim, ...]:
    return tuple(
        x if x == y else STATIC if x is not None and y is not None else None for x, y in zip(a, b, strict=True)
    )


def _last(x: Tensor) -> Dim:
    return x.dims[-1] if x.dims else x.tail


def _join_layouts(a: Tensor, b: Tensor) -> LayoutVar:
    """One order for both, unless their ranks differ and one of them was moved already."""
    one, other = a.layout.find(), b.layout.find()
    ranks = a.rank != b.rank and a.rank is not None and b.rank is not None
    if one.mixed or other.mixed or (ranks and (one.perm or other.perm)):
        every = [p for t, v in ((a, one), (b, other)) for p in (v.parts if v.mixed else ((v, t.rank),))]
        return LayoutVar(clash=True, mixed=True, parts=tuple(every))
    one.unite(other)
    one.find().several |= ranks
    return one


def _join_tensors(a: Tensor, b: Tensor) -> Tensor:
    dims = _join_dims(a.dims, b.dims) if a.dims is not None and b.dims is not None and a.rank == b.rank else None
    return Tensor(
        rank=a.rank if a.rank == b.rank else None,
        dims=dims,
        dtype=a.dtype if a.dtype == b.dtype else None,
        layout=_join_layouts(a, b),
        storage=a.storage | b.storage,
        variable=a.variable and b.variable,
        tail=_last(a) if _last(a) == _last(b) else None,
        mask=a.mask if a.mask == b.mask else SOME,
    )


_SCALARS = frozenset({Num, Const, Api})
"""What may stand for Python's own scalars."""


def _join_same_kind(a: Value, b: Value) -> Value | None:
    """The join of two values of one kind; ``None`` if they do not merge into one."""
    if type(a) is not type(b) and not (type(a) in _SCALARS and type(b) in _SCALARS):
        return None
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return _join_tensors(a, b)
    if isinstance(a, Seq) and isinstance(b, Seq) and a.kind == b.kind:
        promise = a.promise if a.promise is b.promise else UNKNOWN
        if a.items is not None and b.items is not None and len(a.items) == len(b.items):
            return Seq(a.kind, [join(x, y) for x, y in zip(a.items, b.items, strict=True)], promise=promise)
        if a.items == [] or b.items == []:
            other = b if a.items == [] else a
            return Seq(a.kind, None, elem_of(other), other.head(), promise)
        one, two = a.head(), b.head()
        first = join(one, two) if one is not None and two is not None else None
        return Seq(a.kind, None, join(elem_of(a), elem_of(b)), first, promise)
    if isinstance(a, Map) and isinstance(b, Map):
        promise = a.promise if a.promise is b.promise else UNKNOWN
        if (a.items == {}) != (b.items == {}):
            return Map(None, elem_of(b if a.items == {} else a), promise)
        return Map(None, join(elem_of(a), elem_of(b)), promise)
    if isinstance(a, Instance) and isinstance(b, Instance) and a.cls == b.cls:
        args = {k: v for k, v in a.args.items() if k in b.args and v == b.args[k]}
        if a.api is not None and a.api.startswith("torch.nn."):  # the steps of a container by their names
            both = [k for k, v in a.args.items() if isinstance(v, Instance) and isinstance(b.args.get(k), Instance)]
            args |= {k: join(a.args[k], b.args[k]) for k in both}
        sites = a.sites | b.sites if a.sites and b.sites else frozenset()
        return _join_containers(a, b, args, sites)
    if isinstance(a, Shape) and isinstance(b, Shape):
        return Shape(_join_tensors(a.tensor, b.tensor), a.start if a.start == b.start else None)
    ta, tb = python_type(a), python_type(b)
    if ta is not None and ta == tb and ta != "NoneType":
        return Num(ta, getattr(a, "dim", False) or getattr(b, "dim", False))
    if {ta, tb} == {"int", "float"}:
        return FLOAT
    return None


def _join_containers(a: Instance, b: Instance, args: dict[str, Value], sites: frozenset[Any]) -> Instance:
    """Two objects of one class; of containers, the layers one by one where they match. An empty one adds nothing."""
    if (a.children == []) != (b.children == []):
        full = b if a.children == [] else a
        out = Instance(a.cls, args, None, elem_of(full), sites)
        out.first = full.children[0] if full.children else full.first
        return out
    children = None
    if a.children is not None and b.children is not None and len(a.children) == len(b.children):
        children = [join(x, y) for x, y in zip(a.children, b.children, strict=True)]
    # What a class's own code adds is the class's, and may hold the class itself: it is looked up, not copied.
    elem = UNKNOWN if _added(a) or _added(b) else join(elem_of(a), elem_of(b))
    out = Instance(a.cls, args, children, elem, sites)
    heads = [c.children[0] if c.children else c.first for c in (a, b)]
    if heads[0] is not None and heads[1] is not None:
        out.first = join(heads[0], heads[1])
    return out


def join(a: Value, b: Value) -> Value:
    """The least value that covers both."""
    if a is b:
        return a
    if a is UNKNOWN or b is UNKNOWN:
        escape(a)
        escape(b)
        return UNKNOWN
    if a == b and type(getattr(a, "value", None)) is type(getattr(b, "value", None)):
        return a if getattr(a, "size", ()) == getattr(b, "size", ()) else unmeasured(a)
    merged = _join_same_kind(a, b)
    if merged is not None:
        return merged
    options: list[Value] = []
    for value in (*options_of(a), *options_of(b)):
        for i, seen in enumerate(options):
            both = seen if seen is value else unmeasured(seen) if seen == value else _join_same_kind(seen, value)
            if both is not None:
                options[i] = both
                break
        else:
            options.append(value)
    if len(options) == 1:
        return options[0]
    layers = all(isinstance(o, Instance) for o in options)
    if len(options) <= (MAX_LAYERS if layers else MAX_UNION):
        return Union(tuple(options))
    for option in options:
        escape(option)
    return UNKNOWN


def escape(value: Value, depth: int = 0) -> None:
    """The value flows somewhere that is not followed: its tensors must keep source order."""
    if isinstance(value, Tensor):
        value.layout.find().source = True
    elif depth < 4:
        items: list[Value] = []
        if isinstance(value, Seq):
            items = [value.elem, *(value.items or ())]
        elif isinstance(value, Map):
            items = [value.elem, *(value.items.values() if value.items else ())]
        elif isinstance(value, Union):
            items = list(value.options)
        for item in items:
            escape(item, depth + 1)


def _added(value: Instance) -> Instance | None:
    """What a project's class adds to all of its objects, where no more is known of this one's layers."""
    if not isinstance(value.cls, UserClass) or value.children is not None or value.elem is not UNKNOWN:
        return None
    found = value.cls.find("<children>")
    return found if isinstance(found, Instance) else None


def one_list(value: Value) -> Value:
    """A list or a tuple, whichever it is, as one of them."""
    options = options_of(without_none(value))
    if len(options) > 1 and all(isinstance(o, Seq) for o in options):
        return Seq("list", None, _join_all([elem_of(o) for o in options]))
    return value


def elem_of(value: Value) -> Value:
    """What iterating over the value yields."""
    if isinstance(value, Seq):
        if value.items is None:
            return value.elem
        return _join_all(value.items)
    if isinstance(value, Map):
        return _join_all(list(value.items.values())) if value.items is not None else value.elem
    if isinstance(value, Instance):
        value = _added(value) or value
        return _join_all(value.children) if value.children is not None else value.elem
    if isinstance(value, Shape):
        return Num("int", True)
    if isinstance(value, Tensor):
        return row_of(value)
    return value if isinstance(value, Foreign) and value.closed else UNKNOWN


def row_of(tensor: Tensor) -> Tensor:
    """``tensor[i]``: one axis less, the same memory. What iterating gives is in source order."""
    dims = tensor.dims[1:] if tensor.dims else None
    return Tensor(dims=dims, dtype=tensor.dtype, storage=tensor.storage, layout=LayoutVar(source=True))


def _join_all(values: list[Value]) -> Value:
    if not values:
        return UNKNOWN
    out = values[0]
    for value in values[1:]:
        out = join(out, value)
    return out
