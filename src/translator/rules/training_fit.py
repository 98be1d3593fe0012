"""``--style fit``: a loop over epochs and batches that does nothing else becomes `compile` and `fit`.

The loop is translated as ever first. What is matched is that translation: there a step is a function of its own, which
was proven to do nothing but compute, and its lines have one form. What stands around the batches becomes callbacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from .. import nodes
from ..values import Instance, options_of, without_none
from .training import plan_of
from .training_fit_names import Around, Parts, bound, own_jumps
from .training_fit_step import LOSS, Step, Sums, Unfit, loss_read, short
from .training_params import walk

if TYPE_CHECKING:
    from ..rewrite.rewriter import Rewriter
    from .training_parts import Plan

LOADER = "torch.utils.data.DataLoader"


def fit_loop(rw: Rewriter, node: cst.For) -> Any:
    """The lines of a loop over epochs, or ``None`` for any other loop."""
    ctx = rw.ctx
    if node in ctx.fitting:
        return None
    plan = plan_of(ctx)
    batches = batch_loop(plan, node) if plan is not None else None
    if batches is None:
        return None
    ctx.fitting |= {node, batches}
    known = len(ctx.hoisted)
    new = rw.compound(node)
    if len(ctx.hoisted) == known and any(u.reason for u in plan.blocks[batches.body.body[0]].units):  # type: ignore[union-attr]
        return new  # a refusal says why
    try:
        return Fit(rw, node, batches, new, ctx.hoisted[known:]).lines()
    except Unfit as error:
        ctx.note(node, "XL407", f"the training loop stays a loop: {error}")
        return new


def batch_loop(plan: Plan, node: cst.For) -> Any:
    """The loop with a training step that a loop is, or that stands right in it."""
    inner = node.body.body if isinstance(node.body, cst.IndentedBlock) else ()
    for loop in (node, *inner):
        if isinstance(loop, cst.For) and isinstance(loop.body, cst.IndentedBlock):
            block = plan.blocks.get(loop.body.body[0])
            if block is not None and block.units:
                return loop
    return None


class Fit:
    """One loop over epochs.

    Raises:
        Unfit: by each method, where something else may happen in the loop.
    """

    def __init__(self, rw: Rewriter, node: cst.For, batches: cst.For, new: Any, steps: list[Any]) -> None:
        self.ctx, self.node, self.batches, self.new = rw.ctx, node, batches, new
        self.steps = {f.name.value: f for f in steps}

    def lines(self) -> list[Any]:
        """The statements that stand in place of the loop."""
        begin, end = self.epochs()
        body = self.new.body.body
        at = next((i for i, s in enumerate(body) if self.called(s) is not None), None)
        if at is None:
            raise Unfit("the step is not known to run as a graph")
        if len(self.steps) > 1:
            raise Unfit("there is more than one training step in it")
        loop = unpacked(body[at])
        step = Step(self.steps[self.called(loop)], *self.batch(loop))
        sums = Sums(step, self.ctx, collated=self.collated())
        each = self.after_step(loop, step, sums)
        parts = Parts(body[:at], loop, each, last_loss(body[at + 1 :], step.loss_name), sums.lines())
        around = Around(self.ctx, self.node, parts, step.fixed)
        own = around.functions(self.new.target.value, self.number(loop), step.loss_name)
        first = self.new.leading_lines
        self.forget(step)
        out = [*own, *self.training(step, sums, begin, end, around)]
        blank = sum(x.comment is None for x in first)
        out[0] = out[0].with_changes(leading_lines=[*out[0].leading_lines[blank:], *first])
        return out

    def epochs(self) -> tuple[Any, Any]:
        """The first epoch, if it is not 0, and the end of the range."""
        if self.batches is self.node:
            call = self.node.iter
            counted = isinstance(call, cst.Call) and nodes.is_name(call.func, "range")
            raise Unfit("it goes through no DataLoader" if counted else "the loop over epochs stands elsewhere")
        if not isinstance(self.new, cst.For) or not isinstance(self.new.body, cst.IndentedBlock):
            raise Unfit("its form is not known")
        call = self.new.iter
        plain = isinstance(call, cst.Call) and nodes.is_name(call.func, "range") and 1 <= len(call.args) <= 2
        if not plain or any(a.keyword is not None or a.star for a in call.args):
            raise Unfit(f"epochs are counted by `{short(call)}`")
        if self.new.orelse is not None or not isinstance(self.new.target, cst.Name):
            raise Unfit("its form is not known")
        given = [a.value for a in call.args]
        return (given[0], given[1]) if len(given) == 2 else (None, given[0])

    def called(self, statement: Any) -> str | None:
        """The name of the step that a loop over batches calls."""
        if not isinstance(statement, cst.For):
            return None
        names = (n.func.value for n in walk(statement.body) if isinstance(n, cst.Call) and isinstance(n.func, cst.Name))
        return next((name for name in names if name in self.steps), None)

    # -- batches ---------------------------------------------------------------------------------------------

    def batch(self, loop: Any) -> tuple[Any, str, str]:
        """The loader, and the names of inputs and targets."""
        target, source, original = loop.target, loop.iter, self.batches.iter
        if isinstance(source, cst.Call) and nodes.is_name(source.func, "enumerate") and len(source.args) == 1:
            if not isinstance(target, cst.Tuple) or len(target.elements) != 2:
                raise Unfit("a batch is not just inputs and targets")
            target, source = target.elements[1].value, source.args[0].value
            original = original.args[0].value  # type: ignore[attr-defined]
        value = without_none(self.ctx.value(original))
        if not all(isinstance(o, Instance) and o.api == LOADER for o in options_of(value)):
            raise Unfit(f"`{short(original)}` is not known to be a DataLoader")
        if not isinstance(source, cst.Name | cst.Attribute):
            raise Unfit(f"batches come from `{short(source)}`")
        names = [e.value for e in target.elements] if isinstance(target, cst.Tuple | cst.List) else []
        if len(names) != 2 or not all(isinstance(n, cst.Name) for n in names):
            raise Unfit("a batch is not just inputs and targets")
        return source, names[0].value, names[1].value

    def number(self, loop: Any) -> str:
        """What the number of a batch is called."""
        first = loop.target.elements[0].value
        numbered = isinstance(loop.iter, cst.Call) and isinstance(first, cst.Name)
        return first.value if numbered else "batch"

    def collated(self) -> bool:
        """Whether some loader may give inputs and targets of different lengths, or none of known length."""
        return any(
            c.api == LOADER and ("collate_fn" in c.args or "batch_size" not in c.args)
            for c in self.ctx.facts.calls.values()
        )

    def after_step(self, loop: Any, step: Step, sums: Sums) -> list[Any]:
        """Read all lines of the loop over batches; those that are to run after each batch."""
        lines = [s for s in loop.body.body if not (isinstance(s, cst.SimpleStatementLine) and not s.body)]
        if loop.orelse is not None or not lines or not step.is_call(lines[0]):
            raise Unfit(f"`{short(lines[0])}` stands before the step" if lines else "its form is not known")
        schedules = [s for s in lines[1:] if self.is_schedule(s)]
        kept = [s for s in lines[1:] if s not in schedules and not sums.take(s)]
        # What something else reads among the batches is no sum that is known at the end of the epoch alone.
        read = {n.value for s in kept for n in walk(s) if isinstance(n, cst.Name)}
        sums.found = [s for s in sums.found if s.name not in read]
        return [self.of_batch(s, step) for s in lines[1:] if not sums.holds(s)]

    def of_batch(self, statement: Any, step: Step) -> Any:
        """A statement that runs after each batch: of the batch itself it may know the number of its loss alone."""
        if self.is_schedule(statement):
            return statement
        new = loss_read(statement, step.loss_name)
        gone = {step.inputs, step.target, step.loss_name, *step.results} - {LOSS}
        names = {n.value for n in walk(new) if isinstance(n, cst.Name)}
        if names & gone or any(own_jumps(new)):
            raise Unfit(f"`{short(statement)}` stands in the loop over batches")
        return nodes.renamed(new, LOSS, step.loss_name, ())

    def is_schedule(self, statement: Any) -> bool:
        """``scheduler.step()``, which only sets what the optimizer has."""
        small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        call = small.value if isinstance(small, cst.Expr) else None
        plain = isinstance(call, cst.Call) and not call.args and isinstance(call.func, cst.Attribute)
        if not plain or call.func.attr.value != "step" or not isinstance(call.func.value, cst.Name):  # type: ignore[union-attr]
            return False
        name = call.func.value.value  # type: ignore[union-attr]
        found = [
            n for n in walk(self.batches) if isinstance(n, cst.Attribute) and nodes.is_name(n.value, name)
        ]
        return bool(found) and all(
            isinstance(o, Instance) and (o.api or "").startswith("torch.optim.lr_scheduler.")
            for n in found for o in options_of(without_none(self.ctx.value(n.value)))
        )  # fmt: skip

    # -- the new lines ----------------------------------------------------------------------------------------

    def forget(self, step: Step) -> None:
        """The step's function is not needed any more."""
        self.ctx.hoisted.remove(step.function)
        if not self.ctx.hoisted:
            self.ctx.needs.discard("helper:compiled")

    def helper(self, name: str) -> str:
        self.ctx.needs.add(f"helper:{name}")
        return f"{name}_" if name in self.ctx.taken else name

    def training(self, step: Step, sums: Sums, begin: Any, end: Any, around: Around) -> list[Any]:
        """The model with its loss, `compile`, and `fit`."""
        trainer = cst.Name(around.trainer)
        given = [cst.Name(step.model), step.loss(), *([sums.mapping()] if sums.found else [])]
        made = nodes.call(self.helper("Training"), *given)
        compiled = nodes.call(
            f"{around.trainer}.compile", optimizer=step.optimizer, jit_compile=cst.Name("False")
        )
        callbacks = around.callbacks
        made_of = nodes.call("keras.callbacks.LambdaCallback", **callbacks)
        listed = cst.List([cst.Element(wrapped(made_of, 2) if len(callbacks) > 1 else made_of)])
        self.ctx.needs |= {"tf", "keras"}
        options = {
            "epochs": end, **({"initial_epoch": begin} if begin is not None else {}), "shuffle": cst.Name("False"),
            "verbose": cst.Integer("0"), **({"callbacks": listed} if callbacks else {}),
        }
        data = nodes.call(self.helper("loader_dataset"), step.loader)
        fit = wrapped(nodes.call(f"{around.trainer}.fit", data, **options))
        target = cst.Assign([cst.AssignTarget(trainer)], made)
        first, *rest = (cst.SimpleStatementLine([s]) for s in (target, cst.Expr(compiled), cst.Expr(fit)))
        return [first.with_changes(leading_lines=around.blank), *rest]


