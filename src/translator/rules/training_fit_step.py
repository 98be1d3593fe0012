"""A training step in its translated form, read back for `fit`, and the sums that a loop keeps over the batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libcst as cst

from .. import nodes
from .training_graph import loaded
from .training_params import walk

PURE = ("tf.", "keras.ops.")
SHORT = 60
LOSS = "_batch_loss_"
"""Stands for the number of a loss, until it is known that nothing else of the loss is read."""


class Unfit(Exception):
    """Why a loop cannot become `fit`."""


def text(node: Any) -> str:
    """A node in one line."""
    plain = node.with_changes(leading_lines=[]) if hasattr(node, "leading_lines") else node
    return " ".join(nodes.code(plain).split())


def short(node: Any) -> str:
    """The same for a message."""
    whole = text(node)
    return whole if len(whole) <= SHORT else f"{whole[:SHORT]}..."


class Step:
    """``with tf.GradientTape() as tape: ...`` up to `apply_gradients`, in a function of its own.

    Raises:
        Unfit: the step does more than `fit` does with a model, a loss and an optimizer.
    """

    def __init__(self, function: Any, loader: Any, inputs: str, target: str) -> None:
        self.function, self.loader, self.inputs, self.target = function, loader, inputs, target
        lines = list(function.body.body)
        self.results: list[str] = []
        if text(lines[-1]).startswith("return "):
            value = lines.pop().body[0].value
            self.results = [n.value for n in walk(value) if isinstance(n, cst.Name)]
        if len(lines) != 3 or not isinstance(lines[0], cst.With):
            raise Unfit("the step does more than compute gradients and apply them")
        self.output = self.loss_name = ""
        self.forward(lines[0])
        self.update(*lines[1:])

    def forward(self, tape: Any) -> None:
        """``outputs = model(inputs, training=True)`` and the loss."""
        if 'training=getattr(' in text(tape):
            raise Unfit("it is not known that the model trains: say `model.train()` before the batches")
        assigned = [_assigned(s) for s in tape.body.body]
        if any(a is None for a in assigned) or len(assigned) not in (1, 2):
            raise Unfit("the step computes more than the model's output and a loss of it")
        *first, (self.loss_name, computed) = assigned  # type: ignore[misc]
        if first:
            self.output, call = first[0]  # type: ignore[misc]
            self.model = self.modelled(call)
        else:
            calls = [n for n in walk(computed) if self.is_forward(n)]
            names = {n.value for n in loaded(tape)} | {self.inputs, self.target}
            self.output = next(n for n in ("prediction", "output", "predicted") if n not in names)
            if len(calls) != 1:
                raise Unfit("the step computes more than the model's output and a loss of it")
            self.model = self.modelled(calls[0])
            computed = _swapped(computed, calls[0], cst.Name(self.output))
        read = {n.value for n in loaded(computed)}
        if self.inputs in read or self.model in read:
            raise Unfit("the loss is computed from more than the model's output and the targets")
        self.computed: Any = computed

    def is_forward(self, node: Any) -> bool:
        """Whether a call is the model's, with the inputs of a batch."""
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Name) or len(node.args) != 2:
            return False
        return text(node) == f"{node.func.value}({self.inputs}, training=True)"

    def modelled(self, call: Any) -> str:
        if not self.is_forward(call):
            raise Unfit(f"`{short(call)}` is no call of the model with the inputs alone")
        return str(call.func.value)

    def update(self, gradients: Any, applied: Any) -> None:
        name, call = _assigned(gradients) or ("", gradients)
        variables = f"{self.model}.trainable_variables"
        if text(call) != f"tape.gradient({self.loss_name}, {variables})":
            raise Unfit("the gradients are not those of the loss for all of the model")
        small = applied.body[0] if isinstance(applied, cst.SimpleStatementLine) else None
        done = small.value if isinstance(small, cst.Expr) else None
        ending = f".apply_gradients(zip({name}, {variables}))"
        if not isinstance(done, cst.Call) or not text(done).endswith(ending):
            raise Unfit("something happens to the gradients before they are applied")
        self.optimizer = done.func.value  # type: ignore[attr-defined]

    def is_call(self, statement: Any) -> bool:
        """Whether a statement is the call of the step."""
        small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        call = small.value if isinstance(small, cst.Expr | cst.Assign) else None
        return isinstance(call, cst.Call) and nodes.is_name(call.func, self.function.name.value)

    @property
    def fixed(self) -> set[str]:
        """What `fit` is given once: nothing in the loop may bind it anew."""
        given = {p.name.value for p in self.function.params.params}
        return (given - {self.inputs, self.target}) | {n.value for n in loaded(self.loader)}

    def loss(self) -> Any:
        """The loss as a function of the prediction and the target."""
        call = self.computed
        if isinstance(call, cst.Call) and text(call) == f"{text(call.func)}({self.output}, {self.target})":
            return call.func
        return cst.Lambda(_parameters(self.output, self.target), call)


@dataclass(slots=True)
class Sum:
    """``name += value`` in a loop over batches."""

    name: str
    function: Any
    whole: bool
    statement: Any

    @property
    def key(self) -> str:
        return f"{self.name}_sum" if self.name in ("loss", "val_loss") else self.name


