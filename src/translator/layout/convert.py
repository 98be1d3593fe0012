"""For one expression: its operands in the order that it needs, and its result in the order that was chosen for it.

The rewriter asks this before and after the rules. The rules see a call as if the program had been written for the
order that its tensors really have.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.functions import bind_user
from ..infer.ranks import implied_rank
from ..rewrite.context import Context
from ..values import UNKNOWN, Instance, Seq, Tensor, Value, as_tensor, options_of, without_none
from . import behaviour, letters, losses, products, reshapes
from .axes import closed, main_argument, main_tensor, permutation, physical_pads, with_axes
from .calls import arguments, called, callees, comes_out, passed
from .natural import axis_plan, batch_first, results
from .perms import Perm, between, channels_last, identity, order_of, same_memory
from .sites import SOURCE, order_at
from .solve import NORMS
from .subscripts import plan_subscript, written
from .unproven import LayoutUnproven

CONVERTED = (
    cst.Call, cst.BinaryOperation, cst.Comparison, cst.UnaryOperation, cst.Attribute, cst.Subscript, cst.For,
    cst.CompFor, cst.AugAssign,
)  # fmt: skip
"""The nodes that look into tensors; all others only hand them on."""


class Conversion:
    """One expression being converted: what the rules are to see, and the order that they will give."""

    def __init__(self, ctx: Context, node: cst.CSTNode) -> None:
        self.ctx, self.node = ctx, node
        self.kind = behaviour.of_node(ctx, node)
        self.natural: Perm | None = None
        """The order of the result before it is converted; ``None`` for source order."""
        self.done = False
        """Whether the expression is finished, and no rule is to see it."""
        self.told: cst.Arg | None = None
        """What the translation of a call is told beside its arguments."""
        value = ctx.value(node.target if isinstance(node, cst.AugAssign) else node)
        self.value: Value = value
        self.result = as_tensor(value)

    # -- operands --------------------------------------------------------------------------------------

    def operands(self, new: Any) -> Any:
        """The expression with its operands in the order that the operation takes."""
        handler = getattr(self, "_" + self.kind, None)
        return handler(new) if handler is not None else self._opaque(new)

    def _pass(self, new: Any) -> Any:
        node = self.node
        if not isinstance(node, cst.Call):
            self.natural = order_of(self.result)
            return new
        return self._user_call(node, new)

    def _carried(self, new: Any) -> Any:
        self.natural = batch_first(order_of(self.result))
        return self._each(new, lambda old, value, main: self._tensor_in(old, value, self.natural))

    def _permuting(self, new: Any) -> Any:
        self.natural = order_of(self.result)
        return new

    def _look(self, new: Any) -> Any:
        self.natural = order_of(self.result)
        return new

    def _iterate(self, new: Any) -> Any:
        self.natural = order_of(self.result)
        return self._each(new, lambda old, value, main: self._tensor_in(old, value, None))

    def _user_call(self, node: cst.Call, new: cst.Call) -> cst.Call:
        """A call of the project's own code: each tensor in the order of its parameter."""
        wanted: dict[int, Tensor] = {}
        found = callees(self.ctx, node)
        for func, bound in found:
            bindings = bind_user(func, arguments(self.ctx, node), bound=bound) or {}
            for name, value in bindings.items():
                start = as_tensor(func.start.get(name)) if name in func.start else None
                for i, arg in enumerate(node.args):
                    if start is not None and self.ctx.value(arg.value) is value and not arg.star:
                        wanted.setdefault(i, start)
            self.natural = next((o for r in func.returned if (o := order_of(as_tensor(r)))), None)
        entry = self.ctx.interpreter.facts.entries.get(node) if not found else None
        first = passed(self.ctx, node)[:1] if entry is not None else []
        if entry is not None and first and isinstance(entry.given, Tensor):
            wanted[node.args.index(first[0])] = entry.given
        if not found:
            inner = comes_out(self.ctx.interpreter, node)
            self.natural = order_of(inner[0] if inner else self.result)
        args = []
        for i, (old, arg) in enumerate(zip(node.args, new.args, strict=True)):
            tensor = wanted.get(i)
            rank = tensor.rank if tensor is not None else None
            args.append(self._argument(old, arg, order_of(tensor), rank) if i in wanted else arg)
        return new.with_changes(args=args)

    def _argument(self, old: cst.Arg, arg: cst.Arg, wanted: Perm | None, rank: int | None) -> cst.Arg:
        value = self.ctx.value(old.value)
        tensor = as_tensor(value)
        if tensor is None or tensor.rank is None:
            if wanted is None or (tensor is None and value is not UNKNOWN):
                return arg
            return arg.with_changes(value=self._moved(old.value, arg.value, None, wanted))
        return arg.with_changes(value=self._moved(old.value, arg.value, order_of(tensor), wanted))

    def _handed(self, new: Any) -> Any:
        assert isinstance(self.node, cst.Call)
        reason = "a layer is called by a function that it is given to"
        raise LayoutUnproven(called(self.ctx, self.node), reason, self._operation(self.node.args[0].value))

    def _opaque(self, new: Any) -> Any:
        if not isinstance(self.node, cst.Call):
            return self._each(new, lambda old, value, main: self._tensor_in(old, value, None))
        return self._each(new, lambda old, value, main: self._in(old, value, None))

    def _channels(self, new: Any) -> Any:
        if self._made_for_source_order():
            return self._opaque(new)
        implied = self._implied_rank()
        rank = self.result.rank if self.result is not None and self.result.rank is not None else implied
        self.natural = channels_last(rank) if rank is not None else None

        def convert(old: Any, value: Any, main: bool) -> Any:
            tensor = as_tensor(self.ctx.value(old))
            if not main:
                return self._in(old, value, None)
            known = tensor.rank if tensor is not None and tensor.rank is not None else implied
            if known is None:
                reason = "the rank of what a channels-last operation takes is not known"
                raise LayoutUnproven(old, reason, self._operation())
            return self._moved(old, value, order_of(tensor), channels_last(known))

        if self.result is None or rank is None:
            reason = "the rank of what a channels-last operation gives is not known"
            raise LayoutUnproven(self.node, reason, self._operation())
        return self._each(new, convert)

    def _operation(self, layer: cst.BaseExpression | None = None) -> set[Any]:
        """What can stay in source order instead of this: the call itself, or the layers that it calls."""
        assert isinstance(self.node, cst.Call)
        call = self.ctx.call(self.node)
        if layer is None and call is not None and not call.api.endswith("__call__"):
            return {self.node}
        layers = options_of(without_none(self.ctx.value(layer or self.node.func)))
        made = [o.sites for o in layers if isinstance(o, Instance)]
        sites = set().union(*made) if made and all(made) and len(made) == len(layers) else set()
        return sites if sites <= self.ctx.facts.calls.keys() else set()

    def _made_for_source_order(self) -> bool:
        """Whether the layer that is called was told that its channels stand where the source has them."""
        layers = options_of(self.ctx.value(self.node.func)) if isinstance(self.node, cst.Call) else []
        sites = [s for o in layers if isinstance(o, Instance) and o.api in NORMS for s in o.sites]
        return any(order_at(self.ctx, site) == SOURCE for site in sites)

    def _pointwise(self, new: Any) -> Any:
        wanted = order_of(self.result)
        rank = self.result.rank if self.result is not None else None
        if wanted is None or self._some_rank_unknown():
            return self._opaque(new)
        self.natural = wanted
        return self._together(new, wanted, rank)

    def _together(self, new: Any, wanted: Perm, rank: int | None) -> Any:
        """All operands in one order, those that are broadcast beside it."""

        def convert(old: Any, value: Any, main: bool) -> Any:
            tensor = as_tensor(self.ctx.value(old))
            if tensor is None:
                return value
            if rank is not None and tensor.rank is not None and 0 < tensor.rank < rank:
                if set(tensor.dims or ()) == {1}:
                    return value
                return self._aligned(old, value, tensor.rank, wanted)
            return self._in(old, value, wanted if tensor.rank == rank else None)

        return self._each(new, convert)

    def _loss(self, new: Any) -> Any:
        loss = losses.found(self.ctx, self.node)
        wanted = loss.order() if loss is not None else None
        known = loss is not None and all(t is None or t.rank is not None for t in map(as_tensor, loss.values.values()))
        if wanted is None or not known or any(v is UNKNOWN for v in loss.values.values()):
            return self._opaque(new)
        self.natural = wanted if self._has_rank(len(wanted)) else None
        return self._together(new, wanted, len(wanted))

    def _class_loss(self, new: Any) -> Any:
        loss = losses.found(self.ctx, self.node)
        order = loss.order() if loss is not None else None
        known, of_target = loss.target_order() if loss is not None else (False, None)
        if loss is None or order is None or not known:
            return self._opaque(new)
        if self._has_rank(len(order) - 1):
            self.natural = losses.without_classes(order)
        axis = order.index(losses.CLASSES)
        self.told = nodes.keyword("class_axis", nodes.literal(-1 if axis == len(order) - 1 else axis))
        wanted = {id(loss.given[name]): perm for name, perm in (("input", order), ("target", of_target))}

        def convert(old: Any, value: Any, main: bool) -> Any:
            return self._tensor_in(old, value, wanted[id(old)]) if id(old) in wanted else self._in(old, value, None)

        return self._each(new, convert)

    def _has_rank(self, rank: int) -> bool:
        return self.result is not None and self.result.rank == rank

    def _implied_rank(self) -> int | None:
        """The rank that the name of the operation tells."""
        call = self.ctx.call(self.node)
        names = [call.api] if call is not None else []
        if isinstance(self.node, cst.Call):
            names += [o.api for o in options_of(self.ctx.value(self.node.func)) if isinstance(o, Instance) and o.api]
        ranks = {rank for n in names if (rank := implied_rank(n)) is not None}
        return ranks.pop() if len(ranks) == 1 else None

    def _some_rank_unknown(self) -> bool:
        """Whether an operand's rank is not known, so that broadcasting cannot be followed."""
        operands = behaviour.operands(self.node)
        call = self.ctx.call(self.node)
        values = [self.ctx.value(o) for o in operands]
        if call is not None and isinstance(self.node, cst.Call):
            values += [b.value for b in behaviour.parts(call)]
        return any(v is UNKNOWN or (isinstance(v, Tensor) and v.rank is None) for v in map(without_none, values))

    def _axis(self, new: cst.Call) -> Any:
        call = self._call()
        plan = axis_plan(self.ctx, call, self.result) if call is not None else None
        if call is None or (plan is not None and not self._fits(plan.natural)):
            plan = None
        if call is None or plan is None:
            return self._opaque(new)
        self.natural = plan.natural

        def convert(old: Any, value: Any, is_main: bool) -> Any:
            return self._in(old, value, plan.order if is_main else None)

        new = self._each(new, convert)
        self.ctx.physical[self.node], new = with_axes(call, new, plan)
        return new

    def _fits(self, natural: Perm | None) -> bool:
        """Whether results in a list, which nothing can transpose one by one, have that order anyway."""
        if not isinstance(self.value, Seq):
            return True
        wanted = None if natural is None or natural == identity(len(natural)) else natural
        return all(order_of(t) == wanted for t in results(self.value))

    def _rearrange(self, new: cst.Call) -> Any:
        call = self._call()
        x = main_tensor(call) if call is not None else None
        row = behaviour.row_of(self.ctx, call) if call is not None else None
        order = order_of(x)
        chosen = order_of(self.result)
        rank = len(order or chosen or ())
        if x is None or row is None or call is None or not rank or x.rank not in (None, rank):
            return self._opaque(new)
        dims = permutation(row.returns, call, rank)
        if dims is None:
            return self._opaque(new)
        now, wanted = order or identity(rank), chosen or identity(rank)
        perm = tuple(now.index(dims[a]) for a in wanted)
        self.natural, self.done = wanted, True
        self.ctx.seen += 1
        self.ctx.translated += 1
        return transposed(self.ctx, self.ctx.updated(call.args["input"].node), perm)

    def _product(self, new: Any) -> Any:
        """Factors that stand with their last two axes swapped are read so; the result is computed as it is wanted."""
        found = products.factors(self.ctx, self.node)
        turned = products.read_swapped(self.result)
        swaps = [products.read_swapped(as_tensor(self.ctx.value(f))) for f in found or ()]
        if found is None or not (turned or any(swaps)):
            return self._opaque(new)
        binary = isinstance(self.node, cst.BinaryOperation)
        pair = (new.left, new.right) if binary else tuple(map(self.ctx.updated, found))
        left, right = (
            one if swap else self._tensor_in(old, one, None) for old, one, swap in zip(found, pair, swaps, strict=True)
        )
        self.natural, self.done = order_of(self.result) if turned else None, True
        self.ctx.needs.add("tf")
        if not binary:
            self.ctx.seen += 1
            self.ctx.translated += 1
        return products.product(left, right, (swaps[0], swaps[1]), turned=turned)

    def _einsum(self, new: cst.Call) -> Any:
        call = self._call()
        terms = letters.einsum_terms(call) if call is not None else None
        if call is None or terms is None:
            return self._opaque(new)
        self.natural = order_of(self.result)
        if self.natural is not None or any(order_of(t) is not None for t in terms[0]):
            self.ctx.physical[self.node] = letters.physical_einsum(call, terms, self.natural)
        return new

    def _einops(self, new: cst.Call) -> Any:
        assert isinstance(self.node, cst.Call)
        found = letters.pattern_terms(self.ctx, self.node)
        if found is None:
            return self._opaque(new)
        terms, pattern = found
        self.natural = order_of(self.result)
        if self.natural is None and order_of(terms[0][0]) is None:
            return new
        place, text = self.node.args.index(pattern), letters.physical_pattern(terms, self.natural)
        args = [a.with_changes(value=text) if i == place else a for i, a in enumerate(new.args)]
        return new.with_changes(args=args)

    def _create(self, new: cst.Call) -> Any:
        call, chosen = self._call(), order_of(self.result)
        moved = reshapes.reordered(self.ctx, call, chosen, ("size",)) if call is not None and chosen else None
        if moved is None:
            return self._opaque(new)
        self.natural = chosen
        self.ctx.physical[self.node] = moved
        return new

    def _expand(self, new: cst.Call) -> Any:
        call, wanted = self._call(), order_of(self.result)
        x = main_tensor(call) if call is not None else None
        if call is None or wanted is None or x is None or not x.rank or x.rank > len(wanted):
            return self._opaque(new)
        moved = reshapes.reordered(self.ctx, call, wanted, ("size", "sizes"))
        if moved is None:
            return self._opaque(new)
        self.natural = wanted
        self.ctx.physical[self.node] = moved
        rank = x.rank

        def convert(old: Any, value: Any, main: bool) -> Any:
            if not main:
                return value
            same = rank == len(wanted)
            return self._in(old, value, wanted) if same else self._aligned(old, value, rank, wanted)

        return self._each(new, convert)

    def _pad(self, new: cst.Call) -> Any:
        call, wanted = self._call(), order_of(self.result)
        x = main_tensor(call) if call is not None else None
        fits = wanted is not None and x is not None and x.rank == len(wanted)
        padded = physical_pads(self.ctx, call, wanted) if fits and call is not None and wanted is not None else None
        if call is None or padded is None:
            return self._opaque(new)
        self.natural = wanted
        self.ctx.physical[self.node] = padded
        old = call.args["pad"].node
        new = self._each(new, lambda old, value, main: self._in(old, value, wanted) if main else value)
        assert isinstance(self.node, cst.Call)
        amounts = self.ctx.updated(padded.args["pad"].node)
        args = [
            arg.with_changes(value=amounts) if source.value is old else arg
            for source, arg in zip(self.node.args, new.args, strict=True)
        ]
        return new.with_changes(args=args)

    def _reshape(self, new: cst.Call) -> Any:
        call = self._call()
        if call is None and self._memory_kept():
            return new
        x = main_tensor(call) if call is not None else None
        order, chosen = order_of(x), order_of(self.result)
        found = reshapes.plan(self.ctx, call, order) if call is not None and order is not None else None
        followed = found is not None or (order is None and chosen is not None)
        if call is None or x is None or self.result is None or not followed:
            return self._opaque(new)
        wanted, natural = found or (None, identity(len(chosen or ())))
        flat = reshapes.flattens(call)
        if not flat and chosen is not None and reshapes.same_places(natural, chosen, self.result):
            natural = chosen  # only axes of size 1 stand elsewhere, where they can be put at once
        moved = None if flat else reshapes.reordered(self.ctx, call, natural)
        if (not flat and moved is None) or (flat and wanted is None):
            return self._opaque(new)
        new = self._each(new, lambda old, value, main: self._in(old, value, wanted) if main else value)
        self.natural = natural
        if moved is not None:
            self.ctx.physical[self.node] = moved
        elif wanted is not None:
            self.ctx.physical[self.node], new = with_axes(call, new, reshapes.flattening(call, wanted))
        return new

    def _memory_kept(self) -> bool:
        """Whether a layer that flattens may take its input as it stands."""
        assert isinstance(self.node, cst.Call)
        x = as_tensor(self.ctx.value(self.node.args[0].value)) if self.node.args else None
        order = order_of(x)
        return order is not None and x is not None and x.dims is not None and same_memory(order, x.dims)

    def _subscript(self, new: cst.Subscript) -> Any:
        node = self.node
        assert isinstance(node, cst.Subscript)
        x = as_tensor(self.ctx.value(node.value))
        order, chosen = order_of(x), order_of(self.result)
        if x is None:
            self.natural = chosen
            return new
        if x.rank is None or (order is None and chosen is None):
            return self._opaque(new)
        plan = plan_subscript(self.ctx, node, order or identity(x.rank), chosen)
        if plan is None:
            return self._opaque(new)
        self.natural = plan.natural
        self.done = True
        return written(node, new, plan)

    # -- one operand -----------------------------------------------------------------------------------

    def _call(self) -> BoundCall | None:
        call = self.ctx.call(self.node)
        return None if call is None or call.api.endswith("__call__") else call

    def _in(self, old: Any, new: Any, wanted: Perm | None) -> Any:
        """An operand in the wanted order; the elements of a list that is written out, one by one."""
        if isinstance(old, cst.List | cst.Tuple) and isinstance(new, cst.List | cst.Tuple):
            items = [
                n.with_changes(value=self._in(o.value, n.value, wanted))
                for o, n in zip(old.elements, new.elements, strict=True)
            ]
            if all(a.value is b.value for a, b in zip(items, new.elements, strict=True)):
                return new
            out = new.with_changes(elements=items)
            self.ctx.new[old] = out
            return out
        value = self.ctx.value(old)
        listed = any(isinstance(o, Seq) for o in options_of(value))
        if listed and any(order_of(t) != wanted for t in results(value)):
            raise LayoutUnproven(old, "the tensors of a list stand in another axis order than the operation needs")
        return self._tensor_in(old, new, wanted)

    def _tensor_in(self, old: Any, new: Any, wanted: Perm | None) -> Any:
        tensor = as_tensor(self.ctx.value(old))
        if tensor is None or tensor.rank is None:
            return new
        return self._moved(old, new, order_of(tensor), wanted)

    def _moved(self, old: Any, new: Any, now: Perm | None, wanted: Perm | None) -> Any:
        rank = len(now or wanted or ())
        perm = between(now or identity(rank), wanted or identity(rank))
        if perm is None:
            return new
        out = transposed(self.ctx, new, perm)
        self.ctx.new[old] = out
        self.ctx.transposes.append((old, self.kind))
        return out

    def _aligned(self, old: Any, new: Any, rank: int, wanted: Perm) -> Any:
        """An operand of lower rank: the axes that broadcasting adds in front are written out where they now stand."""
        out = self._with_axes_between(new, rank, order_of(as_tensor(self.ctx.value(old))), wanted)
        self.ctx.new[old] = out
        return out

    def _with_axes_between(self, new: Any, rank: int, now: Perm | None, wanted: Perm) -> Any:
        if now is not None:
            new = transposed(self.ctx, new, between(now, identity(rank)))
        missing = len(wanted) - rank
        kept = [a - missing for a in wanted if a >= missing]
        if kept != sorted(kept):
            new = transposed(self.ctx, new, tuple(kept))
        parts: list[cst.BaseSlice] = [
            cst.Index(cst.Name("None")) if a < missing else cst.Slice(lower=None, upper=None) for a in wanted
        ]
        while parts and isinstance(parts[0], cst.Index):
            parts.pop(0)
        if not any(isinstance(p, cst.Index) for p in parts):
            return new
        return cst.Subscript(nodes.parenthesized(new), [cst.SubscriptElement(p) for p in parts])

    def _each(self, new: Any, convert: Any) -> Any:
        """Apply ``convert(old, new, is_main)`` to every operand."""
        node = self.node
        if isinstance(node, cst.Call):
            return self._each_argument(node, new, convert)
        if isinstance(node, cst.Comparison):
            left = convert(node.left, new.left, True)
            targets = [
                n.with_changes(comparator=convert(o.comparator, n.comparator, True))
                for o, n in zip(node.comparisons, new.comparisons, strict=True)
            ]
            changed = left is not new.left or any(
                a.comparator is not b.comparator for a, b in zip(targets, new.comparisons, strict=True)
            )
            return new.with_changes(left=left, comparisons=targets) if changed else new
        names = _operand_fields(node)
        changes = {n: convert(getattr(node, n), getattr(new, n), True) for n in names}
        changes = {n: v for n, v in changes.items() if v is not getattr(new, n)}
        return new.with_changes(**changes) if changes else new

    def _each_argument(self, node: cst.Call, new: cst.Call, convert: Any) -> cst.Call:
        call = self.ctx.call(node)
        changes: dict[str, Any] = {}
        args = []
        for i, (old, arg) in enumerate(zip(node.args, new.args, strict=False)):
            main = self.kind in ("pointwise", "loss") or _is_main(call, old, i)
            args.append(arg.with_changes(value=convert(old.value, arg.value, main)))
        args += new.args[len(args) :]
        if any(a.value is not b.value for a, b in zip(args, new.args, strict=True)):
            changes["args"] = args
        receiver = call is not None and call.receiver is not None and isinstance(node.func, cst.Attribute)
        if receiver and isinstance(new.func, cst.Attribute) and isinstance(node.func, cst.Attribute):
            value = convert(node.func.value, new.func.value, True)
            if value is not new.func.value:
                changes["func"] = new.func.with_changes(value=value)
        return new.with_changes(**changes) if changes else new

    # -- the result ------------------------------------------------------------------------------------

    def finished(self, new: Any) -> Any:
        """Bring the result from the order that the operation gives to the one that was chosen for the value."""
        self.ctx.physical.pop(self.node, None)
        if self.told is not None and isinstance(new, cst.Call):
            new = new.with_changes(args=[*closed([*new.args], [self.told]), self.told])
        if self.result is None or isinstance(self.node, cst.For | cst.CompFor):
            return new
        if self.result.rank is None:
            now = self.natural or ()
            return transposed(self.ctx, new, between(now, identity(len(now))))
        natural = self.natural or identity(self.result.rank)
        chosen = order_of(self.result) or identity(self.result.rank)
        if len(natural) != len(chosen):
            raise LayoutUnproven(self.node, "the rank of a result is not the one that its layout has")
        perm = between(natural, chosen)
        if perm is None:
            return simplified(new)
        self.ctx.transposes.append((self.node, self.kind))
        return transposed(self.ctx, new, perm)


