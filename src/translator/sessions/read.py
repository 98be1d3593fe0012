"""Reading a graph: which statements make placeholders, variables and tensors, and what a session is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from .. import nodes
from .spelling import Unclear, arguments, tf_name

SESSIONS = frozenset({"Session", "InteractiveSession"})
INITIALIZERS = frozenset({"global_variables_initializer", "initialize_all_variables", "local_variables_initializer"})
SCOPES = frozenset({"variable_scope", "name_scope", "device"})
SWITCHES = frozenset({"disable_v2_behavior", "disable_eager_execution", "reset_default_graph"})
MAKERS = frozenset({"Variable", "get_variable"})
CELLS = frozenset({
    f"{place}.{cell}" for place in ("nn.rnn_cell", "contrib.rnn") for cell in ("BasicLSTMCell", "LSTMCell")
})  # fmt: skip
"""Cells that compute what Keras's LSTM does."""
CLIPPED = ("t_list", "clip_norm")


@dataclass(slots=True)
class Placeholder:
    """A tensor that every run is given."""

    dtype: Any
    shape: Any = None

    @property
    def scalar(self) -> bool:
        return isinstance(self.shape, cst.List | cst.Tuple) and not self.shape.elements


@dataclass(slots=True)
class Step:
    """A statement that computes tensors."""

    node: cst.SimpleStatementLine
    targets: list[str]
    reads: set[str]
    owns: bool
    """Whether it reads a variable, or makes a layer."""


@dataclass(slots=True)
class Gradients:
    """The gradients of a loss with respect to everything that is trained."""

    loss: str
    norm: Any = None
    """What their norm is limited to."""


@dataclass(slots=True)
class Training:
    """An operation that takes a step."""

    optimizer: Any
    """The optimizer: a name or a call."""
    gradients: Gradients


@dataclass(slots=True)
class Graph:
    """What the statements before the session make."""

    placeholders: dict[str, Placeholder] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    """Variables with the expressions that make them."""
    steps: list[Step] = field(default_factory=list)
    optimizers: dict[str, cst.Call] = field(default_factory=dict)
    training: dict[str, Training] = field(default_factory=dict)
    """Operations that train."""
    cells: dict[str, Any] = field(default_factory=dict)
    """Cells of recurrent layers, with the number of their units."""
    zeros: set[str] = field(default_factory=set)
    """States of cells that are zero."""
    states: set[str] = field(default_factory=set)
    """States that recurrent layers end with."""
    trained: set[str] = field(default_factory=set)
    """Variables of Python that hold all variables that are trained."""
    gradients: dict[str, Gradients] = field(default_factory=dict)
    initializers: set[str] = field(default_factory=set)
    kept: list[Any] = field(default_factory=list)
    """Statements without tensors."""
    makers: set[str] = field(default_factory=set)
    """Functions that make and return variables."""
    summaries: set[str] = field(default_factory=set)
    """What is written to a log: tensors by which a run gives nothing."""
    writers: set[str] = field(default_factory=set)
    """Logs."""
    savers: set[str] = field(default_factory=set)
    """What writes all variables to a file."""

    @property
    def names(self) -> set[str]:
        """Every name that stands for something in the graph."""
        made = {t for s in self.steps for t in s.targets}
        every = (self.placeholders, self.variables, self.optimizers, self.training, self.initializers, self.cells)
        told = (self.summaries, self.writers, self.savers)
        return made.union(*every, self.zeros, self.states, self.trained, self.gradients, *told)

    @property
    def silent(self) -> set[str]:
        """What a run does, or logs, and gives nothing of."""
        return {*self.training, *self.summaries}


def is_session(node: Any) -> bool:
    return isinstance(node, cst.Call) and tf_name(node.func) in SESSIONS


def names(node: cst.CSTNode) -> set[str]:
    """The names that an expression reads."""
    skipped = {id(n.attr) for n in nodes.walk(node) if isinstance(n, cst.Attribute)}
    skipped |= {id(n.keyword) for n in nodes.walk(node) if isinstance(n, cst.Arg) and n.keyword is not None}
    return {n.value for n in nodes.walk(node) if isinstance(n, cst.Name) and id(n) not in skipped}


def calls(node: cst.CSTNode) -> list[str]:
    """The functions of TensorFlow that a node calls."""
    return [tf_name(n.func) for n in nodes.walk(node) if isinstance(n, cst.Call) and tf_name(n.func)]


def read(statements: list[Any]) -> Graph:
    """The graph that statements build.

    Raises:
        Unclear: for a statement that is more than a line of a plain graph.
    """
    graph = Graph()
    for statement in statements:
        add(graph, statement)
    return graph


