"""The lines of both programs that stand for a part of a model: where it is made, and where it runs."""

from __future__ import annotations

import ast
from functools import cache
from typing import Any

from ..model import Direction
from .judge import numbered
from .loading import Program

Place = tuple[str, int, int]
"""(file, first line, last line)."""

METHODS = {"torch": ("forward",), "tf": ("call", "__call__")}


class Lines:
    """Asks the texts of both programs."""

    def __init__(self, case: Any, torch: dict[str, Any], tf: dict[str, Any]) -> None:
        self.case = case
        self.torch, self.tf = torch, tf
        self.direction: Direction = case.direction
        self.numbers = dict(numbered(torch["skeleton"]))

    def program(self, framework: str) -> Program:
        found: Program = self.case.program(framework)
        return found

    def torch_part(self, path: str) -> dict[str, Any]:
        """The description of the torch module at a path; empty where there is none."""
        number = self.numbers.get(path)
        return self.torch["skeleton"]["modules"][number] if number is not None else {}

    def keras_part(self, path: str) -> dict[str, Any]:
        part: dict[str, Any] = self.tf["modules"].get(path, {})
        return part

    def class_name(self, framework: str, path: str) -> str:
        if framework == "torch":
            mro = self.torch_part(path).get("mro")
            return mro[0][1] if mro else ""
        return str(self.keras_part(path).get("class", ""))

    def defined_by_user(self, path: str) -> bool:
        """Whether the source program itself says what the part computes, rather than the framework."""
        framework = self.direction.source
        found = self._class(framework, path)
        return found is not None and any(_method(found[1], name) is not None for name in METHODS[framework])

    def _class(self, framework: str, path: str) -> tuple[str, ast.ClassDef] | None:
        """The file and statement of the class of a part, where the program has it."""
        name = self.class_name(framework, path)
        for file in self.program(framework).files.values():
            for node in _tree(file.text).body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return file.path, node
        return None

    def own_class(self, framework: str, path: str) -> Place | None:
        """The lines of the class of a part, where the program has it."""
        found = self._class(framework, path)
        return (found[0], found[1].lineno, found[1].end_lineno or found[1].lineno) if found is not None else None

    def made(self, framework: str, path: str) -> Place | None:
        """The statement that makes a part."""
        part = self.torch_part(path) if framework == "torch" else self.keras_part(path)
        site = part.get("site")
        if not site:
            return None
        file, line = site
        text = next((f.text for f in self.program(framework).files.values() if f.path == file), "")
        ends = [
            node.end_lineno or line
            for node in ast.walk(_tree(text))
            if isinstance(node, ast.Call | ast.Assign | ast.Return | ast.Expr) and node.lineno == line
        ]
        return file, line, min([end for end in ends if end > line], default=line) if line not in ends else line

    def forward(self, framework: str, path: str, after: Any, before: Any) -> Place | None:
        """The lines of a part's own code, from the call ``after`` which all is right to the one ``before`` which
        it is wrong.

        Args:
            after, before: events of the source program's trace; the other program's are found by their paths.
        """
        found = self._class(framework, path)
        if found is None:
            return self._function(framework) if not path else self.made(framework, path)
        file, node = found
        method = next((m for m in (_method(node, n) for n in METHODS[framework]) if m is not None), None)
        if method is None:
            return file, node.lineno, node.end_lineno or node.lineno
        first, last = method.lineno, method.end_lineno or method.lineno
        start, end = (self._line(framework, file, event) for event in (after, before))
        first = start if start is not None and first <= start <= last else first
        if end is not None and first <= end <= last:
            last = max(first, _statement_end(method, end))
        return file, first, last

    def _function(self, framework: str) -> Place | None:
        """The function that makes the model, for one that has no class of its own."""
        program = self.program(framework)
        name = self.case.task["entry"]
        for node in _tree(program.text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
                return program.path, node.lineno, node.end_lineno or node.lineno
        return None

    def _line(self, framework: str, file: str, event: Any) -> int | None:
        lines = event.get("lines", {}) if event else {}
        place = lines.get(framework)
        return place[1] if place and place[0] == file else None

    def text(self, place: Place | None, framework: str) -> str:
        """The source lines of a place."""
        if place is None:
            return ""
        text = next((f.text for f in self.program(framework).files.values() if f.path == place[0]), "")
        return "\n".join(text.splitlines()[place[1] - 1 : place[2]])


@cache
def _tree(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module([], [])


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == name), None)


def _statement_end(method: ast.FunctionDef, line: int) -> int:
    """The last line of the innermost statement around a line."""
    around = [
        n for n in ast.walk(method)
        if isinstance(n, ast.stmt) and n is not method and n.lineno <= line <= (n.end_lineno or n.lineno)
    ]  # fmt: skip
    simple = [n for n in around if not hasattr(n, "body")]
    return max((n.end_lineno or line for n in simple), default=line)

