"""Record files and their examples: helpers have TensorFlow's names and arguments."""

from __future__ import annotations

import libcst as cst

from ..infer.facts import BoundCall
from ..rewrite.context import Context, Edit, Outcome, Refusal
from ..tables.schema import Row
from .keras_training import trimmed
from .named import named

TAKEN = {
    "TFRecordWriter": ("path",), "TFRecordDataset": ("filenames", "compression_type"),
    "FixedLenFeature": ("shape", "dtype", "default_value"), "parse_single_example": ("serialized", "features"),
    "decode_raw": ("input_bytes", "out_type"), "BytesList": ("value",), "FloatList": ("value",),
    "Int64List": ("value",),
    "Feature": ("bytes_list", "float_list", "int64_list"), "Features": ("feature",), "Example": ("features",),
}  # fmt: skip
RENAMED = {"input_bytes": "data", "out_type": "dtype"}
DROPPED = frozenset({"name", "buffer_size", "num_parallel_reads", "example_names"})


@named("tf_record")
def record(ctx: Context, row: Row, call: BoundCall, node: cst.Call, new: cst.Call) -> Outcome:
    """A call of what reads or writes records: the helper of the same name."""
    name = call.api.rsplit(".", 1)[-1]
    taken, args = TAKEN[name], []
    for i, arg in enumerate(new.args):
        if arg.star:
            return Refusal("XL202", f"{call.api}: which arguments it gets is not known here")
        given = arg.keyword.value if arg.keyword is not None else taken[i] if i < len(taken) else ""
        if given in DROPPED:
            continue
        if given not in taken:
            return Refusal("XL201", f"{call.api}: argument `{given or i}` is not translated")
        if arg.keyword is not None and given in RENAMED:
            arg = arg.with_changes(keyword=cst.Name(RENAMED[given]))
        args.append(arg)
    return Edit(new.with_changes(func=cst.Name(name), args=trimmed(args)), (f"helper:{name}",))
