"""Places in a text, as the protocol counts them: lines that end as it says, columns in the client's units."""

from __future__ import annotations

import re
from bisect import bisect_right
from difflib import SequenceMatcher

from lsprotocol import types
from pygls.workspace import PositionCodec

_END = re.compile(r"\r\n|\n|\r")


class Lines:
    """A text by its lines. Form feeds and the like end no line, neither in the protocol nor in Python."""

    def __init__(self, text: str, codec: PositionCodec) -> None:
        self.text = text
        self.codec = codec
        self.starts = [0, *(found.end() for found in _END.finditer(text))]

    def line(self, number: int) -> str:
        """A line (from 0) without its end; empty past the last."""
        if number >= len(self.starts):
            return ""
        end = self.starts[number + 1] if number + 1 < len(self.starts) else len(self.text)
        return self.text[self.starts[number] : end].rstrip("\r\n")

    def position(self, line: int, column: int) -> types.Position:
        """The client's position of a line and a column, both from 0, the column in characters."""
        line = min(line, len(self.starts) - 1)
        return types.Position(line, self.codec.client_num_units(self.line(line)[:column]))

    def at(self, offset: int) -> types.Position:
        """The client's position of an offset in the text."""
        line = bisect_right(self.starts, offset) - 1
        return types.Position(line, self.codec.client_num_units(self.text[self.starts[line] : offset]))

    def character(self, position: types.Position) -> tuple[int, int]:
        """Line and column, both from 0, the column in characters, of a client's position."""
        units = 0
        for column, character in enumerate(self.line(position.line)):
            if units >= position.character:
                return position.line, column
            units += self.codec.client_num_units(character)
        return position.line, len(self.line(position.line))

    def whole(self) -> types.Range:
        """The range of the whole text."""
        return types.Range(types.Position(0, 0), self.at(len(self.text)))


def edits(old: Lines, new: str) -> list[types.TextEdit]:
    """The edits, by whole lines, that make the old text the new one."""
    before, after = old.text.splitlines(keepends=True), new.splitlines(keepends=True)
    offsets = [0]
    for line in before:
        offsets.append(offsets[-1] + len(line))
    out = []
    for kind, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            span = types.Range(old.at(offsets[first]), old.at(offsets[last]))
            out.append(types.TextEdit(span, "".join(after[start:end])))
    return out
