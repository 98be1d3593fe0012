"""Graphs that are built in functions, and sessions that are opened in one: written as one straight line of statements.

What is in a main function, in a block of a graph, and in functions that build a part of the graph and are called once,
stands in their place then, as `read` takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libcst as cst

from .. import nodes
from .read import SESSIONS, calls, is_scope, is_session, names
from .spelling import Unclear, tf_name
from .steady import bound

STARTERS = frozenset({"app.run", "compat.v1.app.run"})
UNUSED = frozenset({"_", "argv", "args", "unused_argv", "unused", "_argv", "__"})


@dataclass(slots=True)
class Flat:
    """A program in one line."""

    module: cst.Module
    main: str = ""
    """The function that its session stood in; empty for the top level of the file."""


def flat(module: cst.Module) -> Flat:
    """The program with its main function and the builders of its graph written out.

    Raises:
        Unclear: where a function that builds a part of the graph cannot stand in the place of its call.
    """
    body, main = list(module.body), ""
    found = main_function(body)
    if found is not None:
        main = found.name.value
        at, guard = body.index(found), started(body, main)
        between = body[at + 1 : body.index(guard)]
        if not all(isinstance(s, cst.FunctionDef) or not calls(s) for s in between) or body[-1] is not guard:
            raise Unclear(f"`{main}` is not the last thing that the file runs", found)
        body = [*body[:at], *between, *with_comments(found, statements(found.body))]
    body = one_block(written_out(before_session(opened(body))))
    return Flat(module.with_changes(body=body), main)


def statements(body: Any) -> list[Any]:
    return list(body.body) if isinstance(body, cst.IndentedBlock) else [cst.SimpleStatementLine(list(body.body))]


def with_comments(node: Any, inner: list[Any]) -> list[Any]:
    """What stood in a block, with the comments before the block; a docstring goes."""
    if inner and isinstance(inner[0], cst.SimpleStatementLine) and is_text(inner[0]):
        inner = inner[1:]
    comments = [line for line in node.leading_lines if line.comment is not None]
    if inner and comments:
        inner = [inner[0].with_changes(leading_lines=[*comments, *inner[0].leading_lines]), *inner[1:]]
    return inner


def is_text(line: cst.SimpleStatementLine) -> bool:
    small = line.body[0]
    return isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString | cst.ConcatenatedString)


# -- the main function ------------------------------------------------------------------------------------------


def main_function(body: list[Any]) -> cst.FunctionDef | None:
    """The function that opens the session, if that is one without arguments that ends the file."""
    for node in body:
        if not isinstance(node, cst.FunctionDef) or not any(is_session(n) for n in nodes.walk(node.body)):
            continue
        params = [p.name.value for p in node.params.params]
        plain = len(params) <= 1 and not node.decorators and node.params.star_kwarg is None
        if not plain or (params and params[0] not in UNUSED) or started(body, node.name.value) is None:
            raise Unclear(f"`{node.name.value}` opens a session, and is not the program's main function", node)
        if any(isinstance(n, cst.Return | cst.Global | cst.Yield) for n in nodes.walk(node.body)):
            raise Unclear(f"`{node.name.value}` returns, or sets what is outside of it", node)
        return node
    return None


def started(body: list[Any], main: str) -> Any:
    """``if __name__ == "__main__": main()``, or with `tf.app.run`."""
    last = body[-1]
    if not isinstance(last, cst.If) or last.orelse is not None or "__name__" not in nodes.code(last.test):
        return None
    inner = statements(last.body)
    small = inner[0].body[0] if len(inner) == 1 and isinstance(inner[0], cst.SimpleStatementLine) else None
    call = small.value if isinstance(small, cst.Expr) else None
    if not isinstance(call, cst.Call):
        return None
    ours = nodes.is_name(call.func, main)
    told = {nodes.code(a.value) for a in call.args}
    return last if ours or (tf_name(call.func) in STARTERS and told <= {main}) else None


# -- blocks ----------------------------------------------------------------------------------------------------------


def opened(body: list[Any]) -> list[Any]:
    """Statements without ``with tf.Graph().as_default():``; of its items the session stays."""
    out: list[Any] = []
    for node in body:
        if isinstance(node, cst.With) and any(is_graph(i.item) for i in node.items):
            rest = [i for i in node.items if not is_graph(i.item)]
            inner = opened(statements(node.body))
            if rest:
                rest[-1] = rest[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
                out.append(node.with_changes(items=rest))
            else:
                out += with_comments(node, inner)
        else:
            out.append(node)
    return out


def is_graph(node: Any) -> bool:
    """``tf.Graph().as_default()``, ``sess.as_default()``"""
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "as_default"


def before_session(body: list[Any]) -> list[Any]:
    """What a session's block holds before it first speaks of the session stands before the block."""
    out: list[Any] = []
    for node in body:
        item = node.items[0] if isinstance(node, cst.With) and len(node.items) == 1 else None
        if item is None or not is_session(item.item) or item.asname is None:
            out.append(node)
            continue
        name, inner = nodes.code(item.asname.name), statements(node.body)
        speaks = [name in names(s) for s in inner]
        at = speaks.index(True) if True in speaks else 0
        if at:
            out += with_comments(node, inner[:at])
            node = node.with_changes(body=cst.IndentedBlock(inner[at:]), leading_lines=[])
        out.append(node)
    return out


