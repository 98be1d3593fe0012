"""Changes of a program that change nothing of what it computes: its translation must change in the same way only."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

Change = Callable[[ast.Module], ast.Module]


def locals_of(function: ast.FunctionDef) -> set[str]:
    """The variables that a function assigns to by plain statements, and that no inner scope of it can see."""
    inner = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp, ast.ClassDef)
    nested = [n for n in ast.walk(function) if isinstance(n, inner) and n is not function]
    hidden = {n.id for part in nested for n in ast.walk(part) if isinstance(n, ast.Name)}
    hidden |= {n for d in ast.walk(function) if isinstance(d, ast.Global | ast.Nonlocal) for n in d.names}
    params = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
    stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored - hidden - params


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions and methods with their names, those of classes with the class's."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{f.name}", f) for f in node.body if isinstance(f, ast.FunctionDef))


def renaming(tree: ast.Module, methods: dict[str, str]) -> Change:
    """A change that gives the variables of this program's functions other names.

    Args:
        methods: methods that get another name by the translation, to that name.
    """
    found = {name: locals_of(f) for name, f in functions(tree)}
    wanted = {_method(name, methods): names for name, names in found.items()} | found

    every = set().union(*found.values())

    def change(program: ast.Module) -> ast.Module:
        program = copy.deepcopy(program)
        for name, function in functions(program):
            own = name in wanted
            for node in ast.walk(function):
                if isinstance(node, ast.Name):
                    node.id = _renamed(node.id, wanted.get(name, every))
                elif isinstance(node, ast.arg) and not own:  # a function that the translation makes of a loop's body
                    node.arg = _renamed(node.arg, every)
        return program

    return change


def _renamed(name: str, wanted: set[str]) -> str:
    stem = name.removesuffix("_tape")  # named by the translation after what it records
    return f"{stem}_renamed{name[len(stem):]}" if stem in wanted else name


def _method(name: str, methods: dict[str, str]) -> str:
    owner, _, last = name.rpartition(".")
    return f"{owner}.{methods.get(last, last)}" if owner else last


class _Keywords(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        pure = all(isinstance(k.value, ast.Constant | ast.Name | ast.Attribute | ast.UnaryOp) for k in node.keywords)
        if pure and all(k.arg is not None for k in node.keywords):
            node.keywords = node.keywords[::-1]
        return node


def reordered(tree: ast.Module) -> ast.Module:
    """Keyword arguments the other way round."""
    return _Keywords().visit(copy.deepcopy(tree))  # type: ignore[no-any-return]


class _Sorted(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if all(k.arg is not None for k in node.keywords):
            node.keywords.sort(key=lambda k: str(k.arg))
        return node


class _Returns(ast.NodeTransformer):
    def visit_Return(self, node: ast.Return) -> ast.AST | list[ast.stmt]:
        if not isinstance(node.value, ast.Call | ast.BinOp):
            return node
        name = "outcome"
        return [ast.Assign([ast.Name(name, ast.Store())], node.value), ast.Return(ast.Name(name, ast.Load()))]


def outlined(tree: ast.Module) -> ast.Module:
    """What is returned gets a name first."""
    return _fixed(_Returns().visit(copy.deepcopy(tree)))


class _Inlines(ast.NodeTransformer):
    def _body(self, body: list[ast.stmt]) -> list[ast.stmt]:
        if len(body) > 1 and isinstance(last := body[-1], ast.Return) and isinstance(last.value, ast.Name):
            before = body[-2]
            named = isinstance(before, ast.Assign) and len(before.targets) == 1
            if named and isinstance(before.targets[0], ast.Name) and before.targets[0].id == last.value.id:
                return [*body[:-2], ast.Return(before.value)]
        return body

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse"):
            if isinstance(getattr(node, name, None), list):
                setattr(node, name, self._body(getattr(node, name)))
        return node


def inlined(tree: ast.Module) -> ast.Module:
    """What is assigned to a name only to be returned is returned."""
    return _fixed(_Inlines().visit(copy.deepcopy(tree)))


def aliased(roots: tuple[str, ...]) -> Change:
    """The framework under names that nobody gives it."""

    def change(tree: ast.Module) -> ast.Module:
        tree = copy.deepcopy(tree)
        names: dict[str, str] = {}
        for node in tree.body:
            plain = isinstance(node, ast.Import) and all("." not in a.name or a.asname for a in node.names)
            source = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
            for alias in getattr(node, "names", []) if plain or source is not None else []:
                if (source or alias.name).split(".")[0] in roots:
                    bound = alias.asname or alias.name
                    alias.asname = names[bound] = f"other_{bound}"
        taken = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        taken |= {a.arg for a in ast.walk(tree) if isinstance(a, ast.arg)}
        assert not taken & names.keys(), "the program uses the name for something else, too"
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in names:
                node.id = names[node.id]
        return tree

    return change


def imported(module: str) -> Change:
    """``nn.Linear`` as ``Linear``, from an import of its own."""

    def change(tree: ast.Module) -> ast.Module:
        tree = copy.deepcopy(tree)
        bound = {
            f"{getattr(n, 'module', None) or ''}.{a.name}".strip("."): a.asname or a.name
            for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names
        }  # fmt: skip
        short = bound.get(module)
        taken = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        taken |= {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef | ast.FunctionDef)}
        found: set[str] = set()

        class Names(ast.NodeTransformer):
            def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
                self.generic_visit(node)
                ours = isinstance(node.value, ast.Name) and node.value.id == short
                if not ours or not node.attr[0].isupper() or node.attr in taken:
                    return node
                found.add(node.attr)
                return ast.Name(node.attr, node.ctx)

        tree = Names().visit(tree)
        at = next(i for i, n in enumerate(tree.body) if isinstance(n, ast.Import | ast.ImportFrom)
                  and getattr(n, "module", "") != "__future__")  # fmt: skip
        if found:
            tree.body.insert(at, ast.ImportFrom(module, [ast.alias(name) for name in sorted(found)], 0))
        return _fixed(tree)

    return change


def qualified(tree: ast.Module) -> dict[str, str]:
    """The names that a program's imports bind, to what they stand for."""
    out: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            out |= {a.asname: a.name for a in node.names if a.asname}
            out |= {root: root for a in node.names if not a.asname and (root := a.name.split(".")[0])}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            out |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return out


