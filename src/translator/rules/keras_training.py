"""Training in Keras's way: `compile`, `fit`, tapes, training steps, and what they are told.

Keras's optimizers, losses and metrics take their arguments in another order than PyTorch's and compute slightly other
numbers, so helpers stand for them; the loops that `fit` hides are plain functions in the translation.
"""

from __future__ import annotations

import re
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.calls import TRAINING
from ..infer.facts import BoundCall
from ..infer.layers import module_base
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import UNKNOWN, Api, Const, Func, Instance, Seq, UserClass, Value, options_of, without_none
from .api import at_default, ctx_default, to_call
from .keras_layout import Perm, order
from .keras_masks import unread
from .named import named

LOSSES = {
    "MeanSquaredError": "mean_squared_error", "MeanAbsoluteError": "mean_absolute_error",
    "MeanAbsolutePercentageError": "mean_absolute_percentage_error",
    "MeanSquaredLogarithmicError": "mean_squared_logarithmic_error", "Huber": "huber", "LogCosh": "log_cosh",
    "Hinge": "hinge", "KLDivergence": "kl_divergence", "BinaryCrossentropy": "binary_crossentropy",
    "CategoricalCrossentropy": "categorical_crossentropy", "CosineSimilarity": "negative_cosine_similarity",
    "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy",
}  # fmt: skip
METRICS = {
    **LOSSES, "CosineSimilarity": "cosine_similarity", "BinaryAccuracy": "binary_accuracy",
    "CategoricalAccuracy": "categorical_accuracy", "SparseCategoricalAccuracy": "sparse_categorical_accuracy",
    "SparseTopKCategoricalAccuracy": "sparse_top_k_categorical_accuracy",
}  # fmt: skip
SHORT = {
    "mse": "mean_squared_error", "mae": "mean_absolute_error", "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error", "kld": "kl_divergence", "huber_loss": "huber", "logcosh": "log_cosh",
    "cosine_similarity": "negative_cosine_similarity",
}  # fmt: skip
OPTIMIZERS = {n.lower(): n for n in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax")}
OPTIONS = frozenset({"from_logits", "label_smoothing", "delta", "threshold", "k", "reduction"})
ACCURACY = frozenset({"accuracy", "acc"})
IGNORED = frozenset({"jit_compile", "run_eagerly", "steps_per_execution", "auto_scale_loss"})
"""Arguments of `compile` that only say how Keras runs."""
HELPERS = {
    "fit": "fit", "evaluate": "evaluate", "predict": "predict", "compile": "compile_model", "add_loss": "add_loss",
    "compute_loss": "compute_loss", "compiled_loss": "compute_loss",
}  # fmt: skip
TAKEN = {
    "fit": "x y batch_size epochs verbose callbacks validation_split validation_data shuffle class_weight "
           "sample_weight initial_epoch steps_per_epoch validation_steps validation_batch_size validation_freq",
    "evaluate": "x y batch_size verbose sample_weight steps callbacks return_dict",
    "predict": "x batch_size verbose steps",
    "compute_loss": "x y y_pred sample_weight",
    "add_loss": "loss",
}  # fmt: skip
EVIDENCE = {
    "compile": ("optimizer", "loss", "metrics"), "fit": ("epochs", "batch_size", "callbacks", "validation_data"),
    "evaluate": ("verbose", "batch_size"), "predict": ("verbose", "batch_size"),
}  # fmt: skip
"""Arguments that only such a method of a Keras model has."""
STEPS = frozenset({"train_step", "test_step", "predict_step"})


# -- optimizers, losses, metrics ------------------------------------------------------------------------------


@named("keras_optimizer")
def optimizer_object(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """An optimizer with state: Keras gives it gradients of embeddings row by row."""
    seen = ctx.facts.cache.get("keras_embeddings")
    if seen is None:
        seen = any(c.api == "keras.layers.Embedding" for c in ctx.facts.calls.values())
        ctx.facts.cache["keras_embeddings"] = seen
    if seen:
        ctx.note(node, "XL401", f"{call.api}: known deviation `sparse_grad`")
    return to_call(ctx, row, call, new)


@named("keras_loss")
def loss_object(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``MeanSquaredError()``: `Loss(mean_squared_error)`."""
    return function_object(ctx, call, "Loss", LOSSES[call.api.rsplit(".", 1)[-1]], {"name", "dtype"})


@named("keras_metric")
def metric_object(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``SparseCategoricalAccuracy(name="acc")``: `AverageOf(sparse_categorical_accuracy, name="acc")`."""
    return function_object(ctx, call, "AverageOf", METRICS[call.api.rsplit(".", 1)[-1]], {"dtype"}, {"name"})


def function_object(
    ctx: Context, call: BoundCall, helper: str, function: str, gone: set[str], more: set[str] | None = None
) -> Outcome:
    """An object that applies a helper function, with the options that the function takes."""
    options = {}
    for name, bound in call.args.items():
        if name in gone or at_default(ctx_default(call, name), bound):
            continue
        if name not in OPTIONS | (more or set()):
            return Refusal("XL201", f"{call.api}: argument `{name}` is not translated at this value")
        options[name] = nodes.bare(ctx.updated(bound.node), bound.node)
    if call.extra or call.varargs:
        return Refusal("XL202", f"{call.api}: which arguments it gets is not known here")
    if helper == "AverageOf" and function in ctx.taken and "name" not in options:
        options["name"] = nodes.literal(function)  # the helper gets another name, which is not the metric's
    made = nodes.call(helper, cst.Name(function), **options)
    return Edit(made, (f"helper:{helper}", f"helper:{function}"))


@named("keras_dataset")
def dataset(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``tf.data.Dataset.from_tensor_slices(...)``."""
    gone = ("name", "output_signature", "output_types", "output_shapes")
    kept = [a for a in new.args if a.keyword is None or a.keyword.value not in gone]
    func = nodes.dotted("Dataset." + call.api.rsplit(".", 1)[-1])
    return Edit(new.with_changes(func=func, args=trimmed(kept)), ("helper:Dataset",))


@named("keras_tape")
def tape(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A tape that no ``with`` statement opens."""
    return Refusal("XL203", "a tape is translated only where a `with` statement opens it")


def trimmed(args: list[cst.Arg]) -> list[cst.Arg]:
    """Arguments without a comma after the last."""
    return [*args[:-1], args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)] if args else args


# -- what a model is told ---------------------------------------------------------------------------------------


def training_call(ctx: Context, node: cst.Call, new: cst.Call) -> Outcome:
    """``model.fit(...)`` and its kin; ``tape.gradient(...)``."""
    if not isinstance(node.func, cst.Attribute) or not isinstance(new.func, cst.Attribute):
        return None
    name = node.func.attr.value
    if isinstance(node.func.value, cst.Call) and nodes.is_name(node.func.value.func, "super"):
        if name == "call" and ctx.cls is not None and module_base(ctx.cls) == "keras.Sequential":
            from .keras_calls import sequence_passes, without_training

            held = ctx.cls.find("<children>")
            if not isinstance(held, Instance) or sequence_passes(ctx, held, None, None) != (None, None):
                return Refusal("XL303", "the layers of this Sequential want another axis order than its own `call`")
            return Edit(new.with_changes(args=without_training(ctx, node, new)))
        inherited = name in STEPS or (name in HELPERS and name != "compile")
        return Refusal("XL203", f"Keras's own `{name}` is not translated here") if inherited else None
    if name == "set_weights" and (copied := weights_copied(node, new)) is not None:
        return copied
    if name in ("gradient", "watch") and nodes.code(node.func.value) in open_tapes(ctx):
        return taped(ctx, node, new, name)
    owner = without_none(ctx.value(node.func.value))
    if owner is UNKNOWN and (name in TRAINING or tells(name, node)) and not of_others(ctx, node.func.value):
        return Refusal("XL205", f"which model this `{name}` concerns is not known here", "annotate or pass the model")
    if name in FILES and is_model(owner):
        return in_file(ctx, node, new, name)
    if name == "get_weights" and node in handed_to(ctx, "set_weights"):
        return None
    if name in UNTRANSLATED and is_model(owner) and not own_method(owner, name):
        return Refusal("XL203", f"`{name}` of a Keras layer or model has no counterpart yet", UNTRANSLATED[name])
    if name not in HELPERS or not is_model(owner):
        return compiled(ctx, node, new, name)
    assert isinstance(owner, Instance)
    if own_method(owner, name):
        return None
    args = [a for a in new.args if a.star or a.keyword is None or a.keyword.value not in IGNORED]
    if any(a.star for a in args):
        return Refusal("XL202", f"`{name}` of a Keras model: which arguments it gets is not known here")
    if name == "compile":
        unread(results(owner), "the loss of what this model gives")
        return compiled_model(ctx, node, new, owner)
    helper = HELPERS[name]
    known = TAKEN[helper].split()
    for arg in args:
        if arg.keyword is not None and arg.keyword.value not in known:
            return Refusal("XL201", f"`{name}` of a Keras model: argument `{arg.keyword.value}` is not translated")
    if name == "predict":
        args += dims_of(ctx, owner)
    func = cst.Name(helper)
    made = new.with_changes(func=func, args=trimmed([cst.Arg(nodes.bare(new.func.value, node.func.value)), *args]))
    return Edit(made, (f"helper:{helper}",))


FILES = {
    "save_weights": "torch.save({model}.state_dict(), {path})", "save": "torch.save({model}, {path})",
    "load_weights": "{model}.load_state_dict(torch.load({path}))",
}  # fmt: skip
AXES = "read the parameters by name: their axes are PyTorch's"
UNTRANSLATED = {
    "get_weights": AXES, "set_weights": AXES, "get_layer": "name the module's attribute",
    "count_params": "sum(p.numel() for p in model.parameters())", "to_json": "", "to_yaml": "", "export": "",
    "train_on_batch": "", "test_on_batch": "", "predict_on_batch": "call the model", "reset_states": "",
    "fit_generator": "use fit", "evaluate_generator": "use evaluate", "predict_generator": "use predict",
    "compute_output_shape": "", "stateless_call": "", "save_own_variables": "", "load_own_variables": "",
    "get_input_at": "", "get_output_at": "", "pop": "", "reset_metrics": "",
}  # fmt: skip
"""Methods of Keras's models, with what to do instead."""


def handed_to(ctx: Context, method: str) -> set[cst.CSTNode]:
    """What methods of a name are called with."""
    key = f"handed to {method}"
    if key not in ctx.facts.cache:
        calls = (n for tree in ctx.facts.trees for n in nodes.walk(tree) if isinstance(n, cst.Call))
        named = (c for c in calls if isinstance(c.func, cst.Attribute) and c.func.attr.value == method)
        ctx.facts.cache[key] = {a.value for c in named if len(c.args) == 1 for a in c.args}
    return ctx.facts.cache[key]  # type: ignore[no-any-return]


def own_method(owner: Value, name: str) -> bool:
    """Whether the project defines a method itself."""
    return isinstance(owner, Instance) and isinstance(owner.cls, UserClass) and owner.cls.find(name) is not None


def in_file(ctx: Context, node: cst.Call, new: cst.Call, name: str) -> Outcome:
    """``model.save_weights(path)``: the weights are the same, the file's format is PyTorch's."""
    if own_method(without_none(ctx.value(node.func.value)), name):  # type: ignore[union-attr]
        return None
    given = [a for a in new.args if a.keyword is None or a.keyword.value == "filepath"]
    rest = [a.keyword.value for a in new.args if a not in given and a.keyword is not None]
    if len(given) != 1 or given[0].star or set(rest) - {"overwrite", "save_format"}:
        return Refusal("XL201", f"`{name}` of a Keras model: argument `{(rest or ['*'])[0]}` is not translated")
    ctx.note(node, "XL409", f"`{name}` now has PyTorch's file format: files of Keras are not read",
             "convert them with `xlate weights`")  # fmt: skip
    model = nodes.bare(new.func.value, node.func.value)  # type: ignore[union-attr]
    parts = {"model": nodes.parenthesized(model), "path": given[0].value}
    return Edit(nodes.template(FILES[name], parts), ("torch",))


def weights_copied(node: cst.Call, new: cst.Call) -> Outcome:
    """``target.set_weights(model.get_weights())``."""
    given = node.args[0].value if len(node.args) == 1 else None
    made = new.args[0].value if given is not None else None
    asked = isinstance(given, cst.Call) and isinstance(given.func, cst.Attribute) and not given.args
    if not asked or given.func.attr.value != "get_weights" or not isinstance(made, cst.Call):  # type: ignore[union-attr]
        return None
    state = cst.Call(made.func.with_changes(attr=cst.Name("state_dict")), [])
    return Edit(cst.Call(new.func.with_changes(attr=cst.Name("load_state_dict")), [cst.Arg(state)]))


def tells(name: str, node: cst.Call) -> bool:
    """Whether a method is given arguments that only Keras's models take."""
    return any(a.keyword is not None and a.keyword.value in EVIDENCE.get(name, ()) for a in node.args)


def of_others(ctx: Context, node: cst.BaseExpression) -> bool:
    """Whether a variable or an attribute is only ever set to what another library makes."""
    if isinstance(node, cst.Call):
        return made_elsewhere(ctx, node)
    text, values = nodes.code(node), []
    for tree in ctx.facts.trees:
        for part in nodes.walk(tree):
            if isinstance(part, cst.Assign) and any(nodes.code(t.target) == text for t in part.targets):
                values.append(part.value)
    return bool(values) and all(isinstance(v, cst.Call) and made_elsewhere(ctx, v) for v in values)


def made_elsewhere(ctx: Context, node: cst.Call) -> bool:
    """Whether another library's function or class is called, or a method of what it made."""
    func = ctx.value(node.func)
    if isinstance(func, Api):
        return func.name.split(".", 1)[0] not in ctx.dialect.roots | {"builtins"}
    chained = isinstance(node.func, cst.Attribute) and isinstance(node.func.value, cst.Call)
    return chained and made_elsewhere(ctx, node.func.value)  # type: ignore[union-attr]


def compiled(ctx: Context, node: cst.Call, new: cst.Call, name: str) -> Outcome:
    """``self.compiled_metrics.update_state(y, y_pred)``."""
    func = node.func.value  # type: ignore[union-attr]
    if name != "update_state" or not isinstance(func, cst.Attribute) or func.attr.value != "compiled_metrics":
        return None
    if not is_model(without_none(ctx.value(func.value))):
        return None
    owner = nodes.bare(new.func.value.value, func.value)  # type: ignore[union-attr]
    return Edit(new.with_changes(func=cst.Name("update_metrics"), args=[cst.Arg(owner), *new.args]),
                ("helper:update_metrics",))  # fmt: skip


def is_model(owner: Value) -> bool:
    """Whether something is a model or a layer that a program may train."""
    if not isinstance(owner, Instance):
        return False
    if isinstance(owner.cls, UserClass):
        return owner.cls.module
    return owner.cls.name.startswith(("keras.Model", "keras.Seq", "keras.layers.Layer"))


def compiled_model(ctx: Context, node: cst.Call, new: cst.Call, owner: Instance) -> Outcome:
    """``model.compile("adam", "mse", ["accuracy"])``."""
    names = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
    given: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for i, (old, arg) in enumerate(zip(node.args, new.args, strict=True)):
        name = old.keyword.value if old.keyword is not None else names[i] if i < len(names) else ""
        if name in IGNORED:
            continue
        if name not in names:
            return Refusal("XL201", f"`compile` of a Keras model: argument `{name}` is not translated")
        given[name], values[name] = arg.value, old.value
    needs = {"helper:compile_model"}
    makers = {"optimizer": optimizer_of, "loss": loss_of, "metrics": metric_of, "weighted_metrics": metric_of}
    written = {}
    for name, value in given.items():
        if ctx.value(values[name]) == Const(None):
            continue
        made = several(ctx, values[name], value, makers[name], needs) if name in makers else value
        if isinstance(made, Refusal):
            return made
        written[name] = made
    args = [nodes.keyword(n, v) for n, v in written.items()] + dims_of(ctx, owner)
    receiver = nodes.bare(new.func.value, node.func.value)  # type: ignore[union-attr]
    call = cst.Call(cst.Name("compile_model"), [cst.Arg(receiver), *args])
    return Edit(broken(call), tuple(sorted(needs)))


def broken(call: cst.Call) -> cst.Call:
    """A call that is too long for a line has a line for each argument."""
    if len(nodes.code(call)) < 90:
        return call
    space = cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace("    "))
    end = cst.ParenthesizedWhitespace(indent=True)
    args = [a.with_changes(comma=cst.Comma(whitespace_after=space)) for a in call.args]
    args[-1] = args[-1].with_changes(comma=cst.Comma(whitespace_after=end))
    return call.with_changes(args=args, whitespace_before_args=space)


def several(ctx: Context, node: Any, new: Any, make: Any, needs: set[str]) -> Any:
    """One thing or a list of them."""
    if isinstance(node, cst.Dict):
        return Refusal("XL203", "what is given for each output by name is not translated", "give lists")
    if not isinstance(node, cst.List | cst.Tuple):
        return make(ctx, node, new, needs)
    elements = []
    for old, element in zip(node.elements, new.elements, strict=True):
        made = several(ctx, old.value, element.value, make, needs)
        if isinstance(made, Refusal):
            return made
        elements.append(element.with_changes(value=made))
    return new.with_changes(elements=elements)


def text_of(ctx: Context, node: Any) -> str | None:
    value = ctx.value(node)
    return value.value if isinstance(value, Const) and isinstance(value.value, str) else None


def optimizer_of(ctx: Context, node: Any, new: Any, needs: set[str]) -> Any:
    """``"adam"``: `Adam()`."""
    text = text_of(ctx, node)
    if text is None:
        return nodes.bare(new, node)
    name = OPTIMIZERS.get(text.lower())
    if name is None:
        return Refusal("XL203", f"the optimizer {text!r} is not translated")
    needs.add(f"helper:{name}")
    return nodes.call(name)


def loss_of(ctx: Context, node: Any, new: Any, needs: set[str]) -> Any:
    """``"mse"``: `Loss(mean_squared_error)`; a function of the program's is wrapped."""
    text = text_of(ctx, node)
    if text is not None:
        name = SHORT.get(text.lower(), text)
        if name not in LOSSES.values():
            return Refusal("XL203", f"the loss {text!r} is not translated")
        needs.update({"helper:Loss", f"helper:{name}"})
        return nodes.call("Loss", cst.Name(name))
    value = without_none(ctx.value(node))
    plain = isinstance(value, Func) or (isinstance(value, Api) and value.name.rsplit(".", 1)[-1].islower())
    if plain:
        needs.add("helper:Loss")
        return nodes.call("Loss", nodes.bare(new, node))
    if isinstance(value, Instance) or ctx.value(node) is UNKNOWN:
        return nodes.bare(new, node)
    return Refusal("XL209", "which loss this is is not known here")


def metric_of(ctx: Context, node: Any, new: Any, needs: set[str]) -> Any:
    """``"accuracy"``: `AverageOf(accuracy)`."""
    text = text_of(ctx, node)
    if text is not None:
        name = "accuracy" if text in ACCURACY else "cosine_similarity" if text == "cosine_similarity" else ""
        name = name or SHORT.get(text.lower(), text)
        if name not in METRICS.values() and name != "accuracy":
            return Refusal("XL203", f"the metric {text!r} is not translated")
        needs.update({"helper:AverageOf", f"helper:{name}"})
        said = {} if text == name and name not in ctx.taken else {"name": nodes.literal(text)}
        return nodes.call("AverageOf", cst.Name(name), **said)
    value = without_none(ctx.value(node))
    if isinstance(value, Func):
        needs.add("helper:AverageOf")
        return nodes.call("AverageOf", nodes.bare(new, node))
    return nodes.bare(new, node)


# -- axes between data and model ---------------------------------------------------------------------------


def dims_of(ctx: Context, owner: Instance) -> list[cst.Arg]:
    """How data and model differ in their axes, as arguments.

    Raises:
        Refused: where that is not known.
    """
    taken, given = model_orders(ctx, owner)
    out = []
    for name, perms in (("input_dims", taken), ("output_dims", [inverse(p) for p in given])):
        if any(perms):
            each = [nodes.literal(p) for p in perms]
            out.append(nodes.keyword(name, each[0] if len(each) == 1 else cst.List([cst.Element(e) for e in each])))
    return out


def inverse(perm: Perm) -> Perm:
    """The order that undoes another."""
    return tuple(perm.index(i) for i in range(len(perm))) if perm else None


def model_orders(ctx: Context, owner: Instance) -> tuple[list[Perm], list[Perm]]:
    """The axis orders in which a model takes its inputs, and gives its outputs."""
    from .keras_calls import sequence_passes

    if isinstance(owner.cls, UserClass):
        if owner.cls.methods.get("train_step"):
            return [None], [None]  # its own step calls it
        forward = owner.cls.find("call")
        if not isinstance(forward, Func):
            return [None], [None]
        named_params = [p.name.value for p in forward.node.params.params[1:]]
        params = [n for n in named_params if n not in ("training", "mask")]
        first = forward.start.get(params[0], UNKNOWN) if params else UNKNOWN
        return [order(v) for v in listed(first)], [order(v) for v in listed(forward.returns or UNKNOWN)]
    if owner.cls.name == "keras.Sequential":
        start, end = sequence_passes(ctx, owner, None, None)
        return [start], [end]
    inputs, outputs = owner.args.get("inputs", UNKNOWN), owner.args.get("outputs", UNKNOWN)
    return [order(v) for v in listed(inputs)], [order(v) for v in listed(outputs)]


def results(owner: Instance) -> Value:
    """What a model gives."""
    if isinstance(owner.cls, UserClass):
        forward = owner.cls.find("call")
        return (forward.returns or UNKNOWN) if isinstance(forward, Func) else UNKNOWN
    return owner.args.get("<out>" if owner.cls.name == "keras.Sequential" else "outputs", UNKNOWN)


def listed(value: Value) -> list[Value]:
    value = without_none(value)
    return list(value.items) if isinstance(value, Seq) and value.items else [value]


# -- tapes -------------------------------------------------------------------------------------------------


def open_tapes(ctx: Context) -> dict[str, bool]:
    """The tapes of the function at hand; whether another tape was open around each."""
    node = ctx.func.node if ctx.func is not None else ctx.tree
    cache = ctx.facts.cache.setdefault("keras_tapes", {})
    if node not in cache:
        cache[node] = found = {}

        def look(part: Any, inside: bool) -> None:
            if isinstance(part, cst.FunctionDef | cst.ClassDef) and part is not node:
                return
            if isinstance(part, cst.With):
                tapes = [i for i in part.items if is_tape(ctx, i)]
                for item in tapes:
                    if item.asname is not None:
                        found[nodes.code(item.asname.name)] = inside
                inside = inside or bool(tapes)
            for child in part.children:
                look(child, inside)

        look(node, False)
    return cache[node]  # type: ignore[no-any-return]


def is_tape(ctx: Context, item: cst.WithItem) -> bool:
    call = ctx.call(item.item)
    return call is not None and call.api == "tf.GradientTape"


def applies_gradients(ctx: Context) -> bool:
    """Whether the function at hand takes a step itself: then nothing differentiates its gradients once more."""
    node = ctx.func.node if ctx.func is not None else ctx.tree
    calls = (n for n in nodes.walk(node) if isinstance(n, cst.Attribute))
    return any(c.attr.value in ("apply_gradients", "apply", "assign_sub") for c in calls)


def taped(ctx: Context, node: cst.Call, new: cst.Call, name: str) -> Outcome:
    """``tape.gradient(loss, variables)``, ``tape.watch(x)``."""
    if name == "watch":
        value = nodes.bare(new.args[0].value, node.args[0].value)
        return Edit(cst.Call(cst.Attribute(nodes.parenthesized(value), cst.Name("requires_grad_")), []))
    args = []
    for arg in new.args:
        if arg.keyword is not None and arg.keyword.value not in ("target", "sources", "output_gradients"):
            return Refusal("XL201", f"GradientTape.gradient: argument `{arg.keyword.value}` is not translated")
        args.append(arg)
    if open_tapes(ctx)[nodes.code(node.func.value)] or not applies_gradients(ctx):  # type: ignore[union-attr]
        args = [*trimmed(args), nodes.keyword("create_graph", cst.Name("True"))]
    return Edit(new.with_changes(func=cst.Name("gradient"), args=args), ("helper:gradient",))


SCOPES = frozenset({
    "tf.name_scope", "keras.name_scope", "keras.backend.name_scope", "tf.compat.v1.name_scope", "tf.device",
    "tf.control_dependencies", "tf.compat.v1.control_dependencies", "tf.init_scope",
})  # fmt: skip
"""Blocks that name what is in them, or say where and in which order a graph runs."""


def is_scope(ctx: Context, node: cst.With, item: cst.WithItem) -> bool:
    """Whether a block has no meaning in PyTorch: its name, if it has one, is only passed on as a name."""
    call = ctx.call(item.item)
    if call is None or ctx.tables.canonical(call.api) not in SCOPES:
        return False
    if item.asname is None:
        return True
    names = {n.value for n in nodes.walk(item.asname) if isinstance(n, cst.Name)}
    told = (a for a in nodes.walk(node.body) if isinstance(a, cst.Arg) and a.keyword is not None)
    passed = {id(a.value) for a in told if a.keyword is not None and a.keyword.value == "name"}
    reads = (n for n in nodes.walk(node.body) if isinstance(n, cst.Name) and n.value in names)
    return all(id(n) in passed for n in reads)


def with_tape(rewriter: Any, node: cst.With) -> Any:
    """``with tf.GradientTape() as tape:``: PyTorch always records, so the block needs no header."""
    ctx = rewriter.ctx
    tapes = [i for i in node.items if is_tape(ctx, i) or is_scope(ctx, node, i)]
    if not tapes or not isinstance(node.body, cst.IndentedBlock):
        return None
    ctx.seen += 1
    ctx.translated += 1
    if len(tapes) < len(node.items):
        rest = [i for i in node.items if i not in tapes]
        rest[-1] = rest[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return rewriter.bodies(node, node.with_changes(items=rest))
    body = [*first_computed(rewriter, tapes), *rewriter.block(node.body.body)]
    if body and hasattr(body[0], "leading_lines"):
        body[0] = body[0].with_changes(leading_lines=[*node.leading_lines, *body[0].leading_lines])
    return body


def first_computed(rewriter: Any, items: list[cst.WithItem]) -> list[Any]:
    """What `tf.control_dependencies` is told to compute before its block, where that has no name yet."""
    out = []
    for item in items:
        call = rewriter.ctx.call(item.item)
        if call is None or not call.api.endswith("control_dependencies"):
            continue
        listed = call.args["control_inputs"].node
        for element in listed.elements if isinstance(listed, cst.List | cst.Tuple) else ():
            if isinstance(element.value, cst.Call):
                line = cst.SimpleStatementLine([cst.Expr(element.value)])
                rewriter.ctx.facts.touched.add(line)
                made = rewriter.line(line)
                out += made if isinstance(made, list) else [made]
    return out


# -- modes -------------------------------------------------------------------------------------------------


def moded(ctx: Context, node: cst.Call, func: Any) -> Any:
    """What is called, in the mode that the call asks for: ``model.train()(x)``.

    PyTorch's modules keep their mode; Keras's calls say it, or mean inference where they do not.
    """
    given = next((a.value for a in node.args if a.keyword is not None and a.keyword.value == "training"), None)
    if within_forward(ctx):
        return func
    if given is None:
        return in_mode(func, "eval") if in_step(ctx) and not modeless(ctx.value(node.func)) else func
    value = ctx.value(given)
    if isinstance(value, Const) and value.value in (True, False):
        return in_mode(func, "train" if value.value else "eval")
    return in_mode(func, "train", nodes.bare(ctx.updated(given), given))


SAME_IN_BOTH = re.compile(
    r"keras\.layers\.(Dense|Flatten|Reshape|Embedding|LayerNormalization|LSTM|GRU|\w*(Conv|Pooling)\w*)$"
)
"""Layers that compute the same in training and inference."""


def modeless(value: Value) -> bool:
    """Whether a model is a `tf.Module`, which knows no modes, and holds nothing that does."""
    owner = without_none(value)
    if not isinstance(owner, Instance) or not isinstance(owner.cls, UserClass):
        return False
    bases = [b for c in owner.cls.mro() for b in c.bases if not isinstance(b, UserClass)]
    held = [o for v in owner.cls.attrs.values() for o in options_of(v) if isinstance(o, Instance)]
    plain = all(o.api is not None and SAME_IN_BOTH.match(o.api) for o in held)
    plain &= not any("dropout" in name for o in held for name in o.args)
    return plain and bool(bases) and all(isinstance(b, Api) and b.name == "tf.Module" for b in bases)


def in_mode(func: Any, mode: str, *args: Any) -> Any:
    """``model.eval()``."""
    return cst.Call(cst.Attribute(nodes.parenthesized(func), cst.Name(mode)), [cst.Arg(a) for a in args])


def within_forward(ctx: Context) -> bool:
    """Whether the code at hand is part of a module's own computation, whose mode its caller set."""
    if ctx.claim is not None:
        return True
    return ctx.func is not None and ctx.func.owner is not None and ctx.func.owner.module and not in_step(ctx)


def in_step(ctx: Context) -> bool:
    """Whether the code at hand is a training step."""
    func = ctx.func
    if func is not None and func.owner is not None and func.owner.module and func.name in STEPS:
        return True
    return bool(open_tapes(ctx))
