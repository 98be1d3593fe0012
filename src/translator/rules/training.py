"""Training programs: steps as whole structures, modes at calls, optimizers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..infer.layers import unwraps
from ..model import Severity, Style
from ..rewrite.context import Context, Edit, Finding, Outcome, Refusal
from ..values import Const, Instance, MethodOf, UserClass, options_of, without_none
from .initial_mode import starts_in_eval
from .layer_calls import framework_layer_call
from .modules import layer_call
from .self_modes import acts_otherwise, inner_mode, modal_methods
from .training_grads import plain
from .training_graph import as_graph, graph_step
from .training_modes import decided, mode_change, modes_of, overlap
from .training_params import is_module
from .training_parts import Block, Plan, Region, Unit
from .training_plan import Planner

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter

SILENT = frozenset({"torch.nn.ModuleList", "torch.nn.ModuleDict"})


ASKED = ("torch.optim.", "torch.Tensor.backward", "torch.autograd.grad")
"""What a file calls that has training steps."""


# -- steps -------------------------------------------------------------------------------------------------


def plan_of(ctx: Context) -> Plan | None:
    """The file's plan: made once, before its first block is rewritten."""
    if ctx.steps is None:
        known = ctx.facts.cache
        if "trains" not in known:
            known["trains"] = any(c.api.startswith(ASKED) for c in ctx.facts.calls.values())
        ctx.steps = Planner(ctx).run(ctx.tree) if known["trains"] and ctx.tree is not None else False
    return ctx.steps or None


def training_block(rw: Rewriter, statements: Any) -> list[Any] | None:
    """A block that holds a training step, or ``None``."""
    plan = plan_of(rw.ctx)
    block = plan.blocks.get(statements[0]) if plan is not None and statements else None
    if plan is None or block is None:
        return None
    out: list[Any] = []
    i = 0
    while i < len(block.items):
        unit = next((u for u in block.units if u.start == i), None)
        if unit is None:
            out += one(rw, plan, block.items[i])
            i += 1
        else:
            out += step(rw, plan, block, unit)
            i = unit.end
    return hoisted(out)


def one(rw: Rewriter, plan: Plan, statement: Any) -> list[Any]:
    """The new lines of one statement."""
    new = rw.statement(statement)
    return new if isinstance(new, list) else [new]


def replaced(rw: Rewriter, statement: Any) -> list[Any] | None:
    """The new lines of a statement that belongs to a step, with its comments."""
    plan = plan_of(rw.ctx)
    make = plan.replaced.get(statement) if plan is not None else None
    if make is None:
        return None
    rw.ctx.seen += 1
    rw.ctx.translated += 1
    lines = make(rw)
    if not lines:
        return rw._removed(statement)
    lines[0] = lines[0].with_changes(leading_lines=statement.leading_lines)
    return lines


def step(rw: Rewriter, plan: Plan, block: Block, unit: Unit) -> list[Any]:
    """One unit: all of it translated, or all of it as it was with one finding."""
    ctx = rw.ctx
    if not unit.reason:
        saved = set(ctx.needs), len(ctx.findings), ctx.seen, ctx.translated, ctx.refused, dict(ctx.renames)
        graph = graph_step(rw, plan, block, unit)
        where = block if graph is None else graph.block
        start, split = (unit.start, unit.end) if graph is None else (graph.start, graph.split)
        first = region_lines(rw, plan, where, unit.start, start, [])
        new = region_lines(rw, plan, where, start, split, unit.regions)
        later = region_lines(rw, plan, where, split, unit.end, [])
        inner = next((f for f in ctx.findings[saved[1] :] if f.severity is Severity.ERROR), None)
        if inner is None:
            return [*first, *(new if graph is None else as_graph(rw, graph, new)), *later]
        ctx.needs, ctx.seen, ctx.translated, ctx.refused, ctx.renames = saved[0], *saved[2:]
        del ctx.findings[saved[1] :]
        return refused(rw, block, unit, inner.message, inner.hint, inner.node)
    return refused(rw, block, unit, unit.reason, "", unit.place)


def refused(rw: Rewriter, block: Block, unit: Unit, reason: str, hint: str, place: Any) -> list[Any]:
    """The original statements under one marker."""
    message = f"the training step is left as it is: {reason}"
    rw.ctx.seen += 1
    rw.ctx.refused += 1
    rw.ctx.findings.append(Finding(place, "XL220", Severity.ERROR, message, hint))
    out: list[Any] = []
    for item, origin in zip(block.items[unit.start : unit.end], block.origin[unit.start : unit.end], strict=True):
        node = origin if origin is not None else item
        if not out or out[-1] is not node:
            out.append(node)
    out[0] = rw.marked(out[0], [(place, Refusal("XL220", message))])
    return out


