"""What the inference found, keyed by nodes of the original tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from ..tables.signatures import Signature
from ..values import UNKNOWN, Func, Tensor, UserClass, Value

SAVED = "<saved tensors>"
"""The attribute of a class under which what `ctx.save_for_backward` was given is found."""


@dataclass(slots=True)
class Bound:
    """One argument as bound to a parameter."""

    node: cst.BaseExpression
    value: Value
    star: Any = ""
    """``""``, ``"*"`` or ``"**"``."""


@dataclass(slots=True, eq=False)
class BoundCall:
    """A call of a framework API with its arguments bound to the API's parameters.

    For a method, the receiver is bound to the first parameter, ``input``.
    """

    api: str
    node: cst.Call
    args: dict[str, Bound] = field(default_factory=dict)
    varargs: list[Bound] = field(default_factory=list)
    """The arguments taken by the signature's ``*name`` parameter."""
    extra: dict[str, Bound] = field(default_factory=dict)
    """Keywords taken by the signature's ``**name`` parameter."""
    receiver: Bound | None = None
    defaults: dict[str, str] = field(default_factory=dict)
    """Source text of the defaults of the parameters that the call leaves out."""
    problem: str = ""
    """Why the arguments could not be bound, if they could not."""
    result: Value = UNKNOWN
    module: str = ""
    """Dotted name of the file of the project that makes the call."""
    signature: Signature | None = None
    """What the arguments are bound to."""

    def value(self, name: str) -> Value:
        bound = self.args.get(name)
        return bound.value if bound else UNKNOWN


@dataclass(slots=True)
class InPlace:
    """An operation that changes memory: when, and which."""

    tick: int
    storage: frozenset[object]
    run: object
    """The run of a function that it belongs to."""
    holders: frozenset[object] = frozenset()
    """Names and attributes that hold the old memory and do not get the new value."""
    seen: bool = False
    """Whether the old memory is known to be read afterwards on its own path."""


Run = tuple[Any, int]
"""A function (``None``: a module's top level), and which of its runs."""


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """A layer that a container runs: what goes in, what comes out."""

    node: cst.Call
    layer: Value
    given: Value
    result: Value
    run: Run
    loops: bool = False
    """Whether the result may be given to the layer again: the layers are not known one by one."""


