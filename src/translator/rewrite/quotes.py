"""F-strings whose expressions were rewritten. Before Python 3.12 they hold no quotes of their own kind, nor escapes."""

from __future__ import annotations

from typing import Any

import libcst as cst

_OTHER = {'"': "'", "'": '"'}


def fitting(node: cst.FormattedString) -> cst.FormattedString | None:
    """The f-string with other quotes inside where it needs them; ``None`` if its expressions cannot stand in it."""
    quote = node.quote
    new = node
    if len(quote) == 1:
        parts = [part.visit(_Quotes(quote)) if _is_expression(part) else part for part in node.parts]
        new = node.with_changes(parts=parts)
    return new if all(_fits(part, quote) for part in new.parts) else None


def _is_expression(part: Any) -> bool:
    return isinstance(part, cst.FormattedStringExpression)


def _fits(part: Any, quote: str) -> bool:
    """Whether an expression has nothing that would end the string around it."""
    if not _is_expression(part):
        return True
    code = cst.Module([]).code_for_node(part.expression)
    return not (quote in code or "\\" in code or "#" in code or (len(quote) == 1 and "\n" in code))


class _Quotes(cst.CSTTransformer):
    """Turns the quotes of plain strings into the other kind."""

    def __init__(self, quote: str) -> None:
        super().__init__()
        self.quote = quote

    def leave_SimpleString(self, original_node: cst.SimpleString, updated_node: cst.SimpleString) -> cst.SimpleString:
        other = _OTHER[self.quote]
        if updated_node.quote != self.quote or other in updated_node.value or "\\" in updated_node.value:
            return updated_node
        return updated_node.with_changes(value=updated_node.value.replace(self.quote, other))