def region_lines(rw: Rewriter, plan: Plan, block: Block, low: int, high: int, regions: list[Region]) -> list[Any]:
    """The lines of a range of items, with the tapes that begin in it."""
    out: list[Any] = []
    i = low
    while i < high:
        here = [r for r in regions if r.start == i and r.end <= high]
        region = max(here, key=lambda r: r.end, default=None)
        if region is None:
            out += one(rw, plan, block.items[i])
            i += 1
            continue
        rest = [r for r in regions if r is not region]
        body = region_lines(rw, plan, block, i, region.end, rest)
        extra = plan.replaced.get((region.backward.statement, "loss")) or unnamed_outputs(plan, region)
        body += extra(rw) if extra is not None else []
        out.append(tape(rw, region, body))
        out += [s for s in body if empty(s)]
        regions, i = rest, region.end
    return out


def fit_loop(rw: Rewriter, node: cst.For) -> Any:
    """With ``--style fit``, a loop over epochs as `compile` and `fit`."""
    if rw.ctx.options.style is not Style.FIT:
        return None
    from .training_fit import fit_loop as fitted  # which few ask for

    return fitted(rw, node)


def unnamed_outputs(plan: Plan, region: Region) -> Any:
    """The line that names the outputs of an ``autograd.grad`` which are an expression."""
    found = plan.grads.get(region.backward.call)
    if found is None or plain(found.outputs):
        return None
    target = cst.AssignTarget(cst.Name(found.name))
    return lambda rw: [cst.SimpleStatementLine([cst.Assign([target], rw.visit(found.outputs))])]


def empty(line: Any) -> bool:
    """Whether a line holds only the comments of a statement that went."""
    return isinstance(line, cst.SimpleStatementLine) and not line.body


def hoisted(lines: list[Any]) -> list[Any]:
    """The lines, with comments that stand alone moved to the line that follows them."""
    out: list[Any] = []
    waiting: list[Any] = []
    for line in lines:
        if empty(line):
            waiting += line.leading_lines
        else:
            out.append(line.with_changes(leading_lines=[*waiting, *line.leading_lines]) if waiting else line)
            waiting = []
    return [*out, cst.SimpleStatementLine([], leading_lines=waiting)] if waiting else out


def tape(rw: Rewriter, region: Region, body: list[Any]) -> cst.With:
    """``with tf.GradientTape() as tape:`` around the lines; the comments of the first stay above it."""
    rw.ctx.needs.add("tf")
    body[:] = hoisted(body)
    real = [s for s in body if not empty(s)]
    lead = real[0].leading_lines
    real[0] = real[0].with_changes(leading_lines=[])
    watch = nodes.dotted(f"{region.tape}.watch")
    watched = [cst.Call(watch, [cst.Arg(rw.visit(w))]) for w in region.watched]
    real[:0] = [cst.SimpleStatementLine([cst.Expr(call)]) for call in watched]
    item = cst.WithItem(nodes.call("tf.GradientTape"), asname=cst.AsName(cst.Name(region.tape)))
    return cst.With([item], cst.IndentedBlock(real), leading_lines=lead)


# -- modes -------------------------------------------------------------------------------------------------


