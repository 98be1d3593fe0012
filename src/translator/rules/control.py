"""Control structures that PyTorch needs and TensorFlow does not: `no_grad` blocks, tests for the JIT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..model import Severity
from ..rewrite.context import Context, Edit, Finding, Outcome, Refusal
from ..values import Api, Tensor, Value, without_none

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter

QUIET = frozenset(
    {"torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.grad_mode.no_grad"}
)
NEUTRAL = frozenset({"torch.enable_grad", "torch.autograd.enable_grad", "torch.autograd.detect_anomaly"})


def with_statement(rewriter: Rewriter, node: cst.With) -> Any:
    """``with torch.no_grad():`` leaves only its body: TensorFlow records gradients only under a tape.

    Inside of a layer a tape may be recording, so what the block computes gets its gradient stopped.
    """
    ctx = rewriter.ctx
    names = [called(ctx, item.item) for item in node.items]
    gone = [n in QUIET or n in NEUTRAL for n in names]
    if not any(gone):
        return None
    ctx.seen += sum(gone)
    ctx.translated += sum(gone)
    if not all(gone):
        kept = [item for item, drop in zip(node.items, gone, strict=True) if not drop]
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        items = [rewriter.visit(item) for item in kept]
        return node.with_changes(items=items, body=rewriter.part(node.body))
    body = rewriter.part(node.body)
    lines: list[Any] = list(body.body) if isinstance(body, cst.IndentedBlock) else [cst.SimpleStatementLine(body.body)]
    if any(n in QUIET for n in names) and ctx.func is not None and ctx.cls is not None and ctx.cls.module:
        lines += stopped(ctx, node)
    first = lines[0]
    if node.leading_lines and hasattr(first, "leading_lines"):
        lines[0] = first.with_changes(leading_lines=[*node.leading_lines, *first.leading_lines])
    return lines


def called(ctx: Context, node: cst.BaseExpression) -> str:
    """The qualified name of what a context expression calls."""
    func = node.func if isinstance(node, cst.Call) else node
    value = ctx.value(func)
    return ctx.tables.canonical(value.name) if isinstance(value, Api) else ""


class _Assigned(cst.CSTVisitor):
    """The names that a block assigns."""

    def __init__(self) -> None:
        self.names: dict[str, cst.Name] = {}

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        targets = node.target.elements if isinstance(node.target, cst.Tuple) else [cst.Element(node.target)]
        for element in targets:
            if isinstance(element.value, cst.Name):
                self.names[element.value.value] = element.value

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False


def stopped(ctx: Context, node: cst.With) -> list[Any]:
    """``name = tf.stop_gradient(name)`` for every tensor that the block computes."""
    visitor = _Assigned()
    node.body.visit(visitor)
    lines = []
    for name, place in visitor.names.items():
        value: Value = without_none(ctx.value(place))
        if isinstance(value, Tensor):
            ctx.needs.add("tf")
            call = nodes.call("tf.stop_gradient", cst.Name(name))
            lines.append(cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(cst.Name(name))], call)]))
    return lines


# -- constant tests ------------------------------------------------------------------------------------------


def if_statement(rewriter: Rewriter, node: cst.If) -> Any:
    """``if torch.jit.is_scripting(): ... else: ...`` is decided here: only the branch that runs is left."""
    ctx = rewriter.ctx
    test = folded(ctx, node.test, gradients=recomputes(ctx, node.body))
    if test is node.test:
        return None
    rewriter.ctx.seen += 1
    rewriter.ctx.translated += 1
    if isinstance(test, bool):
        return chosen(rewriter, node, test)
    return rewriter.compound_with(node, test)


def chosen(rewriter: Rewriter, node: cst.If, truth: bool) -> Any:
    """The statements of the branch that a decided test takes."""
    branch: Any = node.body if truth else node.orelse
    if branch is None:
        return []
    if isinstance(branch, cst.If):
        new = rewriter.statement(branch)
        return new if isinstance(new, list) else [new]
    suite = branch.body if isinstance(branch, cst.Else) else branch
    body = rewriter.part(suite)
    lines: list[Any] = list(body.body) if isinstance(body, cst.IndentedBlock) else [cst.SimpleStatementLine(body.body)]
    if node.leading_lines and lines and hasattr(lines[0], "leading_lines"):
        lines[0] = lines[0].with_changes(leading_lines=[*node.leading_lines, *lines[0].leading_lines])
    return lines


FALSE = frozenset({
    "torch.jit.is_scripting", "torch.jit.is_tracing", "torch._C._get_tracing_state", "torch.compiler.is_compiling",
    "torch.onnx.is_in_onnx_export", "torch.is_autocast_enabled", "torch._jit_internal.is_scripting",
})  # fmt: skip


def recomputes(ctx: Context, node: cst.CSTNode) -> bool:
    """Whether statements checkpoint what they compute: of use only for gradients, and without effect on values."""
    if isinstance(node, cst.Call) and called(ctx, node) == "torch.utils.checkpoint.checkpoint":
        return True
    return any(recomputes(ctx, child) for child in node.children)


def asks_gradient(ctx: Context, node: cst.BaseExpression) -> bool:
    """``x.requires_grad`` of a tensor, or ``any(x.requires_grad for x in xs)``."""
    if isinstance(node, cst.Call) and called(ctx, node) in ("builtins.any", "builtins.all") and len(node.args) == 1:
        items = node.args[0].value
        return isinstance(items, cst.GeneratorExp | cst.ListComp) and asks_gradient(ctx, items.elt)
    return isinstance(node, cst.Attribute) and node.attr.value == "requires_grad" and ctx.tensor(node.value) is not None


def folded(ctx: Context, node: cst.BaseExpression, *, gradients: bool = False) -> Any:
    """A test with calls that are always false in TensorFlow folded away: a bool where nothing is left.

    With ``gradients`` every tensor counts as one that needs its gradient.
    """
    if isinstance(node, cst.Call) and called(ctx, node) in FALSE:
        return False
    if gradients and asks_gradient(ctx, node):
        return True
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
        inner = folded(ctx, node.expression, gradients=gradients)
        return (
            not inner
            if isinstance(inner, bool)
            else node
            if inner is node.expression
            else node.with_changes(expression=inner)
        )
    if isinstance(node, cst.BooleanOperation):
        left, right = (folded(ctx, side, gradients=gradients) for side in (node.left, node.right))
        is_and = isinstance(node.operator, cst.And)
        for one, other in ((left, right), (right, left)):
            if isinstance(one, bool):
                return other if one == is_and else one
        if left is not node.left or right is not node.right:
            return node.with_changes(left=left, right=right)
    return node


def conditional(ctx: Context, node: cst.IfExp, new: cst.IfExp) -> Outcome:
    """``a if torch.jit.is_scripting() else b`` is ``b``."""
    test = folded(ctx, node.test)
    if isinstance(test, bool):
        return Edit(new.body if test else new.orelse)
    return None


def finding(node: cst.CSTNode, code: str, message: str) -> Finding:
    return Finding(node, code, Severity.NOTE, message)


def star_import(ctx: Context, node: cst.ImportFrom, new: cst.ImportFrom) -> Outcome:
    """``from torch import *`` hides which names are PyTorch's."""
    from ..infer.imports import dotted, framework_name

    name = framework_name(dotted(node.module)) if node.module is not None and not node.relative else ""
    if isinstance(node.names, cst.ImportStar) and name.split(".")[0] in ctx.dialect.roots:
        return Refusal("XL213", f"a star import hides which names are {name}'s", "import the names that are used")
    return None
