"""Writing a graph and its session as a module, functions and plain calls, in TensorFlow 2's words.

A session's run is a function of what it is fed. The variables, and what is computed with them from what every run is
fed, are a module; a run that trains is a step with a tape. The result is translated like any other program.
"""

from __future__ import annotations

from typing import Any

import libcst as cst

from .. import nodes
from .flat import flat
from .read import SWITCHES, Graph, Step, calls, is_session, names, read, recurrent
from .runs import Run, Runs
from .spelling import Unclear, got_variable, layer_of, modern, optimizer_of, tf_name
from .steady import bound, steady

ROOTS = ("tensorflow.compat.v1", "tensorflow")


def has_session(text: str) -> bool:
    """Whether a program looks as if it built a graph and ran it."""
    return "placeholder(" in text and "Session(" in text


def eager(text: str) -> tuple[str, list[str]]:
    """The program without graph and session, and what is to be told of it.

    Raises:
        Unclear: where not all of it is understood.
    """
    flattened = flat(cst.parse_module(text))
    module = flattened.module
    body = [s for s in (imported(s) for s in module.body) if s is not None]
    at = next((i for i, s in enumerate(body) if opens(s)), None)
    if at is None or sum(is_session(n) for n in nodes.walk(module)) != 1:
        raise Unclear("only one session, opened at the top level of the file, is translated")
    first = next(i for i, s in enumerate(body) if not is_import(s))
    graph = read(body[first:at])
    session = body[at]
    inside, after = session.body.body, body[at + 1 :]
    free = taken(module) - {*graph.training, *graph.optimizers, *graph.initializers}
    writer = Writer(graph, session.items[0].asname.name.value, free)
    lines = [part for s in (*inside, *after) for part in writer.statement(s)]
    steady(graph, [*body[:first], *graph.kept], [*inside, *after])
    made = writer.definitions()
    head = [*body[:first], *cst.parse_module("from tensorflow import keras\n").body]
    functions = [s for s in graph.kept if isinstance(s, cst.FunctionDef)]
    kept = [rewritten(s) for s in graph.kept]
    if flattened.main and lines:
        bare = {n for s in graph.kept if s not in functions for n in bound(s)} & {n for s in lines for n in bound(s)}
        if bare:
            raise Unclear(f"`{min(bare)}` is set before the session and in it")
        lines = ended(flattened.main, lines)
    if of_doubles(graph):
        head += cst.parse_module('\nkeras.backend.set_floatx("float64")\n').body
    notes = [SUMMARIES] if graph.summaries or graph.writers else []
    return module.with_changes(body=[*head, *kept, *apart(made), *apart(lines, 1 + bool(flattened.main))]).code, notes


SUMMARIES = "summaries are left out: torch.utils.tensorboard.SummaryWriter writes what the functions return"


def ended(main: str, lines: list[Any]) -> list[Any]:
    """What the session ran as the program's main function, and its call."""
    guard = 'if __name__ == "__main__":\n    ' + main + "()\n"
    body = cst.IndentedBlock([lines[0].with_changes(leading_lines=[x for x in lines[0].leading_lines if x.comment]),
                              *lines[1:]])  # fmt: skip
    func = cst.FunctionDef(cst.Name(main), cst.Parameters(), body)
    return [func, *apart(list(cst.parse_module(guard).body))]


def rewritten(node: Any) -> Any:
    """A statement with TensorFlow's functions as TensorFlow 2 spells them."""
    new = nodes.rebuild(node, rewritten)
    return modern(new) if isinstance(new, cst.Call) else new


def apart(statements: list[Any], lines: int = 2) -> list[Any]:
    """Statements after some blank lines."""
    if not statements:
        return []
    blank = [cst.EmptyLine(indent=False)] * lines
    comments = [x for x in statements[0].leading_lines if x.comment is not None]
    return [statements[0].with_changes(leading_lines=[*blank, *comments]), *statements[1:]]


def of_doubles(graph: Graph) -> bool:
    """Whether layers compute in double precision: they take the type of their input."""
    typed = [*(p.dtype for p in graph.placeholders.values()), *graph.variables.values(), *(s.node for s in graph.steps)]
    applied = [c for s in graph.steps for c in calls(s.node)]
    layers = any(c.startswith(("layers.", "nn.dynamic_rnn")) for c in applied)
    return layers and any("float64" in nodes.code(n) for n in typed)


