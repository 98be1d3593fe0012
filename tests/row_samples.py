"""The samples of the mapping tables as small PyTorch programs, with every other way to write the same call."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from translator.compare import parse_spec
from translator.tables.load import read_rows
from translator.tables.location import mappings_dir
from translator.tables.schema import Row, TableError
from translator.tables.signatures import Overload, signatures

OPTIONS = {"code", "grad", "random", "eval_only"}
HEADER = "import math\nimport torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
DTYPES = {"float": "", "int": ", dtype=torch.int64", "bool": ", dtype=torch.bool", "complex": ", dtype=torch.complex64"}
NOT_SPELLED = {"out", "layout", "device", "pin_memory", "requires_grad", "memory_format", "generator", "dtype"}
"""Arguments that are not written out at their defaults: they say where a tensor lives, or ``None`` is no dtype."""


@dataclass(frozen=True)
class Sample:
    """One sample of one row. ``names`` are the inputs in order."""

    row: Row
    number: int
    code: str
    inputs: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        name = (self.row.torch or self.row.tf)[0].removeprefix("torch.")
        return f"{Path(self.row.file).stem}:{self.row.number}:{name}:{self.number}"

    @property
    def expression(self) -> ast.expr:
        return ast.parse(self.code, mode="eval").body

    @property
    def makes_layer(self) -> bool:
        """Whether the code only makes something that is then called with the inputs."""
        used = {n.id for n in ast.walk(self.expression) if isinstance(n, ast.Name)}
        return bool(self.inputs) and not used & set(self.inputs)


def samples() -> tuple[list[Sample], list[Row], list[str]]:
    """All samples, the rows that refuse, and what is wrong with tables that cannot be read."""
    found: list[Sample] = []
    refusing: list[Row] = []
    broken: list[str] = []
    for path in sorted(mappings_dir().glob("*.toml")):
        try:
            rows = read_rows(path)
        except TableError as error:
            broken.append(str(error))
            continue
        for row in rows:
            if not row.torch or row.one_way == "tf2torch":
                continue
            if row.refuse:
                refusing.append(row)
            for number, raw in enumerate(row.samples):
                inputs = {k: v for k, v in raw.items() if k not in OPTIONS}
                options = {k: v for k, v in raw.items() if k in OPTIONS - {"code"}}
                if "code" not in raw:
                    broken.append(f"{row.label}: sample {number} has no `code`")
                else:
                    found.append(Sample(row, number, raw["code"], inputs, options))
    return found, refusing, broken


def zeros(value: Any) -> str:
    """An expression for an argument with the rank and dtype of an input specification."""
    if isinstance(value, list):
        return "[" + ", ".join(map(zeros, value)) + "]"
    spec = parse_spec(value)
    if spec is None:
        return repr(value)
    size = ", ".join(map(str, spec.shape)) if spec.shape else "()"
    return f"torch.zeros({size}{DTYPES[spec.kind]})"


def function_source(sample: Sample, codes: dict[str, str]) -> str:
    """A program with one function for each way to write the call, and a call that shows ranks and dtypes."""
    names = ", ".join(sample.inputs)
    examples = ", ".join(map(zeros, sample.inputs.values()))
    functions = [f"def {name}({names}):\n    return {code}\n" for name, code in codes.items()]
    calls = "".join(f"    {name}({examples})\n" for name in codes)
    return "\n\n".join([HEADER, *functions, f"def example():\n{calls}"])


def layer_source(sample: Sample, codes: dict[str, str]) -> str:
    """The same with a module for each way; its ``forward`` passes the inputs on."""
    names = ", ".join(sample.inputs)
    examples = ", ".join(map(zeros, sample.inputs.values()))
    modules = [
        f"class {name}(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.layer = {code}\n\n"
        f"    def forward(self, {names}):\n        return self.layer({names})\n"
        for name, code in codes.items()
    ]
    calls = "".join(f"    {name}()({examples})\n" for name in codes)
    return "\n\n".join([HEADER, *modules, f"def example():\n{calls}"])


def variants(sample: Sample) -> dict[str, str]:
    """Other ways to write the sample's outermost call, by name; some may be no valid PyTorch."""
    out: dict[str, str] = {}
    call = sample.expression
    if isinstance(call, ast.Call):
        for overload in matching(sample, call):
            positional, given = bound(call, overload)
            out.setdefault("keywords", written(call, positional[:0] if not method(call) else [], given, reverse=True))
            out.setdefault("positions", by_position(call, overload, given))
            extra = {p.name: p.default for p in overload if spelled(p, given)}
            if extra:
                out.setdefault("defaults", written(call, list(call.args), keywords_of(call) | extra))
        out |= renamed(sample, call)
    return {name: code for name, code in out.items() if code != ast.unparse(call)}


