"""Taking a functional Keras model apart: which statements make layers, which compute.

A region of statements (from the first ``Input`` to ``Model(...)``, or the body of a helper that takes and returns
tensors) is walked once. Python statements and the layers that are made go to ``__init__``, computations to
``forward``, control flow to both.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.keras_graph import made_by, makers
from ..rewrite.context import Again, Context
from ..values import Const, Func, Instance, UserClass, Value, as_tensor, options_of, without_none
from . import keras_activations as activations
from . import keras_layers as layers
from .keras_args import LayerArgs
from .keras_calls import MERGE_FUNCTIONS, MERGES
from .keras_direct import DIRECT, is_direct
from .keras_flow import Branches
from .keras_helpers import Helper, bound_arguments, known_callees, named_directly
from .keras_inputs import input_choice
from .keras_layout import Perm, Refused, order
from .keras_lists import Lists
from .keras_lists import find as find_lists
from .keras_names import KINDS, assigned, assignment, calls_in, expression, is_layer, names_in, plural, snake, tensorish
from .keras_sizes import Sizes

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter


class Claim:
    """One region: rules ask it while the region's expressions are rewritten."""

    def __init__(self, rewriter: Rewriter, helpers: dict[cst.CSTNode, Helper], this: Helper | None) -> None:
        self.rewriter = rewriter
        self.ctx: Context = rewriter.ctx
        self.helpers = helpers
        self.this = this
        self.names: dict[cst.CSTNode, str] = {}
        """Calls that make what becomes an attribute, to the attribute's name."""
        self.shared: set[cst.CSTNode] = set()
        """Calls in branches whose layers end up in one variable, and so in one attribute."""
        self.layers: dict[cst.CSTNode, layers.Layer | None] = {}
        self.applied_to: dict[cst.CSTNode, cst.Call] = {}
        self.init_names: set[cst.CSTNode] = set()
        self.locals: set[str] = set()
        """Python variables of the region: ``forward`` reads them as attributes."""
        self.variables: set[str] = set()
        """All variables of the region."""
        self.plain = False
        """Whether no module is made: variables are read as they are."""
        self.labels: set[str] = set()
        """Variables that only name layers: nothing of them is left."""
        self.kept: list[str] = []
        self.layer_variables: set[str] = set()
        """Variables that hold layers and nothing else: no trace of them is left."""
        self.lists = Lists()
        """The lists of layers."""
        self.unsteady: set[str] = set()
        """Variables that a loop changes: `forward` cannot read them."""
        self.loop_names: set[str] = set()
        self.mode = "forward"
        self.init: list[Any] = []
        self.used: dict[str, int] = {}
        self.sizes = Sizes(self)
        self.in_loop = 0
        self.loop_layers: list[str] = []
        """The layers that the loop at hand makes in each of its turns."""
        self.stepped: set[str] = set()
        """The layers of a loop that not every turn makes, or that an inner loop makes: `forward` takes the next."""
        self.steps: list[str] = []
        """Those of them that were made so far in the outermost loop."""
        self.guards: dict[cst.CSTNode, list[tuple[cst.BaseExpression, bool]]] = {}
        """Layers that are made in an alternative of a conditional expression: the conditions."""
        self.tensor_names: set[str] = set()
        """Variables that hold tensors, or lists of them."""
        self.starts: dict[str, Any] = {}
        """Variables of ``__init__`` that follow channels through a loop, with their first values."""
        self.result: Any = None
        """The channels of what a helper returns."""
        self.unsaid: Refused | None = None
        """Why an inner loop of ``forward`` cannot be written as it is."""
        self.read: set[str] = set()
        """The variables that the region's statements name, but for those that only say what its inputs are."""
        self.inputs: dict[str, str] = {}
        """Variables that hold an input of the model, with the input's own name."""

    # -- before the walk --------------------------------------------------------------------------

    def scan(self, body: list[Any], variables: dict[cst.CSTNode, str]) -> None:
        """Find everything that is made, and name it."""
        wanted: list[tuple[cst.Call, str]] = []
        self.variables = self.locals | set(assigned(body))
        self.read = {n.value for s in body if input_choice(self.ctx, s) is None for n in names_in(s)}
        self.tensor_names = {n.value for s in body for n in names_in(s) if tensorish(self.ctx.value(n))}
        wrapped = {a.value for s in body for c in calls_in(s) if is_wrapper(self.ctx, c) for a in c.args}
        for statement in body:
            self.guards.update(guards_in(statement))
            for call in calls_in(statement):
                if isinstance(call.func, cst.Call):
                    self.applied_to[call.func] = call
        self.lists = find_lists(self.ctx, body, variables)
        for statement in body:
            for call in calls_in(statement):
                if call in self.lists.made:
                    self.init_names.update(n for a in call.args for n in names_in(a.value))
                    continue
                name = self.base_name(call, variables)
                if name and call not in wrapped:
                    wanted.append((call, name))
        self.layer_variables = set(variables.values()) - {n for s in body for n in otherwise_assigned(s, variables)}
        self.layer_variables -= self.lists.held
        variables = {c: n for c, n in variables.items() if c not in self.lists.made}
        first = self.same_attribute(body, variables)
        self.shared = {*first, *first.values()}
        counts: dict[str, int] = {}
        for call, name in wanted:
            counts[name] = counts.get(name, 0) + (call not in first)
        numbers: dict[str, int] = {}
        for call, name in wanted:
            if call in first:
                continue
            if call in self.shared:
                final = variables[call]
            elif counts[name] == 1:
                final = name
            else:
                numbers[name] = numbers.get(name, 0) + 1
                final = f"{name}{numbers[name]}"
            self.names[call] = self.unique(final)
        for call, _ in wanted:
            self.names[call] = self.names[first.get(call, call)]
            for inner in self.made_from(call):
                self.init_names.update(names_in(inner))

    def same_attribute(
        self, body: list[Any], variables: dict[cst.CSTNode, str]
    ) -> dict[cst.CSTNode, cst.CSTNode]:
        """``layer = A() if drop else B()``, as an ``if``: the later calls that one variable's layer may come from, with
        the first one."""
        out: dict[cst.CSTNode, cst.CSTNode] = {}
        for name in (n for s in body for n in names_in(s)):
            found = makers(self.ctx.value(name)) if name.value in variables.values() else frozenset()
            if len(found) > 1 and all(variables.get(c) == name.value for c in found):
                first, *later = (c for c in variables if c in found)
                out.update(dict.fromkeys(later, first))
        return out

    def maker(self, value: Value) -> cst.CSTNode | None:
        """The call that made a layer of the region: any of those that share its attribute."""
        found = makers(value)
        names = {self.names.get(c) for c in found}
        return next(iter(found)) if len(names) == 1 and None not in names else None

    def unique(self, name: str) -> str:
        if name in self.ctx.tables.target.reserved or keyword.iskeyword(name):
            name += "_"
        if name in self.variables and name not in self.tensor_names | self.layer_variables:
            name += "_layer"  # the variable may become an attribute itself
        n = self.used.get(name, 0)
        self.used[name] = n + 1
        return name if n == 0 else f"{name}_{n + 1}"

    def made_from(self, call: cst.Call) -> list[cst.CSTNode]:
        """The arguments of a call that are evaluated when the layer is made, and what makes it."""
        helper = self.helper_of(call)
        if helper is None:
            return [a.value for a in call.args]
        func = call.func.func if helper.outer is not None and isinstance(call.func, cst.Call) else call.func
        return [func, *(a.value for n, a in bound_arguments(helper, call).items() if n not in helper.tensors)]

    def helper_of(self, call: cst.Call) -> Helper | None:
        """The helper that a call calls; one of them, where any of several may be passed."""
        value = self.ctx.value(call.func)
        found = known_callees(self.helpers, value)
        if not found:
            some = [self.helpers[o.node] for o in options_of(value) if isinstance(o, Func) and o.node in self.helpers]
            if any(not self.translated(h).plain for h in some):
                raise Refused("XL212", f"`{some[0].func.name}` makes layers, and others that are passed here do not")
            return None
        for helper in found:
            self.translated(helper)
        if len({h.plain for h in found}) != 1:
            raise Refused("XL212", f"`{found[0].func.name}` and others are passed here: not all of them make layers")
        return found[0]

    def translated(self, helper: Helper) -> Helper:
        """The helper, after it was translated."""
        from .keras_functional import translate_helper

        if helper is not self.this and not helper.busy:
            translate_helper(self.rewriter, helper)
        return helper

    def base_name(self, call: cst.Call, variables: dict[cst.CSTNode, str]) -> str:
        """What to call what a call makes; empty if it makes nothing that is kept."""
        helper = self.helper_of(call)
        if helper is not None:
            if helper.plain:
                return ""
            direct = isinstance(call.func, cst.Name) and named_directly(self.ctx, helper, call.func)
            callee = call.func.value if isinstance(call.func, cst.Name) and not direct else ""
            return snake(callee) or variables.get(call) or snake(helper.name)
        value = self.ctx.value(call)
        bound = self.ctx.call(call)
        if not is_layer(value) or made_here(call, value, bound) is False:
            return ""
        api = value.api if isinstance(value, Instance) else None
        if api in MERGES or api in MERGE_FUNCTIONS or api == "keras.Model" or self.expressed(call, bound):
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
        maker = self.maker(value)
        if maker is not None:
            if self.names[maker] in self.stepped:
                raise Refused("XL213", "a layer that only some turns of a loop make is kept in a variable")
            return self.kept_at(maker) if self.mode == "init" else self.place(maker)
        if self.plain or self.mode == "init" or node in self.init_names or node.value in self.loop_names:
            return None
        if node.value in self.locals:
            if node.value in self.unsteady:
                raise Refused("XL213", f"`{node.value}` changes in a loop and is needed with tensors")
            if node.value not in self.kept:
                self.kept.append(node.value)
            return nodes.dotted(f"self.{node.value}")
        return None

    def place(self, maker: cst.CSTNode) -> Any:
        """Where `forward` finds a layer."""
        name = self.names[maker]
        if name in self.stepped:
            return nodes.call("next", cst.Name(plural(name)))
        return cst.Name(name) if name in self.loop_layers else nodes.dotted(f"self.{name}")

    def kept_at(self, maker: cst.CSTNode) -> Any:
        """Where `__init__` finds what it just made."""
        name = self.names[maker]
        if name in self.loop_layers or name in self.stepped:
            return nodes.dotted(f"self.{plural(name)}[-1]")
        return nodes.dotted(f"self.{name}")

    def made(self, node: cst.Call, call: BoundCall | None) -> Any:
        """Take what a call makes over to ``__init__``, and give what `forward` says instead."""
        from ..rewrite.context import Edit

        helper = self.helper_of(node)
        if helper is not None:
            return Edit(self.helper_call(helper, node))
        if call is not None and call.api in layers.LAYERS:
            layer = layers.build(self.ctx, call)
            self.layers[node] = layer if node not in self.shared else None
            self.ctx.needs.update(layer.needs)
            whole = layer.chosen is not None or node in self.shared
            modules = layer.in_sequence() if whole else layer.modules
            if not modules and node in self.shared:
                modules = [layers.module("Identity")]
            if modules:
                one = modules[0] if len(modules) == 1 else nodes.call("nn.Sequential", *modules)
                self.keep(node, one)
        else:
            self.keep(node, self.constructed(node, call))
        return Edit(self.place(node))

    def constructed(self, node: cst.Call, call: BoundCall | None) -> Any:
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
        """Make something in ``__init__``: an attribute, or in a loop another item of a list."""
        name = self.names[node]
        if self.in_loop:
            line: Any = expression(nodes.call(f"self.{plural(name)}.append", nodes.bare(value, node)))
            where = self.steps if name in self.stepped else self.loop_layers
            if name not in where:
                where.append(name)
        else:
            line = assignment(nodes.dotted(f"self.{name}"), nodes.bare(value, node))
        for test, truth in reversed(self.guards.get(node, [])):
            outer, self.mode = self.mode, "init"
            try:
                new = nodes.bare(self.rewriter.visit(test), test)
            finally:
                self.mode = outer
            line = Branches(None, new, [[line], []] if truth else [[], [line]])
        self.init.append(line)

    def helper_call(self, helper: Helper, node: cst.Call) -> Any:
        """``x = conv_block(x, 64)``: ``self.conv_block1 = ConvBlock(in_channels, 64)`` and ``self.conv_block1(x)``."""
        if helper.refusal is not None:
            raise Refused("XL212", f"`{helper.func.name}` makes layers and could not be translated")
        bound = bound_arguments(helper, node)
        args: list[cst.Arg] = []
        keywords: list[cst.Arg] = []
        for name in [n for n in helper.tensors if n in helper.sized]:
            size: Any = cst.Name("None")
            if name in bound and self.ctx.value(bound[name].value) != Const(None):
                size = self.sizes.of(bound[name].value)
            if size is None and not helper.value and helper.func.node in set(nodes.walk(self.ctx.tree)):
                self.ctx.facts.unsized.add((helper.func.node, name))
                raise Again
            if size is None:
                raise Refused("XL402", f"`{helper.func.name}`: the number of its input's channels is not known here")
            args.append(cst.Arg(size))
        for name in helper.options:
            if name in bound:
                arg = bound[name]
                value = nodes.bare(self.ctx.updated(arg.value), arg.value)
                (keywords if arg.keyword is not None else args).append(
                    nodes.keyword(name, value) if arg.keyword is not None else cst.Arg(value)
                )
        if "**" in bound:
            keywords.append(cst.Arg(self.ctx.updated(bound["**"].value), star="**"))
        self.keep(node, cst.Call(self.callee(helper, node), [*args, *keywords]))
        inputs = [cst.Arg(self.ctx.updated(bound[n].value)) for n in helper.tensors if n in bound]
        return cst.Call(self.place(node), inputs)

    def callee(self, helper: Helper, node: cst.Call) -> Any:
        """The class to make: by its name, or what a variable holds."""
        func = node.func.func if helper.outer is not None and isinstance(node.func, cst.Call) else node.func
        if isinstance(func, cst.Name) and func.value not in self.locals and named_directly(self.ctx, helper, func):
            return cst.Name(helper.name)
        new = self.ctx.updated(func)
        if isinstance(new, cst.Attribute) and new.attr.value == (helper.outer or helper.func).name:
            return new.with_changes(attr=cst.Name(helper.name))
        return new

    def channels(self, args: LayerArgs) -> Any:
        """The input channels of a layer that is being made, as an expression of ``__init__``."""
        constant = args.features
        application = self.applied_to.get(args.call.node)
        if application is None or not application.args:
            return None
        if constant is not None and self.this is None and self.ctx.func is None:
            return nodes.literal(constant)
        return self.sizes.of(application.args[0].value)

    def wraps(self, outer: cst.CSTNode, inner: cst.CSTNode) -> None:
        """A wrapped layer is applied where its wrapper is."""
        if outer in self.applied_to:
            self.applied_to[inner] = self.applied_to[outer]

    def expressed(self, node: cst.CSTNode, call: BoundCall | None) -> bool:
        """Whether a layer becomes an expression where it is applied, so that its making says nothing."""
        return call is not None and call.api in DIRECT and node in self.applied_to and is_direct(self.ctx, call)

    def size(self, node: cst.BaseExpression, axis: Any) -> Any:
        """``x.shape[-1]`` in ``__init__``."""
        if self.mode != "init" and node not in self.init_names:
            return None
        tensor = as_tensor(self.ctx.value(node))
        last = axis == -1 or (tensor is not None and tensor.rank is not None and axis == tensor.rank - 1)
        size = self.sizes.of(node) if last else None
        if (
            size is None
            and tensor is not None
            and tensor.dims is not None
            and -len(tensor.dims) <= axis < len(tensor.dims)
        ):
            known = tensor.dims[axis]
            size = nodes.literal(known) if isinstance(known, int) and self.this is None else None
        if size is None:
            raise Refused("XL402", "a size that only the first call tells is needed to make the layers")
        return size

    def direct(self, node: cst.Call) -> Any:
        """What has to be written around the call of a layer: its activation, or an expression instead of it."""
        value = without_none(self.ctx.value(node.func))
        maker = self.maker(value)
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
        if not found.modules and found.chosen is None:
            result = args[0].value
        return activations.applied(self.ctx, found.activation, result, found.perm or natural)


