"""What a rule may ask and what it may answer."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from .. import nodes
from ..infer.dialect import Dialect
from ..infer.facts import BoundCall, Facts
from ..model import ApiUse, Diagnostic, Layout, Options, Severity
from ..tables.load import Tables
from ..values import Func, Tensor, UserClass, Value, as_tensor
from .places import places


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement. ``needs`` names what it relies on: ``tf``, ``keras``, ``math``, ``helper:name``."""

    node: Any
    needs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is left as it is."""

    code: str
    message: str
    hint: str = ""


class Again(Exception):
    """The facts learned something that what was written already depends on: the file is rewritten from its start."""


Outcome = Edit | Refusal | None


@dataclass(slots=True)
class Finding:
    """A diagnostic before its position is known."""

    node: cst.CSTNode
    code: str
    severity: Severity
    message: str
    hint: str = ""


def moves_channels(options: Options) -> bool:
    """Whether tensors get another axis order than in the source by layout inference (see ``translator.layout``)."""
    return options.layout is Layout.CHANNELS_LAST and options.direction.source == "torch"


@dataclass(slots=True)
class Context:
    """The state of rewriting one file. Rules read it; only the rewriter writes."""

    options: Options
    tables: Tables
    facts: Facts
    dialect: Dialect
    new: dict[cst.CSTNode, Any] = field(default_factory=dict)
    """Original expression nodes to their rewritten forms, within the statement at hand."""
    needs: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    homes: dict[Any, Any] = field(default_factory=dict)
    """Where findings stand: their nodes to the statements around them."""
    refusals: list[tuple[cst.CSTNode, Refusal]] = field(default_factory=list)
    """Refusals inside the statement at hand."""
    cls: UserClass | None = None
    func: Func | None = None
    role: str = ""
    """Where an expression stands, if it matters: ``annotation``, ``isinstance``, ``base``."""
    claimed: set[cst.CSTNode] = field(default_factory=set)
    """Nodes that a statement's own rule takes: expression rules leave them alone."""
    interpreter: Any = None
    tree: Any = None
    steps: Any = None
    """The plan of the file's training steps; ``False`` if it has none."""
    graphs: Any = None
    """What is known about which training steps may become graphs, once that was asked."""
    hoisted: list[Any] = field(default_factory=list)
    """New functions of the module, which go before the first statement that calls them."""
    fitting: set[cst.CSTNode] = field(default_factory=set)
    """Training loops for which it was already asked whether they become `fit`."""
    physical: dict[cst.CSTNode, BoundCall] = field(default_factory=dict)
    """Calls being rewritten that are to be taken as if written for the axis order that their tensors have."""
    asked: dict[cst.CSTNode, Any] = field(default_factory=dict)
    """Calls whose translation asks whether something is a tensor, and their forms for both (`rules.asked`)."""
    transposes: list[tuple[cst.CSTNode, str]] = field(default_factory=list)
    """The expressions that got a transpose, and the kind of operation that asked for it."""
    taken: frozenset[str] = frozenset()
    """Names that the file defines itself, which helpers must not take."""
    quiet: bool = False
    """Whether the statement at hand stands in a block without gradients that a tape may see."""
    seen: int = 0
    translated: int = 0
    refused: int = 0
    renames: dict[str, str] = field(default_factory=dict)
    edges: list[Any] = field(default_factory=list)
    training: set[Func] = field(default_factory=set)
    """Functions that take a ``training`` argument in the translation."""
    local_layers: set[UserClass] = field(default_factory=set)
    plain_sequentials: set[cst.CSTNode] = field(default_factory=set)
    region: Any = None
    """The statements that are rewritten, where that is not the whole file."""
    masks: dict[tuple[Any, cst.CSTNode], str] = field(default_factory=dict)
    """Variables for Keras's masks, by the function (or structure) that has them and the call that makes them."""
    before: list[Any] = field(default_factory=list)
    """Statements that must stand before the one at hand."""
    claim: Any = None
    """The structure (a functional Keras model) whose statements are being taken apart, if there is one."""

    unmoved: bool = False
    """Whether the call at hand stays in source order in a program with channels last."""

    def value(self, node: cst.CSTNode) -> Value:
        return self.facts.value(node)

    def tensor(self, node: cst.CSTNode) -> Tensor | None:
        return as_tensor(self.facts.value(node))

    def call(self, node: cst.CSTNode) -> BoundCall | None:
        return self.physical.get(node) or self.facts.calls.get(node)

    def updated(self, node: cst.CSTNode) -> Any:
        """The rewritten form of an original expression."""
        return self.new.get(node, node)

    @property
    def channels_first(self) -> bool:
        return self.unmoved or self.options.layout is Layout.CHANNELS_FIRST

    def helped(self, node: Any, needs: Iterable[str]) -> Any:
        """New code, noting what it needs; a helper whose name the file uses itself gets another."""
        self.needs.update(needs)
        for need in needs:
            name = need.removeprefix("helper:")
            if need != name and name in self.taken:
                parts = node if isinstance(node, list) else [node]
                parts = [nodes.renamed(part, name, name + "_", self._own(name)) for part in parts]
                node = parts if isinstance(node, list) else parts[0]
        return node

    def _own(self, name: str) -> frozenset[int]:
        """The file's own mentions of a name, by identity."""
        key = f"own {name}"
        if key not in self.facts.cache:
            every = (n for tree in self.facts.trees for n in nodes.walk(tree))
            self.facts.cache[key] = frozenset(id(n) for n in every if isinstance(n, cst.Name) and n.value == name)
        return self.facts.cache[key]  # type: ignore[no-any-return]

    @property
    def moves_channels(self) -> bool:
        return moves_channels(self.options)

    @property
    def data_format(self) -> str:
        return Layout.CHANNELS_FIRST.value if self.channels_first else self.options.layout.value

    def note(self, node: cst.CSTNode, code: str, message: str, hint: str = "") -> None:
        """Record something worth knowing that is no refusal."""
        self.findings.append(Finding(node, code, Severity.NOTE, message, hint))


def diagnostics(
    module: cst.Module, tree: ast.Module, text: str, findings: list[Finding], homes: dict[Any, Any]
) -> tuple[Diagnostic, ...]:
    """Give findings their places, in source order."""
    if not findings:
        return ()
    where = places(module, tree, text, {f.node for f in findings}, homes)
    out = [Diagnostic(*where.get(f.node, (1, 1)), f.code, f.severity, f.message, f.hint) for f in findings]
    return tuple(sorted(set(out)))


def api_uses(ctx: Context, module: str) -> tuple[ApiUse, ...]:
    """How often the file ``module`` calls which API; what is called on a layer that was made is no API of its own."""
    by_module: dict[str, list[BoundCall]] | None = ctx.facts.cache.get("calls by module")
    if by_module is None:
        by_module = ctx.facts.cache["calls by module"] = {}
        for call in ctx.facts.calls.values():
            if call.module and not call.api.endswith(".__call__"):
                by_module.setdefault(call.module, []).append(call)
    refused = {f.node for f in ctx.findings if f.severity is Severity.ERROR}
    counts: dict[str, list[int]] = {}
    for call in by_module.get(module, ()):
        count = counts.setdefault(call.api, [0, 0])
        count[0] += 1
        count[1] += call.node in refused or call.node.func in refused
    return tuple(sorted(ApiUse(name, *count) for name, count in counts.items()))