def add(graph: Graph, statement: Any) -> None:
    if isinstance(statement, cst.With) and all(is_scope(i.item) for i in statement.items):
        for inner in statement.body.body:
            add(graph, inner)
        return
    if isinstance(statement, cst.FunctionDef):
        function(graph, statement)
        return
    small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
    if isinstance(small, cst.Expr) and isinstance(small.value, cst.Call) and tf_name(small.value.func) in SWITCHES:
        return
    if isinstance(small, cst.Expr) and isinstance(small.value, cst.Call):
        if tf_name(small.value.func).startswith("summary."):
            graph.summaries.add("")
            return
    if not concerns(graph, statement):
        graph.kept.append(statement)
        return
    if not isinstance(small, cst.Assign) or len(statement.body) != 1 or len(small.targets) != 1:
        raise Unclear("a statement of the graph is more than an assignment", statement)
    target = small.targets[0].target
    if isinstance(target, cst.Name):
        assign(graph, statement, target.value, small.value)
    elif isinstance(target, cst.Tuple) and all(isinstance(e.value, cst.Name) for e in target.elements):
        several(graph, statement, [e.value.value for e in target.elements], small.value)  # type: ignore[attr-defined]
    else:
        raise Unclear("a statement of the graph is more than an assignment", statement)


def is_scope(node: Any) -> bool:
    """``tf.variable_scope("x")`` without anything that changes what is made in it."""
    return isinstance(node, cst.Call) and tf_name(node.func) in SCOPES and len(node.args) == 1


def function(graph: Graph, node: cst.FunctionDef) -> None:
    """A function of the program's own: it may make a variable, or compute."""
    inside = calls(node)
    if any(c.startswith(("layers.", "train.", "placeholder")) or c in SESSIONS for c in inside):
        raise Unclear(f"`{node.name.value}` builds a part of the graph", node)
    if names(node.body) & graph.names:
        raise Unclear(f"`{node.name.value}` reads the graph around it", node)
    if "get_variable" in inside:
        raise Unclear(f"`{node.name.value}` makes variables by name", node)
    if "Variable" in inside:
        graph.makers.add(node.name.value)
    graph.kept.append(node)


def concerns(graph: Graph, statement: Any) -> bool:
    """Whether a statement has to do with the graph."""
    made = MAKERS | INITIALIZERS | {"trainable_variables"}
    found = calls(statement)
    if bool(names(statement) & (graph.names | graph.makers)) or any(c in made for c in found):
        return True
    return any(c.startswith(("placeholder", "layers.", "train.", "nn.", "summary.", "contrib.")) for c in found)


def assign(graph: Graph, statement: Any, target: str, value: Any) -> None:
    """``name = ...``"""
    if target in graph.placeholders or target in graph.variables:
        raise Unclear(f"`{target}` is given another meaning", statement)
    name = tf_name(value.func) if isinstance(value, cst.Call) else ""
    if name in ("placeholder", "placeholder_with_default"):
        if name != "placeholder":
            raise Unclear("a placeholder with a default is not translated", statement)
        given = arguments(value, ("dtype", "shape", "name"))
        graph.placeholders[target] = Placeholder(given["dtype"], given.get("shape"))
    elif tells(graph, target, value):
        return
    elif name in INITIALIZERS:
        graph.initializers.add(target)
    elif name.startswith("train.") and name.endswith("Optimizer"):
        graph.optimizers[target] = value
    elif minimizes(value):
        given = arguments(value, ("loss",))
        if not isinstance(given["loss"], cst.Name):
            raise Unclear("what is minimised has no name", statement)
        graph.training[target] = Training(value.func.value, Gradients(given["loss"].value))
    elif name in CELLS:
        given = arguments(value, ("num_units", "forget_bias"))
        graph.cells[target] = given["num_units"]
    elif is_zero(graph, value):
        graph.zeros.add(target)
    elif name == "trainable_variables" and not value.args:
        graph.trained.add(target)
    elif name == "gradients":
        graph.gradients[target] = gradients(graph, value)
    elif applies(graph, value):
        graph.training[target] = Training(value.func.value, graph.gradients[value.args[0].value.args[0].value.value])
    elif makes_variable(graph, value):
        if names(value) & graph.names:
            raise Unclear(f"`{target}` is made from other parts of the graph", statement)
        graph.variables[target] = value
    else:
        step(graph, statement, [target], value)


def tells(graph: Graph, target: str, value: Any) -> bool:
    """``tf.summary.merge_all()``, ``tf.summary.FileWriter(folder)``, ``tf.train.Saver()``: noted under their names."""
    name = tf_name(value.func) if isinstance(value, cst.Call) else ""
    if name == "train.Saver":
        if any(a.keyword is None or a.keyword.value != "max_to_keep" for a in value.args):
            raise Unclear("which variables are saved is not understood", value)
        graph.savers.add(target)
    elif name == "summary.FileWriter":
        graph.writers.add(target)
    elif name.startswith("summary."):
        graph.summaries.add(target)
    else:
        return False
    return True


def minimizes(value: Any) -> bool:
    """``optimizer.minimize(loss)``."""
    return (
        isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) and value.func.attr.value == "minimize"
    )


def makes_variable(graph: Graph, value: Any) -> bool:
    """Whether a value is a variable, or a list or dict of some."""
    if isinstance(value, cst.Call):
        func = value.func
        return tf_name(func) in MAKERS or (isinstance(func, cst.Name) and func.value in graph.makers)
    if isinstance(value, cst.Dict | cst.List) and value.elements:
        return all(makes_variable(graph, e.value) for e in value.elements)
    return False


