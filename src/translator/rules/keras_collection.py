"""Functions around Keras's model collection: `imagenet_utils`, files, and what only documents them."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.facts import BoundCall
from ..infer.keras_graph import CHANNELS_FIRST
from ..rewrite.context import Context, Edit, Outcome
from ..tables.schema import Row
from ..values import as_tensor
from .keras_layout import moved, order, rank_of
from .named import named


def _renamed(name: str, drop: tuple[str, ...] = ()) -> Any:
    """A rule that keeps a call's arguments and calls a helper with the same parameters."""

    def rule(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
        args = [a for a in new.args if a.keyword is None or a.keyword.value not in drop]
        return Edit(new.with_changes(func=cst.Name(name), args=args), (f"helper:{name}",))

    return rule


named("keras_get_file")(_renamed("get_file"))
named("keras_path_exists")(_renamed("path_exists"))
named("keras_obtain_input_shape")(_renamed("obtain_input_shape"))
named("keras_validate_activation")(_renamed("validate_activation"))
named("keras_preprocess_input")(_renamed("imagenet_preprocess"))
named("keras_decode_predictions")(_renamed("imagenet_decode"))


@named("keras_correct_pad")
def correct_pad(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """The helper takes the tensor channels-first."""
    source = node.args[0].value
    tensor = as_tensor(ctx.value(source))
    have = order(tensor) if tensor is not None else None
    want = CHANNELS_FIRST[4] if rank_of(tensor) in (4, None) else None
    first = cst.Arg(moved(new.args[0].value, have, want))
    rest = [cst.Arg(a.value) for a in new.args[1:]]
    return Edit(nodes.call("correct_pad", first, *rest), ("helper:correct_pad",))


def documents(ctx: Context, node: cst.Assign) -> list[cst.CSTNode]:
    """``f.__doc__ = imagenet_utils.TEXT.format(...)``: the text stays behind with Keras, see `undocumented`."""
    return list(nodes.walk(node.value)) if borrowed(ctx, node) else []


def borrowed(ctx: Context, node: cst.Assign) -> bool:
    """Whether a docstring is taken from the framework."""
    target = node.targets[0].target
    if not isinstance(target, cst.Attribute) or target.attr.value != "__doc__":
        return False
    roots = ctx.dialect.roots
    return any(
        getattr(ctx.value(n), "name", "").split(".")[0] in roots
        for n in nodes.walk(node.value)
        if isinstance(n, cst.Attribute | cst.Name)
    )


def undocumented(ctx: Context, node: cst.Assign, new: cst.Assign) -> Outcome:
    """A docstring that the framework provides is not needed without it."""
    if not borrowed(ctx, node):
        return None
    ctx.note(node, "XL403", "a docstring that Keras provides is dropped")
    return Edit([])