class Sums:
    """What a loop adds up over the batches.

    Args:
        collated: whether inputs and targets may have different lengths.
    """

    def __init__(self, step: Step, ctx: Any, *, collated: bool) -> None:
        self.step, self.ctx, self.collated = step, ctx, collated
        self.found: list[Sum] = []

    def take(self, statement: Any) -> bool:
        """Whether a statement adds a number that is known from the loss, the prediction and the targets."""
        small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        plain = isinstance(small, cst.AugAssign) and isinstance(small.operator, cst.AddAssign)
        if not plain or not isinstance(small.target, cst.Name):  # type: ignore[union-attr]
            return False
        name = small.target.value  # type: ignore[union-attr]
        if any(s.name == name for s in self.found):
            return False
        value = _tensor(small.value)  # type: ignore[union-attr]
        made = self.of_loss(value) or self.size(value) or self.counted(value)
        if made is None:
            return False
        self.found.append(Sum(name, *made, statement))
        return True

    def of_loss(self, value: Any) -> tuple[Any, bool] | None:
        """The loss, or the loss times the number of samples."""
        loss = self.step.loss_name
        if nodes.is_name(value, loss):
            return value, False
        if isinstance(value, cst.BinaryOperation) and isinstance(value.operator, cst.Multiply):
            for one, other in ((value.left, value.right), (value.right, value.left)):
                size = self.size(other)
                if nodes.is_name(one, loss) and size is not None:
                    cast = nodes.call("tf.cast", size[0], nodes.dotted(f"{loss}.dtype"))
                    return cst.BinaryOperation(cst.Name(loss), cst.Multiply(), cast), False
        return None

    def size(self, value: Any) -> tuple[Any, bool] | None:
        """The number of samples in the batch."""
        known = [self.step.target, *([] if self.collated else [self.step.inputs])]
        shapes = {f"keras.ops.shape({n})[0]" for n in known} | {f"len({n})" for n in known}
        shapes |= {f"tf.shape({n})[0]" for n in known} | {f"{n}.shape[0]" for n in known}
        if text(value) not in shapes:
            return None
        return cst.parse_expression(f"tf.shape({self.step.target})[0]"), True

    def counted(self, value: Any) -> tuple[Any, bool] | None:
        """A count: the sum of a tensor of integers that is computed from the prediction and the targets."""
        form = text(value)
        whole = form.startswith("tf.reduce_sum(tf.cast(") and form.endswith((", tf.int64))", ", tf.int32))"))
        known = {self.step.output, self.step.target, "tf", "keras"}
        if not whole or not {n.value for n in loaded(value)} <= known:
            return None
        calls = [n for n in walk(value) if isinstance(n, cst.Call)]
        pure = all(text(c.func).startswith(PURE) for c in calls)
        return (value, True) if pure else None

    def holds(self, statement: Any) -> bool:
        """Whether a statement is one of those that were taken."""
        return any(s.statement is statement for s in self.found)

    def mapping(self) -> Any:
        """The functions by their names."""
        step = self.step
        names = _parameters(step.loss_name, step.output, step.target)
        pairs = [(cst.SimpleString(f'"{s.key}"'), cst.Lambda(names, s.function)) for s in self.found]
        if len(pairs) == 1:
            return cst.Dict([cst.DictElement(*pairs[0])])
        inner = cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace("    "))
        last = cst.ParenthesizedWhitespace(indent=True)
        commas = [cst.Comma(whitespace_after=inner)] * (len(pairs) - 1) + [cst.Comma(whitespace_after=last)]
        elements = [cst.DictElement(*pair, comma=comma) for pair, comma in zip(pairs, commas, strict=True)]
        return cst.Dict(elements, lbrace=cst.LeftCurlyBrace(whitespace_after=inner))

    def lines(self) -> dict[str, Any]:
        """The lines that give each sum to its variable, at the end of an epoch."""
        out = {}
        for one in self.found:
            value: Any = f'logs["{one.key}"]'
            out[one.name] = nodes.statement(f"{one.name} += {f'int({value})' if one.whole else value}")
        return out


def loss_read(node: Any, loss: str) -> Any:
    """A node with the name `LOSS` wherever it reads the number of a loss."""
    if isinstance(node, cst.Call) and text(node) in (f"{loss}.numpy().item()", f"float({loss})", f"{loss}.numpy()"):
        return cst.Name(LOSS)
    return nodes.rebuild(node, lambda child: loss_read(child, loss))


def _parameters(*names: str) -> cst.Parameters:
    return cst.Parameters([cst.Param(cst.Name(name)) for name in names])


def _assigned(statement: Any) -> tuple[str, Any] | None:
    """Name and value of ``name = value``."""
    small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1 else None
    if not isinstance(small, cst.Assign) or len(small.targets) != 1:
        return None
    target = small.targets[0].target
    return (target.value, small.value) if isinstance(target, cst.Name) else None


def _tensor(node: Any) -> Any:
    """An expression without ``.numpy()``, ``.item()`` and ``float()``: still a tensor."""
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and not node.args:
        if node.func.attr.value in ("numpy", "item"):
            return _tensor(node.func.value)
    if isinstance(node, cst.Call) and nodes.is_name(node.func, "float") and len(node.args) == 1:
        return _tensor(node.args[0].value)
    return nodes.rebuild(node, _tensor) if isinstance(node, cst.BinaryOperation) else node


def _swapped(node: Any, old: Any, new: Any) -> Any:
    return new if node is old else nodes.rebuild(node, lambda child: _swapped(child, old, new))
