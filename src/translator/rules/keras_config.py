"""What Keras's configuration decides: programs that ask for the image data format were written for both."""

from __future__ import annotations

from typing import Any

import libcst as cst

from ..infer.keras_config import by_format
from ..rewrite.context import Context, Edit, Outcome
from ..rewrite.rewriter import Rewriter


def decided(ctx: Context, node: cst.If) -> Any:
    """The statements of the branch that is taken; ``None`` where the configuration does not tell."""
    truth = by_format(ctx.facts, node.test)
    if truth is None:
        return None
    if truth:
        return list(node.body.body)
    if isinstance(node.orelse, cst.If):
        return [node.orelse]
    return list(node.orelse.body.body) if node.orelse is not None else []


def configured(rewriter: Rewriter, node: cst.If) -> Any:
    """An ``if`` on the data format is its live branch."""
    live = decided(rewriter.ctx, node)
    return rewriter.block(live) if live is not None else None


def alternative(ctx: Context, node: cst.IfExp, new: cst.IfExp) -> Outcome:
    """``3 if image_data_format() == "channels_last" else 1`` is 3."""
    truth = by_format(ctx.facts, node.test)
    if truth is None:
        return None
    return Edit(new.body if truth else new.orelse)
