"""Helpers of a translation the other way, read back as the Keras layers that they stand for."""

from __future__ import annotations

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from ..values import Const
from .named import named


@named("emitted_recurrent")
def recurrent(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """``KerasLSTM(9, 7, return_sequences=True)``: Keras's layer finds the size of its input itself."""
    if call.problem or call.extra or call.varargs:
        return Refusal("XL202", f"{call.api}: which arguments it gets is not known here")
    both = call.args.get("bidirectional")
    if both is not None and not isinstance(both.value, Const):
        return Refusal("XL201", f"{call.api}: whether it runs in both directions is not known here")
    given = {n: ctx.updated(call.args[n].node) for n in ("return_sequences", "return_state") if n in call.args}
    kind = "GRU" if call.api.endswith("GRU") else "LSTM"
    units = nodes.bare(ctx.updated(call.args["hidden_size"].node), call.args["hidden_size"].node)
    made = nodes.call(f"keras.layers.{kind}", units, **given)
    if both is not None and both.value == Const(True):
        made = nodes.call("keras.layers.Bidirectional", made)
    return Edit(made, ("keras",))
