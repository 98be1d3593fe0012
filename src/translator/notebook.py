"""Notebooks as programs: the code cells one after the other as one text, and that text back into the cells.

A cell is Python but for IPython's magics (``%time``, ``!ls``, ``x = !ls``, ``model?``), which stand as statements that
no rule looks at while the program is translated, and come back as they were. Everything else in the file, order of
keys and indentation included, stays.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from translator.model import Diagnostic, InputError, Options, Severity, Status, Translation
from translator.source import mentions

PYTHON_MAGICS = frozenset({"time", "timeit", "capture", "prun", "python", "python3", "pypy", "debug", "mypy", "memit"})
"""Cell magics whose cell is Python all the same. Any other makes the cell text of its own kind."""
_MARK = "_xlate_cell_"
_MAGIC = "_xlate_magic_"
_STARTS = ("%", "!", "?")
_ASSIGNED = re.compile(r"^(\s*)([\w.,\s\[\]'\"*]+?=\s*)([%!].*)$")
_FRAMEWORK = re.compile(r"^(?:import|from) (?:tensorflow|keras|torch)\b", re.MULTILINE)
_INSTALL = re.compile(r"^[!%]\s*(?:\S*python3?\s+-m\s+)?(?:pip3?|conda|mamba)\s+install\b")
_HELP = re.compile(r"^\s*[\w.%*]+\?{1,2}\s*$")


@dataclass(slots=True)
class Cell:
    """A code cell."""

    number: int
    """Its place among all cells, from 1, as people count."""
    lines: list[str]
    """Its source."""
    python: list[str] = field(default_factory=list)
    """Its lines as Python; empty where the cell is none."""
    magics: dict[str, str] = field(default_factory=dict)
    """What stands for which magic."""
    error: InputError | None = None
    """Why the cell is not Python, where it should be."""


@dataclass(slots=True)
class Notebook:
    """A notebook that was read."""

    document: dict[str, Any]
    indent: int | str | None
    newline: bool
    ascii: bool
    cells: list[Cell]
    language: str = "python"

    def program(self) -> str:
        """The code cells as one Python text, with a statement before each that says which it is."""
        out = []
        for cell in self.cells:
            out.append(f"{_MARK}{cell.number}")
            out += cell.python
        return "\n".join(out) + "\n"


def read(data: bytes) -> Notebook:
    """Read a notebook of format 4.

    Raises:
        InputError: it is no such notebook.
    """
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise InputError(f"no notebook: {getattr(error, 'msg', error)}", line=line, code="XL013") from None
    if not isinstance(document, dict) or not isinstance(document.get("nbformat"), int):
        raise InputError("no notebook: it does not say its format", code="XL013")
    if document["nbformat"] != 4 or not isinstance(document.get("cells"), list):
        hint = "convert it: jupyter nbconvert --to notebook --inplace"
        raise InputError(f"a notebook of format {document['nbformat']}; 4 is read", code="XL013", hint=hint)
    indented = re.match(r"\{\r?\n([ \t]+)", text)
    gap = indented.group(1) if indented else None
    indent: int | str | None = gap if gap is None or "\t" in gap else len(gap)
    language = str(document.get("metadata", {}).get("kernelspec", {}).get("language", "python")).lower()
    cells = []
    for number, cell in enumerate(document["cells"], 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            cells.append(_cell(number, _source(cell)))
    return Notebook(document, indent, text.endswith("\n"), text.isascii(), cells, language)


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else str(source)


def _cell(number: int, text: str) -> Cell:
    cell = Cell(number, text.split("\n"))
    cell.python = _without_magics(cell)
    if not cell.python:
        return cell
    try:
        ast.parse("\n".join(cell.python))
    except SyntaxError as error:
        message = f"cell {number} is not Python: {error.msg}"
        cell.error = InputError(message, line=error.lineno or 1, column=max(error.offset or 1, 1), code="XL001")
        cell.python = []
    except (RecursionError, MemoryError, ValueError):
        cell.error = InputError(f"cell {number} cannot be parsed", code="XL005")
        cell.python = []
    return cell


def _without_magics(cell: Cell) -> list[str]:
    """The lines of a cell with a name in the place of each magic; none if the cell is no Python at all."""
    first = next((line for line in cell.lines if line.strip()), "")
    if first.startswith("%%"):
        name = re.match(r"%%(\w*)", first)
        if name is None or name.group(1) not in PYTHON_MAGICS:
            return []
    out: list[str] = []
    scan = _Scanner()
    i = 0
    while i < len(cell.lines):
        line = cell.lines[i]
        bare = line.lstrip()
        if scan.fresh and _is_magic(line):
            whole = [line]
            while whole[-1].endswith("\\") and i + 1 < len(cell.lines) and not bare.startswith("%%"):
                i += 1
                whole.append(cell.lines[i])
            out += _placeholder(cell, whole)
        else:
            scan.feed(line)
            out.append(line)
        i += 1
    return out


def _is_magic(line: str) -> bool:
    bare = line.lstrip()
    if bare.startswith(_STARTS) or _HELP.match(line):
        return True
    assigned = _ASSIGNED.match(line)
    return assigned is not None and "==" not in assigned.group(2)


def _placeholder(cell: Cell, lines: list[str]) -> list[str]:
    """What stands for a magic: a name by itself, or assigned. As many lines as the magic has."""
    name = f"{_MAGIC}{cell.number}_{len(cell.magics)}_"
    assigned = _ASSIGNED.match(lines[0])
    if assigned is not None and not lines[0].lstrip().startswith(_STARTS):
        indent, target, rest = assigned.groups()
        cell.magics[name] = "\n".join([rest, *lines[1:]])
        return [f"{indent}{target}{name}", *("# " + name for _ in lines[1:])]
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    cell.magics[name] = "\n".join([lines[0].lstrip(), *lines[1:]])
    return [f"{indent}{name}", *("# " + name for _ in lines[1:])]


class _Scanner:
    """Follows strings and brackets, to know which lines start a statement."""

    def __init__(self) -> None:
        self.depth = 0
        self.quote = ""
        self.continued = False

    @property
    def fresh(self) -> bool:
        return self.depth <= 0 and not self.quote and not self.continued

    def feed(self, line: str) -> None:
        i = 0
        self.continued = False
        while i < len(line):
            char = line[i]
            if self.quote:
                if char == "\\":
                    i += 1
                elif line.startswith(self.quote, i):
                    i += len(self.quote) - 1
                    self.quote = ""
            elif char == "#":
                break
            elif char in "'\"":
                self.quote = char * 3 if line.startswith(char * 3, i) else char
                i += len(self.quote) - 1
            elif char in "([{":
                self.depth += 1
            elif char in ")]}":
                self.depth -= 1
            i += 1
        if len(self.quote) == 1 and not line.endswith("\\"):
            self.quote = ""
        self.continued = line.endswith("\\") and not self.quote


def place(book: Notebook, line: int) -> tuple[int, int]:
    """The number of the cell, and the line in it, of a line of the program."""
    at = 1
    for cell in book.cells:
        size = len(cell.python) + 1
        if line < at + size:
            return cell.number, max(line - at, 1)
        at += size
    return (book.cells[-1].number if book.cells else 1), 1


def assemble(
    book: Notebook, result: Translation, options: Options, helpers: str = "", names: Sequence[str] = ()
) -> Translation:
    """The translated notebook.

    Args:
        result: the translation of ``book.program()``.
        options: what it was translated with.
        helpers: source that gets a code cell of its own, above the first cell that uses one of ``names``.
    """
    found = tuple(_moved(book, finding) for finding in result.diagnostics)
    found += tuple(_cell_error(cell) for cell in book.cells if cell.error is not None)
    translated = result.status is not Status.UNCHANGED
    found += tuple(_install(book, options, result.text if translated else book.program()))
    found += tuple(_foreign(book, options))
    sources = _split(book, result.text if translated else book.program())
    changed = {n: text for n, text in sources.items() if text != "\n".join(_of(book, n).lines)}
    status = result.status
    refused = any(d.severity is Severity.ERROR for d in found)
    if not changed and not helpers:
        return _with(result, "", Status.PARTIAL if refused and translated else Status.UNCHANGED, found)
    if not translated or refused:
        status = Status.PARTIAL if refused else Status.TRANSLATED
    document = json.loads(json.dumps(book.document))
    for number, text in changed.items():
        cell = document["cells"][number - 1]
        as_list = isinstance(cell.get("source"), list)
        cell["source"] = text.splitlines(keepends=True) if as_list else text
    if options.outputs == "clear":
        for cell in document["cells"]:
            if isinstance(cell, dict) and cell.get("cell_type") == "code":
                cell["outputs"], cell["execution_count"] = [], None
    if helpers:
        document["cells"].insert(_first_use(book, sources, names), _helper_cell(document, helpers))
    text = json.dumps(document, indent=book.indent, ensure_ascii=book.ascii and _escaped(book))
    return _with(result, text + "\n" * book.newline, status, found)


def _escaped(book: Notebook) -> bool:
    """Whether the file writes characters beyond ASCII as escapes: it has some and yet is ASCII."""
    return not json.dumps(book.document, ensure_ascii=False).isascii()


def _with(result: Translation, text: str, status: Status, found: tuple[Diagnostic, ...]) -> Translation:
    return replace(result, text=text, status=status, diagnostics=tuple(sorted(found)), encoding="utf-8", bom=False)


def _of(book: Notebook, number: int) -> Cell:
    return next(cell for cell in book.cells if cell.number == number)


def _split(book: Notebook, text: str) -> dict[int, str]:
    """The cells of a translated program.

    Raises:
        InputError: a structure went over the edge of a cell.
    """
    parts = re.split(rf"^{_MARK}(\d+)[ \t]*\n", text, flags=re.MULTILINE)
    numbers = [int(n) for n in parts[1::2]]
    wanted = [cell.number for cell in book.cells]
    if numbers != wanted:
        hint = "put the statements that belong together into one cell"
        raise InputError("statements of several cells were translated as one", code="XL014", hint=hint)
    bodies = {n: body.removesuffix("\n") for n, body in zip(numbers, parts[2::2], strict=True) if _of(book, n).python}
    if parts[0] and bodies:
        # Imports that were put on top of the program: where the translation imports its framework, the path to the
        # project is set as well.
        home = next((n for n, body in bodies.items() if _FRAMEWORK.search(body)), next(iter(bodies)))
        bodies[home] = _under_imports(bodies[home], parts[0].rstrip("\n"))
    return {number: _with_magics(_of(book, number), body) for number, body in bodies.items()}


def _under_imports(body: str, statements: str) -> str:
    """Put statements under the last import of a cell, or on top."""
    tree = ast.parse(body)
    last = max((n.end_lineno or 0 for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)), default=0)
    lines = body.split("\n")
    return "\n".join([*lines[:last], statements, *lines[last:]])


def _install(book: Notebook, options: Options, text: str) -> Iterator[Diagnostic]:
    """Let ``!pip install`` install the other framework. The magics change; what is said about it comes back."""
    from translator.project.dependencies import Rewriter, install

    imported = set(re.findall(r"^[ \t]*(?:import|from)[ \t]+(\w+)", text, re.MULTILINE))
    for cell in book.cells:
        for name, magic in cell.magics.items():
            start = _INSTALL.match(magic)
            if start is None:
                continue
            rewriter = Rewriter(options, imported)
            line = next((i for i, row in enumerate(cell.python, 1) if name in row), 1)
            cell.magics[name] = install(magic, line, rewriter, start.end())
            for finding in rewriter.found:
                yield replace(finding, cell=cell.number)


def _foreign(book: Notebook, options: Options) -> Iterator[Diagnostic]:
    """Cells in other languages that name the framework: nobody translates those."""
    for cell in book.cells:
        text = "\n".join(cell.lines)
        if not cell.python and cell.error is None and mentions(text.encode(), options.direction.source):
            message = "a cell that is no Python names the framework and is left as it is"
            yield Diagnostic(1, 1, "XL212", Severity.WARNING, message, "look whether it still does what it should",
                             cell.number)  # fmt: skip


def _with_magics(cell: Cell, body: str) -> str:
    for name, magic in cell.magics.items():
        extra = rf"(?:\n[ \t]*# {name})*" if "\n" in magic else ""
        match = re.search(rf"{name}(?!\d){extra}", body)
        if match is not None:
            body = body[: match.start()] + magic + body[match.end() :]
    return body


def _first_use(book: Notebook, sources: dict[int, str], names: Sequence[str]) -> int:
    """Where the helpers' cell goes: above the first cell that uses one."""
    used = re.compile(rf"\b(?:{'|'.join(names)})_?\b") if names else re.compile("")
    return next((number for number, text in sources.items() if used.search(text)), book.cells[0].number) - 1


def _helper_cell(document: dict[str, Any], source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [],
                            "source": source.rstrip("\n").splitlines(keepends=True)}  # fmt: skip
    if (document.get("nbformat", 4), document.get("nbformat_minor", 0)) >= (4, 5):
        cell = {"cell_type": "code", "execution_count": None, "id": "xlate-helpers", **cell}
    return cell


def _moved(book: Notebook, finding: Diagnostic) -> Diagnostic:
    number, line = place(book, finding.line)
    return replace(finding, line=line, cell=number)


def _cell_error(cell: Cell) -> Diagnostic:
    error = cell.error
    assert error is not None
    return Diagnostic(error.line, error.column, error.code, Severity.ERROR, error.message,
                      "the cell is left as it is", cell.number)  # fmt: skip