def unpacked(loop: Any) -> Any:
    """``for batch in loader: inputs, labels = batch`` as ``for inputs, labels in loader``, if nothing else reads it."""
    pair = loop.target if isinstance(loop.target, cst.Tuple) else None
    held = pair.elements[-1].value if pair is not None and pair.elements else loop.target
    first, *rest = loop.body.body
    small = first.body[0] if isinstance(first, cst.SimpleStatementLine) and len(first.body) == 1 else None
    if not isinstance(held, cst.Name) or not isinstance(small, cst.Assign) or len(small.targets) != 1 or not rest:
        return loop
    taken = small.targets[0].target
    if not nodes.is_name(small.value, held.value) or not isinstance(taken, cst.Tuple):
        return loop
    read = any(nodes.is_name(n, held.value) for s in rest for n in walk(s))
    if read or any(line.comment for line in first.leading_lines):
        return loop
    target: Any = taken
    if pair is not None:
        inner = taken.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        target = pair.with_changes(elements=[*pair.elements[:-1], pair.elements[-1].with_changes(value=inner)])
    return loop.with_changes(target=target, body=loop.body.with_changes(body=rest))


def last_loss(after: list[Any], loss: str) -> list[Any]:
    """The statements after the batches, with the number of the last batch's loss where they read it."""
    new = [loss_read(s, loss) for s in after]
    reads = any(nodes.is_name(n, LOSS) for s in new for n in walk(s))
    if not reads or loss in bound(after):
        return after
    return [nodes.statement(f'{loss} = logs["batch_loss"]'), *(nodes.renamed(s, LOSS, loss, ()) for s in new)]


def wrapped(call: cst.Call, depth: int = 1) -> cst.Call:
    """A call with its arguments on lines of their own, ``depth`` levels in."""
    inner = cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace("    " * depth))
    last = cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace("    " * (depth - 1)))
    args = [
        a.with_changes(comma=cst.Comma(whitespace_after=inner if i + 1 < len(call.args) else last))
        for i, a in enumerate(call.args)
    ]
    return call.with_changes(args=args, whitespace_before_args=inner)