def imported(statement: Any) -> Any:
    """An import of TensorFlow as ``import tensorflow as tf``; ``None`` for a switch to graphs.

    Raises:
        Unclear: where TensorFlow goes by another name.
    """
    small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) and statement.body else None
    if isinstance(small, cst.Expr) and isinstance(small.value, cst.Call) and tf_name(small.value.func) in SWITCHES:
        return None
    if isinstance(small, cst.Import | cst.ImportFrom) and "tensorflow" in nodes.code(small):
        if nodes.code(small).strip() not in (
            *(f"import {root} as tf" for root in ROOTS), "from tensorflow.compat import v1 as tf",
        ):  # fmt: skip
            raise Unclear("what is imported of TensorFlow is not understood", statement)
        return statement.with_changes(body=cst.parse_module("import tensorflow as tf\n").body[0].body)
    return statement


def is_import(statement: Any) -> bool:
    """Whether a statement belongs to the head of a file."""
    small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) and statement.body else None
    text = isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString | cst.ConcatenatedString)
    return text or isinstance(small, cst.Import | cst.ImportFrom)


def opens(statement: Any) -> bool:
    """``with tf.Session() as sess:``"""
    return (
        isinstance(statement, cst.With) and len(statement.items) == 1 and is_session(statement.items[0].item)
        and statement.items[0].asname is not None and isinstance(statement.items[0].asname.name, cst.Name)
    )  # fmt: skip


def taken(module: cst.Module) -> set[str]:
    return {n.value for n in nodes.walk(module) if isinstance(n, cst.Name)}