def api_of(call: ast.Call, bound: dict[str, str]) -> str:
    """The qualified name of what is called, if its first part is imported."""
    root, dot, rest = ast.unparse(call.func).partition(".")
    return bound[root] + dot + rest if root in bound and "(" not in rest else ""


def defaulted(defaults: Callable[[str, str], object]) -> Change:
    """Keyword arguments that are written at their defaults go.

    Args:
        defaults: the default of an API's parameter; ``...`` where it has none, or several.
    """

    def change(tree: ast.Module) -> ast.Module:
        tree = copy.deepcopy(tree)
        bound = qualified(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (api := api_of(node, bound)):
                node.keywords = [k for k in node.keywords if not _at_default(k, defaults(api, k.arg or ""))]
        return tree

    return change


def _at_default(keyword: ast.keyword, default: object) -> bool:
    return isinstance(keyword.value, ast.Constant) and default is not ... and (
        type(keyword.value.value) is type(default) and keyword.value.value == default
    )  # fmt: skip


def wrapped(roots: tuple[str, ...]) -> Change:
    """Calls of the framework's functions on variables, each in a function of its own."""

    def change(tree: ast.Module) -> ast.Module:
        tree = copy.deepcopy(tree)
        bound = qualified(tree)
        made: list[ast.stmt] = []

        class Calls(ast.NodeTransformer):
            def visit_Call(self, node: ast.Call) -> ast.Call:
                self.generic_visit(node)
                api = api_of(node, bound)
                plain = not any(isinstance(a, ast.Starred) for a in node.args) and all(k.arg for k in node.keywords)
                function = api.split(".")[0] in roots and api.rpartition(".")[2].islower() and plain
                if not function or not node.args or isinstance(node.args[0], ast.Constant):
                    return node
                name = f"wrapped_{len(made)}"
                passed = [(f"p{i}", a) for i, a in enumerate(node.args) if not isinstance(a, ast.Constant)]
                passed += [(f"k_{k.arg}", k.value) for k in node.keywords if not isinstance(k.value, ast.Constant)]
                inside = {id(value): ast.Name(param, ast.Load()) for param, value in passed}
                call = ast.Call(node.func, [inside.get(id(a), a) for a in node.args],
                                [ast.keyword(k.arg, inside.get(id(k.value), k.value)) for k in node.keywords])
                head = ast.parse(f"def {name}({', '.join(param for param, _ in passed)}):\n    pass").body[0]
                assert isinstance(head, ast.FunctionDef)
                head.body = [ast.Return(call)]
                made.append(head)
                return ast.Call(ast.Name(name, ast.Load()), [value for _, value in passed], [])

        for _, function in list(functions(tree)):
            function.body = [Calls().visit(n) for n in function.body]
        at = max((i for i, n in enumerate(tree.body) if isinstance(n, ast.Import | ast.ImportFrom)), default=-1) + 1
        tree.body[at:at] = made
        return _fixed(tree)

    return change


def _fixed(tree: ast.Module) -> ast.Module:
    return ast.fix_missing_locations(tree)


def normal(text: str, helpers: tuple[str, ...], change: Change | None = None) -> str:
    """A program without its helpers, changed, and with keywords in order: what translations are compared by."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1:  # stands where only comments are left
            node.body = [n for n in body if not isinstance(n, ast.Pass)]  # type: ignore[attr-defined]
    tree.body = [n for n in tree.body if getattr(n, "name", "") not in helpers and not _constant(n, helpers)]
    if change is not None:
        tree = change(tree)
    tree = _Sorted().visit(tree)
    body = [n for n in tree.body if not isinstance(n, ast.Import | ast.ImportFrom)]
    imports = sorted(ast.unparse(n) for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom))
    return "\n".join([*imports, ast.unparse(ast.Module(body, []))])


def _constant(node: ast.stmt, helpers: tuple[str, ...]) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in helpers for t in node.targets)
