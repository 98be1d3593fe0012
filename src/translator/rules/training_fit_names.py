"""What stands around the batches of an epoch, as callbacks, and the variables that these share with the program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import libcst as cst

from .. import nodes
from .training_fit_step import Unfit, short, text
from .training_graph import loaded
from .training_params import walk

ELSEWHERE = (
    cst.Return, cst.Yield, cst.Await, cst.Global, cst.Nonlocal, cst.Del, cst.Import, cst.ImportFrom, cst.FunctionDef,
    cst.ClassDef, cst.NamedExpr,
)  # fmt: skip
"""What means something else in a function of its own."""


@dataclass(slots=True)
class Parts:
    """The translated statements of an epoch."""

    before: list[Any]
    loop: Any
    """The loop over batches."""
    each: list[Any]
    """What runs after the step of each batch."""
    after: list[Any]
    sums: dict[str, Any]
    """By the name of a variable, the line that adds an epoch's sum to it."""


class Around:
    """What becomes callbacks.

    Args:
        fixed: names that must stay what they are.
    """

    def __init__(self, ctx: Any, node: Any, parts: Parts, fixed: set[str]) -> None:
        self.ctx, self.node = ctx, node
        self.home = home_of(ctx.tree, node)
        self.hidden = set(bound([parts.loop])) - set(parts.sums) - set(bound(parts.each))
        self.later = read_later(self.home, node)
        starts = [s for s in parts.before if _literal(s) and not set(bound([s])) & set(bound(parts.each))]
        self.before = [s for s in parts.before if s not in starts and not _empty(s)]
        self.each = parts.each
        self.after = [*begun(starts, parts.sums), *self.used(parts.after)]
        self.check(set(fixed))
        names = {n.value for n in walk(ctx.tree) if isinstance(n, cst.Name)}
        self.trainer = _fresh("trainer", names)
        self.names = {kind: _fresh(kind, names) for kind in ("begin_epoch", "end_of_batch", "end_of_epoch")}
        if "logs" in names:
            raise Unfit("the name `logs`, which callbacks have, is taken")
        self.callbacks: dict[str, Any] = {}
        self.blank: list[Any] = []
        """What separates the functions from what follows."""

    def used(self, after: list[Any]) -> list[Any]:
        """The statements after the batches, but for those that cut off from gradients what nobody reads any more."""
        out = []
        for i, statement in enumerate(after):
            names = list(bound([statement]))
            cut = len(names) == 1 and text(statement) == f"{names[0]} = tf.stop_gradient({names[0]})"
            read = {n.value for s in after[i + 1 :] for n in loaded(s)} | self.later
            if not _empty(statement) and not (cut and names[0] not in read):
                out.append(statement)
        return out

    def check(self, fixed: set[str]) -> None:
        every = [*self.before, *self.each, *self.after]
        for one in every:
            bad = next((n for n in walk(one) if isinstance(n, ELSEWHERE)), None)
            if bad is not None:
                raise Unfit(f"`{short(bad)}` stands in it")
        changed = set(bound(every)) & (fixed | {self.node.target.value})
        if changed:
            raise Unfit(f"`{min(changed)}` is another one in each epoch")
        last = {n for s in (self.before, self.after) for n in read_first(s)} & self.hidden
        if last:
            raise Unfit(f"`{min(last)}` of the last batch is used")
        gone = self.later & (self.hidden | {self.node.target.value})
        if gone:
            raise Unfit(f"`{min(gone)}` is used after it")

    def functions(self, epoch: str, batch: str, loss: str) -> list[Any]:
        """The functions of the callbacks, before them the variables that they set and nothing else does.

        Args:
            epoch, batch, loss: what the program calls the numbers of the epoch and the batch, and the batch's loss.
        """
        shared = self.shared()
        if any(nodes.is_name(n, epoch) for s in self.each for n in walk(s)):
            shared.append(epoch)
            self.before.insert(0, nodes.statement(f"{epoch} = number"))
        known = set(bound_before(self.home, self.node))
        inside = isinstance(self.home, cst.FunctionDef)
        out: list[Any] = [nodes.statement(f"{name} = None") for name in shared if inside and name not in known]
        blank = [cst.EmptyLine(indent=False)] * (1 if inside else 2)
        first = "number" if epoch in shared else epoch
        reads = any(nodes.is_name(n, loss) for s in self.each for n in walk(s))
        each = [*([nodes.statement(f'{loss} = logs["batch_loss"]')] if reads else []), *self.each]
        for kind, event, given, lines in (
            ("begin_epoch", "on_epoch_begin", first, self.before), ("end_of_batch", "on_train_batch_end", batch, each),
            ("end_of_epoch", "on_epoch_end", epoch, self.after),
        ):  # fmt: skip
            if not lines:
                continue
            mine = [n for n in dict.fromkeys(bound(lines)) if n in shared]
            said = [nodes.statement(f"{'nonlocal' if inside else 'global'} {', '.join(mine)}")] if mine else []
            body = [*said, *moved_breaks(lines, self.trainer)]
            body[0] = body[0].with_changes(leading_lines=[x for x in body[0].leading_lines if x.comment])
            parameters = cst.Parameters([cst.Param(cst.Name(given)), cst.Param(cst.Name("logs"))])
            name = cst.Name(self.names[kind])
            out.append(cst.FunctionDef(name, parameters, cst.IndentedBlock(body), leading_lines=blank))
            self.callbacks[event] = name
        self.blank = blank if self.callbacks else []
        return out

    def shared(self) -> list[str]:
        """The variables whose value outlives the callback that sets them."""
        every = (self.before, self.each, self.after)
        carried = {n for lines in every for n in read_first(lines)} | self.later
        return [n for n in dict.fromkeys(n for lines in every for n in bound(lines)) if n in carried]


