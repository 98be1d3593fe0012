"""Rewriting a part of a file: the statements that some lines touch, with the whole file known.

What lies around them stays as it is, so the parts of a program can be taken over one after the other by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

if TYPE_CHECKING:
    from .rewriter import Rewriter

Places = dict[cst.CSTNode, CodeRange]
_BODIES = ("body", "orelse", "finalbody", "handlers")
_PARTS = cst.Else | cst.Finally | cst.ExceptHandler | cst.ExceptStarHandler | cst.If


@dataclass(slots=True)
class Region:
    """The statements to rewrite, and the compound statements that they lie in."""

    chosen: set[cst.CSTNode] = field(default_factory=set)
    around: set[cst.CSTNode] = field(default_factory=set)


def places(tree: cst.Module) -> Places:
    """Where each node of a tree that was just parsed starts and ends: lines from 1, columns from 0."""
    return dict(MetadataWrapper(tree, unsafe_skip_copy=True).resolve(PositionProvider))  # type: ignore[arg-type]


def region(tree: cst.Module, first: int, last: int) -> Region:
    """The statements that the lines ``first`` to ``last`` (from 1) touch.

    Lines within one body choose statements of that body; a touched header chooses the whole statement.
    """
    out = Region()
    _choose(tree.body, first, last, places(tree), out)
    return out


def rewrite(rewriter: Rewriter, statements: Sequence[Any], wanted: Region) -> list[Any]:
    """The statements with the chosen ones rewritten, neighbours together."""
    out: list[Any] = []
    run: list[Any] = []
    for statement in statements:
        if statement in wanted.chosen:
            run.append(statement)
            continue
        out += rewriter.block(run) if run else []
        run = []
        out.append(_inside(rewriter, statement, wanted))
    return out + (rewriter.block(run) if run else [])


def _choose(statements: Sequence[Any], first: int, last: int, where: Places, out: Region) -> None:
    touched = [s for s in statements if where[s].start.line <= last and where[s].end.line >= first]
    if len(touched) == 1 and (inner := _body_with(touched[0], first, last, where)) is not None:
        path, body = inner
        out.around.update(path)
        _choose(body, first, last, where, out)
    else:
        out.chosen.update(touched)


def _body_with(node: Any, first: int, last: int, where: Places) -> tuple[list[Any], Sequence[Any]] | None:
    """The one body of a compound statement that holds all of the lines, and the nodes on the way to it."""
    for name in _BODIES:
        for part in _listed(getattr(node, name, None)):
            if isinstance(part, cst.IndentedBlock) and part.body:
                if where[part.body[0]].start.line <= first and last <= where[part.body[-1]].end.line:
                    return [node], part.body
            elif isinstance(part, _PARTS):
                found = _body_with(part, first, last, where)
                if found is not None:
                    return [node, *found[0]], found[1]
    return None


def _inside(rewriter: Rewriter, node: Any, wanted: Region) -> Any:
    """A statement around the chosen ones: its header stays."""
    if node not in wanted.around:
        return node
    ctx = rewriter.ctx
    outer = ctx.cls, ctx.func
    ctx.cls, ctx.func = ctx.facts.classes.get(node, ctx.cls), ctx.facts.functions.get(node, ctx.func)
    ctx.training = ctx.training - {ctx.func}  # its signature stays: no mode is passed to it
    changes: dict[str, Any] = {}
    for name in _BODIES:
        child = getattr(node, name, None)
        if isinstance(child, cst.IndentedBlock):
            changes[name] = child.with_changes(body=rewrite(rewriter, child.body, wanted))
        elif isinstance(child, _PARTS):
            changes[name] = _inside(rewriter, child, wanted)
        elif name == "handlers" and child:
            changes[name] = [_inside(rewriter, one, wanted) for one in child]
    ctx.cls, ctx.func = outer
    return node.with_changes(**changes)


def _listed(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)
