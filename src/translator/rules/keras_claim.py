"""Taking a functional Keras model apart: which statements make layers, which compute.

A region of statements (from the first ``Input`` to ``Model(...)``, or the body of a helper that takes and returns
tensors) is walked once. Python statements and the layers that are made go to ``__init__``, computations to
``forward``, control flow to both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.keras_graph import made_by
from ..rewrite.context import Context
from ..values import Const, Func, Instance, Map, Seq, UserClass, Value, as_tensor, elem_of, without_none
from . import keras_activations as activations
from . import keras_layers as layers
from .keras_args import LayerArgs
from .keras_calls import MERGE_FUNCTIONS, MERGES
from .keras_direct import DIRECT
from .keras_layout import Perm, Refused, order
from .keras_sizes import Sizes

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter

KINDS = {
    "Conv1D": "conv", "Conv2D": "conv", "Conv3D": "conv", "Dense": "fc", "BatchNormalization": "bn",
    "LayerNormalization": "norm", "MaxPooling2D": "pool", "MaxPooling1D": "pool", "AveragePooling2D": "pool",
    "AveragePooling1D": "pool", "Conv2DTranspose": "deconv", "DepthwiseConv2D": "depthwise",
    "SeparableConv2D": "conv", "MultiHeadAttention": "attention", "GlobalAveragePooling2D": "pool",
    "GlobalMaxPooling2D": "pool", "ZeroPadding2D": "pad", "UpSampling2D": "upsample", "Bidirectional": "rnn",
}  # fmt: skip
"""What a PyTorch user calls a layer's attribute."""


def tensorish(value: Value) -> bool:
    """Whether a value is a tensor, or holds some."""
    value = without_none(value)
    if isinstance(value, Seq):
        items = value.items if value.items is not None else [value.elem]
        return any(tensorish(v) for v in items)
    if isinstance(value, Map):
        return any(tensorish(v) for v in (value.items or {}).values()) or tensorish(elem_of(value))
    return as_tensor(value) is not None


def is_layer(value: Value) -> bool:
    """Whether a value is a layer or model."""
    value = without_none(value)
    if not isinstance(value, Instance):
        return False
    if isinstance(value.cls, UserClass):
        return value.cls.module
    return value.cls.name.startswith("keras.layers.") or value.cls.name in ("keras.Sequential", "keras.Model")


@dataclass(slots=True)
class Helper:
    """A function that makes layers and applies them: a module class in the translation."""

    func: Func
    name: str
    tensors: list[str]
    options: list[str]
    sized: list[str] = field(default_factory=list)
    """The tensor parameters whose channels the constructor takes."""
    size: Any = None
    """The channels of what it returns, in terms of the constructor's parameters."""
    done: bool = False


class _Finder(cst.CSTVisitor):
    """The calls in a region, in the order in which they run."""

    def __init__(self) -> None:
        self.calls: list[cst.Call] = []

    def leave_Call(self, original_node: cst.Call) -> None:
        self.calls.append(original_node)

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        return False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False


def calls_in(node: cst.CSTNode) -> list[cst.Call]:
    finder = _Finder()
    node.visit(finder)
    return finder.calls


class _Names(cst.CSTVisitor):
    def __init__(self) -> None:
        self.found: list[cst.Name] = []

    def visit_Name(self, node: cst.Name) -> None:
        self.found.append(node)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        node.value.visit(self)
        return False

    def visit_Arg(self, node: cst.Arg) -> bool:
        node.value.visit(self)
        return False


def names_in(node: cst.CSTNode) -> list[cst.Name]:
    """The names that an expression reads."""
    visitor = _Names()
    node.visit(visitor)
    return visitor.found


