"""Rows of training APIs that need a rule: optimizers, and parts of a step that stand alone."""

from __future__ import annotations

import ast
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..model import Fidelity
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Const, python_type
from .lightning import moves_itself
from .named import named
from .training_params import Program, Unresolved, groups_of, resolved

LIBRARY = frozenset({"foreach", "fused", "capturable", "differentiable"})
"""Arguments about how PyTorch computes, not what."""
SPARSE = frozenset({
    "torch.nn.Embedding", "torch.nn.EmbeddingBag", "torch.nn.functional.embedding", "torch.nn.functional.embedding_bag",
    "torch.index_select", "torch.Tensor.index_select",
})  # fmt: skip
CYCLING = frozenset({"torch.optim.lr_scheduler.OneCycleLR", "torch.optim.lr_scheduler.CyclicLR"})
"""Schedulers that change momentum or the first beta too, which the helpers let them."""
KERAS = {
    "SGD": {"lr": "learning_rate", "momentum": "momentum", "nesterov": "nesterov"},
    "Adam": {"lr": "learning_rate", "eps": "epsilon", "amsgrad": "amsgrad"},
    "AdamW": {"lr": "learning_rate", "eps": "epsilon", "weight_decay": "weight_decay", "amsgrad": "amsgrad"},
    "Adadelta": {"lr": "learning_rate", "rho": "rho", "eps": "epsilon"},
}
"""Keras optimizers that act as PyTorch's do but for where the epsilon stands."""


