"""PyTorch Lightning: its modules stay what they are, under a base that trains as its `Trainer` does."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.lightning import driven
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Instance, options_of, without_none
from .lightning import BY_HAND
from .named import named


@named("lightning_trainer")
def trainer(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``Trainer(max_epochs=3)``: loops alike, without Lightning's files and bars."""
    from .api import to_call

    hint = "trainer.callback_metrics holds the metrics, model.save_weights(path) writes weights"
    ctx.note(node, "XL406", "Trainer: progress bars, log files and checkpoints of Lightning's are not written", hint)
    return to_call(ctx, row, call, new)


@named("lightning_run")
def lightning_run(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``trainer.fit(model, loader)`` and its like stay, where the model is one that is translated."""
    if call.problem:
        return Refusal("XL202", f"{call.api}: {call.problem}")
    for name in ("ckpt_path", "weights_only", "return_predictions"):
        if name in call.args and nodes.code(call.args[name].node) != "None":
            return Refusal("XL201", f"{call.api}: argument `{name}` is not translated", "load the weights before")
    given: Any = call.args.get("model")
    models = options_of(without_none(given.value)) if given is not None else ()
    if not all(isinstance(one, Instance) and driven(one.cls) for one in models):
        why = "it is not known which LightningModule this is for, or that one is left as it is"
        return Refusal("XL203", f"{call.api}: {why}", BY_HAND)
    return Edit(new)