class Claim:
    """One region: rules ask it while the region's expressions are rewritten."""

    def __init__(self, rewriter: Rewriter, helpers: dict[cst.CSTNode, Helper], this: Helper | None) -> None:
        self.rewriter = rewriter
        self.ctx: Context = rewriter.ctx
        self.helpers = helpers
        self.this = this
        self.names: dict[cst.CSTNode, str] = {}
        """Calls that make what becomes an attribute, to the attribute's name."""
        self.layers: dict[cst.CSTNode, layers.Layer | None] = {}
        self.applied_to: dict[cst.CSTNode, cst.Call] = {}
        self.init_names: set[cst.CSTNode] = set()
        self.locals: set[str] = set()
        """Python variables of the region: ``forward`` reads them as attributes."""
        self.kept: list[str] = []
        self.loop_names: set[str] = set()
        self.mode = "forward"
        self.init: list[Any] = []
        self.used: dict[str, int] = {}
        self.sizes = Sizes(self)
        self.in_loop = 0
        self.loop_layers: list[str] = []
        self.tensor_names: set[str] = set()
        """Variables that hold tensors, or lists of them."""
        self.starts: dict[str, Any] = {}
        """Variables of ``__init__`` that follow channels through a loop, with their first values."""

    # -- before the walk --------------------------------------------------------------------------

    def scan(self, body: list[Any], variables: dict[cst.CSTNode, str]) -> None:
        """Find everything that is made, and name it."""
        wanted: list[tuple[cst.Call, str]] = []
        self.tensor_names = {n.value for s in body for n in names_in(s) if tensorish(self.ctx.value(n))}
        wrapped = {a.value for s in body for c in calls_in(s) if is_wrapper(self.ctx, c) for a in c.args}
        for statement in body:
            for call in calls_in(statement):
                if isinstance(call.func, cst.Call):
                    self.applied_to[call.func] = call
        for statement in body:
            for call in calls_in(statement):
                name = self.base_name(call, variables)
                if name and call not in wrapped:
                    wanted.append((call, name))
        counts: dict[str, int] = {}
        for _, name in wanted:
            counts[name] = counts.get(name, 0) + 1
        numbers: dict[str, int] = {}
        for call, name in wanted:
            if counts[name] == 1:
                final = name
            else:
                numbers[name] = numbers.get(name, 0) + 1
                final = f"{name}{numbers[name]}"
            self.names[call] = self.unique(final)
            for inner in self.made_from(call):
                self.init_names.update(names_in(inner))

    def unique(self, name: str) -> str:
        n = self.used.get(name, 0)
        self.used[name] = n + 1
        return name if n == 0 else f"{name}_{n + 1}"

    def made_from(self, call: cst.Call) -> list[cst.CSTNode]:
        """The arguments of a call that are evaluated when the layer is made."""
        helper = self.helper_of(call)
        if helper is None:
            return [a.value for a in call.args]
        return [a.value for n, a in bound_arguments(helper, call).items() if n not in helper.tensors]

    def helper_of(self, call: cst.Call) -> Helper | None:
        func = self.ctx.value(call.func)
        return self.helpers.get(func.node) if isinstance(func, Func) else None

    def base_name(self, call: cst.Call, variables: dict[cst.CSTNode, str]) -> str:
        """What to call what a call makes; empty if it makes nothing that is kept."""
        helper = self.helper_of(call)
        if helper is not None:
            return variables.get(call) or snake(helper.name)
        value = self.ctx.value(call)
        bound = self.ctx.call(call)
        if not is_layer(value) or made_here(call, value, bound) is False:
            return ""
        api = value.api if isinstance(value, Instance) else None
        if api in MERGES or api in MERGE_FUNCTIONS or api == "keras.Model":
            return ""
        if api in DIRECT and call in self.applied_to:
            return ""
        given = value.args.get("name") if isinstance(value, Instance) else None
        for arg in call.args:
            if arg.keyword is not None and arg.keyword.value == "name":
                given = self.ctx.value(arg.value)
        if isinstance(given, Const) and isinstance(given.value, str) and given.value:
            text = re.sub(r"\W+", "_", given.value)
            return text if not text[0].isdigit() else "layer_" + text
        if call in variables:
            return variables[call]
        if api is not None:
            kind = api.rsplit(".", 1)[-1]
            return KINDS.get(kind, snake(kind))
        return snake(value.cls.name)  # type: ignore[union-attr]

    # -- what rules ask -----------------------------------------------------------------------------

    def name(self, node: cst.Name) -> Any:
        """A layer's variable is an attribute; so is a Python variable that `forward` reads."""
        value = self.ctx.value(node)
        maker = made_by(value)
        if maker is not None and maker in self.names:
            return self.place(maker)
        if self.mode == "init" or node in self.init_names or node.value in self.loop_names:
            return None
        if node.value in self.locals:
            if node.value not in self.kept:
                self.kept.append(node.value)
            return nodes.dotted(f"self.{node.value}")
        return None

    def place(self, maker: cst.CSTNode) -> Any:
        """Where `forward` finds a layer."""
        name = self.names[maker]
        return cst.Name(name) if name in self.loop_layers else nodes.dotted(f"self.{name}")

    def made(self, node: cst.Call, call: BoundCall | None) -> Any:
        """Take what a call makes over to ``__init__``, and give what `forward` says instead."""
        from ..rewrite.context import Edit

        helper = self.helper_of(node)
        if helper is not None:
            return Edit(self.helper_call(helper, node))
        if call is not None and call.api in layers.LAYERS:
            layer = layers.build(self.ctx, call)
            self.layers[node] = layer
            self.ctx.needs.update(layer.needs)
            if layer.modules:
                one = layer.modules[0] if len(layer.modules) == 1 else nodes.call("nn.Sequential", *layer.modules)
                self.keep(node, one)
        else:
            self.keep(node, self.plain(node, call))
        return Edit(self.place(node))

    def plain(self, node: cst.Call, call: BoundCall | None) -> Any:
        """The constructor call of a user's class, or of a container."""
        from .keras_calls import api_call, user_call

        new = node.with_changes(args=[a.with_changes(value=self.ctx.updated(a.value)) for a in node.args])
        names, self.names = self.names, {k: v for k, v in self.names.items() if k is not node}
        try:
            outcome = (
                api_call(self.ctx, call, node, new)
                if call is not None
                else user_call(self.ctx, node, new, self.ctx.value(node.func))
            )
        finally:
            self.names = names
        if outcome is None:
            return new
        from ..rewrite.context import Refusal

        if isinstance(outcome, Refusal):
            raise Refused(outcome.code, outcome.message, outcome.hint)
        self.ctx.needs.update(outcome.needs)
        return outcome.node

    def keep(self, node: cst.CSTNode, value: Any) -> None:
        name = self.names[node]
        if self.in_loop:
            many = plural(name)
            self.init.append(expression(nodes.call(f"self.{many}.append", nodes.bare(value, node))))
            if name not in self.loop_layers:
                self.loop_layers.append(name)
        else:
            self.init.append(assignment(nodes.dotted(f"self.{name}"), nodes.bare(value, node)))

    def helper_call(self, helper: Helper, node: cst.Call) -> Any:
        """``x = conv_block(x, 64)``: ``self.conv_block1 = ConvBlock(in_channels, 64)`` and ``self.conv_block1(x)``."""
        if not helper.done:
            raise Refused("XL212", f"`{helper.func.name}` makes layers and could not be translated")
        bound = bound_arguments(helper, node)
        args: list[cst.Arg] = []
        for name in helper.sized:
            size = self.sizes.of(bound[name].value) if name in bound else None
            if size is None:
                raise Refused("XL402", f"`{helper.func.name}`: the number of its input's channels is not known here")
            args.append(cst.Arg(size))
        for name in helper.options:
            if name in bound:
                arg = bound[name]
                value = nodes.bare(self.ctx.updated(arg.value), arg.value)
                args.append(nodes.keyword(name, value) if arg.keyword is not None else cst.Arg(value))
        self.keep(node, cst.Call(cst.Name(helper.name), args))
        inputs = [cst.Arg(self.ctx.updated(bound[n].value)) for n in helper.tensors if n in bound]
        return cst.Call(self.place(node), inputs)

    def channels(self, args: LayerArgs) -> Any:
        """The input channels of a layer that is being made, as an expression of ``__init__``."""
        constant = args.features
        application = self.applied_to.get(args.call.node)
        if application is None or not application.args:
            return None
        if constant is not None and self.this is None:
            return nodes.literal(constant)
        return self.sizes.of(application.args[0].value)

    def expressed(self, node: cst.CSTNode, api: str) -> bool:
        """Whether a layer becomes an expression where it is applied, so that its making says nothing."""
        return api in DIRECT and node in self.applied_to

    def size(self, node: cst.BaseExpression, axis: Any) -> Any:
        """``x.shape[-1]`` in ``__init__``."""
        if self.mode != "init":
            return None
        tensor = as_tensor(self.ctx.value(node))
        last = axis == -1 or (tensor is not None and tensor.rank is not None and axis == tensor.rank - 1)
        size = self.sizes.of(node) if last else None
        if size is None:
            raise Refused("XL402", "a size that only the first call tells is needed to make the layers")
        return size

    def direct(self, node: cst.Call) -> Any:
        """What has to be written around the call of a layer: its activation, or an expression instead of it."""
        value = without_none(self.ctx.value(node.func))
        maker = made_by(value)
        if isinstance(node.func, cst.Call) and node.func not in self.names:
            call = self.ctx.call(node.func)
            if call is not None and call.api in DIRECT:
                return call
        return self.layers.get(maker) if maker is not None else None

    def apply(self, found: Any, result: Any, args: list[cst.Arg], natural: Perm) -> Any:
        """Apply what `direct` found."""
        if isinstance(found, BoundCall):
            layer_args = LayerArgs(self.ctx, found)
            tensor = as_tensor(self.ctx.value(self.applied_to[found.node].args[0].value))
            out = DIRECT[found.api](layer_args, args[0].value, order(tensor) if tensor is not None else None)
            layer_args.finish()
            return out
        return activations.applied(self.ctx, found.activation, result, found.perm or natural)


