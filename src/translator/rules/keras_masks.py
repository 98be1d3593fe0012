"""Masks of Keras: a variable holds what an `Embedding` or a `Masking` says, and the layers that read it are told.

Where it is not certain which mask a layer would get from Keras, its call is refused.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from ..infer.keras_masks import KEEPERS, MAKERS, MIXING, READERS, RECURRENT, masked, sequences
from ..rewrite.context import Context
from ..values import UNKNOWN, Const, Func, Instance, UserClass, Value
from .keras_layout import Refused
from .keras_names import assignment

LOOPS = (cst.For, cst.While, cst.Lambda, cst.BaseComp)
REASON = "which steps Keras's mask lets this read is not known here"
HINT = "pass `mask=` by hand"


def told(ctx: Context, node: cst.Call, layer: Instance, args: list[cst.Arg]) -> list[cst.Arg]:
    """The arguments of a layer's call, with the mask if it reads one that Keras would pass by itself.

    Raises:
        Refused: where it is not known which mask that is.
    """
    if not node.args or any(a.keyword is not None and a.keyword.value == "mask" for a in node.args):
        return args
    given = ctx.value(node.args[0].value)
    mask = masked(given)
    if mask is None:
        if given is UNKNOWN and layer.api in READERS and any_maker(ctx):
            raise Refused("XL205", REASON, HINT)
        return args
    if isinstance(layer.cls, UserClass):
        forward = layer.cls.find("call")
        params = forward.node.params.params if isinstance(forward, Func) else ()
        if not any(p.name.value.endswith("mask") for p in params):
            return args
        if len([p for p in params if p.name.value not in ("self", "training", "mask")]) != 1:
            raise Refused("XL203", "masks of several inputs are not translated", HINT)
        from .keras_modules import used

        assert isinstance(forward, Func) and isinstance(forward.node, cst.FunctionDef)
        if not used(forward.node, "mask"):
            return args
    elif layer.api in MIXING or layer.api in ("keras.Model", "keras.Sequential"):
        if layer.api == "keras.Sequential" and layer.children is not None and not any(map(reads, layer.children)):
            return args
        raise Refused("XL203", f"{layer.api}: a mask that reaches it is not translated", HINT)
    elif layer.api not in READERS:
        return args
    name = ctx.masks.get((scope(ctx), mask.call))
    if name is None:
        raise Refused("XL205", REASON, HINT)
    return [*args, nodes.keyword("mask", cst.Name(name))]


def reads(child: Value) -> bool:
    """Whether a mask may make a difference to a layer in a sequence."""
    return not isinstance(child, Instance) or child.api is None or child.api in READERS | MIXING


def scope(ctx: Context) -> Any:
    """What a variable of the code at hand belongs to."""
    return ctx.claim if ctx.claim is not None else ctx.func


def any_maker(ctx: Context) -> bool:
    """Whether anything in the program makes masks."""
    if "keras_maskers" not in ctx.facts.cache:
        every = (c for c in ctx.facts.calls.values() if c.api in MAKERS)
        ctx.facts.cache["keras_maskers"] = any(makes(c.result) for c in every)
    return bool(ctx.facts.cache["keras_maskers"])


def makes(layer: Value) -> bool:
    """Whether a layer makes a mask."""
    if not isinstance(layer, Instance) or layer.api not in MAKERS:
        return False
    return layer.api == "keras.layers.Masking" or layer.args.get("mask_zero", Const(False)) != Const(False)


def made(ctx: Context, node: cst.Call, layer: Instance, args: list[cst.Arg]) -> None:
    """Keep the mask that a call makes in a variable, if some layer reads it: ``mask = ids != 0``.

    Raises:
        Refused: where no statement can stand before the call.
    """
    if layer.api not in MAKERS or not makes(layer) or node not in ctx.facts.mask_readers:
        return
    inputs = nodes.bare(args[0].value, node.args[0].value)
    if not isinstance(inputs, cst.Name | cst.Attribute):
        raise Refused("XL203", f"{layer.api}: its input needs a name, since a mask is made of it")
    if repeated(ctx, node):
        raise Refused("XL203", f"{layer.api}: a mask that is made in a loop is not translated", HINT)
    name = fresh(ctx, "mask")
    ctx.masks[(scope(ctx), node)] = name
    value = nodes.template("{x} != 0", {"x": inputs})
    if layer.api == "keras.layers.Masking":
        value = nodes.template("{f}.mask({x})", {"f": ctx.updated(node.func), "x": inputs})
    ctx.before.append(assignment(cst.Name(name), value))


def repeated(ctx: Context, node: cst.CSTNode) -> bool:
    """Whether the code at hand runs a call more than once."""
    if ctx.claim is not None and ctx.claim.in_loop:
        return True
    root = ctx.func.node if ctx.func is not None else ctx.tree
    return any(node in set(nodes.walk(n)) for n in nodes.walk(root) if isinstance(n, LOOPS))


def fresh(ctx: Context, base: str) -> str:
    """A name that neither the file nor another mask of the same function has."""
    used = {name for (where, _), name in ctx.masks.items() if where is scope(ctx)} | ctx.taken
    name, n = base, 1
    while name in used:
        n += 1
        name = f"{base}_{n}"
    return name


def in_sequence(children: list[Value]) -> bool:
    """Whether a layer of a sequential model reads the mask that another one makes.

    Raises:
        Refused: where the mask would go ways that the translation does not follow.
    """
    alive = read = lost = False
    for child in children:
        api = child.api if isinstance(child, Instance) else None
        if makes(child):
            if alive or lost:
                raise Refused("XL203", f"{api}: a second mask in one sequence is not translated")
            alive = True
        elif api in READERS and (alive or lost):
            if lost:
                raise Refused("XL203", f"{api}: the mask is lost before it in Keras, with a warning")
            assert isinstance(child, Instance)
            read, alive = True, api in RECURRENT and sequences(child.args)
        elif alive and (api is None or api in MIXING or api in ("keras.Sequential", "keras.Model")):
            raise Refused("XL203", f"{api or 'a layer of the program'}: a mask that reaches it is not translated")
        elif alive and api not in KEEPERS:
            alive, lost = False, True
    return read


def unread(value: Value, what: str) -> None:
    """Refuse what would weigh by the mask of a tensor.

    Raises:
        Refused: if the tensor has a mask.
    """
    if masked(value) is not None:
        raise Refused("XL203", f"{what} leaves out what Keras's mask hides, which is not translated",
                      "multiply by the mask by hand")  # fmt: skip
