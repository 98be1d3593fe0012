"""Which statements feed one, and which use what one binds."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Set

import pytest

from translator.proof.slices import feeding, function_at, using

TEXT = textwrap.dedent("""\
    def forward(self, x, mask=None):
        a = self.one(x)
        b = a.std(1)
        c = self.two(a)
        parts = []
        for item in c:
            parts.append(item * b)
        if mask is not None:
            c[0] = mask
        d = torch.cat(
            parts,
        )
        b = d + 1
        return self.head(b, c)
    """)


def function() -> ast.FunctionDef | ast.AsyncFunctionDef:
    found = function_at(ast.parse(TEXT), 3)
    assert found is not None and found.name == "forward"
    return found


@pytest.mark.parametrize(
    ("line", "good", "lines"),
    [
        (3, set(), (2, 3)),
        (3, {("a", 2)}, (3, 3)),
        (11, set(), (2, 12)),  # through the loop and what it appends to
        (11, {("a", 2), ("c", 4)}, (3, 12)),
        (11, {("parts", 7), ("parts", 5)}, (10, 12)),
        (14, {("b", 13)}, (2, 14)),
        (14, {("b", 13), ("c", 4), ("c", 9)}, (14, 14)),
        (14, {("b", 13), ("c", 9)}, (14, 14)),
        (99, set(), None),
    ],
)
def test_what_feeds_a_statement(line: int, good: Set[tuple[str, int]], lines: tuple[int, int] | None) -> None:
    assert feeding(function(), line, good) == lines


@pytest.mark.parametrize(("line", "lines"), [(2, (2, 4)), (3, (3, 7)), (4, (4, 14)), (13, (13, 14)), (14, None)])
def test_what_uses_a_value(line: int, lines: tuple[int, int] | None) -> None:
    assert using(function(), line) == lines


@pytest.mark.parametrize(
    ("line", "until", "lines"), [(2, 3, (2, 3)), (3, 12, (3, 12)), (4, 13, (4, 13)), (2, 14, (2, 14))]
)
def test_what_is_computed_from_a_value_up_to_a_line(line: int, until: int, lines: tuple[int, int]) -> None:
    assert using(function(), line, until) == lines