def mode_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``model.train()`` and ``model.eval()`` leave the model; what they say stands at its calls."""
    change = mode_change(ctx.facts, node)
    if change is None or not isinstance(new.func, cst.Attribute):
        return None
    if ctx.cls is not None and ctx.cls.module and not starts_in_eval(ctx, node):
        return Refusal("XL221", "a layer changes its own mode", "pass training= at the call")
    if partly(ctx, node):
        return Refusal("XL221", "the mode of a part of a model is changed", "pass training= where the part is called")
    return Edit(new.func.value)


def partly(ctx: Context, node: Any) -> bool:
    """Whether the mode of a part of a model is changed alone."""
    assert isinstance(node.func, cst.Attribute)
    target = node.func.value
    if not isinstance(target, cst.Attribute):
        return False
    return is_module(without_none(ctx.value(target.value)))


def mode_statement(ctx: Context, node: cst.Expr, new: cst.Expr) -> Outcome:
    """``model.train()`` as a statement goes, or is remembered where the mode depends on the run."""
    change = mode_change(ctx.facts, node.value)
    if change is None or nodes.code(new) == nodes.code(node):
        return None
    modes = modes_of(ctx.facts)
    key = modes.keys.get(node.value)
    if not remembered(ctx, key):
        return Edit([])
    call = node.value
    assert isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute)
    flag = ctx.updated(call.args[0].value) if call.args else nodes.literal(call.func.attr.value == "train")
    target = cst.Attribute(new.value, cst.Name("training"))
    return Edit(cst.Assign([cst.AssignTarget(target)], flag))


def remembered(ctx: Context, key: Any) -> bool:
    """Whether some call of a model needs its mode at run time."""
    modes = modes_of(ctx.facts)
    return any(overlap(modes.keys.get(n), key) and decided(found) is None for n, found in modes.calls.items())


def model_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """Calls of layers, with ``training=`` where a model is called from outside."""
    callee = without_none(ctx.value(node.func))
    if isinstance(callee, Instance) and unwraps(node, callee):
        return Edit(new.func)
    outcome = layer_call(ctx, node, new) or framework_layer_call(ctx, node, new)
    if isinstance(outcome, Refusal):
        return outcome
    if ctx.cls is not None and ctx.cls.module:
        flag = inner_mode(ctx, node)
        return with_mode(outcome, new, flag) if flag is not None else outcome
    found = modes_of(ctx.facts).calls.get(node)
    value = without_none(ctx.value(node.func))
    if (
        found is not None
        and isinstance(value, MethodOf)
        and decided(found) is not False
        and acts_otherwise(ctx, value.func)
    ):
        if value.func in modal_methods(ctx) and isinstance(new.func, cst.Attribute):
            return with_mode(outcome, new, mode_flag(found, new.func.value))
        message = f"`{value.func.name}` runs layers of a model that trains, outside of its call"
        return Refusal("XL221", message, "call the model itself, or give the method a training argument")
    if found is None or not is_module(value) or not has_modes(value):
        return outcome
    if any(a.keyword is not None and a.keyword.value == "training" for a in node.args):
        return outcome
    return with_mode(outcome, new, mode_flag(found, new.func))


def mode_flag(found: set[Any], model: Any) -> Any:
    """The mode of a call as an expression: where it depends on the run, what the model remembers."""
    mode = decided(found)
    if mode is None:
        return nodes.call("getattr", model, nodes.literal("training"), nodes.literal(True))
    return nodes.literal(mode)


def with_mode(outcome: Outcome, new: cst.Call, flag: Any) -> Edit:
    """The call with ``training=flag``."""
    call = outcome.node if isinstance(outcome, Edit) else new
    args = [a for a in call.args if a.keyword is None or a.keyword.value != "training"]
    needs = outcome.needs if isinstance(outcome, Edit) else ()
    return Edit(call.with_changes(args=[*args, nodes.keyword("training", flag)]), needs)


MODAL = (
    "Dropout",
    "Norm",
    "LSTM",
    "GRU",
    "RNN",
    "Attention",
    "Transformer",
    "RReLU",
    "Sequential",
    "Module",
    "Parallel",
)
"""Parts of the names of framework layers that act otherwise in training, or may hold one that does."""


def has_modes(value: Any) -> bool:
    """Whether a module may act otherwise in training: losses and plain functions do not."""
    for option in options_of(value):
        if not isinstance(option, Instance):
            return False
        api = option.api or ""
        if api.endswith("Loss") or api in SILENT:
            return False
        if api.startswith("torch.nn.") and not any(part in api for part in MODAL):
            return False
        if isinstance(option.cls, UserClass) and not any(
            is_module(without_none(a)) or not isinstance(a, Const) for c in option.cls.mro() for a in c.attrs.values()
        ):
            return False
    return True


def dropped_assign(ctx: Context, node: cst.Assign, new: cst.Assign) -> Outcome:
    """``data = data.to(device)`` leaves nothing to do."""
    if len(new.targets) != 1 or new.value is node.value:
        return None
    target, value = new.targets[0].target, new.value
    if isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
        target, value = target.with_changes(lpar=(), rpar=()), value.with_changes(lpar=(), rpar=())
    same = isinstance(target, cst.Name | cst.Attribute | cst.Tuple) and nodes.code(target) == nodes.code(value)
    return Edit([]) if same else None
