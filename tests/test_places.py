"""Where nodes begin, against LibCST's own positions (which are found by generating the whole file)."""

from __future__ import annotations

import ast
from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from translator import nodes
from translator.rewrite.places import places

ROOT = Path(__file__).resolve().parent.parent
HARD = '''\
"""A docstring."""
import os; x = f(1); y = "ä" + g(2)  # comment


# before
@first(1,
    2)
# between
@second
async def h(a: int = f(1), *, b=g("ö"), **c) -> Dict[str, int]:
    # inside

    if a: return f(a); b
    elif g(
        b,
          c
    ) and x:
        pass
    else:
        async with a(b) as c, d(e): print(f"{f(a)!r} {g(b):>{w}}")
    try:
          f(1)
    except (A, B(3)) as e:
        raise X(y) from z
    else:
        del q[f(1)]
    finally:
        x = (yield
             f(2))
    async for i in f(1):
        break
    else:
        continue
    return [
        j for j in f(
            1)
        # a comment
    ]


class A(B, metaclass=C(1)): a = f(1); b: int = g(2)
match f(1):
    case [A(x=1), *_] if f(2):
        f(3)
    case _:
        g(4)
while (n := f(1)):
  lambda q, r=f(2): g(q)
'''


def statements(tree: cst.Module) -> dict[cst.CSTNode, cst.CSTNode]:
    """Each node to the innermost statement line, suite or compound statement around it."""
    homes: dict[cst.CSTNode, cst.CSTNode] = {}

    def visit(node: cst.CSTNode, home: cst.CSTNode | None) -> None:
        if isinstance(node, cst.BaseStatement | cst.SimpleStatementSuite):
            home = node
        if home is not None:
            homes[node] = home
        for child in nodes.parts(node):
            visit(child, home)

    visit(tree, None)
    return homes


def check(text: str) -> None:
    wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    truth = wrapper.resolve(PositionProvider)
    homes = statements(wrapper.module)
    wanted = {n for n in homes if isinstance(n, cst.BaseExpression | cst.BaseSmallStatement | cst.BaseStatement)}
    wanted = {n for n in wanted if n in truth}
    for known in (homes, {}):
        found = places(wrapper.module, ast.parse(text), text, wanted, known)
        expected = {n: (truth[n].start.line, truth[n].start.column + 1) for n in wanted}
        wrong = [n for n in wanted if found.get(n) != expected[n]]
        assert not [(nodes.code(n), found.get(n), expected[n]) for n in wrong]
    assert wanted


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_kind_of_statement(newline: str) -> None:
    check(HARD.replace("\n", newline))


@pytest.mark.parametrize("path", sorted((ROOT / "fixtures").glob("*/torch_*.py"))[::5], ids=lambda p: p.parent.name)
def test_fixtures(path: Path) -> None:
    check(path.read_text("utf-8"))