def _operand_fields(node: cst.CSTNode) -> tuple[str, ...]:
    if isinstance(node, cst.BinaryOperation):
        return "left", "right"
    if isinstance(node, cst.For | cst.CompFor):
        return ("iter",)
    return ("expression",) if isinstance(node, cst.UnaryOperation) else ("value",)


def _is_main(call: BoundCall | None, arg: cst.Arg, index: int) -> bool:
    """Whether an argument is the tensor that an operation is about, or the list of them."""
    if call is None:
        return index == 0
    bound = call.args.get(main_argument(call))
    return bound is not None and bound.node is arg.value


def transposed(ctx: Context, node: Any, perm: Perm | None) -> Any:
    """``tf.transpose(node, perm)``; the node itself where nothing is to be done."""
    if perm is None or perm == identity(len(perm)):
        return node
    ctx.needs.add("tf")
    order = nodes.tuple_of([nodes.literal(i) for i in perm])
    return simplified(nodes.call("tf.transpose", nodes.bare(node, cst.Name("x")), order))


def _transpose_of(node: Any) -> Perm | None:
    """The permutation of a ``tf.transpose(x, (literals))``."""
    if not isinstance(node, cst.Call) or len(node.args) != 2 or nodes.code(node.func) != "tf.transpose":
        return None
    order = node.args[1].value
    if not isinstance(order, cst.Tuple):
        return None
    axes = [nodes.integer(e.value) for e in order.elements]
    return tuple(a for a in axes if a is not None) if None not in axes else None


def simplified(node: Any) -> Any:
    """Two transposes in a row as one, or as none."""
    outer = _transpose_of(node)
    inner = _transpose_of(node.args[0].value) if outer is not None else None
    if outer is None or inner is None or len(outer) != len(inner):
        return node
    perm = tuple(inner[axis] for axis in outer)
    x = node.args[0].value.args[0].value
    if perm == identity(len(perm)):
        return x
    return nodes.call("tf.transpose", x, nodes.tuple_of([nodes.literal(i) for i in perm]))
