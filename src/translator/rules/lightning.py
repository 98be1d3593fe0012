"""PyTorch Lightning: which classes are left whole, and what their optimizers move."""

from __future__ import annotations

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.lightning import MODULE, driven, obstacle
from ..rewrite.context import Context, Refusal
from ..values import Instance, UserClass, Value

BY_HAND = (
    "make the class an nn.Module with a training loop of its own, which is translated; or write it as a keras.Model by "
    "hand: forward as call, training_step as train_step(self, data) with tf.GradientTape, configure_optimizers as "
    "compile(optimizer=...), Trainer(max_epochs=n).fit(...) as fit(..., epochs=n)"
)


def refused_base(ctx: Context, cls: UserClass, name: str) -> Refusal | None:
    """Why a class under Lightning's module is left whole."""
    why = obstacle(cls.node) if name == MODULE or driven(cls) else ""
    return Refusal("XL203", f"{MODULE} as a base class: {why}", BY_HAND) if why else None


def of_lightning(value: Value, name: str) -> bool:
    """Whether an attribute of a class or object is Lightning's, and none of the user's."""
    cls = value.cls if isinstance(value, Instance) else value
    return isinstance(cls, UserClass) and driven(cls) and cls.find(name) is None


def moves_itself(ctx: Context, call: BoundCall) -> bool:
    """Whether an optimizer is made for all parameters of the module that is being written."""
    given = call.args.get("params")
    if ctx.cls is None or not driven(ctx.cls) or given is None:
        return False
    names = [nodes.code(n) for n in nodes.walk(given.node) if isinstance(n, cst.Attribute)]
    return any(n.endswith(".parameters") for n in names)
