"""Sequential models that may stand in one place (in a list, say) take and give their tensors in one axis order."""

from __future__ import annotations

import libcst as cst

from ..rewrite.context import Context
from ..values import Instance, Value, options_of
from .keras_calls import child_rank
from .keras_layout import Perm, Refused

KEEP_RANK = frozenset({"keras_norm", "keras_plain", "keras_dense", "keras_batch_norm", "same", "same_float"})
"""What the row of a layer returns that gives as many axes as it takes."""


def alternatives(ctx: Context, layer: Instance) -> list[Instance]:
    """The models that may be what a model is, one for each call that makes one."""
    found = groups(ctx)
    sites = {s for site in layer.sites for s in found.get(site, {site})}
    made = [ctx.value(s) for s in ctx.facts.calls if s in sites]
    return [m for m in made if isinstance(m, Instance)]


def groups(ctx: Context) -> dict[cst.CSTNode, set[cst.CSTNode]]:
    """The calls that make a sequential model to those whose model may stand in the same place."""
    found = ctx.facts.cache.get("keras_places")
    if found is None:
        found = ctx.facts.cache["keras_places"] = {}
        for value in list(ctx.facts.values.values()):
            together = sequentials(value)
            for site in list(together):
                together |= found.get(site, set())
            for site in together if len(together) > 1 else ():
                found[site] = together
    return found  # type: ignore[no-any-return]


def sequentials(value: Value) -> set[cst.CSTNode]:
    """The calls that may have made the sequential model that a value is."""
    every = (o for o in options_of(value) if isinstance(o, Instance) and o.api == "keras.Sequential")
    return {site for o in every for site in o.sites}


def common(ctx: Context, every: list[Instance], ends: list[tuple[Perm, Perm]]) -> tuple[Perm, Perm]:
    """What they all take, and what they all give.

    Raises:
        Refused: where that cannot be one order for all of them.
    """
    first = [child_rank(ctx, m.children[0], None) if m.children else None for m in every]  # type: ignore[arg-type]
    last = [rank_after(ctx, m) for m in every]
    return agreed([e[0] for e in ends], first), agreed([e[1] for e in ends], last)


def rank_after(ctx: Context, model: Instance) -> int | None:
    """The rank of what a model gives, if its last layer keeps the rank."""
    child = model.children[-1] if model.children else None
    if not isinstance(child, Instance) or child.api is None:
        return None
    rows = ctx.tables.find(child.api)
    return child_rank(ctx, child, None) if rows and rows[0].returns in KEEP_RANK else None


def agreed(perms: list[Perm], ranks: list[int | None]) -> Perm:
    """One of the orders: another one than Keras's where any of them wants it."""
    wanted = {p for p in perms if p is not None}
    if not wanted:
        return None
    one = next(iter(wanted))
    fits = all(p is not None or n == len(one) for p, n in zip(perms, ranks, strict=True))
    if len(wanted) > 1 or not fits:
        raise Refused("XL301", "models that want different axis orders may stand in one place")
    return one