class Writer(Runs):
    """What is left of a graph and the session that runs it."""

    # -- definitions ------------------------------------------------------------------------------------

    def definitions(self) -> list[Any]:
        """The module, the optimizers, and a function for each kind of run.

        Raises:
            Unclear: where no part of the graph is common to all runs.
        """
        if not self.runs:
            raise Unclear("the session runs nothing")
        common = set.intersection(*({*r.feeds} for r in self.runs))
        inner = self.inner(common)
        if not inner:
            raise Unclear("no run uses variables")
        outer = {i for r in self.runs for i in self.ancestors(self.roots(list(r.fetches)))} - set(inner)
        fetched = [self.roots(list(r.fetches)) for r in self.runs]
        needed = set().union(*(self.graph.steps[i].reads for i in outer), *fetched)
        made = [t for i in inner for t in self.graph.steps[i].targets]
        results = [t for t in dict.fromkeys(made) if t in needed]
        if self.shadowed(inner, outer):
            raise Unclear("a name stands for several tensors of the graph")
        net, classname = self.net or self.unique("net"), self.unique("Net")
        optimizers = {n: self.unique("optimizer") for n in self.graph.training}
        inputs = [n for n in self.graph.placeholders
                  if any(n in self.graph.steps[i].reads for i in inner)]  # fmt: skip
        lines = [self.module(classname, inner, inputs, results)]
        objects = [f"{net} = {classname}()"]
        for name, training in self.graph.training.items():
            maker = training.optimizer
            call = self.graph.optimizers[maker.value] if isinstance(maker, cst.Name) else maker
            if any(name in r.fetches for r in self.runs):
                objects.append(f"{optimizers[name]} = {nodes.code(optimizer_of(call))}")
        lines.append("\n".join(objects) + "\n")
        start = f"({', '.join(inputs)})"
        applied = f"{', '.join(results)} = {net}{start}"
        lines += [self.function(r, inner, applied, results, net, optimizers) for r in self.runs]
        return list(cst.parse_module("\n\n".join(lines) + "\n").body)

    def inner(self, common: set[str]) -> list[int]:
        """The steps of the module: those with variables, and what they rest on, from what every run is fed."""
        free: list[int] = []
        known: set[str] = {*self.graph.variables, *self.graph.cells} | common
        for i, step in enumerate(self.graph.steps):
            if step.reads <= known:
                free.append(i)
                known |= set(step.targets)
            else:
                known -= set(step.targets)
        last = max((i for i in free if self.graph.steps[i].owns), default=-1)
        wanted = {i for r in self.runs for i in self.ancestors(self.roots(list(r.fetches)))}
        return [i for i in free if i <= last and i in wanted]

    def shadowed(self, inner: list[int], outer: set[int]) -> bool:
        """Whether a result of the module is set again outside of it."""
        inside = {t for i in inner for t in self.graph.steps[i].targets}
        outside = [t for i in outer for t in self.graph.steps[i].targets]
        fetched = {t for r in self.runs for t in self.roots(list(r.fetches))}
        counts = [t for s in self.graph.steps for t in s.targets]
        return bool(inside & set(outside)) or any(counts.count(t) > 1 for t in fetched) or (
            len(outside) != len(set(outside))
        )  # fmt: skip

    def module(self, name: str, inner: list[int], inputs: list[str], results: list[str]) -> str:
        """The class with the variables and layers."""
        init = ["super().__init__()"]
        init += [f"self.{n} = {nodes.code(variable(v))}" for n, v in self.graph.variables.items()]
        body: list[str] = []
        for i in inner:
            step = self.graph.steps[i]
            body.append(self.line(step, init))
        body.append("return " + ", ".join(results))
        parts = [f"class {name}(tf.Module):", "    def __init__(self):", *(f"        {x}" for x in init), "",
                 f"    def __call__(self, {', '.join(inputs)}):", *(f"        {x}" for x in body), ""]  # fmt: skip
        return "\n".join(parts)

    def line(self, step: Step, init: list[str] | None = None, owner: str = "self") -> str:
        """A step as a line of the module's or a function's."""
        counter = 0

        def visit(node: Any) -> Any:
            nonlocal counter
            if isinstance(node, cst.Attribute):
                return node.with_changes(value=visit(node.value))
            if isinstance(node, cst.Arg):
                return node.with_changes(value=visit(node.value))
            if isinstance(node, cst.Name) and node.value in self.graph.variables:
                return nodes.dotted(f"{owner}.{node.value}")
            made = (recurrent(self.graph, node) or layer_of(node)) if isinstance(node, cst.Call) else None
            if made is not None and (init is None or names(made[1]) & self.graph.names):
                raise Unclear("a layer is applied where not every run is fed what it needs", step.node)
            new = nodes.rebuild(node, visit) if made is None else node
            if made is not None and init is not None:
                base = step.targets[0] + (f"_{counter}" if counter else "")
                attribute = base
                while any(x.startswith(f"self.{attribute} =") for x in init):
                    attribute += "_"
                counter += 1
                init.append(f"self.{attribute} = {nodes.code(made[1])}")
                return nodes.call(f"self.{attribute}", visit(made[0]))
            return modern(new) if isinstance(new, cst.Call) else new

        small = step.node.body[0]
        assert isinstance(small, cst.Assign)
        return f"{', '.join(step.targets)} = {nodes.code(visit(small.value))}"

    def function(
        self, run: Run, inner: list[int], applied: str, results: list[str], net: str, optimizers: dict[str, str]
    ) -> str:
        """A function for one kind of run."""
        lines = []
        for name in run.feeds:
            placeholder = self.graph.placeholders[name]
            if not placeholder.scalar:
                dtype = nodes.code(placeholder.dtype)
                made = f"tf.convert_to_tensor({name}, {DTYPES.get(dtype, dtype)})"
                known = placeholder.shape is not None and not nodes.is_name(placeholder.shape, "None")
                shaped = f"tf.ensure_shape({made}, {nodes.code(placeholder.shape)})" if known else made
                lines.append(f"{name} = {shaped}")
        trained = next((n for n in run.fetches if n in self.graph.training), None)
        wanted = set(self.roots([n for n in run.fetches if n not in self.graph.training]))
        if trained is not None:
            taken = self.graph.training[trained].gradients
            loss = taken.loss
            inside = [i for i in self.ancestors({loss}) if i not in inner]
            lines += ["with tf.GradientTape() as tape:", f"    {applied}"]
            lines += [f"    {self.line(self.graph.steps[i], owner=net)}" for i in inside]
            lines += [f"variables = {net}.trainable_variables", f"gradients = tape.gradient({loss}, variables)"]
            if taken.norm is not None:
                lines.append(f"gradients, _ = tf.clip_by_global_norm(gradients, {nodes.code(taken.norm)})")
            rest = [i for i in self.ancestors(wanted) if i not in inner and i not in inside]
            lines += [self.line(self.graph.steps[i], owner=net) for i in rest]
            lines.append(f"{optimizers[trained]}.apply_gradients(zip(gradients, variables))")
        else:
            every = self.ancestors(wanted)
            lines += [applied] if set(every) & set(inner) else []
            lines += [self.line(self.graph.steps[i], owner=net) for i in every if i not in inner]
        values = [f"{n}.numpy()" for n in run.fetches if n not in self.graph.training]
        lines += ["return " + ", ".join(values)] if values else []
        return "\n".join([f"def {run.name}({', '.join(run.feeds)}):", *(f"    {x}" for x in lines), ""])


DTYPES = {'"float"': "tf.float32", "'float'": "tf.float32", '"float32"': "tf.float32", "'float32'": "tf.float32",
          '"int32"': "tf.int32", "'int32'": "tf.int32", '"int64"': "tf.int64", "'int64'": "tf.int64"}  # fmt: skip


def variable(value: Any) -> Any:
    """What makes a variable, as TensorFlow 2 spells it."""
    if isinstance(value, cst.Call) and tf_name(value.func) == "get_variable":
        return rewritten(got_variable(value))
    return rewritten(value)