@named("training_part")
def training_part(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A part of a training step that stands where no step was recognised, or a step with a closure."""
    made = ctx.steps.closure_steps.get(node) if ctx.steps else None
    if made is not None:
        return made(ctx)
    return Refusal("XL220", f"{call.api}: the training step that it belongs to is not recognised")


@named("optimizer")
def optimizer(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``optim.Adam(model.parameters(), lr=1e-3)``: the variables are given at the step, not here."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    program = Program.of(ctx.facts)
    if moves_itself(ctx, call):
        return single(ctx, row, call, options(call))
    try:
        groups = groups_of(program, node)
    except Unresolved as error:
        return Refusal("XL220", f"{call.api}: {error}")
    if len(groups) > 1 or has_options(program, call):
        return grouped(ctx, row, call, node, program)
    return single(ctx, row, call, options(call))


def options(call: BoundCall) -> dict[str, Any]:
    """The arguments that matter, by PyTorch's names: (node, value)."""
    return {k: b for k, b in call.args.items() if k != "params" and k not in LIBRARY}


def has_options(program: Program, call: BoundCall) -> bool:
    """Whether parameters are given as dicts."""
    node = resolved(program, call.args["params"].node)
    return isinstance(node, cst.List) and bool(node.elements) and isinstance(node.elements[0].value, cst.Dict)


def single(ctx: Context, row: Row, call: BoundCall, given: dict[str, Any]) -> Outcome:
    """One optimizer: Keras's own where it acts the same, the helper else."""
    name = call.api.rsplit(".", 1)[-1]
    if plain(ctx, name, call, given):
        arguments = keras_arguments(ctx, name, call, given)
        if arguments is not None:
            if name.startswith("Adam"):
                ctx.note(call.node, "XL401", f"{call.api}: known deviation `adam_eps`")
            return Edit(nodes.call(f"keras.optimizers.{name}", **arguments), ("keras",))
    helper = row.helper
    assert helper is not None
    arguments = {"learning_rate" if k == "lr" else k: ctx.updated(b.node) for k, b in given.items()}
    return Edit(nodes.call(helper, **arguments), (f"helper:{helper}",))


def plain(ctx: Context, name: str, call: BoundCall, given: dict[str, Any]) -> bool:
    """Whether the Keras optimizer of this name does what PyTorch's does, with these arguments in this program."""
    from .api import at_default, ctx_default

    if ctx.options.fidelity is Fidelity.EXACT or name not in KERAS:
        return False
    if any(c.api in SPARSE for c in ctx.facts.calls.values()) and name != "SGD":
        return False
    if any(c.api in CYCLING for c in ctx.facts.calls.values()):
        return False
    for key, bound in given.items():
        if key in KERAS[name] or (key == "betas" and name.startswith("Adam")):
            continue
        if not at_default(ctx_default(call, key), bound):
            return False
    momentum = given.get("momentum")
    still = momentum is None or momentum.value in (Const(0), Const(0.0))
    return name != "SGD" or still or not rate_changes(ctx)


def rate_changes(ctx: Context) -> bool:
    """Whether the program may change a learning rate as it runs."""
    if any(".lr_scheduler." in c.api for c in ctx.facts.calls.values()):
        return True
    return any(
        type(n) is cst.Attribute and n.attr.value == "param_groups" for t in ctx.facts.trees for n in nodes.walk(t)
    )


def keras_arguments(ctx: Context, name: str, call: BoundCall, given: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments of the Keras optimizer; ``None`` if one of them cannot be written."""
    out: dict[str, Any] = {}
    for key, target in KERAS[name].items():
        if key in given:
            out[target] = (
                as_float(ctx.updated(given[key].node), given[key].value)
                if key != "nesterov"
                else ctx.updated(given[key].node)
            )
        elif key in ("lr", "eps", "weight_decay", "rho") and key in call.defaults:
            out[target] = nodes.literal(ast.literal_eval(call.defaults[key]))
    if "betas" in given:
        pair = given["betas"].node
        if not isinstance(pair, cst.Tuple | cst.List) or len(pair.elements) != 2:
            return None
        first, second = (ctx.updated(e.value) for e in pair.elements)
        out = {"learning_rate": out.pop("learning_rate"), "beta_1": first, "beta_2": second, **out}
    return out


def as_float(node: Any, value: Any) -> Any:
    """Keras wants rates as floats."""
    if isinstance(value, Const) and type(value.value) is int and isinstance(node, cst.Integer):
        return nodes.literal(float(value.value))
    return node if python_type(value) != "int" else nodes.call("float", node)


def grouped(ctx: Context, row: Row, call: BoundCall, node: cst.Call, program: Program) -> Outcome:
    """Several parameter groups: one helper optimizer for each, in a `ParameterGroups`."""
    listed = resolved(program, call.args["params"].node)
    if not isinstance(listed, cst.List):
        return Refusal("XL220", f"{call.api}: its parameter groups are not written out in the call")
    common = options(call)
    parts = []
    for element in listed.elements:
        assert isinstance(element.value, cst.Dict)
        given = {k: ctx.updated(b.node) for k, b in common.items()}
        for pair in element.value.elements:
            key = (
                pair.key.evaluated_value
                if isinstance(pair, cst.DictElement) and isinstance(pair.key, cst.SimpleString)
                else None
            )
            if not isinstance(key, str):
                return Refusal("XL220", f"{call.api}: the options of a parameter group are not written out")
            if key not in ("params", "name"):
                if pair.value not in ctx.new and any(n in ctx.facts.calls for n in nodes.walk(pair.value)):
                    return Refusal("XL220", f"{call.api}: `{key}` of a parameter group is computed elsewhere")
                given[key] = ctx.updated(pair.value)
        arguments = {"learning_rate" if k == "lr" else k: v for k, v in given.items()}
        parts.append(nodes.call(row.helper or "", **arguments))
    if len(parts) == 1:
        return Edit(parts[0], (f"helper:{row.helper}",))
    made = nodes.call("ParameterGroups", cst.List([cst.Element(p) for p in parts]))
    return Edit(made, (f"helper:{row.helper}", "helper:ParameterGroups"))


@named("same_call")
def same_call(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The helper takes what the source takes."""
    assert row.helper is not None
    return Edit(new.with_changes(func=nodes.dotted(row.helper)), (f"helper:{row.helper}",))


@named("keep")
def keep(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A method that the helper has under the same name."""
    return Edit(new)


WORKERS = {
    "worker_init_fn": "the translated loader's workers are threads of this process: they share its random state",
    "timeout": "the translated loader waits for its threads without a limit",
    "multiprocessing_context": "the translated loader's workers are threads",
    "in_order": "the translated loader gives batches in order",
}
"""Arguments of a loader that its translation does without, and why."""


@named("data_loader")
def data_loader(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``DataLoader``: what concerns processes goes, with a word on it."""
    from .api import at_default, ctx_default, to_call

    for name, why in WORKERS.items():
        if name in call.args and not at_default(ctx_default(call, name), call.args[name]):
            ctx.note(call.args[name].node, "XL406", f"DataLoader: `{name}` is dropped: {why}")
    return to_call(ctx, row, call, new)


@named("no_effect")
def no_effect(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A call that changes speed or memory, not results."""
    ctx.note(node, "XL406", f"{call.api} is dropped: TensorFlow manages devices, memory and threads itself")
    return Edit(cst.Name("None"))


@named("deterministic")
def deterministic(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.use_deterministic_algorithms(True)``."""
    mode = call.args.get("mode")
    if mode is None or mode.value != Const(True):
        return Refusal("XL201", f"{call.api}: TensorFlow's determinism can only be switched on")
    return Edit(nodes.call("tf.config.experimental.enable_op_determinism"), ("tf",))


@named("uncompiled")
def uncompiled(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``torch.compile(model)`` is the model."""
    model = call.args.get("model")
    if model is None:
        return Refusal("XL202", f"{call.api}: what is compiled is not given")
    ctx.note(node, "XL406", "torch.compile is dropped", "wrap the step in tf.function(jit_compile=True) where it pays")
    return Edit(ctx.updated(model.node))


@named("unwrapped")
def unwrapped(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``DataParallel(model)`` is the model."""
    model = call.args.get("module")
    if model is None or model.star:
        return Refusal("XL202", f"{call.api}: the model that is wrapped is not given")
    name = call.api.rpartition(".")[2]
    hint = "for several devices, make model and optimizer under tf.distribute.MirroredStrategy().scope()"
    ctx.note(node, "XL406", f"{name} is dropped: the translation trains in one process, on one device", hint)
    return Edit(ctx.updated(model.node))


@named("one_of_one")
def one_of_one(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """What processes do together changes nothing where there is one."""
    wait = call.args.get("async_op")
    if wait is not None and wait.value != Const(False):
        return Refusal("XL201", f"{call.api}: with `async_op` it gives something to wait for, which is not translated")
    ctx.note(node, "XL406", f"{call.api} is dropped: the translation trains in one process")
    return Edit(cst.Name("None"))
