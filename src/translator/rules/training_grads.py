"""``torch.autograd.grad``: a tape of its own around what its outputs are computed by, with its inputs watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import UNKNOWN, Const, Tensor, is_off, without_none
from .named import named
from .training_flow import changes, slice_of, uses
from .training_params import Unresolved, group_variables, is_module, sources, walk
from .training_parts import Event, GradCall, Region, name_of

if TYPE_CHECKING:
    from .training_parts import Block
    from .training_plan import Planner

API = "torch.autograd.grad"
HARMLESS = frozenset({
    "outputs", "inputs", "grad_outputs", "retain_graph", "create_graph", "only_inputs", "allow_unused",
})  # fmt: skip


def grad_call(planner: Planner, statement: Any) -> cst.Call | None:
    """The only ``autograd.grad`` of a statement."""
    found = [n for n in walk(statement) if (c := planner.facts.calls.get(n)) is not None and c.api == API]
    return found[0] if len(found) == 1 else None


def listed(node: Any) -> list[Any]:
    """The expressions of a list or tuple display, or the only one."""
    return [e.value for e in node.elements] if isinstance(node, cst.List | cst.Tuple) else [node]


def grad_region(planner: Planner, block: Block, event: Event) -> Region:
    """The items that compute the outputs from the inputs, and what is written at their tape.

    Raises:
        Unresolved: with the reason.
    """
    call = planner.facts.calls[event.call]
    if call.problem:
        raise Unresolved(f"autograd.grad: {call.problem}")
    for name, bound in call.args.items():
        if name not in HARMLESS and not is_off(bound.value):
            raise Unresolved(f"autograd.grad with `{name}=` is not translated")
    if "outputs" not in call.args or "inputs" not in call.args:
        raise Unresolved("autograd.grad: its outputs or inputs are not given plainly")
    end = event.place[0]
    outputs, inputs = call.args["outputs"].node, call.args["inputs"].node
    names = [i for i in listed(inputs) if isinstance(i, cst.Name | cst.Attribute)]
    if names and all(is_tensor(planner, block, n, end) for n in names) and len(names) == len(listed(inputs)):
        start, stop = of_tensors(planner, block, names, outputs, end)
        watched = [n for n in names if not getattr(without_none(planner.facts.value(n)), "variable", False)]
        wanted = inputs
    else:
        found = slice_of(planner.touch, block.items, end, outputs, {e.statement for e in block.events})
        if found is None:
            raise Unresolved("where the outputs of autograd.grad are computed is not in the same block")
        (start, stop), watched = found, []
        wanted = group_variables(planner.ctx, planner.plan.program, sources(planner.plan.program, inputs), block.home)
    region = Region(start, stop, event)
    region.watched = watched
    planner.plan.grads[event.call] = GradCall(region, wanted, outputs)
    return region


def is_tensor(planner: Planner, block: Block, node: Any, end: int) -> bool:
    """Whether an input is one tensor: known as one, or given to a layer as it is."""
    value = without_none(planner.facts.value(node))
    if value is not UNKNOWN:
        return isinstance(value, Tensor)
    text = nodes.code(node)
    calls = (n for item in block.items[:end] for n in walk(item) if isinstance(n, cst.Call))
    layers = (c for c in calls if is_module(without_none(planner.facts.value(c.func))))
    return any(nodes.code(a.value) == text and not a.star for c in layers for a in c.args)


def of_tensors(planner: Planner, block: Block, names: list[Any], outputs: Any, end: int) -> tuple[int, int]:
    """The items from the first use of the inputs, after they were bound, to the last that the outputs need."""
    inputs = {nodes.code(n) for n in names}
    bound = [i for i in range(end) if changes(block.items[i], planner.facts) & inputs]
    start = bound[-1] + 1 if bound else 0
    used = [i for i in range(start, end) if uses(block.items[i]) & inputs]
    if not used:
        if uses(outputs) & inputs and not all(isinstance(o, cst.Name) for o in listed(outputs)):
            return end, end
        raise Unresolved("where the outputs of autograd.grad are computed is not in the same block")
    needed = uses(outputs)
    last = start - 1
    for i in range(end - 1, start - 1, -1):
        made = changes(block.items[i], planner.facts)
        if made & needed:
            last = max(last, i)
            needed |= uses(block.items[i])
    if last < used[0]:
        raise Unresolved("where the outputs of autograd.grad are computed is not in the same block")
    return used[0], last + 1


def plain(outputs: Any) -> bool:
    """Whether the outputs have names already."""
    return all(isinstance(o, cst.Name | cst.Attribute) for o in listed(outputs))


def join_grads(block: Block, regions: list[Region], grads: list[Region]) -> None:
    """Tapes that overlap with others contain them or are contained, and have names of their own."""
    for inner in grads:
        for outer in regions:
            if inner.start < outer.start < inner.end:
                outer.start = inner.start
        others = [r for r in [*regions, *grads] if r is not inner]
        if any(r.start <= inner.backward.place[0] and inner.start <= r.backward.place[0] for r in others):
            inputs = listed(inner.watched[0])[0] if inner.watched else None
            name = f"{name_of(inputs) if inputs is not None else 'inner'}_tape"
            inner.tape = name if all(r.tape != name for r in others) else f"inner_{name}"


@named("autograd_grad")
def autograd_grad(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.autograd.grad(y, x)`` is ``tape.gradient(y, [x])``, which gives a list as PyTorch gives a tuple."""
    plan = ctx.steps or None
    found = plan.grads.get(node) if plan is not None else None
    if found is None:
        return Refusal("XL220", f"{call.api}: what its outputs are computed by is not recognised")
    outputs = ctx.updated(found.outputs) if plain(found.outputs) else cst.Name(found.name)
    inputs = call.args["inputs"].node
    single = found.wanted is inputs and not isinstance(inputs, cst.List | cst.Tuple)
    wanted = ctx.updated(found.wanted) if found.wanted is inputs else found.wanted
    keywords = {}
    upstream = call.args.get("grad_outputs")
    if upstream is not None and upstream.value != Const(None):
        keywords["output_gradients"] = ctx.updated(upstream.node)
    made = nodes.call(
        f"{found.region.tape}.gradient", outputs, cst.List([cst.Element(wanted)]) if single else wanted, **keywords
    )
    unused = call.args.get("allow_unused")
    if unused is None or unused.value == Const(False):
        # What has no slope (a rounding) gives zeros in PyTorch.
        made = made.with_changes(args=[*made.args, nodes.keyword("unconnected_gradients", nodes.literal("zero"))])
    graph = call.args.get("create_graph")
    if graph is None or graph.value == Const(False):
        return Edit(nodes.template("[tf.stop_gradient(g) for g in {made}]", {"made": made}), ("tf",))
    return Edit(made)