def method(call: ast.Call) -> bool:
    """Whether the call is of a method of an input (or of another expression), not of a dotted name of torch."""
    node = call.func
    while isinstance(node, ast.Attribute):
        node = node.value
    return not (isinstance(node, ast.Name) and node.id in ("torch", "nn", "F"))


def api_of(sample: Sample, call: ast.Call) -> str | None:
    """The qualified name that is called."""
    if not method(call):
        root, _, rest = ast.unparse(call.func).partition(".")
        return {"torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional"}[root] + "." + rest
    return f"torch.Tensor.{call.func.attr}" if isinstance(call.func, ast.Attribute) else None


def keywords_of(call: ast.Call) -> dict[str, str]:
    return {k.arg: ast.unparse(k.value) for k in call.keywords if k.arg}


def matching(sample: Sample, call: ast.Call) -> list[Overload]:
    """The overloads that take the call's number of positions and its keywords."""
    name = api_of(sample, call)
    signature = signatures("torch").get(name) if name else None
    starred = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
    if signature is None or starred:
        return []
    found = []
    for overload in signature.overloads:
        params = own(overload)
        positions = [p for p in params if p.kind in ("po", "pk")]
        given = {p.name for p in positions[: len(call.args)]} | set(keywords_of(call))
        required = {p.name for p in params if p.default is None and p.kind in ("po", "pk", "ko")}
        if len(call.args) <= len(positions) and given <= {p.name for p in params} and required <= given:
            found.append(overload)
    return found


def own(overload: Overload) -> list[Any]:
    return [p for p in overload if p.name != "self"]


def bound(call: ast.Call, overload: Overload) -> tuple[list[str], dict[str, str]]:
    """The positional arguments as text, and all arguments by name."""
    positions = [p.name for p in own(overload) if p.kind in ("po", "pk")]
    texts = [ast.unparse(a) for a in call.args]
    return texts, dict(zip(positions, texts, strict=False)) | keywords_of(call)


def written(call: ast.Call, positional: list[Any], keywords: dict[str, str], *, reverse: bool = False) -> str:
    texts = [a if isinstance(a, str) else ast.unparse(a) for a in positional]
    named = [f"{k}={v}" for k, v in keywords.items()]
    return f"{ast.unparse(call.func)}({', '.join(texts + (named[::-1] if reverse else named))})"


def by_position(call: ast.Call, overload: Overload, given: dict[str, str]) -> str:
    """As many arguments by position as come without a gap."""
    texts, rest = [], dict(given)
    for param in own(overload):
        if param.kind not in ("po", "pk") or param.name not in rest:
            break
        texts.append(rest.pop(param.name))
    return written(call, texts, rest)


def spelled(param: Any, given: dict[str, str]) -> bool:
    """Whether the default of an argument that is left out can be written at the call."""
    if param.name in given or param.name in NOT_SPELLED or param.name == "self" or param.default is None:
        return False
    return param.kind in ("pk", "ko") and param.default not in ("...", "None") and is_literal(param.default)


def is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


def renamed(sample: Sample, call: ast.Call) -> dict[str, str]:
    """The call under the row's other names: a function as a method of its first argument, and the reverse."""
    name = api_of(sample, call)
    out = {}
    if name not in sample.row.torch:
        return out
    keywords = [f"{k}={v}" for k, v in keywords_of(call).items()]
    args = [ast.unparse(a) for a in call.args]
    if method(call):
        receiver = ast.unparse(call.func.value)
        args.insert(0, receiver if isinstance(call.func.value, ast.Name) else f"({receiver})")
    for other in sample.row.torch:
        if other == name or not args:
            continue
        short = other.rpartition(".")[2]
        if other.startswith("torch.Tensor."):
            if args[0].isidentifier() or args[0].startswith("("):
                out[f"as_{short}_method"] = f"{args[0]}.{short}({', '.join(args[1:] + keywords)})"
        else:
            key = "as_" + other.removeprefix("torch.").replace(".", "_")
            out[key] = f"{other}({', '.join(args + keywords)})"
    return out