@dataclass(slots=True)
class Facts:
    """All facts of one project run."""

    values: dict[cst.CSTNode, Value] = field(default_factory=dict)
    calls: dict[cst.CSTNode, BoundCall] = field(default_factory=dict)
    functions: dict[cst.CSTNode, Func] = field(default_factory=dict)
    unsettled: set[cst.CSTNode] = field(default_factory=set)
    """Functions for which the inference ended before what they are passed did not change any more."""
    classes: dict[cst.CSTNode, UserClass] = field(default_factory=dict)
    touched: set[cst.CSTNode] = field(default_factory=set)
    """Statements that contain something of the source framework."""
    imports: dict[cst.CSTNode, list[str]] = field(default_factory=dict)
    inplace: dict[cst.CSTNode, InPlace] = field(default_factory=dict)
    last_read: dict[object, dict[object, int]] = field(default_factory=dict)
    """Memory to the ticks at which names (and attributes) that hold it were last read."""
    unknown_calls: set[cst.CSTNode] = field(default_factory=set)
    """Methods that are called on something of which nothing is known."""
    ambiguous: dict[cst.CSTNode, str] = field(default_factory=dict)
    """Methods that are called on a tensor or on something else, and what that is."""
    direct: set[cst.CSTNode] = field(default_factory=set)
    """Expressions that name an API itself (``nn.ReLU``), not a variable that holds one."""
    flows: list[tuple[Value, Func, str, Run]] = field(default_factory=list)
    """What is passed to which parameter by calls that are not written as such: of layers in containers, of partials."""
    results: list[tuple[cst.CSTNode, Func]] = field(default_factory=list)
    """Calls and the project's functions whose results they are."""
    passes: list[Pass] = field(default_factory=list)
    """Layers that containers run."""
    entries: dict[cst.CSTNode, Pass] = field(default_factory=dict)
    """Calls of containers to the first layer that they run."""
    exits: dict[cst.CSTNode, list[tuple[Run, Tensor]]] = field(default_factory=dict)
    """Calls of containers to what their last layers give, and in which run."""
    handed: dict[cst.CSTNode, cst.Call] = field(default_factory=dict)
    """Calls of what a function is given, which stand nowhere, to the calls of that function."""
    opened: list[Value] = field(default_factory=list)
    """Containers that are indexed, iterated, extended or asked for attributes somewhere."""
    opened_unknown: bool = False
    trees: list[cst.Module] = field(default_factory=list)
    """The files of the project."""
    branching: set[Func] = field(default_factory=set)
    """Functions in which a branch or a loop depends on what a tensor holds, or a loop on its sizes."""
    modes: dict[cst.CSTNode, set[object]] | None = None
    """Calls of modules to the training modes that they run in: found when first asked for."""
    shared: set[int] | None = None
    """Abstract tensors that stand for several at once (``layout.reshapes``): found when first asked for."""
    handed_back: dict[cst.CSTNode, cst.Name] = field(default_factory=dict)
    """Calls that stand alone of functions that change a tensor and return it, and the tensor's name."""
    layer_reads: list[tuple[cst.Attribute, Any, Any]] = field(default_factory=list)
    """Where weights and input sizes of framework layers are read: the node, the layer, the function."""
    layer_uses: dict[cst.CSTNode, list[tuple[Value, Run]]] = field(default_factory=dict)
    """Calls that make layers to what the layers are called with."""
    layer_inputs: dict[cst.CSTNode, dict[cst.CSTNode, Value]] = field(default_factory=dict)
    """What a layer is called with: by the call that makes it (a user's class: by the class), then by the call of it."""
    leaves: set[cst.CSTNode] = field(default_factory=set)
    """Statements that make a tensor a variable, since an optimizer moves it."""
    configured: dict[int, Value] = field(default_factory=dict)
    """Values that Keras's data format decided (``bn_axis``), by identity."""
    emitted: dict[cst.CSTNode, str] = field(default_factory=dict)
    """Definitions that are helpers of a translation the other way, and the APIs that they stand for."""
    data_formats: dict[str, str] = field(default_factory=dict)
    """Where such helpers look for channels, by the module that defines them."""
    mask_readers: set[cst.CSTNode] = field(default_factory=set)
    """Calls that give tensors with a mask which some Keras layer reads, and those that make these layers."""
    unsized: set[tuple[cst.CSTNode, str]] = field(default_factory=set)
    """Functions of a Keras program and the tensors that some caller cannot tell the channels of."""
    unmoved: dict[cst.CSTNode, str] = field(default_factory=dict)
    """Calls of channels-last operations, those that make such layers, and classes that call layers from outside of the
    program: what stays in source order, and why."""
    agnostic: dict[cst.CSTNode, bool] = field(default_factory=dict)
    """Functions to whether they look at the order of axes (`infer.agnostic`)."""
    permuters: dict[cst.CSTNode, Any] = field(default_factory=dict)
    """Calls that make modules which only permute axes (`infer.permuting.Made`)."""
    cache: dict[str, Any] = field(default_factory=dict)
    """What rules found out about the whole project."""
    quoted: dict[cst.CSTNode, cst.BaseExpression] = field(default_factory=dict)
    """Annotations in quotes, and the expressions in them."""

    def unquoted(self, node: cst.SimpleString) -> cst.BaseExpression | None:
        """The expression in a quoted annotation; ``None`` if there is none."""
        if node not in self.quoted:
            try:
                self.quoted[node] = cst.parse_expression(str(node.evaluated_value).strip())
            except cst.ParserSyntaxError:
                return None
        return self.quoted[node]

    def read_after(self, change: InPlace) -> bool:
        """Whether memory that changed is read afterwards under a name that still holds the old."""
        return any(
            self.last_read.get(memory, {}).get(holder, 0) > change.tick
            for memory in change.storage
            for holder in change.holders
        )

    def value(self, node: cst.CSTNode) -> Value:
        return self.values.get(node, UNKNOWN)


def given(call: BoundCall, *names: str) -> Bound | None:
    """The first of some parameters that a call passes."""
    return next((call.args[n] for n in names if n in call.args), None)
