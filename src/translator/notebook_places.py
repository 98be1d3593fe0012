"""Where a place in a notebook's cell stands in the notebook's file: what tools that know files only can point at."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_UNIT = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)
"""What stands for one character of a string: itself, an escape, or a pair of escapes beyond the basic plane."""
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(slots=True)
class Places:
    """The strings of a notebook's cells and the positions of their characters in the file."""

    text: str
    _cells: list[list[tuple[int, int]]] = field(init=False)
    """For each cell, the spans of the strings that its source consists of, without the quotes."""
    _lines: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = [0, *(match.end() for match in re.finditer("\n", self.text))]
        self._cells = []
        for start in _items(self.text, _member(self.text, _skip(self.text, 0), "cells")):
            source = _member(self.text, start, "source")
            starts = [source] if self.text[source : source + 1] == '"' else _items(self.text, source)
            matches = [_STRING.match(self.text, start) for start in starts]
            self._cells.append([(match.start() + 1, match.end() - 1) for match in matches if match is not None])

    def find(self, cell: int, line: int, column: int) -> tuple[int, int]:
        """The line and column in the file, from 1, of a line and column in a cell.

        Args:
            cell: its place among all cells, from 1.

        What is beyond the end of the cell's source stands at its end.
        """
        offset = self._offset(cell, line, column)
        row = bisect_right(self._lines, offset)
        return row, offset - self._lines[row - 1] + 1

    def _offset(self, cell: int, line: int, column: int) -> int:
        at = 0
        for start, end in self._cells[cell - 1] if 0 < cell <= len(self._cells) else []:
            for unit in _UNIT.finditer(self.text, start, end):
                if (line, column) <= (1, 1):
                    return unit.start()
                ends = unit.group() in ("\\n", "\n")
                if line == 1 and ends:
                    return unit.start()  # the line has no such column
                line, column = (line - ends, column) if line > 1 else (1, column - 1)
            at = end
        return at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match is not None else at


def _items(text: str, at: int) -> list[int]:
    """Where the items of the array at ``at`` start; none if there is no array."""
    out: list[int] = []
    if text[at : at + 1] != "[":
        return out
    at = _skip(text, at + 1)
    while text[at : at + 1] not in ("]", ""):
        out.append(at)
        at = _skip(text, _end(text, at))
        at = _skip(text, at + 1) if text[at : at + 1] == "," else at
    return out


def _member(text: str, at: int, name: str) -> int:
    """Where the value of an object's member starts; the end of the text if there is none."""
    if text[at : at + 1] != "{":
        return len(text)
    at = _skip(text, at + 1)
    while text[at : at + 1] == '"':
        end = _end(text, at)
        value = _skip(text, _skip(text, end) + 1)
        if json.loads(text[at:end]) == name:
            return value
        at = _skip(text, _end(text, value))
        at = _skip(text, at + 1) if text[at : at + 1] == "," else at
    return len(text)


def _end(text: str, at: int) -> int:
    """Where the value that starts at ``at`` ends. The text is valid."""
    return json.JSONDecoder().raw_decode(text, at)[1]