def one_block(body: list[Any]) -> list[Any]:
    """``sess = tf.Session()`` as a block of the rest of the file."""
    for i, node in enumerate(body):
        small = node.body[0] if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1 else None
        if not isinstance(small, cst.Assign) or not is_session(small.value) or len(small.targets) != 1:
            continue
        target = small.targets[0].target
        if not isinstance(target, cst.Name):
            raise Unclear("the session has no name", node)
        rest = [s for s in opened(body[i + 1 :]) if not closes(s, target.value)]
        if not rest:
            raise Unclear("the session runs nothing", node)
        item = cst.WithItem(small.value, cst.AsName(target))
        return [*body[:i], cst.With([item], cst.IndentedBlock(rest), leading_lines=node.leading_lines)]
    return body


def closes(node: Any, session: str) -> bool:
    """``sess.close()``"""
    return nodes.code(node).strip() == f"{session}.close()"


# -- functions that build ----------------------------------------------------------------------------------------------

BUILDING = ("layers.", "placeholder", "get_variable", "variable_scope", "nn.dynamic_rnn", "train.")


def builds(node: cst.FunctionDef) -> bool:
    """Whether a function makes a part of the graph, and is not just a computation or a variable."""
    inside = calls(node)
    several = inside.count("Variable") + inside.count("get_variable") > 1
    return several or any(c.startswith(BUILDING) for c in inside) or any(c in SESSIONS for c in inside)


def written_out(body: list[Any]) -> list[Any]:
    """The statements with the functions that build the graph in place of their calls, innermost last."""
    for _ in range(20):
        builders = {s.name.value: s for s in body if isinstance(s, cst.FunctionDef) and builds(s)}
        if not builders:
            return body
        body = [s for s in body if not (isinstance(s, cst.FunctionDef) and s.name.value in builders)]
        uses = [n.func.value for s in (*body, *builders.values()) for n in nodes.walk(s)
                if isinstance(n, cst.Call) and isinstance(n.func, cst.Name) and n.func.value in builders]  # fmt: skip
        again = next((n for n in builders if uses.count(n) > 1), None)
        if again is not None:
            raise Unclear(f"`{again}` builds a part of the graph, and is called more than once", builders[again])
        done: set[str] = set()
        out = expanded(body, builders, done, body)
        if not done:
            left = next(iter(builders))
            raise Unclear(f"`{left}` builds a part of the graph, and is not called in a statement of its own",
                          builders[left])  # fmt: skip
        kept = [b for n, b in builders.items() if n not in done]
        at = next((i for i, s in enumerate(out) if not is_import(s)), 0)
        body = [*out[:at], *kept, *out[at:]]
    raise Unclear("functions build the graph in too many layers")


def expanded(body: list[Any], builders: dict[str, cst.FunctionDef], done: set[str], every: list[Any]) -> list[Any]:
    """Statements, and those in scopes, with calls of builders written out; ``done`` is told which."""
    out: list[Any] = []
    for node in body:
        if isinstance(node, cst.With) and all(is_scope(i.item) for i in node.items):
            inner = expanded(statements(node.body), builders, done, every)
            out.append(node.with_changes(body=cst.IndentedBlock(inner)))
            continue
        call = called_builder(node, builders)
        if call is None:
            out.append(node)
        else:
            done.add(call.func.value)
            out += inlined(node, call, builders[call.func.value], out, every)
    return out


def is_import(node: Any) -> bool:
    small = node.body[0] if isinstance(node, cst.SimpleStatementLine) and node.body else None
    return isinstance(small, cst.Import | cst.ImportFrom | cst.Expr)


def called_builder(node: Any, builders: dict[str, cst.FunctionDef]) -> Any:
    """The call of a builder that a statement consists of."""
    small = node.body[0] if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1 else None
    value = getattr(small, "value", None)
    ours = isinstance(value, cst.Call) and isinstance(value.func, cst.Name) and value.func.value in builders
    return value if ours and isinstance(small, cst.Assign | cst.Expr) else None