def is_wrapper(ctx: Context, node: cst.Call) -> bool:
    """``Bidirectional(LSTM(4))``: the inner layer belongs to the outer one."""
    call = ctx.call(node)
    return call is not None and call.api in ("keras.layers.Bidirectional", "keras.layers.TimeDistributed")


def made_here(call: cst.Call, value: Value, bound: BoundCall | None) -> bool:
    """Whether a call makes the layer that it gives, rather than returning one."""
    if isinstance(value, Instance) and isinstance(value.cls, UserClass):
        return True
    return made_by(value) is call


def plural(name: str) -> str:
    """``conv1`` of each turn of a loop stands in ``convs1``."""
    digits = name[len(name.rstrip("0123456789")) :]
    name = name.removesuffix(digits)
    return plain_plural(name) + digits


def snake(name: str) -> str:
    """``TimeDistributed`` as ``time_distributed``, ``MaxPooling2D`` as ``max_pooling``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub(r"[123]D(?=$|[A-Z])", "", name)).lower()


def plain_plural(name: str) -> str:
    return name if name.endswith("s") and not name.endswith("ss") else name + "s"


def bound_arguments(helper: Helper, node: cst.Call) -> dict[str, cst.Arg]:
    """A call's arguments by parameter.

    Raises:
        Refused: where stars hide them.
    """
    names = [p.name.value for p in helper.func.node.params.params]
    out: dict[str, cst.Arg] = {}
    for i, arg in enumerate(node.args):
        if arg.star:
            raise Refused("XL202", f"`{helper.func.name}`: star arguments hide what is passed")
        if arg.keyword is not None:
            out[arg.keyword.value] = arg
        elif i < len(names):
            out[names[i]] = arg
    return out


def assignment(target: Any, value: Any) -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(target)], value)])


def expression(value: Any) -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([cst.Expr(value)])
