"""The stages in order: read, infer, rewrite, finish, check.

A project is translated as a whole: its files see each other's classes and functions. The result
depends on the texts, the options and the tables only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import libcst as cst

from . import nodes, syntax
from .emit import finish
from .infer.emitted import without_unused
from .infer.imports import framework_name
from .infer.interp import Interpreter
from .infer.scope import Scope
from .laws import broken, crash, internal_error
from .layout.solve import solve
from .layout.unproven import LayoutUnproven, Unproven, at, located
from .leftovers import imports_framework, leftovers
from .markers import marked
from .model import Counts, Diagnostic, Direction, InputError, Layout, Options, Severity, Status, Translation
from .modules import Modules, is_package
from .outputs import module_name
from .rewrite.context import Again, Context, Finding, api_uses, diagnostics, moves_channels
from .rewrite.rewriter import Rewriter
from .rules.modules import inner_layers, training_functions
from .source import (
    MAX_DEPTH,
    Source,
    call_with_room,
    calls_too_deep,
    check_loops,
    decode,
    mentions,
    output_too_deep,
    read,
)
from .values import Const, Namespace, UserClass


@dataclass(slots=True)
class _File:
    path: str
    module: str
    source: Source
    tree: cst.Module | None = None
    scope: Scope | None = None
    state: str = "new"


Watch = Callable[[str, cst.Module, Context], None]
"""Called for each file that was rewritten: its path, the tree that was read, and what was found on the way."""
Rewritten = Translation | InputError | Unproven
Rewrite = Callable[[str], Rewritten]
Spread = Callable[[Sequence[str], Rewrite], Mapping[str, Rewritten]]
"""Calls a function for each of some paths, in any order or at once."""
ATTEMPTS = 6
"""How often a program is understood anew with more operations in source order before it is given up."""


def translate_sources(
    sources: Mapping[str, bytes],
    options: Options,
    module_renames: Mapping[str, str] | None = None,
    watch: Watch | None = None,
    modules: Modules | None = None,
    spread: Spread | None = None,
    lines: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, Translation | InputError]:
    """Translate the files of one project.

    Args:
        sources: path to the file's bytes.
        options: direction, layout, fidelity.
        module_renames: dotted module names that get a new name, to the new one.
        watch: is shown each file after it was rewritten.
        modules: what the files are called; by default, their names within the packages that hold them.
        spread: runs the rewriting of the files, each of which stands alone once all are understood; by default, one
            after the other.
        lines: for some files the first and the last line (from 1) of what is rewritten; the rest of them stays.

    Returns:
        For each path a translation, or the reason why the file could not be read; what ``spread`` left out is missing.
    """
    if options.direction is Direction.TF2TORCH and not lines:
        from .sessions.run import mentions_session, translated

        if mentions_session(sources):
            return translated(sources, lambda s: _sources(s, options, module_renames, watch, modules, spread, lines))
    return _sources(sources, options, module_renames, watch, modules, spread, lines)


def _sources(
    sources: Mapping[str, bytes], options: Options, module_renames: Mapping[str, str] | None, watch: Watch | None,
    modules: Modules | None, spread: Spread | None, lines: Mapping[str, tuple[int, int]] | None,
) -> dict[str, Translation | InputError]:  # fmt: skip
    """The same, for programs that build no graph for a session."""
    results: dict[str, Translation | InputError] = {}
    files: list[_File] = []
    alone = len(sources) == 1 and not module_renames and not options.mappings
    for path, data in sources.items():
        try:
            if alone and not mentions(data, options.direction.source):
                text, encoding, bom = decode(data)
                results[path] = Translation(text, Status.UNCHANGED, encoding=encoding, bom=bom)
                continue
            source = read(data)
        except InputError as error:
            results[path] = error
            continue
        try:
            check_loops(source.tree)
        except InputError as error:
            results[path] = error if mentions(data, options.direction.source) else unchanged(source)
            continue
        name = modules.names[path] if modules is not None else module_name(path)
        files.append(_File(path, name, source))
    if not options.mappings and not any(imports_framework(f.source.tree, options.direction) for f in files):
        results.update({file.path: unchanged(file.source) for file in files})
        files = []
    if files:
        renames = module_renames or {}
        parts = lines or {}
        results.update(
            _with_room(files, lambda: _in_proven_layout(files, options, renames, watch, modules, spread, parts))
        )
    return {path: results[path] for path in sources if path in results}


def _with_room(
    files: list[_File], work: Callable[[], dict[str, Translation | InputError]]
) -> dict[str, Translation | InputError]:
    """The results of ``work``, with as much stack as it turns out to need."""
    depth = max(f.source.depth for f in files)
    all_files = list(files)
    try:
        return call_with_room(depth, work)
    except RecursionError:  # functions that call each other in a long chain, thousands of texts in a row
        files[:] = all_files
    try:
        return call_with_room(MAX_DEPTH, work)
    except RecursionError:
        if len(files) > 1:  # which of them it is shows when each is translated alone
            raise
        return {files[0].path: calls_too_deep()}


def unchanged(source: Source) -> Translation:
    """The result for a file in which nothing is to be translated."""
    return Translation(source.text, Status.UNCHANGED, encoding=source.encoding, bom=source.bom)


def _in_proven_layout(
    files: list[_File], options: Options, renames: Mapping[str, str], watch: Watch | None, modules: Modules | None,
    spread: Spread | None, lines: Mapping[str, tuple[int, int]],
) -> dict[str, Translation | InputError]:  # fmt: skip
    """Translate with channels last. Operations for which that order cannot be proven are left with channels first, or
    the whole program where that cannot be done; a note says so."""
    results = _parsed(files)
    trees = {f.path: f.tree for f in files if f.tree is not None}
    unmoved: dict[cst.CSTNode, str] = {}
    notes: list[Finding] = []
    why: Unproven | None = None
    for _ in range(ATTEMPTS):
        found = _translate(files, options, renames, watch, modules, spread, lines, unmoved)
        if not isinstance(found, Unproven):
            return results | _noted(files, found, notes)
        why = found
        more = [node for node in at(found.leave, trees) if node not in unmoved]
        if not more:
            break
        unmoved |= dict.fromkeys(more, found.reason)
        notes += [Finding(n, "XL304", Severity.NOTE, f"in PyTorch's axis order: {found.reason}") for n in more]
    assert why is not None
    where = at([why.where], trees) if why.where is not None else []
    notes = [Finding(n, "XL304", Severity.NOTE, f"translated with channels first: {why.reason}") for n in where]
    first = replace(options, layout=Layout.CHANNELS_FIRST)
    last = _translate(files, first, renames, watch, modules, spread, lines, {})
    assert not isinstance(last, Unproven)
    return results | _noted(files, last, notes)


def _noted(
    files: list[_File], results: dict[str, Translation | InputError], notes: list[Finding]
) -> dict[str, Translation | InputError]:
    """The results with notes in the files that they are about."""
    for file in files if notes else ():
        result, found = results.get(file.path), _placed(file, notes)
        if isinstance(result, Translation) and found:
            results[file.path] = replace(result, diagnostics=tuple(sorted({*result.diagnostics, *found})))
    return results


def _parsed(files: list[_File]) -> dict[str, Translation | InputError]:
    """Parse the files; those that cannot be parsed are taken out."""
    results: dict[str, Translation | InputError] = {}
    for file in list(files):
        try:
            file.tree = nodes.parse_module(file.source.text)
        except cst.ParserSyntaxError as error:
            message = f"cannot parse: {error.message.splitlines()[0][:200]}"
            results[file.path] = InputError(message, line=error.raw_line, column=max(error.raw_column, 1))
            files.remove(file)
    return results


def _placed(file: _File, findings: list[Finding]) -> tuple[Diagnostic, ...]:
    """The diagnostics of those findings whose nodes are in this file."""
    assert file.tree is not None
    here = set(nodes.walk(file.tree))
    own = [finding for finding in findings if finding.node in here]
    return diagnostics(file.tree, file.source.tree, file.source.text, own, {})


def _translate(
    files: list[_File], options: Options, renames: Mapping[str, str], watch: Watch | None, modules: Modules | None,
    spread: Spread | None, lines: Mapping[str, tuple[int, int]], unmoved: dict[cst.CSTNode, str],
) -> dict[str, Translation | InputError] | Unproven:  # fmt: skip
    """Translate parsed files, or say for which operations channels last is not proven.

    Args:
        unmoved: the operations that stay in source order, and why.
    """
    interpreter = Interpreter(options.direction, options.mappings)
    interpreter.facts.unmoved.update(unmoved)
    by_name = {f.module: f for f in files}
    trees = {f.path: f.tree for f in files if f.tree is not None}
    for file in files:
        file.state, file.scope = "new", None
    interpreter.packages.update(f.module for f in files if is_package(f.path))
    aliases = modules.aliases if modules is not None else {}
    interpreter.load_module = lambda name: _load(
        interpreter, by_name, aliases.get(interpreter.scope.module, {}).get(name, name)
    )
    for file in files:
        _load(interpreter, by_name, file.module)
        _run(interpreter, file)
    interpreter.finish()
    if moves_channels(options):
        try:
            solve(interpreter, keep_io=options.keep_io_layout)
        except LayoutUnproven as error:
            return located(error, trees)
    base = Context(options, interpreter.tables, interpreter.facts, interpreter.dialect)
    training, layers = training_functions(base), inner_layers(base)
    plain = plain_sequentials(interpreter)

    def rewritten(path: str) -> Rewritten:
        while True:
            try:
                return once(path)
            except Again:
                for name in ("keras_helpers", "keras_build"):  # what the rewriting itself worked out
                    interpreter.facts.cache.pop(name, None)

    def once(path: str) -> Rewritten:
        file = by_path[path]
        if path not in lines and (found := marked(file.source.text)):
            return replace(unchanged(file.source), status=Status.PARTIAL, diagnostics=found)
        ctx = Context(options, interpreter.tables, interpreter.facts, interpreter.dialect)
        ctx.training, ctx.local_layers, ctx.plain_sequentials = training, layers, plain
        ctx.interpreter = interpreter
        if file.path in lines and file.tree is not None:
            from .rewrite.region import region

            ctx.region = region(file.tree, *lines[file.path])
        shared = options.helpers_module
        if modules is not None:
            shared = modules.helpers.get(file.path, shared)
        try:
            result = _rewrite(file, ctx, options, renames, shared)
        except LayoutUnproven as error:
            return located(error, trees)
        except SyntaxError as error:  # of the output: a chain of methods has become a nest of functions
            if "too many nested parentheses" not in str(error):
                return crash(error)
            return output_too_deep(file.source.text)
        except Again:
            raise
        except RecursionError:  # more stack may help
            raise
        except Exception as error:
            return crash(error)
        if watch is not None and file.tree is not None:
            watch(file.path, file.tree, ctx)
        return result

    by_path = {file.path: file for file in files}
    found = spread(list(by_path), rewritten) if spread else {path: rewritten(path) for path in by_path}
    results: dict[str, Translation | InputError] = {}
    lost: list[Unproven] = []
    for path, result in found.items():
        if isinstance(result, Unproven):
            lost.append(result)
        else:
            results[path] = result
    if not lost:
        return results
    # All files' operations in one more attempt; none if one of them has none.
    leave = [one.leave for one in lost]
    return replace(lost[0], leave=tuple(place for some in leave for place in some) if all(leave) else ())


def _run(interpreter: Interpreter, file: _File) -> None:
    if file.state != "new":
        return
    file.state = "running"
    assert file.tree is not None
    file.scope = Scope("module", file.module)
    file.scope.vars["__name__"] = Const(file.module)
    interpreter.modules[file.module] = Namespace(file.module, file.scope)
    interpreter.run_module(file.tree, file.scope)
    file.state = "done"


def _load(interpreter: Interpreter, files: Mapping[str, _File], name: str) -> Namespace | None:
    """Another file of the project as a namespace, interpreting it first if need be, and before it, as Python does,
    the packages that it is in: what they import in turn may go round in a circle."""
    file = files.get(name)
    if file is None:
        return None
    if file.state == "new":
        parts = name.split(".")
        for end in range(1, len(parts)):
            package = files.get(".".join(parts[:end]))
            if package is not None:
                _run(interpreter, package)
    _run(interpreter, file)
    return interpreter.modules.get(name)


def plain_sequentials(interpreter: Interpreter) -> set[cst.CSTNode]:
    """The calls of a sequential container whose result is only ever called as a whole."""
    from .infer.usage import only_called

    return only_called(interpreter)


def _rewrite(
    file: _File, ctx: Context, options: Options, renames: Mapping[str, str], shared: str | None
) -> Translation | InputError:
    assert file.tree is not None
    ctx.taken = own_names(file.source.tree, ctx.dialect.roots)
    ctx.taken -= {api.rpartition(".")[2] for node, api in ctx.facts.emitted.items() if node in file.tree.body}
    new = Rewriter(ctx).module(file.tree)
    helpers = {n.removeprefix("helper:") for n in ctx.needs if n.startswith("helper:")}
    text = new.code if new is not file.tree else file.source.text
    emitted = {api.rpartition(".")[2] for node, api in ctx.facts.emitted.items() if node in file.tree.body}
    if emitted:
        text = without_unused(text, emitted, options.direction.source)
    lines = [need for need in ctx.needs if need.startswith(("import ", "from "))]
    roots = ctx.dialect.roots | {"tensorflow"} if options.direction.source == "tf" else ctx.dialect.roots
    module = file.module + ".__init__" * is_package(file.path)
    text, names = finish(text, helpers, options, roots, module, renames, ctx.taken, shared, lines, file.source.tree)
    tree = ast.parse(text)
    if ctx.moves_channels:
        from .layout.edge import function_edges, model_edges

        ctx.edges += model_edges(file_classes(file, ctx), ctx.dialect.forward[0])
        ctx.edges += function_edges(f for n in file.tree.body if (f := ctx.facts.functions.get(n)) is not None)
    found = diagnostics(file.tree, file.source.tree, file.source.text, ctx.findings, ctx.homes)
    if ctx.region is None:
        own = ctx.dialect.roots
        ours = frozenset(ctx.interpreter.modules) | {line.split()[1] for line in lines}
        text, more = leftovers(file.source.tree, tree, (file.source.text, text), found, own, ours)
        found = tuple(sorted({*found, *more}))
    refused = any(d.severity == "error" for d in found)
    if text == file.source.text and not refused:
        return unchanged(file.source)
    if ctx.region is None and (wrong := broken(file.source.text, text, (file.source.tree, tree), found)):
        return internal_error(wrong)
    counts = Counts(ctx.seen, ctx.translated, ctx.refused)
    status = Status.PARTIAL if refused else Status.TRANSLATED
    return Translation(
        text, status, found, counts, tuple(ctx.edges), names, dict(ctx.renames), file.source.encoding, file.source.bom,
        api_uses(ctx, file.module),
    )  # fmt: skip


def file_classes(file: _File, ctx: Context) -> list[UserClass]:
    """The classes that a file defines."""
    return [c for c in ctx.facts.classes.values() if c.scope.module == file.module]


def own_names(tree: ast.Module, roots: frozenset[str]) -> frozenset[str]:
    """Every name that a file defines: variables, functions, classes, parameters, imports of other things."""
    out: set[str] = set()
    for node in syntax.walk(tree):
        if type(node) is ast.Name:
            if type(node.ctx) is not ast.Load:
                out.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            out.add(node.name)
        elif isinstance(node, ast.arg):
            out.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            for alias in node.names:
                name = module if module and not getattr(node, "level", 0) else alias.name
                if framework_name(name).split(".")[0] not in roots:
                    out.add(alias.asname or alias.name.split(".")[0])
    return frozenset(out)
