"""What the inference knows about training programs: objects by the call that made them, and what loaders yield."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from ..values import (
    INT,
    UNKNOWN,
    Api,
    Const,
    Func,
    Instance,
    LayoutVar,
    Map,
    Num,
    Seq,
    Tensor,
    UserClass,
    Value,
    as_tensor,
    elem_of,
    escape,
    join,
    options_of,
    row_of,
    without_none,
)
from .binding import Args
from .facts import BoundCall
from .image_results import DATASETS, image_item
from .results import RESULTS

if TYPE_CHECKING:
    from .interp import Interpreter

DATA = "torch.utils.data."
SAME_ITEMS = frozenset(DATA + n for n in ("Subset", "ConcatDataset", "ChainDataset", "IterableDataset", "Dataset"))


def made(value: Value, node: cst.CSTNode) -> Value:
    """The object, with the call that made it."""
    if isinstance(value, Instance):
        value.sites = frozenset({node})
    return value


def yields(it: Interpreter, bound: BoundCall) -> Value:
    """What iterating over a dataset or loader gives, for the constructors of ``torch.utils.data``."""
    if bound.api.startswith(DATASETS):
        return image_item(it, bound)
    if not bound.api.startswith(DATA):
        return UNKNOWN
    name = bound.api.removeprefix(DATA)
    if name == "TensorDataset":
        tensors = [as_tensor(b.value) for b in bound.varargs if not b.star]
        known = len(tensors) == len(bound.varargs)
        return Seq("tuple", [row_of(t) if t is not None else UNKNOWN for t in tensors]) if known else UNKNOWN
    if name == "DataLoader":
        return _batch(it, bound)
    if bound.api in SAME_ITEMS:
        source = bound.value("dataset") if "dataset" in bound.args else elem_of(bound.value("datasets"))
        return sample(it, source)
    return INT if name.endswith("Sampler") else UNKNOWN


def sample(it: Interpreter, dataset: Value) -> Value:
    """One item of a dataset."""
    from .functions import call_user

    out: Value | None = None
    for one in options_of(without_none(dataset)):
        value: Value = UNKNOWN
        if isinstance(one, Instance) and isinstance(one.cls, UserClass):
            index: Args = [(cst.Arg(cst.Name("index")), INT)]
            for method, args in (("__getitem__", index), ("__iter__", Args())):
                found = one.cls.find(method)
                if isinstance(found, Func):
                    value = call_user(it, found, args, bound=True)
                    value = elem_of(value) if method == "__iter__" else value
                    break
        elif isinstance(one, Instance | Seq):
            value = elem_of(one)
            if value is UNKNOWN and isinstance(one, Instance) and "dataset" in one.args:
                value = sample(it, one.args["dataset"])
        out = value if out is None else join(out, value)
    return out if out is not None else UNKNOWN


def _batch(it: Interpreter, bound: BoundCall) -> Value:
    from .calls import call_value

    item = sample(it, bound.value("dataset"))
    collate = bound.args.get("collate_fn")
    if collate is not None and collate.value != Const(None):
        args: Args = [(cst.Arg(cst.Name("items")), Seq("list", None, item))]
        return call_value(it, cst.Call(cst.Name("collate")), collate.value, args)
    size = bound.args.get("batch_size")
    if size is not None and size.value == Const(None) and "batch_sampler" not in bound.args:
        return item
    return batched(item)


def batched(item: Value) -> Value:
    """Items put together by the default collate function: numbers and arrays become tensors."""
    item = without_none(item)
    if isinstance(item, Tensor):
        escape(item)  # what a loader gives was not followed into it, so its order is the source's
        return Tensor(None if item.dims is None else len(item.dims) + 1,
                      (None, *item.dims) if item.dims is not None else None, item.dtype,
                      LayoutVar(source=True))  # fmt: skip
    if isinstance(item, Seq):
        items = [batched(i) for i in item.items] if item.items is not None else None
        return Seq("list", items, batched(item.elem))
    if isinstance(item, Map):
        items_ = {k: batched(v) for k, v in item.items.items()} if item.items is not None else None
        return Map(items_, batched(item.elem))
    kind = type(item.value).__name__ if isinstance(item, Const) else item.type if isinstance(item, Num) else None
    if kind == "str":
        return Seq("list", None, item)
    if kind in ("int", "float", "bool"):
        return Tensor(1, (None,), {"int": "int64", "float": "float64", "bool": "bool"}[kind])
    return Tensor(layout=LayoutVar(source=True)) if item is UNKNOWN else UNKNOWN


def subsets(call: BoundCall) -> Value:
    """The parts that ``random_split`` gives."""
    dataset = call.value("dataset")
    return Seq("list", None, Instance(Api(DATA + "Subset"), {"dataset": dataset}))


RESULTS["subsets"] = subsets


def gradients(call: BoundCall) -> Value:
    """What ``autograd.grad`` gives: one tensor like each of its inputs."""
    inputs = call.value("inputs")
    many = [inputs] if isinstance(inputs, Tensor) else inputs.items if isinstance(inputs, Seq) else None
    if many is None:
        return Seq("tuple", None, Tensor(dtype="float"))
    like = [Tensor(t.rank, t.dims, t.dtype) if (t := as_tensor(v)) is not None else UNKNOWN for v in many]
    return Seq("tuple", like)


RESULTS["gradients"] = gradients


def scaled(call: BoundCall) -> Value:
    """A loss times a number."""
    outputs = call.args.get("outputs") or next((b for n, b in call.args.items() if n != "input"), None)
    outputs = outputs or next(iter(call.varargs), None)
    tensor = as_tensor(outputs.value) if outputs is not None else None
    return Tensor(tensor.rank, tensor.dims, tensor.dtype) if tensor is not None else UNKNOWN


RESULTS["scaled"] = scaled


def receiver(call: BoundCall) -> Value:
    """A method that gives back its object."""
    return call.receiver.value if call.receiver is not None else UNKNOWN


RESULTS["receiver"] = receiver


def drawn(call: BoundCall) -> Value:
    """What methods of distributions give: a tensor with what they were made of for its shape, if that is known."""
    owner = call.receiver.value if call.receiver is not None else UNKNOWN
    kind = call.api.rsplit(".", 2)[-2]
    name = call.api.rsplit(".", 1)[-1]
    dtype = "int64" if (kind, name) == ("Categorical", "sample") else "float"
    given = [as_tensor(v) for v in owner.args.values()] if isinstance(owner, Instance) else []
    known = [t for t in given if t is not None and t.dims is not None]
    plain = "sample_shape" not in call.args and not call.varargs and name in ("sample", "rsample", "entropy")
    if not plain or len(known) != len(given) or len(known) != 1:
        return Tensor(dtype=dtype)
    dims = known[0].dims or ()
    return Tensor(None, dims[:-1] if kind == "Categorical" else dims, dtype)


RESULTS["drawn"] = drawn


def compiled(call: BoundCall) -> Value:
    """``torch.compile(model)`` acts as the model."""
    return call.value("model") if "model" in call.args else UNKNOWN


RESULTS["model"] = compiled


def of_api(call: BoundCall) -> Value:
    """An object of a library class whose signature is not known."""
    return Instance(Api(call.api))


RESULTS["object"] = of_api
