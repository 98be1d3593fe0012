"""What a session is asked for: each run becomes a call of a function that is given what was fed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from .. import nodes
from .read import INITIALIZERS, MAKERS, SESSIONS, Graph, names, tells
from .spelling import Unclear, arguments, tf_name


@dataclass(slots=True)
class Run:
    """One kind of run: what is fetched by it, and the function that gives it."""

    name: str
    fetches: tuple[str, ...]
    feeds: tuple[str, ...]


@dataclass
class Runs:
    """The runs of a session: each becomes a call of a function."""

    graph: Graph
    session: str
    used: set[str]
    runs: list[Run] = field(default_factory=list)
    net: str = ""
    """What the module is called, where that is settled."""
    depth: int = 0
    """How many blocks inside of the session's the statement at hand stands."""

    # -- the session ------------------------------------------------------------------------------

    def statement(self, node: Any) -> list[Any]:
        """A statement of the session's block: runs become calls.

        Raises:
            Unclear: where the graph or the session is used for anything else.
        """
        lines = self.block([node])
        for made in lines:
            left = names(made) & (self.graph.names | {self.session})
            if left:
                raise Unclear(f"`{min(left)}` is used for more than a run", node)
        return lines

    def block(self, statements: Any) -> list[Any]:
        """Statements with their runs as calls; what only gives variables their first values goes."""
        out = []
        for node in statements:
            small = node.body[0] if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1 else None
            value = getattr(small, "value", None)
            if isinstance(small, cst.Expr) and self.starts(value):
                if self.depth or self.runs:
                    raise Unclear("variables are given their first values again", node)
                continue
            if self.logs(small):
                continue
            if isinstance(small, cst.Assign) and self.asks(value):
                made = self.assigned(small)
                if made is None:
                    continue
                node = node.with_changes(body=[made])
            if isinstance(small, cst.Expr) and isinstance(value, cst.Call) and self.silences(value):
                continue
            out.append(self.replaced(node))
        return out

    def starts(self, value: Any) -> bool:
        """``sess.run(tf.global_variables_initializer())``: a module has its first values when it is made."""
        if isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) and value.func.attr.value == "run":
            if nodes.is_name(value.func.value, self.session) and len(value.args) == 1:
                what = value.args[0].value
                every = [e.value for e in what.elements] if isinstance(what, cst.List | cst.Tuple) else [what]
                return all(self.initial(e) for e in every)
            return self.initial(value.func.value)
        return False

    def logs(self, small: Any) -> bool:
        """Whether a statement only makes a log or a saver, or writes to a log: this goes."""
        value = getattr(small, "value", None)
        if isinstance(small, cst.Assign) and isinstance(small.targets[0].target, cst.Name):
            return tells(self.graph, small.targets[0].target.value, value)
        owner = value.func.value if isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) else None
        return isinstance(small, cst.Expr) and isinstance(owner, cst.Name) and owner.value in self.graph.writers

    def silences(self, value: cst.Call) -> bool:
        """Whether a run only asks for summaries."""
        return self.asks(value) and set(self.parts(value)[0]) <= self.graph.summaries

    def saved(self, node: Any) -> Any:
        """``saver.save(sess, path)`` and ``saver.restore(sess, path)``; ``None`` for anything else."""
        owner = node.func.value if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) else None
        if not isinstance(owner, cst.Name) or owner.value not in self.graph.savers:
            return None
        names = ("sess", "save_path", "global_step")
        given = arguments(node, names)
        method = node.func.attr.value
        if method not in ("save", "restore") or not nodes.is_name(given.get("sess"), self.session):
            raise Unclear(f"`{method}` of a saver is not understood", node)
        path, number = self.replaced(given["save_path"]), given.get("global_step")
        if number is not None:
            path = nodes.template('"%s-%d" % ({p}, {n})', {"p": path, "n": self.replaced(number)})
        self.net = self.net or self.unique("net")
        checkpoint = nodes.call("tf.train.Checkpoint", net=cst.Name(self.net))
        func = cst.Attribute(checkpoint, cst.Name("write" if method == "save" else "read"))
        return cst.Call(func, [cst.Arg(path)])

    def initial(self, node: Any) -> bool:
        if isinstance(node, cst.Call):
            return tf_name(node.func) in INITIALIZERS
        return isinstance(node, cst.Name) and node.value in self.graph.initializers

    def asks(self, node: Any) -> bool:
        """``sess.run(...)``, ``loss.eval(...)``, ``train_op.run(...)``"""
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
            return False
        owner, attr = node.func.value, node.func.attr.value
        if nodes.is_name(owner, self.session):
            return attr == "run"
        return isinstance(owner, cst.Name) and owner.value in self.graph.names and attr in ("eval", "run")

    def parts(self, node: cst.Call) -> tuple[list[str], bool, dict[str, Any]]:
        """What a run fetches, whether as a list, and what it is fed.

        Raises:
            Unclear: where that is not written out.
        """
        assert isinstance(node.func, cst.Attribute)
        args = list(node.args)
        if nodes.is_name(node.func.value, self.session):
            what = args.pop(0).value if args and args[0].keyword is None else None
        else:
            what = node.func.value
        listed = isinstance(what, cst.List | cst.Tuple)
        items: list[Any] = [e.value for e in what.elements] if isinstance(what, cst.List | cst.Tuple) else [what]
        if not items or not all(isinstance(i, cst.Name) and i.value in self.graph.names for i in items):
            raise Unclear("what a run asks for is not written out", node)
        feed: Any = None
        for arg in args:
            name = arg.keyword.value if arg.keyword is not None else "feed_dict"
            if name == "feed_dict":
                feed = arg.value
            elif name != "session" or not nodes.is_name(arg.value, self.session):
                raise Unclear(f"`{name}` of a run is not understood", node)
        fed: dict[str, Any] = {}
        if feed is not None and not isinstance(feed, cst.Dict):
            raise Unclear("what a run is fed is not written out", node)
        for element in feed.elements if feed is not None else ():
            key = getattr(element, "key", None)
            if not isinstance(key, cst.Name) or key.value not in self.graph.placeholders:
                raise Unclear("something else than a placeholder is fed", node)
            fed[key.value] = element.value
        return [i.value for i in items], listed, fed

    def assigned(self, small: cst.Assign) -> cst.Assign | cst.Expr | None:
        """``_, cost = sess.run([train_op, loss], ...)``: operations and summaries give nothing.

        ``None`` where only summaries are asked for.
        """
        value = small.value
        assert isinstance(value, cst.Call)
        fetched, listed, fed = self.parts(value)
        target = small.targets[0].target
        if not listed and set(fetched) <= self.graph.summaries:
            return None
        if not listed or not isinstance(target, cst.Tuple) or len(target.elements) != len(fetched):
            return small
        kept = [(e, n) for e, n in zip(target.elements, fetched, strict=True) if n not in self.graph.silent]
        if set(fetched) <= self.graph.summaries:
            return None
        if not kept and self.graph.summaries & set(fetched):
            return cst.Expr(self.called(self.run(fetched, fed, value), fed))
        if len(kept) == len(fetched) or not kept:
            return small
        run = self.run(fetched, fed, value)
        new: Any = kept[0][0].value if len(kept) == 1 else nodes.tuple_of([e.value for e, _ in kept])
        if len(kept) > 1:
            new = new.with_changes(lpar=[], rpar=[])
        targets = [cst.AssignTarget(new)]
        return small.with_changes(targets=targets, value=self.called(run, fed))

    def replaced(self, node: Any) -> Any:
        """A node with every run in it as a call."""
        if isinstance(node, cst.IndentedBlock):
            self.depth += 1
            inner = node.with_changes(body=self.block(node.body))
            self.depth -= 1
            return inner
        saved = self.saved(node)
        if saved is not None:
            return saved
        if self.asks(node):
            fetched, listed, fed = self.parts(node)
            fed = {n: self.replaced(v) for n, v in fed.items()}
            run = self.run(fetched, fed, node)
            out = self.called(run, fed)
            values = [n for n in fetched if n not in self.graph.silent]
            if listed and len(values) != len(fetched) and values:
                raise Unclear("operations stand among the tensors that a run asks for", node)
            return nodes.tuple_of([out]) if listed and len(values) == 1 else out
        if isinstance(node, cst.Call) and tf_name(node.func) in SESSIONS | MAKERS | INITIALIZERS:
            raise Unclear("the graph grows while the session runs", node)
        return nodes.rebuild(node, self.replaced)

    def called(self, run: Run, fed: dict[str, Any]) -> cst.Call:
        return nodes.call(run.name, *(fed[n] for n in run.feeds))

    def run(self, fetched: list[str], fed: dict[str, Any], node: Any) -> Run:
        """The function for a run; runs that fetch the same share it."""
        fetched = [n for n in fetched if n not in self.graph.summaries]
        needed = self.needs(fetched)
        missing = needed - set(fed)
        if missing:
            raise Unclear(f"`{min(missing)}` is not fed", node)
        if self.roots(fetched) - {t for s in self.graph.steps for t in s.targets}:
            raise Unclear("a run asks for what the graph does not compute", node)
        calling = [n for n in fed if any(isinstance(p, cst.Call) for p in nodes.walk(fed[n]))]
        passed = [n for n in self.graph.placeholders if n in calling]
        if set(calling) - needed or (len(calling) > 1 and calling != passed):
            raise Unclear("what is fed is computed in another order than it is passed on", node)
        key = tuple(fetched)
        for run in self.runs:
            if run.fetches == key:
                return run
        trains = [n for n in fetched if n in self.graph.training]
        if len(trains) > 1:
            raise Unclear("several operations that train run at once", node)
        base = "train_step" if trains else "compute_" + "_and_".join(dict.fromkeys(fetched))
        feeds = tuple(n for n in self.graph.placeholders if n in needed)
        self.runs.append(Run(self.unique(base), key, feeds))
        return self.runs[-1]

    def unique(self, name: str) -> str:
        base, n = name, 1
        while name in self.used:
            n += 1
            name = f"{base}_{n}"
        self.used.add(name)
        return name

    # -- what a run needs ------------------------------------------------------------------------------

    def ancestors(self, wanted: set[str], end: int | None = None) -> list[int]:
        """The steps that some values rest on, in order."""
        out: list[int] = []
        left = set(wanted)
        for i in reversed(range(len(self.graph.steps) if end is None else end)):
            step = self.graph.steps[i]
            if left & set(step.targets):
                out.append(i)
                left = (left - set(step.targets)) | step.reads
        return out[::-1]

    def roots(self, fetched: list[str]) -> set[str]:
        """The tensors to compute for some fetches."""
        training = self.graph.training
        return {training[n].gradients.loss if n in training else n for n in fetched}

    def needs(self, fetched: list[str]) -> set[str]:
        """The placeholders that some fetches rest on."""
        wanted = self.roots(fetched)
        every = wanted.union(*(self.graph.steps[i].reads for i in self.ancestors(wanted)))
        return every & set(self.graph.placeholders)