def otherwise_assigned(node: cst.CSTNode, variables: dict[cst.CSTNode, str]) -> set[str]:
    """The variables that a statement sets to anything but what makes a layer."""
    out: set[str] = set()

    class Assigns(cst.CSTVisitor):
        def visit_Assign(self, one: cst.Assign) -> None:
            if one.value not in variables or len(one.targets) != 1:
                out.update(assigned([cst.SimpleStatementLine([one])]))

        def visit_For(self, one: cst.For) -> None:
            out.update(n.value for n in names_in(one.target))

    node.visit(Assigns())
    return out


def is_wrapper(ctx: Context, node: cst.Call) -> bool:
    """``Bidirectional(LSTM(4))``: the inner layer belongs to the outer one."""
    call = ctx.call(node)
    return call is not None and call.api in ("keras.layers.Bidirectional", "keras.layers.TimeDistributed")


def made_here(call: cst.Call, value: Value, bound: BoundCall | None) -> bool:
    """Whether a call makes the layer that it gives, rather than returning one."""
    if isinstance(value, Instance) and isinstance(value.cls, UserClass):
        return True
    return made_by(value) is call


def guards_in(statement: cst.CSTNode) -> dict[cst.CSTNode, list[tuple[cst.BaseExpression, bool]]]:
    """The calls of a statement that only some alternative of a conditional expression makes."""
    out: dict[cst.CSTNode, list[tuple[cst.BaseExpression, bool]]] = {}

    class Conditions(cst.CSTVisitor):
        def visit_IfExp(self, node: cst.IfExp) -> None:
            for part, truth in ((node.body, True), (node.orelse, False)):
                for call in calls_in(part):
                    out.setdefault(call, []).append((node.test, truth))

    statement.visit(Conditions())
    return out
