"""Bind the arguments of a call to an API's signature."""

from __future__ import annotations

import libcst as cst

from ..tables.signatures import Overload, Signature
from ..values import UNKNOWN, Api, BoundMethod, Seq, Shape, Value, as_tensor, python_type
from .facts import Bound, BoundCall

Args = list[tuple[cst.Arg, Value]]


def bind_api(api: str, node: cst.Call, signature: Signature | None, args: Args, receiver: Bound | None) -> BoundCall:
    """Bind to the first overload that fits.

    Where none fits, or star arguments hide what goes where, ``problem`` says so.
    """
    call = BoundCall(api, node, receiver=receiver)
    if signature is None or not signature.overloads:
        call.problem = "its signature is not known"
        call.varargs = [Bound(a.value, v, a.star) for a, v in args if a.keyword is None]
        call.extra = {a.keyword.value: Bound(a.value, v) for a, v in args if a.keyword is not None}
        if receiver is not None:
            call.args["input"] = receiver
        return call
    attempts = []
    for overload in signature.overloads:
        attempt = BoundCall(api, node, receiver=receiver, signature=signature)
        _bind(attempt, overload, args, signature.synonyms)
        attempts.append(attempt)
    fitting = [a for a in attempts if not a.problem]
    if fitting:
        return fitting[0] if len(fitting) == 1 else max(fitting, key=_plausible)
    return max(attempts, key=lambda a: len(a.args))


def _plausible(call: BoundCall) -> int:
    """How well the values fit the parameters that an overload gives them to."""
    return sum(_fits(name, bound.value) for name, bound in call.args.items() if bound is not call.receiver)


def _fits(name: str, value: Value) -> int:
    tensor = as_tensor(value) is not None
    kind = python_type(value)
    if name == "dtype":
        return 1 if isinstance(value, Api | BoundMethod) else -2 if value is not UNKNOWN else 0
    if name.startswith("dim") or name in ("axis", "size", "shape", "repeats", "sections"):
        return 1 if kind == "int" or isinstance(value, Seq | Shape) else -2 if tensor or kind == "bool" else 0
    if name in ("other", "tensor", "mat2", "index", "mask", "boundaries"):
        return 1 if tensor else -1 if kind is not None or isinstance(value, Seq) else 0
    return 0


def _bind(call: BoundCall, overload: Overload, args: Args, synonyms: dict[str, str]) -> None:
    positional = [p for p in overload if p.kind in ("po", "pk")]
    names = {p.name for p in overload if p.kind in ("pk", "ko")}
    var = next((p for p in overload if p.kind == "va"), None)
    extra = any(p.kind == "vk" for p in overload)
    if call.receiver is not None:
        call.args["input"] = call.receiver
    queue = list(positional)
    for arg, value in args:
        bound = Bound(arg.value, value, arg.star)
        if arg.star == "**":
            call.extra["**"] = bound
            call.problem = "`**` arguments hide what is passed"
        elif arg.keyword is not None:
            keyword = arg.keyword.value
            keyword = synonyms[keyword] if keyword not in names and synonyms.get(keyword) in names else keyword
            _bind_keyword(call, keyword, bound, names, extra)
        elif arg.star == "*" and var is None:
            call.varargs.append(bound)
            call.problem = "`*` arguments hide what is passed"
        elif queue and not arg.star:
            call.args[queue.pop(0).name] = bound
        elif var is not None:
            call.varargs.append(bound)
        else:
            call.varargs.append(bound)
            call.problem = "it takes fewer positional arguments"
    for param in overload:
        if param.name in call.args or param.kind in ("va", "vk"):
            continue
        if param.default is None:
            call.problem = call.problem or f"its argument `{param.name}` is missing"
        else:
            call.defaults[param.name] = param.default


def _bind_keyword(call: BoundCall, name: str, bound: Bound, names: set[str], extra: bool) -> None:
    if name in call.args:
        call.problem = f"its argument `{name}` is given twice"
    elif name in names:
        call.args[name] = bound
    elif extra:
        call.extra[name] = bound
    else:
        call.extra[name] = bound
        call.problem = f"it has no argument `{name}`"
