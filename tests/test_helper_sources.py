"""What is copied into a translation is complete: a helper uses nothing that does not come along."""

from __future__ import annotations

import ast
import builtins

import pytest

from translator.emit import HELPERS, _module, _packed, helper
from translator.emit import _bound as names_bound


@pytest.mark.parametrize("framework", ["tf", "torch"])
def test_every_name_that_a_helper_uses_comes_along(framework: str) -> None:
    index = _packed(framework)
    for name in index:
        found = helper(name, framework)
        assert found is not None
        tree = ast.parse((HELPERS / framework / found.order[0]).read_text("utf-8"))
        imports = ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
        inner = {n.id for c in tree.body if isinstance(c, ast.ClassDef) for n in ast.walk(c) if stored(n)}
        kinds = ast.FunctionDef | ast.ClassDef | ast.ExceptHandler
        inner |= {n.name for n in ast.walk(tree) if isinstance(n, kinds) and n.name}
        known = names_bound(imports) | vars(builtins).keys() | index.keys() | inner
        assert found.uses - known == set(), name


def stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


@pytest.mark.parametrize("framework", ["tf", "torch"])
def test_no_two_helpers_have_one_name(framework: str) -> None:
    homes: dict[str, str] = {}
    for path in sorted((HELPERS / framework).glob("*.py")):
        for found in _module(path):
            assert homes.setdefault(found.name, path.name) == path.name, found.name
