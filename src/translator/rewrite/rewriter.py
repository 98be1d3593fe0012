"""The one pass over the tree: children first, then the rules; statements are kept whole on a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import libcst as cst

from .. import nodes
from ..markers import marker
from ..model import Severity
from .context import Context, Edit, Finding, Refusal
from .quotes import fitting
from .targets import lost_arguments, lost_place

SAFE_PARENTS = (
    cst.Arg, cst.Assign, cst.AnnAssign, cst.AugAssign, cst.Return, cst.Expr, cst.Index, cst.Element, cst.DictElement,
    cst.Assert, cst.If, cst.While, cst.Slice, cst.Raise, cst.Param,
)  # fmt: skip

UNSETTLED = Refusal(
    "XL215", "what this function is passed has not settled after all runs that it gets",
    "annotate its parameters, or split it",
)  # fmt: skip


class Rewriter:
    """Rewrites one module by the rules of one direction."""

    def __init__(self, ctx: Context) -> None:
        from ..rules import rules_for

        self.ctx = ctx
        self.rules = rules_for(ctx.options.direction)
        self.layouts = ctx.moves_channels
        self.only_moved = False
        """In a statement with nothing of the framework in it: tensors that it hands on may still have to be moved."""

    def module(self, module: cst.Module) -> cst.Module:
        """The rewritten module; imports and helpers are still to be put in order."""
        self.ctx.tree = module
        if self.ctx.region is not None:
            from .region import rewrite

            return module.with_changes(body=rewrite(self, module.body, self.ctx.region))
        body = self.block(module.body)
        if self.ctx.hoisted:
            from ..rules.training_graph import hoist

            body = hoist(self.ctx, body)
        return module.with_changes(body=body)

    # -- statements ------------------------------------------------------------------------------

    def block(self, statements: Any) -> list[Any]:
        for rule in self.rules.blocks:
            taken = rule(self, statements)
            if taken is not None:
                return taken
        out: list[Any] = []
        for statement in statements:
            new = self.statement(statement)
            out.extend(new) if isinstance(new, list) else out.append(new)
        return out

    def statement(self, node: Any) -> Any:
        """One statement: a node, or a list where one becomes several or none."""
        return self.placed(node, self._statement)

    def placed(self, node: Any, rewrite: Callable[[Any], Any]) -> Any:
        """Rewrite a statement, and note for what is found in it where it stands."""
        first = len(self.ctx.findings)
        out = rewrite(node)
        for finding in self.ctx.findings[first:]:
            self.ctx.homes.setdefault(finding.node, node)
        return out

    def _statement(self, node: Any) -> Any:
        for rule in self.rules.parts if self.ctx.steps else ():
            lines = rule(self, node)
            if lines is not None:
                return lines
        if isinstance(node, cst.SimpleStatementLine):
            return self.line(node)
        if isinstance(node, cst.ClassDef | cst.FunctionDef):
            return self.definition(node)
        return self.compound(node)

    def line(self, node: cst.SimpleStatementLine) -> Any:
        touched = node in self.ctx.facts.touched
        if not touched and not self.layouts:
            return node
        self.only_moved, before = not touched, self.only_moved
        try:
            return self._line(node)
        finally:
            self.only_moved = before

    def _line(self, node: cst.SimpleStatementLine) -> Any:
        outer, self.ctx.refusals = self.ctx.refusals, []
        needs = set(self.ctx.needs)
        before: list[Any] = []
        after: list[Any] = []
        body: list[Any] = []
        for small in node.body:
            new = self.small(small)
            if isinstance(new, list):
                lines = [s for s in new if isinstance(s, cst.BaseStatement)]
                (after if body else before).extend(lines)
                body += [s for s in new if not isinstance(s, cst.BaseStatement)]
            else:
                body.append(new)
        refusals, self.ctx.refusals = self.ctx.refusals, outer
        if refusals:
            self.ctx.refused += len(refusals)
            self.ctx.needs = needs
            return self.marked(node, refusals)
        if not body and not before and not after:
            return self._removed(node)
        if not body:
            lines = [*before, *after]
            lines[0] = lines[0].with_changes(leading_lines=[*node.leading_lines, *lines[0].leading_lines])
            return lines
        if before:
            before[0] = before[0].with_changes(leading_lines=[*node.leading_lines, *before[0].leading_lines])
            node = node.with_changes(leading_lines=[])
        unchanged = len(body) == len(node.body) and all(a is b for a, b in zip(body, node.body, strict=True))
        return [*before, node if unchanged else node.with_changes(body=body), *after]

    def _removed(self, node: cst.SimpleStatementLine) -> list[Any]:
        """A statement without a counterpart goes; its comments stay."""
        if any(line.comment for line in node.leading_lines):
            return [cst.SimpleStatementLine([], leading_lines=node.leading_lines)]
        return []

    def small(self, node: Any) -> Any:
        """A small statement, after its expressions: a node, or a list of statements."""
        new = self._small(node)
        before, self.ctx.before = self.ctx.before, []
        return [*before, *(new if isinstance(new, list) else [new])] if before else new

    def _small(self, node: Any) -> Any:
        for claim in self.rules.claims.get(type(node), ()):
            self.ctx.claimed.update(claim(self.ctx, node))
        new = nodes.rebuild(node, self.visit)
        new, _ = self.converted(node, new)
        for rule in self.rules.statements.get(type(node), ()):
            outcome = rule(self.ctx, node, new)
            self.ctx.seen += outcome is not None
            if isinstance(outcome, Refusal):
                self.refuse(node, outcome)
                return node
            self.ctx.translated += outcome is not None
            if isinstance(outcome, Edit):
                new = self.accept(outcome)
                return self._checked(node, new) if isinstance(new, cst.Assign | cst.AugAssign) else new
        return self._checked(node, self._bare(node, new))

    def _checked(self, node: Any, new: Any) -> Any:
        """The translation of a statement, unless what it assigns to is no place any more."""
        lost = lost_place(new) if new is not node else None
        if lost is None:
            return new
        self.refuse(node, lost)
        return node

    def marked(self, node: Any, refusals: list[tuple[cst.CSTNode, Refusal]]) -> Any:
        """The original statement under marker comments that say what was refused and why."""
        lines = list(node.leading_lines)
        for _, refusal in refusals:
            line = cst.EmptyLine(comment=cst.Comment(marker(refusal.code, refusal.message)))
            if not any(old.comment and old.comment.value == line.comment.value for old in lines):  # type: ignore[union-attr]
                lines.append(line)
        return node.with_changes(leading_lines=lines)

    def compound(self, node: Any) -> Any:
        """A compound statement: its header as one unit, its bodies statement by statement."""
        outer, self.ctx.refusals = self.ctx.refusals, []
        for rule in self.rules.structures.get(type(node), ()):
            outcome = rule(self, node)
            if outcome is not None:
                self.ctx.refusals = outer
                return outcome
        header = self._bare(node, nodes.rebuild(node, self.header))
        header, _ = self.converted(node, header)
        if self.ctx.before:
            self.ctx.before = []
            self.refuse(node, Refusal("XL203", "a mask is made in the head of a compound statement"))
        for rule in self.rules.statements.get(type(node), ()):
            outcome = rule(self.ctx, node, header)
            if isinstance(outcome, Refusal):
                self.refuse(node, outcome)
            elif isinstance(outcome, Edit):
                self.ctx.needs.update(outcome.needs)
                header = outcome.node
        header = self._checked(node, header)
        refusals, self.ctx.refusals = self.ctx.refusals, outer
        if refusals:
            self.ctx.refused += len(refusals)
            header = self.marked(node, refusals) if hasattr(node, "leading_lines") else node
        return self.bodies(node, header)

    def compound_with(self, node: cst.If, test: Any) -> Any:
        """An ``if`` whose test was simplified before it is rewritten."""
        outer, self.ctx.refusals = self.ctx.refusals, []
        header = node.with_changes(test=nodes.bare(self.visit(test), node.test))
        refusals, self.ctx.refusals = self.ctx.refusals, outer
        if refusals:
            self.ctx.refused += len(refusals)
            header = self.marked(node, refusals)
        return self.bodies(node, header)

    def header(self, child: Any) -> Any:
        """A child of a compound statement: expressions are visited, bodies left for later."""
        if isinstance(
            child, cst.BaseSuite | cst.Else | cst.Finally | cst.ExceptHandler | cst.If | cst.ExceptStarHandler
        ):
            return child
        return self.visit(child)

    def bodies(self, node: Any, header: Any) -> Any:
        """Rewrite the bodies of a compound statement whose header is done."""
        if isinstance(header, list):
            return header
        changes: dict[str, Any] = {}
        for name in ("body", "orelse", "finalbody"):
            child = getattr(node, name, None)
            if child is not None and getattr(header, name, None) is child:
                changes[name] = self.part(child)
        if getattr(node, "handlers", None):
            changes["handlers"] = [self.part(h) for h in node.handlers]
        changes = {k: v for k, v in changes.items() if v is not getattr(node, k)}
        return header.with_changes(**changes) if changes else header

    def part(self, node: Any) -> Any:
        """A body, an ``else``, an ``except``."""
        if isinstance(node, cst.IndentedBlock):
            body = self.block(node.body)
            if len(body) == len(node.body) and all(a is b for a, b in zip(body, node.body, strict=True)):
                return node
            return node.with_changes(body=_never_empty(body))
        if isinstance(node, cst.SimpleStatementSuite):
            return self.placed(node, self.suite)
        if isinstance(node, cst.If):
            return self.placed(node, self.alternative)
        header = nodes.rebuild(node, self.header)
        return self.bodies(node, header)

    def alternative(self, node: cst.If) -> Any:
        """An ``elif``: where its test is decided it becomes the ``else``, or goes."""
        new = self.compound(node)
        if not isinstance(new, list):
            return new
        return cst.Else(cst.IndentedBlock(_never_empty(new))) if new else None

    def suite(self, node: cst.SimpleStatementSuite) -> Any:
        """A body on the line of its header; it becomes a block when it needs several lines."""
        outer, self.ctx.refusals = self.ctx.refusals, []
        body: list[Any] = []
        for small in node.body:
            new = self.small(small)
            body += new if isinstance(new, list) else [new]
        refusals, self.ctx.refusals = self.ctx.refusals, outer
        if refusals:
            self.ctx.refused += len(refusals)
            line = self.marked(cst.SimpleStatementLine(node.body), refusals)
            return cst.IndentedBlock([line])
        if any(isinstance(s, cst.BaseStatement) for s in body):
            lines = [s if isinstance(s, cst.BaseStatement) else cst.SimpleStatementLine([s]) for s in body]
            return cst.IndentedBlock(lines)
        if len(body) == len(node.body) and all(a is b for a, b in zip(body, node.body, strict=True)):
            return node
        return node.with_changes(body=body or [cst.Pass()])

    def definition(self, node: Any) -> Any:
        """A class or function: structural rules may take it over, else header and body."""
        if node in self.ctx.facts.emitted:
            return node
        if node in self.ctx.facts.unsettled:
            self.refuse(node, UNSETTLED)
            self.ctx.refusals.pop()
            self.ctx.refused += 1
            return self.marked(node, [(node, UNSETTLED)])
        for rule in self.rules.structures.get(type(node), ()):
            outcome = rule(self, node)
            if outcome is not None:
                return outcome
        return self.compound(node)

    # -- expressions -----------------------------------------------------------------------------

    def visit(self, node: Any) -> Any:
        """Rewrite an expression (or a part of one): children first, then the rules for its kind."""
        if self.ctx.steps and node in self.ctx.steps.instead:
            self.ctx.new[node] = self.ctx.steps.instead[node]
            return self.ctx.new[node]
        if node in self.ctx.facts.unsettled:
            self.refuse(node, UNSETTLED)
            return node
        if isinstance(node, cst.Annotation) and self.ctx.role != "annotation":
            return self.in_role("annotation", node)
        if isinstance(node, cst.SimpleString) and node in self.ctx.facts.quoted:
            return self.quoted(node)
        for claim in self.rules.claims.get(type(node), ()):
            self.ctx.claimed.update(claim(self.ctx, node))
        refused = len(self.ctx.refusals)
        if isinstance(node, cst.Call):
            new = self.call(node)
        elif isinstance(node, cst.Attribute) and node in self.ctx.facts.direct:
            new = node
        else:
            new = self._bare(node, nodes.rebuild(node, self.visit))
        if isinstance(new, cst.FormattedString) and new is not node:
            new = self._quoted(node, new)
        if new is not node:
            self.ctx.new[node] = new
        if node in self.ctx.claimed:
            return new
        new, conversion = self.converted(node, new)
        if new is not node:
            self.ctx.new[node] = new
        done = self.only_moved or (conversion is not None and conversion.done)
        for rule in () if done else self.rules.expressions.get(type(node), ()):
            self.ctx.unmoved = node in self.ctx.facts.unmoved
            outcome = rule(self.ctx, node, new)
            self.ctx.unmoved = False
            if outcome is None:
                continue
            self.ctx.seen += 1
            outcome = lost_arguments(self.ctx, node, outcome) or outcome
            if isinstance(outcome, Refusal):
                self.refuse(node, outcome)
                return node
            self.ctx.translated += 1
            new = self.accept(outcome)
            if node in self.ctx.facts.unmoved:
                from ..layout.unmoved import told

                new = told(self.ctx, node, new)
            elif conversion is not None and conversion.kind == "opaque":
                from ..layout.unmoved import told_if_asked

                new = told_if_asked(self.ctx, node, new)
            if isinstance(node, cst.Call) and len(self.ctx.refusals) > refused:
                self.forgive(node, new, refused)
            break
        if conversion is not None:
            new = conversion.finished(new)
        if new is not node:
            self.ctx.new[node] = new
        return new

    def _quoted(self, node: cst.FormattedString, new: cst.FormattedString) -> cst.FormattedString:
        """An f-string of which expressions were rewritten, if they can stand in it."""
        fitted = fitting(new)
        if fitted is None:
            hint = "compute the value in a statement before it"
            self.refuse(node, Refusal("XL203", "what stands in the f-string has a translation that cannot", hint))
        return fitted if fitted is not None else node

    def converted(self, node: Any, new: Any) -> tuple[Any, Any]:
        """An expression with its tensors in the axis order that it needs, and what is left to do with its result."""
        if not self.layouts:
            return new, None
        from ..layout.convert import CONVERTED, Conversion

        if not isinstance(node, CONVERTED):
            return new, None
        conversion = Conversion(self.ctx, node)
        return conversion.operands(new), conversion

    def forgive(self, node: cst.Call, new: cst.CSTNode, first: int) -> None:
        """Forget what was refused inside of arguments that the new call does not have: a layer's input size."""
        bound = self.ctx.call(node)
        rows = self.ctx.tables.find(bound.api) if bound is not None else []
        specs = rows[0].args if rows else {}
        gone: set[cst.CSTNode] = set()
        for name, arg in bound.args.items() if bound is not None else ():
            if name == "in_channels" or (name in specs and specs[name].drop):
                gone |= set(nodes.walk(arg.node))
        gone -= set(nodes.walk(new))
        waived = [n for n, _ in self.ctx.refusals[first:] if n in gone]
        self.ctx.refusals[first:] = [r for r in self.ctx.refusals[first:] if r[0] not in waived]
        self.ctx.findings[:] = [
            f for f in self.ctx.findings if f.severity is not Severity.ERROR or f.node not in waived
        ]

    def quoted(self, node: cst.SimpleString) -> cst.SimpleString:
        """An annotation in quotes: what stands inside of them is an expression."""
        inner = self.ctx.facts.quoted[node]
        first = len(self.ctx.findings)
        new = self.visit(inner)
        # The expression has no place of its own in the file.
        self.ctx.findings[first:] = [replace(f, node=node) for f in self.ctx.findings[first:]]
        return node if new is inner else node.with_changes(value=f"{node.quote}{nodes.code(new)}{node.quote}")

    def accept(self, edit: Edit) -> Any:
        """Take an edit: note what it needs."""
        return self.ctx.helped(edit.node, edit.needs)

    def call(self, node: cst.Call) -> Any:
        """The children of a call. What is called is left to the rules where it is an API or a method."""
        bound = self.ctx.call(node)
        func: Any = node.func
        if bound is None or bound.api.endswith("__call__"):
            func = self.visit(func)
        elif bound.receiver is not None and isinstance(func, cst.Attribute):
            func = nodes.rebuild(func, self.visit)
        role = "isinstance" if nodes.is_name(node.func, "isinstance") and len(node.args) == 2 else ""
        args = [self.in_role(role, a) if role and i else self.visit(a) for i, a in enumerate(node.args)]
        args = [self._bare(a, b) for a, b in zip(node.args, args, strict=True)]
        if func is node.func and all(a is b for a, b in zip(args, node.args, strict=True)):
            return node
        return node.with_changes(func=func, args=args)

    def _bare(self, node: Any, new: Any) -> Any:
        """Drop parentheses that rules added where the parent does not need them."""
        if new is node or not isinstance(node, SAFE_PARENTS):
            return new
        changes = {}
        for name in nodes.child_fields(type(node)):
            child, old = getattr(new, name), getattr(node, name)
            if isinstance(child, cst.BaseExpression) and child is not old and isinstance(old, cst.CSTNode):
                plain = nodes.bare(child, old)
                if plain is not child:
                    changes[name] = plain
        return new.with_changes(**changes) if changes else new

    def refuse(self, node: cst.CSTNode, refusal: Refusal) -> None:
        self.ctx.refusals.append((node, refusal))
        self.ctx.findings.append(Finding(node, refusal.code, Severity.ERROR, refusal.message, refusal.hint))

    def in_role(self, role: str, node: Any) -> Any:
        """Visit a node as an annotation, a base class or the second argument of ``isinstance``."""
        outer, self.ctx.role = self.ctx.role, role
        try:
            return self.visit(node)
        finally:
            self.ctx.role = outer


def _never_empty(body: list[Any]) -> list[Any]:
    """A block needs a statement: a removed body becomes ``pass``."""
    real = [s for s in body if not (isinstance(s, cst.SimpleStatementLine) and not s.body)]
    if real:
        return _hoist_comments(body)
    lines = [line for s in body for line in s.leading_lines]
    return [cst.SimpleStatementLine([cst.Pass()], leading_lines=lines)]


def _hoist_comments(body: list[Any]) -> list[Any]:
    """Comments of removed statements move to the statement that follows."""
    out: list[Any] = []
    waiting: list[Any] = []
    for statement in body:
        if isinstance(statement, cst.SimpleStatementLine) and not statement.body:
            waiting += statement.leading_lines
            continue
        if waiting and hasattr(statement, "leading_lines"):
            statement = statement.with_changes(leading_lines=[*waiting, *statement.leading_lines])
            waiting = []
        out.append(statement)
    return out