def inlined(node: Any, call: cst.Call, func: cst.FunctionDef, before: list[Any], every: list[Any]) -> list[Any]:
    """The body of a function in place of a call, its variables under names that nothing else has.

    Raises:
        Unclear: for a function that does not end with its only return, or is called in an unclear way.
    """
    inner = with_comments(func, statements(func.body))
    returns = [n for s in inner for n in nodes.walk(s) if isinstance(n, cst.Return)]
    last = inner[-1].body[-1] if isinstance(inner[-1], cst.SimpleStatementLine) else None
    nested = any(isinstance(n, cst.FunctionDef | cst.Global | cst.Nonlocal | cst.Yield | cst.Lambda)
                 for s in inner for n in nodes.walk(s))  # fmt: skip
    if len(returns) > 1 or (returns and last is not returns[0]) or nested or func.decorators:
        raise Unclear(f"`{func.name.value}` builds a part of the graph, and is more than lines and a return", func)
    given = passed(call, func)
    kept_names = same_names(node.body[0], returns[0].value if returns else None) - set(given)
    taken = {n for s in (*before, *every) for n in [*names(s), *bound(s)]}
    local = [*given, *(n for s in inner for n in bound(s))]
    renamed = {n: unique(n, func.name.value, taken) for n in dict.fromkeys(local) if n in taken and n not in kept_names}
    for name, value in list(given.items()):
        if isinstance(value, cst.Name) and not any(name in bound(s) for s in inner):
            renamed[name] = value.value
            del given[name]
    lines: list[Any] = [assigned(cst.Name(renamed.get(n, n)), v) for n, v in given.items()]
    lines += [rename(s, renamed) for s in (inner[:-1] if returns else inner)]
    small = node.body[0]
    if returns and isinstance(small, cst.Assign):
        value = rename(returns[0].value, renamed)
        same = nodes.code(small.targets[0].target) == nodes.code(value)
        if not same:
            lines += paired(node, small, value)
    elif isinstance(small, cst.Assign):
        raise Unclear(f"`{func.name.value}` returns nothing", node)
    return lines


def same_names(small: Any, value: Any) -> set[str]:
    """The names that a function returns under those that its result is given."""
    if not isinstance(small, cst.Assign) or value is None:
        return set()
    target = small.targets[0].target
    both = isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple)
    pairs = zip(target.elements, value.elements, strict=False) if both else []  # type: ignore[attr-defined]
    every = [(t.value, v.value) for t, v in pairs] or [(target, value)]
    return {t.value for t, v in every if isinstance(t, cst.Name) and isinstance(v, cst.Name) and t.value == v.value}


def paired(node: Any, small: cst.Assign, value: Any) -> list[Any]:
    """``a, b = c, d`` as two statements; a name for a name, too."""
    target = small.targets[0].target
    both = isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple)
    if both and len(target.elements) == len(value.elements):  # type: ignore[attr-defined]
        pairs = zip(target.elements, value.elements, strict=True)  # type: ignore[attr-defined]
        return [assigned(t.value, aliased(v.value)) for t, v in pairs
                if nodes.code(t.value) != nodes.code(v.value)]  # fmt: skip
    return [node.with_changes(body=[small.with_changes(value=aliased(value))])]


def assigned(target: Any, value: Any) -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(target)], value)])


def aliased(value: Any) -> Any:
    """A second name for a tensor."""
    return nodes.call("tf.identity", value) if isinstance(value, cst.Name) else value


def passed(call: cst.Call, func: cst.FunctionDef) -> dict[str, Any]:
    """What a call gives the parameters of a function, defaults included."""
    params = [*func.params.params, *func.params.kwonly_params]
    plain = func.params.star_kwarg is None and not isinstance(func.params.star_arg, cst.Param)
    if not plain or any(a.star for a in call.args) or len(call.args) > len(params):
        raise Unclear(f"what `{func.name.value}` is called with is not understood", call)
    out: dict[str, Any] = {}
    for i, arg in enumerate(call.args):
        out[arg.keyword.value if arg.keyword is not None else params[i].name.value] = arg.value
    for param in params:
        if param.name.value not in out:
            if param.default is None:
                raise Unclear(f"what `{func.name.value}` is called with is not understood", call)
            out[param.name.value] = param.default
    return {p.name.value: out[p.name.value] for p in params}


def unique(name: str, func: str, taken: set[str]) -> str:
    made, n = f"{func}_{name}", 1
    while made in taken:
        n += 1
        made = f"{func}_{name}_{n}"
    taken.add(made)
    return made


def rename(node: Any, renamed: dict[str, str]) -> Any:
    """A node with its variables under other names; attributes and keywords keep theirs."""
    if isinstance(node, cst.Name):
        return node.with_changes(value=renamed.get(node.value, node.value))
    if isinstance(node, cst.Attribute):
        return node.with_changes(value=rename(node.value, renamed))
    if isinstance(node, cst.Arg):
        return node.with_changes(value=rename(node.value, renamed))
    return nodes.rebuild(node, lambda child: rename(child, renamed))