def begun(starts: list[Any], sums: dict[str, Any]) -> list[Any]:
    """``total = 0.0`` and ``total += logs["total"]``, in one where that is the same."""
    values: dict[str, Any] = {}
    for statement in starts:
        for small in statement.body:
            target = small.targets[0].target
            pairs = zip(target.elements, small.value.elements, strict=False) if isinstance(target, cst.Tuple) else ()
            values |= {p.value.value: v.value for p, v in pairs}
            values |= {target.value: small.value} if isinstance(target, cst.Name) else {}
    whole = {name for name, line in sums.items() if "int(" in text(line)}
    same = {n for n, v in values.items() if n in sums and text(v) in (("0",) if n in whole else ("0", "0.0", "0."))}
    out = [nodes.statement(f"{n} = {text(v)}") for n, v in values.items() if n not in same]
    return [*out, *(nodes.statement(text(s).replace("+=", "=", 1)) if n in same else s for n, s in sums.items())]


def bound(statements: Iterable[Any]) -> Iterator[str]:
    """The names that statements bind."""
    for statement in statements:
        for node in walk(statement):
            if isinstance(node, cst.AssignTarget | cst.AugAssign | cst.AnnAssign | cst.For):
                targets = [node.target]
            elif isinstance(node, cst.AsName):
                targets = [node.name]
            else:
                continue
            for target in targets:
                yield from _names(target)


def _names(target: Any) -> Iterator[str]:
    """The names that a target binds; ``a.b = 1`` and ``a[0] = 1`` bind none."""
    if isinstance(target, cst.Name):
        yield target.value
    elif isinstance(target, cst.Tuple | cst.List):
        for element in target.elements:
            yield from _names(element.value)


def read_first(statements: Iterable[Any]) -> set[str]:
    """The names that may be read before these statements have bound them."""
    out: set[str] = set()
    done: set[str] = set()
    for statement in statements:
        if isinstance(statement, cst.SimpleStatementLine):
            own = {n.value for n in loaded(statement)}
            own |= {n for s in statement.body if isinstance(s, cst.AugAssign) for n in _names(s.target)}
            out |= own - done
            done |= set(bound([statement]))
        elif isinstance(statement, cst.For) and statement.orelse is None:
            out |= {n.value for n in loaded(statement.iter)} - done
            # Its body may not run at all; what it binds is bound within it.
            out |= read_first(statement.body.body) - done - set(_names(statement.target))
        elif isinstance(statement, cst.With):
            out |= {n.value for i in statement.items for n in loaded(i.item)} - done
            out |= read_first(statement.body.body) - done
            done |= set(bound([statement]))
        else:
            out |= {n.value for n in loaded(statement)} - done
    return out


