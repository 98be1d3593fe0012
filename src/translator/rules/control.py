"""Control structures that PyTorch needs and TensorFlow does not: `no_grad` blocks, tests for the JIT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..model import Severity
from ..rewrite.context import Context, Edit, Finding, Outcome, Refusal
from ..values import Api, Func, MethodOf, Tensor, Value, without_none
from .no_gradients import differentiable, recorded

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter

QUIET = frozenset(
    {"torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.grad_mode.no_grad"}
)
AUTOCAST = frozenset({"torch.autocast", "torch.cuda.amp.autocast", "torch.cpu.amp.autocast"})
NEUTRAL = frozenset({"torch.enable_grad", "torch.autograd.enable_grad", "torch.autograd.detect_anomaly"}) | AUTOCAST


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
    for item, name in zip(node.items, names, strict=True):
        if name in AUTOCAST:
            hint = 'call keras.mixed_precision.set_global_policy("mixed_float16") before the model is made'
            ctx.note(item.item, "XL405", "autocast: layers compute in the precision of Keras's policy", hint)
    if not all(gone):
        kept = [item for item, drop in zip(node.items, gone, strict=True) if not drop]
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        items = [rewriter.visit(item) for item in kept]
        return node.with_changes(items=items, body=rewriter.part(node.body))
    in_module = ctx.func is not None and ctx.cls is not None and ctx.cls.module
    quiet = any(n in QUIET for n in names) and (in_module or recorded(ctx, ctx.func))
    outer, ctx.quiet = ctx.quiet, ctx.quiet or quiet
    body = rewriter.part(node.body)
    ctx.quiet = outer
    lines: list[Any] = list(body.body) if isinstance(body, cst.IndentedBlock) else [cst.SimpleStatementLine(body.body)]
    if quiet and not _leaves(node.body):
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


def _leaves(body: cst.BaseSuite) -> bool:
    """Whether a block ends with a `return`."""
    last = body.body[-1] if body.body else None
    small = last.body[-1] if isinstance(last, cst.SimpleStatementLine) else last
    return isinstance(small, cst.Return)


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
        if isinstance(value, Tensor) and differentiable(value):
            ctx.needs.add("tf")
            call = nodes.call("tf.stop_gradient", cst.Name(name))
            lines.append(cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(cst.Name(name))], call)]))
    return lines


# -- constant tests ------------------------------------------------------------------------------------------


def if_statement(rewriter: Rewriter, node: cst.If) -> Any:
    """``if torch.jit.is_scripting(): ... else: ...`` is decided here: only the branch that runs is left."""
    ctx = rewriter.ctx
    test = folded(ctx, node.test, gradients=decides_recomputing(ctx, node))
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


def decides_recomputing(ctx: Context, node: cst.If) -> bool:
    """Whether a test asks for gradients to tell whether what follows is checkpointed."""
    asks = any(asks_gradient(ctx, n) for n in nodes.walk(node.test) if isinstance(n, cst.Call | cst.Attribute))
    return asks and recomputes(ctx, node.body)


def recomputes(ctx: Context, node: cst.CSTNode, seen: set[Func] | None = None) -> bool:
    """Whether statements checkpoint what they compute: of use only for gradients, and without effect on values."""
    seen = set() if seen is None else seen
    for found in nodes.walk(node):
        if type(found) is cst.Call:
            if called(ctx, found) == "torch.utils.checkpoint.checkpoint":
                return True
            func = function_of(ctx, found.func)
            if func is not None and func not in seen:
                seen.add(func)
                if recomputes(ctx, func.node.body, seen):
                    return True
    return False


def function_of(ctx: Context, node: cst.CSTNode) -> Func | None:
    """The function of the project that a name or attribute stands for."""
    value = ctx.value(node)
    return value.func if isinstance(value, MethodOf) else value if isinstance(value, Func) else None


def asks_gradient(ctx: Context, node: cst.BaseExpression) -> bool:
    """``x.requires_grad`` of a tensor, ``any(x.requires_grad for x in xs)``, or a function that says just that."""
    if isinstance(node, cst.Call):
        if called(ctx, node) in ("builtins.any", "builtins.all") and len(node.args) == 1:
            items = node.args[0].value
            return isinstance(items, cst.GeneratorExp | cst.ListComp) and asks_gradient(ctx, items.elt)
        func = function_of(ctx, node.func)
        return func is not None and only_asks_gradient(ctx, func)
    return isinstance(node, cst.Attribute) and node.attr.value == "requires_grad" and ctx.tensor(node.value) is not None


def only_asks_gradient(ctx: Context, func: Func) -> bool:
    """Whether a function does nothing but tell whether tensors need their gradients, by a `return` or a loop."""
    known = ctx.facts.cache.setdefault("asks_gradient", {})
    if func not in known:
        known[func] = False  # for functions that call themselves
        known[func] = _only_asks_gradient(ctx, func)
    return bool(known[func])


def _only_asks_gradient(ctx: Context, func: Func) -> bool:
    if not isinstance(func.node, cst.FunctionDef) or not isinstance(func.node.body, cst.IndentedBlock):
        return False
    lines = [s for s in func.node.body.body if not _is_docstring(s)]
    if len(lines) == 1:
        value = _returned(lines[0])
        return value is not None and asks_gradient(ctx, value)
    if len(lines) != 2 or not isinstance(lines[0], cst.For) or lines[0].orelse is not None:
        return False
    inside = lines[0].body.body
    test = inside[0] if len(inside) == 1 else None
    if not isinstance(test, cst.If) or test.orelse is not None or len(test.body.body) != 1:
        return False
    found, other = _returned(test.body.body[0]), _returned(lines[1])
    constants = {nodes.code(value) for value in (found, other) if value is not None}
    return constants == {"True", "False"} and asks_gradient(ctx, test.test)


def _returned(statement: cst.CSTNode) -> cst.BaseExpression | None:
    """The value of a line that only returns one."""
    small: Any = statement
    if isinstance(statement, cst.SimpleStatementLine):
        small = statement.body[0] if len(statement.body) == 1 else None
    return small.value if isinstance(small, cst.Return) else None


def _is_docstring(statement: cst.CSTNode) -> bool:
    small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
    return isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString | cst.ConcatenatedString)


def needless(ctx: Context, func: Func) -> bool:
    """Whether every use of a function that asks for gradients stands in a test that is decided without it."""
    if not only_asks_gradient(ctx, func):
        return False
    if "gradient_uses" not in ctx.facts.cache:
        ctx.facts.cache["gradient_uses"] = _gradient_uses(ctx)
    uses, decided = ctx.facts.cache["gradient_uses"]
    return bool(uses.get(func)) and uses[func] <= decided


def _gradient_uses(ctx: Context) -> tuple[dict[Func, set[cst.CSTNode]], set[cst.CSTNode]]:
    """Where the functions stand that only ask for gradients, and the tests that are decided without them."""
    uses: dict[Func, set[cst.CSTNode]] = {}
    decided: set[cst.CSTNode] = set()
    for tree in ctx.facts.trees:
        for node in nodes.walk(tree):
            kind = type(node)
            if kind is cst.Name or kind is cst.Attribute:
                func = function_of(ctx, node)
                if func is not None and only_asks_gradient(ctx, func):
                    uses.setdefault(func, set()).add(node)
            elif kind is cst.If and decides_recomputing(ctx, node):
                decided.update(nodes.walk(node.test))
    return uses, decided


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
                return _in_parentheses_of(node, other) if one == is_and else one
        if left is not node.left or right is not node.right:
            return node.with_changes(left=left, right=right)
    return node


def _in_parentheses_of(whole: cst.BooleanOperation, part: Any) -> Any:
    """What is left of a test keeps its parentheses: it may run over several lines."""
    if isinstance(part, bool) or part.lpar or not whole.lpar:
        return part
    return part.with_changes(lpar=whole.lpar, rpar=whole.rpar)


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