def several(graph: Graph, statement: Any, targets: list[str], value: Any) -> None:
    """``a, b = ...``"""
    name = tf_name(value.func) if isinstance(value, cst.Call) else ""
    if name == "clip_by_global_norm" and len(targets) == 2:
        given = arguments(value, CLIPPED)
        inner = given["t_list"]
        known = graph.gradients.get(inner.value) if isinstance(inner, cst.Name) else gradients(graph, inner)
        if known is None or known.norm is not None or names(given["clip_norm"]) & graph.names:
            raise Unclear("what is clipped is not understood", statement)
        graph.gradients[targets[0]] = Gradients(known.loss, given["clip_norm"])
        if targets[1] != "_":
            graph.states.add(targets[1])  # what the norm was: no run may ask for it
    elif name == "nn.dynamic_rnn" and len(targets) == 2:
        graph.states.add(targets[1])
        step(graph, statement, targets[:1], value)
        graph.steps[-1].owns = True
    else:
        step(graph, statement, targets, value)


def is_zero(graph: Graph, value: Any) -> bool:
    """``cell.zero_state(batch_size, tf.float32)``"""
    func = value.func if isinstance(value, cst.Call) else None
    return (
        isinstance(func, cst.Attribute) and func.attr.value == "zero_state"
        and isinstance(func.value, cst.Name) and func.value.value in graph.cells
    )  # fmt: skip


def gradients(graph: Graph, value: Any) -> Gradients:
    """``tf.gradients(loss, tf.trainable_variables())``

    Raises:
        Unclear: for gradients of anything else.
    """
    if not isinstance(value, cst.Call) or tf_name(value.func) != "gradients":
        raise Unclear("what is clipped is not understood", value)
    given = arguments(value, ("ys", "xs"))
    xs = given["xs"]
    every = isinstance(xs, cst.Name) and xs.value in graph.trained
    every |= isinstance(xs, cst.Call) and tf_name(xs.func) == "trainable_variables" and not xs.args
    if not every or not isinstance(given["ys"], cst.Name):
        raise Unclear("gradients are only understood of a loss by all that is trained", value)
    return Gradients(given["ys"].value)


def applies(graph: Graph, value: Any) -> bool:
    """``optimizer.apply_gradients(zip(grads, tvars))``"""
    if not isinstance(value, cst.Call) or not isinstance(value.func, cst.Attribute) or len(value.args) != 1:
        return False
    pairs = value.args[0].value
    if value.func.attr.value != "apply_gradients" or not isinstance(pairs, cst.Call) or len(pairs.args) != 2:
        return False
    grads, variables = (a.value for a in pairs.args)
    known = isinstance(grads, cst.Name) and grads.value in graph.gradients
    every = isinstance(variables, cst.Name) and variables.value in graph.trained
    every |= isinstance(variables, cst.Call) and tf_name(variables.func) == "trainable_variables"
    return nodes.is_name(pairs.func, "zip") and known and every


def recurrent(graph: Graph, call: cst.Call) -> tuple[Any, Any] | None:
    """``tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)``: its input and the Keras layer; ``None`` for any other call.

    Raises:
        Unclear: where it starts from a state, reads lengths, or shares its cell.
    """
    if tf_name(call.func) != "nn.dynamic_rnn":
        return None
    given = arguments(call, ("cell", "inputs", "sequence_length", "initial_state", "dtype"))
    cell, state = given["cell"], given.get("initial_state")
    zero = state is None or is_zero(graph, state) or (isinstance(state, cst.Name) and state.value in graph.zeros)
    if not zero or "sequence_length" in given or not isinstance(cell, cst.Name) or cell.value not in graph.cells:
        raise Unclear("a recurrent layer is only understood of one cell, from a state of zeros", call)
    used = [s for s in graph.steps if cell.value in s.reads]
    if len(used) != 1:
        raise Unclear(f"the cell `{cell.value}` is shared", call)
    return given["inputs"], nodes.call("keras.layers.LSTM", graph.cells[cell.value], return_sequences=cst.Name("True"))


def step(graph: Graph, statement: Any, targets: list[str], value: Any) -> None:
    """A statement that computes."""
    found = calls(value)
    bad = [c for c in found if c in MAKERS or c.startswith(("train.", "summary.", "contrib.", "gradients"))]
    if bad or (names(value) & graph.makers):
        raise Unclear("a variable is made inside of a computation", statement)
    rnn = len(targets) == 1 and tf_name(getattr(value, "func", None)) == "nn.dynamic_rnn"
    if names(value) & (graph.states | graph.trained | set(graph.gradients)):
        raise Unclear("a state or a gradient is computed with", statement)
    if not rnn and names(value) & (set(graph.cells) | graph.zeros):
        raise Unclear("a cell is used for more than `dynamic_rnn`", statement)
    if names(value) & set(graph.optimizers):
        raise Unclear("an optimizer is used for more than `minimize`", statement)
    read_by = names(value) & graph.names
    if rnn:
        read_by -= graph.zeros
    owns = bool(read_by & set(graph.variables)) or any(c.startswith("layers.") for c in found)
    graph.steps.append(Step(statement, targets, read_by, owns))