def home_of(tree: Any, node: Any) -> Any:
    """The function in which a statement stands, or the module.

    Raises:
        Unfit: it stands in a class, or in another loop.
    """
    home = tree
    for one in _path(tree, node):
        if isinstance(one, cst.FunctionDef):
            home = one
        if isinstance(one, cst.ClassDef):
            raise Unfit("it stands in a class")
        if isinstance(one, cst.For | cst.While) and one is not node:
            raise Unfit("it stands in another loop")
    return home


def _path(node: Any, wanted: Any) -> list[Any]:
    if node is wanted:
        return [node]
    for child in node.children:
        found = _path(child, wanted)
        if found:
            return [node, *found]
    return []


def read_later(home: Any, node: Any) -> set[str]:
    """The names that the program reads after a loop, and those that other functions take from the same place."""
    out: set[str] = set()
    past = False

    def visit(part: Any) -> None:
        nonlocal past
        if part is node:
            past = True
            return
        if isinstance(part, cst.FunctionDef | cst.Lambda) and part is not home:
            own = {p.name.value for p in walk(part.params) if isinstance(p, cst.Param)}
            out.update({n.value for n in loaded(part)} - own - set(bound([part.body])))
            return
        if isinstance(part, cst.Name) and past:
            out.add(part.value)
        for child in part.children:
            visit(child)

    visit(home)
    return out


def bound_before(home: Any, node: Any) -> Iterator[str]:
    """The names that a function binds outside of a loop, or takes."""
    if isinstance(home, cst.FunctionDef):
        yield from (p.name.value for p in walk(home.params) if isinstance(p, cst.Param))
    inside = {id(n) for n in walk(node)}
    for part in walk(home.body):
        if id(part) not in inside and isinstance(part, cst.Assign | cst.AnnAssign | cst.AugAssign | cst.For | cst.With):
            yield from bound([part.with_changes(body=cst.IndentedBlock([]))] if hasattr(part, "body") else [part])


def moved_breaks(lines: list[Any], trainer: str) -> list[Any]:
    """``break`` ends the training and ``continue`` the callback, where they are the epoch loop's own."""

    def visit(part: Any) -> Any:
        if isinstance(part, cst.For | cst.While | cst.BaseExpression):
            return part
        if isinstance(part, cst.SimpleStatementLine):
            small: list[Any] = []
            for one in part.body:
                if isinstance(one, cst.Break):
                    small += [*nodes.statement(f"{trainer}.stop_training = True").body, cst.Return()]
                else:
                    small.append(cst.Return() if isinstance(one, cst.Continue) else one)
            return part.with_changes(body=small) if len(small) != len(part.body) else part
        return nodes.rebuild(part, visit)

    return [visit(line) for line in lines]


def own_jumps(node: Any) -> Iterator[Any]:
    """Each ``break`` and ``continue`` of the loop that a statement stands in."""
    if isinstance(node, cst.Break | cst.Continue):
        yield node
    elif not isinstance(node, cst.For | cst.While):
        for child in node.children:
            yield from own_jumps(child)


def _literal(statement: Any) -> bool:
    """``total, correct = 0.0, 0``."""
    if not isinstance(statement, cst.SimpleStatementLine) or not statement.body:
        return False
    plain = cst.BaseNumber | cst.Tuple | cst.Element | cst.Name | cst.Comma | cst.BaseParenthesizableWhitespace
    return all(
        isinstance(s, cst.Assign) and len(s.targets) == 1 and _same_shape(s.targets[0].target, s.value)
        and all(isinstance(n, plain) and not isinstance(n, cst.Name) for n in walk(s.value) if not _space(n))
        for s in statement.body
    )


def _same_shape(target: Any, value: Any) -> bool:
    """``a = 0`` and ``a, b = 0, 1``."""
    if isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
        names = all(isinstance(e.value, cst.Name) for e in target.elements)
        return names and len(target.elements) == len(value.elements)
    return isinstance(target, cst.Name)


def _space(node: Any) -> bool:
    return isinstance(node, cst.LeftParen | cst.RightParen | cst.TrailingWhitespace | cst.Newline)


def _empty(statement: Any) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and not statement.body


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
